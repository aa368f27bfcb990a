"""Shared memory of a guest's picture: a viewer in the virtual PC, and the agent that writes it."""
import hashlib
import os
import subprocess

from lab import HERE, cache_folder

TOP = os.path.dirname(os.path.dirname(HERE))
PROBE = ["tests/lab/kvmfr-probe.c", "capture/lgmp_client.c", "capture/shared_memory.c", "capture/shm_guard.c",
         "tools/testcard/sha256.c"]


def compile_here(name, sources, words=()):
    """Compiles sources of the tree when they have changed; the program's path."""
    digest = hashlib.sha256(" ".join(words).encode())
    for folder in sorted({os.path.dirname(source) for source in sources} | {"common", "proto"}):
        for entry in sorted(os.listdir(os.path.join(TOP, folder))):
            if entry.endswith((".c", ".h")):
                with open(os.path.join(TOP, folder, entry), "rb") as file:
                    digest.update(file.read())
    path = os.path.join(cache_folder(), "lab", "%s-%s" % (name, digest.hexdigest()[:16]))
    if not os.path.exists(path):
        subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra",
                        "-Wno-unused-parameter", "-Wno-missing-field-initializers", "-I", TOP, "-o", path + ".new"]
                       + [os.path.join(TOP, source) for source in sources] + list(words), check=True)
        os.rename(path + ".new", path)
    return path


class Viewer:
    """kvmfr-probe.c on a file in the virtual PC."""

    def __init__(self, pc, path):
        self.pc = pc
        if pc.run("test -x /opt/lab/kvmfr-probe", check=False).rc:
            pc.put_file(compile_here("kvmfr-probe", PROBE), "/opt/lab/kvmfr-probe")
        self.process = pc.spawn(["/opt/lab/kvmfr-probe", path])

    def ask(self, command, answer=None, seconds=60):
        self.process.skip()
        self.process.write(command + "\n")
        return self.process.line(answer or command, seconds).split()[1:]

    def watch(self, seconds=60):
        self.ask("watch", "watching", seconds)
        return self

    def leave(self):
        self.ask("leave", "left")

    def picture(self):
        """(serial, size, SHA-256, pixels damaged since the last question)"""
        serial, size, digest, damaged = self.ask("hash")
        return int(serial), size, digest, int(damaged)

    def pointer(self):
        """(x, y, visible, size, SHA-256 of the image)"""
        x, y, visible, size, digest = self.ask("pointer")
        return int(x), int(y), visible == "1", size, digest

    def heartbeat(self):
        return int(self.ask("session")[1])

    def shows(self, expected, seconds=60, what="picture in shared memory"):
        """Waits until the picture is that of expected(), a pair of size and hash."""
        return self.pc.wait(lambda: self.picture()[1:3] == tuple(expected()), seconds, what)


class Port:
    """The seat's end of an agent's port (inside/agent_port.py); its lines are in process.lines."""

    def __init__(self, pc, socket="pty"):
        self.pc = pc
        self.process = pc.spawn_script("agent_port.py", socket)
        self.path = self.process.line("pty ", 60).split()[1] if socket == "pty" else socket

    def tell(self, command):
        self.process.skip()
        self.process.write(command + "\n")

    def ask(self, command, answer, seconds=60):
        """The words of the first line that begins with the answer."""
        self.tell(command)
        return self.process.line(answer, seconds).split()[1:]

    def rings(self):
        return [line.split() for line in self.process.lines if line.startswith("ring ")]


def agent_counts(process):
    """What baton-agent --counts said at its end: {"looks": 12, …}."""
    words = process.line(lambda line: "looks " in line, 60).partition("looks ")[2]
    return {name.strip(): int(number) for name, _, number in
            (pair.strip().rpartition(" ") for pair in ("looks " + words).split(","))}
