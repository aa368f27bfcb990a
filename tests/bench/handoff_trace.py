"""What the virtual PC's kernel saw: resets of PCI functions, the turns of baton's loop, and calls inside baton.

Kernel and programs are not changed for it: tracefs has probes on functions of both. Times are those of CLOCK_MONOTONIC,
in seconds.
"""
import collections
import re
import subprocess

TRACING = "/sys/kernel/tracing"
HERE = TRACING + "/instances/bench"
# Every way in which the kernel resets a function. The one argument "probe" asks only whether it could.
RESETS = {
    "flr": "pcie_flr name=dev->dev.kobj.name:string",
    "bus": "pci_bridge_secondary_bus_reset name=dev->dev.kobj.name:string",
}
# What the broker's worker "reset" asks of sysfs: the write, before which the kernel wakes the function up, and its
# configuration space, which is not read before the kernel has put it to sleep again.
KERNEL = {"reset": "dev_attr_store name=kobj->name:string",
          "asleep": "pci_config_pm_runtime_get name=pdev->dev.kobj.name:string"}
# Functions of baton: what it sends to QEMU and hears from it. "%si" and "%dx" are second and third argument.
BATON = {
    "give": "passthrough_give",
    "command": "vm_command what=+0(%si):string",
    "added": "take_added",
    "event": "take_event what=+0(%dx):string",
}
LINE = re.compile(r"^\s*(.+)-(\d+)\s+\[\d+\]\s+\S+\s+([\d.]+): (\w+)(: | -> |\()(.*)$")
WAITS = ("epoll_wait", "epoll_pwait", "epoll_pwait2")

Event = collections.namedtuple("Event", "time comm pid name text")


class Trace:
    def __init__(self, pc):
        self.pc = pc
        pc.run("mountpoint -q {t} || mount -t tracefs nodev {t}; mkdir -p {h}; echo mono > {h}/trace_clock; "
               "echo 16384 > {h}/buffer_size_kb".format(t=TRACING, h=HERE))

    def probe(self, kind, name, what):
        self.pc.run("echo '%s' >> %s/%s_events && echo 1 > %s/events/bench/%s/enable"
                    % (what, TRACING, kind, HERE, name))

    def resets(self):
        for name, what in dict(RESETS, **KERNEL).items():
            self.probe("kprobe", name, "p:bench/%s %s" % (name, what))
            self.probe("kprobe", name + "_end", "r:bench/%s_end %s" % (name, what.split()[0]))

    def baton(self, program, path):
        """program: here, with its symbols; path: the same in the virtual PC."""
        said = subprocess.run(["nm", program], stdout=subprocess.PIPE, check=True).stdout.decode()
        symbols = {words[2]: int(words[0], 16) for words in map(str.split, said.splitlines()) if len(words) == 3}
        for name, what in BATON.items():
            function, _, arguments = what.partition(" ")
            if function not in symbols:
                raise RuntimeError("%s has no function %s: handoff_trace.py names another one" % (program, function))
            self.probe("uprobe", name, "p:bench/%s %s:0x%x %s" % (name, path, symbols[function], arguments))

    def waits(self, pid):
        """Follows when this thread begins to wait for events, and when it goes on."""
        for call in WAITS:
            for side in ("enter", "exit"):
                folder = "%s/events/syscalls/sys_%s_%s" % (HERE, side, call)
                self.pc.run("[ ! -d {f} ] || {{ echo 'common_pid == {p}' > {f}/filter && echo 1 > {f}/enable; }}"
                            .format(f=folder, p=pid))

    def clear(self):
        self.pc.run("echo > %s/trace" % HERE)

    def read(self):
        """Everything since clear(), in its order."""
        events = []
        for line in self.pc.run("cat %s/trace" % HERE, 120).out.splitlines():
            match = LINE.match(line)
            if match:
                comm, pid, time, name, sign, text = match.groups()
                # A system call's begin is told as "sys_NAME(…)", its end as "sys_NAME -> …".
                name += {"(": "_enter", " -> ": "_exit"}.get(sign, "")
                events.append(Event(float(time), comm.strip(), int(pid), name, text))
        return sorted(events, key=lambda event: event.time)


def spans(events, name):
    """(event, seconds) of each call of a function that was probed at its entry and its return."""
    found, begun = [], {}
    for event in events:
        if event.name == name:
            begun[event.pid] = event
        elif event.name == name + "_end" and event.pid in begun:
            first = begun.pop(event.pid)
            found.append((first, event.time - first.time))
    return found


def turns(events):
    """(when it ended, seconds) of each turn of the loop: from the end of a wait to the next wait."""
    found, went_on = [], None
    for event in events:
        if event.name.startswith("sys_") and event.name.endswith("_enter") and went_on is not None:
            found.append((event.time, event.time - went_on))
            went_on = None
        elif event.name.startswith("sys_") and event.name.endswith("_exit"):
            went_on = event.time
    return found
