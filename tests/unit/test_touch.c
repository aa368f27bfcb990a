// SPDX-License-Identifier: MIT
/* Fingers, pens and gamepads through the router, and what becomes of them when the target changes. */
#include "tests/unit/test.h"

#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <string.h>

#include "input/frames.h"

#define MAX INPUT_POSITION_MAX

/* The guest, as it sees itself: what it got is what it believes. */
struct guest {
	bool takes[INPUT_KINDS];
	int32_t slot, ids[INPUT_FINGERS], x[INPUT_FINGERS];
	bool keys[KEY_CNT];
	int32_t axes[ABS_CNT];
	unsigned int batches;
	/* As the pointer. */
	double pointer_x;
	unsigned int positions;
	bool buttons[8];
};

static struct frames frames;
static struct guest guest;

static bool takes(void *data, enum input_kind kind)
{
	return guest.takes[kind];
}

static void take(void *data, enum input_kind kind, const struct input_wire_event *events, size_t n,
		 uint64_t time_ns)
{
	assert_true(n > 0 && n < INPUT_EVENTS_MAX);
	guest.batches++;
	for (size_t i = 0; i < n; i++) {
		const struct input_wire_event *event = &events[i];

		if (event->type == EV_KEY) {
			guest.keys[event->code] = event->value;
		} else if (event->code == ABS_MT_SLOT) {
			assert_in_range(event->value, 0, INPUT_FINGERS - 1);
			guest.slot = event->value;
		} else if (event->code == ABS_MT_TRACKING_ID) {
			guest.ids[guest.slot] = event->value;
		} else if (event->code == ABS_MT_POSITION_X) {
			/* Nobody moves who did not begin. */
			assert_true(guest.ids[guest.slot] >= 0);
			guest.x[guest.slot] = event->value;
		} else {
			guest.axes[event->code] = event->value;
		}
	}
}

static void pointer(void *data, const struct input_event *event)
{
	if (event->type == INPUT_EVENT_ABSOLUTE) {
		guest.pointer_x = event->x;
		guest.positions++;
	} else {
		guest.buttons[event->code - BTN_LEFT] = event->pressed;
	}
}

static const struct frames_ops ops = { .takes = takes, .send = take, .pointer = pointer };

/* Another guest in front, which knows nothing. */
static void change_guest(void)
{
	guest = (struct guest){ .takes = { true, true, true, true, true, true } };
	memset(guest.ids, -1, sizeof(guest.ids));
	frames_set_target(&frames, true);
}

static int set_up(void **state)
{
	frames_init(&frames, &ops, NULL);
	change_guest();
	return 0;
}

static void feed(enum input_kind kind, const struct input_wire_event *events, size_t n)
{
	frames_feed(&frames, &(struct input_frame){ kind, 7, 0, events, n });
}

#define FEED(kind, ...)                                                                            \
	feed(kind, (const struct input_wire_event[]){ __VA_ARGS__ },                               \
	     sizeof((const struct input_wire_event[]){ __VA_ARGS__ }) /                            \
		     sizeof(struct input_wire_event))
#define TOUCH(...) FEED(INPUT_KIND_TOUCH, __VA_ARGS__)
#define PEN(...) FEED(INPUT_KIND_PEN, __VA_ARGS__)
#define PAD(...) FEED(INPUT_KIND_GAMEPAD, __VA_ARGS__)
#define SLOT(i)                                                                                    \
	{                                                                                          \
		EV_ABS, ABS_MT_SLOT, i                                                             \
	}
#define ID(i)                                                                                      \
	{                                                                                          \
		EV_ABS, ABS_MT_TRACKING_ID, i                                                      \
	}
#define X(v)                                                                                       \
	{                                                                                          \
		EV_ABS, ABS_MT_POSITION_X, v                                                       \
	}

static void test_ten_fingers(void **state)
{
	for (int i = 0; i < INPUT_FINGERS; i++) {
		TOUCH(SLOT(i), ID(500), X(100 * i));
	}
	for (int i = 0; i < INPUT_FINGERS; i++) {
		assert_true(guest.ids[i] >= 0);
		assert_int_equal(guest.x[i], 100 * i);
	}
	assert_true(guest.keys[BTN_TOUCH]);
	assert_int_equal(guest.batches, INPUT_FINGERS);
	for (int i = 0; i < INPUT_FINGERS; i++) {
		assert_true(guest.keys[BTN_TOUCH]);
		TOUCH(SLOT(i), ID(-1));
	}
	assert_false(guest.keys[BTN_TOUCH]);
}

/* Who was down when the guest changed reaches nobody, and who begins then does. */
static void test_switch_with_fingers(void **state)
{
	TOUCH(SLOT(0), ID(1), X(5));
	TOUCH(SLOT(1), ID(2), X(6));
	change_guest();
	TOUCH(SLOT(0), X(7), SLOT(1), X(8));
	assert_int_equal(guest.batches, 0);
	TOUCH(SLOT(2), ID(3), X(9));
	assert_int_equal(guest.x[2], 9);
	assert_true(guest.keys[BTN_TOUCH]);
	TOUCH(SLOT(0), ID(-1));
	TOUCH(SLOT(2), ID(-1));
	assert_int_equal(guest.ids[2], -1);
	assert_false(guest.keys[BTN_TOUCH]);
	TOUCH(SLOT(0), ID(4), X(1));
	assert_int_equal(guest.x[0], 1);
}

static void test_finger_as_pointer(void **state)
{
	guest.takes[INPUT_KIND_TOUCH] = false;
	TOUCH(SLOT(3), ID(1), X(MAX / 2));
	assert_true(guest.buttons[0]);
	assert_true(guest.pointer_x > 0.49 && guest.pointer_x < 0.51);
	/* The second finger is none. The driver that comes now waits for the next one. */
	TOUCH(SLOT(1), ID(2), X(0));
	guest.takes[INPUT_KIND_TOUCH] = true;
	TOUCH(SLOT(1), X(9));
	assert_true(guest.pointer_x > 0.49);
	TOUCH(SLOT(3), ID(-1));
	assert_false(guest.buttons[0]);
	TOUCH(SLOT(1), ID(-1));
	assert_int_equal(guest.batches, 0);
	TOUCH(SLOT(1), ID(3));
	assert_true(guest.ids[1] >= 0);
	assert_false(guest.buttons[0]);
}

/* The guest's picture stands beside a black bar: a finger on it is on the picture's edge. */
static void test_transform(void **state)
{
	frames.transform = (struct pointer_transform){ .x = 100, .width = 800, .height = 600,
						       .output_width = 1000, .output_height = 600 };
	TOUCH(SLOT(0), ID(1), X(MAX / 10));
	assert_in_range(guest.x[0], 0, 2);
	TOUCH(X(MAX / 2));
	assert_in_range(guest.x[0], MAX / 2 - 2, MAX / 2 + 2);
	TOUCH(X(0));
	assert_int_equal(guest.x[0], 0);
	TOUCH(X(MAX));
	assert_int_equal(guest.x[0], MAX);
}

static void test_absurd_touches(void **state)
{
	TOUCH(SLOT(INPUT_FINGERS), ID(1), X(5));
	TOUCH(SLOT(-7), ID(1), X(5));
	TOUCH(SLOT(0), ID(-1));
	TOUCH(SLOT(0), X(5));
	assert_int_equal(guest.batches, 0);
}

static void test_pen(void **state)
{
	PEN({ EV_KEY, BTN_TOOL_PEN, 1 }, { EV_ABS, ABS_X, 11 });
	PEN({ EV_KEY, BTN_TOUCH, 1 }, { EV_ABS, ABS_PRESSURE, 99 }, { EV_ABS, ABS_TILT_X, -30 });
	assert_int_equal(guest.axes[ABS_TILT_X], -30);
	change_guest();
	PEN({ EV_ABS, ABS_PRESSURE, 50 });
	PEN({ EV_KEY, BTN_TOUCH, 0 }, { EV_KEY, BTN_TOOL_PEN, 0 });
	assert_int_equal(guest.batches, 0);
	PEN({ EV_ABS, ABS_X, 12 }, { EV_KEY, BTN_TOOL_RUBBER, 1 });
	assert_true(guest.keys[BTN_TOOL_RUBBER]);
	assert_int_equal(guest.axes[ABS_X], 12);
	PEN({ EV_KEY, BTN_TOOL_RUBBER, 0 });
	assert_false(guest.keys[BTN_TOOL_RUBBER]);
	/* An airbrush draws, too. */
	PEN({ EV_KEY, BTN_TOOL_AIRBRUSH, 1 });
	assert_true(guest.keys[BTN_TOOL_PEN]);
}

static void test_pen_as_pointer(void **state)
{
	guest.takes[INPUT_KIND_PEN] = false;
	PEN({ EV_KEY, BTN_TOOL_PEN, 1 }, { EV_ABS, ABS_X, INPUT_PEN_MAX });
	assert_int_equal(guest.pointer_x, 1);
	PEN({ EV_KEY, BTN_TOUCH, 1 });
	assert_true(guest.buttons[0]);
	PEN({ EV_KEY, BTN_TOUCH, 0 }, { EV_KEY, BTN_TOOL_PEN, 0 });
	assert_false(guest.buttons[0]);
	assert_int_equal(guest.batches, 0);
}

static void test_pad(void **state)
{
	PAD({ EV_KEY, BTN_SOUTH, 1 }, { EV_ABS, ABS_X, 30000 }, { EV_ABS, ABS_Y, 100 });
	assert_true(guest.keys[BTN_SOUTH]);
	assert_int_equal(guest.axes[ABS_X], 30000);
	change_guest();
	/* The stick that is held, and the button, wait; the one at rest does not. */
	PAD({ EV_ABS, ABS_X, 20000 }, { EV_KEY, BTN_SOUTH, 0 });
	assert_int_equal(guest.batches, 0);
	PAD({ EV_ABS, ABS_Y, 7000 });
	assert_int_equal(guest.axes[ABS_Y], 7000);
	PAD({ EV_ABS, ABS_X, 10 });
	PAD({ EV_ABS, ABS_X, -30000 }, { EV_KEY, BTN_SOUTH, 1 });
	assert_int_equal(guest.axes[ABS_X], -30000);
	assert_true(guest.keys[BTN_SOUTH]);
}

/* A thousand changes of guests: nobody sees what did not begin with it, nothing stays. */
static void test_at_random(void **state)
{
	bool down[INPUT_FINGERS] = { false };

	srand(3);
	for (int i = 0; i < 100000; i++) {
		int slot = rand() % INPUT_FINGERS;

		if (i % 100 == 99) {
			change_guest();
		}
		if (rand() % 4) {
			TOUCH(SLOT(slot), X(rand() % MAX));
		} else {
			down[slot] = !down[slot];
			TOUCH(SLOT(slot), ID(down[slot] ? rand() % 1000 : -1));
		}
	}
	for (int i = 0; i < INPUT_FINGERS; i++) {
		TOUCH(SLOT(i), ID(-1));
		assert_int_equal(guest.ids[i], -1);
	}
	assert_false(guest.keys[BTN_TOUCH]);
}

#define TEST(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ten_fingers),	   TEST(test_switch_with_fingers),
		TEST(test_finger_as_pointer), TEST(test_transform),
		TEST(test_absurd_touches),    TEST(test_pen),
		TEST(test_pen_as_pointer),    TEST(test_pad),
		TEST(test_at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
