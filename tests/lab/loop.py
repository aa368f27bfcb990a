"""Waiting with deadlines: one selector for every file descriptor of the lab, and its exceptions."""
import selectors
import time

# Seconds after which a condition that asks (the virtual PC, QEMU) is asked again, or as many as its answer took:
# a question costs those whose work is waited for.
ASK_AGAIN = 0.05


class LabFailure(Exception):
    """The virtual PC broke, so nothing is known about the program under test."""


class DeadlineMissed(AssertionError):
    """Something that had to happen did not happen in time."""


class Loop:
    """Calls back when descriptors are readable; only while somebody waits."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.checks = []
        self.turns = 0

    def add(self, fileobj, callback):
        self.selector.register(fileobj, selectors.EVENT_READ, callback)

    def remove(self, fileobj):
        self.selector.unregister(fileobj)

    def turn(self, seconds):
        self.turns += 1
        for key, _ in self.selector.select(max(0, seconds)):
            key.data()

    def wait(self, until, seconds, what):
        """Turns the loop until until() is true and returns its value.

        A condition about what has come is looked at when something comes; one that turns the loop itself,
        because it asks, has nothing that would wake it and is asked again soon.

        The checks (is the virtual PC alive?) run once a second and when the deadline has passed, so
        that a dead virtual PC is never taken for a failure of the program under test.
        """
        deadline = time.monotonic() + seconds
        next_check = time.monotonic() + 1
        while True:
            turns, began = self.turns, time.monotonic()
            result = until()
            if result:
                return result
            now = time.monotonic()
            if now >= deadline:
                for check in self.checks:
                    check(True)
                raise DeadlineMissed("no %s within %g s" % (what, seconds))
            if now >= next_check:
                next_check = now + 1
                for check in self.checks:
                    check(False)
            again = now + max(ASK_AGAIN, now - began) if self.turns != turns else next_check
            self.turn(min(deadline, next_check, again) - now)
