"""How a test says what it needs: @test(kernel=..., card=..., scene=..., long=..., random=...)."""
import os

TESTS = []


class Skip(Exception):
    """The test cannot run here; only names listed in docs/testing.md may raise it."""


class Test:
    def __init__(self, function, name, kernel, card, scene, long, random):
        module = os.path.basename(function.__code__.co_filename)[len("test_"):-3]
        self.function = function
        self.name = "%s.%s" % (module, name or function.__name__[len("test_"):])
        self.kernel = kernel
        self.card = card
        self.scene = scene
        self.long = long
        self.random = random


def test(kernel="stable", card="virtio", scene=None, long=False, random=False, name=None):
    """Registers a test. It gets the virtual PC; pc.random is seeded, pc.long says whether to do all.

    kernel: "stable" (6.12) or "new" (7.3, with real vertical blanks). card: of lab.CARDS; "bochs" has
    no cursor plane, "lend", "own" and "two" have cards that guests can be given. scene: what is set up
    before the test (see seat.SeatScene); the test gets it as second argument. long: only with --long;
    None: only by name. random: the seed is printed. name: instead of the function's, for one that is made.
    """
    def register(function):
        TESTS.append(Test(function, name, kernel, card, scene, long, random))
        return function
    return register
