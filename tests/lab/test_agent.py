"""baton-agent: what a card shows arrives in shared memory, and what it costs."""
import json
import os
import signal

import cards
from guest_kernel import guest_kernels
from harness import test
from lab import HERE
from shared import Port, Viewer, agent_counts, agent_initrd, start_agent_guest

MEMORY = "/dev/shm/agent"
MEMORY_SIZE = 32 << 20
WHOLE_PICTURE = 1280 * 800 * 4


class Agent:
    """baton-agent on a card of the virtual PC itself, with a file for shared memory."""

    def __init__(self, pc, card="card0", *words):
        self.pc = pc
        pc.run("rm -f {0} && truncate -s {1} {0}".format(MEMORY, MEMORY_SIZE))
        for name in ("baton-agent", "baton-agent-gl.so"):
            pc.put_file(os.path.join(pc.build, "agent", name), "/opt/lab/" + name)
        self.process = pc.spawn(["/opt/lab/baton-agent", "--card", card, "--memory", MEMORY, "--counts",
                                 "--verbose"] + list(words))
        self.process.line(lambda line: "driver" in line, 60)

    def end(self):
        """Its counts."""
        self.process.kill(signal.SIGTERM)
        counts = agent_counts(self.process)
        assert self.process.exited(60) == 0, self.process.lines[-5:]
        return counts


def console(pc, text):
    """Text on the console, which does not blink then."""
    pc.run("echo 0 > /sys/class/graphics/fbcon/cursor_blink; chvt 3; printf '\\033[9;0]\\033[?25l\\033[H\\033[2J%s\\n' '{}' "
           "> /dev/tty3".format(text))


def outer(pc):
    picture = pc.screen()
    return picture.size, picture.sha256()


def type_letter(pc, viewer):
    """A letter more on the console, there and in shared memory; how many pixels were said to be damaged."""
    before = outer(pc)
    viewer.shows(lambda: before)
    viewer.picture()
    pc.run("printf x > /dev/tty3")
    after = pc.wait(lambda: outer(pc) != before and outer(pc), 30, "letter on the console")
    damaged = []

    def shown():
        picture = viewer.picture()
        damaged.append(picture[3])
        return picture[1:3] == after
    pc.wait(shown, 30, "letter in shared memory")
    return sum(damaged)


def own_card(pc):
    """The text console of the virtual PC, which is drawn into the buffer that is shown."""
    console(pc, "one")
    agent = Agent(pc)
    viewer = Viewer(pc, MEMORY).watch()
    viewer.shows(lambda: outer(pc))
    viewer.picture()
    console(pc, "two and more")
    viewer.shows(lambda: outer(pc))
    return agent, viewer


def agent_costs(pc, agent):
    """(times that it went to sleep or was interrupted, microseconds of processor time) until now."""
    words = pc.run("grep ctxt_switches /proc/{0}/status; cut -d' ' -f14,15 /proc/{0}/stat".format(
        agent.process.pid)).out.split()
    return int(words[1]) + int(words[3]), int(words[4]) + int(words[5])


@test(card="bochs")
def test_console(pc):
    """A console is seen although no buffer ever changes: pixels equal, damage small."""
    agent, viewer = own_card(pc)
    damaged = type_letter(pc, viewer)
    viewer.leave()
    counts = agent.end()
    print("     agent.console: %d pixels damaged by a letter; %s" % (damaged, counts))
    assert 0 < damaged <= 4 * 64 * 64, damaged
    # Unless the viewer was late, which makes one more whole picture necessary.
    most = 1.1 * counts["bytes changed"] + WHOLE_PICTURE
    assert counts["bytes written"] <= most, counts


@test(card="bochs", long=True)
def test_card_copies(pc):
    """The card copies its own screen by EGL: the same pixels, and nothing of it stays open afterwards."""
    console(pc, "one")
    agent = Agent(pc, "card0", "--copy=card")
    viewer = Viewer(pc, MEMORY).watch()
    # Mesa has to compile its shaders for an emulated processor first.
    viewer.shows(lambda: outer(pc), 400)
    type_letter(pc, viewer)
    assert "baton-agent-gl" in pc.run("cat /proc/%d/maps" % agent.process.pid).out
    viewer.leave()
    pc.wait(lambda: "/dev/dri" not in pc.run("ls -l /proc/%d/fd" % agent.process.pid).out, 60, "closed card")
    counts = agent.end()
    assert not [line for line in agent.process.lines if "cannot copy" in line], agent.process.lines
    print("     agent.card_copies: %s" % counts)


@test(card="bochs", kernel="new")
def test_sleeps(pc):
    """Nobody subscribes: the agent does not wake up once in 10 s. Subscribed, it looks at each vertical blank."""
    port = Port(pc)
    agent = Agent(pc, "card0", "--port", port.path)
    assert port.ask("hello", "card ")[1:3] == ["lit", pc.screen().size], port.process.lines
    before = agent_costs(pc, agent)
    pc.run("sleep 10")  # the interval that is measured; nothing is waited for
    assert agent_costs(pc, agent)[0] == before[0], (before, agent_costs(pc, agent))
    console(pc, "one")
    viewer = Viewer(pc, MEMORY)
    port.ask("subscribe", "ring 4")
    viewer.watch().shows(lambda: outer(pc))
    mark = len(port.rings())
    type_letter(pc, viewer)
    assert len(port.rings()) > mark, port.process.lines
    assert "/dev/dri/card0" in pc.run("ls -l /proc/%d/fd" % agent.process.pid).out
    port.tell("unsubscribe")
    pc.wait(lambda: "/dev/dri" not in pc.run("ls -l /proc/%d/fd" % agent.process.pid).out, 30, "closed card")
    before = agent_costs(pc, agent)
    pc.run("sleep 10")  # the interval that is measured; nothing is waited for
    assert agent_costs(pc, agent)[0] == before[0], (before, agent_costs(pc, agent))
    counts = agent.end()
    print("     agent.sleeps: %s" % counts)


def node_of(pc, card):
    """What the kernel calls the card's node now: "card1"."""
    return pc.run("basename /sys/bus/pci/devices/%s.0/drm/card*" % card.slot).out.strip()


@test(card="lend")
def test_release(pc):
    """A card is given up: not while a program has its screen or sound open, and who that is is said."""
    port = Port(pc)
    agent = Agent(pc, cards.DUO.slot, "--port", port.path)
    assert port.ask("hello", "hello ")[:2] == ["1", "3"]
    # Lit or dark: the text console takes the card whose driver was loaded first.
    seen = port.process.line("card %s " % cards.DUO.slot, 60).split()
    assert seen[5:7] == ["1", "bochs-drm"], seen
    for node in ("/dev/dri/" + node_of(pc, cards.DUO), "/dev/snd/controlC0"):
        holder = pc.spawn(["sh", "-c", "exec 3<>%s && echo open && exec cat" % node])
        holder.line("open", 30)
        assert port.ask("release", "holder ")[1:] == [str(holder.pid), "0", "cat", node]
        assert port.process.line("done ", 30).split()[1:3] == ["9", "-16"]
        holder.kill()
        holder.exited()
    assert cards.on_host(pc, cards.DUO)
    assert port.ask("release", "done ")[:2] == ["9", "0"], port.process.lines
    assert agent.process.exited(60) == 0
    assert cards.drivers(pc, cards.DUO) == ["", ""], cards.drivers(pc, cards.DUO)


UNIT, RULE = "baton-agent@.service", "60-baton-agent.rules"
LIBEXEC = "/opt/lab/libexec"


def install(pc):
    """As its package does."""
    data = os.path.join(os.path.dirname(os.path.dirname(HERE)), "data")
    with open(os.path.join(data, "systemd", UNIT + ".in")) as file:
        text = file.read().replace("@libexecdir@", LIBEXEC)
    pc.channel.put("/etc/systemd/system/" + UNIT, text.encode())
    pc.put_file(os.path.join(data, "udev", RULE), "/etc/udev/rules.d/" + RULE)
    pc.put_file(os.path.join(pc.build, "agent", "baton-agent"), LIBEXEC + "/baton/baton-agent")
    pc.run("systemctl daemon-reload && udevadm control --reload")


def unit_shows(pc, card, key):
    return pc.run("systemctl show -P %s baton-agent@%s.service" % (key, card)).out.strip()


@test(card="lend")
def test_unit(pc):
    """A card comes, and its agent starts; it leaves, and the agent ends. The firmware's display has none."""
    install(pc)
    # Drivers are loaded in any order, and which card is the first follows from that.
    boot = pc.run("cd $(dirname $(grep -l 1 /sys/bus/pci/devices/*/boot_vga)) && basename drm/card*").out.strip()
    pc.run("udevadm trigger --action=add /dev/dri/%s && udevadm settle" % boot)
    function = cards.DUO.functions()[0]
    unbind = "echo %s > /sys/bus/pci/devices/%s/driver/unbind" % (function, function)
    pc.run(unbind)
    for _ in range(2):
        pc.run("echo %s > /sys/bus/pci/drivers_probe" % function)
        node = node_of(pc, cards.DUO)
        pc.wait(lambda: unit_shows(pc, node, "ActiveState") == "active", 60, "agent of " + node)
        assert unit_shows(pc, boot, "ActiveState") == "inactive"
        pid = unit_shows(pc, node, "MainPID")
        pc.run("kill -9 " + pid)
        pc.wait(lambda: unit_shows(pc, node, "MainPID") not in ("0", pid), 60, "another agent of " + node)
        pc.run(unbind)
        pc.wait(lambda: unit_shows(pc, node, "ActiveState") == "inactive", 60, "end of the agent of " + node)
        assert unit_shows(pc, node, "Result") == "success", unit_shows(pc, node, "Result")


def each_kernel(pc, run):
    """run(pc, kernel) for each kernel that is due; it returns the guest, which ends then."""
    for kernel in guest_kernels(pc):
        print("     a guest with the %s kernel" % kernel)
        guest = run(pc, kernel)
        guest.disconnect()
        guest.process.kill()
        guest.process.exited()


@test(random=True)
def test_guest(pc):
    """A guest with a card of its own: what it draws there arrives through ivshmem, its port rings."""
    each_kernel(pc, watch_own_card)


def watch_own_card(pc, kernel):
    initrd = agent_initrd(pc, "--counts --verbose", kernel=kernel)
    card, socket = start_agent_guest(pc, "one", MEMORY, initrd, ["bochs-display,xres=640,yres=480,id=own"], kernel=kernel)
    card.ready(300)
    lines = cards.CardLines(card)
    lines.seen = 0
    lines.wait_drawn(cards.DUO)
    port = Port(pc, socket)
    assert port.ask("hello", "hello ")[:2] == ["1", "3"]
    seen = port.process.line(lambda line: "bochs-drm" in line and " lit " in line, 60).split()
    assert seen[3] == "640x480" and seen[5] == "1", seen
    port.ask("subscribe", "ring 4")
    viewer = Viewer(pc, MEMORY).watch()
    for _ in range(3):
        lines.mark()
        card.ask("cards", 60)
        drawn = lines.wait_drawn(cards.DUO)
        viewer.shows(lambda: drawn)
    assert [ring for ring in port.rings() if ring[1] == "1"], port.process.lines
    # The guest's program has the card open: it is not given up.
    holder = port.ask("release", "holder ")
    assert holder[3] == "testcard", holder
    assert port.process.line("done ", 60).split()[2] == "-16"
    return card


@test(random=True)
def test_flips(pc):
    """A guest that draws into two buffers in turn: each picture at which it stops is the one in shared memory."""
    each_kernel(pc, watch_flips)


def watch_flips(pc, kernel):
    initrd = agent_initrd(pc, "--counts --verbose", boot_card=True, kernel=kernel)
    card, socket = start_agent_guest(pc, "one", MEMORY, initrd, kernel=kernel)
    card.ready(300)
    port = Port(pc, socket)
    port.ask("hello", "card ")
    port.ask("subscribe", "ring 4")
    viewer = Viewer(pc, MEMORY).watch()
    for _ in range(6):
        frame, size, digest = card.stop(card.count() + 7)
        viewer.shows(lambda: (size, digest), what="frame %d" % frame)
        card.go()
    return card


class Control:
    """The QMP socket of a nested guest."""

    def __init__(self, pc, socket):
        self.stream = pc.channel.connect(socket)
        self.stream.line('{"QMP"', 60)
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self.stream.skip()
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        answer = self.stream.line(lambda line: '"return"' in line or '"error"' in line, 60)
        assert '"return"' in answer, answer

    def event(self, name):
        self.stream.line(lambda line: '"event": "%s"' % name in line, 60)


ROUNDS, ROUNDS_LONG = 2, 8


@test(card="lend", random=True)
def test_hot(pc):
    """A card comes, its agent starts and its picture is that of the card's screen; it goes, and the agent with it."""
    each_kernel(pc, watch_hot_card)


def watch_hot_card(pc, kernel):
    initrd = agent_initrd(pc, "--counts --verbose", kernel=kernel)
    card, socket = start_agent_guest(pc, "one", MEMORY, initrd, ["pcie-root-port,id=rp1,chassis=1,slot=1"], kernel=kernel)
    pc.run("modprobe vfio-pci")
    cards.bind_vfio(pc, cards.GPU)
    card.ready(300)
    control = Control(pc, "/run/lab-one/qmp")
    port = Port(pc, socket)
    viewer = None
    for _ in range(ROUNDS_LONG if pc.long else ROUNDS):
        lines = cards.CardLines(card)
        port.process.skip()
        control.ask("device_add", driver="vfio-pci", host=cards.GPU.slot + ".0", bus="rp1", id="gpu")
        port.process.line("hello ", 60)
        lines.wait_drawn(cards.GPU)
        port.ask("subscribe", "ring ")
        viewer = viewer or Viewer(pc, MEMORY)
        viewer.process.write("watch\n")
        drawn = lines.drawn(cards.GPU)
        viewer.shows(lambda: drawn)
        picture = lines.shows(cards.GPU)
        viewer.shows(lambda: (picture.size, picture.sha256()))
        control.ask("device_del", id="gpu")
        # The driver goes first.
        left = port.process.line(lambda line: line.startswith("card ") and " lit " not in line, 60).split()
        assert left[2] in ("no-driver", "gone") and left[5] == "1", left
        control.event("DEVICE_DELETED")
    return card
