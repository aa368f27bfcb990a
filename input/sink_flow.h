/* SPDX-License-Identifier: MIT */
/*
 * Flow control towards one guest: how many calls may be unanswered, and what happens to events
 * when the guest stops answering. Pure: time is an argument. Its states:
 *
 * DOWN      there is no connection. Events are dropped.
 * FLOWING   events wait in the queue and leave it as calls, at most SINK_FLOW_WINDOW of them
 *           unanswered. -> DROPPING when the oldest has been unanswered for SINK_FLOW_HUNG_NS, or
 *           when a call could not be sent.
 * DROPPING  the queue is empty and stays empty, events are dropped. -> FLOWING at the first
 *           answer, whatever it answers; then the guest gets a release for what it saw pressed,
 *           and nothing of what was typed meanwhile.
 *
 * So a guest that does not answer costs the window of calls in its socket, and no more. When even
 * those calls are lost (a time-out of theirs, a full socket), nothing would tell that the guest is
 * back: sink_flow_probe() then hands out a question, at most every SINK_FLOW_PROBE_NS and only on
 * an event.
 */
#ifndef INPUT_SINK_FLOW_H
#define INPUT_SINK_FLOW_H

#include "input/event_queue.h"

#define SINK_FLOW_WINDOW 4
#define SINK_FLOW_HUNG_NS (2000ull * 1000 * 1000)
#define SINK_FLOW_PROBE_NS (500ull * 1000 * 1000)

enum sink_flow_state { SINK_FLOW_DOWN, SINK_FLOW_FLOWING, SINK_FLOW_DROPPING };

struct sink_flow {
	enum sink_flow_state state;
	struct event_queue queue;
	struct {
		bool open;
		uint64_t sent_ns;
	} calls[SINK_FLOW_WINDOW];
	uint64_t probed_ns;
};

/* Starts in DOWN. stats is where events are counted; not owned. */
void sink_flow_init(struct sink_flow *flow, struct input_sink_stats *stats);

/* The connection came up: what an earlier one saw pressed is released first. */
void sink_flow_up(struct sink_flow *flow);
/* The connection is gone and all calls on it. */
void sink_flow_down(struct sink_flow *flow);

/*
 * The queue, for an event to be added, or NULL after counting the event as dropped. Then
 * sink_flow_take() until it returns a negative number.
 */
struct event_queue *sink_flow_open(struct sink_flow *flow);

/* Takes the next call to be sent. Returns its number, by which it is answered or lost, or
 * -EAGAIN when there is none for now. */
int sink_flow_take(struct sink_flow *flow, uint64_t now_ns, struct guest_call *out);

/* In DROPPING without an open call: the number of a question to be asked, else -EAGAIN. */
int sink_flow_probe(struct sink_flow *flow, uint64_t now_ns);

/* It showed life elsewhere: the next question need not wait. */
void sink_flow_hint(struct sink_flow *flow);

/* The guest answered, be it with an error. */
void sink_flow_answered(struct sink_flow *flow, int number, uint64_t now_ns);
/* There will be no answer: the call timed out, or it could not be sent. */
void sink_flow_lost(struct sink_flow *flow, int number);

/* True while the guest is to get something that it has not answered for. */
bool sink_flow_busy(const struct sink_flow *flow);

/* Drops what waits and releases what the guest saw pressed, now or as soon as it answers. */
void sink_flow_release_all(struct sink_flow *flow);

/* When sink_flow_elapsed() and then sink_flow_take() want to be called, or UINT64_MAX. */
uint64_t sink_flow_deadline(const struct sink_flow *flow);
void sink_flow_elapsed(struct sink_flow *flow, uint64_t now_ns);

#endif
