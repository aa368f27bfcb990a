"""In the virtual PC: runs commands, and tells when a guest's console said that its card is there.

A line of input is JSON: "commands" (one after the other, as a person gives them), "log" (the console's log file),
"signs" (how the lines that are waited for begin), "seconds". So is the answer, with times in seconds of
CLOCK_MONOTONIC: "began", "ended" (when each command had), "seen" (when each line was in the log, or null), "rc" and
"said" (status and output of the last command that was given: none follows one that fails).
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

    def wait(self, signs, deadline, failed):
        """The time at which each such line was there, or None. Ends early when a command has failed."""
        seen = dict.fromkeys(signs)
        while True:
            for line in self.lines():
                for sign in signs:
                    if line.startswith(sign) and not seen[sign]:
                        seen[sign] = time.monotonic()
            left = deadline - time.monotonic()
            if None not in seen.values() or left <= 0 or failed():
                return [seen[sign] for sign in signs]
            if select.select([self.inotify], [], [], min(left, 1))[0]:
                os.read(self.inotify, 4096)


def run(commands, answer):
    for argv in commands:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False)
        answer["ended"].append(time.monotonic())
        answer.update(rc=done.returncode, said=done.stdout.decode(errors="replace"))
        if done.returncode:
            break


def measure(order):
    log = Log(order["log"])
    deadline = time.monotonic() + order["seconds"]
    answer = {"began": time.monotonic(), "ended": []}
    # A command that returns before or after the card is there must not keep us from looking.
    giver = threading.Thread(target=run, args=(order["commands"], answer))
    giver.start()
    answer["seen"] = log.wait(order["signs"], deadline, lambda: answer.get("rc"))
    giver.join()
    log.close()
    return answer


print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps(measure(json.loads(line))), flush=True)
