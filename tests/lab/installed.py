"""baton as its packages install it: units of systemd for broker, seat and guests, and users of the guests' own."""
import os
import re

from broker import LIBEXEC
from handoff import LentSeat
from lab import HERE
from seat import PROGRAMS, RUNTIME, UID, USER, CONSOLES, HOME

UNITS = os.path.join(os.path.dirname(os.path.dirname(HERE)), "data/systemd")
BUILT = "passthrough/guest/baton-guest"
MANAGER = {"XDG_RUNTIME_DIR": RUNTIME, "PATH": "/usr/bin:/bin"}
# What this virtual PC needs beside the unit: its screen and keys are seatd's.
SETTINGS = """[Service]
Environment=LIBSEAT_BACKEND=seatd
ExecStart=
ExecStart=%s/baton --backend=kms %s
# An emulated processor draws three screens before baton first answers.
WatchdogSec=60
"""


class Service:
    """A running unit of the user's manager, as Seat knows a process."""

    def __init__(self, seat):
        self.seat = seat
        self.lines = []
        self.rc = None

    @property
    def pid(self):
        return int(self.seat.manager("show", "-P", "MainPID", "baton.service").out)


class InstalledSeat(LentSeat):
    """users: which guest has which user of its own."""

    def __init__(self, pc, guests, options, lent, users):
        super().__init__(pc, guests, options, lent)
        self.users = users
        pc.at_failure.append(self.keep)

    def keep(self):
        """What all units said, for whoever looks into a failure."""
        told = self.pc.run("journalctl -q -o short-monotonic _UID=%d | tail -n 100; "
                           "journalctl -q -o short-monotonic --grep baton-guest; tail -n 20 %s/baton/*/qemu.log" % (UID, RUNTIME), check=False)
        with open(os.path.join(self.pc.out, "installed.log"), "w") as file:
            file.write(told.out + told.err)

    def unit(self, name, path, **words):
        with open(os.path.join(UNITS, name + ".in")) as file:
            text = file.read()
        for word, value in words.items():
            text = text.replace("@%s@" % word, value)
        self.pc.channel.put(path + "/" + name, text.encode())

    def install(self, settings=""):
        super().install(settings)
        pc = self.pc
        for user in self.users.values():
            pc.run("id -u %s 2>/dev/null || useradd --system %s" % (user, user))
        # The guests' consoles are sockets of their QEMUs.
        pc.run("chmod 777 %s && chmod 755 %s" % (CONSOLES, HOME))
        pc.put_file(os.path.join(pc.build, BUILT), LIBEXEC + "/baton/baton-guest")
        self.unit("baton-guest@.service", "/etc/systemd/system", libexecdir=LIBEXEC)
        self.unit("baton.service", "/etc/systemd/user", bindir=PROGRAMS)
        pc.channel.put("/etc/systemd/user/baton.service.d/lab.conf",
                       (SETTINGS % (PROGRAMS, " ".join(self.options))).encode())
        self.broker.install([card.slot for card in self.lent],
                            extra=["guest %s %s" % pair for pair in self.users.items()])
        return self

    def manager(self, *words, check=True):
        return self.pc.channel.run(["systemctl", "--user"] + list(words), 120, check=check, user=USER, env=MANAGER)

    def start(self, backend="kms"):
        self.pc.run("systemctl start user@%d.service" % UID, 120)
        self.manager("daemon-reload")
        self.process = Service(self)
        self.manager("start", "baton.service")
        return self

    def alive(self):
        """systemd starts it anew as often as need be."""

    def kill(self):
        """kill -9; systemd is to start it anew."""
        before = self.process.pid
        self.pc.run("kill -9 %d" % before)
        self.pc.wait(lambda: self.process.pid not in (0, before), 30, "seat started anew by systemd")

    def kill_for_good(self):
        """kill -9, and systemd leaves it at that."""
        self.manager("kill", "--signal=KILL", "baton.service")
        self.manager("stop", "baton.service")

    def said(self):
        """What its unit has written since the start of the virtual PC."""
        return self.pc.run("journalctl -q -o cat _UID=%d" % UID).out

    def uid(self, name):
        """As whom a guest's QEMU runs."""
        return self.pc.run("id -un $(ps -o uid= -p %d)" % self.qemu_pid(name)).out.strip()

    def group(self, name):
        return self.pc.run("cat /proc/%d/cgroup" % self.qemu_pid(name)).out.strip()

    def guest_unit(self, name):
        """Its state, as systemd tells it."""
        return self.pc.run("systemctl show -P ActiveState baton-guest@%s.service" % self.users[name]).out.strip()

    def tries(self, user, path):
        """What a user's attempt to open a node for writing ends in: "" or an error's words."""
        said = self.pc.run("runuser -u %s -- sh -c 'exec 3<>%s'" % (user, path), check=False)
        found = re.search(r"(Permission denied|Device or resource busy)", said.err)
        return found.group(1) if found else said.err.strip()
