"""Times of the virtual PC's kernel: of keys, page flips and program starts (inside/watch.py)."""


class Watch:
    """programs: names of programs whose start is to be noted too."""

    def __init__(self, pc, programs=()):
        self.pc = pc
        self.stream = pc.spawn_script("watch.py", *programs)
        self.stream.line("watching", 30)

    def line(self, kind, seconds, after=0):
        """The time of the next line of that kind (with what stands before the time) that is later."""
        text = self.stream.line(lambda l: l.startswith(kind + " ") and int(l.split()[-1]) > after,
                                seconds)
        return int(text.split()[-1])

    def skip(self):
        self.stream.skip()

    def flips(self):
        """Times of the page flips that no other call has given out, in microseconds."""
        lines = self.stream.lines[self.stream.taken:]
        self.skip()
        return [int(line.split()[1]) for line in lines if line.startswith("flip ")]

    def switch_ms(self, seat, name, seconds=20):
        """
        Presses the chord that brings a guest in front: from the kernel's time stamp of the key to that
        of the next page flip, which is of this switch when nothing else changes on the screen.
        """
        code = 1 + next(guest.slot for guest in seat.guests if guest.name == name)
        self.skip()
        seat.chord(code)
        pressed = self.line("key %d" % code, seconds)
        return (self.line("flip", seconds, pressed) - pressed) / 1000

    def exec_us(self, pid, seconds=30):
        return self.line("exec %d" % pid, seconds)

    def late_ms(self):
        """(median, 95th percentile) of the lateness of a timer since the last question."""
        self.stream.write("\n")
        words = self.stream.line("late", 30).split()
        return int(words[1]) / 1000, int(words[2]) / 1000

    def close(self):
        self.stream.kill()
