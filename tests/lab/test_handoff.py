"""Graphics cards go to running guests and come back."""
from cards import DUO, GPU, BareScene, bind_host, bind_vfio, snapshot
from harness import test

BARE = BareScene()


@test(card="lend", scene=BARE)
def test_by_hand(pc, guests):
    """What all of this rests on: cards go from guest to guest by QMP alone, and draw there."""
    before = {card: snapshot(pc, [card])["functions"] for card in (GPU, DUO)}
    for guest in guests:
        pc.run("prlimit --memlock=unlimited --pid %d" % guest.pid)
    for card in (GPU, DUO):
        bind_vfio(pc, card)
        for number, guest in enumerate(guests + guests[:1]):
            guest.lines.mark()
            guest.qmp.attach(card, "rp1")
            guest.lines.wait_drawn(card)
            guest.lines.shows(card)
            guest.qmp.detach(card)
            guest.lines.wait_gone(card)
        bind_host(pc, card)
        pc.run("udevadm settle")
        assert snapshot(pc, [card])["functions"] == before[card]
