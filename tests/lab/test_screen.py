"""Outputs of the graphics card: the VT goes and comes back, monitors are unplugged, change and come in pairs."""
import statistics

from harness import test
from seat import Guest, SeatScene
from test_seat import THREE
from watch import Watch

# Two guests: the newer kernel has real vertical blanks, which is about the screen, not about guests.
PAIR = SeatScene("pair", [Guest("one", 1), Guest("two", 2)])
KEY_A, KEY_B, KEY_F2 = 30, 48, 60
RATE_HZ = 75
PACED_FLIPS = 100
STATUS = "/sys/class/drm/card0-Virtual-1/status"


def stopped(seat, name):
    """The guest in front, not drawing: the size and hash of its picture, which the screen has."""
    seat.switch(name)
    _, size, digest = seat.cards[name].stop()
    seat.showing(digest, size)
    return digest, size


def types(pc, seat, name):
    """What is typed arrives in the guest in front, exactly."""
    card = seat.cards[name]
    card.mark()
    pc.inputs.tap(KEY_A)
    card.wait_events(2, "K")
    assert card.keys() == [(KEY_A, 1), (KEY_A, 0)], card.keys()


def vt(pc):
    return pc.run("fgconsole").out.strip()


@test(scene=THREE)
def test_vt(pc, seat):
    """Another VT by chord and back: keys are let go, the other VT has screen and keys, then all is as before."""
    home = vt(pc)
    digest, size = stopped(seat, "one")
    card = seat.cards["one"]
    pc.run("systemd-run --quiet --unit=other-vt -p StandardInput=tty -p TTYPath=/dev/tty2 -p TTYReset=yes "
           "sh -c 'cat > /run/typed'")
    card.mark()
    pc.inputs.key(KEY_B, True)
    card.wait_events(1, "K")
    seat.chord(KEY_F2)
    pc.wait(lambda: vt(pc) == "2", 30, "the other VT")
    pc.wait(lambda: card.down() == [], 30, "keys let go in the guest")
    pc.inputs.key(KEY_B, False)
    console = pc.wait(lambda: different(pc.screen(), digest), 30, "picture of the other VT")
    pc.save(console, "other-vt")
    # What is typed there is nobody else's.
    card.mark()
    pc.inputs.tap(KEY_A)
    pc.inputs.tap("ret")
    pc.wait(lambda: pc.run("cat /run/typed").out.endswith("a\n"), 30, "line typed on the other VT")
    assert card.keys() == []
    pc.run("chvt " + home)
    seat.showing(digest, size)
    types(pc, seat, "one")
    seat.showing(card.hash()[2], size)
    stopped(seat, "two")


def different(picture, digest):
    return picture if picture.sha256() != digest else None


@test(scene=THREE)
def test_monitor(pc, seat):
    """The monitor is unplugged and plugged again, and takes another size: the picture follows, and the guest."""
    digest, size = stopped(seat, "one")
    card = seat.cards["one"]
    monitor = pc.monitor()
    monitor.unplug()
    pc.wait(lambda: pc.run("cat " + STATUS).out.strip() == "disconnected", 30, "unplugged monitor")
    seat.process.line(lambda line: "the monitor is gone" in line, 30)
    # Nothing to be seen, yet everything works: keys go to the guest.
    types(pc, seat, "one")
    monitor.resize(1280, 800)
    pc.wait(lambda: pc.run("cat " + STATUS).out.strip() == "connected", 30, "plugged monitor")
    _, size, digest = card.hash()
    seat.showing(digest, size)
    card.go()
    monitor.resize(1024, 768)
    pc.wait(lambda: pc.screen().size == "1024x768", 30, "the new mode")
    pc.wait(lambda: card.hash()[1] == "1024x768", 60, "the guest's new size")
    _, size, digest = card.stop()
    assert seat.showing(digest, size).size == size
    # The other guest is asked for that size when it comes in front.
    seat.switch("two")
    pc.wait(lambda: seat.cards["two"].hash()[1] == "1024x768", 60, "the other guest's new size")
    stopped(seat, "two")


@test(kernel="new", scene=PAIR)
def test_real_vblank(pc, seat):
    """On a card with real vertical blanks: the same pixels, and frames at the rate of the mode, not above."""
    stopped(seat, "two")
    stopped(seat, "one")
    watch = Watch(pc)
    card = seat.cards["one"]
    card.go()
    card.tell("flood on")
    times = []
    while len(times) < PACED_FLIPS:
        times.append(watch.line("flip", 30))
    card.tell("flood off")
    steps = [(b - a) / 1000 for a, b in zip(times, times[1:])]
    interval = 1000 / RATE_HZ
    print("     screen.real_vblank: flips %.2f ms apart (at least %.2f), %.2f ms at %d Hz; status says %s"
          % (statistics.median(steps), min(steps), interval, RATE_HZ, seat.status()))
    # Time stamps of vertical blanks are multiples of the interval apart: the shortest is one of them.
    assert abs(min(steps) - interval) < interval / 4 or min(steps) > interval, min(steps)
    stopped(seat, "two")
