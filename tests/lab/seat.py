"""baton in the virtual PC: installed, configured, started as an ordinary user, killed, asked."""
import glob
import hashlib
import json
import os
import signal
import time

from harness import Skip
from lab import HERE
from testcard import (CONSOLE_ARGS, GUESTS, NESTED_CPU, Testcard, guest_append, guest_files, guests_freeze,
                      guests_thaw, install_guests)

USER = "seat"
UID = 1000
RUNTIME = "/run/user/%d" % UID
PROGRAMS = "/opt/baton"
# These lie to the programs as in the build folder.
PRELOAD = "vm/preload/baton-qemu.so"
KEEPER = "input/keeper/baton-input"
HOME = "/home/seat"
CONFIG = HOME + "/.config/baton"
BINARIES = ("seat/baton", "control/batonctl")
CONSOLES = HOME + "/consoles"


class Guest:
    """A guest's file: the test guest with these settings; keys are further lines, sections further text."""

    def __init__(self, name, slot, fps=5, flip=1, memory="192", cursor=0, sections="", **keys):
        self.name = name
        self.slot = slot
        self.memory = memory
        self.append = guest_append(name, fps, flip) + (" testcard.cursor=%d" % cursor)
        self.sections = sections
        self.keys = keys

    def console(self):
        return "%s/%s" % (CONSOLES, self.name)

    def text(self):
        console = CONSOLE_ARGS.format(socket=self.console(), log=self.console() + ".log")
        lines = ["[vm]", "name = " + self.name, "slot = %d" % self.slot, "memory = " + self.memory,
                 "os = linux", "net = none", "kernel = %s/vmlinuz" % GUESTS,
                 "initrd = %s/testcard.cpio.zst" % GUESTS, "append = " + self.append]
        # KVM is what runs guests here: no probe on another CPU than the guests' (see the image).
        words = ("-accel kvm -cpu %s %s" % (NESTED_CPU, console)).split()
        lines += ["qemu-args = %s %s" % pair for pair in zip(words[::2], words[1::2])]
        lines += ["%s = %s" % (key.replace("_", "-"), value) for key, value in self.keys.items()]
        return "\n".join(lines) + "\n" + self.sections


class Seat:
    """One installation of baton in a virtual PC, with its guests' consoles in `cards` by name."""

    def __init__(self, pc, guests, options=()):
        self.pc = pc
        self.guests = guests
        self.options = list(options)
        self.process = None
        self.runs = 0
        self.cards = {guest.name: Testcard(pc, guest.name, guest.console()) for guest in guests}

    def install(self, settings=""):
        """Puts the programs, their settings and the guests' files into the virtual PC."""
        pc = self.pc
        if not pc.build:
            raise Skip("no build folder was given")
        install_guests(pc)
        for name in BINARIES:
            pc.put_file(os.path.join(pc.build, name), "%s/%s" % (PROGRAMS, os.path.basename(name)))
        for name in (PRELOAD, KEEPER):
            pc.put_file(os.path.join(pc.build, name), os.path.join(os.path.dirname(PROGRAMS), name))
        pc.run("install -d -m 700 -o {u} -g {u} {r} && rm -rf {c} && install -d -o {u} -g {u} {h}/.config {c} "
               "{c}/guests {k}".format(u=USER, r=RUNTIME, c=CONFIG, h=HOME, k=CONSOLES))
        pc.channel.put(CONFIG + "/baton.conf", settings.encode(), user=USER)
        for guest in self.guests:
            pc.channel.put("%s/guests/%s.ini" % (CONFIG, guest.name), guest.text().encode(), user=USER)
        return self

    def environment(self):
        return {"XDG_RUNTIME_DIR": RUNTIME, "LIBSEAT_BACKEND": "seatd",
                "PATH": PROGRAMS + ":/usr/bin:/bin"}

    def start(self, backend="kms"):
        """Starts baton; does not wait. The log of every run is kept among the pictures."""
        self.runs += 1
        self.process = self.pc.spawn(
            [PROGRAMS + "/baton", "--backend=" + backend] + self.options,
            user=USER, env=self.environment(), cwd=HOME)
        self.log_keep()
        return self

    def log_keep(self):
        log = open(os.path.join(self.pc.out, "baton-%d.log" % self.runs), "w", buffering=1)
        for line in self.process.lines:
            log.write(line + "\n")
        self.process.on_line = lambda text: log.write(text + "\n")

    def wait_control(self, seconds=60):
        """Waits until baton answers batonctl."""
        def answers():
            self.alive()
            return self.control("status", check=False).rc == 0
        self.pc.wait(answers, seconds, "answer of baton")
        return self

    def wait_guests(self, seconds=400):
        """Waits until every guest has started and answers on its console."""
        for card in self.cards.values():
            card.ready(seconds)
        return self

    def alive(self):
        if self.process.rc is not None:
            raise AssertionError("baton ended with status %d: %s"
                                 % (self.process.rc, " | ".join(self.process.lines[-5:])))

    def kill(self):
        """kill -9, and its end."""
        self.process.kill(signal.SIGKILL)
        self.process.exited()

    def control(self, *words, check=True, seconds=60):
        """Runs batonctl as the seat's user."""
        return self.pc.channel.run([PROGRAMS + "/batonctl"] + list(words), seconds, check=check,
                                   user=USER, env=self.environment())

    def status(self):
        return json.loads(self.control("--json", "status").out)

    def list(self):
        """The guests as batonctl tells them, by name."""
        return {guest["name"]: guest for guest in json.loads(self.control("--json", "list").out)}

    def focused(self):
        return next((name for name, guest in self.list().items() if guest["focused"]), None)

    def watch(self):
        """Follows who is in front without asking."""
        return Watch(self.pc.spawn([PROGRAMS + "/batonctl", "watch"], user=USER,
                                   env=self.environment()))

    def guest_monitor(self, name, line):
        """A line to the monitor of a guest's QEMU, on the socket that is for its user's tools."""
        stream = self.pc.channel.connect("%s/baton/%s/qmp-user.sock" % (RUNTIME, name))
        stream.write('{"execute": "qmp_capabilities"}\n')
        stream.line('{"return"', 20)
        stream.write(json.dumps({"execute": "human-monitor-command",
                                 "arguments": {"command-line": line}}) + "\n")
        answer = json.loads(stream.line('{"return"', 20))["return"]
        stream.close()
        return answer

    def mouse_instead_of_tablet(self, name):
        """The guest gets motion from now on, and no positions, as with a game or old firmware."""
        mice = self.guest_monitor(name, "info mice").splitlines()
        number = next(line.split("#")[1].split(":")[0] for line in mice if "Virtio Mouse" in line)
        self.guest_monitor(name, "mouse_set " + number)

    def guest_pid(self, name):
        """The process of a guest's QEMU."""
        return int(self.list()[name]["pid"])

    def chord(self, code, host="ctrl_r"):
        """Host key and another key on the USB keyboard."""
        self.pc.inputs.tap(host, code)

    def switch(self, name, seconds=20):
        """Switches with host key and the guest's slot, and waits until baton says that it is in front."""
        slot = next(guest.slot for guest in self.guests if guest.name == name)
        self.chord(1 + slot)
        self.pc.wait(lambda: self.focused() == name, seconds, "%s in front" % name)

    def showing(self, digest, size, seconds=20, what="picture of the guest on the screen"):
        """Waits until the screen, or its middle, has exactly these pixels; returns the picture."""
        width, height = (int(number) for number in size.split("x"))
        seen = []

        def same():
            picture = self.pc.screen()
            seen[:] = [picture]
            if picture.width < width or picture.height < height:
                return None
            part = picture.crop((picture.width - width) // 2, (picture.height - height) // 2,
                                width, height)
            return picture if part.sha256() == digest else None
        try:
            return self.pc.wait(same, seconds, what)
        except AssertionError:
            self.pc.save(seen[0], "not-the-picture")
            raise

    def showing_frame_of(self, name, seconds=20):
        """Which guest is on the screen with a moving picture: its frame number there, else None."""
        card = self.cards[name]
        before = card.count()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            number = self.pc.screen().pixel(0, 0)
            if before <= number <= card.count():
                return number
        return None


class Watch:
    """What batonctl watch tells: who is in front, as it changes."""

    def __init__(self, stream):
        self.stream = stream
        self.told = []
        stream.line("focus", 30)
        for line in stream.lines:
            self.on_line(line)
        stream.on_line = self.on_line

    def on_line(self, text):
        words = text.split()
        if words[0] == "focus":
            self.told.append(words[1] if len(words) > 1 else None)

    def front(self):
        return self.told[-1]

    def changes(self):
        return len(self.told) - 1


class SeatScene:
    """These guests, all up under baton, and a newly started baton that found them again.

    To boot the guests takes a minute or more on the one emulated CPU they share. So it is done once, by
    baton; baton is told to quit, which leaves the guests running, and the PC's memory is kept. Each test
    takes it up from there and starts the baton of the build folder. A kept state belongs to exactly
    these guests and to the sources that decide how QEMU is started (MAKERS).
    """

    MAKERS = ("vm", "vm/preload", "common", "input/keeper", "proto", "seat/guests.c")

    def __init__(self, name, guests, options=("--no-toasts",), settings=""):
        self.name = name
        self.guests = guests
        self.options = options
        self.settings = settings

    def key(self, pc):
        top = os.path.dirname(os.path.dirname(HERE))
        paths = guest_files()
        for maker in self.MAKERS:
            path = os.path.join(top, maker)
            paths += sorted(glob.glob(path + "/*.[ch]")) or [path]
        digest = hashlib.sha256(repr([guest.text() for guest in self.guests]).encode())
        for path in paths:
            with open(path, "rb") as file:
                digest.update(file.read())
        return digest.hexdigest()

    def make(self, pc):
        return Seat(pc, self.guests, self.options).install(self.settings)

    def set(self, pc):
        seat = self.make(pc)
        seat.start().wait_control().wait_guests()
        seat.control("quit")
        assert seat.process.exited(60) == 0, seat.process.lines[-5:]
        for card in seat.cards.values():
            card.count()
            card.disconnect()
        guests_freeze(pc)

    def take_up(self, pc):
        guests_thaw(pc)
        seat = self.make(pc)
        return seat.start().wait_control().wait_guests()
