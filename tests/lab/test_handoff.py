"""Graphics cards go to running guests and come back."""
import errno

from broker import Broker
from cards import DUO, GPU, bind_host, bind_vfio, functions, on_host, on_vfio, snapshot
from handoff import GRACE, HOST, STILL, Journals, LentScene, lent_guest
from harness import test

WISHES = "on-request = gpu duo\n"
PAIR = [lent_guest("A", 1, WISHES), lent_guest("B", 2, WISHES)]
LENT = LentScene("lent", PAIR, [GPU, DUO])
# The same guests and the same kept state, with neither baton nor broker.
GUESTS = LentScene("lent", PAIR, [GPU, DUO], seat=False)


@test(card="lend", scene=GUESTS, long=True)
def test_by_hand(pc, seat):
    """What all of this rests on: cards go from guest to guest by QMP alone, and draw there."""
    qmps = [seat.qmp(name) for name in ("A", "B")]
    for name in ("A", "B"):
        pc.run("prlimit --memlock=unlimited --pid %d" % seat.qemu_pid(name))
    for card in (GPU, DUO):
        before = snapshot(pc, [card])["functions"]
        bind_vfio(pc, card)
        for name, qmp in (("A", qmps[0]), ("B", qmps[1]), ("A", qmps[0])):
            lines = seat.lines[name]
            lines.mark()
            qmp.attach(card, "rp1")
            lines.wait_drawn(card)
            lines.shows(card)
            qmp.detach(card)
            lines.wait_gone(card)
        bind_host(pc, card)
        pc.run("udevadm settle")
        assert snapshot(pc, [card])["functions"] == before


def lend(client, card, pid, memory):
    """From the pool to a guest's QEMU, ready for device_add."""
    client.good("sanitize", card)
    return client.good("lend", card, pid=pid, memory=memory)


@test(card="lend", scene=GUESTS)
def test_broker_alone(pc, seat):
    """The broker's messages without baton: both cards from the host to A, to B and back; all is as before."""
    broker = seat.broker.start()
    pids = {name: seat.qemu_pid(name) for name in ("A", "B")}
    qmps = {name: seat.qmp(name) for name in pids}
    for card in (GPU, DUO):
        before = seat.snapshot()
        client = broker.client().greet()
        facts = client.facts(card)
        assert {"present", "viable", "had-host"} <= set(facts["flags"]), facts
        client.good("drain", card)
        client.good("detach", card)
        assert on_vfio(pc, card)
        for name in ("A", "B", "A"):
            lines = seat.lines[name]
            lend(client, card, pids[name], 1 << 30)
            lines.mark()
            qmps[name].attach(card, "rp1")
            lines.wait_drawn(card)
            lines.shows(card)
            assert "lent" in client.facts(card)["flags"]
            assert client.call("take-back", card).error == -16
            qmps[name].detach(card)
            client.good("take-back", card)
        client.good("sanitize", card)
        client.good("return", card)
        assert on_host(pc, card)
        client.close()
        pc.run("udevadm settle")
        seat.nothing_left(before)


def refused(client, verb, card, error=None, **more):
    """
    The request is answered with an error (this one, where it says who may what) and a sentence, and changes
    nothing.
    """
    before = [functions(client.pc, card) for card in (GPU, DUO)]
    reply = client.call(verb, card, **more)
    assert reply.error < 0 and error in (None, -reply.error), "%s: %d: %s" % (verb, reply.error, reply.text)
    assert reply.text, verb
    assert [functions(client.pc, card) for card in (GPU, DUO)] == before


@test(card="lend", scene=GUESTS)
def test_broker_refuses(pc, seat):
    """Cards that are not listed, bridges, wrong order, wrong packets and other peers."""
    # A root port and the PCI slot of the PC's own chips are in the file by mistake.
    bridge, chips, unlisted = "0000:00:02", "0000:00:1f", "0000:00:06"
    broker = seat.broker.install([GPU.slot, DUO.slot, bridge, chips]).start()
    client = broker.client().greet()
    for verb in ("drain", "detach", "sanitize", "return", "lend", "record", "holders"):
        more = {"pid": seat.qemu_pid("A"), "memory": 1} if verb == "lend" else {}
        refused(client, verb, unlisted, errno.EPERM, **more)
    for slot in (bridge, chips):
        for verb in ("drain", "detach", "return"):
            refused(client, verb, slot, errno.EPERM)
    # Out of order, with the card on the host.
    for verb in ("detach", "sanitize"):
        refused(client, verb, GPU)
    refused(client, "lend", GPU, pid=seat.qemu_pid("A"), memory=1 << 30)
    client.good("drain", GPU)
    client.good("detach", GPU)
    refused(client, "drain", GPU)
    refused(client, "lend", GPU, pid=seat.qemu_pid("A"), memory=1 << 30)
    for error, more in ((None, {}), (errno.EPERM, {"pid": 1, "memory": 1 << 30}),
                        (errno.ERANGE, {"pid": seat.qemu_pid("A"), "memory": 1 << 60})):
        client.good("sanitize", GPU)
        refused(client, "lend", GPU, error, **more)
    lend(client, GPU, seat.qemu_pid("A"), 1 << 30)
    refused(client, "lend", GPU, pid=seat.qemu_pid("B"), memory=1)
    for verb in ("sanitize", "return"):
        refused(client, verb, GPU, errno.EBUSY)
    client.good("take-back", GPU)
    client.good("return", GPU)
    # A second seat while the first lives.
    first = client.connections[-1]
    client.connect()
    told = client.wait(lambda h: h.get("kind") == "done", 30, "refusal of a second seat")
    assert told["error"] < 0 and told["text"], told
    client.closed()
    client.order("close", on=first)
    others(pc, broker)
    packets(client)


@test(card="shared")
def test_broker_shared_group(pc):
    """A card whose IOMMU group has another member is not lent, and the member is named."""
    card, member = "0000:02:01", "0000:02:02.0"
    client = Broker(pc).install([card]).start().client().greet()
    assert client.call("list").facts()["flags"] == ["present", "had-host"], client.heard
    client.good("drain", card)
    reply = client.call("detach", card)
    assert reply.error == -errno.EPERM and member in reply.text, reply.text
    client.good("undrain", card)


def others(pc, broker):
    """Peers that are no seat: another user, root, a guest's QEMU by its control group."""
    scope = ["systemd-run", "--quiet", "--scope", "--unit=baton-A-1.scope", "setpriv", "--reuid=1000",
             "--regid=1000", "--clear-groups"]
    for options in ({"user": "nobody"}, {"user": None}, {"user": None, "argv": scope}):
        other = broker.client(**options)
        other.connect()
        told = other.wait(lambda h: h.get("kind") == "done", 30, "refusal of %s" % options)
        assert told["error"] == -errno.EACCES and told["text"], told
        other.closed()
        other.close()


def packets(client):
    """What is no request ends the connection, and the next one is served."""
    hello = "01000000010000000000000001000000" + "00" * 168
    unknown = "7f" + hello[2:]
    unended = "02000000" + "01000000" + "00" * 16 + "41" * 160
    for greeted, packet in ((False, "00"), (False, hello + "00"), (False, "00" * 65536), (False, "02" + hello[2:]),
                            (False, unknown), (True, hello), (True, unknown), (True, unended)):
        if greeted:
            client.greet()
        else:
            client.connect()
        client.order("raw", hex=packet)
        client.closed()
    client.greet()
    client.order("request", verb="record", serial=7, slot=GPU.slot, stage=["two\nlines", "", ""])
    client.closed()
    client.greet()


STEPS, STEPS_LONG = 6, 100


@test(card="lend", scene=LENT)
def test_there_and_back(pc, seat):
    """Each card from the host to A, to B and back, by batonctl."""
    before = seat.note_home()
    for card in (GPU, DUO):
        times = ["%s %.1f s" % (to, seat.go(card, to)) for to in ("A", "B", HOST)]
        print("     handoff.there_and_back: %s: %s" % (card.name, ", ".join(times)))
    seat.nothing_left(before)


@test(card="lend", scene=LENT, random=True)
def test_random_walk(pc, seat):
    """Both cards go to and fro; in the end all is as before."""
    before = seat.note_home()
    where = {GPU: HOST, DUO: HOST}
    journals = Journals(pc)
    moves = {card: 0 for card in where}
    for _ in range(STEPS_LONG if pc.long else STEPS):
        card = pc.random.choice(sorted(where, key=lambda c: c.name))
        to = pc.random.choice([place for place in (HOST, "A", "B") if place != where[card]])
        seat.go(card, to)
        where[card] = to
        moves[card] += 1
    for card, place in where.items():
        if place != HOST:
            seat.go(card, HOST)
            moves[card] += 1
    for card, count in moves.items():
        print("     handoff.random_walk: %s: %d handoffs, %d resets" % (card.name, count, journals.resets(card)))
        assert journals.resets(card) == count, "a handoff has one reset"
    seat.nothing_left(before)


# The stages of each way, in the order of the journal; the stages of the host's own screen are there too.
WAYS = {
    (HOST, "A"): ("prepare", "close-screen", "drain", "detach", "sanitize", "lend", "attach", "confirm"),
    ("A", "B"): ("prepare", "eject", "take-back", "sanitize", "lend", "attach", "confirm"),
    ("B", HOST): ("prepare", "eject", "take-back", "sanitize", "give-back", "open-screen"),
}
VICTIMS = ("seat", "broker", "donor", "receiver")
SAMPLE, REST_SECONDS = 3, 120
FAILED = "FAILED"


def cells():
    """Every victim at every stage of every way on which it is there."""
    return [(way, stage, victim) for way, stages in WAYS.items() for stage in stages for victim in VICTIMS
            if not (victim == "donor" and way[0] == HOST or victim == "receiver" and way[1] == HOST)]


def cell_name(cell):
    way, stage, victim = cell
    return "%s at %s of %s -> %s" % ((victim, stage) + way)


def victim_pid(seat, way, victim):
    return {"seat": lambda: seat.process.pid, "broker": seat.broker.pid, "donor": lambda: seat.qemu_pid(way[0]),
            "receiver": lambda: seat.qemu_pid(way[1])}[victim]()


def put_back(seat):
    """Whatever was killed lives again."""
    if seat.process.rc is not None:
        seat.start().wait_control()
    seat.broker.wait()
    for name in seat.cards:
        if not seat.qemu_pid(name):
            seat.start_again(name)


def kill_at(seat, journals, card, cell):
    """
    Kills at the intent of the stage; waits for rest without help; then puts back what was killed. Returns
    who has the card in the end and after how long it rested.
    """
    way, stage, victim = cell
    where = seat.settled(card)["owner"] or HOST
    if where != way[0]:
        seat.go(card, way[0])
    journals.arm(victim_pid(seat, way, victim), stage)
    # A seat that is killed at once does not answer any more.
    seat.hand(card, way[1], check=victim != "seat")
    journals.sent(120)
    if victim == "seat":
        seat.process.exited()
    owner, took = seat.wait_rest(card, REST_SECONDS, "rest after the end of " + cell_name(cell),
                                 GRACE + STILL if victim == "seat" else STILL)
    names = {str(seat.qemu_pid(name)): name for name in seat.cards}
    put_back(seat)
    # A new seat takes up what was broken off.
    seat.wait_rest(card, REST_SECONDS, "rest with everybody there after the end of " + cell_name(cell))
    return names.get(owner, owner), took


def matrix_print(found, card):
    for way, stages in WAYS.items():
        print("     handoff.kill_matrix: %s, %s -> %s" % ((card.name,) + way))
        for stage in stages:
            row = ["%s: %s" % (victim, found[(way, stage, victim)])
                   for victim in VICTIMS if (way, stage, victim) in found]
            if row:
                print("     handoff.kill_matrix:   %-13s %s" % (stage, "; ".join(row)))


def kill_all(seat, journals, card, chosen, found):
    """
    A matrix with these cells; one that fails is told at the end, and the others are tried. What stands in
    found already was found in a virtual PC that died since.
    """
    for cell in [cell for cell in chosen if cell not in found]:
        try:
            found[cell] = "%s %.1f s" % kill_at(seat, journals, card, cell)
        except AssertionError as error:
            found[cell] = FAILED
            print("     handoff.kill_matrix: %s: %s" % (cell_name(cell), error), flush=True)
            put_back(seat)
        print("     handoff.kill_matrix: %s: %s" % (cell_name(cell), found[cell]), flush=True)
    if len(chosen) > SAMPLE:
        matrix_print(found, card)
    failed = [cell_name(cell) for cell in chosen if found[cell] == FAILED]
    assert not failed, failed
    if seat.gpu(card)["state"] != "HOST":
        seat.go(card, HOST)
    assert not seat.at_home(card), seat.at_home(card)


@test(card="lend", scene=LENT, random=True)
def test_kill_sample(pc, seat):
    """Some cells of the matrix."""
    every = cells()
    kill_all(seat, Journals(pc), GPU, sorted(pc.random.sample(every, SAMPLE), key=every.index), {})


def matrix_of(victim):
    found = {}

    @test(card="lend", scene=LENT, long=True, name="kill_matrix_" + victim)
    def matrix(pc, seat):
        """Whenever it is killed, the card comes to rest by itself and can be given again."""
        kill_all(seat, Journals(pc), GPU, [cell for cell in cells() if cell[2] == victim], found)
    return matrix


# Each in a virtual PC of its own: an hour is more than that emulation holds out.
MATRIX = [matrix_of(victim) for victim in VICTIMS]
