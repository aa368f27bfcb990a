// SPDX-License-Identifier: MIT
/* Flow control towards one guest; sink_flow.h has the states. */
#include "input/sink_flow.h"

#include <errno.h>
#include <string.h>

void sink_flow_init(struct sink_flow *flow, struct input_sink_stats *stats)
{
	memset(flow, 0, sizeof(*flow));
	event_queue_init(&flow->queue, stats);
}

static void close_calls(struct sink_flow *flow)
{
	memset(flow->calls, 0, sizeof(flow->calls));
}

void sink_flow_up(struct sink_flow *flow)
{
	close_calls(flow);
	flow->state = SINK_FLOW_FLOWING;
	event_queue_lift(&flow->queue);
}

void sink_flow_down(struct sink_flow *flow)
{
	close_calls(flow);
	flow->state = SINK_FLOW_DOWN;
	event_queue_clear(&flow->queue);
}

static void start_dropping(struct sink_flow *flow)
{
	flow->state = SINK_FLOW_DROPPING;
	event_queue_clear(&flow->queue);
}

struct event_queue *sink_flow_open(struct sink_flow *flow)
{
	if (flow->state != SINK_FLOW_FLOWING) {
		flow->queue.stats->dropped++;
		return NULL;
	}
	return &flow->queue;
}

static int find_closed_call(const struct sink_flow *flow)
{
	for (int i = 0; i < SINK_FLOW_WINDOW; i++) {
		if (!flow->calls[i].open) {
			return i;
		}
	}
	return -EAGAIN;
}

static bool has_open_call(const struct sink_flow *flow)
{
	for (int i = 0; i < SINK_FLOW_WINDOW; i++) {
		if (flow->calls[i].open) {
			return true;
		}
	}
	return false;
}

bool sink_flow_busy(const struct sink_flow *flow)
{
	return flow->state == SINK_FLOW_FLOWING &&
	       (has_open_call(flow) || event_queue_due(&flow->queue) != UINT64_MAX);
}

static int open_call(struct sink_flow *flow, int number, uint64_t now_ns)
{
	flow->calls[number].open = true;
	flow->calls[number].sent_ns = now_ns;
	return number;
}

int sink_flow_take(struct sink_flow *flow, uint64_t now_ns, struct guest_call *out)
{
	int number = find_closed_call(flow);

	if (flow->state != SINK_FLOW_FLOWING || number < 0 ||
	    !event_queue_take(&flow->queue, now_ns, out)) {
		return -EAGAIN;
	}
	return open_call(flow, number, now_ns);
}

int sink_flow_probe(struct sink_flow *flow, uint64_t now_ns)
{
	if (flow->state != SINK_FLOW_DROPPING || has_open_call(flow) ||
	    now_ns - flow->probed_ns < SINK_FLOW_PROBE_NS) {
		return -EAGAIN;
	}
	flow->probed_ns = now_ns;
	return open_call(flow, 0, now_ns);
}

void sink_flow_hint(struct sink_flow *flow)
{
	flow->probed_ns = 0;
}

void sink_flow_answered(struct sink_flow *flow, int number, uint64_t now_ns)
{
	flow->calls[number].open = false;
	if (flow->state != SINK_FLOW_DROPPING) {
		return;
	}
	/* The other calls are as old as this one was: they get a new term. */
	for (int i = 0; i < SINK_FLOW_WINDOW; i++) {
		flow->calls[i].sent_ns = now_ns;
	}
	flow->state = SINK_FLOW_FLOWING;
	event_queue_lift(&flow->queue);
}

void sink_flow_lost(struct sink_flow *flow, int number)
{
	flow->calls[number].open = false;
	if (flow->state == SINK_FLOW_FLOWING) {
		start_dropping(flow);
	}
}

void sink_flow_release_all(struct sink_flow *flow)
{
	if (flow->state == SINK_FLOW_FLOWING) {
		event_queue_lift(&flow->queue);
	}
}

static uint64_t hung_ns(const struct sink_flow *flow)
{
	uint64_t oldest = UINT64_MAX;

	for (int i = 0; i < SINK_FLOW_WINDOW; i++) {
		if (flow->calls[i].open && flow->calls[i].sent_ns < oldest) {
			oldest = flow->calls[i].sent_ns;
		}
	}
	return oldest == UINT64_MAX ? oldest : oldest + SINK_FLOW_HUNG_NS;
}

uint64_t sink_flow_deadline(const struct sink_flow *flow)
{
	uint64_t hung, due;

	if (flow->state != SINK_FLOW_FLOWING) {
		return UINT64_MAX;
	}
	hung = hung_ns(flow);
	due = find_closed_call(flow) < 0 ? UINT64_MAX : event_queue_due(&flow->queue);
	return hung < due ? hung : due;
}

void sink_flow_elapsed(struct sink_flow *flow, uint64_t now_ns)
{
	if (flow->state == SINK_FLOW_FLOWING && now_ns >= hung_ns(flow)) {
		start_dropping(flow);
	}
}
