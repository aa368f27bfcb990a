"""baton may die at any time: guests do not notice, and it finds them again. And QEMU is not baton's."""
import re
import statistics

from harness import test
from seat import HOME, PROGRAMS, RUNTIME, UID, USER, Guest, Seat
from test_seat import THREE
from watch import Watch

KILLS, KILLS_LONG = 4, 20
FPS = 10
# Frames of an undisturbed stretch: about as long as a restart.
STRETCH = 30
# A start of baton, against one of weston in the same run.
SLOWER = 3.0
# The longest pause between two frames, against one while nothing or only weston starts in the same run:
# that shares the processors with the guests too, and cannot make them wait for anything else.
LONGER = 2.0


def front_shows(pc, card):
    """A function that tells whether a picture of the guest that is newer than this call is shown."""
    count = card.count()
    return lambda: count < pc.screen().pixel(0, 0) <= count + 10000


def wait_all(pc, seat):
    """Until baton has all guests' pictures: a start is over then, and disturbs nobody any more."""
    pc.wait(lambda: all(g["live"] and g["width"] for g in seat.list().values()), 60, "all guests")


def pictured(seat):
    """When baton said that it has a guest's picture, by guest, in microseconds."""
    said = re.compile(r"\[ *(\d+)\.(\d{3})\] debug: (\S+): its picture is here")
    found = [said.match(line) for line in seat.process.lines]
    return {m[3]: int(m[1] + m[2]) * 1000 for m in found if m}


def restart(pc, seat, watch):
    """
    Starts baton: seconds from exec to the first page flip, and until all are back: the guest in front on
    the screen, the others' pictures at hand.
    """
    shows = front_shows(pc, seat.cards["one"])
    watch.skip()
    seat.start()
    started = watch.exec_us(seat.process.pid)
    pc.wait(lambda: pictured(seat).keys() >= seat.cards.keys(), 60, "all guests' pictures")
    first = watch.line("flip", 10, started)
    front = first if first >= pictured(seat)["one"] else watch.line("flip", 10, pictured(seat)["one"])
    pc.wait(shows, 60, "the guest in front on the screen")
    seat.wait_control()
    wait_all(pc, seat)
    back = max([front] + list(pictured(seat).values()))
    return (first - started) / 1e6, (back - started) / 1e6


def start_weston(pc, watch):
    """Seconds from the exec of weston to its first page flip."""
    watch.skip()
    weston = pc.spawn(["weston", "--backend=drm", "--renderer=pixman", "--idle-time=0"], user=USER,
                      env={"XDG_RUNTIME_DIR": RUNTIME, "LIBSEAT_BACKEND": "seatd"})
    started = watch.exec_us(weston.pid)
    took = (watch.line("flip", 60, started) - started) / 1e6
    weston.kill()
    weston.exited()
    return took


def longest_ms(seat):
    """The longest pause of any guest since the last question."""
    return max(card.gap_ms() for card in seat.cards.values())


def stretch(pc, seat):
    """The longest pause while nothing happens."""
    longest_ms(seat)
    ends = {card: card.count() + STRETCH for card in seat.cards.values()}
    for card, end in ends.items():
        pc.wait(lambda c=card, e=end: c.count() >= e, 60, "frames of " + card.name)
    return longest_ms(seat)


@test(scene=THREE)
def test_kill_9(pc, seat):
    """No guest pauses, and all are back within three times a start of weston."""
    watch = Watch(pc, ("baton", "weston"))
    seat.switch("one")
    pids = {name: guest["pid"] for name, guest in seat.list().items()}
    for card in seat.cards.values():
        card.tell("fps %d" % FPS)
    seat.options.append("--verbose")
    quiet, restarted, other, first, back, weston = [], [], [], [], [], []
    for _ in range(KILLS_LONG if pc.long else KILLS):
        wait_all(pc, seat)
        quiet.append(stretch(pc, seat))
        seat.kill()
        times = restart(pc, seat, watch)
        restarted.append(longest_ms(seat))
        first.append(times[0])
        back.append(times[1])
        assert seat.focused() == "one"
        seat.kill()
        weston.append(start_weston(pc, watch))
        other.append(longest_ms(seat))
        seat.start().wait_control()
    print("     restart.kill_9: first flip %.2f s, all back %.2f s (at most %.2f), weston %.2f s"
          % (statistics.median(first), statistics.median(back), max(back), statistics.median(weston)))
    print("     restart.kill_9: pauses %s, undisturbed %s, weston %s"
          % tuple("%.0f ms (at most %.0f)" % (statistics.median(gaps), max(gaps))
                  for gaps in (restarted, quiet, other)))
    assert {name: guest["pid"] for name, guest in seat.list().items()} == pids
    most = LONGER * max(statistics.median(quiet), statistics.median(other))
    assert statistics.median(restarted) <= most
    assert statistics.median(back) <= SLOWER * statistics.median(weston)


def session_of(pc, pid):
    return int(pc.run("cut -d' ' -f6 /proc/%d/stat" % pid).out)


def cgroup_of(pc, pid):
    return pc.run("cat /proc/%d/cgroup" % pid).out.strip()


def firmware_seat(pc):
    """A seat whose guest is in its firmware: QEMU's process is what matters, and it is there at once."""
    seat = Seat(pc, [Guest("plain", 1, memory="64")]).install()
    pc.channel.put(HOME + "/.config/baton/guests/plain.ini",
                   b"[vm]\nname = plain\nslot = 1\nmemory = 64\nnet = none\n", user=USER)
    return seat


def wait_qemu(pc, seat):
    """The process of the guest, once it runs."""
    pc.wait(lambda: seat.list()["plain"]["state"] == "running" and seat.list()["plain"]["live"], 120, "guest")
    return seat.guest_pid("plain")


def lives_on(pc, seat, pid, end):
    """After end() of baton the guest's process is there, and the next baton has it again."""
    end()
    seat.process.exited(30)
    pc.run("kill -0 %d" % pid)
    seat.start().wait_control()
    assert wait_qemu(pc, seat) == pid


@test()
def test_outlives(pc):
    """Without a service manager: QEMU has a session of its own and outlives quit, SIGTERM, SIGHUP, SIGKILL."""
    seat = firmware_seat(pc).start().wait_control()
    pid = wait_qemu(pc, seat)
    baton = seat.process.pid
    assert session_of(pc, pid) == pid != session_of(pc, baton)
    for process in (pid, baton):
        owners = pc.run("grep -E '^(Uid|Gid):' /proc/%d/status" % process).out.split()
        assert {owners[1], owners[2], owners[3], owners[4]} == {str(UID)}, owners
    second = pc.channel.run([PROGRAMS + "/baton", "--backend=headless"], 60, check=False, user=USER,
                            env=seat.environment(), cwd=HOME)
    assert second.rc not in (0, None) and "Another baton runs in" in second.err, second.err
    seat.alive()
    lives_on(pc, seat, pid, lambda: seat.control("quit"))
    for number in (15, 1, 9):
        lives_on(pc, seat, pid, lambda n=number: seat.process.kill(n))


@test()
def test_session_ends(pc):
    """With a service manager QEMU is in a scope of its own; the session's end takes baton and not QEMU."""
    pc.run("loginctl enable-linger seat && systemctl start user@%d.service" % UID)
    seat = firmware_seat(pc)
    session = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--uid=%d" % UID,
                          "--unit=baton-session", "-p", "KillMode=control-group"]
    environment = dict(seat.environment(), DBUS_SESSION_BUS_ADDRESS="unix:path=%s/bus" % RUNTIME)
    words = ["--setenv=%s=%s" % pair for pair in sorted(environment.items())]

    def start():
        seat.process = pc.spawn(session + words + ["--working-directory=" + HOME,
                                                              PROGRAMS + "/baton", "--backend=kms"])
        return seat.wait_control()
    start()
    pid = wait_qemu(pc, seat)
    pc.wait(lambda: ".scope" in cgroup_of(pc, pid), 30, "scope of the guest")
    assert "baton-session" not in cgroup_of(pc, pid) and "user@%d" % UID in cgroup_of(pc, pid)
    pc.run("systemctl stop baton-session.service")
    seat.process.exited(30)
    pc.run("kill -0 %d" % pid)
    start()
    assert wait_qemu(pc, seat) == pid
