"""Our end of the agent in the virtual PC (agent.py): commands, files, processes and sockets there."""
import json
import signal
import socket
import struct

from loop import LabFailure

HEAD = struct.Struct("<II")


class RemoteError(Exception):
    """The agent could not do what was asked."""


class Result:
    """How a command ended."""

    def __init__(self, rc, out, err):
        self.rc = rc
        self.out = out
        self.err = err


class Stream:
    """Bytes from and to a process or a socket in the virtual PC, seen as lines.

    `lines` are complete lines that came so far; `taken` says how many of them line() has given out.
    """

    def __init__(self, channel, number, pid=None):
        self.channel = channel
        self.number = number
        self.pid = pid
        self.rc = None
        self.ended = False
        self.raw = bytearray()
        self.lines = []
        self.taken = 0
        self.tail = b""
        self.on_line = None

    def feed(self, data):
        self.raw += data
        *lines, self.tail = (self.tail + data).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace").rstrip("\r")
            self.lines.append(text)
            if self.on_line:
                self.on_line(text)

    def line(self, match, seconds, what=None):
        """The next line for which match (a prefix or a function) holds; earlier ones are passed over."""
        test = match if callable(match) else lambda text: text.startswith(match)

        def found():
            while self.taken < len(self.lines):
                self.taken += 1
                if test(self.lines[self.taken - 1]):
                    return [self.lines[self.taken - 1]]
            return ["\0ended"] if self.ended else None
        text = self.channel.loop.wait(found, seconds, what or "line %r" % match)[0]
        if text == "\0ended":
            raise AssertionError("%s: stream ended; last lines: %s"
                                 % (what or match, " | ".join(self.lines[-5:])))
        return text

    def skip(self):
        """Passes over all lines that are here already."""
        self.taken = len(self.lines)

    def write(self, text):
        """Sends text and does not wait; a broken pipe shows as the end of the stream."""
        number = self.channel.send({"do": "write", "stream": self.number}, text.encode())
        self.channel.unasked.add(number)

    def close(self):
        if not self.ended:
            self.channel.call({"do": "close", "stream": self.number})

    def kill(self, number=signal.SIGKILL, group=False):
        self.channel.call({"do": "signal", "pid": self.pid, "signal": int(number), "group": group})

    def exited(self, seconds=30):
        """Waits for the process' end; its exit status, negative for a signal."""
        self.channel.loop.wait(lambda: self.rc is not None, seconds, "end of process %s" % self.pid)
        return self.rc


class Channel:
    def __init__(self, loop, path):
        self.loop = loop
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.data = bytearray()
        self.hello = None
        self.closed = False
        self.next_id = 1
        self.replies = {}
        self.unasked = set()
        self.streams = {}
        self.early = {}
        loop.add(self.sock, self.read)

    def read(self):
        data = self.sock.recv(1 << 20)
        if not data:
            self.closed = True
            self.loop.remove(self.sock)
            return
        self.data += data
        while len(self.data) >= HEAD.size:
            head_len, body_len = HEAD.unpack_from(self.data)
            end = HEAD.size + head_len + body_len
            if len(self.data) < end:
                return
            head = json.loads(self.data[HEAD.size:HEAD.size + head_len])
            body = bytes(self.data[HEAD.size + head_len:end])
            del self.data[:end]
            self.message(head, body)

    def message(self, head, body):
        event = head.get("event")
        if event == "hello":
            self.hello = head
        elif event:
            stream = self.streams.get(head["stream"])
            if stream:
                self.stream_event(stream, head, body)
            else:
                # Output may overtake the answer that tells us the stream's number.
                self.early.setdefault(head["stream"], []).append((head, body))
        elif head["id"] in self.unasked:
            self.unasked.remove(head["id"])
        else:
            self.replies[head["id"]] = (head, body)

    @staticmethod
    def stream_event(stream, head, body):
        if head["event"] == "data":
            stream.feed(body)
        elif head["event"] == "end":
            stream.ended = True
        elif head["event"] == "exit":
            stream.rc = head["rc"]

    def send(self, head, body=b""):
        if self.closed:
            raise LabFailure("the agent's channel is closed")
        head = dict(head, id=self.next_id)
        self.next_id += 1
        text = json.dumps(head).encode()
        self.sock.sendall(HEAD.pack(len(text), len(body)) + text + body)
        return head["id"]

    def result(self, number, seconds, what):
        self.loop.wait(lambda: number in self.replies or self.closed, seconds, what)
        if number not in self.replies:
            raise LabFailure("the agent's channel closed during: " + what)
        head, body = self.replies.pop(number)
        if "error" in head:
            raise RemoteError("%s: %s" % (what, head["error"]))
        return head, body

    def call(self, head, body=b"", seconds=60):
        return self.result(self.send(head, body), seconds, "answer to %s" % head["do"])

    def new_stream(self, head):
        stream = Stream(self, head["stream"], head.get("pid"))
        self.streams[stream.number] = stream
        for early in self.early.pop(stream.number, []):
            self.stream_event(stream, *early)
        return stream

    def run(self, command, seconds=60, check=True, stdin=b"", **options):
        """Runs a shell command (or a list of arguments) as root, or as options["user"]."""
        argv = command if isinstance(command, list) else ["sh", "-c", command]
        request = dict(options, do="run", argv=argv, seconds=seconds)
        head, body = self.result(self.send(request, stdin), seconds + 30, "end of %r" % command)
        if head.get("timeout"):
            raise AssertionError("%r did not end within %g s" % (command, seconds))
        out = body[:head["out"]].decode(errors="replace")
        result = Result(head["rc"], out, body[head["out"]:].decode(errors="replace"))
        if check and result.rc != 0:
            raise AssertionError("%r ended with %d: %s%s"
                                 % (command, result.rc, result.out[-2000:], result.err[-2000:]))
        return result

    def spawn(self, argv, **options):
        """Starts a process that goes on; its output is the stream's lines."""
        head, _ = self.call(dict(options, do="spawn", argv=argv))
        return self.new_stream(head)

    def connect(self, path):
        """Connects to a unix socket in the virtual PC."""
        head, _ = self.call({"do": "connect", "path": path})
        return self.new_stream(head)

    def put(self, path, data, mode=0o644, **options):
        self.call(dict(options, do="put", path=path, mode=mode), data, seconds=120)

    def get(self, path):
        return self.call({"do": "get", "path": path}, seconds=120)[1]

    def close(self):
        if not self.closed:
            self.loop.remove(self.sock)
            self.closed = True
        self.sock.close()
