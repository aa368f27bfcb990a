"""The test guest with another kernel: that of the virtual PC, 7.3, in the place of Debian 12's or 13's own."""
import hashlib
import lzma
import os
import struct
import subprocess

from lab import HERE, cache_folder, image_folder
from testcard import GUESTS, install_guests

MODULES = os.path.join(os.path.dirname(os.path.dirname(HERE)), "tools", "testcard", "modules")


def guest_kernels(pc):
    """Which kernels a test runs its guests with: all in a long run, else one by lot."""
    return ["stable", "new"] if pc.long else [pc.random.choice(["stable", "new"])]


def version_of(path):
    """As the kernel's file tells it: "7.3.4+deb13-amd64"."""
    with open(path, "rb") as file:
        data = file.read(1 << 16)
    start = struct.unpack_from("<H", data, 0x20e)[0] + 0x200
    return data[start:data.index(b" ", start)].decode()


class Disk:
    """Reads files of a disk image with ext4 in it: nothing is mounted."""

    def __init__(self, path):
        self.path = path

    def read(self, name):
        done = subprocess.run(["/sbin/debugfs", "-R", "cat " + name, self.path], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=True)
        assert done.stdout, name
        return done.stdout


def module_key(path):
    return os.path.basename(path).split(".")[0].replace("-", "_")


def modules_wanted():
    """(key, options) in their order."""
    with open(MODULES) as file:
        words = [line.split(None, 1) for line in file if line.strip() and not line.startswith("#")]
    return [(module_key(line[0]), line[1].strip() if len(line) > 1 else "") for line in words]


def modules_order(dependencies):
    """(path, options) of what is to be loaded, each after what it depends on."""
    paths = {module_key(path): path for path in dependencies}
    order = []

    def add(path, options=""):
        if path in [known for known, _ in order]:
            return
        # The last one that is named is needed by all others.
        for needed in reversed(dependencies[path]):
            add(needed)
        order.append((path, options))
    for key, options in modules_wanted():
        if key in paths:  # else it is in the kernel itself
            add(paths[key], options)
    return order


def module_files(disk, version):
    """What goes into the guest's file system: (path, mode, bytes), with /lib/order."""
    root = "/usr/lib/modules/%s/" % version
    dependencies = {}
    for line in disk.read(root + "modules.dep").decode().splitlines():
        path, _, needed = line.partition(":")
        dependencies[path] = needed.split()
    files, names = [], []
    for path, options in modules_order(dependencies):
        data = disk.read(root + path)
        name = module_key(path) + ".ko"
        files.append(("lib/" + name, 0o100644, lzma.decompress(data) if path.endswith(".xz") else data))
        names.append((name + " " + options).strip() + "\n")
    return files + [("lib/order", 0o100644, "".join(names).encode())]


def new_kernel(cpio):
    """(kernel, archive of its modules) on this machine; cpio() makes archives. Made once for an image."""
    image = image_folder()
    kernel = os.path.join(image, "vmlinuz-new")
    with open(MODULES, "rb") as file:
        key = hashlib.sha256(os.path.basename(image).encode() + file.read()).hexdigest()[:16]
    path = os.path.join(cache_folder(), "lab", "modules-" + key)
    if not os.path.exists(path):
        with open(path + ".new", "wb") as file:
            file.write(cpio(module_files(Disk(os.path.join(image, "disk.img")), version_of(kernel))))
        os.rename(path + ".new", path)
    return kernel, path


def put_kernel(pc, which, cpio):
    """The guest's kernel in the virtual PC, and what has to follow the guest's file system (bytes)."""
    install_guests(pc)
    if which == "stable":
        return GUESTS + "/vmlinuz", b""
    kernel, modules = new_kernel(cpio)
    if pc.run("test -e %s/vmlinuz-new" % GUESTS, check=False).rc:
        pc.put_file(kernel, GUESTS + "/vmlinuz-new")
    with open(modules, "rb") as file:
        return GUESTS + "/vmlinuz-new", file.read()
