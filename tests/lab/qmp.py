"""QMP client: commands with deadlines, events kept in order, descriptors passed along."""
import json
import socket

from loop import LabFailure


class QmpError(Exception):
    """QEMU refused a command."""


class Qmp:
    def __init__(self, loop, path, on_event=None):
        self.loop = loop
        self.on_event = on_event
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.data = b""
        self.greeting = None
        self.replies = {}
        self.events = []
        self.next_id = 1
        self.closed = False
        loop.add(self.sock, self.read)
        loop.wait(lambda: self.greeting or self.closed, 30, "greeting from QMP")
        self.command("qmp_capabilities")

    def read(self):
        data = self.sock.recv(1 << 16)
        if not data:
            self.closed = True
            self.loop.remove(self.sock)
            return
        *lines, self.data = (self.data + data).split(b"\n")
        for line in lines:
            self.message(json.loads(line))

    def message(self, message):
        if "event" in message:
            self.events.append(message)
            if self.on_event:
                self.on_event(message)
        elif "QMP" in message:
            self.greeting = message
        else:
            self.replies[message.get("id")] = message

    def send(self, name, arguments=None, fds=()):
        """Sends without waiting; the answer is to be fetched with result()."""
        number = self.next_id
        self.next_id += 1
        text = json.dumps({"execute": name, "arguments": arguments or {}, "id": number}) + "\n"
        if self.closed:
            raise LabFailure("QMP connection is closed")
        if fds:
            socket.send_fds(self.sock, [text.encode()], list(fds))
        else:
            self.sock.sendall(text.encode())
        return number

    def result(self, number, seconds=30):
        self.loop.wait(lambda: number in self.replies or self.closed, seconds, "answer from QMP")
        if number not in self.replies:
            raise LabFailure("QEMU closed QMP")
        reply = self.replies.pop(number)
        if "error" in reply:
            raise QmpError(reply["error"]["desc"])
        return reply["return"]

    def command(self, name, arguments=None, fds=(), seconds=30):
        return self.result(self.send(name, arguments, fds), seconds)

    def event(self, name, seconds=30):
        """Waits for the next event of that name and takes it out of the list."""
        def found():
            return next((e for e in self.events if e["event"] == name), None)
        event = self.loop.wait(found, seconds, "event " + name)
        self.events.remove(event)
        return event

    def close(self):
        if not self.closed:
            self.loop.remove(self.sock)
            self.closed = True
        self.sock.close()
