"""Keys and pointer events into the virtual PC's USB devices.

QEMU finds the device by the kind of event and by display: the tablet is tied to the host's graphics
card, the mouse to none. So a button goes to the tablet when the card is named and to the mouse else.
QEMU's USB devices hold 16 events and drop the rest, so the caller paces (see Pacer).
"""
import time

from loop import DeadlineMissed

QCODES = {
    1: "esc", 2: "1", 3: "2", 4: "3", 5: "4", 6: "5", 7: "6", 8: "7", 9: "8", 10: "9", 11: "0",
    12: "minus", 13: "equal", 14: "backspace", 15: "tab", 16: "q", 17: "w", 18: "e", 19: "r",
    20: "t", 21: "y", 22: "u", 23: "i", 24: "o", 25: "p", 26: "bracket_left", 27: "bracket_right",
    28: "ret", 29: "ctrl", 30: "a", 31: "s", 32: "d", 33: "f", 34: "g", 35: "h", 36: "j", 37: "k",
    38: "l", 39: "semicolon", 40: "apostrophe", 41: "grave_accent", 42: "shift", 43: "backslash",
    44: "z", 45: "x", 46: "c", 47: "v", 48: "b", 49: "n", 50: "m", 51: "comma", 52: "dot",
    53: "slash", 54: "shift_r", 55: "kp_multiply", 56: "alt", 57: "spc", 58: "caps_lock", 59: "f1",
    60: "f2", 61: "f3", 62: "f4", 63: "f5", 64: "f6", 65: "f7", 66: "f8", 67: "f9", 68: "f10",
    69: "num_lock", 70: "scroll_lock", 71: "kp_7", 72: "kp_8", 73: "kp_9", 74: "kp_subtract",
    75: "kp_4", 76: "kp_5", 77: "kp_6", 78: "kp_add", 79: "kp_1", 80: "kp_2", 81: "kp_3", 82: "kp_0",
    83: "kp_decimal", 86: "less", 87: "f11", 88: "f12", 96: "kp_enter", 97: "ctrl_r",
    98: "kp_divide", 100: "alt_r", 102: "home", 103: "up", 104: "pgup", 105: "left", 106: "right",
    107: "end", 108: "down", 109: "pgdn", 110: "insert", 111: "delete", 125: "meta_l",
    126: "meta_r", 127: "compose",
}
CODES = {name: code for code, name in QCODES.items()}
BUTTONS = {0x110: "left", 0x111: "right", 0x112: "middle", 0x113: "side", 0x114: "extra"}


class Inputs:
    def __init__(self, qmp, card):
        self.qmp = qmp
        self.card = card
        self.down = set()
        self.sent = 0

    def events(self, events, tablet=False):
        arguments = {"events": events}
        if tablet:
            arguments["device"] = self.card
        self.sent += len(events)
        self.qmp.command("input-send-event", arguments)

    def key(self, code, down):
        """One key event; code is evdev's number or QEMU's name of the key."""
        name = QCODES[code] if isinstance(code, int) else code
        (self.down.add if down else self.down.discard)(name)
        self.events([{"type": "key", "data": {"down": bool(down),
                                              "key": {"type": "qcode", "data": name}}}])

    def tap(self, *codes):
        """Presses the keys in order and releases them in reverse order."""
        for code in codes:
            self.key(code, True)
        for code in reversed(codes):
            self.key(code, False)

    def button(self, code, down, tablet=False):
        """code is evdev's number (0x110 = left) or QEMU's name, "wheel-up" and "wheel-down" too."""
        name = BUTTONS[code] if isinstance(code, int) else code
        self.events([{"type": "btn", "data": {"down": bool(down), "button": name}}], tablet)

    def wheel(self, clicks, tablet=False):
        """Positive is up (away from the user)."""
        for _ in range(abs(clicks)):
            for down in (True, False):
                self.button("wheel-up" if clicks > 0 else "wheel-down", down, tablet)

    def move(self, dx, dy):
        """Relative motion of the mouse."""
        self.events([{"type": "rel", "data": {"axis": axis, "value": value}}
                     for axis, value in (("x", dx), ("y", dy)) if value])

    def place(self, x, y):
        """Absolute position of the tablet, 0..32767 each."""
        self.events([{"type": "abs", "data": {"axis": axis, "value": value}}
                     for axis, value in (("x", x), ("y", y))], tablet=True)

    def release_all(self):
        for name in sorted(self.down):
            self.key(name, False)


class Pacer:
    """Sends no faster than the slowest queue on the way drains.

    A step is sent when the one before is `gap` seconds old and fewer than `window` sent steps have not
    arrived; arrived() counts arrivals at the far end. rate() is what came of it, in steps a second.
    """

    def __init__(self, loop, arrived, window=8, gap=0.004, seconds=60):
        self.loop = loop
        self.arrived = arrived
        self.window = window
        self.gap = gap
        self.seconds = seconds
        self.sent = 0
        self.start = time.monotonic()
        self.last = 0.0

    def step(self, send, expected=1):
        """send() sends something of which `expected` events will arrive."""
        try:
            self.loop.wait(lambda: self.sent - self.arrived() < self.window, self.seconds,
                           "room in the queues")
        except DeadlineMissed:
            raise DeadlineMissed("only %d of %d events arrived, the others not within %g s"
                                 % (self.arrived(), self.sent, self.seconds)) from None
        pause = self.last + self.gap - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        self.last = time.monotonic()
        send()
        self.sent += expected

    def finish(self):
        self.loop.wait(lambda: self.arrived() >= self.sent, self.seconds,
                       "arrival of all %d events" % self.sent)

    def rate(self):
        return self.sent / max(1e-6, self.last - self.start)
