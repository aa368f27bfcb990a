"""Handoffs that others hinder: programs that hold a card, guests that do not let go, a card that is gone."""
import signal
import time

from cards import DUO, GPU, functions, on_host
from handoff import HOST, Journals
from harness import test
from seat import CONFIG, USER
from test_handoff import LENT, WISHES
from testcard import NESTED_CPU

# How much longer a switch may take beside a fault than without.
SLOWER, TRIES = 2.0, 3
# Late enough for the seat to ask the person, who has much longer to answer.
ASKED_SECONDS = 60


def node(pc, card, function, subsystem):
    """The path of a function's first node of a subsystem ("drm", "sound")."""
    # A DRM card under virtio has one folder more between.
    name = {"drm": "card*", "sound": "card*/controlC*"}[subsystem]
    folder = "/sys/bus/pci/devices/" + card.functions()[function]
    found = pc.run("cat {f}/{s}/{n}/uevent {f}/virtio*/{s}/{n}/uevent 2>/dev/null | sed -n 's/^DEVNAME=//p'"
                   .format(f=folder, s=subsystem, n=name)).out.split()
    return "/dev/" + found[0]


class Holder:
    """A process of root in the virtual PC that has a node open (inside/hold.py)."""

    def __init__(self, pc, way, path):
        self.stream = pc.spawn_script("hold.py", way, path)
        self.stream.line("holding", 60)

    def end(self):
        self.stream.kill(signal.SIGKILL)
        self.stream.exited()


def told(seat, card, word, seconds=60):
    """Waits until baton's sentence about the card has the word in it; all that it says then."""
    seen = []

    def says():
        seen[:] = [seat.gpu(card)]
        return seen[0] if word in seen[0]["text"] else None
    try:
        return seat.pc.wait(says, seconds, "%r about %s" % (word, card.name))
    except AssertionError as error:
        raise AssertionError("%s: %s" % (error, seen[0])) from error


def switches_as_fast(seat, quiet, fault):
    # A busy machine may be slow at one time, and not each time.
    for _ in range(TRIES):
        took = seat.switch_ms()
        print("     handoff_faults: a switch with %s takes %.0f ms, without %.0f ms" % (fault, took, quiet), flush=True)
        if took <= SLOWER * quiet:
            return
    raise AssertionError("switches are slow with " + fault)


@test(card="lend", scene=LENT, long=True)
def test_holders(pc, seat):
    """A program that has the card open is named, nothing is unbound, and the card goes when it has ended."""
    quiet = seat.switch_ms()
    holder = Holder(pc, "open", node(pc, GPU, 0, "drm"))
    seat.hand(GPU, "A")
    now = told(seat, GPU, "python3")
    assert str(holder.stream.pid) in now["text"] and now["state"] == "DRAINING", now
    assert on_host(pc, GPU)
    switches_as_fast(seat, quiet, "a holder of the DRM node")
    holder.end()
    seat.arrived(GPU, "A")
    seat.shown_by(GPU, "A")
    seat.go(GPU, HOST)
    # One that stays: the card stays too, and its nodes are as before.
    holder = Holder(pc, "open", node(pc, DUO, 1, "sound"))
    seat.hand(DUO, "B")
    told(seat, DUO, "python3")
    switches_as_fast(seat, quiet, "a holder of the ALSA node")
    now = seat.settled(DUO)
    assert now["state"] == "HOST" and str(holder.stream.pid) in now["text"], now
    assert not seat.at_home(DUO), seat.at_home(DUO)
    holder.end()
    seat.go(DUO, "B")
    seat.go(DUO, HOST)


def wedged(seat, card, seconds):
    """Waits until baton says that the kernel hangs, and what helps."""
    seat.pc.wait(lambda: seat.gpu(card)["state"] == "WEDGED", seconds, "WEDGED")
    assert seat.gpu(card)["text"]


@test(card="lend", scene=LENT, long=True)
def test_unbind_hangs(pc, seat):
    """A write of the kernel that does not return: the seat goes on, and the card when the cause is gone."""
    quiet = seat.switch_ms()
    holder = Holder(pc, "hidden", node(pc, DUO, 1, "sound"))
    seat.hand(DUO, "A")
    # The broker says where its worker waits.
    now = told(seat, DUO, "unbind")
    assert now["state"] == "DETACHING", now
    assert "D" in pc.run("ps -o stat= -C unbind").out
    switches_as_fast(seat, quiet, "an unbind that hangs")
    # The other card is not held up.
    seat.go(GPU, "B")
    if pc.long:
        wedged(seat, DUO, 120)
        # Also for a seat that has not seen how it came to that.
        seat.kill()
        seat.start().wait_control()
        wedged(seat, DUO, 60)
        refused = seat.hand(DUO, "B", check=False)
        assert refused.rc == 1 and refused.err, refused.err
        holder.end()
        pc.wait(lambda: seat.gpu(DUO)["state"] in ("HOST", "GUEST"), 60, "end of WEDGED")
        seat.settled(DUO)
    else:
        holder.end()
        seat.arrived(DUO, "A")
        seat.shown_by(DUO, "A")
    seat.go(GPU, HOST)
    if seat.gpu(DUO)["state"] != "HOST":
        seat.go(DUO, HOST)
    else:
        assert not seat.at_home(DUO), seat.at_home(DUO)


@test(card="lend", scene=LENT, long=True)
def test_resets(pc, seat):
    """A card that cannot be reset as a whole: no guest gets it, and it goes home; a broker that stands still."""
    quiet = seat.switch_ms()
    journals = Journals(pc)
    seat.go(DUO, "A")
    broker = seat.broker.pid()
    # The broker stands still before the reset; meanwhile the second function gets its host driver back.
    journals.arm(broker, "take-back", number=signal.SIGSTOP)
    seat.hand(DUO, "B")
    journals.sent()
    switches_as_fast(seat, quiet, "a broker that stands still")
    pc.run("d=/sys/bus/pci/devices/{f} && echo {f} > $d/driver/unbind && echo > $d/driver_override "
           "&& echo {f} > /sys/bus/pci/drivers_probe".format(f=DUO.functions()[1]))
    pc.run("kill -CONT %d" % broker)
    now = seat.settled(DUO)
    assert (now["state"], now["owner"]) == ("HOST", "") and "all its functions" in now["text"], now
    assert ("sanitize", "A", "B", "failed") in seat.broker.journal(DUO.slot), seat.broker.journal(DUO.slot)
    seat.wait_home(DUO)
    assert not seat.lines["B"].lines("+", DUO), "B got a card that was not reset"
    seat.go(DUO, "B")
    seat.go(DUO, HOST)


def group_held(pc, seat, journals):
    """GPU is on its way to A and in the pool, and a process of root has its group open; that process."""
    seat.wait_home(GPU)
    group = "/dev/vfio/" + functions(pc, GPU)[0]["group"]
    pid = seat.process.pid
    journals.arm(pid, "detach", number=signal.SIGSTOP)
    seat.hand(GPU, "A", check=False)
    journals.sent()
    journals.record("detach", "done")
    holder = Holder(pc, "open", group)
    pc.run("kill -CONT %d" % pid)
    told(seat, GPU, group)
    return holder


@test(card="lend", scene=LENT, long=True)
def test_group(pc, seat):
    """A program that has the card's VFIO group: no guest gets the card, and it goes home when that has ended."""
    quiet = seat.switch_ms()
    journals = Journals(pc)
    holder = group_held(pc, seat, journals)
    switches_as_fast(seat, quiet, "a holder of the VFIO group")
    holder.end()
    seat.arrived(GPU, HOST)
    seat.wait_home(GPU)
    # One that stays: the card stays in the pool until somebody asks for it.
    holder = group_held(pc, seat, journals)
    now = seat.settled(GPU)
    assert now["state"] == "POOL" and "/dev/vfio/" in now["text"], now
    seat.hand(GPU, "B")
    told(seat, GPU, "/dev/vfio/")
    holder.end()
    seat.settled(GPU)
    assert not seat.lines["A"].lines("+", GPU) and not seat.lines["B"].lines("+", GPU)
    seat.go(GPU, "A")
    seat.go(GPU, HOST)


def asked(seat, card, name):
    """Waits until the person is asked about the guest; it is the guest that has the card."""
    now = seat.pc.wait(lambda: (lambda told: told if told["asking"] else None)(seat.gpu(card)), ASKED_SECONDS,
                       "question about " + card.name)
    assert (now["state"], now["owner"], now["stage"]) == ("EJECTING", name, "eject") and now["text"], now


def stopped(seat, quiet):
    """The guest's QEMU does not run, and goes on."""
    pid = seat.qemu_pid("A")
    seat.go(GPU, "A")
    seat.pc.run("kill -STOP %d" % pid)
    seat.hand(GPU, "B")
    asked(seat, GPU, "A")
    switches_as_fast(seat, quiet, "a stopped QEMU")
    seat.pc.run("kill -CONT %d" % pid)
    seat.arrived(GPU, "B")


def paused(seat, quiet):
    """The guest's processors do not run, and go on."""
    seat.go(GPU, "A")
    seat.control("pause", "A")
    seat.hand(GPU, "B")
    asked(seat, GPU, "A")
    switches_as_fast(seat, quiet, "a paused guest")
    seat.control("resume", "A")
    seat.arrived(GPU, "B")


def killed(seat, quiet):
    """The person has enough of a guest that does not let go."""
    seat.go(GPU, "A")
    seat.pc.run("kill -STOP %d" % seat.qemu_pid("A"))
    seat.hand(GPU, "B")
    asked(seat, GPU, "A")
    seat.control("gpu", "answer", GPU.name, "kill")
    seat.arrived(GPU, "B")


def in_firmware(seat, quiet):
    """A guest that finds nothing to start has a card, hears of no request, and is reset by the person."""
    lines = ["[vm]", "name = F", "slot = 6", "memory = 64", "net = none", "qemu-args = -accel kvm",
             "qemu-args = -cpu " + NESTED_CPU]
    seat.pc.channel.put(CONFIG + "/guests/F.ini", ("\n".join(lines) + "\n[cards]\n" + WISHES).encode(), user=USER)
    seat.control("reload")
    seat.pc.wait(lambda: seat.list()["F"]["state"] == "running", 60, "F in its firmware")
    seat.hand(GPU, "F")
    seat.arrived(GPU, "F")
    seat.hand(GPU, "B")
    asked(seat, GPU, "F")
    switches_as_fast(seat, quiet, "a guest in its firmware")
    seat.control("gpu", "answer", GPU.name, "reset")
    seat.arrived(GPU, "B")


# The last one leaves no guest A.
UNWILLING = (stopped, paused, in_firmware, killed)


@test(card="lend", scene=LENT, random=True)
def test_guests(pc, seat):
    """Guests that do not let go: the person is asked, all else works, and the card goes as soon as it can."""
    quiet = seat.switch_ms()
    for fault in UNWILLING if pc.long else [pc.random.choice(UNWILLING)]:
        began = time.monotonic()
        fault(seat, quiet)
        seat.shown_by(GPU, "B")
        seat.go(GPU, HOST)
        print("     handoff_faults.guests: %s: %.1f s" % (fault.__name__, time.monotonic() - began), flush=True)


def lost(seat, card, quiet, fault):
    """Waits until baton says that the card is lost; it is refused, and all else works."""
    seat.pc.wait(lambda: seat.gpu(card)["state"] == "LOST", 60, "LOST")
    assert seat.gpu(card)["text"]
    refused = seat.hand(card, "B", check=False)
    assert refused.rc == 1 and refused.err, refused.err
    switches_as_fast(seat, quiet, fault)


def deaf(pc, card, number):
    """The bridge above the card leads to another bus: the card's configuration space reads as all ones."""
    bridge = pc.run("basename $(dirname $(readlink /sys/bus/pci/devices/%s))" % card.functions()[0]).out.strip()
    script = ("import os; fd = os.open('/sys/bus/pci/devices/%s/config', os.O_RDWR); old = os.pread(fd, 1, 0x19); "
              "os.pwrite(fd, bytes([%d]), 0x19); print(old[0])" % (bridge, number))
    return int(pc.run(["python3", "-c", script]).out)


@test(card="lend", scene=LENT)
def test_lost(pc, seat):
    """The card leaves the PC while a guest has it, and comes back; then it does not answer any more."""
    quiet = seat.switch_ms()
    # QEMU does not unplug displays; for everything above the driver of the slot the kernel does the same here.
    seat.go(GPU, "A")
    removal = pc.spawn(["sh", "-c", "echo 1 > /sys/bus/pci/devices/%s/remove" % GPU.functions()[0]])
    lost(seat, GPU, quiet, "a card that was pulled out")
    assert removal.exited(60) == 0
    seat.go(DUO, "B")
    pc.run("echo 1 > /sys/bus/pci/rescan")
    pc.wait(lambda: seat.gpu(GPU)["state"] == "HOST", 60, "the card on the host again")
    seat.go(GPU, "B")
    seat.go(GPU, HOST)
    number = deaf(pc, GPU, 0x77)
    seat.hand(GPU, "A")
    lost(seat, GPU, quiet, "a card that does not answer")
    deaf(pc, GPU, number)
    pc.run("udevadm trigger --action=change /sys/bus/pci/devices/" + GPU.functions()[0])
    seat.arrived(GPU, HOST)
    seat.go(GPU, "A")
    seat.go(GPU, HOST)
    seat.go(DUO, HOST)
