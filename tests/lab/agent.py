#!/usr/bin/python3
"""The lab's hands inside the virtual PC: runs commands, moves files, relays sockets.

It runs as root in the virtual PC and talks over one virtio-serial port. A message is two little-endian
32-bit lengths, a JSON object of the first length and raw bytes of the second. A request carries an "id"
that its answer repeats; what happens later (output, end of a process, bytes of a socket) comes as a
message with an "event". One thread, nothing in it waits.
"""
import asyncio
import json
import os
import pwd
import signal
import struct
import subprocess
import sys

PORT = "/dev/virtio-ports/org.baton.lab"
HEAD = struct.Struct("<II")
CHUNK = 65536


class Port:
    """The virtio-serial port: whole messages in, queued messages out."""

    def __init__(self, loop, on_message):
        self.loop = loop
        self.on_message = on_message
        self.fd = os.open(PORT, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.incoming = bytearray()
        self.outgoing = bytearray()
        loop.add_reader(self.fd, self.read)

    def read(self):
        try:
            data = os.read(self.fd, 1 << 20)
        except BlockingIOError:
            return
        if not data:
            # The other side is not connected (yet); the port stays readable meanwhile.
            self.loop.remove_reader(self.fd)
            self.loop.call_later(0.2, self.loop.add_reader, self.fd, self.read)
            return
        self.incoming += data
        while len(self.incoming) >= HEAD.size:
            head_len, body_len = HEAD.unpack_from(self.incoming)
            end = HEAD.size + head_len + body_len
            if len(self.incoming) < end:
                return
            head = json.loads(self.incoming[HEAD.size:HEAD.size + head_len])
            body = bytes(self.incoming[HEAD.size + head_len:end])
            del self.incoming[:end]
            self.on_message(head, body)

    def send(self, head, body=b""):
        text = json.dumps(head).encode()
        if not self.outgoing:
            self.loop.add_writer(self.fd, self.write)
        self.outgoing += HEAD.pack(len(text), len(body)) + text + body

    def write(self):
        try:
            done = os.write(self.fd, memoryview(self.outgoing)[:CHUNK])
        except BlockingIOError:
            return
        del self.outgoing[:done]
        if not self.outgoing:
            self.loop.remove_writer(self.fd)


def popen_options(head):
    """What a request may say about a process: user, environment, folder, CPUs."""
    env = dict(os.environ)
    options = {"start_new_session": True, "cwd": head.get("cwd", "/")}
    if "user" in head:
        user = pwd.getpwnam(head["user"])
        options.update(user=user.pw_uid, group=user.pw_gid,
                       extra_groups=os.getgrouplist(user.pw_name, user.pw_gid))
        env.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name)
    env.update(head.get("env", {}))
    options["env"] = env
    argv = head["argv"]
    if "cpus" in head:
        argv = ["taskset", "-c", head["cpus"]] + argv
    return argv, options


class Agent:
    def __init__(self, loop):
        self.loop = loop
        self.streams = {}
        self.tasks = set()
        self.next_stream = 1
        self.port = Port(loop, self.request)
        self.port.send({"event": "hello", "kernel": os.uname().release,
                        "uptime": float(open("/proc/uptime").read().split()[0])})

    def request(self, head, body):
        self.begin(self.answer(head, body))

    def begin(self, work):
        """The event loop alone does not keep a task: one that waits for a stream would be collected with it."""
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.end)

    def end(self, task):
        self.tasks.remove(task)
        task.result()

    async def answer(self, head, body):
        reply = {"id": head["id"]}
        data = b""
        try:
            more, data = await getattr(self, "do_" + head["do"])(head, body)
            reply.update(more)
        except (OSError, KeyError, ValueError, subprocess.SubprocessError) as error:
            reply["error"] = "%s: %s" % (type(error).__name__, error)
        self.port.send(reply, data)

    def stream_new(self):
        number = self.next_stream
        self.next_stream += 1
        return number

    async def do_ping(self, head, body):
        return {}, b""

    async def do_run(self, head, body):
        argv, options = popen_options(head)
        child = await asyncio.create_subprocess_exec(
            *argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        try:
            out, err = await asyncio.wait_for(child.communicate(body), head["seconds"])
        except asyncio.TimeoutError:
            os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
            return {"timeout": True}, b""
        return {"rc": child.returncode, "out": len(out)}, out + err

    async def do_spawn(self, head, body):
        """A process that goes on; its output comes as a stream, its end as an event."""
        argv, options = popen_options(head)
        child = await asyncio.create_subprocess_exec(
            *argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            **options)
        number = self.stream_new()
        self.streams[number] = child.stdin
        self.begin(self.relay(number, child.stdout, child))
        return {"stream": number, "pid": child.pid}, b""

    async def do_connect(self, head, body):
        """A unix socket in the virtual PC as a stream."""
        reader, writer = await asyncio.open_unix_connection(head["path"])
        number = self.stream_new()
        self.streams[number] = writer
        self.begin(self.relay(number, reader, None))
        return {"stream": number}, b""

    async def relay(self, number, reader, child):
        if child:
            # The end of the process and the end of its output are two things: children of it may
            # keep the pipe open.
            self.begin(self.reap(number, child))
        try:
            while data := await reader.read(CHUNK):
                self.port.send({"event": "data", "stream": number}, data)
        except OSError as error:
            self.port.send({"event": "error", "stream": number, "text": str(error)})
        self.streams.pop(number, None)
        self.port.send({"event": "end", "stream": number})

    async def reap(self, number, child):
        rc = await child.wait()
        self.port.send({"event": "exit", "stream": number, "pid": child.pid, "rc": rc})

    async def do_write(self, head, body):
        self.streams[head["stream"]].write(body)
        return {}, b""

    async def do_close(self, head, body):
        writer = self.streams.pop(head["stream"], None)
        if writer:
            writer.close()
        return {}, b""

    async def do_signal(self, head, body):
        if head.get("group"):
            os.killpg(head["pid"], head["signal"])
        else:
            os.kill(head["pid"], head["signal"])
        return {}, b""

    async def do_put(self, head, body):
        os.makedirs(os.path.dirname(head["path"]), exist_ok=True)
        # A new file each time: the old one may be a program that runs.
        temporary = head["path"] + ".new"
        with open(temporary, "wb") as file:
            file.write(body)
        os.chmod(temporary, head.get("mode", 0o644))
        if "user" in head:
            user = pwd.getpwnam(head["user"])
            os.chown(temporary, user.pw_uid, user.pw_gid)
        os.rename(temporary, head["path"])
        return {}, b""

    async def do_get(self, head, body):
        with open(head["path"], "rb") as file:
            return {}, file.read()


def main():
    os.umask(0o022)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    Agent(loop)
    loop.run_forever()


if __name__ == "__main__":
    sys.exit(main())
