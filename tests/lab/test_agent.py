"""baton-agent: what a card shows arrives in shared memory, and what it costs."""
import os
import signal

from harness import test
from shared import Viewer, agent_counts

MEMORY = "/dev/shm/agent"
MEMORY_SIZE = 32 << 20


class Agent:
    """baton-agent on a card of the virtual PC itself, with a file for shared memory."""

    def __init__(self, pc, card="card0", *words):
        self.pc = pc
        pc.run("rm -f {0} && truncate -s {1} {0}".format(MEMORY, MEMORY_SIZE))
        pc.put_file(os.path.join(pc.build, "agent", "baton-agent"), "/opt/lab/baton-agent")
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


@test(card="bochs")
def test_console(pc):
    """A console is seen although no buffer ever changes: pixels equal, damage small."""
    agent, viewer = own_card(pc)
    viewer.picture()
    pc.run("printf x > /dev/tty3")
    viewer.shows(lambda: outer(pc))
    viewer.leave()
    counts = agent.end()
    print("     agent.console: %s" % counts)
