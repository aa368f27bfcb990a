"""The virtual PC: started, watched, driven and looked at from the outside.

QEMU emulates a whole PC with an IOMMU, a graphics card, USB keyboard, mouse and tablet and AMD-V, so
what runs in it meets the kernel's real interfaces. The disk is never written to. The first start of a
configuration boots; then the PC's memory is kept in the cache and later starts take it up from there.
"""
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from channel import Channel
from inputs import Inputs
from loop import DeadlineMissed, LabFailure, Loop
from picture import Picture
from qmp import Qmp, QmpError

HERE = os.path.dirname(os.path.abspath(__file__))
# What the kernel says when nothing after it can be trusted.
BROKEN = re.compile(r"Kernel panic|corrupted stack end|BUG: unable|Oops: |general protection fault"
                    r"|kernel BUG at|double fault|Possible timer handling issue on cpu")
CPUS = 2
CARD = "hostgpu"
# A card behind a root port with a group of its own in the IOMMU, which it obeys; resets by FLR.
LENDABLE = "virtio-gpu-pci,bus=rp1,addr=0.0,iommu_platform=on,edid=on,id="
# The graphics cards: the host's, and those that are there to be lent. "bochs" has no cursor plane. "lend" has
# two cards more: "gpu", and "duo" with a sound function, which only a hot reset of both functions resets.
# In "own" the host's only card can be lent, in "two" the host has another screen besides.
CARDS = {
    "virtio": ["-device", "virtio-vga,edid=on,id=" + CARD],
    "bochs": ["-device", "bochs-display,id=" + CARD],
    "lend": ["-device", "virtio-vga,edid=on,id=" + CARD,
             "-device", LENDABLE + "gpu,xres=640,yres=480",
             "-device", "bochs-display,bus=rp2,addr=0.0,multifunction=on,xres=800,yres=600,id=duo",
             "-audiodev", "none,id=silence", "-device", "intel-hda,bus=rp2,addr=0.1,id=duosound",
             "-device", "hda-output,bus=duosound.0,audiodev=silence"],
    "own": ["-device", LENDABLE + CARD],
    "two": ["-device", LENDABLE + CARD, "-device", "bochs-display,id=second,xres=640,yres=480"],
    # Behind a bridge to PCI all devices are one group: this card cannot be lent.
    "shared": ["-device", "virtio-vga,edid=on,id=" + CARD, "-device", "pcie-pci-bridge,bus=rp1,id=old",
               "-device", "secondary-vga,bus=old,addr=1.0,id=shared", "-device", "intel-hda,bus=old,addr=2.0"],
}
# Width of the monitor in mm, as told to the kernel.
KNOWN_MM = 333
# What has to be there before the PC counts as started.
DEVICES = ["/dev/dri/card0", "/dev/kvm"] + [
    "/dev/input/by-id/usb-QEMU_QEMU_USB_%s_lab-event-%s" % pair
    for pair in (("Keyboard", "kbd"), ("Mouse", "mouse"), ("Tablet", "mouse"))]


def cache_folder():
    """Where images, packages and kept states lie, outside the tree."""
    if "BATON_CACHE" in os.environ:
        return os.environ["BATON_CACHE"]
    if os.geteuid() == 0:
        return "/var/cache/baton"
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(home, "baton")


def image_folder():
    """Builds the image when needed (minutes) and returns the folder with disk and kernels."""
    done = subprocess.run([os.path.join(HERE, "image")], stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().strip().splitlines()[-1]


def probe_program():
    """Compiles display-probe.c when it changed; the program's path."""
    source = os.path.join(HERE, "display-probe.c")
    key = hashlib.sha256(open(source, "rb").read()).hexdigest()[:16]
    path = os.path.join(cache_folder(), "lab", "display-probe-" + key)
    if not os.path.exists(path):
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libsystemd"], check=True,
                               stdout=subprocess.PIPE).stdout.decode().split()
        subprocess.run(["cc", "-std=c17", "-O2", "-Wall", "-Wextra", "-Werror", source,
                        "-o", path + ".new"] + flags, check=True)
        os.rename(path + ".new", path)
    return path


class Pc:
    """One virtual PC. `kernel` is "stable" or "new", `card` a name of CARDS, `out` a folder for logs."""

    def __init__(self, out, kernel="stable", card="virtio", memory="6G", keep_state=True):
        self.out = out
        self.kernel = kernel
        self.card = card
        self.memory = memory
        self.keep_state = keep_state
        self.loop = Loop()
        self.loop.checks.append(self.check)
        self.process = None
        self.qmp = self.channel = self.inputs = None
        self.monitors = []
        self.inspector = None
        # Called when a test has failed, to keep what explains it among the logs.
        self.at_failure = []
        self.up = False
        self.start_seconds = None
        self.resumed = False
        self.scene = None
        self.pictures = 0
        self.serial_seen = 0
        os.makedirs(out, exist_ok=True)
        self.sockets = tempfile.mkdtemp(prefix="baton-lab-")
        self.serial = os.path.join(out, "serial.log")

    # Start and end

    def arguments(self, image):
        return [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot",
            "-machine", "q35,kernel-irqchip=split,i8042=off,vmport=off,sata=off",
            "-accel", "tcg,thread=multi", "-smp", str(CPUS), "-m", self.memory, "-cpu", "EPYC",
            "-kernel", "%s/vmlinuz-%s" % (image, self.kernel),
            "-initrd", "%s/initrd-%s" % (image, self.kernel),
            "-append", "console=ttyS0 quiet intel_iommu=on iommu=pt mitigations=off panic=-1 "
                       "oops=panic systemd.show_status=0",
            "-device", "intel-iommu,intremap=on,caching-mode=on",
            "-drive", "file=%s/disk.img,format=raw,if=none,id=disk,read-only=on" % image,
            "-device", "virtio-blk-pci,drive=disk",
            "-fw_cfg", "name=opt/org.baton.lab.agent,file=%s/agent.py" % HERE,
            "-device", "pcie-root-port,id=rp1,chassis=1",
            "-device", "pcie-root-port,id=rp2,chassis=2",
            "-vga", "none", "-display", "dbus,p2p=yes", *CARDS[self.card],
            "-device", "virtio-serial-pci",
            "-chardev", "socket,id=lab,path=%s/agent,server=on,wait=off" % self.sockets,
            "-device", "virtserialport,chardev=lab,name=org.baton.lab",
            "-device", "qemu-xhci,id=usb", "-device", "usb-kbd,id=keyboard,serial=lab",
            "-device", "usb-mouse,id=mouse,serial=lab",
            "-device", "usb-tablet,id=tablet,serial=lab,display=" + CARD,
            "-qmp", "unix:%s/qmp,server=on,wait=off" % self.sockets,
            "-chardev", "file,id=serial,path=%s" % self.serial, "-serial", "chardev:serial",
        ]

    def state_path(self, image, scene):
        """The kept memory of exactly this configuration: anything that differs makes another file."""
        version = subprocess.run(["qemu-system-x86_64", "--version"], stdout=subprocess.PIPE,
                                 check=True).stdout
        with open(os.path.join(HERE, "agent.py"), "rb") as agent:
            words = [os.path.basename(image).encode(), version, agent.read()]
        words += [word.encode() for word in self.arguments("") if self.sockets not in word
                  and self.out not in word]
        name = "started"
        if scene:
            name = scene.name
            words.append(scene.key(self).encode())
        key = hashlib.sha256(b"\0".join(words)).hexdigest()[:16]
        return os.path.join(cache_folder(), "lab", "state-%s-%s-%s-%s"
                            % (self.kernel, self.card, name, key))

    def start(self, scene=None):
        """Starts the PC. A scene is set and kept too; what its take_up() returns is in self.scene."""
        image = image_folder()
        states = [self.state_path(image, scene)] if scene else []
        states.append(self.state_path(image, None))
        state = next((s for s in states if self.keep_state and os.access(s, os.R_OK)), None)
        began = time.monotonic()
        self.resumed = state is not None
        try:
            self.launch(self.arguments(image) + (["-incoming", "defer"] if state else []))
            if state:
                self.state_read(state)
            else:
                self.loop.wait(lambda: self.channel.hello, 300, "start of the virtual PC")
                self.run("udevadm wait --timeout=120 " + " ".join(DEVICES), 130)
            self.channel.call({"do": "ping"}, seconds=120)
            self.up = True
        except (DeadlineMissed, LabFailure, OSError) as error:
            raise LabFailure("start: %s; QEMU: %s" % (error, self.complaint())) from error
        self.start_seconds = time.monotonic() - began
        if self.keep_state and not self.resumed:
            self.state_write(states[-1])
        self.set_clock()
        if scene and not (self.resumed and state == states[0]):
            scene.set(self)
            if self.keep_state:
                self.state_write(states[0])
        if scene:
            self.scene = scene.take_up(self)
        return self

    def launch(self, arguments):
        log = open(os.path.join(self.out, "qemu.log"), "wb")
        # A group of its own: an interrupt from the terminal reaches the harness, which then cleans up.
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        start_new_session=True)
        log.close()
        path = os.path.join(self.sockets, "agent")
        qmp = os.path.join(self.sockets, "qmp")

        def connected():
            self.check(False)
            time.sleep(0.02)
            try:
                self.channel = self.channel or Channel(self.loop, path)
                self.qmp = Qmp(self.loop, qmp)
            except (FileNotFoundError, ConnectionRefusedError):
                return False  # not there yet, or there and not listening yet
            return True
        self.loop.wait(connected, 30, "sockets of QEMU")
        self.inputs = Inputs(self.qmp, CARD)

    def migrated(self):
        status = self.qmp.command("query-migrate").get("status")
        if status == "failed":
            raise LabFailure("the state is not saved or not loaded: " + self.complaint())
        if status != "completed":
            time.sleep(0.05)
        return status == "completed"

    def state_read(self, path):
        self.qmp.command("migrate-incoming", {"uri": "file:" + path}, seconds=120)
        self.loop.wait(self.migrated, 120, "state of the virtual PC")
        self.qmp.command("cont")

    def state_write(self, path):
        """Keeps the memory of the PC as it is now; it then goes on."""
        folder, stem = os.path.split(path)
        self.qmp.command("stop")
        self.qmp.command("migrate-set-parameters", {"max-bandwidth": 10 ** 11})
        self.qmp.command("migrate", {"uri": "file:%s.new" % path})
        self.loop.wait(self.migrated, 120, "kept state of the virtual PC")
        self.qmp.command("cont")
        for name in os.listdir(folder):
            if name.startswith(stem.rsplit("-", 1)[0] + "-") and not name.startswith(stem):
                os.unlink(os.path.join(folder, name))
        os.rename(path + ".new", path)

    def set_clock(self):
        """A PC that was taken up from its kept state lives in the past."""
        self.run("date -s @%.3f >/dev/null" % time.time())

    def stop(self):
        for monitor in list(self.monitors):
            monitor.close()
        for client in (self.channel, self.qmp):
            if client:
                client.close()
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.sockets, ignore_errors=True)

    # Health

    def check(self, thorough):
        """Raises LabFailure when the virtual PC is dead; thorough: also when it does not answer."""
        with open(self.serial, "rb") if os.path.exists(self.serial) else open(os.devnull, "rb") as log:
            log.seek(self.serial_seen)
            text = log.read().decode(errors="replace")
        broken = BROKEN.search(text)
        if broken:
            line = text[text.rfind("\n", 0, broken.start()) + 1:].splitlines()[0]
            self.keep_processors()
            raise LabFailure("the virtual PC's kernel: " + line.strip())
        # What was read stays unread but for its last line, which may not be complete.
        self.serial_seen += len(text.rpartition("\n")[0].encode())
        if self.process and self.process.poll() is not None:
            raise LabFailure("QEMU ended with status %d: %s" % (self.process.returncode, self.complaint()))
        if thorough and self.up:
            self.answers()

    def keep_processors(self):
        """What the emulated CPUs and their interrupt controllers look like, into processors.log."""
        checks, self.loop.checks = self.loop.checks, []
        commands = ["info registers -a"] + ["info lapic %d" % cpu for cpu in range(CPUS)]
        with open(os.path.join(self.out, "processors.log"), "w") as file:
            try:
                for command in commands:
                    file.write(self.qmp.command("human-monitor-command", {"command-line": command}))
            except (AssertionError, LabFailure, QmpError, OSError) as error:
                file.write("QEMU is dead too: %s\n" % error)
            finally:
                self.loop.checks = checks

    def answers(self):
        """The agent answers, and every CPU has its timer: now and then an emulated CPU gets no interrupts any more."""
        checks, self.loop.checks = self.loop.checks, []
        try:
            self.channel.call({"do": "ping"}, seconds=60)
            for cpu in range(CPUS):
                self.channel.run("taskset -c %d sleep 0.01" % cpu, 30)
        except AssertionError as error:
            self.keep_processors()
            raise LabFailure("the virtual PC does not answer: %s" % error) from error
        finally:
            self.loop.checks = checks

    def complaint(self):
        """What QEMU said last, without its remarks on what TCG cannot do."""
        with open(os.path.join(self.out, "qemu.log"), errors="replace") as file:
            lines = [line.strip() for line in file if "TCG doesn't support" not in line]
        return " | ".join(lines[-3:]) or "nothing was said"

    # Inside

    def run(self, command, seconds=60, **options):
        return self.channel.run(command, seconds, **options)

    def spawn(self, argv, **options):
        return self.channel.spawn(argv, **options)

    def put_script(self, name):
        """Copies a script of tests/lab/inside/ into the virtual PC; its path there."""
        path = "/opt/lab/" + name
        with open(os.path.join(HERE, "inside", name), "rb") as file:
            self.channel.put(path, file.read())
        return path

    def spawn_script(self, name, *words, **options):
        """Starts a script of tests/lab/inside/ in the virtual PC."""
        return self.spawn(["python3", self.put_script(name)] + list(words), **options)

    def put_file(self, local, path, **options):
        """Copies a file of this machine into the virtual PC."""
        with open(local, "rb") as file:
            mode = 0o755 if os.access(local, os.X_OK) else 0o644
            self.channel.put(path, file.read(), mode, **options)

    def wait(self, until, seconds, what):
        return self.loop.wait(until, seconds, what)

    # Outside

    def screen(self, card=CARD):
        """What a graphics card shows (without a hardware cursor), whoever has it."""
        path = os.path.join(self.sockets, "screen.ppm")
        self.qmp.command("screendump", {"filename": path, "device": card, "format": "ppm"})
        with open(path, "rb") as file:
            return Picture.from_ppm(file.read())

    def save(self, picture, name):
        """Keeps a picture among the logs; its path."""
        self.pictures += 1
        path = os.path.join(self.out, "%02d-%s.png" % (self.pictures, name))
        picture.save(path)
        return path

    def monitor(self):
        """The PC's monitor: sees the hardware cursor, can be unplugged."""
        return Monitor(self)


class Monitor:
    """A client of the outer QEMU's D-Bus display (display-probe.c), with the cursor's state."""

    def __init__(self, pc):
        self.pc = pc
        ours, its = socket.socketpair()
        pc.qmp.command("getfd", {"fdname": "display"}, fds=[its.fileno()])
        pc.qmp.command("add_client", {"protocol": "@dbus-display", "fdname": "display"})
        its.close()
        self.process = subprocess.Popen([probe_program(), str(ours.fileno())], text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        pass_fds=[ours.fileno()])
        ours.close()
        self.lines = []
        self.data = b""
        # The cursor: whether it is on, where, and how many of its pixels one can see.
        self.cursor_on = False
        self.cursor_at = None
        self.cursor_opaque = 0
        pc.monitors.append(self)
        pc.loop.add(self.process.stdout, self.read)
        self.command("listen 0", "listening 0")
        if pc.card == "virtio":
            self.make_known()

    def read(self):
        data = os.read(self.process.stdout.fileno(), 1 << 16)
        if not data:
            self.pc.loop.remove(self.process.stdout)
            return
        *lines, self.data = (self.data + data).split(b"\n")
        for line in lines:
            words = line.decode().split()
            self.lines.append(line.decode())
            if words[0] == "define":
                self.cursor_opaque = int(words[6])
            elif words[0] == "move":
                self.cursor_at = (int(words[2]), int(words[3]))
                self.cursor_on = words[4] != "0"

    def command(self, text, answer, seconds=30):
        mark = len(self.lines)
        self.process.stdin.write(text + "\n")

        def found():
            return next((l for l in self.lines[mark:] if l.startswith((answer, "error "))), None)
        line = self.pc.loop.wait(found, seconds, "answer to %r of the monitor" % text)
        if line.startswith("error"):
            raise AssertionError(line)
        return line

    def make_known(self):
        """Tells QEMU the size that the monitor has, and waits until the kernel has read it.

        QEMU takes a size for news only when it differs from the one before, at first 0x0, and the
        kernel may lose the first of two changes; so unplug() would do nothing. The kernel has read it
        when the EDID has the width in mm.
        """
        screen = self.pc.screen()
        self.command("ui 0 %d %d %d" % (screen.width, screen.height, KNOWN_MM), "ui 0")
        folder = "/sys/class/drm/card0-Virtual-1"

        def read():
            self.pc.run("echo detect > %s/status" % folder)
            edid = self.pc.channel.get(folder + "/edid")
            return len(edid) > 68 and edid[66] + ((edid[68] >> 4) << 8) == KNOWN_MM
        self.pc.loop.wait(read, 30, "the monitor's size in the kernel")

    def resize(self, width, height):
        """Another size; also plugs it in again."""
        self.command("ui 0 %d %d %d" % (width, height, KNOWN_MM), "ui 0")

    def unplug(self):
        self.command("ui 0 0 0 0", "ui 0")

    def cursor_visible(self):
        return self.cursor_on and self.cursor_opaque > 0

    def updates(self):
        """Updates of the screen since the last question."""
        return int(self.command("updates 0", "updates 0").split()[2])

    def lamps(self):
        """The lamps of the PC's keyboard: (num, caps, scroll)."""
        lit = int(self.command("lamps 0", "lamps 0").split()[2])
        return lit >> 1 & 1, lit >> 2 & 1, lit & 1

    def close(self):
        self.pc.monitors.remove(self)
        self.process.stdin.close()
        self.process.wait(10)
        if not self.process.stdout.closed:
            try:
                self.pc.loop.remove(self.process.stdout)
            except KeyError:
                pass
            self.process.stdout.close()


def main():
    """For a person: starts the PC, runs a shell command in it, prints how long things took."""
    command = sys.argv[1] if len(sys.argv) > 1 else "uname -a"
    kernel = sys.argv[2] if len(sys.argv) > 2 else "stable"
    card = sys.argv[3] if len(sys.argv) > 3 else "virtio"
    pc = Pc(os.path.join(cache_folder(), "lab", "last", "hand"), kernel, card)
    try:
        pc.start()
        print("started in %.1f s%s" % (pc.start_seconds, " from its kept state" if pc.resumed else ""))
        result = pc.run(command, 300, check=False)
        sys.stdout.write(result.out + result.err)
        return result.rc
    finally:
        pc.stop()


if __name__ == "__main__":
    sys.exit(main())
