"""In the virtual PC: runs commands, and tells when a guest's console said that its card is there.

A line of input is JSON: "argv" (a command), "log" (the console's log file), "signs" (how the lines that are waited for
begin), "seconds". So is the answer, with times in seconds of CLOCK_MONOTONIC: "began", "ended" (the command), "seen"
(when each line was in the log, or null), "rc" and "said" (the command's status and output).
"""
import ctypes
import json
import os
import select
import subprocess
import sys
import threading
import time

MODIFY = 0x2


class Log:
    """A file that grows; only what comes after the start counts."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.file.seek(0, os.SEEK_END)
        self.rest = b""
        libc = ctypes.CDLL(None, use_errno=True)
        self.inotify = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if libc.inotify_add_watch(self.inotify, path.encode(), MODIFY) < 0:
            raise OSError(ctypes.get_errno(), path)

    def close(self):
        os.close(self.inotify)
        self.file.close()

    def lines(self):
        *lines, self.rest = (self.rest + self.file.read()).split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def wait(self, signs, deadline):
        """The time at which each such line was there, or None."""
        seen = dict.fromkeys(signs)
        while True:
            for line in self.lines():
                for sign in signs:
                    if line.startswith(sign) and not seen[sign]:
                        seen[sign] = time.monotonic()
            left = deadline - time.monotonic()
            if None not in seen.values() or left <= 0 or not select.select([self.inotify], [], [], left)[0]:
                return [seen[sign] for sign in signs]
            os.read(self.inotify, 4096)


def measure(order):
    log = Log(order["log"])
    deadline = time.monotonic() + order["seconds"]
    began = time.monotonic()
    command = subprocess.Popen(order["argv"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    # A command that returns before the card is there must not keep us from looking.
    ended = []
    waiter = threading.Thread(target=lambda: ended.extend((command.communicate()[0], time.monotonic())))
    waiter.start()
    seen = log.wait(order["signs"], deadline)
    waiter.join()
    log.close()
    return {"began": began, "ended": ended[1], "seen": seen, "rc": command.returncode,
            "said": ended[0].decode(errors="replace")}


print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps(measure(json.loads(line))), flush=True)
