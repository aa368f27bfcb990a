"""The installed level: systemd's units, and a guest's QEMU as a user of its own."""
from cards import GPU, functions
from handoff import HOST, lent_guest
from harness import test
from installed import InstalledSeat

WISHES = "on-request = gpu\n"


@test(card="lend")
def test_guest_of_its_own(pc):
    """
    A has a user of its own, B has not. A is shown, gets keys and the card, which no other user can open; seat and
    broker are started anew under it, and it ends by batonctl.
    """
    guests = [lent_guest("A", 1, WISHES), lent_guest("B", 2, WISHES)]
    seat = InstalledSeat(pc, guests, ["--no-toasts"], [GPU], {"A": "baton-a"}).install()
    seat.broker.start()
    seat.start().wait_control().wait_guests()
    seat.note_home()
    pid = seat.qemu_pid("A")
    assert (seat.uid("A"), seat.uid("B")) == ("baton-a", "seat")
    assert "baton-guest@baton-a.service" in seat.group("A"), seat.group("A")
    assert seat.guest_pid("A") == pid
    shown_and_typed(pc, seat)
    seat.go(GPU, "A")
    node = "/dev/vfio/" + functions(pc, GPU)[0]["group"]
    assert seat.tries("baton-a", node) == "Device or resource busy", seat.tries("baton-a", node)
    for user in ("seat", "nobody"):
        assert seat.tries(user, node) == "Permission denied", (user, seat.tries(user, node))
    seat.kill()
    seat.wait_control()
    pc.wait(lambda: seat.list()["A"]["state"] == "running", 60, "guest A again")
    assert seat.qemu_pid("A") == pid
    shown_and_typed(pc, seat)
    seat.broker.start()
    pc.wait(lambda: seat.gpu(GPU)["state"] == "GUEST", 60, "broker's word that A has the card")
    assert seat.qemu_pid("A") == pid
    seat.go(GPU, HOST)
    seat.control("shutdown", "A")
    pc.wait(lambda: seat.guest_unit("A") == "inactive", 90, "end of A's unit")


def shown_and_typed(pc, seat):
    """A is on the screen with its own picture, and gets a key."""
    card = seat.cards["A"]
    seat.switch("A")
    _, size, digest = card.stop()
    seat.showing(digest, size)
    card.go()
    card.mark()
    pc.inputs.tap("a")
    assert card.wait_events(2, "K") == [("K", 30, 1), ("K", 30, 0)]
