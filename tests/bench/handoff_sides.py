"""Who moves the card: baton, or libvirt in two ways. Each has its guests running between up() and down()."""
import json

from benchlib import say
from cards import GPU, bind_host, bind_vfio, on_host
from handoff import HOST
from seat import USER

SECONDS = 180


class Mover:
    """The process in the virtual PC that gives the commands and looks at the guests' consoles (handoff_inside.py)."""

    def __init__(self, pc, script, **options):
        self.pc = pc
        self.stream = pc.spawn(["python3", script], **options)
        self.stream.line("ready", 60)

    def move(self, commands, log):
        """Runs the commands; the answer of handoff_inside.py, or None when one failed."""
        signs = ["card %s %s " % (sign, GPU.drm) for sign in "+="]
        self.stream.write(json.dumps({"commands": commands, "log": log, "signs": signs, "seconds": SECONDS}) + "\n")
        answer = json.loads(self.stream.line("{", SECONDS + 60, "answer of handoff_inside.py"))
        if answer["rc"]:
            say(" | ".join(answer["said"].split("\n")))
            return None
        if None in answer["seen"]:
            raise RuntimeError("%s: node and picture at %s: %s" % (commands, answer["seen"], answer["said"]))
        return answer


def freeze(pc, pids):
    pc.run("kill -STOP " + " ".join(map(str, pids)))


def thaw(pc, pids):
    pc.run("kill -CONT " + " ".join(map(str, pids)))


class Baton:
    name = "baton"

    def __init__(self, seat, script):
        self.pc = seat.pc
        self.seat = seat
        self.mover = Mover(self.pc, script, user=USER, env=seat.environment())
        self.guests = [guest.name for guest in seat.guests]
        self.pids = [seat.qemu_pid(name) for name in self.guests]
        self.logs = {guest.name: guest.console() + ".log" for guest in seat.guests}

    def up(self):
        thaw(self.pc, self.pids)
        self.seat.broker.start()
        self.seat.start().wait_control()
        self.pc.wait(lambda: all(guest["state"] == "running" for guest in self.seat.list().values()), 60,
                     "baton's guests")
        self.seat.settled(GPU)
        self.move(HOST, self.guests[0])

    def move(self, giver, taker):
        """The mover's answer."""
        answer = self.mover.move([["batonctl", "gpu", "give", taker, GPU.name]], self.logs[taker])
        told = self.seat.settled(GPU)
        if (told["state"], told["owner"]) != ("GUEST", taker):
            raise RuntimeError("%s -> %s: %s" % (giver, taker, told))
        return answer

    def down(self):
        self.seat.hand(GPU, HOST)
        self.seat.arrived(GPU, HOST)
        self.seat.control("quit")
        self.seat.process.exited(60)
        self.seat.broker.stop()
        freeze(self.pc, self.pids)


class Virsh:
    def __init__(self, libvirt, managed, script):
        self.name = "managed-" + managed
        self.pc = libvirt.pc
        self.libvirt = libvirt
        self.managed = managed
        self.mover = Mover(self.pc, script)
        self.guests = list(libvirt.names)
        self.pids = libvirt.pids()

    def up(self):
        thaw(self.pc, self.pids)
        if self.managed == "no":
            bind_vfio(self.pc, GPU)
        self.owner = self.guests[0]
        self.mover.move([self.libvirt.device("attach", self.owner, self.managed)], self.libvirt.log(self.owner))

    def move(self, giver, taker):
        """As baton's; None when libvirt did not wait for the guest as long as it took: that one is not counted."""
        answer = self.mover.move(self.libvirt.move(giver, taker, self.managed), self.libvirt.log(taker))
        if not answer:
            attach = self.libvirt.device("attach", taker, self.managed)
            self.pc.wait(lambda: self.pc.run(attach, 60, check=False).rc == 0, SECONDS, "card in guest " + taker)
        self.owner = taker
        return answer

    def down(self):
        self.pc.run(self.libvirt.device("detach", self.owner, self.managed), 120)
        self.pc.wait(lambda: on_host(self.pc, GPU) if self.managed == "yes" else not self.libvirt.has(self.owner),
                     SECONDS, "card back from guest " + self.owner)
        if self.managed == "no":
            bind_host(self.pc, GPU)
            self.libvirt.restart()
        freeze(self.pc, self.pids)
