"""The picture of a guest's own card on the host's screen: written into shared memory inside a nested guest."""
import hashlib
import os

import cards
from cards import GPU, CardLines
from handoff import HOST, LentSeat
from harness import test
from picture import Picture
from seat import CONSOLES, Guest, Seat
from shared import SHELL_ARGS, Shell, agent_initrd, cpio
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
    """A guest with another file system and further arguments for QEMU, and with shared memory unless told otherwise."""

    def __init__(self, name, slot, initrd, words, sections="[capture]\nshared-memory = 16M\n", fps=5):
        super().__init__(name, slot, cpus=1, fps=fps, sections=sections)
        self.initrd = initrd
        self.words = words

    def text(self):
        lines = super().text().replace("%s/testcard.cpio.zst" % GUESTS, self.initrd).splitlines()
        # After the console, which is the guest's first.
        place = max(number for number, line in enumerate(lines) if line.startswith("qemu-args = "))
        lines.insert(place + 1, "qemu-args = " + self.words)
        return "\n".join(lines) + "\n"


def shell_path(name):
    return "%s/%s.shell" % (CONSOLES, name)


def lent_capture_guest(name, slot, initrd):
    """One that may have the card, with baton-agent and a shell (shell_path())."""
    return CaptureGuest(name, slot, initrd, SHELL_ARGS % shell_path(name),
                        "[cards]\non-request = gpu\n[capture]\nlargest-mode = 1280x800\n", fps=1)


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


def seat_picture(pc, seat, name):
    """The guest's picture in the seat, before it is fitted into the screen: size and hash."""
    path, local = "/home/seat/picture.png", os.path.join(pc.out, "picture.png")
    seat.control("screenshot", "--guest", name, path)
    with open(local, "wb") as file:
        file.write(pc.channel.get(path))
    picture = Picture.load(local)
    return picture.size, picture.sha256()


def shows_display(pc, seat, name):
    """The guest's picture on virtio-gpu, at which it is stopped. Beside it baton may say something."""
    card = seat.cards[name]
    frame, size, digest = card.stop(card.count() + 1)
    pc.wait(lambda: seat_picture(pc, seat, name) == (size, digest), 60, "frame %d of guest %s" % (frame, name))
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


def lent_capture_seat(pc, names):
    initrd = agent_initrd(pc, "--verbose")
    guests = [lent_capture_guest(name, slot, initrd) for slot, name in enumerate(names, 1)]
    seat = LentSeat(pc, guests, ["--no-toasts"], [GPU]).install()
    seat.broker.start()
    seat.start().wait_control().wait_guests().note_home()
    for name in names:
        pc.at_failure.append(lambda name=name: keep_console(pc, seat, name))
    return seat


def draws_on_card(pc, seat, name):
    """The guest draws anew on its card, and that is its picture in the seat."""
    lines = seat.lines[name]
    lines.mark()
    seat.cards[name].ask("cards", 60)
    drawn = lines.wait_drawn(GPU)
    pc.wait(lambda: seat_picture(pc, seat, name) == drawn, 60, "what the guest draws on the card")


@test(card="lend")
def test_hot_card(pc):
    """A card comes to a running guest and goes: its picture is on the host's screen, then QEMU's display again."""
    seat = lent_capture_seat(pc, ["one"])
    assert (seat.list()["one"]["source"], seat.list()["one"]["capture"]) == ("virtio", "")
    for _ in range(2):
        seat.go(GPU, "one")
        wait_source(pc, seat, "one", "card", 120)
        draws_on_card(pc, seat, "one")
        seat.hand(GPU, HOST)
        wait_source(pc, seat, "one", "virtio", 60)
        seat.arrived(GPU, HOST)
        assert (seat.list()["one"]["source"], seat.list()["one"]["capture"]) == ("virtio", "")


@test(card="lend")
def test_hot_card_faults(pc):
    """While the guest has the card: its agent hangs, is killed, the guest is paused, the seat is killed."""
    seat = lent_capture_seat(pc, ["one"])
    shell = Shell(pc, shell_path("one"))
    seat.go(GPU, "one")
    wait_source(pc, seat, "one", "card", 120)
    shell.run("/bin/busybox killall -STOP baton-agent")
    wait_source(pc, seat, "one", "virtio")
    assert "does not answer" in seat.list()["one"]["capture"], seat.list()["one"]
    shows_display(pc, seat, "one")
    shell.run("/bin/busybox killall -CONT baton-agent")
    wait_source(pc, seat, "one", "card")
    draws_on_card(pc, seat, "one")

    shell.run("/bin/busybox killall -KILL baton-agent")
    wait_source(pc, seat, "one", "virtio")
    wait_source(pc, seat, "one", "card")
    draws_on_card(pc, seat, "one")

    seat.control("pause", "one")
    pc.wait(lambda: seat.list()["one"]["state"] == "paused", 30, "pause")
    pc.run("sleep 3")  # longer than an agent that runs may be silent
    assert seat.list()["one"]["source"] == "card"
    seat.control("resume", "one")
    draws_on_card(pc, seat, "one")

    seat.kill()
    seat.start().wait_control().wait_guests()
    wait_source(pc, seat, "one", "card")
    draws_on_card(pc, seat, "one")


def middle(picture):
    """Without the edges, where baton says what goes on."""
    return picture.crop(0, picture.height // 4, picture.width, picture.height // 2)


def share_of_difference(one, other):
    """Which part of the pixels differs."""
    pairs = zip(memoryview(one.data).cast("I"), memoryview(other.data).cast("I"))
    return sum(a != b for a, b in pairs) / (one.width * one.height)


def watch_screen(pc, until, seconds, what):
    """The middles of the host's screen that differ from the one before, until then."""
    seen = []

    def look():
        for _ in range(5):
            picture = middle(pc.screen())
            if not seen or seen[-1].data != picture.data:
                seen.append(picture)
        return until()
    pc.wait(look, seconds, what)
    return seen


def stop_display(pc, seat, name):
    """Stops the guest's picture on virtio-gpu: size and hash."""
    card = seat.cards[name]
    _, size, digest = card.stop(card.count() + 1)
    return size, digest


class Rounds:
    """The card wanders while a guest is in front; who has it, and what is on its screen."""

    def __init__(self, pc, seat):
        self.pc = pc
        self.seat = seat
        self.owner = HOST

    def showing(self, name, drawn):
        """The middle of the screen when the guest's picture is the one that it has drawn."""
        self.pc.wait(lambda: seat_picture(self.pc, self.seat, name) == drawn(), 60, "picture of guest " + name)
        return middle(self.pc.screen())

    def source(self, name):
        return "card" if self.owner == name else "virtio"

    def next(self):
        """One handoff. What is on the screen changes once at most, from one whole picture of the guest to another."""
        pc, seat, came_from = self.pc, self.seat, self.owner
        to = pc.random.choice([owner for owner in ("one", "two", HOST) if owner != came_from])
        front = pc.random.choice(("one", "two"))
        if front != seat.focused():
            seat.switch(front)
        display, lines = stop_display(pc, seat, front), seat.lines[front]
        before = self.showing(front, (lambda: lines.drawn(GPU)) if front == came_from else lambda: display)
        seat.hand(GPU, to)
        self.owner = to
        seen = watch_screen(pc, lambda: not seat.gpu(GPU)["moving"] and
                            seat.list()[front]["source"] == self.source(front), 120,
                            "card from %s to %s, %s in front" % (came_from, to, front))
        seat.arrived(GPU, to)
        if to != HOST:
            seat.lines[to].wait_drawn(GPU)
        after = self.showing(front, (lambda: lines.drawn(GPU)) if front == to else lambda: display)
        fresh = [picture for picture in seen if picture.data != before.data]
        # A guest that gets a card draws on it more than once: another number in the picture.
        strange = [picture for picture in fresh if share_of_difference(picture, after) > 0.02]
        for picture in strange:
            pc.save(picture, "strange")
        old = [n for n, picture in enumerate(seen) if picture.data == before.data]
        assert not strange and old in ([], [0]), (came_from, to, front, len(strange), old)
        assert front not in (came_from, to) or share_of_difference(before, after) > 0.02
        seat.cards[front].go()
        return to, front, len(seen)


@test(card="lend", random=True)
def test_rounds(pc):
    """The card wanders over two guests: never a black screen, never half a picture, never an old one."""
    seat = lent_capture_seat(pc, ["one", "two"])
    rounds = Rounds(pc, seat)
    for number in range(50 if pc.long else 3):
        print("     capture.rounds: %d: to %s, %s in front, %d pictures" % ((number + 1,) + rounds.next()))


def watch_boot(pc, seat, name):
    """(source, picture) of all that the screen shows from the guest's power-on until its test card is there."""
    seen = []

    def look():
        source, pictures = seat.list()[name]["source"], [pc.screen() for _ in range(8)]
        if source == seat.list()[name]["source"]:
            seen.extend((source, picture) for number, picture in enumerate(pictures)
                        if number == 0 or picture.data != pictures[number - 1].data)
        return {source for source, _ in seen} >= {"emulated", "virtio"} and pictures[-1].pixel(0, 0) in range(1, 100)
    seat.control("start", name)
    pc.wait(look, 400, "test card of guest " + name)
    return seen


def is_text(picture):
    """Text begins above. Before there is any, QEMU says something in the middle."""
    return len(set(memoryview(picture.crop(0, 0, picture.width, 100).data).cast("I"))) > 1


@test(card="lend")
def test_film(pc):
    """One guest from power-on to its crash: firmware, kernel, the card's picture and without it, the end."""
    guest = lent_capture_guest("one", 1, agent_initrd(pc, "--verbose"))
    guest.append = guest.append.replace("quiet", "console=tty0")
    guest.keys["autostart"] = "no"
    seat = LentSeat(pc, [guest], ["--no-toasts"], [GPU]).install()
    seat.broker.start()
    seat.start().wait_control()
    boot = watch_boot(pc, seat, "one")
    film = [next(picture for source, picture in boot if source == kind and is_text(picture))
            for kind in ("emulated", "virtio")]
    seat.wait_guests().note_home()
    seat.go(GPU, "one")
    wait_source(pc, seat, "one", "card", 120)
    draws_on_card(pc, seat, "one")
    film.append(pc.screen())
    seat.go(GPU, HOST)
    wait_source(pc, seat, "one", "virtio", 60)
    shows_display(pc, seat, "one")
    film.append(pc.screen())
    Shell(pc, shell_path("one")).run("echo c > /proc/sysrq-trigger")
    pc.wait(lambda: seat.list()["one"]["state"] != "running", 60, "end of the crashed guest")
    pc.wait(lambda: pc.screen().data != film[-1].data, 60, "mark on the crashed guest's picture")
    film.append(pc.screen())
    for number, picture in enumerate(film):
        picture.save(os.path.join(pc.out, "film-%d.png" % number))
    strip(film).save(os.path.join(pc.out, "film.png"))


def strip(pictures):
    """All of them at half their size, one under the other."""
    data = bytearray()
    width = pictures[0].width // 2
    for picture in pictures:
        for y in range(0, picture.height, 2):
            upper = picture.data[y * picture.width * 4:(y + 1) * picture.width * 4]
            lower = picture.data[(y + 1) * picture.width * 4:(y + 2) * picture.width * 4]
            row = bytearray(width * 4)
            for channel in range(3):
                row[channel::4] = bytes((a + b + c + d) // 4 for a, b, c, d in zip(
                    upper[channel::8], upper[channel + 4::8], lower[channel::8], lower[channel + 4::8]))
            data += row
    return Picture(width, len(data) // (width * 4), data)
