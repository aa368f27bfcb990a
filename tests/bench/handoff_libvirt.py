"""libvirt in the virtual PC: two guests as like baton's as its XML can say, and virsh that moves a card between them."""
import os

from testcard import GUESTS

FOLDER = "/run/bench"
XML = """<domain type='kvm'>
<name>{name}</name>
<memory unit='MiB'>{memory}</memory>
<vcpu placement='static' cpuset='1'>1</vcpu>
<memoryBacking><source type='memfd'/><access mode='shared'/><allocation mode='immediate'/></memoryBacking>
<os><type arch='x86_64' machine='q35'>hvm</type>
<kernel>{guests}/vmlinuz</kernel><initrd>{guests}/testcard.cpio.zst</initrd><cmdline>{append}</cmdline></os>
<features><acpi/><apic eoi='off'/></features>
<cpu mode='host-passthrough'/>
<clock offset='utc'><timer name='hpet' present='no'/></clock>
<devices>
<emulator>/usr/bin/qemu-system-x86_64</emulator>
<controller type='pci' index='0' model='pcie-root'/>
<controller type='pci' index='1' model='pcie-root-port'/>
<controller type='pci' index='2' model='pcie-root-port'/>
<controller type='pci' index='3' model='pcie-root-port'/>
<controller type='pci' index='4' model='pcie-root-port'/>
<controller type='usb' model='qemu-xhci' ports='15'><address type='pci' bus='0' slot='0x10'/></controller>
<graphics type='dbus' p2p='yes'/>
<video><model type='virtio' primary='yes'/><address type='pci' bus='0' slot='0x01'/></video>
<audio id='1' type='dbus'/>
<sound model='ich6'><codec type='duplex'/><audio id='1'/><address type='pci' bus='0' slot='0x11'/></sound>
<input type='keyboard' bus='virtio'><address type='pci' bus='0' slot='0x12'/></input>
<input type='mouse' bus='virtio'><address type='pci' bus='0' slot='0x13'/></input>
<input type='tablet' bus='virtio'><address type='pci' bus='0' slot='0x14'/></input>
<rng model='virtio'><backend model='random'>/dev/urandom</backend><address type='pci' bus='0' slot='0x15'/></rng>
<panic model='pvpanic'/>
<controller type='virtio-serial'><address type='pci' bus='0' slot='0x16'/></controller>
<console type='unix'><source mode='bind' path='{folder}/{name}.sock'/><log file='{folder}/{name}.log'/>
<target type='virtio'/></console>
<memballoon model='none'/>
</devices>
</domain>
"""
HOSTDEV = ("<hostdev mode='subsystem' type='pci' managed='{managed}'><source>"
           "<address domain='0x{domain}' bus='0x{bus}' slot='0x{device}' function='0x0'/></source></hostdev>\n")
# QEMU as root, as a card's node is root's; its consoles go to files without a daemon of their own.
SETTINGS = """user = "root"
group = "root"
security_driver = "none"
stdio_handler = "file"
"""


def virsh(*words):
    return ["virsh", "--quiet", "--connect", "qemu:///system"] + list(words)


class Libvirt:
    """The daemon and its guests, named otherwise than baton's."""

    def __init__(self, pc, guests, card):
        self.pc = pc
        self.card = card
        self.names = {guest.name: "virt" + guest.name for guest in guests}
        self.guests = guests
        pc.at_failure.append(self.keep)

    def keep(self):
        """What its guests do, for whoever looks into a failure."""
        look = "; ".join("virsh qemu-monitor-command {n} --hmp 'info status'; virsh qemu-monitor-command {n} --hmp "
                         "'info registers' | grep RIP; virsh dumpxml {n} | grep -A3 hostdev; tail -n 5 {f}/{n}.log; "
                         "tail -n 5 /var/log/libvirt/qemu/{n}.log".format(n=name, f=FOLDER)
                         for name in self.names.values())
        told = self.pc.run("journalctl -q -o short-monotonic -u libvirtd | tail -n 30; dmesg | tail -n 30; " + look, 120,
                           check=False)
        with open(os.path.join(self.pc.out, "libvirt.log"), "w") as file:
            file.write(told.out + told.err)

    def log(self, guest):
        return "%s/%s.log" % (FOLDER, self.names[guest])

    def start(self):
        """Starts the guests, one after the other, and waits until each draws."""
        self.pc.channel.put("/etc/libvirt/qemu.conf", SETTINGS.encode())
        domain, bus, device = self.card.slot.split(":")
        for managed in ("yes", "no"):
            self.pc.channel.put("%s/%s.xml" % (FOLDER, managed), HOSTDEV.format(
                managed=managed, domain=domain, bus=bus, device=device).encode())
        self.pc.run("systemctl start libvirtd.service", 120)
        for guest in self.guests:
            name = self.names[guest.name]
            path = "%s/%s.xml" % (FOLDER, name)
            self.pc.channel.put(path, XML.format(name=name, memory=guest.memory, guests=GUESTS, folder=FOLDER,
                                                 append=guest.append).encode())
            self.pc.run(virsh("create", path), 240)
            self.pc.wait(lambda g=guest: self.pc.run("grep -q ^ready %s" % self.log(g.name), check=False).rc == 0, 300,
                         "picture of libvirt's guest " + name)

    def restart(self):
        """So that it forgets a card that was not its to manage: else it does not give it back to the host later."""
        self.pc.run("systemctl restart libvirtd.service", 120)
        for guest in self.names:
            self.has(guest)  # answered when it has found its guests again

    def file(self, managed):
        return "%s/%s.xml" % (FOLDER, managed)

    def move(self, giver, taker, managed):
        """The commands that a person gives."""
        return [self.device(what, guest, managed) for what, guest in (("detach", giver), ("attach", taker))]

    def device(self, what, guest, managed):
        return virsh(what + "-device", self.names[guest], self.file(managed), "--live")

    def has(self, guest):
        return "<hostdev" in self.pc.run(virsh("dumpxml", self.names[guest]), 60).out

    def pids(self):
        return [int(self.pc.run("cat /run/libvirt/qemu/%s.pid" % name).out) for name in self.names.values()]
