"""Whether baton's loop stalls while a card is on its way: its turns then, and as long without, in one run.

A turn is what lies between two waits for events. The guests draw, so that there are many; whoever is in front does not
change. Windows with and without a handoff take turns and are equally long.
"""
import time

from benchlib import percentile, say
from handoff_processor import WAITED_MAX, Processor
from handoff_trace import turns

FPS = 10
TURNS_MIN = 1000
TURNS = 4000  # of each kind; of fewer the 99.9th percentile would be the longest one
HANDOFFS_MAX = 60
SHARE = 0.999
RATIO = 1.5


def draw(seat, fps):
    for card in seat.cards.values():
        card.connect()
        card.tell("fps %d" % fps)
        card.count()
        card.disconnect()


def rest(pc, trace, seconds):
    """The turns of so long a time in which nobody asks anything."""
    trace.clear()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pc.loop.turn(deadline - time.monotonic())
    return [seconds for _, seconds in turns(trace.read())]


def windows(side, trace):
    """The turns with and without a handoff, in seconds; a pair in which the virtual PC could not run is left out."""
    with_one, without, left_out = [], [], 0
    processor = Processor(side.pc.process.pid)
    giver, taker = side.guests
    for _ in range(HANDOFFS_MAX):
        trace.clear()
        processor.begin()
        answer = side.move(giver, taker)
        giver, taker = taker, giver
        begin, end = answer["began"], answer["seen"][-1]
        moving = [seconds for ended, seconds in turns(trace.read()) if begin <= ended <= end]
        resting = rest(side.pc, trace, end - begin)
        if processor.waited() > WAITED_MAX:
            left_out += 1
            continue
        with_one += moving
        without += resting
        if min(len(with_one), len(without)) >= TURNS:
            break
    if left_out:
        say("other work took this machine's processors away in %d of the handoffs" % left_out)
    return with_one, without


def stall(results, side, trace):
    side.up()
    draw(side.seat, FPS)
    trace.waits(side.seat.process.pid)
    with_one, without = windows(side, trace)
    draw(side.seat, 1)
    side.down()
    if min(len(with_one), len(without)) < TURNS_MIN:
        say("too few turns of baton's loop were seen: %d and %d" % (len(with_one), len(without)))
        results.add("handoff.stall", None, "ms", len(with_one), None, False)
        return
    say("turns of baton's loop without a handoff: %d, median %.2f ms, longest %.2f ms; with one: %d, %.2f ms, %.2f ms"
        % tuple(figure for times in (without, with_one)
                for figure in (len(times), percentile(times, 0.5) * 1000, max(times) * 1000)))
    middle = [percentile(times, SHARE) * 1000 for times in (with_one, without)]
    results.add("handoff.stall", middle[0], "ms", len(with_one), RATIO * middle[1], middle[0] <= RATIO * middle[1],
                peer="the same run without a handoff", peer_value=middle[1], ratio=middle[0] / middle[1])
