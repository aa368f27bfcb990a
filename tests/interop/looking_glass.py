"""The Looking Glass client of Debian sid on an X server without a screen, and what it shows there."""
import os
import signal
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
for name in ("bench", "lab"):
    sys.path.insert(0, os.path.join(HERE, "..", name))

from benchlib import wait_for  # noqa: E402
from picture import Picture  # noqa: E402

DISPLAY = ":7"  # in a /tmp of its own
# The X server writes its number when it can be connected to.
SCRIPT = """
mkfifo /tmp/ready
Xvfb {display} -displayfd 3 -screen 0 {width}x{height}x24 -fbdir /mnt -nolisten tcp -terminate -nocursor 3> /tmp/ready &
read -r number < /tmp/ready
export DISPLAY={display} MESA_SHADER_CACHE_DIR=/mnt/shaders
exec looking-glass-client app:shmFile=/mnt/{memory} app:renderer=EGL spice:enable=no win:size={width}x{height} \
	win:position=0x0 win:borderless=yes win:quickSplash=yes win:alerts=no egl:multisample=no egl:scale=1 \
	input:grabKeyboard=no
"""


def find_root():
    """The folder with the client's file system, or None."""
    found = subprocess.run([os.path.join(HERE, "image"), "--find"], stdout=subprocess.PIPE, check=False)
    return found.stdout.decode().strip() if found.returncode == 0 else None


class LookingGlass:
    """
    It reads the file `memory` in the folder, which has to be in memory itself; its window is as large as its screen.
    Who does not read a picture within a second loses its place, and the client gives up then, which it may on a busy
    machine while its shaders are compiled: restart_if_late().
    """

    def __init__(self, bench, root, folder, memory, width, height):
        self.bench = bench
        self.root = root
        self.folder = folder
        self.log = "looking-glass.log"
        self.script = SCRIPT.format(display=DISPLAY, width=width, height=height, memory=memory)
        self.late = 0
        self.start()

    def start(self):
        self.process = self.bench.spawn([os.path.join(HERE, "enter"), self.root, self.folder, "sh", "-c", self.script],
                                        self.log, start_new_session=True)

    def count_late(self):
        with open(self.bench.path(self.log), errors="replace") as file:
            return file.read().count("LGMP_ERR_QUEUE_TIMEOUT")

    def is_late(self):
        return self.count_late() > self.late

    def restart_if_late(self):
        if self.is_late():
            self.late = self.count_late()
            self.close()
            self.start()

    def client_pid(self):
        """The client's process, once it is there."""
        def find():
            if self.process.poll() is not None:
                raise RuntimeError("the Looking Glass client ended: see " + self.bench.path(self.log))
            with open("/proc/%d/comm" % self.process.pid) as file:
                return self.process.pid if file.read().startswith("looking-glass") else None
        return wait_for(find, 60, "the Looking Glass client")

    def close(self):
        """Ends it and its X server."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def picture(self):
        """What its screen shows, or None: the X server writes into a file of the format XWD."""
        try:
            with open(os.path.join(self.folder, "Xvfb_screen0"), "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return None
        if len(data) < 100:
            return None
        head = struct.unpack(">25I", data[:100])
        width, height, stride, start = head[4], head[5], head[12], head[0] + 12 * head[19]
        if width == 0 or len(data) < start + stride * height:
            return None
        pixels = bytearray(b"".join(data[start + y * stride:start + y * stride + width * 4] for y in range(height)))
        pixels[3::4] = bytes(width * height)
        return Picture(width, height, pixels)
