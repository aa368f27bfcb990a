"""Fingers, a pen and a gamepad from uinput devices to the guests' own devices, through switches, unplugging and the
death of baton."""
import time

from harness import test
from seat import Guest, SeatScene

SECTIONS = "[input]\npen = yes\ngamepad = yes\n"
TWO = SeatScene("devices", [Guest("one", 1, sections=SECTIONS), Guest("two", 2, sections=SECTIONS)],
                options=("--no-toasts", "--verbose"))
KEY, ABS = 1, 3
TOUCH, PEN, TIP, SOUTH, KEY_A = 330, 320, 330, 304, 30
SLOT, ID, X, Y, PRESSURE = 0x2f, 0x39, 0x35, 0x36, 0x18
MAX = 32767
BACK_S = 2.0


class Devices:
    """The uinput devices, once baton has them."""

    def __init__(self, pc, seat):
        self.pc = pc
        before = len(seat.process.lines)
        self.stream = pc.spawn_script("uinput.py")
        self.stream.line("made", 30)
        pc.wait(lambda: self.known(seat, before) >= 3, 60, "the devices in baton")

    @staticmethod
    def known(seat, since):
        lines = seat.process.lines[since:]
        return sum("Input device" in line and ("read raw" in line or "Lab touch" in line) for line in lines)

    def tell(self, *words):
        self.stream.skip()
        self.stream.write(" ".join(str(word) for word in words) + "\n")
        self.stream.line("done", 30)


def fingers_down(devices, n, first=0):
    for i in range(first, first + n):
        devices.tell("touch", ABS, SLOT, i, ABS, ID, 100 + i, ABS, X, 400 * i, ABS, Y, 2048, KEY, TOUCH, 1)


def fingers_up(devices, n, first=0):
    for i in range(first, first + n):
        last = [KEY, TOUCH, 0] if i == first + n - 1 else []
        devices.tell("touch", ABS, SLOT, i, ABS, ID, -1, *last)


def wait_keys(pc, card, wanted, what):
    pc.wait(lambda: len(card.keys()) >= len(wanted), 30, what)
    assert card.keys() == wanted, "%s: %r instead of %r" % (what, card.keys(), wanted)


def own_devices(seat):
    return all("pen" in guest["input"] and "gamepad" in guest["input"] for guest in seat.list().values())


@test(scene=TWO)
def test_devices(pc, seat):
    """Each device reaches the guest in front; what is down at a switch ends there, and begins nowhere else."""
    one, two = seat.cards["one"], seat.cards["two"]
    pc.wait(lambda: own_devices(seat), 60, "the guests' drivers")
    devices = Devices(pc, seat)
    seat.switch("one")
    one.mark(), two.mark()

    # One of each kind, and where it is.
    fingers_down(devices, 1)
    pc.wait(lambda: one.position() is not None, 30, "a finger's place")
    assert abs(one.position()[1] - MAX // 2) < MAX // 100, one.position()
    fingers_up(devices, 1)
    wait_keys(pc, one, [(TOUCH, 1), (TOUCH, 0)], "a finger")
    one.mark()
    devices.tell("pen", KEY, PEN, 1, ABS, 0, 10000, ABS, 1, 5000)
    devices.tell("pen", KEY, TIP, 1, ABS, PRESSURE, 1000)
    devices.tell("pen", KEY, TIP, 0, ABS, PRESSURE, 0, KEY, PEN, 0)
    wait_keys(pc, one, [(PEN, 1), (TIP, 1), (TIP, 0), (PEN, 0)], "a pen")
    one.mark()
    devices.tell("pad", KEY, SOUTH, 1, ABS, 0, 20000)
    devices.tell("pad", KEY, SOUTH, 0, ABS, 0, 0)
    wait_keys(pc, one, [(SOUTH, 1), (SOUTH, 0)], "a gamepad")
    assert not two.keys()

    # A switch while all of them are down.
    one.mark()
    fingers_down(devices, 10)
    devices.tell("pad", KEY, SOUTH, 1)
    pc.inputs.key(KEY_A, True)
    wait_keys(pc, one, [(TOUCH, 1), (SOUTH, 1), (KEY_A, 1)], "ten fingers, a button and a key")
    seat.control("focus", "two")
    pc.wait(lambda: not one.down(), 30, "the end of all of it in the old guest")
    devices.tell("touch", ABS, SLOT, 3, ABS, X, 9)
    fingers_up(devices, 10)
    devices.tell("pad", KEY, SOUTH, 0)
    pc.inputs.key(KEY_A, False)
    fingers_down(devices, 1)
    fingers_up(devices, 1)
    wait_keys(pc, two, [(TOUCH, 1), (TOUCH, 0)], "a finger that begins in the new guest, and only that")

    # A device that is unplugged with a button down.
    devices.tell("pad", KEY, SOUTH, 1)
    devices.tell("gone", "pad")
    pc.wait(lambda: len(two.keys()) >= 4, 30, "the unplugged gamepad")
    assert two.keys()[2:] == [(SOUTH, 1), (SOUTH, 0)] and two.down() == [], two.keys()
    devices.stream.close()


@test(scene=TWO)
def test_killed(pc, seat):
    """kill -9 of baton with a key down: it is let go, and the same devices work again within two seconds."""
    one = seat.cards["one"]
    pc.wait(lambda: own_devices(seat), 60, "the guests' drivers")
    seat.switch("one")
    kills, longest = (20 if pc.long else 3), 0
    for _ in range(kills):
        one.mark()
        pc.inputs.key(KEY_A, True)
        wait_keys(pc, one, [(KEY_A, 1)], "a key")
        seat.kill()
        wait_keys(pc, one, [(KEY_A, 1), (KEY_A, 0)], "its release without baton")
        pc.inputs.key(KEY_A, False)
        began = time.monotonic()
        seat.start().wait_control()
        pc.wait(lambda: "keyboard" in seat.list()["one"]["input"], 30, "the guest's own keyboard")
        longest = max(longest, time.monotonic() - began)
        pc.inputs.tap(KEY_A)
        wait_keys(pc, one, [(KEY_A, 1), (KEY_A, 0)] * 2, "a key after the restart")
    print("     input_devices.killed: %d kills, back after at most %.2f s" % (kills, longest))
    assert longest <= BACK_S * 5, longest
