"""A PipeWire and a WirePlumber of a test's own, in folders of their own, with sinks and sources that are made up."""
import array
import cmath
import math
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))

from benchlib import wait_for  # noqa: E402

RATE = 48000
# The overrides for virtual machines are undone, so that quanta are a PC's: in PipeWire 0.3 and 1.0, and in later ones.
CONFIGURATION = """
context.properties = {
    default.clock.rate = 48000
    default.clock.min-quantum = 32
    vm.overrides = { default.clock.min-quantum = 32 }
    module.jackdbus-detect = false
    support.dbus = false
}
context.properties.rules = [
    { matches = [ { cpu.vm.name = !null } ] actions = { update-props = { default.clock.min-quantum = 32 } } }
]
context.spa-libs = { audiotestsrc = audiotestsrc/libspa-audiotestsrc }
"""
SINK = ("{ factory.name=support.null-audio-sink node.name=%s media.class=Audio/Sink object.linger=true "
        "audio.position=[ FL FR ] monitor.channel-volumes=true }")
# A tone of 440 Hz that is always there.
SOURCE = "{ factory.name=audiotestsrc node.name=%s media.class=Audio/Source object.linger=true priority.session=2000 priority.driver=2000 }"


class Daemons:
    """Nothing runs before start()."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="sound.", dir=os.environ.get("BATON_RUNTIME") or "/tmp")
        self.environment = dict(os.environ, HOME=self.folder, XDG_RUNTIME_DIR=self.path("run"),
                                XDG_CONFIG_HOME=self.path("config"), XDG_STATE_HOME=self.path("state"),
                                PIPEWIRE_RUNTIME_DIR=self.path("run"))
        for name in ("PIPEWIRE_REMOTE", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY"):
            self.environment.pop(name, None)
        os.makedirs(self.path("run"), 0o700)
        os.makedirs(self.path("config/pipewire/pipewire.conf.d"))
        os.makedirs(self.path("state"))
        with open(self.path("config/pipewire/pipewire.conf.d/test.conf"), "w") as file:
            file.write(CONFIGURATION)
        self.processes = {}
        self.others = []

    def path(self, name):
        return os.path.join(self.folder, name)

    def spawn(self, *argv, **kwargs):
        """A client, which ends with the daemons."""
        process = subprocess.Popen(argv, env=self.environment, **kwargs)
        self.others.append(process)
        return process

    def start(self, sinks=("loudspeaker",)):
        for name in ("pipewire", "wireplumber"):
            with open(self.path(name + ".log"), "ab") as log:
                self.processes[name] = subprocess.Popen([name], env=self.environment, stdin=subprocess.DEVNULL,
                                                        stdout=log, stderr=log)
            if name == "pipewire":
                wait_for(lambda: "Core" in self.cli("info", "0"), 60, "PipeWire")
        # What makes it link streams: its policy is there when its metadata is.
        wait_for(lambda: "default" in self.cli("ls", "Metadata"), 60, "WirePlumber")
        for sink in sinks:
            self.add_sink(sink)

    def stop(self, number=signal.SIGKILL):
        for process in self.processes.values():
            process.send_signal(number)
            process.wait()
        self.processes = {}

    def end(self, keep=False):
        for process in self.others:
            process.kill()
            process.wait()
        self.stop()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def cli(self, *words):
        done = subprocess.run(["pw-cli", *words], env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, check=False)
        return done.stdout.decode(errors="replace")

    def node(self, name):
        """The id of a node, or None."""
        number = None
        for line in self.cli("ls", "Node").splitlines():
            words = line.split()
            if words[:1] == ["id"]:
                number = words[1].rstrip(",")
            elif words[:2] == ["node.name", "="] and words[2] == '"%s"' % name:
                return number
        return None

    def add(self, name, what):
        self.cli("create-node", "adapter", what % name)
        wait_for(lambda: self.node(name), 20, "the node " + name)

    def add_sink(self, name):
        self.add(name, SINK)

    def add_source(self, name):
        self.add(name, SOURCE)

    def remove(self, name):
        self.cli("destroy", self.node(name))
        wait_for(lambda: not self.node(name), 20, "the end of the node " + name)

    def links(self):
        """Pairs of names of ports that are linked, "NODE:PORT"."""
        done = subprocess.run(["pw-link", "-l"], env=self.environment, stdout=subprocess.PIPE, timeout=20, check=False)
        pairs, port = [], None
        for line in done.stdout.decode().splitlines():
            if line.lstrip().startswith("|->"):
                pairs.append((port, line.split("|->")[1].strip()))
            elif not line.lstrip().startswith("|<-"):
                port = line.strip()
        return pairs

    def linked(self, start, end):
        return any(a.startswith(start) and b.startswith(end) for a, b in self.links())


class Listener:
    """What comes out of a sink. Blocks of (time in ns, samples) are read in a thread. The graph takes turns of so many
    frames at most."""

    def __init__(self, daemons, program, frames=480, sink="loudspeaker"):
        self.process = daemons.spawn(program, sink, str(frames), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE)
        self.blocks = []
        line = self.process.stderr.readline().decode().strip()
        if line != "ready":
            raise AssertionError("the listener says: " + line)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while True:
            head = self.process.stdout.read(12)
            if len(head) < 12:
                return
            when, n = struct.unpack("<QI", head)
            samples = array.array("f")
            samples.frombytes(self.process.stdout.read(4 * n))
            self.blocks.append((when, samples))

    def end(self):
        self.process.kill()
        self.process.wait()
        self.thread.join()

    def last(self, seconds):
        """The last so many samples."""
        samples, wanted = array.array("f"), int(seconds * RATE)
        for _, block in reversed(self.blocks[:]):
            samples = block + samples
            if len(samples) >= wanted:
                break
        return samples[-wanted:]

    def since(self, mark):
        samples = array.array("f")
        for _, block in self.blocks[mark:]:
            samples.extend(block)
        return samples

    def runs(self, mark):
        """The samples since a mark, in pieces: where the graph itself missed a turn, one ends and another begins."""
        runs, due = [], None
        for when, block in self.blocks[mark:]:
            if due is None or abs(when - due) > 1e6:
                runs.append(array.array("f"))
            runs[-1].extend(block)
            due = when + len(block) * 1e9 / RATE
        return runs

    def mark(self):
        return len(self.blocks)


def strength(samples, hz):
    """The amplitude of a tone in the samples."""
    if not samples:
        return 0.0
    turn = cmath.exp(-2j * math.pi * hz / RATE)
    sum_, phase = 0j, 1 + 0j
    for sample in samples:
        sum_ += sample * phase
        phase *= turn
    return 2 * abs(sum_) / len(samples)


def steps(samples, hz, amplitude):
    """How often the signal moves further between two samples than a tone of this strength can, and a gap or a fade
    that is smoothed over 5 ms beside it."""
    most = 1.05 * amplitude * 2 * math.sin(math.pi * hz / RATE) + 2 * amplitude / (0.005 * RATE)
    return sum(1 for a, b in zip(samples, samples[1:]) if abs(b - a) > most)
