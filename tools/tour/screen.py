"""The headless screen's shared memory: when it was last written, and whether it shows something else."""
import mmap
import os
import struct
import time

HEADER = struct.Struct("<6I3Q")
MAGIC = 0x4E544142
SAMPLES = 24           # each way
ANOTHER_GUEST = 0.25   # of the samples changed: more than a cursor, a clock or a menu
A_MENU = 0.05
POLL_SECONDS = 0.0003


class Screen:
    def __init__(self, fd):
        self.memory = mmap.mmap(fd, os.fstat(fd).st_size, prot=mmap.PROT_READ)
        os.close(fd)
        (magic, self.width, self.height, self.stride, self.offset, refresh, *_) = self._header()
        if magic != MAGIC:
            raise ValueError("this is not a headless screen's memory")
        self.interval_ms = 1e6 / refresh

    def _header(self):
        return HEADER.unpack_from(self.memory)

    def state(self):
        """(sequence, time of the last write in nanoseconds); the sequence is odd during a write."""
        header = self._header()
        return header[6], header[7]

    def samples(self):
        """Some pixels, taken whole, away from the edges and the name shown at the top."""
        while True:
            before, written = self.state()
            pixels = [self._pixel(x, y) for y in range(SAMPLES // 4, SAMPLES)
                      for x in range(SAMPLES)]
            if before % 2 == 0 and self.state()[0] == before:
                return pixels, written

    def _pixel(self, column, row):
        x = (2 * column + 1) * self.width // (2 * SAMPLES)
        y = (2 * row + 1) * self.height // (2 * SAMPLES)
        at = self.offset + y * self.stride + 4 * x
        return self.memory[at:at + 3]

    def column(self, share):
        """One upright line of pixels at this share of the width, as (red, green, blue)."""
        x = int(self.width * share)
        start = self.offset + 4 * x
        line = []
        for y in range(self.height):
            blue, green, red = self.memory[start + y * self.stride:start + y * self.stride + 3]
            line.append((red, green, blue))
        return line

    def wait_for_change(self, old, seconds, share=ANOTHER_GUEST, since=0):
        """When, later than since, more than share of the samples differed from old.

        CLOCK_MONOTONIC in nanoseconds, or None when it did not happen in time.
        """
        deadline = time.monotonic() + seconds
        sequence = -1
        while time.monotonic() < deadline:
            now = self.state()[0]
            if now == sequence or now % 2:
                time.sleep(POLL_SECONDS)
                continue
            sequence = now
            pixels, written = self.samples()
            if written >= since and sum(a != b for a, b in zip(old, pixels)) > share * len(old):
                return written
        return None

    def wait_for_writes(self, count, seconds):
        """Returns when the picture was written so many times more, or the time is over."""
        wanted = self.state()[0] + 2 * count
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.state()[0] < wanted:
            time.sleep(POLL_SECONDS)
