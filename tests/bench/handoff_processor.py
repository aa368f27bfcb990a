"""Whether this machine lets the virtual PC run: on one that does other work besides, times say nothing."""
import os

WAITED_MAX = 0.25


class Processor:
    """How long the threads of a process have waited for a processor while they could have run."""

    def __init__(self, pid):
        self.pid = pid
        self.before = self.times()

    def times(self):
        ran = waited = 0
        for task in os.listdir("/proc/%d/task" % self.pid):
            with open("/proc/%d/task/%s/schedstat" % (self.pid, task)) as file:
                words = file.read().split()
            ran += int(words[0])
            waited += int(words[1])
        return ran, waited

    def begin(self):
        self.before = self.times()

    def waited(self):
        """The share of it since begin()."""
        ran, waited = (after - before for after, before in zip(self.times(), self.before))
        return waited / max(1, ran + waited)
