"""The picture of a guest's own card on the host's screen: written into shared memory inside a nested guest."""
import hashlib
import os

import cards
from cards import GPU, CardLines
from handoff import HOST, LentSeat, lent_guest
from harness import test
from picture import Picture
from seat import CONSOLES, Guest, Seat
from shared import agent_initrd, cpio
from testcard import GUESTS, guest_files, install_guests

WIDTH, HEIGHT = 1280, 800
POINTER_MAX = 32767
# The test guest's first program, with one beside it that writes pictures as it is told on a second console.
INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
while read -r module options; do
	/bin/busybox insmod "/lib/$module" $options
done < /lib/order
while /bin/shared-picture --guest; do :; done < /dev/null &
/bin/testcard
/bin/busybox poweroff -f
"""


class CaptureGuest(Guest):
    """A guest with shared memory, another file system and further arguments for QEMU."""

    def __init__(self, name, slot, initrd, words):
        super().__init__(name, slot, cpus=1, sections="[capture]\nshared-memory = 16M\n")
        self.initrd = initrd
        self.words = words

    def text(self):
        lines = super().text().replace("%s/testcard.cpio.zst" % GUESTS, self.initrd).splitlines()
        lines.insert(lines.index("[capture]"), "qemu-args = " + self.words)
        return "\n".join(lines) + "\n"


def hand_initrd(pc):
    """Puts a file system with shared-picture into the virtual PC; its path there."""
    install_guests(pc)
    with open(os.path.join(pc.build, "tests", "lab", "shared-picture"), "rb") as file:
        program = file.read()
    with open(guest_files()[1], "rb") as file:
        base = file.read()
    extra = cpio([("init", 0o100755, INIT.encode()), ("bin/shared-picture", 0o100755, program)])
    path = GUESTS + "/hand.cpio"
    pc.channel.put(path, base + bytes(-len(base) % 4) + extra)
    return path


class Hand:
    """The program in the guest that writes pictures."""

    def __init__(self, pc, path):
        self.pc = pc
        self.stream = pc.channel.connect(path)

    def ask(self, order, answer):
        seen = len(self.stream.lines)
        self.stream.write(order + "\n")
        return self.pc.wait(lambda: next((l for l in self.stream.lines[seen:] if l.split()[0] in (answer, "refused")),
                                         None), 60, "answer to " + order)

    def ready(self):
        self.pc.wait(lambda: self.ask("watched", "watched"), 60, "program in the guest")
        return self

    def size(self, width, height):
        self.ask("size %d %d" % (width, height), "size")

    def draw(self, number):
        """There may be no room until the seat has looked."""
        self.pc.wait(lambda: self.ask("draw %d" % number, "drawn") == "drawn %d" % number, 60, "room for a picture")


def hand_digest(number, width=WIDTH, height=HEIGHT):
    data = bytearray(width * height * 4)
    for y in range(height):
        row = bytearray(width * 4)
        row[0::4] = bytes([y & 255]) * width
        row[1::4] = bytes(x & 255 for x in range(width))
        row[2::4] = bytes([number * 16 & 255]) * width
        data[y * width * 4:(y + 1) * width * 4] = row
    return hashlib.sha256(data).hexdigest()


def shows_hand(seat, number):
    return seat.showing(hand_digest(number), "%dx%d" % (WIDTH, HEIGHT), 60, "picture %d of the guest's card" % number)


def wait_source(pc, seat, name, source, seconds=60):
    pc.wait(lambda: seat.list()[name]["source"] == source, seconds, "%s shown by %s" % (name, source))


def shows_display(pc, seat, name):
    """The guest's picture on virtio-gpu, at which it is stopped."""
    card = seat.cards[name]
    frame, size, digest = card.stop(card.count() + 1)
    seat.showing(digest, size, 60, "frame %d of guest %s" % (frame, name))
    card.go()


def pointer_follows(pc, seat, name, hand):
    """A picture of another shape than QEMU's display: a quarter of the one is a quarter of the other."""
    width, height = 1024, 768
    hand.size(width, height)
    hand.draw(9)
    pc.wait(lambda: seat.list()[name]["width"] == width, 60, "picture of %d pixels" % width)
    scale = min(WIDTH / width, HEIGHT / height)
    left = (WIDTH - width * scale) / 2
    for part in (0.25, 0.75):
        seat.cards[name].mark()
        x, y = left + width * scale * part, height * scale * part
        pc.inputs.place(int(x * 32768 / WIDTH), int(y * 32768 / HEIGHT))
        place = pc.wait(seat.cards[name].position, 20, "position in guest " + name)
        assert all(abs(at - part * POINTER_MAX) < POINTER_MAX / 200 for at in place), (place, part)


@test()
def test_by_hand(pc):
    """Written through the BAR, shown to the pixel; its program dies and starts anew, the seat is killed."""
    console = CONSOLES + "/one.hand"
    guest = CaptureGuest("one", 1, hand_initrd(pc), "-chardev socket,id=hand,path=%s,server=on,wait=off "
                         "-device virtconsole,chardev=hand" % console)
    seat = Seat(pc, [guest], ["--no-toasts"]).install().start().wait_control().wait_guests()
    hand = Hand(pc, console).ready()
    shows_display(pc, seat, "one")
    assert seat.list()["one"]["source"] == "virtio"
    hand.size(WIDTH, HEIGHT)
    for number in (1, 2, 3):
        hand.draw(number)
        shows_hand(seat, number)
    assert seat.status()["source"] == "card"
    pointer_follows(pc, seat, "one", hand)

    hand.stream.write("end\n")
    wait_source(pc, seat, "one", "virtio")
    shows_display(pc, seat, "one")
    hand.ready().size(WIDTH, HEIGHT)
    hand.draw(4)
    wait_source(pc, seat, "one", "card")
    shows_hand(seat, 4)

    seat.kill()
    seat.start().wait_control().wait_guests()
    pc.wait(lambda: seat.list()["one"]["source"] == "card", 60, "the card's picture in the next seat")
    shows_hand(seat, 4)
    hand.ask("lie", "lied")
    wait_source(pc, seat, "one", "virtio")
    assert "broke its protocol" in seat.list()["one"]["capture"], seat.list()["one"]
    shows_display(pc, seat, "one")


def keep_console(pc, seat, name):
    """What the guest and its agent have said, and what the seat says of them."""
    with open(os.path.join(pc.out, "console.log"), "w") as file:
        file.write("\n".join(seat.cards[name].stream.lines + [str(seat.list()[name])]) + "\n")


@test()
def test_agent(pc):
    """A guest with a card of its own and baton-agent: what it draws there is on the screen, also after its reset."""
    guest = CaptureGuest("one", 1, agent_initrd(pc, "--verbose"),
                         "-device bochs-display,xres=%d,yres=%d,id=own" % (WIDTH, HEIGHT))
    seat = Seat(pc, [guest], ["--no-toasts"]).install().start().wait_control().wait_guests()
    card = seat.cards["one"]
    pc.at_failure.append(lambda: keep_console(pc, seat, "one"))
    lines = CardLines(card)
    lines.seen = 0
    lines.wait_drawn(cards.DUO)
    wait_source(pc, seat, "one", "card")

    def follows():
        for _ in range(3):
            lines.mark()
            card.ask("cards", 60)
            size, digest = lines.wait_drawn(cards.DUO)
            seat.showing(digest, size, 60, "what the guest draws on its card")
    follows()
    seat.kill()
    seat.start().wait_control().wait_guests()
    wait_source(pc, seat, "one", "card")
    follows()
    seat.control("reset", "one")
    wait_source(pc, seat, "one", "virtio", 20)
    wait_source(pc, seat, "one", "card", 300)
    card.ready(300)
    follows()


def seat_picture(pc, seat, name):
    """The guest's picture in the seat, before it is fitted into the screen: size and hash."""
    path, local = "/home/seat/picture.png", os.path.join(pc.out, "picture.png")
    seat.control("screenshot", "--guest", name, path)
    with open(local, "wb") as file:
        file.write(pc.channel.get(path))
    picture = Picture.load(local)
    return picture.size, picture.sha256()


@test(card="lend")
def test_hot_card(pc):
    """A card comes to a running guest and goes: its picture is on the host's screen, then QEMU's display again."""
    guest = lent_guest("one", 1, "on-request = gpu\n[capture]\nlargest-mode = 1280x800\n")
    initrd = agent_initrd(pc, "--verbose")
    text = guest.text().replace("%s/testcard.cpio.zst" % GUESTS, initrd)
    guest.text = lambda: text
    seat = LentSeat(pc, [guest], ["--no-toasts"], [GPU]).install()
    seat.broker.start()
    seat.start().wait_control().wait_guests().note_home()
    pc.at_failure.append(lambda: keep_console(pc, seat, "one"))
    assert (seat.list()["one"]["source"], seat.list()["one"]["capture"]) == ("virtio", "")
    for _ in range(2):
        seat.go(GPU, "one")
        wait_source(pc, seat, "one", "card", 120)
        lines = seat.lines["one"]
        lines.mark()
        seat.cards["one"].ask("cards", 60)
        drawn = lines.wait_drawn(GPU)
        pc.wait(lambda: seat_picture(pc, seat, "one") == drawn, 60, "what the guest draws on the card")
        seat.hand(GPU, HOST)
        wait_source(pc, seat, "one", "virtio", 60)
        seat.arrived(GPU, HOST)
        assert (seat.list()["one"]["source"], seat.list()["one"]["capture"]) == ("virtio", "")
