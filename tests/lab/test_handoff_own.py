"""The card on which baton itself draws goes to a guest: with another screen besides, and as the only one."""
from cards import OWN
from handoff import HOST, LentScene, lent_guest
from harness import test

KEY_A, KEY_ESC = 30, 1
WISHES = "on-request = own\n"
PAIR = [lent_guest("A", 1, WISHES), lent_guest("B", 2, WISHES)]
ONLY = LentScene("only", PAIR, [OWN])
BESIDES = LentScene("besides", PAIR, [OWN])
SECOND = "second"


def still(seat):
    """No guest draws any more, and all is known of what they drew; A in front is on the host's card, exactly."""
    for name in ("B", "A"):
        seat.switch(name)
        seat.cards[name].stop()
        _, size, digest = seat.cards[name].hash()
        picture = seat.showing(digest, size, 60)
    return picture


def types(pc, seat, name):
    """What is typed arrives in the guest in front."""
    card = seat.cards[name]
    card.mark()
    pc.inputs.tap(KEY_A)
    card.wait_events(2, "K")
    assert card.keys() == [(KEY_A, 1), (KEY_A, 0)], card.keys()


def same(pc, device, picture, what):
    """Waits until a card shows a picture again."""
    seen = []

    def equal():
        seen[:] = [pc.screen(device)]
        return seen[0].data == picture.data
    try:
        pc.wait(equal, 60, what)
    except AssertionError:
        pc.save(picture, "wanted")
        pc.save(seen[0], "seen")
        raise


def works(pc, seat):
    """Keys, chords and the control API, whatever is on screens."""
    types(pc, seat, "A")
    seat.switch("B")
    types(pc, seat, "B")
    seat.switch("A")


def paths(seat):
    """What the card's monitors show: the path, and the guest whose it is."""
    return [(monitor["path"], monitor["guest"]) for monitor in seat.gpu(OWN)["monitors"]]


@test(card="own", scene=ONLY)
def test_only_screen(pc, seat):
    """Without consent it stays; while it is away keys and chords work; then the switcher is as it was."""
    picture = still(seat)
    assert paths(seat) == [("composited", "")], paths(seat)
    assert seat.gpu(OWN)["only_screen"]
    refused = seat.hand(OWN, "B", check=False)
    assert refused.rc == 1 and "--dark" in refused.err and "chord" in refused.err, refused.err
    assert seat.settled(OWN)["state"] == "HOST"
    seat.control("switcher", "on")
    switcher = settle(pc, "hostgpu", picture)
    took = seat.go(OWN, "B", dark=True)
    print("     handoff_own.only_screen: to B in %.1f s" % took)
    assert paths(seat) == [("owned", "B")], paths(seat)
    seat.control("switcher", "off")
    works(pc, seat)
    seat.control("switcher", "on")
    seat.go(OWN, HOST)
    same(pc, "hostgpu", switcher, "the switcher as it was")
    assert paths(seat) == [("composited", "")], paths(seat)
    seat.control("switcher", "off")
    same(pc, "hostgpu", picture, "the guest as it was")
    # By the chord that is for the worst.
    seat.go(OWN, "A", dark=True)
    seat.chord(KEY_ESC)
    seat.arrived(OWN, HOST)
    types_after_rescue(pc, seat)


def types_after_rescue(pc, seat):
    seat.control("switcher", "off")
    seat.switch("A")
    types(pc, seat, "A")


def settle(pc, device, before):
    """The picture of a card once it has become another one and stays so."""
    pictures = [before, before]

    def settled():
        pictures[:] = [pictures[1], pc.screen(device)]
        return pictures[0].data == pictures[1].data != before.data
    pc.wait(settled, 60, "another picture")
    return pictures[1]


def title(picture):
    """What the switcher shows above the guests' pictures."""
    return picture.crop(0, 0, picture.width, picture.height // 5)


def switcher_on(pc, device, before):
    """Waits until a card shows the switcher as before. A guest's own picture follows the size of the screen."""
    seen = []

    def equal():
        seen[:] = [pc.screen(device)]
        return title(seen[0]).data == title(before).data
    try:
        pc.wait(equal, 60, "the switcher on " + device)
    except AssertionError:
        pc.save(before, "wanted")
        pc.save(seen[0], "seen")
        raise


def guest_on(pc, seat, device):
    """Waits until a card shows exactly what the guest in front draws."""
    def equal():
        _, size, digest = seat.cards["A"].hash()
        picture = pc.screen(device)
        return size == picture.size and digest == picture.sha256()
    pc.wait(equal, 60, "the guest on " + device)


@test(card="two", scene=BESIDES, long=True)
def test_second_screen(pc, seat):
    """The other screen stays lit and goes on, and the card's own comes back."""
    picture = still(seat)
    assert not seat.gpu(OWN)["only_screen"]
    plain = pc.screen(SECOND)
    seat.control("switcher", "on")
    switcher, beside = settle(pc, "hostgpu", picture), settle(pc, SECOND, plain)
    assert title(beside).data != title(plain).data
    took = seat.go(OWN, "B")
    print("     handoff_own.second_screen: to B in %.1f s" % took)
    switcher_on(pc, SECOND, beside)
    seat.control("switcher", "off")
    guest_on(pc, seat, SECOND)
    works(pc, seat)
    seat.control("switcher", "on")
    switcher_on(pc, SECOND, beside)
    seat.go(OWN, HOST)
    switcher_on(pc, "hostgpu", switcher)
    switcher_on(pc, SECOND, beside)
    seat.control("switcher", "off")
    guest_on(pc, seat, "hostgpu")
