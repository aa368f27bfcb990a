"""batonctl doctor on a real kernel: both cards, those who hold them, and drivers as they are."""
import json
import os

from broker import Broker
from cards import DUO, GPU, bind_host, bind_vfio
from harness import Skip, test
from seat import CONFIG, HOME, PROGRAMS, RUNTIME, USER

BINARIES = ("control/batonctl", "passthrough/doctor/baton-doctor")
FAILED, WARNED = 2, 1


class Doctor:
    """The installed program with a configuration of its own; `found` is what it said last."""

    def __init__(self, pc):
        if not pc.build:
            raise Skip("no build folder was given")
        self.pc = pc
        self.found = []
        self.status = None
        for name in BINARIES:
            pc.put_file(os.path.join(pc.build, name), "%s/%s" % (PROGRAMS, os.path.basename(name)))
        pc.run("install -d -m 700 -o {u} -g {u} {r} && install -d -o {u} -g {u} {h}/.config {c} {c}/guests {c}/cards"
               .format(u=USER, r=RUNTIME, c=CONFIG, h=HOME))
        for card in (GPU, DUO):
            pc.channel.put("%s/cards/%s.ini" % (CONFIG, card.name), card.ini().encode(), user=USER)
        guest = "[vm]\nslot = 1\nmemory = 256\n[cards]\non-request = gpu duo\n"
        pc.channel.put(CONFIG + "/guests/work.ini", guest.encode(), user=USER)

    def run(self, *words, user=USER, **environment):
        environment = dict({"XDG_RUNTIME_DIR": RUNTIME, "HOME": HOME, "LIBSEAT_BACKEND": "seatd",
                            "PATH": "/usr/bin:/bin"}, **environment)
        options = {"user": user} if user else {}
        # It asks KVM: on the CPU of the nested guests, as all that runs them.
        return self.pc.channel.run(["taskset", "-c", "1", PROGRAMS + "/batonctl"] + list(words), 300, check=False,
                                   env=environment, **options)

    def ask(self, *words, **options):
        done = self.run("doctor", "--json", *words, **options)
        assert done.rc in (0, WARNED, FAILED), "%d: %s" % (done.rc, done.err)
        self.found, self.status = json.loads(done.out), done.rc
        worst = {finding["status"] for finding in self.found}
        assert done.rc == (FAILED if "FAIL" in worst else WARNED if "WARN" in worst else 0), (done.rc, worst)
        return self

    def expect(self, status, check, subject, *words):
        finding = next((f for f in self.found if (f["check"], f["subject"]) == (check, subject)), None)
        assert finding, "no finding %s of %s in %s" % (check, subject, self.found)
        said = finding["text"] + finding["remedy"]
        assert finding["status"] == status and all(word in said for word in words), (status, words, finding)
        assert bool(finding["remedy"]) == (status != "PASS"), finding


def hold(pc, node):
    """A process of root that has this node open until it is written to."""
    stream = pc.spawn(["python3", "-c", "held = open(%r, 'rb', 0); print('has it', flush=True); input()" % node])
    stream.line("has it", 60, "a process that has %s open" % node)
    return stream


@test(card="lend")
def test_cards(pc):
    """It sees groups, resets, drivers and holders of both cards as they are, alone and by the broker."""
    doctor = Doctor(pc)
    broker = Broker(pc).install([GPU.slot, DUO.slot]).start()
    doctor.ask()
    with open(os.path.join(pc.out, "doctor.txt"), "w") as file:
        file.write(doctor.run("doctor").out)
    for check in ("cpu-virtualisation", "iommu", "interrupt-remapping", "vfio"):
        doctor.expect("PASS", check, "host")
    doctor.expect("PASS", "functions", GPU.slot, "1 function", "1af4:1050", "virtio-pci")
    doctor.expect("PASS", "functions", DUO.slot, "2 functions", "1234:1111, driver bochs-drm", "driver snd_hda_intel")
    doctor.expect("PASS", "reset", GPU.slot, "by flr")
    doctor.expect("PASS", "reset", DUO.slot, "VFIO hot reset")
    for card in (GPU, DUO):
        group = os.path.basename(pc.run("readlink /sys/bus/pci/devices/%s.0/iommu_group" % card.slot).out.strip())
        doctor.expect("PASS", "group", card.slot, "IOMMU group %s has nothing else" % group)
        doctor.expect("PASS", "drivers", card.slot, "host's drivers")
        doctor.expect("PASS", "screen", card.slot, "2 other graphics cards")
        doctor.expect("PASS", "holders", card.slot, "Nobody has ")
    for check in ("qemu-version", "qemu-modules", "seat", "broker", "allow-list", "isolation"):
        doctor.expect("PASS", check, "seat")
    doctor.expect("PASS", "configuration", "guests", "1 guest, of which 1 may")
    doctor.expect("PASS", "memlock", "guests", "the broker raises")
    assert doctor.status == WARNED, doctor.found
    holders(pc, doctor, broker)
    # It would bring them back.
    broker.stop()
    drivers(pc, doctor)


def holders(pc, doctor, broker):
    """Another user's process on a display and on a sound node."""
    places = ((GPU, "/sys/bus/pci/devices/%s.0/drm/card*" % GPU.slot, "/dev/dri/"),
              (DUO, "/sys/bus/pci/devices/%s.1/sound/card*/controlC*" % DUO.slot, "/dev/snd/"))
    for card, pattern, folder in places:
        node = folder + os.path.basename(pc.run("ls -d " + pattern).out.split()[0])
        stream = hold(pc, node)
        doctor.ask()
        doctor.expect("WARN", "holders", card.slot, "python3 (process %d) has %s open" % (stream.pid, node))
        broker.stop()
        doctor.ask()
        doctor.expect("FAIL", "broker", "seat", "systemctl")
        doctor.expect("WARN", "holders", card.slot, "cannot be seen", "sudo batonctl doctor --config " + CONFIG)
        doctor.ask("--config", CONFIG, user=None)
        doctor.expect("WARN", "holders", card.slot, "python3 (process %d) has %s open" % (stream.pid, node))
        broker.start()
        stream.write("\n")
        stream.exited()
        doctor.ask()
        doctor.expect("PASS", "holders", card.slot, "Nobody has ")


def drivers(pc, doctor):
    """On vfio-pci, and half-way there."""
    bind_vfio(pc, DUO)
    doctor.ask()
    doctor.expect("PASS", "drivers", DUO.slot, "on vfio-pci")
    doctor.expect("PASS", "group", DUO.slot)
    bind_host(pc, DUO)
    sound = DUO.functions()[1]
    pc.run("d=/sys/bus/pci/devices/{f} && echo {f} > $d/driver/unbind && echo vfio-pci > $d/driver_override "
           "&& echo {f} > /sys/bus/pci/drivers_probe".format(f=sound))
    doctor.ask()
    doctor.expect("FAIL", "drivers", DUO.slot, "1 of 2 functions are on vfio-pci")
    bind_host(pc, DUO)
