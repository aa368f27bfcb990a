// SPDX-License-Identifier: MIT
/*
 * The pipeline as the seat uses it: chords never reach a sink, the host key's timer shows help,
 * the sink in front decides over LEDs and the notice, handlers may switch in the middle of it.
 */
#include "tests/unit/test.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "input/input.h"
#include "tests/unit/fake_sink.h"
#include "tests/unit/loop.h"

#define HOST KEY_RIGHTCTRL
#define DEADLINE_MS 5000

struct world {
	sd_event *event;
	struct input *input;
	struct fake_sink sinks[2];
	enum chord_action actions[64];
	unsigned int arguments[64];
	size_t n;
	unsigned int grabbed;
	uint32_t leds;
	int dropping; /* -1: not told */
};

static void handle_chord(void *data, enum chord_action action, unsigned int argument)
{
	struct world *w = data;

	assert_true(w->n < 64);
	w->actions[w->n] = action;
	w->arguments[w->n++] = argument;
	if (action == CHORD_SLOT && argument <= 2) {
		input_set_sink(w->input, &w->sinks[argument - 1].base);
	} else if (action == CHORD_SWITCHER || action == CHORD_RESCUE) {
		input_set_grab(w->input, true);
	}
}

static void handle_grabbed(void *data, const struct input_event *event)
{
	struct world *w = data;

	w->grabbed++;
	if (event->code == KEY_ENTER) {
		input_set_grab(w->input, false);
	}
}

static void handle_dropping(void *data, bool dropping)
{
	((struct world *)data)->dropping = dropping;
}

static void handle_leds(void *data, uint32_t mask)
{
	((struct world *)data)->leds = mask;
}

static int setup(void **state)
{
	static struct world w;
	static const struct input_handlers handlers = {
		.chord = handle_chord,
		.grabbed = handle_grabbed,
		.dropping = handle_dropping,
	};
	struct chord_config config;

	memset(&w, 0, sizeof(w));
	w.dropping = -1;
	fake_sink_init(&w.sinks[0]);
	fake_sink_init(&w.sinks[1]);
	chord_config_init(&config);
	assert_true(sd_event_new(&w.event) >= 0);
	assert_int_equal(input_create(w.event, &config, &handlers, &w, &w.input), 0);
	input_set_sink(w.input, &w.sinks[0].base);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	input_destroy(w->input);
	input_destroy(NULL);
	sd_event_unref(w->event);
	assert_int_equal(fake_sink_down(&w->sinks[0]) + fake_sink_down(&w->sinks[1]), 0);
	return 0;
}

static void key(struct world *w, uint32_t code, bool pressed)
{
	struct input_event event = {
		.type = code >= BTN_MISC ? INPUT_EVENT_BUTTON : INPUT_EVENT_KEY,
		.device = 1,
		.time_ns = clock_now_ns(),
		.code = code,
		.pressed = pressed,
	};

	input_feed(w->input, &event);
}

static void tap(struct world *w, uint32_t code)
{
	key(w, code, true);
	key(w, code, false);
}

static void test_switch(void **state)
{
	struct world *w = *state;

	key(w, KEY_LEFTSHIFT, true);
	key(w, BTN_LEFT, true);
	key(w, HOST, true);
	key(w, KEY_2, true);
	/* The old guest got its releases within the chord. */
	assert_int_equal(w->sinks[0].presses, 2);
	assert_int_equal(fake_sink_down(&w->sinks[0]), 0);
	key(w, KEY_2, false);
	key(w, KEY_LEFTSHIFT, false);
	key(w, HOST, false);
	key(w, BTN_LEFT, false);
	assert_int_equal(w->sinks[1].presses + w->sinks[1].releases, 0);
	tap(w, KEY_A);
	assert_int_equal(w->sinks[1].presses, 1);
	assert_int_equal(w->sinks[0].presses, 2);
}

static void test_switcher(void **state)
{
	struct world *w = *state;

	key(w, KEY_A, true);
	key(w, HOST, true);
	tap(w, KEY_O);
	key(w, HOST, false);
	assert_int_equal(fake_sink_down(&w->sinks[0]), 0);
	key(w, KEY_A, false);
	assert_int_equal(w->grabbed, 0);
	tap(w, KEY_B);
	assert_int_equal(w->grabbed, 2);
	key(w, KEY_ENTER, true); /* the handler gives the sink its events back */
	key(w, KEY_ENTER, true);
	key(w, KEY_ENTER, false);
	assert_int_equal(w->sinks[0].presses, 1);
	tap(w, KEY_C);
	assert_int_equal(w->sinks[0].presses, 2);
}

static void test_rescue(void **state)
{
	struct world *w = *state;

	key(w, KEY_A, true);
	key(w, HOST, true);
	key(w, KEY_ESC, true);
	assert_int_equal(w->sinks[0].lifts, 1);
	assert_int_equal(fake_sink_down(&w->sinks[0]), 0);
	assert_int_equal(w->actions[0], CHORD_RESCUE);
	key(w, KEY_ESC, false);
	key(w, KEY_A, false);
	key(w, HOST, false);
	assert_int_equal(w->grabbed, 0);
}

static void test_send_host_key(void **state)
{
	struct world *w = *state;

	key(w, HOST, true);
	key(w, KEY_BACKSPACE, true);
	assert_int_equal(w->sinks[0].presses, 1);
	assert_int_equal(w->sinks[0].releases, 1);
	assert_int_equal(w->sinks[0].last_code, HOST);
	key(w, KEY_BACKSPACE, false);
	key(w, HOST, false);
	assert_int_equal(w->sinks[0].presses, 1);
	input_set_grab(w->input, true);
	key(w, HOST, true);
	key(w, KEY_BACKSPACE, true);
	assert_int_equal(w->sinks[0].presses, 1);
}

static bool has_action(void *data)
{
	return ((struct world *)data)->n > 0;
}

static void test_help(void **state)
{
	struct world *w = *state;
	uint64_t start = clock_now_ns();

	key(w, HOST, true);
	assert_true(loop_until(w->event, has_action, w, DEADLINE_MS));
	assert_int_equal(w->actions[0], CHORD_HELP_SHOW);
	assert_true(clock_now_ns() - start >= CHORD_HELP_HOLD_NS);
	key(w, HOST, false);
	assert_int_equal(w->actions[1], CHORD_HELP_HIDE);
	assert_int_equal(w->n, 2);
	/* A chord in time, and a device that goes, want no help. */
	key(w, HOST, true);
	tap(w, KEY_9);
	assert_int_equal(w->n, 3);
	key(w, HOST, false);
	key(w, HOST, true);
	input_device_gone(w->input, 1);
	assert_int_equal(sd_event_run(w->event, 800 * 1000), 0);
}

static void test_devices(void **state)
{
	struct world *w = *state;

	key(w, KEY_A, true);
	key(w, KEY_LEFTCTRL, true);
	input_device_gone(w->input, 2);
	assert_int_equal(fake_sink_down(&w->sinks[0]), 2);
	input_device_gone(w->input, 1);
	assert_int_equal(fake_sink_down(&w->sinks[0]), 0);
	key(w, KEY_A, true);
	input_release_all(w->input);
	assert_int_equal(fake_sink_down(&w->sinks[0]), 0);
	key(w, KEY_A, true);
	assert_int_equal(fake_sink_down(&w->sinks[0]), 1);
}

static void test_leds_and_dropping(void **state)
{
	struct world *w = *state;
	struct input_sink *a = &w->sinks[0].base, *b = &w->sinks[1].base;

	input_set_led_handler(w->input, handle_leds, w);
	a->leds = 1 << LED_CAPSL;
	a->changed(a, a->changed_data);
	assert_int_equal(w->leds, 1 << LED_CAPSL);
	assert_int_equal(w->dropping, -1);
	a->dropping = true;
	a->changed(a, a->changed_data);
	assert_int_equal(w->dropping, true);
	b->leds = 1 << LED_NUML;
	input_set_sink(w->input, b);
	assert_null(a->changed);
	assert_int_equal(w->leds, 1 << LED_NUML);
	assert_int_equal(w->dropping, false);
	input_set_sink(w->input, a);
	assert_int_equal(w->dropping, true);
	input_set_sink(w->input, NULL);
	assert_int_equal(w->leds, 0);
	assert_int_equal(w->dropping, false);
}

static void press_on(struct world *w, uint32_t device, uint32_t code, bool pressed)
{
	input_feed(w->input, &(struct input_event){ .type = INPUT_EVENT_KEY, .device = device,
						    .code = code, .pressed = pressed });
}

/* A keyboard of the guest behind: its keys go there, and none of them is a chord. */
static void test_pinned(void **state)
{
	struct world *w = *state;

	press_on(w, 7, KEY_A, true);
	assert_true(w->sinks[0].down[KEY_A]);
	assert_int_equal(input_pin(w->input, 7, &w->sinks[1].base), 0);
	assert_false(w->sinks[0].down[KEY_A]);
	press_on(w, 7, HOST, true);
	press_on(w, 7, KEY_2, true);
	assert_int_equal(w->n, 0);
	assert_true(w->sinks[1].down[HOST] && w->sinks[1].down[KEY_2]);
	/* Others are as they were, and a grab is none of its business. */
	press_on(w, 8, KEY_B, true);
	assert_true(w->sinks[0].down[KEY_B]);
	input_set_grab(w->input, true);
	press_on(w, 7, KEY_C, true);
	assert_true(w->sinks[1].down[KEY_C]);
	assert_int_equal(w->grabbed, 0);
	input_release_all(w->input);
	assert_int_equal(fake_sink_down(&w->sinks[1]), 0);
	press_on(w, 7, KEY_D, true);
	input_device_gone(w->input, 7);
	assert_int_equal(fake_sink_down(&w->sinks[1]), 0);
}

/* What goes to the guest in front is written down, and no chord; who does not read ends it. */
static void test_recorded(void **state)
{
	struct world *w = *state;
	char text[256];
	int pair[2];
	ssize_t n;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	input_record(w->input, pair[0]);
	input_feed(w->input, &(struct input_event){ .type = INPUT_EVENT_KEY, .device = 1,
						    .code = KEY_A, .pressed = true,
						    .time_ns = 5000000 });
	press_on(w, 1, HOST, true);
	press_on(w, 1, KEY_1, true);
	press_on(w, 1, HOST, false);
	input_feed(w->input, &(struct input_event){ .type = INPUT_EVENT_MOTION, .device = 2,
						    .dx = -1.5, .time_ns = 6500000 });
	n = recv(pair[1], text, sizeof(text) - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "0.000 key 30 1\n1.500 motion -1.5 0\n");
	for (int i = 0; i < 100000; i++) {
		press_on(w, 1, KEY_B, i % 2 == 0);
	}
	while ((n = recv(pair[1], text, sizeof(text), MSG_DONTWAIT)) > 0) {
	}
	assert_int_equal(n, 0);
	close(pair[1]);
}

static void test_unpinned(void **state)
{
	struct world *w = *state;

	assert_int_equal(input_pin(w->input, 7, &w->sinks[1].base), 0);
	assert_int_equal(input_pin(w->input, 9, &w->sinks[1].base), 0);
	press_on(w, 7, KEY_A, true);
	input_unpin_sink(w->input, &w->sinks[1].base);
	assert_int_equal(fake_sink_down(&w->sinks[1]), 0);
	press_on(w, 9, KEY_B, true);
	assert_true(w->sinks[0].down[KEY_B]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_switch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_switcher, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rescue, setup, teardown),
		cmocka_unit_test_setup_teardown(test_send_host_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_help, setup, teardown),
		cmocka_unit_test_setup_teardown(test_devices, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pinned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_recorded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unpinned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leds_and_dropping, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
