"""In the virtual PC: says what the kernel did and when, in microseconds of CLOCK_MONOTONIC.

    key CODE T      a key was pressed: the time stamp of the kernel's input event
    flip T          a page flip was done and its event sent to the process that asked for it
    exec PID T      a program named on the command line was executed
    late P50 P95    answer to a line of input: how late a timer of 10 ms was since the last question
"""
import fcntl
import glob
import os
import re
import select
import struct
import subprocess
import sys
import time

EVENT = struct.Struct("@llHHi")
EVIOCSCLOCKID = 0x400445A0
TRACING = "/sys/kernel/tracing/"
# Without a file it is the kernel's own, of its console.
FLIP = re.compile(rb"(\d+)\.(\d{6}): drm_vblank_event_delivered: file=0*[1-9a-f]")
EXEC = re.compile(rb"(\d+)\.(\d{6}): sched_process_exec: filename=(\S+) pid=(\d+)")
STEP = 0.01


def keyboards():
    fds = []
    for path in glob.glob("/dev/input/by-id/*-event-kbd"):
        fds.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        fcntl.ioctl(fds[-1], EVIOCSCLOCKID, struct.pack("i", time.CLOCK_MONOTONIC))
    return fds


def trace_write(name, text):
    with open(TRACING + name, "w") as file:
        file.write(text)


def trace_open(programs):
    if not os.path.exists(TRACING + "trace_clock"):
        subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACING], check=True)
    trace_write("trace", "")
    trace_write("trace_clock", "mono")
    trace_write("events/drm/drm_vblank_event_delivered/enable", "1")
    trace_write("events/sched/sched_process_exec/enable", "1" if programs else "0")
    trace_write("tracing_on", "1")
    # A reader is told of each event, not only when a page is full.
    trace_write("buffer_percent", "0")
    return os.open(TRACING + "trace_pipe", os.O_RDONLY | os.O_NONBLOCK)


class Reader:
    def __init__(self, programs):
        self.programs = programs
        self.pipe = trace_open(programs)
        self.keys = keyboards()
        self.tail = b""
        self.late = []

    def trace(self):
        *lines, self.tail = (self.tail + os.read(self.pipe, 1 << 16)).split(b"\n")
        for line in lines:
            flip = FLIP.search(line)
            if flip:
                print("flip", flip.group(1).decode() + flip.group(2).decode(), flush=True)
            done = EXEC.search(line)
            if done and done.group(3).decode().rsplit("/", 1)[-1] in self.programs:
                print("exec", done.group(4).decode(), (done.group(1) + done.group(2)).decode(), flush=True)

    def key(self, fd):
        for seconds, micro, kind, code, value in EVENT.iter_unpack(os.read(fd, EVENT.size * 64)):
            if kind == 1 and value == 1:
                print("key", code, seconds * 1000000 + micro, flush=True)

    def tell_late(self):
        sys.stdin.readline()
        ordered = sorted(self.late) or [0]
        print("late", ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)],
              flush=True)
        self.late = []

    def run(self):
        print("watching", flush=True)
        due = time.monotonic() + STEP
        while True:
            wait = max(0.0, due - time.monotonic())
            ready = select.select([self.pipe, sys.stdin] + self.keys, [], [], wait)[0]
            now = time.monotonic()
            if not ready:
                self.late.append(int((now - due) * 1e6))
            if now >= due:
                due = now + STEP
            for fd in ready:
                if fd == self.pipe:
                    self.trace()
                elif fd in self.keys:
                    self.key(fd)
                else:
                    self.tell_late()


Reader(sys.argv[1:]).run()
