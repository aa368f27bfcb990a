"""What all other lab tests take for granted about the virtual PC, each as a test of its own."""
import os
import statistics
import subprocess
import time

from harness import Skip, test
from inputs import Pacer, QCODES
from lab import cache_folder
from testcard import guest_append, start_guest


def evdev_reader(pc):
    stream = pc.spawn_script("evdev_reader.py")
    stream.line("reading", 30)
    return stream


def planes(pc):
    """The types of the card's planes: 1 primary, 2 cursor."""
    return sorted(pc.spawn_script("kms.py", "planes").line("planes", 30).split()[1:])


@test()
def test_boots_from_nothing(pc):
    """The PC is up, with systemd, the seat daemon and two CPUs, and keeps the right time."""
    assert pc.run("systemctl is-active seatd lab.target").out.split() == ["active"] * 2
    assert pc.run("nproc").out.strip() == "2"
    assert abs(float(pc.run("date +%s.%N").out) - time.time()) < 30
    assert pc.run("uname -r").out.startswith("6.12")
    # The root file system takes writes, and the image behind it none.
    pc.run("echo x > /root/x && test $(cat /root/x) = x && ! touch /disk/x 2>/dev/null")


@test(kernel="new")
def test_new_kernel(pc):
    assert pc.run("uname -r").out.startswith("7.")


@test()
def test_kms_card(pc):
    """The host's card does atomic KMS with a cursor plane; the seat's user gets it through seatd alone."""
    info = pc.run("drm_info /dev/dri/card0").out
    assert "virtio_gpu" in info and "DRM_CLIENT_CAP_ATOMIC supported" in info
    assert planes(pc) == ["1", "2"]
    assert "video" in pc.run("stat -c %G /run/seatd.sock").out
    assert "input" not in pc.run("id -nG seat").out.split()


@test(kernel="new", card="bochs")
def test_card_without_cursor(pc):
    info = pc.run("drm_info /dev/dri/card0").out
    assert "bochs-drm" in info and "DRM_CLIENT_CAP_ATOMIC supported" in info
    assert planes(pc) == ["1"]


@test()
def test_input_devices(pc):
    """Each event goes to the device that is meant, and arrives once."""
    stream = evdev_reader(pc)
    assert {"Keyboard", "Mouse", "Tablet"} <= set(stream.lines[0].split()[1:])
    pc.inputs.key(30, True)
    stream.line("Keyboard 1 30 1", 10)
    pc.inputs.key(30, False)
    stream.line("Keyboard 1 30 0", 10)
    pc.inputs.move(5, -3)
    stream.line("Mouse 2 0 5", 10)
    stream.line("Mouse 2 1 -3", 10)
    pc.inputs.place(16384, 8192)
    stream.line("Tablet 3 0 16384", 10)
    stream.line("Tablet 3 1 8192", 10)
    for tablet, name in ((False, "Mouse"), (True, "Tablet")):
        for code in (0x110, 0x111, 0x112):
            for down in (1, 0):
                pc.inputs.button(code, down, tablet)
                stream.line("%s 1 %d %d" % (name, code, down), 10)
    pc.inputs.button(0x113, True)
    stream.line("Mouse 1 275 1", 10)
    # Clicks that the guest has not fetched yet are added up by the emulated mouse.
    pc.inputs.wheel(2)
    turned = 0
    while turned < 2:
        turned += int(stream.line("Mouse 2 8 ", 10).split()[3])
    assert turned == 2


@test(random=True)
def test_keys_paced(pc):
    """Keys sent at the pace of the slowest queue all arrive, in order; prints that rate."""
    stream = evdev_reader(pc)
    stream.skip()
    codes = [code for code in QCODES if code not in (58, 69, 70)]
    sent = []

    def arrived():
        return sum(1 for line in stream.lines if line.startswith("Keyboard 1 "))
    pacer = Pacer(pc.loop, arrived)
    for _ in range(150):
        code = pc.random.choice(codes)
        for down in (1, 0):
            pacer.step(lambda c=code, d=down: pc.inputs.key(c, d))
            sent.append("Keyboard 1 %d %d" % (code, down))
    pacer.finish()
    got = [line for line in stream.lines if line.startswith("Keyboard 1 ") and not line.endswith(" 2")]
    assert got == sent, "first difference at %d" % next(
        i for i, pair in enumerate(zip(got, sent)) if pair[0] != pair[1])
    print("     platform.keys_paced: %.0f events/s" % pacer.rate())


def runs_under_kvm(accel="kvm"):
    """Whether the test guest starts on this machine itself. Its firmware says nothing: a KVM that only
    emulates may run that, and then no kernel."""
    guests = os.path.join(cache_folder(), "guests")
    command = ["timeout", "120", "qemu-system-x86_64", "-accel", accel, "-m", "256", "-nodefaults",
               "-no-user-config", "-no-reboot", "-display", "none", "-device", "virtio-vga",
               "-kernel", guests + "/vmlinuz", "-initrd", guests + "/testcard.cpio.zst",
               "-append", guest_append("one"), "-device", "virtio-serial-pci",
               "-chardev", "stdio,id=said", "-device", "virtconsole,chardev=said"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as qemu:
        ready = any(line.startswith("ready") for line in qemu.stdout)
        qemu.terminate()
    return ready


@test()
def test_kvm_probe(pc):
    """The probe calls KVM usable where it runs guests, and on this machine only if it does so here."""
    if not pc.build:
        raise Skip("no build folder was given")
    local = os.path.join(pc.build, "tools/kvm-probe")
    path = "/opt/lab/kvm-probe"
    pc.put_file(local, path)

    def probe(**options):
        # On the CPU of the nested guests, as all that runs them.
        done = pc.channel.run(["taskset", "-c", "1", path], check=False, **options)
        return done.rc, done.out
    assert probe() == (0, "KVM is usable\n")
    assert probe(user="seat") == (0, "KVM is usable\n")
    rc, said = probe(user="nobody")
    assert rc == 1 and "no permission" in said, said
    pc.run("modprobe -r kvm_amd")
    rc, said = probe()
    assert rc == 1 and "does not exist" in said, said
    pc.run("modprobe kvm_amd")
    assert probe() == (0, "KVM is usable\n")
    here = subprocess.run([local], stdout=subprocess.PIPE, check=False, text=True)
    print("     platform.kvm_probe: on this machine: %s" % here.stdout.strip())
    if here.returncode == 0:
        assert runs_under_kvm(), "the probe calls a KVM usable under which QEMU runs nothing"


@test()
def test_nested_guest(pc):
    """A test guest runs on nested KVM, on one CPU only, draws, and stops when told."""
    guest = start_guest(pc, "one").ready()
    pid = pc.run("pgrep -f -- '-name one'").out.split()[0]
    lines = pc.run("grep -h Cpus_allowed_list /proc/%s/task/*/status" % pid).out.splitlines()
    assert len(lines) > 1 and all(line.split()[1] == "1" for line in lines), lines
    first = guest.count()
    pc.wait(lambda: guest.count() > first + 5, 30, "frames of the guest")
    frame, size, digest = guest.stop()
    assert guest.hash() == (frame, size, digest)
    guest.go()
    pc.wait(lambda: guest.count() > frame, 30, "frames after the stop")


@test()
def test_three_nested_guests(pc):
    guests = [start_guest(pc, name) for name in ("one", "two", "three")]
    for guest in guests:
        guest.ready()
    counts = [guest.count() for guest in guests]
    for guest, count in zip(guests, counts):
        pc.wait(lambda g=guest, c=count: g.count() > c + 20, 60, "20 frames of each guest")


@test(kernel="new")
def test_vertical_blank(pc):
    """Kernel 7.3 completes page flips at the mode's rate; 6.12 at once, so pacing is proved on 7.3."""
    stream = pc.spawn_script("kms.py", "flips")
    rate = int(stream.line("mode", 30).split()[3])
    pc.wait(lambda: stream.ended, 60, "60 page flips")
    times = [int(line) for line in stream.lines[1:] if line.isdigit()]
    assert len(times) == 60, stream.lines[-3:]
    median = statistics.median(times[1:])
    assert 0.8e6 / rate < median < 1.6e6 / rate, "%d us at %d Hz" % (median, rate)


@test()
def test_iommu_groups(pc):
    groups = pc.run("ls /sys/kernel/iommu_groups").out.split()
    assert len(groups) > 3, groups


@test()
def test_monitor(pc):
    """The monitor shows the hardware cursor and where it is, and can be unplugged and plugged."""
    monitor = pc.monitor()
    script = pc.spawn_script("kms.py", "cursor")
    script.line("shown", 30)
    pc.wait(lambda: monitor.cursor_visible() and monitor.cursor_at == (100, 50), 30, "cursor")
    script.write("move\n")
    pc.wait(lambda: monitor.cursor_at == (200, 150), 30, "motion of the cursor")
    script.kill()
    status = "cat /sys/class/drm/card0-Virtual-1/status"
    monitor.unplug()
    pc.wait(lambda: pc.run(status).out.strip() == "disconnected", 30, "unplugged monitor")
    monitor.resize(1280, 800)
    pc.wait(lambda: pc.run(status).out.strip() == "connected", 30, "plugged monitor")


@test(kernel="new", card="bochs")
def test_monitor_without_cursor(pc):
    """A card without cursor plane shows none to the monitor, and the monitor sees its updates."""
    monitor = pc.monitor()
    pc.run("head -c 1000000 /dev/urandom > /dev/fb0")
    pc.wait(lambda: monitor.updates() > 0, 30, "update of the screen")
    assert not monitor.cursor_visible()


@test()
def test_weston(pc):
    """The peer of the benchmarks starts as the seat's user on the card and fills the screen."""
    pc.run("mkdir -p -m 700 /run/user/1000 && chown seat: /run/user/1000")
    weston = pc.spawn(["weston", "--backend=drm", "--renderer=pixman", "--idle-time=0"], user="seat",
                      env={"XDG_RUNTIME_DIR": "/run/user/1000", "LIBSEAT_BACKEND": "seatd"})
    weston.line(lambda line: "Output 'Virtual-1' enabled" in line, 60, "output of weston")


@test()
def test_screen(pc):
    """The screendump has the pixels that are in the card: a colour written to the frame buffer."""
    pc.run("python3 -c \"f=open('/dev/fb0','wb'); f.write(bytes([0x30,0x20,0x10,0])*1280*800)\"")
    pc.wait(lambda: pc.screen().pixel(640, 400) == 0x102030, 20, "colour on the screen")
    picture = pc.screen()
    assert picture.size == "1280x800"
    path = pc.save(picture, "frame-buffer")
    assert type(picture).load(path).difference(picture) is None
