"""The installed level: systemd's units, and a guest's QEMU as a user of its own."""
import errno

from cards import GPU, functions
from handoff import HOST, lent_guest
from harness import test
from installed import InstalledSeat
from seat import CONFIG, HOME

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
    # B, at user level, is behind Landlock, which needs this; A's unit has its own walls.
    for name in "AB":
        status = pc.run("cat /proc/%d/status" % seat.qemu_pid(name)).out
        assert "NoNewPrivs:\t1" in status, status
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
    refused_peer(pc, seat)
    stopped_by_force(pc, seat, pid)
    disk_of_another(pc, seat)


def refused_peer(pc, seat):
    """The broker does not serve a guest's user, nor the seat's user in a guest's control group."""
    group = seat.group("A").split("::")[1]
    enter = ["sh", "-c", "echo $$ >'/sys/fs/cgroup%s/cgroup.procs'; exec \"$@\"" % group, "sh", "setpriv",
             "--reuid=1000", "--regid=1000", "--clear-groups"]
    seat.kill_for_good()
    for options, words in (({"user": "baton-a"}, "your user"), ({"user": None, "argv": enter}, "a guest's")):
        other = seat.broker.client(**options)
        other.connect()
        told = other.wait(lambda h: h.get("kind") == "done", 30, "refusal of %s" % options)
        assert told["error"] == -errno.EACCES and words in told["text"], told
        other.close()
    seat.start().wait_control()
    pc.wait(lambda: seat.list()["A"]["state"] == "running", 60, "guest A again")


def stopped_by_force(pc, seat, pid):
    """A QEMU that does not answer cannot be killed by the seat; the broker has its unit killed, when it is there."""
    pc.run("kill -STOP %d" % pid)
    assert pc.run("runuser -u seat -- kill -9 %d" % pid, check=False).rc != 0
    seat.broker.stop()
    seat.control("kill", "A")
    pc.wait(lambda: "has to kill: no broker" in seat.said(), 30, "baton's word that nobody can kill A")
    assert seat.list()["A"]["state"] not in ("stopped", "failed"), seat.list()["A"]
    seat.broker.start()
    pc.wait(lambda: pc.run("test -e /proc/%d" % pid, check=False).rc != 0, 60, "end of A's QEMU")
    pc.wait(lambda: seat.list()["A"]["state"] == "stopped", 30, "baton's word on it")


def disk_of_another(pc, seat):
    """A disk that A's user may not write: one sentence says who that is. When it may, A runs, and ends when asked."""
    disk, file = HOME + "/disk.img", "%s/guests/A.ini" % CONFIG
    pc.run("truncate -s 1M {d} && chown seat:seat {d} && chmod 600 {d} && sed -i 's,^\\[vm\\]$,&\\ndisk = {d},' {f}"
           .format(d=disk, f=file))
    seat.control("reload")
    seat.control("start", "A")
    told = pc.wait(lambda: seat.list()["A"]["state"] == "failed" and seat.list()["A"], 60, "failure of A")
    assert "baton-a" in told["reason"] and disk in told["reason"], told
    pc.run("chown baton-a " + disk)
    seat.control("start", "A")
    seat.cards["A"].stream = None
    seat.cards["A"].ready(400)
    assert seat.uid("A") == "baton-a"
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
