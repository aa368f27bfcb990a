"""Waiting with deadlines: one selector for every file descriptor of the lab, and its exceptions."""
import selectors
import time


class LabFailure(Exception):
    """The virtual PC broke, so nothing is known about the program under test."""


class DeadlineMissed(AssertionError):
    """Something that had to happen did not happen in time."""


class Loop:
    """Calls back when descriptors are readable; only while somebody waits."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.checks = []

    def add(self, fileobj, callback):
        self.selector.register(fileobj, selectors.EVENT_READ, callback)

    def remove(self, fileobj):
        self.selector.unregister(fileobj)

    def turn(self, seconds):
        for key, _ in self.selector.select(max(0, seconds)):
            key.data()

    def wait(self, until, seconds, what):
        """Turns the loop until until() is true and returns its value.

        The checks (is the virtual PC alive?) run once a second and when the deadline has passed, so
        that a dead virtual PC is never taken for a failure of the program under test.
        """
        deadline = time.monotonic() + seconds
        next_check = time.monotonic() + 1
        while True:
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
            self.turn(min(deadline, next_check) - now)
