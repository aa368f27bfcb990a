"""In the virtual PC: what a handoff changes and must put back. Each line of input is answered with JSON.

"drivers ADDRESS…": for each PCI function its driver ("": none), or null when it is not on the bus; never waits.
"functions ADDRESS…": also its override, power, IOMMU group, and nodes in /dev with their modes and owners; the
kernel lets this wait as long as it is busy with the function. "all ADDRESS…": an object with
    functions   the same
    processes   how many of each program run (no threads of the kernel, nothing of the lab)
    baton       for each process whose program is of baton or QEMU: its descriptors by kind, how many of
                each, and its limit of locked memory
    vfio        the nodes of IOMMU groups
"""
import collections
import glob
import json
import os
import re
import sys

PROGRAMS = re.compile(r"baton|qemu-system")
LAB = re.compile(r"/opt/lab/|^sh -c|/sys/firmware/qemu_fw_cfg/|^\(udev-worker\)")


def read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def base(path):
    try:
        return os.path.basename(os.readlink(path))
    except OSError:
        return ""


def node(path):
    try:
        status = os.stat(path)
    except OSError:
        return None
    acl = os.listxattr(path)
    return "%o %d:%d%s" % (status.st_mode & 0o7777, status.st_uid, status.st_gid, " +" if acl else "")


def nodes(folder):
    """The numbers of minors may be others after a return; who may open them not."""
    found = collections.Counter()
    for pattern in ("drm/*/uevent", "sound/*/*/uevent", "graphics/*/uevent", "i2c-*/i2c-dev/*/uevent"):
        for path in glob.glob(os.path.join(folder, pattern)) + glob.glob(os.path.join(folder, "virtio*", pattern)):
            name = re.search(r"^DEVNAME=(.*)$", read(path), re.M)
            if name:
                found["%s %s" % (re.sub(r"\d+", "#", name.group(1)), node("/dev/" + name.group(1)))] += 1
    return dict(found)


def function(address):
    folder = "/sys/bus/pci/devices/" + address
    if not os.path.isdir(folder):
        return None
    override = read(folder + "/driver_override")
    return {"driver": base(folder + "/driver"), "group": base(folder + "/iommu_group"),
            "override": "" if override == "(null)" else override,
            "power": read(folder + "/power/control"), "d3cold": read(folder + "/d3cold_allowed"),
            "nodes": nodes(folder)}


def descriptors(pid):
    kinds = collections.Counter()
    for fd in glob.glob("/proc/%s/fd/*" % pid):
        try:
            target = os.readlink(fd)
        except OSError:
            continue
        kinds[target if target.startswith("/dev/vfio/") else re.sub(r"\d+", "#", target)] += 1
    # QEMU opens it with the first VFIO device and keeps it to its end.
    kinds.pop("anon_inode:kvm-vfio", None)
    return dict(kinds)


def everything(addresses):
    processes, baton = collections.Counter(), {}
    for folder in glob.glob("/proc/[0-9]*"):
        pid = os.path.basename(folder)
        command = read(folder + "/cmdline").replace("\0", " ").strip()
        name = read(folder + "/comm")
        if not command or LAB.search(command) or LAB.search(name) or int(pid) == os.getpid():
            continue
        processes[name] += 1
        if PROGRAMS.search(name):
            limit = re.search(r"Max locked memory +(\S+) +(\S+)", read(folder + "/limits"))
            baton[pid] = {"name": name, "descriptors": descriptors(pid), "memlock": limit and limit.groups()}
    return {"functions": functions(addresses), "processes": dict(processes), "baton": baton,
            "vfio": sorted("%s %s" % (os.path.basename(p), node(p)) for p in glob.glob("/dev/vfio/*"))}


def drivers(addresses):
    folders = {address: "/sys/bus/pci/devices/" + address for address in addresses}
    return {address: base(folder + "/driver") if os.path.isdir(folder) else None
            for address, folder in folders.items()}


def functions(addresses):
    return {address: function(address) for address in addresses}


for line in sys.stdin:
    verb, *words = line.split()
    print(json.dumps({"all": everything, "functions": functions, "drivers": drivers}[verb](words)), flush=True)
