"""Graphics cards of the virtual PC that are lent: what they are, who has them, what they show."""
import json

from qmp import QmpError


class Card:
    """
    A card of lab.CARDS, all functions of one PCI slot. name: baton's; device: QEMU's on the outside;
    drivers: the host's for each function; drm: what a guest's kernel calls its driver.
    """

    def __init__(self, name, slot, device, drivers, drm):
        self.name = name
        self.slot = slot
        self.device = device
        self.drivers = drivers
        self.drm = drm

    def functions(self):
        return ["%s.%d" % (self.slot, number) for number in range(len(self.drivers))]

    def ini(self, **keys):
        """cards/NAME.ini"""
        lines = ["[card]", "address = " + self.slot]
        return "\n".join(lines + ["%s = %s" % (k.replace("_", "-"), v) for k, v in keys.items()]) + "\n"


GPU = Card("gpu", "0000:01:00", "gpu", ["virtio-pci"], "virtio_gpu")
DUO = Card("duo", "0000:02:00", "duo", ["bochs-drm", "snd_hda_intel"], "bochs-drm")
# The host's own card in the machines "own" and "two".
OWN = Card("own", "0000:01:00", "hostgpu", ["virtio-pci"], "virtio_gpu")
VFIO = "vfio-pci"


def inspect(pc, what, cards):
    """Asks inside/inspect_pc.py, one process of which serves the whole test."""
    if not pc.inspector:
        pc.inspector = pc.spawn_script("inspect_pc.py")
    pc.inspector.skip()
    pc.inspector.write(" ".join([what] + [function for card in cards for function in card.functions()]) + "\n")
    return json.loads(pc.inspector.line("{", 60, "answer of inspect_pc.py"))


def functions(pc, card):
    """What sysfs and /dev say about each function, in their order; None for one that is not there."""
    return list(inspect(pc, "functions", [card]).values())


def drivers(pc, card):
    """The driver of each function; "" where there is none, None when the function is not there."""
    return list(inspect(pc, "drivers", [card]).values())


def on_host(pc, card):
    return drivers(pc, card) == card.drivers


def on_vfio(pc, card):
    return drivers(pc, card) == [VFIO] * len(card.drivers)


def bind_vfio(pc, card):
    """By hand, as a person would, and for the seat's user."""
    for function in reversed(card.functions()):
        pc.run("d=/sys/bus/pci/devices/{f} && echo vfio-pci > $d/driver_override && echo {f} > $d/driver/unbind "
               "&& echo {f} > /sys/bus/pci/drivers_probe".format(f=function))
    assert on_vfio(pc, card), drivers(pc, card)
    pc.run("chown seat /dev/vfio/%s" % functions(pc, card)[0]["group"])


def bind_host(pc, card):
    """Back by hand."""
    for function in card.functions():
        pc.run("d=/sys/bus/pci/devices/{f} && echo {f} > $d/driver/unbind && echo > $d/driver_override "
               "&& echo {f} > /sys/bus/pci/drivers_probe".format(f=function))
    assert on_host(pc, card), drivers(pc, card)


class CardLines:
    """What a guest says about cards that come and go (see tools/testcard/main.c)."""

    def __init__(self, testcard):
        self.testcard = testcard
        self.pc = testcard.pc
        self.seen = 0
        self.mark()

    def mark(self):
        self.seen = len(self.testcard.stream.lines)

    def lines(self, sign, card):
        start = "card %s %s " % (sign, card.drm)
        return [line for line in self.testcard.stream.lines[self.seen:] if line.startswith(start)]

    def drawn(self, card):
        """(size, hash) of the guest's newest picture on the card since mark(), or None."""
        lines = self.lines("=", card)
        return tuple(lines[-1].split()[4:6]) if lines else None

    def wait_drawn(self, card, seconds=60):
        return self.pc.wait(lambda: self.drawn(card), seconds,
                            "picture of guest %s on %s" % (self.testcard.name, card.name))

    def wait_gone(self, card, seconds=60):
        self.pc.wait(lambda: self.lines("-", card), seconds,
                     "%s gone in guest %s" % (card.name, self.testcard.name))

    def shows(self, card, seconds=60):
        """The guest draws a new picture on its card, and the card's own screen has exactly that."""
        self.mark()
        self.testcard.ask("cards", seconds)
        return card_shows(self.pc, card, self.wait_drawn(card))


def card_shows(pc, card, drawn, seconds=30):
    """Waits until the outer QEMU's picture of the card is what the guest drew; returns it."""
    seen = []

    def same():
        seen[:] = [pc.screen(card.device)]
        return seen[0] if (seen[0].size, seen[0].sha256()) == drawn else None
    try:
        return pc.wait(same, seconds, "the guest's picture on %s" % card.name)
    except AssertionError:
        pc.save(seen[0], "not-on-" + card.name)
        raise


def differences(before, after, path=""):
    """Where two snapshots differ, as words. Fewer descriptors are no difference: listeners come and go."""
    if "/descriptors/" in path and (after or 0) <= (before or 0):
        return []
    if isinstance(before, dict) and isinstance(after, dict):
        return [words for key in sorted(set(before) | set(after))
                for words in differences(before.get(key), after.get(key), "%s/%s" % (path, key))]
    return [] if before == after else ["%s: %s, was %s" % (path, after, before)]


class InnerQmp:
    """QMP of a guest's QEMU inside the virtual PC, through the agent."""

    def __init__(self, pc, path):
        self.pc = pc
        self.stream = pc.channel.connect(path)
        self.number = 0
        self.command("qmp_capabilities")

    def command(self, name, seconds=30, **arguments):
        self.number += 1
        mark = '"id": %d' % self.number
        self.stream.write(json.dumps({"execute": name, "id": self.number, "arguments": arguments}) + "\n")
        reply = json.loads(self.stream.line(lambda text: mark in text, seconds, "answer to " + name))
        if "error" in reply:
            raise QmpError(reply["error"]["desc"])
        return reply["return"]

    def attach(self, card, port):
        """device_add of all functions, the first last."""
        count = len(card.drivers)
        for number in reversed(range(count)):
            more = {"multifunction": True} if count > 1 else {}
            self.command("device_add", driver=VFIO, host=card.functions()[number], bus=port,
                         id="card.%s.%d" % (card.name, number), addr="00.%d" % number, **more)

    def detach(self, card):
        names = ["card.%s.%d" % (card.name, number) for number in range(len(card.drivers))]
        mark = len(self.stream.lines)
        for name in names:
            self.command("device_del", id=name)
        for name in names:
            self.pc.wait(lambda n=name: any('"DEVICE_DELETED"' in line and '"device": "%s"' % n in line
                                            for line in self.stream.lines[mark:]),
                         60, "DEVICE_DELETED of " + name)

    def close(self):
        self.stream.close()


def snapshot(pc, cards):
    """What must be the same after handoffs as before."""
    return inspect(pc, "all", cards)
