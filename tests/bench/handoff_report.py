"""What was measured of handoffs, as lines of results and tables."""
from benchlib import median, median_of_rounds, percentile, say
from handoff_trace import RESETS, spans

RATIO = 0.5
OURS_MS = 50


def all_of(rounds):
    return [one for found in rounds for one in found]


def times_report(results, rounds):
    seconds = {name: [[one.seconds for one in found] for found in sides] for name, sides in rounds.items()}
    middle = {name: median_of_rounds(values) for name, values in seconds.items()}

    def add(name, target, ok, **peer):
        values = [value for found in seconds[name] for value in found]
        results.add("handoff" if name == "baton" else "handoff." + name, middle[name], "s", len(values), target, ok,
                    p95=percentile(values, 0.95), **peer)
    add("managed-yes", None, True)
    add("managed-no", None, True)
    target = RATIO * middle["managed-yes"]
    add("baton", target, middle["baton"] <= target, peer="libvirt managed='yes'", peer_value=middle["managed-yes"],
        ratio=middle["baton"] / middle["managed-yes"])


def resets_report(results, rounds):
    """How often the card's function was reset from one guest to the other, by whom, and how long all of that took."""
    for name, sides in rounds.items():
        counts, whole, who = [], [], {}
        for one in all_of(sides):
            found = [span for way in RESETS for span in spans(one.events, way)]
            counts.append(len(found))
            whole.append(sum(seconds for _, seconds in found))
            for event, seconds in found:
                who.setdefault(event.comm, []).append(seconds)
        say("%s: %g resets of its function a handoff, together %.0f ms: %s" % (
            name, median(counts), median(whole) * 1000, ", ".join("%s %.2f of %.0f ms" % (
                comm, len(values) / len(counts), median(values) * 1000) for comm, values in sorted(who.items()))))
        results.add("handoff.resets." + name, median(counts), "resets of a function", len(counts), None, True,
                    p95=percentile(counts, 0.95))


# What a stage is, where it ends (see marks()), and whose time it is.
STAGES = (
    ("batonctl, until baton has its request", "give", "ours"),
    ("baton and broker, until device_del is sent", "device_del", "ours"),
    ("QEMU and the giving guest, until DEVICE_DELETED", "deleted", "QEMU's"),
    ("baton and broker, until the kernel is asked for a reset", "reset", "ours"),
    ("the kernel's reset, from one sleep of the function to the next", "was reset", "the kernel's"),
    ("broker and baton, until device_add is sent", "device_add", "ours"),
    ("QEMU and the kernel, until device_add is answered", "added", "QEMU's"),
    ("the taking guest, until its driver has made a node", "node", "the guest's"),
)


def marks(one):
    """When each stage of a handoff ended."""
    found = {"node": one.answer["seen"][0]}
    for event in one.events:
        if event.name == "give":
            found.setdefault("give", event.time)
        elif event.name == "command" and '"device_' in event.text:
            found.setdefault(event.text.split('"')[1], event.time)
        elif event.name == "event" and "DEVICE_DELETED" in event.text:
            found.setdefault("deleted", event.time)
        elif event.name == "added":
            found["added"] = event.time
    for event, seconds in spans(one.events, "reset"):
        if event.comm == "reset":
            found.setdefault("reset", event.time)
            found["was reset"] = event.time + seconds
    for event, seconds in spans(one.events, "asleep"):
        if event.comm == "reset" and event.time > found.get("reset", event.time):
            found["was reset"] = event.time + seconds
    return found


def stages_report(results, rounds):
    """Whose time a handoff is: what is neither the kernel's, nor QEMU's, nor the guest's is our own."""
    every = all_of(rounds)
    ours, columns = [], {what: [] for what, _, _ in STAGES}
    for one in every:
        at, last, own = marks(one), one.answer["began"], 0
        for what, mark, whose in STAGES:
            end = at.get(mark, last)  # a handoff without a reset of the broker's has no such stage
            columns[what].append((end - last) * 1000)
            own += end - last if whose == "ours" else 0
            last = end
        ours.append(own * 1000)
    for what, _, whose in STAGES:
        say("%8.1f ms  %-12s %s" % (median(columns[what]), whose, what))
    say("%8.1f ms  in all, %.1f ms of it ours" % (median([one.seconds * 1000 for one in every]), median(ours)))
    results.add("handoff.ours", median(ours), "ms", len(ours), OURS_MS, median(ours) <= OURS_MS,
                p95=percentile(ours, 0.95))
