// SPDX-License-Identifier: MIT
/*
 * The queue towards a guest: order, merging, bounds, age, and that its pace loses nothing in the
 * queues of the devices that QEMU has. A model of those devices drains as slowly as the real ones.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "input/event_queue.h"

#define KEY 0x1e
#define EXTENDED 0xc8

struct world {
	struct event_queue queue;
	struct input_sink_stats stats;
	uint64_t now_ns;

	/* What the guest was told. */
	bool down[GUEST_NUMBERS];
	unsigned int calls, presses, releases;
	int64_t motion_x, motion_y, wheel_v, wheel_h;
};

static void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	event_queue_init(&w->queue, &w->stats);
	w->now_ns = 1000 * NSEC_PER_SEC;
}

static void tell(struct world *w, const struct guest_call *call)
{
	w->calls++;
	if (call->type == GUEST_CALL_MOTION) {
		w->motion_x += call->x;
		w->motion_y += call->y;
	} else if (call->type == GUEST_CALL_PRESS || call->type == GUEST_CALL_RELEASE) {
		bool press = call->type == GUEST_CALL_PRESS;

		assert_int_equal(w->down[call->number], !press);
		w->down[call->number] = press;
		*(press ? &w->presses : &w->releases) += 1;
		w->wheel_v += press && call->number == GUEST_BUTTON(4);
		w->wheel_v -= press && call->number == GUEST_BUTTON(3);
		w->wheel_h += press && call->number == GUEST_BUTTON(8);
		w->wheel_h -= press && call->number == GUEST_BUTTON(7);
	}
}

static bool take(struct world *w)
{
	struct guest_call call;

	if (!event_queue_take(&w->queue, w->now_ns, &call)) {
		return false;
	}
	tell(w, &call);
	return true;
}

/* Takes everything, moving the clock to when it is due. */
static void drain(struct world *w)
{
	for (;;) {
		uint64_t due;

		while (take(w)) {
		}
		due = event_queue_due(&w->queue);
		if (due == UINT64_MAX) {
			return;
		}
		assert_true(due > w->now_ns);
		w->now_ns = due;
	}
}

static void key(struct world *w, unsigned int number, bool pressed)
{
	event_queue_key(&w->queue, number, pressed, w->now_ns);
}

/* ---- order and merging ---- */

static void test_order(void **state)
{
	struct guest_call call;
	struct world w;

	world_init(&w);
	event_queue_position(&w.queue, 1, 1, w.now_ns);
	event_queue_position(&w.queue, 5, 6, w.now_ns);
	key(&w, GUEST_BUTTON(0), true);
	event_queue_position(&w.queue, 2, 2, w.now_ns);
	event_queue_position(&w.queue, 7, 8, w.now_ns);
	key(&w, GUEST_BUTTON(0), false);
	assert_true(event_queue_take(&w.queue, w.now_ns, &call));
	assert_true(call.type == GUEST_CALL_POSITION && call.x == 5 && call.y == 6);
	assert_true(event_queue_take(&w.queue, w.now_ns, &call));
	assert_true(call.type == GUEST_CALL_PRESS && call.number == GUEST_BUTTON(0));
	/* A button waits behind the motion, so the motion does not wait for its interval. */
	assert_true(event_queue_take(&w.queue, w.now_ns, &call));
	assert_true(call.type == GUEST_CALL_POSITION && call.x == 7 && call.y == 8);
	assert_true(event_queue_take(&w.queue, w.now_ns, &call));
	assert_true(call.type == GUEST_CALL_RELEASE && call.number == GUEST_BUTTON(0));
	assert_false(event_queue_take(&w.queue, w.now_ns, &call));
	assert_int_equal(w.stats.sent, 4);
	assert_int_equal(w.stats.coalesced, 2);
}

/* A mouse at 8 kHz for ten seconds: nothing grows, nothing of the sum is lost. */
static void test_fast_mouse(void **state)
{
	struct world w;

	world_init(&w);
	for (int i = 0; i < 80000; i++) {
		event_queue_motion(&w.queue, 3, -2, w.now_ns);
		w.now_ns += NSEC_PER_SEC / 8000;
		take(&w);
		assert_true(w.queue.n <= 1);
	}
	drain(&w);
	assert_int_equal(w.motion_x, 240000);
	assert_int_equal(w.motion_y, -160000);
	assert_in_range(w.calls, 2400, 2510);
	assert_int_equal(w.stats.sent + w.stats.coalesced, 80000);
	assert_int_equal(w.stats.dropped, 0);
}

/* Wheel and motion at once share an entry that leaves in several calls: both sums stay exact. */
static void test_motion_with_wheel(void **state)
{
	struct world w;

	world_init(&w);
	for (int i = 0; i < 200; i++) {
		event_queue_motion(&w.queue, 2, -1, w.now_ns);
		if (i % 10 == 0) {
			event_queue_wheel(&w.queue, -240, 360, w.now_ns);
		}
		w.now_ns += NSEC_PER_MSEC;
		while (take(&w)) {
		}
	}
	drain(&w);
	assert_int_equal(w.motion_x, 400);
	assert_int_equal(w.motion_y, -200);
	assert_int_equal(w.wheel_v, -40);
	assert_int_equal(w.wheel_h, 60);
}

static void test_motion_saturates(void **state)
{
	struct world w;

	world_init(&w);
	event_queue_motion(&w.queue, INT32_MAX, -INT32_MAX, w.now_ns);
	event_queue_motion(&w.queue, INT32_MAX, -INT32_MAX, w.now_ns);
	drain(&w);
	assert_int_equal(w.motion_x, INT32_MAX);
	assert_int_equal(w.motion_y, -INT32_MAX);
}

static void test_motion_that_cancels_out(void **state)
{
	struct world w;

	world_init(&w);
	event_queue_motion(&w.queue, 5, 5, w.now_ns);
	event_queue_motion(&w.queue, -5, -5, w.now_ns);
	drain(&w);
	assert_int_equal(w.calls, 0);
	assert_int_equal(w.stats.coalesced, 2);
}

static void test_wheel(void **state)
{
	struct world w;

	world_init(&w);
	event_queue_wheel(&w.queue, 60, -30, w.now_ns);
	drain(&w);
	assert_int_equal(w.calls, 0);
	event_queue_wheel(&w.queue, 60, -90, w.now_ns);
	drain(&w);
	assert_int_equal(w.wheel_v, 1);
	assert_int_equal(w.wheel_h, -1);
	for (int i = 0; i < 1000; i++) {
		event_queue_wheel(&w.queue, -11, 17, w.now_ns);
		drain(&w);
	}
	assert_int_equal(w.wheel_v, 1 - 11000 / 120);
	assert_int_equal(w.wheel_h, -1 + 17000 / 120);
	assert_int_equal(w.presses, w.releases);
	/* A wheel that spins freely does not scroll for minutes after it has stopped. */
	w.wheel_v = 0;
	for (int i = 0; i < 1000; i++) {
		event_queue_wheel(&w.queue, 1200, 0, w.now_ns);
	}
	drain(&w);
	assert_int_equal(w.wheel_v, EVENT_QUEUE_CLICKS_MAX);
	event_queue_wheel(&w.queue, INT32_MAX, INT32_MIN, w.now_ns);
	event_queue_wheel(&w.queue, INT32_MAX, INT32_MIN, w.now_ns);
	assert_int_equal(w.stats.sent + w.stats.coalesced + w.stats.dropped + 1, 2004);
}

/* ---- bound and age ---- */

static void test_full_queue_keeps_releases(void **state)
{
	struct world w;

	world_init(&w);
	for (unsigned int number = 1; number < 256; number++) {
		key(&w, number, true);
		event_queue_motion(&w.queue, 1, 1, w.now_ns);
	}
	assert_true(w.queue.n <= EVENT_QUEUE_MAX);
	assert_true(w.stats.dropped > 100);
	for (unsigned int number = 1; number < 256; number++) {
		key(&w, number, false);
	}
	assert_true(w.queue.n <= EVENT_QUEUE_MAX);
	drain(&w);
	assert_true(w.presses > 50);
	assert_int_equal(w.presses, w.releases);
	assert_int_equal(w.stats.sent + w.stats.coalesced + w.stats.dropped, 3 * 255);
	assert_int_equal(w.queue.backlog_ns, 0);
}

/* A guest that answers, but a call in 1.5 s: nothing older than 2 s reaches it, and no key sticks.
 */
static void test_old_presses_are_dropped(void **state)
{
	struct world w;

	world_init(&w);
	key(&w, KEY, true);
	assert_true(take(&w));
	key(&w, KEY, false);
	key(&w, KEY + 1, true);
	key(&w, KEY + 1, false);
	event_queue_motion(&w.queue, 1, 1, w.now_ns);
	w.now_ns += EVENT_QUEUE_STALE_NS + 5 * EVENT_QUEUE_SLOT_NS;
	drain(&w);
	assert_int_equal(w.presses, 1);
	assert_int_equal(w.releases, 1);
	assert_int_equal(w.motion_x, 0);
	assert_int_equal(w.stats.dropped, 3);
}

/* What waits for the pace alone is not old: a pasted line arrives whole, though later. */
static void test_pace_does_not_age(void **state)
{
	struct world w;

	world_init(&w);
	for (int i = 0; i < 100; i++) {
		key(&w, KEY + (unsigned int)i % 10, true);
		key(&w, KEY + (unsigned int)i % 10, false);
	}
	drain(&w);
	assert_int_equal(w.presses, 100);
	assert_int_equal(w.stats.dropped, 0);
}

static void test_lift(void **state)
{
	struct world w;

	world_init(&w);
	key(&w, KEY, true);
	key(&w, GUEST_BUTTON(2), true);
	drain(&w);
	key(&w, KEY + 1, true); /* never leaves the queue */
	event_queue_lift(&w.queue);
	key(&w, KEY, true); /* pressed anew, before the lift is out */
	key(&w, KEY, false);
	drain(&w);
	assert_int_equal(w.presses, 3);
	assert_int_equal(w.releases, 3);
	assert_int_equal(w.stats.dropped, 1);
	/* In the middle of a click of the wheel. */
	event_queue_wheel(&w.queue, 240, 0, w.now_ns);
	assert_true(take(&w));
	event_queue_lift(&w.queue);
	drain(&w);
	assert_int_equal(w.wheel_v, 1);
	assert_int_equal(w.presses, w.releases);
	event_queue_doubt(&w.queue, KEY);
	w.down[KEY] = true;
	event_queue_lift(&w.queue);
	drain(&w);
	assert_false(w.down[KEY]);
}

/* ---- the devices behind QEMU ---- */

struct device {
	const char *name;
	unsigned int size, used, most;
	uint64_t drain_ns, next_ns; /* one unit per drain_ns */
	unsigned int batch;         /* units at once, if not one */
};

static void device_put(struct device *device, unsigned int units)
{
	device->used += units;
	device->most = device->used > device->most ? device->used : device->most;
	if (device->used > device->size) {
		fail_msg("the queue of %s overflowed", device->name);
	}
}

static void device_run(struct device *device, uint64_t now_ns)
{
	unsigned int units = device->batch ? device->batch : 1;

	while (device->next_ns <= now_ns) {
		device->used -= device->used < units ? device->used : units;
		device->next_ns += device->drain_ns;
	}
}

/* Keyboards: an ordinary key is one scan code, or one byte and two for its release. */
static unsigned int usb_units(const struct guest_call *call)
{
	return call->number & 0x80 ? 2 : 1;
}

static unsigned int ps2_units(const struct guest_call *call)
{
	bool release = call->type == GUEST_CALL_RELEASE;

	if (call->number == 0x54) {
		return release ? 6 : 4;
	}
	if (call->number == 0xc6) {
		return release ? 0 : 8;
	}
	return (call->number & 0x80 ? 2u : 1u) + release;
}

struct machine {
	struct device usb_keyboard, ps2_keyboard, usb_mouse, virtio_mouse;
};

static void machine_put(struct machine *m, const struct guest_call *call)
{
	bool number = call->type == GUEST_CALL_PRESS || call->type == GUEST_CALL_RELEASE;

	if (number && call->number < GUEST_BUTTON(0)) {
		device_put(&m->usb_keyboard, usb_units(call));
		device_put(&m->ps2_keyboard, ps2_units(call));
		return;
	}
	device_put(&m->virtio_mouse, number ? 2 : 3);
	/* Motion and wheel USB merges by itself. */
	if (number && call->number < GUEST_BUTTON(3)) {
		device_put(&m->usb_mouse, 1);
	}
}

static void machine_run(struct machine *m, uint64_t now_ns)
{
	device_run(&m->usb_keyboard, now_ns);
	device_run(&m->ps2_keyboard, now_ns);
	device_run(&m->usb_mouse, now_ns);
	device_run(&m->virtio_mouse, now_ns);
}

static void flood(struct world *w, size_t n_keys)
{
	static const unsigned int keys[] = { KEY, KEY + 1,  KEY + 2, KEY + 3,
					     KEY, EXTENDED, 0x54,    0xc6 };

	event_queue_motion(&w->queue, 1, 1, w->now_ns);
	if (random() % 4 == 0) {
		key(w, keys[(size_t)random() % n_keys], random() % 2);
	}
	if (random() % 20 == 0) {
		key(w, GUEST_BUTTON((unsigned int)random() % 3), random() % 2);
	}
	if (random() % 50 == 0) {
		event_queue_wheel(&w->queue, 120, 0, w->now_ns);
	}
}

/* More than any hand can do, for a minute, in bursts and pauses. */
static void test_devices_do_not_overflow(void **state)
{
	struct machine m = {
		.usb_keyboard = { "usb-kbd", 16, .drain_ns = 10 * NSEC_PER_MSEC },
		.ps2_keyboard = { "the PS/2 keyboard", 16, .drain_ns = 5 * NSEC_PER_MSEC },
		.usb_mouse = { "usb-mouse", 15, .drain_ns = 10 * NSEC_PER_MSEC },
		.virtio_mouse = { "virtio-mouse", 64, .drain_ns = 25 * NSEC_PER_MSEC, .batch = 64 },
	};
	struct guest_call call;
	struct world w;

	world_init(&w);
	srandom(3);
	m.usb_keyboard.next_ns = m.ps2_keyboard.next_ns = w.now_ns;
	m.usb_mouse.next_ns = m.virtio_mouse.next_ns = w.now_ns;
	for (int i = 0; i < 60000; i++) {
		if (i / 1000 % 3 != 0) {
			flood(&w, i < 30000 ? 4 : 8); /* first what goes in most densely */
		}
		while (event_queue_take(&w.queue, w.now_ns, &call)) {
			tell(&w, &call);
			machine_put(&m, &call);
		}
		w.now_ns += NSEC_PER_MSEC;
		machine_run(&m, w.now_ns);
	}
	print_message("most in use: usb-kbd %u, PS/2 %u, usb-mouse %u of 16; virtio %u of 64\n",
		      m.usb_keyboard.most, m.ps2_keyboard.most, m.usb_mouse.most,
		      m.virtio_mouse.most);
	assert_true(w.presses > 1000);
}

static void test_sustained_rate(void **state)
{
	struct world w;
	uint64_t start;

	world_init(&w);
	start = w.now_ns;
	for (int i = 0; i < 50; i++) {
		key(&w, KEY, true);
		key(&w, KEY, false);
	}
	/* The first eight go at once. */
	for (int i = 0; i < 8; i++) {
		assert_true(take(&w));
	}
	assert_false(take(&w));
	drain(&w);
	assert_true(w.now_ns - start == 92 * EVENT_QUEUE_SLOT_NS);
}

/* ---- order, at random ---- */

#define HISTORY 100000

/* A key or button as it was fed, with the sums of all movement before it. */
struct fed {
	unsigned int number;
	bool press;
	int64_t motion, clicks;
};

struct history {
	struct world w;
	struct fed fed[HISTORY];
	size_t n_fed, n_seen;
	bool held[GUEST_NUMBERS];
	int64_t motion, clicks;
};

static void history_feed(struct history *h)
{
	unsigned int number = random() % 2 ? 1 + (unsigned int)random() % 200
					   : GUEST_BUTTON((unsigned int)random() % 3);
	long choice = random() % 4;

	if (choice == 0) {
		h->held[number] = !h->held[number];
		key(&h->w, number, h->held[number]);
		h->fed[h->n_fed++] = (struct fed){ number, h->held[number], h->motion, h->clicks };
	} else if (choice == 1 && random() % 4 == 0) {
		int clicks = (int)(random() % 5) - 2;

		h->clicks += clicks;
		event_queue_wheel(&h->w.queue, clicks * 120, 0, h->w.now_ns);
	} else {
		int dx = (int)(random() % 50) - 25;

		h->motion += dx;
		event_queue_motion(&h->w.queue, dx, 1, h->w.now_ns);
	}
}

static void history_take(struct history *h)
{
	struct guest_call call;

	if (!event_queue_take(&h->w.queue, h->w.now_ns, &call)) {
		return;
	}
	tell(&h->w, &call);
	if (call.type <= GUEST_CALL_RELEASE && call.number < GUEST_BUTTON(3)) {
		const struct fed *fed = &h->fed[h->n_seen++];

		assert_int_equal(call.number, fed->number);
		assert_int_equal(call.type == GUEST_CALL_PRESS, fed->press);
		assert_true(h->w.motion_x == fed->motion);
		assert_true(h->w.wheel_v == fed->clicks);
	}
}

/* No movement ever passes a key or a button, in neither direction. */
static void test_order_at_random(void **state)
{
	const char *given = getenv("SEED");
	unsigned int seed = given ? (unsigned int)atoi(given) : (unsigned int)time(NULL);
	struct history *h = calloc(1, sizeof(*h));

	print_message("SEED=%u\n", seed);
	srandom(seed);
	assert_non_null(h);
	world_init(&h->w);
	for (int i = 0; i < HISTORY; i++) {
		/* Bursts and pauses, within what the queue can hold. */
		if (h->w.queue.n + h->w.queue.n_accepted < 200 && i / 100 % 2) {
			history_feed(h);
		}
		h->w.now_ns += (uint64_t)random() % (4 * NSEC_PER_MSEC);
		history_take(h);
	}
	while (event_queue_due(&h->w.queue) != UINT64_MAX) {
		h->w.now_ns += NSEC_PER_MSEC;
		history_take(h);
	}
	assert_int_equal(h->w.stats.dropped, 0);
	assert_int_equal(h->n_seen, h->n_fed);
	assert_true(h->w.motion_x == h->motion && h->w.wheel_v == h->clicks);
	free(h);
}

/* ---- anything ---- */

static void random_event(struct world *w)
{
	switch (random() % 5) {
	case 0:
	case 1:
		key(w, 1 + (unsigned int)random() % 12, random() % 2);
		break;
	case 2:
		key(w, GUEST_BUTTON((unsigned int)random() % 3), random() % 2);
		break;
	case 3:
		if (random() % 2) {
			event_queue_motion(&w->queue, (int)(random() % 9) - 4, 1, w->now_ns);
		} else {
			event_queue_position(&w->queue, 3, 4, w->now_ns);
		}
		break;
	default:
		event_queue_wheel(&w->queue, (int)(random() % 400) - 200, 60, w->now_ns);
		break;
	}
}

/* Every event is counted once, and the guest never sees a key pressed or released twice. */
static void test_random_walk(void **state)
{
	const char *given = getenv("SEED");
	unsigned int seed = given ? (unsigned int)atoi(given) : (unsigned int)time(NULL);
	uint64_t fed = 0, counted;
	struct world w;

	print_message("SEED=%u\n", seed);
	srandom(seed);
	world_init(&w);
	for (int i = 0; i < 500000; i++) {
		if (random() % 2) {
			random_event(&w);
			fed++;
		} else if (random() % 500 == 0) {
			event_queue_lift(&w.queue);
		} else if (random() % 100 == 0) {
			w.now_ns += (uint64_t)random() % (3 * NSEC_PER_SEC);
		} else {
			w.now_ns += (uint64_t)random() % (20 * NSEC_PER_MSEC);
			take(&w);
		}
		assert_true(w.queue.n + w.queue.n_accepted <= EVENT_QUEUE_MAX);
	}
	event_queue_lift(&w.queue);
	drain(&w);
	counted = w.stats.sent + w.stats.coalesced + w.stats.dropped;
	print_message("%llu events: sent %llu, coalesced %llu, dropped %llu\n",
		      (unsigned long long)fed, (unsigned long long)w.stats.sent,
		      (unsigned long long)w.stats.coalesced, (unsigned long long)w.stats.dropped);
	assert_true(counted == fed);
	assert_int_equal(w.presses, w.releases);
	assert_int_equal(w.queue.backlog_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_fast_mouse),
		cmocka_unit_test(test_motion_with_wheel),
		cmocka_unit_test(test_motion_saturates),
		cmocka_unit_test(test_motion_that_cancels_out),
		cmocka_unit_test(test_wheel),
		cmocka_unit_test(test_full_queue_keeps_releases),
		cmocka_unit_test(test_old_presses_are_dropped),
		cmocka_unit_test(test_pace_does_not_age),
		cmocka_unit_test(test_lift),
		cmocka_unit_test(test_devices_do_not_overflow),
		cmocka_unit_test(test_sustained_rate),
		cmocka_unit_test(test_order_at_random),
		cmocka_unit_test(test_random_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
