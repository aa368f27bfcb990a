// SPDX-License-Identifier: MIT
/*
 * The router: random walks with a printed seed over devices, keys, buttons, sinks and the grab,
 * against a model of who may see what; then the pointer: transforms, clamping, remainders.
 */
#include "tests/unit/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "input/router.h"
#include "tests/unit/fake_sink.h"

#define DEVICES 3
#define CODES 4
#define SINKS 2
#define WALK 300000

static const uint32_t codes[CODES] = { KEY_A, KEY_LEFTSHIFT, BTN_LEFT, BTN_SIDE };

/* The grabber is one more sink, so that the same checks hold for what it sees. */
struct world {
	struct router router;
	struct fake_sink sinks[SINKS], grabber;
	double pointer_x, pointer_y;

	/* the model */
	bool held[DEVICES][CODES], live[DEVICES][CODES];
	int sink; /* -1: none */
	bool grabbed;
};

static void handle_grabbed(void *data, const struct input_event *event)
{
	struct world *w = data;

	if (event->type == INPUT_EVENT_KEY || event->type == INPUT_EVENT_BUTTON) {
		assert_int_equal(event->type == INPUT_EVENT_BUTTON, event->code >= BTN_MISC);
		w->grabber.base.ops->key(&w->grabber.base, event->code, event->pressed, 0);
	} else if (event->type == INPUT_EVENT_WHEEL) {
		w->grabber.wheel_v += (int64_t)event->dy;
	}
}

static void handle_pointer(void *data, double x, double y)
{
	struct world *w = data;

	w->pointer_x = x;
	w->pointer_y = y;
}

static const struct input_handlers handlers = {
	.grabbed = handle_grabbed,
	.pointer = handle_pointer,
};

static void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	for (int i = 0; i < SINKS; i++) {
		fake_sink_init(&w->sinks[i]);
	}
	fake_sink_init(&w->grabber);
	router_init(&w->router, &handlers, w);
	w->sink = -1;
}

static struct input_event key_event(uint32_t device, uint32_t code, bool pressed)
{
	return (struct input_event){
		.type = code >= BTN_MISC ? INPUT_EVENT_BUTTON : INPUT_EVENT_KEY,
		.device = device,
		.code = code,
		.pressed = pressed,
	};
}

static void feed_key(struct router *router, uint32_t device, uint32_t code, bool pressed)
{
	struct input_event event = key_event(device, code, pressed);

	router_feed(router, &event);
}

/* ---- keys against the model ---- */

static void model_press(struct world *w, size_t device, size_t code)
{
	if (!w->held[device][code]) {
		w->held[device][code] = true;
		w->live[device][code] = w->grabbed || w->sink >= 0;
	}
}

static void model_release(struct world *w, size_t device, size_t code)
{
	w->held[device][code] = w->live[device][code] = false;
}

static void model_change_target(struct world *w)
{
	memset(w->live, 0, sizeof(w->live));
	/* A grabber is not told: it forgets by itself. */
	memset(w->grabber.down, 0, sizeof(w->grabber.down));
}

static bool model_is_down(const struct world *w, size_t code)
{
	for (size_t device = 0; device < DEVICES; device++) {
		if (w->live[device][code]) {
			return true;
		}
	}
	return false;
}

static void check(const struct world *w)
{
	for (size_t i = 0; i < CODES; i++) {
		bool down = model_is_down(w, i);

		assert_int_equal(w->grabber.down[codes[i]], w->grabbed && down);
		for (int s = 0; s < SINKS; s++) {
			assert_int_equal(w->sinks[s].down[codes[i]],
					 !w->grabbed && w->sink == s && down);
		}
	}
}

static void walk_target(struct world *w)
{
	int choice = (int)(random() % (SINKS + 3));

	if (choice <= SINKS) {
		int sink = choice - 1;

		router_set_sink(&w->router, sink < 0 ? NULL : &w->sinks[sink].base);
		if (sink != w->sink && !w->grabbed) {
			model_change_target(w);
		}
		w->sink = sink;
	} else {
		bool grabbed = random() % 2;

		router_set_grab(&w->router, grabbed);
		if (grabbed != w->grabbed) {
			model_change_target(w);
		}
		w->grabbed = grabbed;
	}
}

static void walk_devices(struct world *w)
{
	size_t device = (size_t)random() % DEVICES;

	if (random() % 4 == 0) {
		router_release_all(&w->router, true);
		memset(w->held, 0, sizeof(w->held));
		model_change_target(w);
		return;
	}
	router_device_gone(&w->router, (uint32_t)device);
	for (size_t i = 0; i < CODES; i++) {
		model_release(w, device, i);
	}
}

static void walk_key(struct world *w)
{
	size_t device = (size_t)random() % DEVICES, code = (size_t)random() % CODES;
	bool pressed = random() % 2;

	feed_key(&w->router, (uint32_t)device, codes[code], pressed);
	if (pressed) {
		model_press(w, device, code);
	} else {
		model_release(w, device, code);
	}
}

static void test_random_walk(void **state)
{
	const char *given = getenv("SEED");
	unsigned int seed = given ? (unsigned int)atoi(given) : (unsigned int)time(NULL);
	struct world w;

	print_message("SEED=%u\n", seed);
	srandom(seed);
	world_init(&w);
	for (int i = 0; i < WALK; i++) {
		long choice = random() % 20;

		if (choice == 0) {
			walk_devices(&w);
		} else if (choice <= 3) {
			walk_target(&w);
		} else {
			walk_key(&w);
		}
		check(&w);
	}
	router_release_all(&w.router, true);
	assert_int_equal(w.router.held.n, 0);
	for (int s = 0; s < SINKS; s++) {
		assert_int_equal(fake_sink_down(&w.sinks[s]), 0);
		assert_int_equal(w.sinks[s].presses, w.sinks[s].releases);
		assert_true(w.sinks[s].presses > 1000);
	}
}

/* ---- the cases that the walk stands for, told one by one ---- */

static void test_two_keyboards_press_once(void **state)
{
	struct world w;

	world_init(&w);
	router_set_sink(&w.router, &w.sinks[0].base);
	feed_key(&w.router, 1, KEY_A, true);
	feed_key(&w.router, 2, KEY_A, true);
	assert_int_equal(w.sinks[0].presses, 1);
	feed_key(&w.router, 1, KEY_A, false);
	assert_int_equal(w.sinks[0].releases, 0);
	feed_key(&w.router, 2, KEY_A, false);
	assert_int_equal(w.sinks[0].releases, 1);
}

static void test_held_keys_are_dead_after_a_switch(void **state)
{
	struct world w;

	world_init(&w);
	router_set_sink(&w.router, &w.sinks[0].base);
	feed_key(&w.router, 1, KEY_A, true);
	feed_key(&w.router, 1, BTN_LEFT, true);
	router_set_sink(&w.router, &w.sinks[1].base);
	assert_int_equal(w.sinks[0].releases, 2);
	feed_key(&w.router, 1, KEY_A, true); /* a repeat */
	feed_key(&w.router, 1, KEY_A, false);
	feed_key(&w.router, 1, BTN_LEFT, false);
	assert_int_equal(w.sinks[1].presses + w.sinks[1].releases, 0);
	feed_key(&w.router, 1, KEY_A, true);
	assert_true(w.sinks[1].down[KEY_A]);
}

static void test_odd_codes_are_ignored(void **state)
{
	struct world w;

	world_init(&w);
	router_set_sink(&w.router, &w.sinks[0].base);
	feed_key(&w.router, 1, 0, true);
	feed_key(&w.router, 1, KEY_CNT, true);
	feed_key(&w.router, 1, UINT32_MAX, true);
	assert_int_equal(w.router.held.n, 0);
	for (uint32_t device = 0; device < HELD_KEYS_MAX + 5; device++) {
		feed_key(&w.router, device, KEY_A, true);
	}
	assert_int_equal(w.router.held.n, HELD_KEYS_MAX);
	router_tap_key(&w.router, KEY_B);
	assert_int_equal(w.sinks[0].presses, 2);
}

/* ---- the pointer ---- */

static void feed_pair(struct router *router, enum input_event_type type, double x, double y)
{
	struct input_event event = { .type = type };

	if (type == INPUT_EVENT_ABSOLUTE) {
		event.x = x;
		event.y = y;
	} else {
		event.dx = x;
		event.dy = y;
	}
	router_feed(router, &event);
}

/* A 640x480 guest, twice as large and centred on a 1920x1080 output. */
static const struct pointer_transform doubled = { 320, 60, 1280, 960, 640, 480, 1920, 1080 };

static void test_absolute(void **state)
{
	struct world w;
	struct fake_sink *sink = &w.sinks[0];

	world_init(&w);
	sink->absolute = true;
	router_set_sink(&w.router, &sink->base);
	feed_pair(&w.router, INPUT_EVENT_ABSOLUTE, 0.5, 0.5);
	assert_int_equal(sink->positions, 0); /* where the guest is, is not known yet */
	router_set_transform(&w.router, &doubled);
	feed_pair(&w.router, INPUT_EVENT_ABSOLUTE, 0.5, 0.5);
	assert_int_equal(sink->x, 320);
	assert_int_equal(sink->y, 240);
	feed_pair(&w.router, INPUT_EVENT_ABSOLUTE, 0, 0); /* on the black border */
	assert_int_equal(sink->x, 0);
	assert_int_equal(sink->y, 0);
	feed_pair(&w.router, INPUT_EVENT_ABSOLUTE, 1, 1);
	assert_int_equal(sink->x, 639);
	assert_int_equal(sink->y, 479);
	feed_pair(&w.router, INPUT_EVENT_ABSOLUTE, 7, -7);
	assert_int_equal(sink->x, 639);
	assert_int_equal(sink->y, 0);
	assert_int_equal(sink->positions, 4);
}

/* A mouse before a tablet guest moves the seat's own pointer, within the output. */
static void test_motion_to_absolute(void **state)
{
	struct world w;
	struct fake_sink *sink = &w.sinks[0];

	world_init(&w);
	sink->absolute = true;
	router_set_sink(&w.router, &sink->base);
	router_set_transform(&w.router, &doubled);
	feed_pair(&w.router, INPUT_EVENT_MOTION, 2, 4); /* from the middle */
	assert_int_equal(sink->x, 321);
	assert_int_equal(sink->y, 242);
	feed_pair(&w.router, INPUT_EVENT_MOTION, 100000, 0);
	feed_pair(&w.router, INPUT_EVENT_MOTION, -2, 0);
	assert_true(w.router.x > 1917 && w.router.x < 1918);
	/* Less than a pixel of the guest is nothing to tell. */
	feed_pair(&w.router, INPUT_EVENT_MOTION, -1280, 0);
	assert_int_equal(sink->positions, 3);
	feed_pair(&w.router, INPUT_EVENT_MOTION, -0.1, 0);
	assert_int_equal(sink->positions, 3);
}

static void test_every_pixel_of_a_large_guest(void **state)
{
	/* A 4K guest on a full HD output: the last column can be reached. */
	static const struct pointer_transform half = { 0, 0, 1920, 1080, 3840, 2160, 1920, 1080 };
	struct world w;

	world_init(&w);
	w.sinks[0].absolute = true;
	router_set_sink(&w.router, &w.sinks[0].base);
	router_set_transform(&w.router, &half);
	feed_pair(&w.router, INPUT_EVENT_ABSOLUTE, 1, 1);
	assert_int_equal(w.sinks[0].x, 3839);
	assert_int_equal(w.sinks[0].y, 2159);
}

/* A click must land where the pointer is, though the guest was never told a motion. */
static void test_position_before_click(void **state)
{
	struct world w;
	struct fake_sink *sink = &w.sinks[0];

	world_init(&w);
	sink->absolute = true;
	router_set_transform(&w.router, &doubled);
	router_set_sink(&w.router, &sink->base);
	assert_int_equal(sink->positions, 0);
	feed_key(&w.router, 1, BTN_LEFT, true);
	assert_int_equal(sink->positions, 1);
	assert_int_equal(sink->x, 320);
	feed_key(&w.router, 1, BTN_LEFT, false);
	feed_key(&w.router, 1, BTN_LEFT, true);
	assert_int_equal(sink->positions, 1);
	router_set_transform(&w.router, &doubled);
	feed_pair(&w.router, INPUT_EVENT_WHEEL, 0, 120);
	assert_int_equal(sink->positions, 2);
}

static void test_relative(void **state)
{
	struct world w;
	struct fake_sink *sink = &w.sinks[0];
	double x = 0, y = 0;

	world_init(&w);
	router_set_transform(&w.router, &doubled);
	router_set_sink(&w.router, &sink->base);
	srandom(7);
	for (int i = 0; i < 100000; i++) {
		double dx = (double)(random() % 2001 - 1000) / 300;
		double dy = (double)(random() % 2001 - 1000) / 7000;

		x += dx;
		y += dy;
		feed_pair(&w.router, INPUT_EVENT_MOTION, dx, dy);
		assert_true(fabs(x - (double)sink->motion_x) < 1.001);
		assert_true(fabs(y - (double)sink->motion_y) < 1.001);
	}
	/* A tablet before a guest with a mouse: what it moved, in the guest's pixels. */
	sink->motion_x = sink->motion_y = 0;
	feed_pair(&w.router, INPUT_EVENT_ABSOLUTE, 0.25, 0.25);
	feed_pair(&w.router, INPUT_EVENT_ABSOLUTE, 0.5, 0.5);
	sink->motion_x = sink->motion_y = 0;
	feed_pair(&w.router, INPUT_EVENT_ABSOLUTE, 0.75, 0.25);
	assert_int_equal(sink->motion_x, 240);
	assert_true(labs((long)sink->motion_y + 135) <= 1);
}

static void test_remainders_die_with_the_target(void **state)
{
	struct world w;

	world_init(&w);
	router_set_transform(&w.router, &doubled);
	router_set_sink(&w.router, &w.sinks[0].base);
	feed_pair(&w.router, INPUT_EVENT_MOTION, 0.9, 0.9);
	feed_pair(&w.router, INPUT_EVENT_WHEEL, 0, 0.9);
	router_set_sink(&w.router, &w.sinks[1].base);
	feed_pair(&w.router, INPUT_EVENT_MOTION, 0.9, 0.9);
	feed_pair(&w.router, INPUT_EVENT_WHEEL, 0, 0.9);
	assert_int_equal(w.sinks[1].motion_x, 0);
	assert_int_equal(w.sinks[1].wheel_v, 0);
	feed_pair(&w.router, INPUT_EVENT_MOTION, 0.2, 0.2);
	feed_pair(&w.router, INPUT_EVENT_WHEEL, 1.5, 0.2);
	assert_int_equal(w.sinks[1].motion_x, 1);
	assert_int_equal(w.sinks[1].wheel_v, 1);
	assert_int_equal(w.sinks[1].wheel_h, 1);
}

static void test_wheel_and_pointer_of_the_grabber(void **state)
{
	struct world w;

	world_init(&w);
	router_set_transform(&w.router, &doubled);
	router_set_sink(&w.router, &w.sinks[0].base);
	router_set_grab(&w.router, true);
	feed_pair(&w.router, INPUT_EVENT_MOTION, 10, 20);
	assert_true(w.pointer_x == 970 && w.pointer_y == 560);
	feed_pair(&w.router, INPUT_EVENT_WHEEL, 0, 240);
	assert_int_equal(w.grabber.wheel_v, 240);
	assert_int_equal(w.sinks[0].motion_x, 0);
	assert_int_equal(w.sinks[0].wheel_v, 0);
}

/* The API takes any double. */
static void test_numbers_that_are_none(void **state)
{
	static const double odd[] = { NAN, INFINITY, -INFINITY, 1e300, -1e300 };
	struct world w;

	world_init(&w);
	router_set_transform(&w.router, &doubled);
	router_set_sink(&w.router, &w.sinks[0].base);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		feed_pair(&w.router, INPUT_EVENT_MOTION, odd[i], 1);
		feed_pair(&w.router, INPUT_EVENT_WHEEL, 120, odd[i]);
		feed_pair(&w.router, INPUT_EVENT_ABSOLUTE, odd[i], 0);
	}
	assert_int_equal(w.sinks[0].motion_x, 0);
	assert_int_equal(w.sinks[0].wheel_h, 0);
	assert_true(w.router.x == 960 && w.router.y == 540);
}

/* The picture of a guest's card is shown; positions go to QEMU's display, which is smaller. */
static void test_positions_in_the_targets_pixels(void **state)
{
	const struct pointer_transform transform = {
		.x = 100, .y = 0, .width = 1600, .height = 900,
		.frame_width = 3200, .frame_height = 1800,
		.target_width = 800, .target_height = 600,
		.output_width = 1800, .output_height = 900,
	};
	struct world w;

	(void)state;
	world_init(&w);
	w.sinks[0].absolute = true;
	router_set_sink(&w.router, &w.sinks[0].base);
	router_set_transform(&w.router, &transform);
	router_feed(&w.router, &(struct input_event){
				       .type = INPUT_EVENT_ABSOLUTE, .x = 0.5, .y = 0.5 });
	assert_int_equal(w.sinks[0].x, 400);
	assert_int_equal(w.sinks[0].y, 300);
	router_feed(&w.router, &(struct input_event){ .type = INPUT_EVENT_ABSOLUTE, .x = 1, .y = 1 });
	assert_int_equal(w.sinks[0].x, 799);
	assert_int_equal(w.sinks[0].y, 599);
}

/* A guest shows its pointer again, somewhere else: motion goes on from there. */
static void test_placed_by_the_guest(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	router_set_transform(&w.router, &doubled);
	router_set_sink(&w.router, &w.sinks[0].base);
	router_place_pointer(&w.router, 100, 50);
	w.sinks[0].absolute = true;
	router_feed(&w.router, &(struct input_event){ .type = INPUT_EVENT_MOTION, .dx = 2 });
	assert_int_equal(w.sinks[0].x, 101);
	assert_int_equal(w.sinks[0].y, 50);
	/* Nobody is led astray by a place outside. */
	router_place_pointer(&w.router, INT32_MAX, INT32_MIN);
	router_feed(&w.router, &(struct input_event){ .type = INPUT_EVENT_MOTION, .dx = -1 });
	assert_in_range(w.sinks[0].x, 0, 639);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_keyboards_press_once),
		cmocka_unit_test(test_held_keys_are_dead_after_a_switch),
		cmocka_unit_test(test_odd_codes_are_ignored),
		cmocka_unit_test(test_random_walk),
		cmocka_unit_test(test_absolute),
		cmocka_unit_test(test_placed_by_the_guest),
		cmocka_unit_test(test_motion_to_absolute),
		cmocka_unit_test(test_every_pixel_of_a_large_guest),
		cmocka_unit_test(test_position_before_click),
		cmocka_unit_test(test_positions_in_the_targets_pixels),
		cmocka_unit_test(test_relative),
		cmocka_unit_test(test_remainders_die_with_the_target),
		cmocka_unit_test(test_wheel_and_pointer_of_the_grabber),
		cmocka_unit_test(test_numbers_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
