"""baton-broker in the virtual PC: installed, started as a service, killed, and spoken to directly."""
import itertools
import json
import os

from harness import Skip
from lab import HERE

LIBEXEC = "/opt/libexec"
PROGRAM = LIBEXEC + "/baton/baton-broker"
BUILT = "passthrough/broker/baton-broker"
CONFIG = "/etc/baton/broker.conf"
SOCKET = "/run/baton/broker.sock"
JOURNALS = "/run/baton/journal"
UNIT = "/etc/systemd/system/baton-broker.service"
UNIT_SOURCE = os.path.join(os.path.dirname(os.path.dirname(HERE)), "data/systemd/baton-broker.service.in")


class Broker:
    """The service, with the unit that is installed. Its cards and users are those of broker.conf."""

    def __init__(self, pc):
        self.pc = pc
        pc.at_failure.append(self.keep)

    def keep(self):
        """Its log, its journals and its workers, for whoever looks into a failure."""
        told = self.pc.run("journalctl -q -o short-monotonic -u baton-broker.service; tail -n 1000 %s/*.journal; "
                           "ps -eo pid,ppid,stat,wchan:30,args | grep -v ]$; dmesg | tail -n 30" % JOURNALS, check=False)
        with open(os.path.join(self.pc.out, "broker.log"), "w") as file:
            file.write(told.out + told.err)

    def install(self, slots, users=("seat",), extra=()):
        if not self.pc.build:
            raise Skip("no build folder was given")
        self.pc.put_file(os.path.join(self.pc.build, BUILT), PROGRAM)
        lines = ["card " + slot for slot in slots] + ["user " + user for user in users] + list(extra)
        self.pc.channel.put(CONFIG, ("\n".join(lines) + "\n").encode())
        with open(UNIT_SOURCE) as file:
            unit = file.read().replace("@libexecdir@", LIBEXEC)
        self.pc.channel.put(UNIT, unit.encode())
        self.pc.run("modprobe vfio-pci && systemctl daemon-reload")
        return self

    def start(self):
        self.pc.run("systemctl restart baton-broker.service")
        return self.wait()

    def wait(self, seconds=30):
        """Waits until it can be connected to."""
        def listens():
            return self.pc.run("grep -q %s /proc/net/unix" % SOCKET, check=False).rc == 0
        self.pc.wait(listens, seconds, "broker's socket")
        return self

    def pid(self):
        """Its process, or 0."""
        return int(self.pc.run("systemctl show -P MainPID baton-broker.service").out)

    def stop(self):
        self.pc.run("systemctl stop baton-broker.service")

    def log(self):
        """What it said since the start of the virtual PC."""
        return self.pc.run("journalctl -q -o cat -u baton-broker.service").out.splitlines()

    def journal(self, slot):
        """The records about a card: (stage, from, to, intent|done|failed)."""
        text = self.pc.run("cat %s/%s.journal" % (JOURNALS, slot), check=False).out
        lines = [line.split() for line in text.splitlines()]
        return [tuple(words[2:6]) for words in lines if len(words) == 6 and not words[2].startswith("@")]

    def client(self, **options):
        return BrokerClient(self.pc, **options)


class Reply:
    """What came for one request: how it ended, and everything before."""

    def __init__(self, messages):
        self.messages = messages
        self.error = messages[-1]["error"]
        self.text = messages[-1]["text"]

    def facts(self):
        return next((m["facts"] for m in reversed(self.messages) if m["kind"] == "card"), None)

    def holders(self):
        return [m["holder"] for m in self.messages if m["kind"] == "holder"]


class BrokerClient:
    """A seat that says what the test tells it to (inside/broker.py)."""

    def __init__(self, pc, argv=(), user="seat"):
        self.pc = pc
        self.serials = itertools.count(1)
        options = {"user": user} if user else {}
        self.stream = pc.spawn(list(argv) + ["python3", pc.put_script("broker.py"), SOCKET], **options)
        self.heard = []
        self.connections = []
        self.stream.on_line = self.on_line

    def on_line(self, text):
        if text.startswith("{"):
            self.heard.append(json.loads(text))

    def order(self, what, **more):
        self.stream.write(json.dumps(dict(more, do=what)) + "\n")

    def wait(self, match, seconds, what):
        def found():
            if self.stream.ended:
                raise AssertionError("the client ended: " + " | ".join(self.stream.lines[-5:]))
            return next((heard for heard in self.heard if match(heard)), None)
        return self.pc.wait(found, seconds, what)

    def connect(self):
        """Another connection, beside the ones before; what follows is about it."""
        self.heard.clear()
        self.order("connect")
        self.connections.append(self.wait(lambda h: "connected" in h, 30, "connection to the broker")["connected"])

    def greet(self):
        self.connect()
        reply = self.call("hello", protocol=3)
        assert reply.error == 0, reply.text
        return self

    def send(self, verb, card=None, **more):
        """A request without waiting; its serial."""
        serial = next(self.serials)
        if card:
            more["slot"] = card if isinstance(card, str) else card.slot
        self.order("request", verb=verb, serial=serial, **more)
        return serial

    def reply(self, serial, seconds=60):
        self.wait(lambda h: h.get("serial") == serial and h["kind"] == "done" or "closed" in h or "unsent" in h,
                  seconds, "answer of the broker")
        messages = [heard for heard in self.heard if heard.get("serial") == serial]
        assert messages and messages[-1]["kind"] == "done", self.heard
        return Reply(messages)

    def call(self, verb, card=None, seconds=60, **more):
        return self.reply(self.send(verb, card, **more), seconds)

    def good(self, verb, card, **more):
        """A request that must succeed."""
        reply = self.call(verb, card, **more)
        assert reply.error == 0, "%s: %d: %s" % (verb, reply.error, reply.text)
        return reply

    def facts(self, card):
        """What the broker knows about the card."""
        reply = self.call("list")
        assert reply.error == 0, reply.text
        return next(m["facts"] for m in reply.messages if m["kind"] == "card" and m["slot"] == card.slot)

    def closed(self, seconds=30):
        """Waits until the broker ends the connection."""
        self.wait(lambda h: "closed" in h, seconds, "end of the connection by the broker")

    def close(self):
        self.stream.kill()
        self.stream.exited()
