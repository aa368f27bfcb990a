"""What the lab says when the virtual PC itself breaks; run by name only: it ends with status 3."""
from harness import test


@test(long=None)
def test_panic(pc):
    """A panic is a lab failure, whatever the test asserted."""
    pc.channel.send({"do": "run", "argv": ["sh", "-c", "echo c > /proc/sysrq-trigger"], "seconds": 5})
    pc.wait(lambda: False, 20, "what never comes")


@test(long=None)
def test_hang(pc):
    """A PC that does not answer is a lab failure."""
    pc.qmp.command("stop")
    pc.wait(lambda: False, 2, "what never comes")


@test(long=None)
def test_cpu(pc):
    """A CPU that serves nobody is a lab failure, whatever the other one answers."""
    # Neither RT throttling nor the fair server leaves others a share.
    pc.run("mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug; "
           "echo -1 > /proc/sys/kernel/sched_rt_runtime_us; "
           "echo 0 > /sys/kernel/debug/sched/fair_server/cpu1/runtime")
    pc.spawn(["chrt", "-f", "99", "sh", "-c", "while :; do :; done"], cpus="1")
    pc.wait(lambda: False, 2, "what never comes")
