"""Keys, buttons and motion from the USB devices to the guests: nothing lost, doubled or misled."""
import time
from collections import Counter

from harness import test
from inputs import QCODES
from test_seat import THREE

HOST = 97
TAB, GRAVE = 15, 41
MODIFIERS = {29, 42, 54, 56, 100, 125, 126}
# The host key, and a lock that some keyboards make of two keys; everything else is for the guests.
RANDOM_KEYS = sorted(set(QCODES) - {HOST, 70})
MOUSE_BUTTONS = (0x110, 0x111, 0x112, 0x113, 0x114)
TABLET_BUTTONS = (0x110, 0x111, 0x112)
# USB reports six keys at once; a chord needs one of them.
KEYS_AT_ONCE = 4
# libinput takes two changes of a button within 25 ms for the bouncing of a worn switch.
BOUNCE = 0.04
POINTER_MAX = 32767


def is_button(code):
    return code >= 0x100


class Model:
    """What the seat is to make of what the devices send: each guest's log, and who is in front."""

    def __init__(self, order, relative, width, height, logged):
        self.recent = list(order)
        self.logged = logged
        self.walk = 0
        self.relative = relative
        self.width, self.height = width, height
        self.x, self.y = width / 2, height / 2
        self.held = []  # [device, code, whether the guest in front saw the press], in order
        self.keys = {name: [] for name in order}
        self.mixed = {name: [] for name in order}
        self.motion = {name: [0, 0] for name in order}
        self.wheel = Counter()
        self.position = {name: None for name in order}
        self.switches = 0

    def front(self):
        return self.recent[self.walk]

    def seen(self, code):
        return any(entry[1] == code and entry[2] for entry in self.held)

    def log(self, code, down):
        self.keys[self.front()].append((code, down))

    def press(self, device, code):
        if not self.seen(code):
            if is_button(code):
                self.placed()
            self.log(code, 1)
        self.held.append([device, code, True])

    def release(self, device, code):
        entry = next(e for e in self.held if e[:2] == [device, code])
        self.held.remove(entry)
        if entry[2] and not self.seen(code):
            self.log(code, 0)

    def placed(self):
        """An absolute guest in front is told where the pointer is."""
        if self.front() != self.relative:
            self.position[self.front()] = (int(self.x) * POINTER_MAX // self.width,
                                           int(self.y) * POINTER_MAX // self.height)

    def place(self, x, y):
        self.x = min(max(x, 0), self.width - 1 / 8)
        self.y = min(max(y, 0), self.height - 1 / 8)
        self.placed()

    def move(self, dx, dy):
        if self.front() == self.relative:
            self.motion[self.relative][0] += dx
            self.motion[self.relative][1] += dy
        self.place(self.x + dx, self.y + dy)

    def turn(self, clicks):
        self.placed()
        self.wheel[self.front()] += 120 * clicks

    def leave(self):
        """The guest in front gets a release for all that it saw pressed, the latest first."""
        name = self.front()
        start = self.logged(name, "K")
        for entry in reversed(self.held):
            if entry[2]:
                entry[2] = False
                if not self.seen(entry[1]):
                    self.log(entry[1], 0)
        self.mixed[name].append((start, len(self.keys[name])))

    def show(self, recent, walk=0):
        if recent[walk] != self.front():
            self.leave()
            self.switches += 1
        self.recent, self.walk = recent, walk

    def to_front(self, place):
        rest = self.recent[:place] + self.recent[place + 1:]
        self.show([self.recent[place]] + rest)

    def go(self, name):
        self.to_front(self.recent.index(name))

    def walk_on(self):
        self.show(self.recent, (self.walk + 1) % len(self.recent))

    def settle(self):
        place, self.walk = self.walk, 0
        self.recent.insert(0, self.recent.pop(place))


class Desk:
    """Sends to the USB devices what a model is told too, and waits for what has to come of it.

    Two devices of a PC have no order between them but by time; so before another device sends,
    everything sent before has arrived. Keys follow each other at the pace of the queues on the way:
    the emulated keyboard's holds 16 scan codes, the one in the guest 32 keys.
    """

    def __init__(self, pc, seat, relative):
        self.pc = pc
        self.seat = seat
        order = [guest.name for guest in seat.guests]
        for name in reversed(order):
            seat.switch(name)
        screen = pc.screen()
        self.model = Model(order, relative, screen.width, screen.height, self.logged)
        self.reader = pc.spawn_script("evdev_reader.py")
        self.reader.line("reading", 30)
        self.read = Counter()
        self.reader.on_line = self.on_event
        self.watch = seat.watch()
        self.sent = Counter()
        self.device = None
        self.free_at = {}
        self.behind = {}
        for card in seat.cards.values():
            card.mark()
        self.first = {name: Counter(card.tally) for name, card in seat.cards.items()}
        self.place(pc.random.randrange(32768), pc.random.randrange(32768))

    def on_event(self, text):
        """A key or button has reached the kernel of the PC; repeats were not sent by us."""
        words = text.split()
        if words[1] == "1" and words[3] != "2":
            self.read[words[0]] += 1

    def logged(self, name, kind):
        return self.seat.cards[name].tally[kind] - self.first[name][kind]

    def outstanding(self):
        """Keys and buttons on their way into guests."""
        return sum(len(keys) - self.logged(name, "K") for name, keys in self.model.keys.items())

    def arrived(self):
        model, name = self.model, self.model.front()
        card = self.seat.cards[name]
        if self.read != self.sent or self.outstanding() != 0:
            return False
        if self.watch.changes() != model.switches or card.wheel() != (model.wheel[name], 0):
            return False
        if name == model.relative:
            return card.motion() == tuple(model.motion[name])
        return model.position[name] is None or card.position() == model.position[name]

    def state(self):
        name = self.model.front()
        card = self.seat.cards[name]
        return ("guest %s: read %r of %r, %d keys under way, %d of %d switches, wheel %r of %r, motion %r"
                " of %r, position %r of %r"
                % (name, dict(self.read), dict(self.sent), self.outstanding(), self.watch.changes(),
                   self.model.switches, card.wheel()[0], self.model.wheel[name], card.motion(),
                   self.model.motion[name], card.position(), self.model.position[name]))

    def wait(self, until, what):
        try:
            self.pc.wait(until, 30, what)
        except AssertionError as error:
            raise AssertionError("%s; %s" % (error, self.state())) from None

    def settle(self):
        """Everything has arrived, and nothing else came to a guest that is behind."""
        self.wait(self.arrived, "arrival of everything")
        for name in self.seat.cards:
            others = tuple(self.logged(name, kind) for kind in "RAW")
            if name != self.model.front() and self.behind.setdefault(name, others) != others:
                raise AssertionError("guest %s is behind and got motion: %r, before %r"
                                     % (name, others, self.behind[name]))
        self.behind.pop(self.model.front(), None)

    def turn_to(self, device):
        if device != self.device:
            self.settle()
        self.device = device

    def usb_key(self, code, down):
        """A key of the keyboard, at its pace."""
        self.wait(lambda: self.sent["Keyboard"] - self.read["Keyboard"] < 4
                  and self.outstanding() < 16, "room for a key")
        self.pc.inputs.key(code, down)
        self.sent["Keyboard"] += 1

    def key(self, code, down):
        self.turn_to("Keyboard")
        (self.model.press if down else self.model.release)("Keyboard", code)
        self.usb_key(code, down)

    def button(self, device, code, down):
        self.turn_to(device)
        rest = self.free_at.get((device, code), 0) - time.monotonic()
        if rest > 0:
            time.sleep(rest)
        (self.model.press if down else self.model.release)(device, code)
        self.pc.inputs.button(code, down, tablet=device == "Tablet")
        self.sent[device] += 1
        self.settle()
        self.free_at[device, code] = time.monotonic() + BOUNCE

    def move(self, dx, dy):
        self.turn_to("Mouse")
        self.model.move(dx, dy)
        self.pc.inputs.move(dx, dy)

    def wheel(self, clicks):
        self.turn_to("Mouse")
        self.model.turn(clicks)
        self.pc.inputs.wheel(clicks)
        self.settle()

    def place(self, x, y):
        """Tablet; a guest that takes motion is left out, for which parts of a pixel would count."""
        self.turn_to("Tablet")
        self.model.place(x * self.model.width / 32768, y * self.model.height / 32768)
        self.pc.inputs.place(x, y)

    def chord(self, *codes):
        """Host key and others, one after the other; the model learns of it by what `codes` say."""
        self.turn_to("Keyboard")
        for entry in [e for e in self.model.held if e[0] == "Keyboard" and e[1] in codes]:
            self.key(entry[1], False)
        self.usb_key(HOST, True)
        for code in codes:
            self.usb_key(code, True)
            self.chosen(code)
            self.usb_key(code, False)
        self.model.settle()
        self.usb_key(HOST, False)

    def chosen(self, code):
        slots = {1 + guest.slot: guest.name for guest in self.seat.guests}
        if code == TAB:
            self.model.walk_on()
        elif code == GRAVE:
            self.model.settle()
            self.model.to_front(1)
        elif code in slots:
            self.model.settle()
            self.model.go(slots[code])

    def release_all(self):
        for device, code, _ in list(self.model.held):
            if device == "Keyboard":
                self.key(code, False)
            else:
                self.button(device, code, False)
        self.settle()

    def check(self):
        """The guests' logs are the model's, event by event."""
        for name, card in self.seat.cards.items():
            wanted, got = self.model.keys[name], card.keys()
            assert len(got) == len(wanted), "guest %s: %d keys of %d" % (name, len(got), len(wanted))
            for start, end in self.model.mixed[name]:
                # Under way at one moment, and for two devices of the guest: each has its order.
                for log in (got, wanted):
                    log[start:end] = sorted(log[start:end], key=lambda key: is_button(key[0]))
            for place, pair in enumerate(zip(got, wanted)):
                assert pair[0] == pair[1], ("guest %s, key %d: %r instead of %r"
                                            % (name, place, pair[0], pair[1]))
            assert HOST not in [code for code, _ in got], name
            assert card.wheel() == (self.model.wheel[name], 0), name
            assert card.motion() == tuple(self.model.motion[name]), name
            assert self.model.position[name] in (None, card.position()), name
            assert card.down() == [], name


class Walk:
    """Random events and switches, with a seed that tells them all."""

    def __init__(self, desk, random):
        self.desk = desk
        self.random = random
        self.device = "Keyboard"
        self.left = 0

    def held(self, device):
        return [code for owner, code, _ in self.desk.model.held if owner == device]

    def key(self):
        held = self.held("Keyboard")
        if held and (len(held) > KEYS_AT_ONCE - 1 or self.random.random() < 0.5):
            self.desk.key(self.random.choice(held), False)
            return
        free = [code for code in RANDOM_KEYS if code not in held
                and not (code in MODIFIERS and MODIFIERS.intersection(held))]
        self.desk.key(self.random.choice(free), True)

    def button(self, buttons):
        held = self.held(self.device)
        if held and self.random.random() < 0.5:
            self.desk.button(self.device, self.random.choice(held), False)
        else:
            free = [code for code in buttons if code not in held]
            if free:
                self.desk.button(self.device, self.random.choice(free), True)

    @staticmethod
    def inwards(at, way, size):
        """A way that meets no edge: a mouse adds up motion that was not fetched yet, and where the pointer
        stops at an edge the sum leads elsewhere than its parts."""
        return way if 0 <= at + way <= size - 1 else -way

    def mouse(self):
        kind = self.random.random()
        if kind < 0.5:
            model = self.desk.model
            self.desk.move(self.inwards(model.x, self.random.randrange(-120, 121), model.width),
                           self.inwards(model.y, self.random.randrange(-120, 121) or 1, model.height))
        elif kind < 0.7:
            self.desk.wheel(self.random.choice((-3, -2, -1, 1, 2, 3)))
        else:
            self.button(MOUSE_BUTTONS)

    def tablet(self):
        if self.random.random() < 0.7:
            self.desk.place(self.random.randrange(32768), self.random.randrange(32768))
        else:
            self.button(TABLET_BUTTONS)

    def event(self):
        if self.left == 0:
            self.left = self.random.randrange(1, 10)
            self.device = self.random.choice(("Keyboard", "Keyboard", "Keyboard", "Mouse", "Tablet"))
        self.left -= 1
        relative = self.desk.model.front() == self.desk.model.relative
        if self.device == "Mouse" or (self.device == "Tablet" and relative):
            self.device = "Mouse"
            self.mouse()
        else:
            self.key() if self.device == "Keyboard" else self.tablet()

    def switch(self):
        kind = self.random.random()
        if kind < 0.5:
            self.desk.chord(1 + self.random.choice(self.desk.seat.guests).slot)
        elif kind < 0.7:
            self.desk.chord(GRAVE)
        elif kind < 0.9:
            self.desk.chord(*[TAB] * self.random.randrange(1, 5))
        else:
            # A key without a meaning in between is nobody's.
            self.desk.chord(30, 1 + self.random.choice(self.desk.seat.guests).slot)


@test(scene=THREE, random=True)
def test_random(pc, seat):
    """Random keys, buttons, motion and wheel with switches in between: each guest's log is exact.

    Guest three has a mouse instead of a tablet, so it is told of motion and not of positions.
    """
    events, switches = (2000, 100) if pc.long else (300, 15)
    seat.mouse_instead_of_tablet("three")
    desk = Desk(pc, seat, relative="three")
    walk = Walk(desk, pc.random)
    at = Counter(pc.random.randrange(events) for _ in range(switches))
    began = time.monotonic()
    for number in range(events):
        walk.event()
        for _ in range(at[number]):
            walk.switch()
    desk.release_all()
    took = time.monotonic() - began
    desk.check()
    print("     input.random: %d events and %d chords, %d switches, %.1f events/s"
          % (events, switches, desk.model.switches, (sum(desk.sent.values())) / took))


def wait_keys(pc, card, wanted, what):
    """The guest's log of keys since its mark is this, and stays it while another key passes."""
    pc.wait(lambda: len(card.keys()) >= len(wanted), 20, what)
    assert card.keys() == wanted, "%s: %r instead of %r" % (what, card.keys(), wanted)


def mark(seat):
    for card in seat.cards.values():
        card.mark()


@test(scene=THREE)
def test_held_keys(pc, seat):
    """What is held at a switch is let go in the old guest, and nothing for the new one until anew."""
    one, two = seat.cards["one"], seat.cards["two"]
    seat.switch("one")
    mark(seat)
    for code in (42, 30):
        pc.inputs.key(code, True)
    wait_keys(pc, one, [(42, 1), (30, 1)], "keys that are held")
    pc.inputs.button(0x110, True)
    wait_keys(pc, one, [(42, 1), (30, 1), (0x110, 1)], "a button that is held")
    # Not by chord: a keyboard repeats the last key only, and for this the A must be the last.
    seat.control("focus", "two")
    pc.wait(lambda: len(one.keys()) == 6, 20, "releases in the old guest")
    assert sorted(one.keys()[3:]) == [(30, 0), (42, 0), (0x110, 0)], one.keys()
    assert one.down() == []
    reader = pc.spawn_script("evdev_reader.py")
    for _ in range(10):
        reader.line("Keyboard 1 30 2", 30, "repeats of the key that is held")
    reader.kill()
    pc.inputs.tap(48)
    wait_keys(pc, two, [(48, 1), (48, 0)], "a key in the new guest, and only that")
    pc.inputs.button(0x110, False)
    for code in (30, 42):
        pc.inputs.key(code, False)
    pc.inputs.tap(30)
    wait_keys(pc, two, [(48, 1), (48, 0), (30, 1), (30, 0)], "a key that is pressed anew")
    assert two.down() == []


@test(scene=THREE)
def test_chords(pc, seat):
    """Send-host-key, rescue and the help after 0.6 s; of all that a guest sees only the host key."""
    one = seat.cards["one"]
    seat.switch("one")
    mark(seat)
    seat.chord(14)
    wait_keys(pc, one, [(HOST, 1), (HOST, 0)], "the host key itself")
    _, size, digest = one.stop()
    seat.showing(digest, size)
    one.mark()

    # Help: not at once, then over the picture, and gone with the key.
    began = time.monotonic()
    pc.inputs.key(HOST, True)
    pc.wait(lambda: pc.screen().crop(0, 0, 1280, 800).sha256() != digest, 20, "help on the screen")
    took = time.monotonic() - began
    assert took > 0.55, "help after %.2f s" % took
    pc.save(pc.screen(), "help")
    pc.inputs.key(HOST, False)
    seat.showing(digest, size, what="picture without help")
    print("     input.chords: help after %.2f s" % took)

    # Rescue: everything is let go, and there is the switcher.
    pc.inputs.key(29, True)
    pc.inputs.key(46, True)
    wait_keys(pc, one, [(29, 1), (46, 1)], "keys that hang")
    seat.chord(1)
    pc.wait(lambda: seat.status()["switcher"], 20, "switcher by the rescue chord")
    pc.wait(lambda: len(one.keys()) == 4, 20, "releases by the rescue chord")
    assert one.down() == []
    pc.inputs.tap(1)
    pc.wait(lambda: not seat.status()["switcher"], 20, "end of the switcher")
    for code in (46, 29):
        pc.inputs.key(code, False)
    pc.inputs.tap(47)
    pc.wait(lambda: len(one.keys()) >= 6, 20, "a key after the rescue")
    assert one.keys()[4:] == [(47, 1), (47, 0)], one.keys()
    seat.showing(digest, size, what="the picture after all that")


def lamps(pc):
    """The locks that the USB keyboard's lamps show: num, caps, scroll."""
    names = ("numlock", "capslock", "scrolllock")
    words = pc.run("cat " + " ".join("/sys/class/leds/*::%s/brightness" % name for name in names))
    return tuple(int(word) for word in words.out.split())


@test(scene=THREE)
def test_lock_lamps(pc, seat):
    """The keyboard's lamps show the locks of the guest in front, at once when another comes there."""
    seat.switch("one")
    monitor = pc.monitor()
    assert lamps(pc) == (0, 0, 0), lamps(pc)

    def shows(*wanted):
        pc.wait(lambda: lamps(pc) == wanted, 20, "lamps %r" % (wanted,))
        pc.wait(lambda: monitor.lamps() == wanted, 20, "lamps %r of the device" % (wanted,))
    pc.inputs.tap(58)
    shows(0, 1, 0)
    seat.switch("two")
    shows(0, 0, 0)
    pc.inputs.tap(69)
    shows(1, 0, 0)
    seat.switch("one")
    shows(0, 1, 0)
    pc.inputs.tap(58)
    shows(0, 0, 0)
    seat.switch("two")
    shows(1, 0, 0)
    pc.inputs.tap(69)
    shows(0, 0, 0)


class Switcher:
    """The switcher by keys and pointer, and that nothing of it reaches a guest."""

    def __init__(self, pc, seat):
        self.pc = pc
        self.seat = seat

    def is_open(self, wanted):
        self.pc.wait(lambda: self.seat.status()["switcher"] == wanted, 20,
                     "switcher %s" % ("open" if wanted else "closed"))

    def open(self):
        self.seat.chord(24)
        self.is_open(True)
        return self

    def chose(self, name):
        self.is_open(False)
        assert self.seat.focused() == name, "%s instead of %s" % (self.seat.focused(), name)

    def type(self, *codes):
        for code in codes:
            self.pc.inputs.tap(code)


@test(scene=THREE)
def test_switcher(pc, seat):
    """Arrows, number, filter, Enter, Escape and a click choose; guests see none of these keys."""
    seat.switch("one")
    mark(seat)
    switcher = Switcher(pc, seat)
    switcher.open().type(106, 28)
    switcher.chose("two")
    switcher.open().type(105, 28)
    switcher.chose("one")
    switcher.open().type(4)
    switcher.chose("three")
    # "tw" is in no other name; Backspace takes the filter back.
    switcher.open().type(20, 17, 28)
    switcher.chose("two")
    switcher.open().type(20, 35, 14, 14, 24, 49, 28)
    switcher.chose("one")
    switcher.open().type(1)
    switcher.chose("one")
    for code in (103, 108, 30):
        switcher.open().type(code, 1)
        switcher.chose("one")

    # The pointer: which card is where is seen by what each click chooses.
    chosen = set()
    for x, y in ((0.33, 0.3), (0.67, 0.3), (0.33, 0.7)):
        switcher.open()
        pc.inputs.place(int(32768 * x), int(32768 * y))
        pc.inputs.button(0x110, True, tablet=True)
        pc.inputs.button(0x110, False, tablet=True)
        switcher.is_open(False)
        chosen.add(seat.focused())
    assert chosen == {"one", "two", "three"}, chosen
    for name, card in seat.cards.items():
        assert [key for key in card.keys()] == [], (name, card.keys())
        assert card.down() == []
