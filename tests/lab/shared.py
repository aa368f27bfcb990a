"""Shared memory of a guest's picture: a viewer in the virtual PC, and the agent that writes it."""
import glob
import hashlib
import os
import subprocess

from guest_kernel import put_kernel
from lab import HERE, cache_folder
from testcard import GUESTS, guest_files, start_guest

TOP = os.path.dirname(os.path.dirname(HERE))
PROBE = ["tests/lab/kvmfr-probe.c", "capture/lgmp_client.c", "capture/shared_memory.c", "capture/shm_guard.c",
         "tools/testcard/sha256.c"]


def compile_here(name, sources, words=()):
    """Compiles sources of the tree when they have changed; the program's path."""
    digest = hashlib.sha256(" ".join(words).encode())
    for folder in sorted({os.path.dirname(source) for source in sources} | {"common", "proto"}):
        for entry in sorted(os.listdir(os.path.join(TOP, folder))):
            if entry.endswith((".c", ".h")):
                with open(os.path.join(TOP, folder, entry), "rb") as file:
                    digest.update(file.read())
    path = os.path.join(cache_folder(), "lab", "%s-%s" % (name, digest.hexdigest()[:16]))
    if not os.path.exists(path):
        subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra",
                        "-Wno-unused-parameter", "-Wno-missing-field-initializers", "-I", TOP, "-o", path + ".new"]
                       + [os.path.join(TOP, source) for source in sources] + list(words), check=True)
        os.rename(path + ".new", path)
    return path


class Viewer:
    """kvmfr-probe.c on a file in the virtual PC."""

    def __init__(self, pc, path):
        self.pc = pc
        if pc.run("test -x /opt/lab/kvmfr-probe", check=False).rc:
            pc.put_file(compile_here("kvmfr-probe", PROBE), "/opt/lab/kvmfr-probe")
        self.process = pc.spawn(["/opt/lab/kvmfr-probe", path])

    def ask(self, command, answer=None, seconds=60):
        self.process.skip()
        self.process.write(command + "\n")
        return self.process.line(answer or command, seconds).split()[1:]

    def watch(self, seconds=60):
        self.ask("watch", "watching", seconds)
        return self

    def leave(self):
        self.ask("leave", "left")

    def picture(self):
        """(serial, size, SHA-256, pixels damaged since the last question)"""
        serial, size, digest, damaged = self.ask("hash")
        return int(serial), size, digest, int(damaged)

    def pointer(self):
        """(x, y, visible, size, SHA-256 of the image)"""
        x, y, visible, size, digest = self.ask("pointer")
        return int(x), int(y), visible == "1", size, digest

    def heartbeat(self):
        return int(self.ask("session")[1])

    def shows(self, expected, seconds=60, what="picture in shared memory"):
        """Waits until the picture is that of expected(), a pair of size and hash."""
        return self.pc.wait(lambda: self.picture()[1:3] == tuple(expected()), seconds, what)


class Port:
    """The seat's end of an agent's port (inside/agent_port.py); its lines are in process.lines."""

    def __init__(self, pc, socket="pty"):
        self.pc = pc
        self.process = pc.spawn_script("agent_port.py", socket)
        self.path = self.process.line("pty ", 60).split()[1] if socket == "pty" else socket

    def tell(self, command):
        self.process.skip()
        self.process.write(command + "\n")

    def ask(self, command, answer, seconds=60):
        """The words of the first line that begins with the answer."""
        self.tell(command)
        return self.process.line(answer, seconds).split()[1:]

    def rings(self):
        return [line.split() for line in self.process.lines if line.startswith("ring ")]


# The test guest's first program, with an agent for each card that is not the firmware's display. This file system has
# no udev.
INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
while read -r module options; do
	/bin/busybox insmod "/lib/$module" $options
done < /lib/order
# Nothing that is asked too early is echoed.
exec 3<>/dev/hvc0
/bin/busybox stty raw -echo <&3
# For what a person at the guest would do: a shell on the second console, if there is one.
/bin/busybox sh < /dev/hvc1 > /dev/null 2>&1 &
/bin/busybox uevent /bin/card-event &
for node in /sys/class/drm/card[0-9]; do
	ACTION=add SUBSYSTEM=drm DEVNAME="dri/${node##*/}" /bin/card-event
done
/bin/testcard
/bin/busybox poweroff -f
"""
CARD_EVENT = """#!/bin/busybox sh
case $ACTION:$SUBSYSTEM:$DEVNAME in
add:drm:dri/card*)
	node=${DEVNAME##*/}
	[ "$(/bin/busybox cat "/sys/class/drm/$node/device/boot_vga" /sys/class/drm/$node/device/../boot_vga 2>/dev/null)" != \
		BOOT ] || exit 0
	# As its unit does it, one that fails is started anew.
	until /bin/baton-agent --card "$node" WORDS < /dev/null > /dev/hvc0 2>&1 || [ ! -e "/dev/dri/$node" ]; do
		/bin/busybox sleep 1
	done &
	;;
esac
"""


# QEMU's arguments for the shell.
SHELL_ARGS = "-chardev socket,id=shell,path=%s,server=on,wait=off -device virtconsole,chardev=shell"


class Shell:
    """The shell in a guest. Nothing that it says is read: what it does is seen."""

    def __init__(self, pc, path):
        self.stream = pc.channel.connect(path)

    def run(self, line):
        self.stream.write(line + "\n")


def cpio(files):
    """An archive of (path, mode, bytes) as the kernel's initramfs knows it."""
    archive = b""
    for path, mode, data in list(files) + [("TRAILER!!!", 0, b"")]:
        name = path.encode() + b"\0"
        fields = [0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        archive += head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
    return archive


def agent_archive(words="", boot_card=False, base=None):
    """
    A file system of the test guest (or the one in the file `base`) with an agent. boot_card: the agent is for the
    firmware's display, and not for the other cards.
    """
    # Without the module by which a card copies its screen: the guest has no graphics libraries.
    sources = [os.path.relpath(path, TOP) for path in sorted(glob.glob(os.path.join(TOP, "agent/*.c")))
               if os.path.basename(path) != "gl_copy.c"]
    flags = subprocess.run(["pkg-config", "--cflags", "libdrm"], stdout=subprocess.PIPE, check=True).stdout.decode().split()
    agent = compile_here("baton-agent", sources + ["common/log.c"],
                         flags + ['-DBATON_VERSION="lab"', "-static", "-ldrm"])
    with open(agent, "rb") as file:
        program = file.read()
    event = CARD_EVENT.replace("BOOT", "0" if boot_card else "1").replace("WORDS", words)
    extra = cpio([("init", 0o100755, INIT.encode()), ("bin/baton-agent", 0o100755, program),
                  ("bin/card-event", 0o100755, event.encode())])
    with open(base or guest_files()[1], "rb") as file:
        data = file.read()
    # The kernel unpacks one archive after the other; a plain one begins at a multiple of four.
    return data + bytes(-len(data) % 4) + extra + bytes(-len(extra) % 4)


def agent_initrd(pc, words="", boot_card=False, kernel="stable"):
    """Puts agent_archive() into the virtual PC, with the modules of that kernel; its path there."""
    modules = put_kernel(pc, kernel, cpio)[1]
    path = "%s/agent-%s.cpio" % (GUESTS, kernel)
    pc.channel.put(path, agent_archive(words, boot_card) + modules)
    return path


def start_agent_guest(pc, name, memory, initrd, cards=(), flip=1, fps=5, kernel="stable"):
    """A test guest with shared memory (a file in the virtual PC) and a port: its Testcard and the port's socket."""
    socket = "/run/lab-%s/agent" % name
    pc.run("rm -f " + memory)
    extra = [word for card in cards for word in ("-device", card)]
    extra += ["-object", "memory-backend-file,id=shared,share=on,size=16M,mem-path=" + memory,
              "-device", "ivshmem-plain,memdev=shared", "-initrd", initrd,
              "-kernel", put_kernel(pc, kernel, cpio)[0],
              "-chardev", "socket,id=agent,path=%s,server=on,wait=off" % socket,
              "-device", "virtserialport,chardev=agent,name=org.baton.agent"]
    return start_guest(pc, name, fps=fps, flip=flip, extra=extra), socket


def agent_counts(process):
    """What baton-agent --counts said at its end: {"looks": 12, …}."""
    words = process.line(lambda line: "looks " in line, 60).partition("looks ")[2]
    return {name.strip(): int(number) for name, _, number in
            (pair.strip().rpartition(" ") for pair in ("looks " + words).split(","))}
