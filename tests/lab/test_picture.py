"""What is on the host's screen is what the guests drew, to the pixel; and there is one pointer."""
import os

from harness import test
from picture import Picture
from seat import Guest, SeatScene
from test_seat import THREE

TWO = SeatScene("two", [Guest("one", 1), Guest("two", 2)])
POINTER_MAX = 32767
# The test guest's arrow, of which the tip is the corner, is smaller than this.
CURSOR = 25


class Stopped:
    """All guests stopped at a frame of theirs, and what the screen has to show of each."""

    def __init__(self, pc, seat):
        self.pc = pc
        self.seat = seat
        self.pictures = {}
        self.frames = {}
        for name, card in seat.cards.items():
            # Each at a frame that is still to come.
            self.frames[name] = card.stop(card.count() + 3)

    def look(self, name):
        """The guest is put in front, and the screen has exactly its pixels."""
        self.seat.switch(name)
        frame, size, digest = self.frames[name]
        self.pictures[name] = self.seat.showing(digest, size)
        assert self.pictures[name].size == size
        assert self.seat.cards[name].hash() == (frame, size, digest)

    def go(self):
        for card in self.seat.cards.values():
            card.go()


def restart(seat, *options, backend="kms"):
    """Another baton takes the guests over."""
    seat.control("quit")
    assert seat.process.exited(60) == 0, seat.process.lines[-5:]
    seat.options = list(options)
    seat.start(backend).wait_control().wait_guests()


def pixels(pc, seat):
    """Each guest stopped at a frame, seen before and after switches; moving on, and stopped again."""
    stopped = Stopped(pc, seat)
    names = list(seat.cards)
    for name in names + names[:1]:
        stopped.look(name)
    stopped.go()
    again = Stopped(pc, seat)
    for name in names[::-1]:
        assert again.frames[name][0] > stopped.frames[name][0]
        again.look(name)
    return again


def headless_screen(pc, seat, guest=None):
    path = "/home/seat/screen.png"
    words = ["--guest", guest] if guest else []
    seat.control("screenshot", *words, path)
    local = os.path.join(pc.out, "headless.png")
    with open(local, "wb") as file:
        file.write(pc.channel.get(path))
    return Picture.load(local)


def greatest_difference(one, other):
    assert one.size == other.size, "%s and %s" % (one.size, other.size)
    if one.data == other.data:
        return 0
    return max(abs(a - b) for a, b in zip(one.data, other.data))


@test(scene=THREE)
def test_pixels(pc, seat):
    """pixman on KMS has the guests' pixels, headless the same, and GL on llvmpipe within 1."""
    stopped = pixels(pc, seat)
    restart(seat, "--no-toasts", "--size=1280x800", backend="headless")
    for name in seat.cards:
        seat.control("focus", name)
        pc.wait(lambda n=name: headless_screen(pc, seat).sha256() == stopped.frames[n][2], 20,
                "headless picture of guest " + name)
        assert headless_screen(pc, seat, name).sha256() == stopped.frames[name][2]
    restart(seat, "--no-toasts", "--renderer=gl")
    assert seat.status()["renderer"] == "gl", seat.status()
    for name in ("two", "one"):
        seat.switch(name)
        wanted, seen = stopped.pictures[name], []

        def same():
            seen.append(greatest_difference(pc.screen(), wanted))
            return seen[-1] <= 1
        pc.wait(same, 60, "GL picture of guest " + name)
        print("     picture.pixels: GL differs by %d at most" % seen[-1])


@test(scene=TWO, kernel="new", card="bochs")
def test_pixels_bochs(pc, seat):
    """The same pixels on a card of another kind, without a cursor plane."""
    pixels(pc, seat)


def guest_position(pc, seat, name, x, y):
    """Puts the pointer near a pixel of the guest in front; where the guest then has it."""
    card = seat.cards[name]
    card.mark()
    screen = pc.screen()
    pc.inputs.place(x * 32768 // screen.width, y * 32768 // screen.height)
    place = pc.wait(card.position, 20, "position in guest %s" % name)
    at = place[0] * screen.width // POINTER_MAX, place[1] * screen.height // POINTER_MAX
    assert abs(at[0] - x) <= 2 and abs(at[1] - y) <= 2, "%r instead of %r" % (at, (x, y))
    return at


PLACES = ((100, 90), (640, 400), (1000, 700))
OTHERS = ((300, 70), (900, 250))


@test(scene=THREE)
def test_cursor(pc, seat):
    """With a cursor plane the pointer is on it and not in the picture; one of it, always."""
    monitor = pc.monitor()
    stopped = Stopped(pc, seat)

    def one_pointer(place, what):
        try:
            pc.wait(lambda: monitor.cursor_visible() and monitor.cursor_at == place, 20, "pointer")
        except AssertionError as error:
            raise AssertionError("%s: %s at %r; seen: %s at %r" % (
                what, error, place, monitor.cursor_visible(), monitor.cursor_at)) from None

    for name in ("one", "two"):
        seat.cards[name].tell("cursor on")
    for name, places in (("one", PLACES), ("two", OTHERS), ("one", PLACES)):
        stopped.look(name)
        for x, y in places:
            place = guest_position(pc, seat, name, x, y)
            one_pointer(place, name)
            _, size, digest = stopped.frames[name]
            seat.showing(digest, size, what="picture without a second pointer")
    # A guest that shows none, with a pointer before and after.
    stopped.look("three")
    pc.wait(lambda: not monitor.cursor_visible(), 20, "no pointer over guest three")
    stopped.look("one")
    one_pointer(place, "back in guest one")

    # The switcher has a pointer of its own as soon as it is moved.
    seat.control("switcher", "on")
    pc.wait(lambda: not monitor.cursor_visible(), 20, "guest's pointer gone from the switcher")
    pc.inputs.place(16384, 16384)
    pc.wait(lambda: monitor.cursor_visible() and monitor.cursor_at != place, 20,
            "the switcher's pointer")
    seat.control("switcher", "off")
    one_pointer(place, "after the switcher")
    _, size, digest = stopped.frames["one"]
    seat.showing(digest, size, what="picture without a second pointer")


def difference_box(one, other):
    """The box of the pixels that differ, (left, top, right, bottom) with the last ones, or None."""
    rows = [y for y in range(one.height) if one.data[y * one.width * 4:(y + 1) * one.width * 4]
            != other.data[y * one.width * 4:(y + 1) * one.width * 4]]
    if not rows:
        return None
    left, right = one.width, -1
    for y in rows:
        start = y * one.width * 4
        wrong = [x for x in range(one.width)
                 if one.data[start + x * 4:start + x * 4 + 4]
                 != other.data[start + x * 4:start + x * 4 + 4]]
        left, right = min(left, wrong[0]), max(right, wrong[-1])
    return left, rows[0], right, rows[-1]


@test(scene=TWO, kernel="new", card="bochs")
def test_cursor_bochs(pc, seat):
    """Without a cursor plane the pointer is in the picture: where it is, and nowhere else.

    No monitor watches: QEMU sends this card's picture whole, which takes the time that guests need.
    """
    stopped = Stopped(pc, seat)
    for name in ("one", "two"):
        stopped.look(name)

    def one_pointer(name, place, what):
        x, y = place
        seen = []

        def there():
            box = difference_box(pc.screen(), stopped.pictures[name])
            seen[:] = [box]
            # The tip is the corner; the edge may have the colour of what is below.
            return (box is not None and x <= box[0] <= x + 4 and y <= box[1] <= y + 4
                    and box[2] < x + CURSOR and box[3] < y + CURSOR)
        try:
            pc.wait(there, 20, "pointer")
        except AssertionError as error:
            raise AssertionError("%s: %s at %d, %d, difference %r" % (what, error, x, y, seen)) \
                from None

    for name in ("one", "two"):
        seat.cards[name].tell("cursor on")
    for name, places in (("one", PLACES), ("two", OTHERS), ("one", PLACES)):
        seat.switch(name)
        for x, y in places:
            place = guest_position(pc, seat, name, x, y)
            one_pointer(name, place, name)
        # Nothing else changes, so what was below it comes back only when it is drawn for the pointer's sake.
        seat.cards[name].tell("cursor off")
        _, size, digest = stopped.frames[name]
        seat.showing(digest, size, what="picture without pointer")
        seat.cards[name].tell("cursor on")
        one_pointer(name, place, name + ", shown again")
    seat.control("switcher", "on")
    pc.inputs.place(16384, 16384)
    seat.control("switcher", "off")
    one_pointer("one", place, "after the switcher")
