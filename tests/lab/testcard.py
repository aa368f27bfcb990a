"""The test guest inside the virtual PC: started by us or by baton, asked over its console."""
import os
import re
import time
from collections import Counter

from channel import RemoteError
from lab import cache_folder

GUESTS = "/opt/guests"
CONSOLE_ARGS = ("-device virtio-serial-pci "
                "-chardev socket,id=tc,path={socket},server=on,wait=off,logfile={log} "
                "-device virtconsole,chardev=tc")


# The emulation under us (QEMU 10.0, helper_vmrun) forgets that it has delivered an interrupt to a nested guest, and
# when its CPU is disturbed before that guest's next exit it delivers it again as an exception, whatever the guest's
# interrupt flag says: the handler then waits for a lock that it holds itself. Without paravirtual EOI the exit
# comes with the acknowledgement, before a handler takes any lock that matters.
NESTED_CPU = "host,kvm-pv-eoi=off"


def guest_files():
    """The test guest's kernel and file system on this machine."""
    folder = os.path.join(cache_folder(), "guests")
    return [os.path.join(folder, name) for name in ("vmlinuz", "testcard.cpio.zst")]


def install_guests(pc):
    """Puts the test guest's kernel and file system into the virtual PC, once."""
    if pc.run("test -e %s/testcard.cpio.zst" % GUESTS, check=False).rc == 0:
        return
    for path in guest_files():
        pc.put_file(path, "%s/%s" % (GUESTS, os.path.basename(path)))


def guests_freeze(pc):
    """Before the PC's memory is kept: a CPU that is just running a nested guest cannot be loaded again."""
    pc.run("pkill -STOP -x qemu-system-x86")


def guests_thaw(pc):
    pc.run("pkill -CONT -x qemu-system-x86")


def guest_append(name, fps=5, flip=1):
    """The kernel's command line. Few frames at first: all guests boot on one emulated CPU."""
    return ("quiet mitigations=off testcard.name=%s testcard.fps=%d testcard.flip=%d"
            % (name, fps, flip))


def start_guest(pc, name, fps=5, flip=1, extra=()):
    """Starts a test guest without baton; returns its Testcard, with `process` beside the console."""
    install_guests(pc)
    folder = "/run/lab-%s" % name
    pc.run("mkdir -p " + folder)
    console = CONSOLE_ARGS.format(socket=folder + "/tc", log=folder + "/tc.log").split()
    process = pc.spawn(
        ["qemu-system-x86_64", "-name", name, "-machine", "q35,accel=kvm", "-cpu", NESTED_CPU,
         "-m", "192", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
         "-device", "virtio-vga", "-device", "virtio-tablet-pci", "-device", "virtio-keyboard-pci",
         "-kernel", GUESTS + "/vmlinuz", "-initrd", GUESTS + "/testcard.cpio.zst",
         "-append", guest_append(name, fps, flip),
         "-qmp", "unix:%s/qmp,server=on,wait=off" % folder] + console + list(extra))
    card = Testcard(pc, name, folder + "/tc", process)
    return card


class Testcard:
    """A running test guest. Its lines about keys and motion collect; what follows a mark() is new."""

    def __init__(self, pc, name, socket, process=None):
        self.pc = pc
        self.name = name
        self.process = process
        self.stream = None
        self.marked = 0
        self.arrived = 0
        self.tally = Counter()
        self.socket = socket

    def connect(self, seconds=60):
        """Connects to the console, which QEMU offers from its start."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.stream = self.pc.channel.connect(self.socket)
                break
            except RemoteError as error:
                if time.monotonic() > deadline or (self.process and self.process.ended):
                    output = " | ".join(self.process.lines[-3:]) if self.process else ""
                    raise AssertionError("guest %s has no console: %s %s"
                                         % (self.name, error, output)) from None
                self.pc.loop.turn(0.05)
        self.stream.on_line = self.on_line
        return self

    def disconnect(self):
        """Lets go of the console, for the next one who connects."""
        if self.stream:
            self.stream.close()
            self.pc.wait(lambda: self.stream.ended, 30, "end of the console's stream")
            self.stream = None

    def on_line(self, text):
        if text[:2] in ("K ", "R ", "A ", "W "):
            self.arrived += 1
            self.tally[text[0]] += 1

    def ready(self, seconds=120):
        """Waits until the guest answers."""
        if not self.stream:
            self.connect(seconds)
        self.ask("count", seconds)
        return self

    def tell(self, command):
        """A command without an answer."""
        self.stream.write(command + "\n")

    def ask(self, command, seconds=30, answer=None):
        """A command with an answer; the words after the answer's first one."""
        answer = answer or {"stop": "stopped", "draw": "drawn"}.get(command.split()[0],
                                                                    command.split()[0])
        pattern = re.compile(re.escape(answer) + r"( \d|$)" if answer != "down" else r"down\b")
        seen = len(self.stream.lines)
        self.tell(command)

        def found():
            return next((l for l in self.stream.lines[seen:] if pattern.match(l)), None)
        line = self.pc.wait(found, seconds, "answer of guest %s to %r" % (self.name, command))
        return line.split()[1:]

    def count(self):
        return int(self.ask("count")[0])

    def stop(self, frame=0):
        """Stops drawing at that frame: (frame, "WxH", SHA-256 of its pixels)."""
        words = self.ask("stop %d" % frame, 60)
        return int(words[0]), words[1], words[2]

    def go(self):
        self.tell("go")

    def hash(self):
        words = self.ask("hash")
        return int(words[0]), words[1], words[2]

    def down(self):
        """The codes of all keys and buttons that are held in the guest."""
        return [int(word) for word in self.ask("down")]

    def gap_ms(self):
        """The longest time between two frames since the last question."""
        return int(self.ask("gap")[0]) / 1000

    def mark(self):
        self.marked = len(self.stream.lines)

    def events(self, kinds="KRAW"):
        """Input lines since mark() as tuples: ("K", code, 1|0), ("R", dx, dy), ("A", x, y), ("W", v, h)."""
        found = []
        for line in self.stream.lines[self.marked:]:
            if len(line) > 2 and line[0] in kinds and line[1] == " ":
                words = line.split()
                found.append((words[0],) + tuple(int(word) for word in words[1:]))
        return found

    def keys(self):
        return [event[1:] for event in self.events("K")]

    def motion(self):
        """The sum of all relative motion since mark()."""
        moves = self.events("R")
        return sum(m[1] for m in moves), sum(m[2] for m in moves)

    def position(self):
        """The last absolute position since mark(), or None."""
        places = self.events("A")
        return places[-1][1:] if places else None

    def wheel(self):
        turns = self.events("W")
        return sum(t[1] for t in turns), sum(t[2] for t in turns)

    def wait_events(self, count, kinds="KRAW", seconds=60):
        self.pc.wait(lambda: len(self.events(kinds)) >= count, seconds,
                     "%d %s events in guest %s (%d came)"
                     % (count, kinds, self.name, len(self.events(kinds))))
        return self.events(kinds)
