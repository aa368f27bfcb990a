"""What the benchmarks share: a headless seat with test guests, their consoles, and how results are told.

A benchmark prints one JSON object a line on standard output and everything else on standard error. It runs on a real
clock and in rounds, interleaved with its peers where it has some; it says how busy the machine was.
"""
import array
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MARKER_SLOT_SHIFT = 20  # as in screen.h
SEED = int(os.environ.get("BENCH_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)


def say(text):
    print("%s: %s" % (os.path.basename(sys.argv[0]), text), file=sys.stderr, flush=True)


def cache_folder():
    folder = os.environ.get("BATON_CACHE")
    if folder:
        return folder
    if os.geteuid() == 0:
        return "/var/cache/baton"
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "baton")


def program(name):
    """The path of a program of the build in BATON_BUILD."""
    build = os.environ.get("BATON_BUILD") or sys.exit("BATON_BUILD is not set: start this through ./bench")
    for folder in ("seat", "control", "tests/bench"):
        path = os.path.join(build, folder, name)
        if os.path.exists(path):
            return path
    sys.exit("%s was not built (are the packages of tools/packages/bench installed?)" % name)


def guest_file(name):
    return os.path.join(cache_folder(), "guests", name)


def guest_initrd():
    """The test guest whose kernel announces the damage that it is told of (see guest/honest_damage.c)."""
    subprocess.run([os.path.join(TOP, "tests", "bench", "guest", "build")], check=True)
    return os.path.join(cache_folder(), "bench", "guest", "testcard.cpio")


# ---- figures ----

def percentile(values, share):
    """The smallest value that at least this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -(-int(share * len(ordered) * 1000) // 1000) - 1))]


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def median_of_rounds(rounds):
    return median([median(values) for values in rounds])


class Results:
    """Prints the lines; the benchmark's exit status is in the end 1 when a target was missed."""

    def __init__(self):
        self.missed = []

    def add(self, metric, value, unit, n, target, ok, p95=None, peer=None, peer_value=None, ratio=None):
        line = {"metric": metric, "value": rounded(value), "unit": unit, "p95": rounded(p95), "n": n,
                "target": rounded(target), "ok": bool(ok)}
        if peer:
            line.update(peer=peer, peer_value=rounded(peer_value), ratio=rounded(ratio))
        print(json.dumps(line), flush=True)
        if not ok:
            self.missed.append(metric)

    def end(self):
        say("load average at the end %.2f" % os.getloadavg()[0])
        if self.missed:
            say("missed: " + ", ".join(self.missed))
        sys.exit(1 if self.missed else 0)


def rounded(value):
    return value if value is None or isinstance(value, (int, str)) else float("%.4g" % value)


# ---- waiting ----

def wait_for(condition, seconds, what):
    """Asks again until the condition is true; its value. Ends the benchmark at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise RuntimeError("%s: not within %d s" % (what, seconds))
        time.sleep(0.02)


# ---- processes ----

class Bench:
    """A folder for sockets and the processes that were started; all end with it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="bench.", dir=os.environ.get("BATON_RUNTIME") or "/tmp")
        self.processes = []
        self.stopped = []  # pids under SIGSTOP
        say("seed %d, load average at the start %.2f, %d processors" %
            (SEED, os.getloadavg()[0], os.cpu_count()))

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        return self

    def __exit__(self, kind, value, trace):
        if kind not in (None, SystemExit):
            say("%s; logs are in %s" % (value, self.folder))
        for pid in self.stopped:
            kill(pid, signal.SIGCONT)
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        for pid in guest_pids(self.folder):
            kill(pid, signal.SIGKILL)
        if kind in (None, SystemExit):
            shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def spawn(self, argv, log, **kwargs):
        with open(self.path(log), "ab") as output:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **kwargs)
        self.processes.append(process)
        return process

    def stop_process(self, pid):
        os.kill(pid, signal.SIGSTOP)
        self.stopped.append(pid)


def kill(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def guest_pids(folder):
    """Of the guests that a seat started below the folder: each has a file that says its pid."""
    for place, _, files in os.walk(folder):
        if "pid" in files:
            with open(os.path.join(place, "pid")) as file:
                yield int(file.read())


def run_program(argv, seconds, **kwargs):
    """The lines of a program of ours as lists of words; its failure is the benchmark's."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, timeout=seconds, check=False, **kwargs)
    if done.returncode:
        raise RuntimeError("%s failed (%d)" % (os.path.basename(argv[0]), done.returncode))
    return [line.split() for line in done.stdout.decode().splitlines()]


# ---- the seat ----

class Seat:
    """A headless seat. Guests are added before start()."""

    def __init__(self, bench, width=1920, height=1080, name="seat"):
        self.bench = bench
        self.name = name
        self.size = "%dx%d" % (width, height)
        self.guests = {}
        self.folder = bench.path(name)
        os.makedirs(os.path.join(self.folder, "config", "guests"))
        self.socket = os.path.join(self.folder, "run", "control.sock")
        self.process = None

    def console_path(self, slot):
        return os.path.join(self.bench.folder, "tc%d" % slot)

    def write_guest(self, slot, lines):
        name = "guest%d" % slot
        with open(os.path.join(self.folder, "config", "guests", name + ".ini"), "w") as file:
            file.write("\n".join(["[vm]", "name = " + name, "slot = %d" % slot] + lines) + "\n")
        self.guests[slot] = name

    def add_testcard(self, slot, fps=2, memory=144):
        self.write_guest(slot, [
            "memory = %dM" % memory, "cpus = 1", "os = linux", "net = none",
            "kernel = " + guest_file("vmlinuz"), "initrd = " + guest_initrd(),
            "append = " + testcard_append(slot, fps),
            "qemu-args = " + " ".join(console_args(self.console_path(slot)))])

    def add_attached(self, slot, qmp):
        self.write_guest(slot, ["attach = " + qmp])

    def start(self, *options, under=(), **kwargs):
        """under: a program, with its arguments, that starts the seat; kwargs are Popen's."""
        argv = list(under) + [program("baton"), "--backend=headless", "--size=" + self.size, "--refresh=60",
                              "--config=" + os.path.join(self.folder, "config"),
                              "--runtime=" + os.path.join(self.folder, "run")]
        self.process = self.bench.spawn(argv + list(options), self.name + ".log", **kwargs)
        wait_for(self.is_up, 20, "the seat")
        return self

    def is_up(self):
        if self.process.poll() is not None:
            raise RuntimeError("the seat ended: see %s.log" % self.name)
        return answers(self.socket)

    def ctl(self, *arguments):
        done = subprocess.run([program("batonctl"), "--socket", self.socket] + list(arguments),
                              stdout=subprocess.PIPE, check=True, timeout=30)
        return done.stdout.decode()

    def guest(self, slot):
        """What the API says of one guest."""
        listed = json.loads(self.ctl("--json", "list"))
        for guest in listed["guests"] if isinstance(listed, dict) else listed:
            if guest["slot"] == slot:
                return guest
        raise RuntimeError("no guest in slot %d" % slot)

    def consoles(self, seconds=180):
        """The consoles of all test guests, once each has drawn its first picture."""
        consoles = {slot: Console(self.console_path(slot)) for slot in self.guests}
        for console in consoles.values():
            console.ready(seconds)
        return consoles


def testcard_append(slot, fps):
    return ("quiet testcard.name=guest%d testcard.fps=%d testcard.flip=0 testcard.first=%d" %
            (slot, fps, slot << MARKER_SLOT_SHIFT))


def console_args(path):
    return ["-device", "virtio-serial-pci", "-chardev", "socket,id=tc,path=%s,server=on,wait=off" % path,
            "-device", "virtconsole,chardev=tc"]


def answers(path):
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
            return True
        except (FileNotFoundError, ConnectionRefusedError):
            return False


class Console:
    """A test guest's console (see tools/testcard). Only one can be connected at a time: close() lets others in."""

    def __init__(self, path):
        self.path = path
        self.stream = None
        self.rest = b""

    def connect(self, seconds):
        def attempt():
            stream = socket.socket(socket.AF_UNIX)
            try:
                stream.connect(self.path)
                return stream
            except (FileNotFoundError, ConnectionRefusedError):
                stream.close()
                return None
        self.stream = wait_for(attempt, seconds, self.path)

    def ready(self, seconds):
        """Waits until the guest draws and answers."""
        deadline = time.monotonic() + seconds
        self.connect(seconds)
        while time.monotonic() < deadline:
            self.tell("count")
            words = self.line("count", 2)
            # Until the test card runs its terminal echoes what comes.
            if words and len(words) > 1:
                self.ask("gap")  # the answers to earlier questions come before this one's
                return
        raise RuntimeError("%s: the guest does not answer" % self.path)

    def tell(self, command):
        self.stream.sendall(command.encode() + b"\n")

    def line(self, word, seconds):
        """The words of the next line that begins with the word, or None at the deadline."""
        deadline = time.monotonic() + seconds
        while True:
            while b"\n" in self.rest:
                line, self.rest = self.rest.split(b"\n", 1)
                words = line.decode(errors="replace").split()
                if words and words[0] == word:
                    return words
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.stream.settimeout(left)
            try:
                data = self.stream.recv(4096)
            except TimeoutError:
                return None
            if not data:
                raise RuntimeError("%s: the guest is gone" % self.path)
            self.rest += data

    def ask(self, command, word=None, seconds=30):
        self.tell(command)
        words = self.line(word or command.split()[0], seconds)
        if not words:
            raise RuntimeError("%s: no answer to %r" % (self.path, command))
        return words[1:]

    def count(self):
        return int(self.ask("count")[0])

    def close(self):
        if self.stream:
            self.stream.close()
            self.stream = None
            self.rest = b""


# ---- a guest of our own, without a seat ----

class Qemu:
    """A test guest that the benchmark starts itself. display: QEMU's arguments for where it shows; initrd: not the one
    of guest_initrd()."""

    def __init__(self, bench, slot, display, fps=0, memory=144, frozen=False, initrd=None):
        self.bench = bench
        self.qmp_path = bench.path("qmp%d" % slot)
        self.display_qmp_path = bench.path("display%d" % slot)
        self.console = Console(bench.path("tc%d" % slot))
        argv = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-machine", "q35",
                "-accel", "tcg", "-m", "%dM" % memory, "-vga", "none",
                "-device", "virtio-vga,xres=1920,yres=1080",
                "-device", "virtio-keyboard-pci", "-device", "virtio-tablet-pci",
                "-kernel", guest_file("vmlinuz"), "-initrd", initrd or guest_initrd(),
                "-append", testcard_append(slot, fps),
                "-qmp", "unix:%s,server=on,wait=off" % self.qmp_path,
                "-qmp", "unix:%s,server=on,wait=off" % self.display_qmp_path]
        argv += console_args(self.console.path) + display + (["-S"] if frozen else [])
        self.process = bench.spawn(argv, "qemu%d.log" % slot)

    def open_display(self):
        """One end of a socket whose other end QEMU serves its D-Bus display on."""
        ours, theirs = socket.socketpair()
        wait_for(lambda: os.path.exists(self.display_qmp_path), 30, "QEMU's QMP socket")
        with socket.socket(socket.AF_UNIX) as qmp:
            qmp.connect(self.display_qmp_path)
            replies = qmp.makefile("r")
            json.loads(replies.readline())
            for command, arguments, fds in (
                    ("qmp_capabilities", {}, []),
                    ("getfd", {"fdname": "display"}, [theirs.fileno()]),
                    ("add_client", {"protocol": "@dbus-display", "fdname": "display"}, [])):
                text = json.dumps({"execute": command, "arguments": arguments}).encode()
                ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
                qmp.sendmsg([text], ancillary)
                reply = json.loads(replies.readline())
                while "event" in reply:
                    reply = json.loads(replies.readline())
                if "error" in reply:
                    raise RuntimeError("%s: %s" % (command, reply["error"]["desc"]))
        theirs.close()
        return ours


# ---- what processes cost ----

def context_switches(pid, thread=None):
    """(voluntary, involuntary) switches of all threads, or of the one with that name."""
    voluntary = involuntary = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, task)) as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        if thread is None or status["Name"] == thread:
            voluntary += int(status["voluntary_ctxt_switches"])
            involuntary += int(status["nonvoluntary_ctxt_switches"])
    return voluntary, involuntary


def pss_kib(pid):
    """Proportional set size in KiB."""
    with open("/proc/%d/smaps_rollup" % pid) as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
