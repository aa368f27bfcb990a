// SPDX-License-Identifier: MIT
/*
 * The sink over D-Bus against a made-up QEMU on the other end of a socket pair, which answers at
 * once, when told to, or never. Its clock is the real one: the two seconds until events are
 * dropped are waited for as an event, with a deadline.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "input/input.h"
#include "tests/unit/fake_vm.h"
#include "tests/unit/loop.h"

#define CONSOLE "/org/qemu/Display1/Console_0"
#define DEADLINE_MS 10000
#define HELD_MAX 64
#define QNUM_A 0x1e
#define BUTTONS 9 /* what QEMU 10 bears */

struct qemu {
	sd_event *event;
	struct vm *vm;
	sd_bus *bus;
	struct input_sink *sink;

	bool answers;
	sd_bus_message *held[HELD_MAX]; /* calls without an answer, oldest first */
	size_t n_held, most_held;

	bool absolute;
	uint32_t modifiers;
	unsigned int gets;

	/* What the guest saw. */
	unsigned int calls, key_presses, key_releases, lifts;
	bool down[2][256]; /* keys, buttons */
	int64_t motion_x, motion_y, wheel_v;
	uint32_t x, y;
	unsigned int positions;

	unsigned int changes;
	bool dropping_seen;
};

/* ---- QEMU's side ---- */

static void see_number(struct qemu *q, sd_bus_message *call, bool button, bool press)
{
	uint32_t number;

	assert_true(sd_bus_message_read(call, "u", &number) > 0);
	assert_true(number < (button ? BUTTONS : 256u));
	if (!button) {
		assert_int_not_equal(number, 0);
		*(press ? &q->key_presses : &q->key_releases) += 1;
	}
	if (!press && !q->down[button][number]) {
		q->lifts++; /* legal: QEMU ignores it */
	}
	if (press) {
		assert_false(q->down[button][number]);
	}
	q->down[button][number] = press;
	if (button && press && (number == 3 || number == 4)) {
		q->wheel_v += number == 4 ? 1 : -1;
	}
}

static void see(struct qemu *q, sd_bus_message *call)
{
	const char *member = sd_bus_message_get_member(call);
	bool button = strcmp(sd_bus_message_get_interface(call), "org.qemu.Display1.Mouse") == 0;

	q->calls++;
	if (strcmp(member, "Press") == 0 || strcmp(member, "Release") == 0) {
		see_number(q, call, button, *member == 'P');
	} else if (strcmp(member, "RelMotion") == 0) {
		int32_t dx, dy;

		assert_true(sd_bus_message_read(call, "ii", &dx, &dy) > 0);
		q->motion_x += dx;
		q->motion_y += dy;
	} else if (strcmp(member, "SetAbsPosition") == 0) {
		assert_true(sd_bus_message_read(call, "uu", &q->x, &q->y) > 0);
		q->positions++;
	} else {
		fail_msg("an unknown call: %s", member);
	}
}

static void append_properties(struct qemu *q, sd_bus_message *reply, bool mouse)
{
	if (mouse) {
		assert_true(sd_bus_message_append(reply, "a{sv}", 2, "IsAbsolute", "b",
						  (int)q->absolute, "Other", "as", 1, "x") >= 0);
	} else {
		assert_true(sd_bus_message_append(reply, "a{sv}", 1, "Modifiers", "u",
						  q->modifiers) >= 0);
	}
}

static int answer_get(struct qemu *q, sd_bus_message *call)
{
	sd_bus_message *reply;
	const char *interface;
	int r;

	assert_true(sd_bus_message_read(call, "s", &interface) > 0);
	assert_int_equal(sd_bus_message_new_method_return(call, &reply), 0);
	append_properties(q, reply, strcmp(interface, "org.qemu.Display1.Mouse") == 0);
	q->gets++;
	r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r < 0 ? r : 1;
}

static int handle_call(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct qemu *q = data;

	if (strcmp(sd_bus_message_get_member(call), "GetAll") == 0 && q->answers) {
		return answer_get(q, call);
	}
	if (!q->answers) {
		assert_true(q->n_held < HELD_MAX);
		q->held[q->n_held++] = sd_bus_message_ref(call);
		q->most_held = q->n_held > q->most_held ? q->n_held : q->most_held;
		return 1;
	}
	see(q, call);
	return sd_bus_reply_method_return(call, NULL);
}

/* The guest goes on: reads and answers what waits for it, from now on at once. */
static void qemu_wake(struct qemu *q)
{
	q->answers = true;
	for (size_t i = 0; i < q->n_held; i++) {
		assert_true(handle_call(q->held[i], q, NULL) >= 0);
		sd_bus_message_unref(q->held[i]);
	}
	q->n_held = 0;
}

static void qemu_signal(struct qemu *q, const char *interface)
{
	sd_bus_message *signal;

	assert_int_equal(sd_bus_message_new_signal(q->bus, &signal, CONSOLE,
						   "org.freedesktop.DBus.Properties",
						   "PropertiesChanged"),
			 0);
	assert_true(sd_bus_message_append(signal, "s", interface) >= 0);
	append_properties(q, signal, strcmp(interface, "org.qemu.Display1.Mouse") == 0);
	assert_true(sd_bus_message_append(signal, "as", 0) >= 0);
	assert_true(sd_bus_send(q->bus, signal, NULL) >= 0);
	sd_bus_message_unref(signal);
}

static void qemu_connect(struct qemu *q)
{
	q->bus = fake_vm_connect(q->vm);
	assert_true(sd_bus_add_object(q->bus, NULL, CONSOLE, handle_call, q) >= 0);
}

static void handle_changed(struct input_sink *sink, void *data)
{
	struct qemu *q = data;

	q->changes++;
	q->dropping_seen |= sink->dropping;
}

/* ---- running ---- */

static bool has_settled(void *data)
{
	struct qemu *q = data;

	return q->gets >= 2;
}

static int setup(void **state)
{
	struct qemu *q = calloc(1, sizeof(*q));

	assert_non_null(q);
	assert_true(sd_event_new(&q->event) >= 0);
	q->vm = fake_vm_create(q->event, "a");
	assert_int_equal(dbus_sink_create(q->event, q->vm, &q->sink), 0);
	q->sink->changed = handle_changed;
	q->sink->changed_data = q;
	q->answers = true;
	qemu_connect(q);
	assert_true(loop_until(q->event, has_settled, q, DEADLINE_MS));
	*state = q;
	return 0;
}

static int teardown(void **state)
{
	struct qemu *q = *state;

	for (size_t i = 0; i < q->n_held; i++) {
		sd_bus_message_unref(q->held[i]);
	}
	input_sink_destroy(q->sink);
	fake_vm_destroy(q->vm);
	sd_event_unref(q->event);
	free(q);
	return 0;
}

static void key(struct qemu *q, uint32_t code, bool pressed)
{
	q->sink->ops->key(q->sink, code, pressed, clock_now_ns());
}

static void button(struct qemu *q, uint32_t code, bool pressed)
{
	q->sink->ops->button(q->sink, code, pressed, clock_now_ns());
}

static bool saw_all_keys(void *data)
{
	struct qemu *q = data;

	return q->key_presses + q->key_releases >= 40;
}

static void test_keys(void **state)
{
	struct qemu *q = *state;

	for (int i = 0; i < 20; i++) {
		key(q, KEY_A + (uint32_t)i % 3, true);
		key(q, KEY_A + (uint32_t)i % 3, false);
	}
	assert_true(loop_until(q->event, saw_all_keys, q, DEADLINE_MS));
	assert_int_equal(q->key_presses, 20);
	assert_int_equal(q->key_releases, 20);
	assert_int_equal(q->sink->stats.sent, 40);
	key(q, KEY_MICMUTE, true); /* QEMU has no such key */
	button(q, BTN_TASK, true);
	assert_int_equal(q->sink->stats.dropped, 2);
}

/* A seat before this one may have died with a button pressed. */
static bool lifted_buttons(void *data)
{
	struct qemu *q = data;

	return q->lifts == 5;
}

static void test_buttons_are_lifted_first(void **state)
{
	struct qemu *q = *state;

	assert_true(loop_until(q->event, lifted_buttons, q, DEADLINE_MS));
	assert_int_equal(q->calls, 5);
	assert_int_equal(q->sink->stats.sent + q->sink->stats.dropped, 0);
}

static bool is_absolute(void *data)
{
	struct qemu *q = data;

	return q->sink->ops->is_absolute(q->sink);
}

static bool is_relative(void *data)
{
	return !is_absolute(data);
}

static bool leds_are_all(void *data)
{
	struct qemu *q = data;

	return q->sink->leds == (1u << LED_NUML | 1u << LED_CAPSL | 1u << LED_SCROLLL);
}

static bool leds_are_num(void *data)
{
	struct qemu *q = data;

	return q->sink->leds == 1u << LED_NUML;
}

static bool has_no_keys_under_way(void *data)
{
	struct qemu *q = data;

	return !vm_keys_under_way(q->vm);
}

static bool saw_two_keys(void *data)
{
	struct qemu *q = data;

	return q->key_presses == 2;
}

/* QEMU would let go of a key that came before it noticed the end of a display listener. */
static void test_keys_wait_for_a_lift(void **state)
{
	struct qemu *q = *state;

	assert_true(loop_until(q->event, lifted_buttons, q, DEADLINE_MS));
	fake_vm_set_lifts(q->vm, true);
	key(q, KEY_A, true);
	key(q, KEY_B, true);
	/* A signal that was sent later has been seen, so the keys would have been as well. */
	q->modifiers = 2;
	qemu_signal(q, "org.qemu.Display1.Keyboard");
	assert_true(loop_until(q->event, leds_are_num, q, DEADLINE_MS));
	assert_int_equal(q->key_presses, 0);
	fake_vm_set_lifts(q->vm, false);
	assert_true(loop_until(q->event, saw_two_keys, q, DEADLINE_MS));
	assert_true(vm_keys_under_way(q->vm)); /* the answers are */
	assert_true(loop_until(q->event, has_no_keys_under_way, q, DEADLINE_MS));
}

static void test_properties(void **state)
{
	struct qemu *q = *state;

	assert_false(is_absolute(q));
	q->absolute = true;
	q->modifiers = 7;
	qemu_signal(q, "org.qemu.Display1.Mouse");
	qemu_signal(q, "org.qemu.Display1.Keyboard");
	qemu_signal(q, "org.qemu.Display1.Console");
	assert_true(loop_until(q->event, is_absolute, q, DEADLINE_MS));
	assert_true(loop_until(q->event, leds_are_all, q, DEADLINE_MS));
	assert_int_equal(q->changes, 1);
	/* A guest that starts anew is asked again. */
	fake_vm_disconnect(q->vm);
	assert_true(is_relative(q));
	assert_int_equal(q->sink->leds, 0);
	q->modifiers = 2;
	qemu_connect(q);
	assert_true(loop_until(q->event, is_absolute, q, DEADLINE_MS));
	assert_true(loop_until(q->event, leds_are_num, q, DEADLINE_MS));
}

/* A hostile QEMU may say anything. */
static void test_odd_properties(void **state)
{
	struct qemu *q = *state;
	sd_bus_message *signal;

	for (int i = 0; i < 4; i++) {
		assert_int_equal(sd_bus_message_new_signal(q->bus, &signal, CONSOLE,
							   "org.freedesktop.DBus.Properties",
							   "PropertiesChanged"),
				 0);
		if (i == 1) {
			sd_bus_message_append(signal, "s", "org.qemu.Display1.Mouse");
		} else if (i == 2) {
			sd_bus_message_append(signal, "sa{sv}as", "org.qemu.Display1.Mouse", 1,
					      "IsAbsolute", "s", "yes", 0);
		} else if (i == 3) {
			sd_bus_message_append(signal, "sa{sv}as", "org.qemu.Display1.Keyboard", 1,
					      "Modifiers", "t", UINT64_MAX, 0);
		}
		assert_true(sd_bus_send(q->bus, signal, NULL) >= 0);
		sd_bus_message_unref(signal);
	}
	q->absolute = true;
	qemu_signal(q, "org.qemu.Display1.Mouse");
	assert_true(loop_until(q->event, is_absolute, q, DEADLINE_MS));
	assert_int_equal(q->sink->leds, 0);
}

static bool motion_has_arrived(void *data)
{
	struct qemu *q = data;

	return q->motion_x == 8000 && q->motion_y == -16000 && q->wheel_v == -3;
}

static void test_motion_and_wheel(void **state)
{
	struct qemu *q = *state;

	for (int i = 0; i < 8000; i++) {
		q->sink->ops->motion(q->sink, 1, -2, clock_now_ns());
	}
	for (int i = 0; i < 12; i++) {
		q->sink->ops->wheel(q->sink, -30, 0, clock_now_ns());
	}
	assert_true(loop_until(q->event, motion_has_arrived, q, DEADLINE_MS));
	assert_true(q->sink->stats.coalesced > 7900);
	assert_int_equal(q->sink->stats.dropped, 0);
}

static bool click_has_arrived(void *data)
{
	struct qemu *q = data;

	return q->down[1][2];
}

static void test_position_before_button(void **state)
{
	struct qemu *q = *state;

	q->sink->ops->absolute(q->sink, 1, 2, clock_now_ns());
	q->sink->ops->absolute(q->sink, 3, 4, clock_now_ns());
	q->sink->ops->absolute(q->sink, 639, 479, clock_now_ns());
	button(q, BTN_RIGHT, true);
	q->sink->ops->absolute(q->sink, 9, 9, clock_now_ns());
	assert_true(loop_until(q->event, click_has_arrived, q, DEADLINE_MS));
	assert_int_equal(q->x, 639);
	assert_int_equal(q->y, 479);
}

/* ---- a guest that does not answer ---- */

static bool window_is_full(void *data)
{
	struct qemu *q = data;

	return q->n_held == 4;
}

static bool holds_a_call(void *data)
{
	struct qemu *q = data;

	return q->n_held > 0;
}

static bool is_dropping(void *data)
{
	struct qemu *q = data;

	return q->sink->dropping;
}

static bool is_back(void *data)
{
	struct qemu *q = data;

	return !q->sink->dropping && !q->down[0][QNUM_A] && !q->down[1][0];
}

static bool nothing_is_down(void *data)
{
	struct qemu *q = data;

	for (size_t i = 0; i < 256; i++) {
		if (q->down[0][i] || q->down[1][i]) {
			return false;
		}
	}
	return true;
}

static void test_hung(void **state)
{
	struct qemu *q = *state;
	uint64_t start;

	assert_true(loop_until(q->event, lifted_buttons, q, DEADLINE_MS));
	q->answers = false;
	start = clock_now_ns();
	key(q, KEY_A, true);
	button(q, BTN_LEFT, true);
	for (int i = 0; i < 20; i++) {
		key(q, KEY_B, i % 2 == 0);
		q->sink->ops->motion(q->sink, 1, 1, clock_now_ns());
	}
	assert_true(loop_until(q->event, window_is_full, q, DEADLINE_MS));
	assert_true(loop_until(q->event, is_dropping, q, DEADLINE_MS));
	assert_in_range((clock_now_ns() - start) / NSEC_PER_MSEC, 1995, 4000);
	for (int i = 0; i < 100; i++) {
		key(q, KEY_C, i % 2 == 0);
	}
	assert_int_equal(q->most_held, 4);
	assert_true(q->sink->stats.dropped >= 100 + 36);
	qemu_wake(q);
	assert_true(loop_until(q->event, is_back, q, DEADLINE_MS));
	/* Nothing of what was typed meanwhile came after it. */
	assert_true(loop_until(q->event, nothing_is_down, q, DEADLINE_MS));
	assert_true(q->key_presses <= 3);
	assert_int_equal(q->changes, 2);
	key(q, KEY_A, false);
	key(q, KEY_D, true);
	key(q, KEY_D, false);
	assert_true(loop_until(q->event, nothing_is_down, q, DEADLINE_MS));
}

static bool a_is_down(void *data)
{
	struct qemu *q = data;

	return q->down[0][QNUM_A];
}

/* What does not get out at all: the socket of a guest that reads nothing is full. */
static void test_full_socket(void **state)
{
	struct qemu *q = *state;

	assert_true(loop_until(q->event, lifted_buttons, q, DEADLINE_MS));
	key(q, KEY_A, true);
	assert_true(loop_until(q->event, a_is_down, q, DEADLINE_MS));
	sd_event_run(q->event, 0); /* its answer */
	fake_vm_fail_calls(q->vm, -ENOBUFS);
	key(q, KEY_A, false);
	assert_true(q->sink->dropping);
	key(q, KEY_B, true);
	assert_int_equal(q->sink->stats.dropped, 1);
	fake_vm_fail_calls(q->vm, 0);
	/* Nothing is on its way that could be answered: a sign of life elsewhere makes us ask. */
	fake_vm_set_hung(q->vm, true);
	fake_vm_set_hung(q->vm, false);
	assert_true(loop_until(q->event, is_back, q, DEADLINE_MS));
	assert_false(q->down[0][QNUM_A]);
}

static void test_connection_ends(void **state)
{
	struct qemu *q = *state;

	q->answers = false;
	key(q, KEY_A, true);
	assert_true(loop_until(q->event, holds_a_call, q, DEADLINE_MS));
	fake_vm_disconnect(q->vm);
	assert_false(q->sink->dropping);
	key(q, KEY_B, true);
	q->sink->ops->release_all(q->sink);
	assert_true(q->sink->stats.dropped >= 1);
	for (size_t i = 0; i < q->n_held; i++) {
		sd_bus_message_unref(q->held[i]);
	}
	q->n_held = 0;
	q->answers = true;
	qemu_connect(q);
	key(q, KEY_D, true);
	key(q, KEY_D, false);
	assert_true(loop_until(q->event, nothing_is_down, q, DEADLINE_MS));
	assert_false(q->down[0][0x30]);
}

/* ---- anything, in any order ---- */

static void random_event(struct qemu *q)
{
	switch (random() % 8) {
	case 0:
	case 1:
		key(q, (uint32_t)(random() % 300), random() % 2);
		break;
	case 2:
		button(q, BTN_LEFT + (uint32_t)(random() % 10), random() % 2);
		break;
	case 3:
		q->sink->ops->motion(q->sink, (int32_t)random(), -(int32_t)random(), 0);
		break;
	case 4:
		q->sink->ops->absolute(q->sink, (uint32_t)random(), (uint32_t)random(), 0);
		break;
	case 5:
		q->sink->ops->wheel(q->sink, (int32_t)random() - 1000000000, 77, 0);
		break;
	case 6:
		if (random() % 50 == 0) {
			q->sink->ops->release_all(q->sink);
		}
		break;
	default:
		for (int i = 0; i < 4; i++) {
			assert_true(sd_event_run(q->event, (uint64_t)random() % 500) >= 0);
		}
		break;
	}
}

static void random_world(struct qemu *q)
{
	fake_vm_fail_calls(q->vm, random() % 500 == 0 ? -ENOBUFS : 0);
	if (q->bus && random() % 1000 == 0) {
		fake_vm_disconnect(q->vm);
		q->bus = NULL;
		memset(q->down, 0, sizeof(q->down));
		for (size_t i = 0; i < q->n_held; i++) {
			sd_bus_message_unref(q->held[i]);
		}
		q->n_held = 0;
	} else if (!q->bus && random() % 20 == 0) {
		qemu_connect(q);
	} else if (random() % 300 == 0) {
		q->answers = false;
	} else if (random() % 50 == 0) {
		qemu_wake(q);
	} else if (random() % 100 == 0) {
		fake_vm_set_hung(q->vm, random() % 2);
	}
}

static void test_random_walk(void **state)
{
	const char *given = getenv("SEED");
	unsigned int seed = given ? (unsigned int)atoi(given) : (unsigned int)time(NULL);
	uint64_t end = clock_now_ns() + 3 * NSEC_PER_SEC;
	struct qemu *q = *state;

	print_message("SEED=%u\n", seed);
	srandom(seed);
	while (clock_now_ns() < end) {
		random_event(q);
		random_world(q);
	}
	fake_vm_fail_calls(q->vm, 0);
	if (!q->bus) {
		qemu_connect(q);
	}
	qemu_wake(q);
	for (int i = 0; i < 3 && q->sink->dropping; i++) {
		fake_vm_set_hung(q->vm, false);
		loop_until(q->event, is_back, q, 600); /* a question may just have been asked */
	}
	q->sink->ops->release_all(q->sink);
	assert_true(loop_until(q->event, nothing_is_down, q, DEADLINE_MS));
	print_message("%u calls, most unanswered %zu\n", q->calls, q->most_held);
	/* The window, and the two questions after a connection. */
	assert_true(q->most_held <= 4 + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys_wait_for_a_lift, setup, teardown),
		cmocka_unit_test_setup_teardown(test_buttons_are_lifted_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_properties, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd_properties, setup, teardown),
		cmocka_unit_test_setup_teardown(test_motion_and_wheel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_position_before_button, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hung, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connection_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random_walk, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
