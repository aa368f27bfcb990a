// SPDX-License-Identifier: MIT
/* What waits for a guest that has little room: order, joined motion, overflow, stalls. */
#include "input/keeper/guest_queue.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <linux/input.h>
#include <stdlib.h>
#include <string.h>

#define S 1000000000ull
#define SYN                                                                                        \
	{                                                                                          \
		EV_SYN, SYN_REPORT, 0                                                              \
	}
#define ADD(queue, now, ...)                                                                       \
	add(queue, now, (const struct input_wire_event[]){ __VA_ARGS__, SYN },                     \
	    sizeof((const struct input_wire_event[]){ __VA_ARGS__, SYN }) /                        \
		    sizeof(struct input_wire_event))

static void add(struct guest_queue *queue, uint64_t now, const struct input_wire_event *events,
		size_t n)
{
	assert_int_equal(guest_queue_add(queue, events, n, now), 0);
}

static void expect(struct guest_queue *queue, uint16_t type, uint16_t code, int32_t value)
{
	const struct input_wire_event *event = guest_queue_peek(queue);

	assert_non_null(event);
	assert_int_equal(event->type, type);
	assert_int_equal(event->code, code);
	assert_int_equal(event->value, value);
	guest_queue_take(queue, S);
}

static void expect_end(struct guest_queue *queue)
{
	expect(queue, EV_SYN, SYN_REPORT, 0);
}

static void test_order(void **state)
{
	static struct guest_queue queue;

	guest_queue_init(&queue, INPUT_KIND_POINTER);
	ADD(&queue, S, { EV_REL, REL_X, 1 });
	ADD(&queue, S, { EV_KEY, BTN_LEFT, 1 });
	ADD(&queue, S, { EV_REL, REL_X, 2 }, { EV_REL, REL_Y, 5 });
	ADD(&queue, S, { EV_REL, REL_X, 3 }, { EV_REL, REL_WHEEL, -1 });
	ADD(&queue, S, { EV_KEY, BTN_LEFT, 0 });
	expect(&queue, EV_REL, REL_X, 1);
	expect_end(&queue);
	expect(&queue, EV_KEY, BTN_LEFT, 1);
	expect_end(&queue);
	expect(&queue, EV_REL, REL_X, 5);
	expect(&queue, EV_REL, REL_Y, 5);
	expect(&queue, EV_REL, REL_WHEEL, -1);
	expect_end(&queue);
	expect(&queue, EV_KEY, BTN_LEFT, 0);
	expect_end(&queue);
	assert_null(guest_queue_peek(&queue));
}

/* The guest has its beginning: nothing may be added to it any more. */
static void test_batch_under_way(void **state)
{
	static struct guest_queue queue;

	guest_queue_init(&queue, INPUT_KIND_POINTER);
	ADD(&queue, S, { EV_REL, REL_X, 1 }, { EV_REL, REL_Y, 1 });
	expect(&queue, EV_REL, REL_X, 1);
	ADD(&queue, S, { EV_REL, REL_X, 7 });
	expect(&queue, EV_REL, REL_Y, 1);
	expect_end(&queue);
	expect(&queue, EV_REL, REL_X, 7);
	expect_end(&queue);
}

static void test_fingers_join(void **state)
{
	static struct guest_queue queue;

	guest_queue_init(&queue, INPUT_KIND_TOUCH);
	ADD(&queue, S, { EV_ABS, ABS_MT_SLOT, 1 }, { EV_ABS, ABS_MT_TRACKING_ID, 7 });
	ADD(&queue, S, { EV_ABS, ABS_MT_POSITION_X, 10 });
	ADD(&queue, S, { EV_ABS, ABS_MT_SLOT, 0 }, { EV_ABS, ABS_MT_POSITION_X, 20 });
	ADD(&queue, S, { EV_ABS, ABS_MT_SLOT, 1 }, { EV_ABS, ABS_MT_POSITION_X, 11 });
	ADD(&queue, S, { EV_ABS, ABS_MT_SLOT, 0 }, { EV_ABS, ABS_MT_POSITION_X, 21 });
	ADD(&queue, S, { EV_ABS, ABS_MT_SLOT, 1 }, { EV_ABS, ABS_MT_POSITION_X, 12 });
	/* Of the slot that the batch before ended with. */
	ADD(&queue, S, { EV_ABS, ABS_MT_TRACKING_ID, -1 });
	expect(&queue, EV_ABS, ABS_MT_SLOT, 1);
	expect(&queue, EV_ABS, ABS_MT_TRACKING_ID, 7);
	expect_end(&queue);
	expect(&queue, EV_ABS, ABS_MT_POSITION_X, 12);
	expect(&queue, EV_ABS, ABS_MT_SLOT, 0);
	expect(&queue, EV_ABS, ABS_MT_POSITION_X, 21);
	expect(&queue, EV_ABS, ABS_MT_SLOT, 1);
	expect_end(&queue);
	expect(&queue, EV_ABS, ABS_MT_TRACKING_ID, -1);
	expect_end(&queue);
}

/* Nonsense and what the device has not. */
static void test_filter(void **state)
{
	static struct guest_queue queue;
	const struct input_wire_event no_end[] = { { EV_KEY, KEY_A, 1 } };
	const struct input_wire_event two_ends[] = { SYN, { EV_KEY, KEY_A, 1 }, SYN };
	const struct input_wire_event finger[] = { { EV_ABS, ABS_MT_SLOT, INPUT_FINGERS }, SYN };
	const struct input_wire_event value[] = { { EV_KEY, KEY_A, 2 }, SYN };

	guest_queue_init(&queue, INPUT_KIND_KEYBOARD);
	assert_int_equal(guest_queue_add(&queue, no_end, 1, S), -EINVAL);
	assert_int_equal(guest_queue_add(&queue, two_ends, 3, S), -EINVAL);
	assert_int_equal(guest_queue_add(&queue, value, 2, S), -EINVAL);
	assert_int_equal(guest_queue_add(&queue, no_end, 0, S), -EINVAL);
	ADD(&queue, S, { EV_REL, REL_X, 1 }, { EV_KEY, BTN_LEFT, 1 }, { EV_KEY, 0xffff, 1 },
	    { EV_ABS, 0xffff, 1 }, { 0xffff, 0, 1 });
	assert_null(guest_queue_peek(&queue));
	guest_queue_init(&queue, INPUT_KIND_TOUCH);
	assert_int_equal(guest_queue_add(&queue, finger, 2, S), -EINVAL);
}

static void test_release(void **state)
{
	static struct guest_queue queue;

	guest_queue_init(&queue, INPUT_KIND_PEN);
	ADD(&queue, S, { EV_KEY, BTN_TOOL_PEN, 1 }, { EV_ABS, ABS_X, 5 }, { EV_ABS, ABS_PRESSURE, 9 });
	guest_queue_release(&queue, S);
	expect(&queue, EV_KEY, BTN_TOOL_PEN, 1);
	expect(&queue, EV_ABS, ABS_X, 5);
	expect(&queue, EV_ABS, ABS_PRESSURE, 9);
	expect_end(&queue);
	/* The place stays. */
	expect(&queue, EV_ABS, ABS_PRESSURE, 0);
	expect(&queue, EV_KEY, BTN_TOOL_PEN, 0);
	expect_end(&queue);
	guest_queue_release(&queue, S);
	assert_null(guest_queue_peek(&queue));
}

static void test_release_fingers(void **state)
{
	static struct guest_queue queue;

	guest_queue_init(&queue, INPUT_KIND_TOUCH);
	ADD(&queue, S, { EV_ABS, ABS_MT_SLOT, 0 }, { EV_ABS, ABS_MT_TRACKING_ID, 1 },
	    { EV_ABS, ABS_MT_SLOT, 9 }, { EV_ABS, ABS_MT_TRACKING_ID, 2 }, { EV_KEY, BTN_TOUCH, 1 });
	while (guest_queue_peek(&queue)) {
		guest_queue_take(&queue, S);
	}
	guest_queue_release(&queue, S);
	expect(&queue, EV_ABS, ABS_MT_SLOT, 0);
	expect(&queue, EV_ABS, ABS_MT_TRACKING_ID, -1);
	expect(&queue, EV_ABS, ABS_MT_SLOT, 9);
	expect(&queue, EV_ABS, ABS_MT_TRACKING_ID, -1);
	expect(&queue, EV_KEY, BTN_TOUCH, 0);
	expect_end(&queue);
}

static void test_stall(void **state)
{
	static struct guest_queue queue;

	guest_queue_init(&queue, INPUT_KIND_KEYBOARD);
	assert_true(guest_queue_deadline(&queue) == UINT64_MAX);
	ADD(&queue, 5 * S, { EV_KEY, KEY_A, 1 });
	expect(&queue, EV_KEY, KEY_A, 1); /* at 1 s */
	queue.moved_ns = 5 * S;
	ADD(&queue, 6 * S, { EV_KEY, KEY_B, 1 });
	assert_int_equal(guest_queue_deadline(&queue), 5 * S + GUEST_QUEUE_STALL_NS);
	guest_queue_elapsed(&queue, 5 * S + GUEST_QUEUE_STALL_NS - 1);
	assert_false(queue.stalled);
	guest_queue_elapsed(&queue, 5 * S + GUEST_QUEUE_STALL_NS);
	assert_true(queue.stalled);
	assert_true(guest_queue_deadline(&queue) == UINT64_MAX);
	assert_int_equal(queue.lost, 1);
	ADD(&queue, 8 * S, { EV_KEY, KEY_C, 1 });
	assert_int_equal(queue.lost, 2);
	/* What it had begun to read, and A let go. */
	expect_end(&queue);
	assert_false(queue.stalled);
	expect(&queue, EV_KEY, KEY_A, 0);
	expect_end(&queue);
	assert_null(guest_queue_peek(&queue));
}

/* ---- overflow, at random ---- */

static void batch_at_random(struct guest_queue *queue, struct device_picture *truth,
			    int64_t motion[2])
{
	struct input_wire_event batch[INPUT_EVENTS_MAX];
	size_t n = 0;

	for (int i = rand() % 4; i >= 0; i--) {
		uint16_t button = (uint16_t)(BTN_LEFT + rand() % 8);
		uint16_t axis = rand() % 2 ? REL_Y : REL_X;
		int32_t value = rand() % 21 - 10;

		if (rand() % 3) {
			batch[n++] = (struct input_wire_event){ EV_REL, axis, value };
			motion[axis] += value;
		} else {
			value = rand() % 2;
			batch[n++] = (struct input_wire_event){ EV_KEY, button, value };
			truth->keys[button / 64] &= ~(1ull << button % 64);
			truth->keys[button / 64] |= (uint64_t)value << button % 64;
		}
	}
	batch[n++] = (struct input_wire_event)SYN;
	assert_int_equal(guest_queue_add(queue, batch, n, S), 0);
}

static void take_some(struct guest_queue *queue, int n, int64_t seen[2])
{
	const struct input_wire_event *event;

	while (n-- > 0 && (event = guest_queue_peek(queue))) {
		if (event->type == EV_REL) {
			seen[event->code] += event->value;
		}
		guest_queue_take(queue, S);
	}
}

/* However slow the guest, the sums and the end are right. */
static void test_overflow(void **state)
{
	static struct guest_queue queue;
	static struct device_picture truth;
	int64_t sent[2] = { 0 }, seen[2] = { 0 };

	srand(7);
	guest_queue_init(&queue, INPUT_KIND_POINTER);
	for (int i = 0; i < 20000; i++) {
		batch_at_random(&queue, &truth, sent);
		take_some(&queue, rand() % (i / 4000 % 2 ? 2 : 8), seen);
	}
	/* It was slow, and not dead. */
	assert_int_equal(queue.lost, 0);
	take_some(&queue, GUEST_QUEUE_MAX, seen);
	assert_int_equal(queue.n, 0);
	assert_int_equal(seen[0], sent[0]);
	assert_int_equal(seen[1], sent[1]);
	assert_memory_equal(queue.told.keys, truth.keys, sizeof(truth.keys));
}

static void finger_at_random(struct guest_queue *queue, struct device_picture *truth)
{
	int slot = rand() % INPUT_FINGERS;
	int32_t *id = &truth->slots[slot][ABS_MT_TRACKING_ID - ABS_MT_SLOT];
	int32_t *x = &truth->slots[slot][ABS_MT_POSITION_X - ABS_MT_SLOT];
	struct input_wire_event batch[5] = { { EV_ABS, ABS_MT_SLOT, slot } };
	size_t n = 1;

	if (rand() % 8 == 0) {
		*id = *id < 0 ? rand() % 65536 : -1;
		batch[n++] = (struct input_wire_event){ EV_ABS, ABS_MT_TRACKING_ID, *id };
	}
	*x = rand() % 1000;
	batch[n++] = (struct input_wire_event){ EV_ABS, ABS_MT_POSITION_X, *x };
	batch[n++] = (struct input_wire_event)SYN;
	assert_int_equal(guest_queue_add(queue, batch, n, S), 0);
}

static void test_overflow_of_fingers(void **state)
{
	static struct guest_queue queue;
	static struct device_picture truth;
	int64_t none[2] = { 0 };

	srand(8);
	guest_queue_init(&queue, INPUT_KIND_TOUCH);
	truth = queue.wanted;
	for (int i = 0; i < 20000; i++) {
		finger_at_random(&queue, &truth);
		take_some(&queue, rand() % (i / 4000 % 2 ? 2 : 8), none);
	}
	take_some(&queue, GUEST_QUEUE_MAX, none);
	assert_memory_equal(queue.told.slots, truth.slots, sizeof(truth.slots));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_batch_under_way),
		cmocka_unit_test(test_fingers_join),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_release),
		cmocka_unit_test(test_release_fingers),
		cmocka_unit_test(test_stall),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_overflow_of_fingers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
