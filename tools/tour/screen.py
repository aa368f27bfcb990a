"""The headless screen's shared memory: when it was last written, and whether it shows something else."""
import mmap
import os
import struct
import time

HEADER = struct.Struct("<6I3Q")
MAGIC = 0x4E544142
SAMPLES = 24       # each way
CHANGED_SHARE = 4  # a quarter of the samples: another guest, not a cursor or a clock
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

    def wait_for_change(self, old, seconds):
        """When the picture differed widely from the samples old: CLOCK_MONOTONIC in ns, or None."""
        deadline = time.monotonic() + seconds
        sequence = -1
        while time.monotonic() < deadline:
            now = self.state()[0]
            if now == sequence or now % 2:
                time.sleep(POLL_SECONDS)
                continue
            sequence = now
            pixels, written = self.samples()
            if differs(old, pixels):
                return written
        return None


def differs(old, new):
    return sum(a != b for a, b in zip(old, new)) * CHANGED_SHARE > len(old)
