// SPDX-License-Identifier: MIT
/*
 * Flow control towards one guest, by a clock in the hand: the window, dropping after two seconds,
 * and what the guest gets when it answers again; then random walks against a guest that answers,
 * stops, loses calls and comes back, with a printed seed.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "input/sink_flow.h"

#define KEY 0x1e

struct world {
	struct sink_flow flow;
	struct input_sink_stats stats;
	uint64_t now_ns, fed;

	/* Calls in the order in which they were sent; the guest reads and answers from the front.
	 */
	struct {
		int number;
		bool probe;
		struct guest_call call;
	} sent[SINK_FLOW_WINDOW];
	size_t n_sent;
	bool down[GUEST_NUMBERS]; /* as the guest has read */
	unsigned int presses, releases;
};

static void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	sink_flow_init(&w->flow, &w->stats);
	w->now_ns = 1000 * NSEC_PER_SEC;
	sink_flow_up(&w->flow);
}

static void note_sent(struct world *w, int number, const struct guest_call *call)
{
	assert_true(w->n_sent < SINK_FLOW_WINDOW);
	w->sent[w->n_sent].number = number;
	w->sent[w->n_sent].probe = !call;
	if (call) {
		w->sent[w->n_sent].call = *call;
	}
	w->n_sent++;
}

/* What the caller does after each event. */
static void pump(struct world *w)
{
	struct guest_call call;
	int number;

	while ((number = sink_flow_take(&w->flow, w->now_ns, &call)) >= 0) {
		note_sent(w, number, &call);
	}
}

static void advance(struct world *w, uint64_t ns)
{
	w->now_ns += ns;
	if (w->now_ns >= sink_flow_deadline(&w->flow)) {
		sink_flow_elapsed(&w->flow, w->now_ns);
		pump(w);
	}
}

static void key(struct world *w, unsigned int number, bool pressed)
{
	struct event_queue *queue = sink_flow_open(&w->flow);
	int probe;

	w->fed++;
	if (queue) {
		event_queue_key(queue, number, pressed, w->now_ns);
		pump(w);
		return;
	}
	probe = sink_flow_probe(&w->flow, w->now_ns);
	if (probe >= 0) {
		note_sent(w, probe, NULL);
	}
}

/* The guest reads its oldest call and answers, or the call is lost instead. */
static void end_call(struct world *w, bool answered)
{
	int number = w->sent[0].number;
	struct guest_call call = w->sent[0].call;
	bool probe = w->sent[0].probe;

	memmove(&w->sent[0], &w->sent[1], sizeof(w->sent[0]) * --w->n_sent);
	/* A call that timed out is read all the same, when the guest comes back. */
	if (!probe && call.type <= GUEST_CALL_RELEASE) {
		w->down[call.number] = call.type == GUEST_CALL_PRESS;
		*(call.type == GUEST_CALL_PRESS ? &w->presses : &w->releases) += 1;
	}
	if (answered) {
		sink_flow_answered(&w->flow, number, w->now_ns);
	} else {
		sink_flow_lost(&w->flow, number);
	}
	pump(w);
}

static void answer_all(struct world *w)
{
	for (;;) {
		while (w->n_sent > 0) {
			end_call(w, true);
		}
		if (sink_flow_deadline(&w->flow) == UINT64_MAX) {
			return;
		}
		advance(w, sink_flow_deadline(&w->flow) - w->now_ns);
	}
}

static unsigned int count_down(const struct world *w)
{
	unsigned int n = 0;

	for (size_t i = 0; i < GUEST_NUMBERS; i++) {
		n += w->down[i];
	}
	return n;
}

static void test_window(void **state)
{
	struct world w;

	world_init(&w);
	for (unsigned int i = 0; i < 6; i++) {
		key(&w, KEY + i, true);
	}
	assert_int_equal(w.n_sent, SINK_FLOW_WINDOW);
	end_call(&w, true);
	assert_int_equal(w.n_sent, SINK_FLOW_WINDOW);
	assert_int_equal(w.flow.queue.n, 1);
	answer_all(&w);
	assert_int_equal(count_down(&w), 6);
	assert_int_equal(w.stats.sent, 6);
	/* Idle: nobody wants to be called. */
	assert_true(sink_flow_deadline(&w.flow) == UINT64_MAX);
}

static void test_dropping_and_back(void **state)
{
	struct world w;

	world_init(&w);
	key(&w, KEY, true);
	key(&w, KEY, false);
	key(&w, KEY + 1, true);
	key(&w, KEY + 2, true);
	for (unsigned int i = 0; i < 20; i++) {
		key(&w, KEY + 3, i % 2 == 0);
	}
	assert_int_equal(w.flow.queue.n, 20);
	assert_true(SINK_FLOW_HUNG_NS == 2 * NSEC_PER_SEC);
	advance(&w, SINK_FLOW_HUNG_NS - 1);
	assert_int_equal(w.flow.state, SINK_FLOW_FLOWING);
	advance(&w, 1);
	assert_int_equal(w.flow.state, SINK_FLOW_DROPPING);
	assert_int_equal(w.flow.queue.n, 0);
	assert_int_equal(w.stats.dropped, 20);
	assert_true(sink_flow_deadline(&w.flow) == UINT64_MAX);
	for (unsigned int i = 0; i < 1000; i++) {
		key(&w, KEY + 4, i % 2 == 0);
	}
	assert_int_equal(w.stats.dropped, 1020);
	assert_int_equal(w.n_sent, SINK_FLOW_WINDOW);
	answer_all(&w);
	assert_int_equal(w.flow.state, SINK_FLOW_FLOWING);
	/* Only what was in the window arrived, and both held keys were lifted. */
	assert_int_equal(w.presses, 3);
	assert_int_equal(w.releases, 3);
	assert_int_equal(count_down(&w), 0);
	key(&w, KEY + 1, false); /* the hand lets go at last: nothing to tell */
	assert_int_equal(w.n_sent, 0);
	key(&w, KEY + 1, true);
	answer_all(&w);
	assert_true(w.down[KEY + 1]);
}

/* After the first answer the other old calls have a new term. */
static void test_back_for_good(void **state)
{
	struct world w;

	world_init(&w);
	for (unsigned int i = 0; i < 4; i++) {
		key(&w, KEY + i, true);
	}
	advance(&w, 60 * NSEC_PER_SEC);
	assert_int_equal(w.flow.state, SINK_FLOW_DROPPING);
	end_call(&w, true);
	assert_int_equal(w.flow.state, SINK_FLOW_FLOWING);
	advance(&w, NSEC_PER_MSEC);
	assert_int_equal(w.flow.state, SINK_FLOW_FLOWING);
	advance(&w, SINK_FLOW_HUNG_NS);
	assert_int_equal(w.flow.state, SINK_FLOW_DROPPING);
	answer_all(&w);
	assert_int_equal(count_down(&w), 0);
}

static void test_probe(void **state)
{
	struct world w;

	world_init(&w);
	key(&w, KEY, true);
	end_call(&w, false);
	assert_int_equal(w.flow.state, SINK_FLOW_DROPPING);
	key(&w, KEY + 1, true);
	assert_int_equal(w.n_sent, 1);
	assert_true(w.sent[0].probe);
	for (int i = 0; i < 1000; i++) { /* one question at a time */
		key(&w, KEY + 1, false);
		advance(&w, NSEC_PER_SEC);
	}
	assert_int_equal(w.n_sent, 1);
	answer_all(&w);
	assert_int_equal(w.flow.state, SINK_FLOW_FLOWING);
	assert_int_equal(count_down(&w), 0);
	assert_int_equal(w.presses, 1);
}

/* A question that cannot be sent is not repeated with every event of a fast mouse. */
static void test_probe_rate(void **state)
{
	unsigned int probes = 0;
	struct world w;

	world_init(&w);
	key(&w, KEY, true);
	end_call(&w, false);
	for (int i = 0; i < 8000; i++) {
		int number = sink_flow_probe(&w.flow, w.now_ns);

		if (number >= 0) {
			probes++;
			sink_flow_lost(&w.flow, number);
		}
		w.now_ns += NSEC_PER_SEC / 8000;
	}
	assert_in_range(probes, 2, 3);
	w.now_ns += SINK_FLOW_PROBE_NS;
	sink_flow_lost(&w.flow, sink_flow_probe(&w.flow, w.now_ns));
	assert_true(sink_flow_probe(&w.flow, w.now_ns) < 0);
	sink_flow_hint(&w.flow);
	assert_true(sink_flow_probe(&w.flow, w.now_ns) >= 0);
}

static void test_connection(void **state)
{
	struct world w;

	world_init(&w);
	key(&w, KEY, true);
	end_call(&w, true);
	key(&w, KEY + 1, true);
	sink_flow_down(&w.flow);
	w.n_sent = 0;
	key(&w, KEY + 2, true);
	assert_int_equal(w.stats.dropped, 1);
	assert_int_equal(w.n_sent, 0);
	assert_true(sink_flow_deadline(&w.flow) == UINT64_MAX);
	advance(&w, 10 * NSEC_PER_SEC);
	assert_int_equal(w.flow.state, SINK_FLOW_DOWN);
	/* It may be the same QEMU: what it saw pressed is released. */
	sink_flow_up(&w.flow);
	pump(&w);
	answer_all(&w);
	assert_int_equal(w.releases, 2);
	assert_int_equal(count_down(&w), 0);
}

static void walk_step(struct world *w, bool guest_runs)
{
	switch (random() % 4) {
	case 0:
	case 1:
		key(w, KEY + (unsigned int)random() % 5, random() % 2);
		break;
	case 2:
		if (guest_runs && w->n_sent > 0) {
			end_call(w, true);
		} else if (random() % 500 == 0 && w->n_sent > 0) {
			end_call(w, false);
		}
		break;
	default:
		advance(w, (uint64_t)random() % (30 * NSEC_PER_MSEC));
		break;
	}
}

static void test_random_walk(void **state)
{
	const char *given = getenv("SEED");
	unsigned int seed = given ? (unsigned int)atoi(given) : (unsigned int)time(NULL);
	unsigned int drops = 0;
	bool guest_runs = true;
	struct world w;

	print_message("SEED=%u\n", seed);
	srandom(seed);
	world_init(&w);
	for (int i = 0; i < 500000; i++) {
		enum sink_flow_state before = w.flow.state;

		if (random() % 3000 == 0) {
			guest_runs = !guest_runs;
		}
		walk_step(&w, guest_runs);
		drops += before == SINK_FLOW_FLOWING && w.flow.state == SINK_FLOW_DROPPING;
		if (w.flow.state == SINK_FLOW_DROPPING) {
			assert_int_equal(w.flow.queue.n, 0);
		}
	}
	key(&w, KEY, true); /* asks, if nothing else does */
	w.now_ns += NSEC_PER_SEC;
	key(&w, KEY, true);
	answer_all(&w);
	sink_flow_release_all(&w.flow);
	pump(&w);
	answer_all(&w);
	print_message("%u times dropping, %llu of %llu events dropped\n", drops,
		      (unsigned long long)w.stats.dropped, (unsigned long long)w.fed);
	assert_true(drops > 10);
	assert_int_equal(count_down(&w), 0);
	assert_int_equal(w.flow.state, SINK_FLOW_FLOWING);
	assert_true(w.stats.sent + w.stats.coalesced + w.stats.dropped == w.fed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window),        cmocka_unit_test(test_dropping_and_back),
		cmocka_unit_test(test_back_for_good), cmocka_unit_test(test_probe),
		cmocka_unit_test(test_probe_rate),    cmocka_unit_test(test_connection),
		cmocka_unit_test(test_random_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
