"""baton on KMS in the virtual PC: pictures, keys and switches with real devices and nested guests."""
from harness import test
from seat import Guest, SeatScene

THREE = SeatScene("three", [Guest("one", 1), Guest("two", 2), Guest("three", 3)])


@test(scene=THREE)
def test_first_light(pc, seat):
    """Three guests run, each can be brought in front, and the screen has its pixels and no others."""
    for name in ("two", "three", "one"):
        seat.switch(name)
        card = seat.cards[name]
        _, size, digest = card.stop()
        seat.showing(digest, size)
        card.go()
