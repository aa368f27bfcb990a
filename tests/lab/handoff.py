"""baton with cards that guests can have: the scene, and what has to hold after a handoff."""
import json
import os
import signal
import statistics
import time

import cards
from broker import JOURNALS, Broker
from cards import VFIO, CardLines, InnerQmp, card_shows
from channel import RemoteError
from seat import CONFIG, RUNTIME, UID, USER, Guest, Seat, SeatScene
from testcard import guests_thaw

# So long nothing may change for a rest to be one: what was cut off by a broker's end goes on after its start.
STILL = 3
# A card that nobody has goes home when there was no seat for so long.
GRACE = 10
HOST = "host"
POOL = "pool"


def lent_guest(name, slot, wishes):
    """
    A guest that may have cards: wishes are the lines of its section [cards]. It draws little, since baton
    shows it on every screen there is, and has one processor as all of them share one.
    """
    return Guest(name, slot, fps=1, cpus=1, sections="[cards]\n" + wishes)


class LentSeat(Seat):
    """An installation whose guests can have these cards (`lent`); `lines` tells what guests say about them."""

    def __init__(self, pc, guests, options, lent):
        super().__init__(pc, guests, options)
        self.lent = lent
        self.broker = Broker(pc)
        self.lines = {}
        self.memlock = self.home = None
        pc.at_failure.append(self.keep)

    def keep(self):
        """What the guests' processors do, and what they said, for whoever looks into a failure."""
        with open(os.path.join(self.pc.out, "guests.log"), "w") as file:
            for name, card in self.cards.items():
                told = []
                for _ in range(2):
                    try:
                        told.append(self.guest_monitor(name, "info registers"))
                    except (AssertionError, RemoteError) as error:
                        told.append(str(error))
                lines = card.stream.lines[-20:] if card.stream else []
                file.write("\n".join(["== " + name] + told + lines) + "\n")

    def install(self, settings=""):
        super().install(settings)
        self.pc.run("install -d -o {u} -g {u} {c}/cards".format(u=USER, c=CONFIG))
        for card in self.lent:
            self.pc.channel.put("%s/cards/%s.ini" % (CONFIG, card.name), card.ini().encode(), user=USER)
        self.broker.install([card.slot for card in self.lent])
        return self

    def wait_guests(self, seconds=400):
        super().wait_guests(seconds)
        self.lines = {name: CardLines(card) for name, card in self.cards.items()}
        return self

    def note_home(self):
        """What the host's cards and the guests' limits are like while nothing is lent."""
        states = [None, self.snapshot()]

        def quiet():
            # Clients of baton's that have just ended are still connected for a moment.
            states[:] = [states[1], self.snapshot()]
            return states[0] == states[1]
        self.pc.wait(quiet, 60, "two equal looks at the PC")
        before = states[1]
        self.home = before["functions"]
        self.memlock = before["memlock"]
        return before

    def nothing_left(self, before):
        """Waits until all is as before."""
        wrong = []

        def same():
            wrong[:] = cards.differences(before, self.snapshot())
            return not wrong
        try:
            self.pc.wait(same, 30, "state as before")
        except AssertionError as error:
            raise AssertionError("%s: %s" % (error, wrong)) from error

    def snapshot(self):
        """cards.snapshot() with the processes of baton by what they are, since pids change."""
        state = cards.snapshot(self.pc, self.lent)
        state["memlock"] = sorted({tuple(p["memlock"]) for p in state["baton"].values()
                                   if "qemu" in p["name"] and p["memlock"]})
        return state

    # The guests

    def qmp(self, name):
        """The guest's QEMU, on the socket that is for its user's tools."""
        return InnerQmp(self.pc, "%s/baton/%s/qmp-user.sock" % (RUNTIME, name))

    def qemu_pid(self, name):
        """The guest's QEMU without asking baton; 0 when there is none."""
        pids = self.pc.run("pgrep -f -- '[-]name guest=%s,'" % name, check=False).out.split()
        return int(pids[0]) if pids else 0

    def start_again(self, name):
        """A guest that was killed."""
        self.pc.wait(lambda: self.list()[name]["state"] not in ("running", "stopping"), 60, "end of guest " + name)
        if self.list()[name]["state"] != "starting":
            self.control("start", name)
        self.cards[name].stream = None
        self.cards[name].ready(300)
        self.lines[name] = CardLines(self.cards[name])

    def switch_ms(self, rounds=3):
        """The median time from a chord to baton's word that the guest is in front."""
        watch, times = self.watch(), []
        for guest in self.guests[:2] * rounds:
            if watch.front() == guest.name:
                continue
            began = time.monotonic()
            self.chord(1 + guest.slot)
            self.pc.wait(lambda name=guest.name: watch.front() == name, 30, guest.name + " in front")
            times.append((time.monotonic() - began) * 1000)
        watch.stream.kill()
        return statistics.median(times)

    # The cards

    def gpus(self):
        """The cards as batonctl tells them, by name."""
        told = []

        def answered():
            # On a busy machine batonctl may be so slow that the seat does not wait for it.
            self.alive()
            told[:] = [self.control("--json", "gpu", "list", check=False)]
            return told[0].rc == 0
        self.pc.wait(answered, 60, "answer about cards")
        return {card["name"]: card for card in json.loads(told[0].out)}

    def gpu(self, card):
        return self.gpus()[card.name]

    def hand(self, card, to, dark=False, check=True):
        """Asks for the card for a guest or for HOST, and returns when it is on its way."""
        words = ["gpu", "take"] if to == HOST else ["gpu", "give"]
        words += ["--dark"] * dark + ([] if to == HOST else [to]) + [card.name]
        if to in self.lines:
            self.lines[to].mark()
        return self.control(*words, check=check)

    def arrived(self, card, to, seconds=90):
        """Waits until it is there."""
        seen = []

        def there():
            seen[:] = [self.gpu(card)]
            return not seen[0]["moving"] and seen[0]["owner"] == ("" if to == HOST else to)
        try:
            self.pc.wait(there, seconds, "%s with %s" % (card.name, to))
        except AssertionError as error:
            raise AssertionError("%s: %s" % (error, seen[0])) from error

    def settled(self, card, seconds=90):
        """Waits until the card does not move any more; what batonctl says then."""
        def rests():
            told = self.gpu(card)
            return None if told["moving"] else told
        return self.pc.wait(rests, seconds, "rest of card " + card.name)

    def shown_by(self, card, name, seconds=60):
        """The guest has the card: its own driver is bound and draws, and that is on the card's screen."""
        lines = self.lines[name]
        card_shows(self.pc, card, lines.wait_drawn(card, seconds))
        lines.shows(card, seconds)
        told = self.gpu(card)
        assert (told["state"], told["owner"]) == ("GUEST", name), told

    def at_home(self, card):
        """The host has the card as it had it at first, by what the kernel says; else words on what differs."""
        self.pc.run("udevadm settle")
        now = self.snapshot()["functions"]
        wrong = {function: (now[function], self.home[function]) for function in card.functions()
                 if now[function] != self.home[function]}
        return None if not wrong else str(wrong)

    def wait_home(self, card, seconds=30):
        wrong = []

        def home():
            wrong[:] = [self.at_home(card)]
            return not wrong[0]
        try:
            self.pc.wait(home, seconds, card.name + " as it was")
        except AssertionError as error:
            raise AssertionError("%s: %s" % (error, wrong[0])) from error

    def go(self, card, to, dark=False):
        """A handoff and all that must be so after it; how long it took."""
        began = time.monotonic()
        self.hand(card, to, dark)
        self.arrived(card, to)
        took = time.monotonic() - began
        if to == HOST:
            # The sound driver looks for its codecs by itself, after it was bound.
            self.wait_home(card)
            told = self.gpu(card)
            assert told["state"] == "HOST", told
        else:
            self.shown_by(card, to)
        return took

    def rests(self, card):
        """
        (who has the card, None) when kernel and processes agree that it rests: HOST, POOL or the pid of a
        QEMU; else (None, words on what is not at rest).
        """
        state = self.snapshot()
        functions = [state["functions"][function] for function in card.functions()]
        if None in functions:
            return None, "not on the bus"
        names = [function["driver"] for function in functions]
        nodes = {"/dev/vfio/" + f["group"] for f in state["functions"].values() if f}
        openers = [pid for pid, p in state["baton"].items()
                   if "/dev/vfio/" + functions[0]["group"] in p["descriptors"]]
        # Only who has a card, this one or another, may lock more memory than it could at first.
        raised = [pid for pid, p in state["baton"].items() if "qemu" in p["name"] and p["memlock"]
                  and tuple(p["memlock"]) not in self.memlock and not nodes & set(p["descriptors"])]
        modes = [line for line in state["vfio"] if line.split()[0] == functions[0]["group"]]
        if names == card.drivers:
            who, fine = HOST, {f: state["functions"][f] for f in card.functions()} == {
                f: self.home[f] for f in card.functions()} and not modes
        elif names != [VFIO] * len(names) or any(f["override"] != VFIO for f in functions):
            who, fine = None, False
        elif openers:
            who, fine = openers[0], modes[0].split()[1:] == ["600", "%d:0" % UID]
        else:
            who, fine = POOL, modes[0].split()[1:] == ["600", "0:0"]
        if not fine or raised:
            return None, "%s, %s, openers %s, raised %s" % (functions, modes, openers, raised)
        return who, None

    def still_moves(self, card):
        """Words on what baton has still to do, when it lives."""
        if self.process.rc is not None:
            return None
        told = json.loads(self.control("--json", "gpu", "list", check=False).out or "[]")
        mine = next((c for c in told if c["name"] == card.name), None)
        if not mine or not mine["drivers"] or mine["moving"]:
            return "baton says %s" % mine
        return None

    def wait_rest(self, card, seconds, what, still=STILL):
        """Waits until the card has rested for a while; (who has it, seconds until it did)."""
        seen = []
        began = time.monotonic()

        def found():
            moves = self.still_moves(card)
            now = (None, moves) if moves else self.rests(card)
            if not seen or now != seen[1]:
                seen[:] = [time.monotonic(), now]
            return now[0] and time.monotonic() - seen[0] >= still
        try:
            self.pc.wait(found, seconds, what)
        except AssertionError as error:
            raise AssertionError("%s: %s" % (error, seen[1][1])) from error
        return seen[1][0], seen[0] - began


class Journals:
    """Follows the broker's journals in the virtual PC, and sends signals by them (inside/journal.py)."""

    def __init__(self, pc):
        self.pc = pc
        self.stream = pc.spawn_script("journal.py", JOURNALS)
        self.stream.line("watching", 30)

    def arm(self, pid, stage, finished="intent", number=signal.SIGKILL):
        """A signal for the process as soon as that record of the stage is on disk."""
        self.stream.write("%s %d %s %s\n" % (number.name, pid, stage, finished))
        self.stream.line("armed", 30)

    def sent(self, seconds=60):
        return self.stream.line("sent", seconds)

    def record(self, stage, finished="intent", seconds=60):
        """Waits for the next record of the stage."""
        def match(line):
            words = line.split()
            return words[0] == "record" and words[2] == stage and words[5] == finished
        return self.stream.line(match, seconds, "%s of %s in the journal" % (finished, stage))

    def stages(self):
        """Stages that were begun and not asked for yet, in their order."""
        lines = [line.split() for line in self.stream.lines[self.stream.taken:]]
        self.stream.skip()
        return [words[2] for words in lines if words[0] == "record" and words[5] == "intent"]

    def resets(self, card):
        """How often the broker has reset the card since the start."""
        ways = ("note %s @reset " % card.slot, "note %s @write 0 reset " % card.slot)
        return sum(1 for line in self.stream.lines if line.startswith(ways))

    def close(self):
        self.stream.kill()


class LentScene(SeatScene):
    """
    Guests that may have cards, all up. seat=False: the guests alone, with neither baton nor broker, in the
    same kept state.
    """

    def __init__(self, name, guests, lent, seat=True, **keys):
        super().__init__(name, guests, **keys)
        self.lent = lent
        self.seat = seat

    def key(self, pc):
        return super().key(pc) + "".join(card.ini() for card in self.lent)

    def make(self, pc):
        return LentSeat(pc, self.guests, self.options, self.lent).install(self.settings)

    def take_up(self, pc):
        guests_thaw(pc)
        seat = self.make(pc)
        if self.seat:
            seat.broker.start()
            seat.start().wait_control()
        seat.wait_guests()
        seat.note_home()
        return seat
