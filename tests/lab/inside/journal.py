"""In the virtual PC: tells each record of the broker's journals, and kills by them.

    inside/journal.py FOLDER

    record SLOT STAGE FROM TO intent|done|failed T     a record is in SLOT's journal (T: microseconds)
    note SLOT WORD…                                    what the broker wrote there for itself
    sent PID STAGE FROM TO T                           a signal, at that record

A line "SIGNAL PID STAGE intent|done|failed" of input: that signal for the process at the next such record of
the stage. It is sent before the record is told, so nothing waits for us.
"""
import ctypes
import os
import select
import signal
import sys
import time

CREATE, MODIFY, MOVED = 0x100, 0x2, 0x80
WORDS = ("intent", "done", "failed")


class Journals:
    def __init__(self, folder):
        self.folder = folder
        self.places = {}
        self.orders = []
        libc = ctypes.CDLL(None, use_errno=True)
        self.inotify = libc.inotify_init1(os.O_CLOEXEC)
        if libc.inotify_add_watch(self.inotify, folder.encode(), CREATE | MODIFY | MOVED) < 0:
            sys.exit("no journals in " + folder)
        for name in os.listdir(folder):
            self.places[name] = os.path.getsize(os.path.join(folder, name))

    def record(self, slot, line):
        words = line.split()
        if len(words) > 2 and words[2].startswith("@"):
            print("note", slot, *words[2:], flush=True)
        if len(words) != 6 or words[5] not in WORDS:
            return
        stage = words[2]
        for order in list(self.orders):
            if order[2:] == [stage, words[5]]:
                os.kill(int(order[1]), signal.Signals[order[0]])
                self.orders.remove(order)
                print("sent", order[1], *words[2:5], time.monotonic_ns() // 1000, flush=True)
        print("record", slot, *words[2:], time.monotonic_ns() // 1000, flush=True)

    def read(self):
        os.read(self.inotify, 1 << 16)
        for name in os.listdir(self.folder):
            if not name.endswith(".journal"):
                continue
            path = os.path.join(self.folder, name)
            place = self.places.get(name, 0)
            # A journal that was written anew begins with its last record.
            if os.path.getsize(path) < place:
                place = 0
            with open(path, errors="replace") as file:
                file.seek(place)
                text = file.read()
            whole = text.rpartition("\n")[0]
            self.places[name] = place + len(whole.encode()) + (1 if whole else 0)
            for line in whole.splitlines():
                self.record(name[:-len(".journal")], line)

    def command(self):
        words = sys.stdin.readline().split()
        if not words:
            sys.exit(0)
        self.orders.append(words)
        print("armed", *words, flush=True)

    def run(self):
        print("watching", flush=True)
        while True:
            for fd in select.select([self.inotify, sys.stdin], [], [])[0]:
                if fd is sys.stdin:
                    self.command()
                else:
                    self.read()


os.nice(-20)
Journals(sys.argv[1]).run()
