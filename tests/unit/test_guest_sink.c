// SPDX-License-Identifier: MIT
/*
 * What of a guest's input goes to its own devices and what to the emulated ones, with a made-up
 * baton-input on the other end of a socket pair, which reads when told to.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "input/input.h"
#include "proto/input.h"
#include "tests/unit/fake_sink.h"
#include "tests/unit/fake_vm.h"
#include "tests/unit/loop.h"

static sd_event *event;
static struct vm *vm;
static struct input_sink *sink;
static struct fake_sink emulated;
static int keeper; /* its end */
static unsigned int changes;

/* In the place of the emulated devices. */
int __wrap_dbus_sink_create(sd_event *event, struct vm *vm, struct input_sink **out);

int __wrap_dbus_sink_create(sd_event *event, struct vm *vm, struct input_sink **out)
{
	fake_sink_init(&emulated);
	*out = &emulated.base;
	return 0;
}

/* ---- baton-input ---- */

static void say(uint16_t type, uint16_t kind, uint32_t value)
{
	const struct input_packet packet = { type, kind, value };

	assert_int_equal(send(keeper, &packet, sizeof(packet), 0), sizeof(packet));
}

static void set_state(enum input_kind kind, enum input_device_state state)
{
	say(INPUT_STATE, (uint16_t)kind, state);
	loop_settle(event);
}

static void set_ready(void)
{
	say(INPUT_HELLO, 0, INPUT_PROTOCOL);
	for (uint16_t i = 0; i < INPUT_KINDS; i++) {
		say(INPUT_STATE, i, INPUT_DEVICE_READY);
	}
	loop_settle(event);
}

/* The next packet; the number of its events, which go to events. */
static size_t next(struct input_packet *head, struct input_wire_event *events)
{
	_Alignas(8) char buffer[sizeof(*head) + 8 * INPUT_EVENTS_MAX];
	ssize_t n = recv(keeper, buffer, sizeof(buffer), MSG_DONTWAIT);
	size_t n_events;

	assert_true(n >= (ssize_t)sizeof(*head));
	memcpy(head, buffer, sizeof(*head));
	n_events = ((size_t)n - sizeof(*head)) / sizeof(*events);
	memcpy(events, buffer + sizeof(*head), n_events * sizeof(*events));
	return n_events;
}

static void expect(enum input_kind kind, const struct input_wire_event *expected, size_t n)
{
	struct input_wire_event events[INPUT_EVENTS_MAX];
	struct input_packet head;

	assert_int_equal(next(&head, events), n + 1);
	assert_int_equal(head.type, INPUT_EVENTS);
	assert_int_equal(head.kind, kind);
	assert_int_equal(head.value, n + 1);
	assert_memory_equal(events, expected, n * sizeof(*expected));
	assert_int_equal(events[n].type, EV_SYN);
}

static void expect_one(enum input_kind kind, uint16_t type, uint16_t code, int32_t value)
{
	expect(kind, &(struct input_wire_event){ type, code, value }, 1);
}

static void expect_nothing(void)
{
	char byte;

	assert_int_equal(recv(keeper, &byte, 1, MSG_DONTWAIT), -1);
}

static void handle_changed(struct input_sink *changed, void *data)
{
	changes++;
}

static int set_up(void **state)
{
	int pair[2];

	assert_true(sd_event_new(&event) >= 0);
	vm = fake_vm_create(event, "guest");
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	keeper = pair[1];
	fake_vm_set_input(vm, pair[0]);
	assert_int_equal(guest_sink_create(event, vm, &sink), 0);
	sink->changed = handle_changed;
	changes = 0;
	fake_vm_set_commandable(vm, true);
	fake_vm_set_input(vm, -ECONNREFUSED);
	loop_settle(event);
	return 0;
}

static int tear_down(void **state)
{
	input_sink_destroy(sink);
	fake_vm_destroy(vm);
	close(keeper);
	sd_event_unref(event);
	return 0;
}

/* ---- tests ---- */

static void test_before_the_driver(void **state)
{
	say(INPUT_HELLO, 0, INPUT_PROTOCOL);
	set_state(INPUT_KIND_KEYBOARD, INPUT_DEVICE_IDLE);
	sink->ops->key(sink, KEY_A, true, 0);
	sink->ops->motion(sink, 1, 2, 0);
	assert_true(emulated.down[KEY_A]);
	assert_int_equal(emulated.motion_y, 2);
	expect_nothing();
	/* What is down there is let go when the driver comes. */
	assert_int_equal(emulated.lifts, 0);
	set_state(INPUT_KIND_KEYBOARD, INPUT_DEVICE_READY);
	assert_int_equal(emulated.lifts, 1);
	sink->ops->key(sink, KEY_B, true, 0);
	expect_one(INPUT_KIND_KEYBOARD, EV_KEY, KEY_B, 1);
	assert_false(emulated.down[KEY_B]);
	/* Each device by itself. */
	sink->ops->motion(sink, 1, 2, 0);
	assert_int_equal(emulated.motion_y, 4);
}

static void test_devices(void **state)
{
	assert_string_equal(sink->devices, "emulated");
	say(INPUT_HELLO, 0, INPUT_PROTOCOL);
	set_state(INPUT_KIND_TOUCH, INPUT_DEVICE_READY);
	assert_string_equal(sink->devices, "touch");
	set_ready();
	assert_string_equal(sink->devices, "keyboard, pointer, tablet, touch, pen, gamepad");
	close(keeper);
	keeper = -1;
	loop_settle(event);
	assert_string_equal(sink->devices, "emulated");
}

static void test_own_devices(void **state)
{
	const struct input_wire_event motion[] = { { EV_REL, REL_X, -3 }, { EV_REL, REL_Y, 5 } };
	const struct input_wire_event place[] = { { EV_ABS, ABS_X, 16383 }, { EV_ABS, ABS_Y, 0 } };

	set_ready();
	sink->ops->motion(sink, -3, 5, 0);
	expect(INPUT_KIND_POINTER, motion, 2);
	sink->ops->button(sink, BTN_EXTRA, true, 0);
	expect_one(INPUT_KIND_POINTER, EV_KEY, BTN_EXTRA, 1);
	sink->width = 800;
	sink->height = 600;
	sink->ops->absolute(sink, 400, 0, 0);
	expect(INPUT_KIND_TABLET, place, 2);
	assert_int_equal(sink->stats.sent, 3);
}

/* What is clicked at a position is of the device that has it, and let go there. */
static void test_buttons_of_the_tablet(void **state)
{
	set_ready();
	emulated.absolute = true;
	sink->ops->button(sink, BTN_LEFT, true, 0);
	expect_one(INPUT_KIND_TABLET, EV_KEY, BTN_LEFT, 1);
	sink->ops->wheel(sink, 60, 0, 0);
	expect_one(INPUT_KIND_TABLET, EV_REL, REL_WHEEL_HI_RES, -60);
	sink->pointer_hidden = true;
	sink->ops->button(sink, BTN_RIGHT, true, 0);
	expect_one(INPUT_KIND_POINTER, EV_KEY, BTN_RIGHT, 1);
	sink->ops->button(sink, BTN_LEFT, false, 0);
	expect_one(INPUT_KIND_TABLET, EV_KEY, BTN_LEFT, 0);
	sink->ops->button(sink, BTN_RIGHT, false, 0);
	expect_one(INPUT_KIND_POINTER, EV_KEY, BTN_RIGHT, 0);
}

/* A fine wheel: each bit of it, and a click when it makes one, with the rest kept. */
static void test_wheel(void **state)
{
	const struct input_wire_event click[] = { { EV_REL, REL_WHEEL_HI_RES, -80 },
						  { EV_REL, REL_WHEEL, -1 } };
	const struct input_wire_event two[] = { { EV_REL, REL_HWHEEL_HI_RES, 240 },
						{ EV_REL, REL_HWHEEL, 2 } };

	set_ready();
	sink->ops->wheel(sink, 80, 0, 0);
	expect_one(INPUT_KIND_POINTER, EV_REL, REL_WHEEL_HI_RES, -80);
	sink->ops->wheel(sink, 80, 0, 0);
	expect(INPUT_KIND_POINTER, click, 2);
	sink->ops->wheel(sink, 80, 0, 0);
	expect(INPUT_KIND_POINTER, click, 2);
	sink->ops->wheel(sink, 0, 240, 0);
	expect(INPUT_KIND_POINTER, two, 2);
}

static void test_hidden_pointer(void **state)
{
	set_ready();
	emulated.absolute = true;
	assert_true(sink->ops->is_absolute(sink));
	sink->pointer_hidden = true;
	assert_false(sink->ops->is_absolute(sink));
	/* QEMU's own refuse motion then. */
	set_state(INPUT_KIND_POINTER, INPUT_DEVICE_IDLE);
	assert_true(sink->ops->is_absolute(sink));
}

static void test_leds(void **state)
{
	set_ready();
	emulated.base.leds = 7;
	emulated.base.changed(&emulated.base, emulated.base.changed_data);
	assert_int_equal(sink->leds, 0);
	say(INPUT_LEDS, INPUT_KIND_KEYBOARD, 1u << LED_CAPSL);
	loop_settle(event);
	assert_int_equal(sink->leds, 1u << LED_CAPSL);
	assert_int_equal(changes, 1);
	set_state(INPUT_KIND_KEYBOARD, INPUT_DEVICE_IDLE);
	assert_int_equal(sink->leds, 7);
}

static void test_stalled(void **state)
{
	set_ready();
	assert_false(sink->dropping);
	for (int i = 0; i < 5; i++) {
		sink->ops->motion(sink, 1, 0, 0);
		expect_one(INPUT_KIND_POINTER, EV_REL, REL_X, 1);
	}
	say(INPUT_DROPPED, INPUT_KIND_POINTER, 3);
	set_state(INPUT_KIND_POINTER, INPUT_DEVICE_STALLED);
	assert_true(sink->dropping);
	assert_int_equal(sink->stats.sent, 2);
	assert_int_equal(sink->stats.dropped, 3);
	sink->ops->motion(sink, 1, 0, 0);
	expect_nothing();
	assert_int_equal(sink->stats.dropped, 4);
	set_state(INPUT_KIND_POINTER, INPUT_DEVICE_READY);
	assert_false(sink->dropping);
}

static void test_release_all(void **state)
{
	struct input_wire_event events[INPUT_EVENTS_MAX];
	struct input_packet head;

	set_ready();
	emulated.lifts = 0;
	sink->ops->release_all(sink);
	assert_int_equal(next(&head, events), 0);
	assert_int_equal(head.type, INPUT_RELEASE);
	assert_int_equal(head.value, (1u << INPUT_KINDS) - 1);
	assert_int_equal(emulated.lifts, 1);
}

/* It does not run for a while: motion is summed, a key is not kept for later. */
static void test_full(void **state)
{
	struct input_wire_event events[INPUT_EVENTS_MAX];
	struct input_packet head;
	int64_t sent = 0, seen = 0;
	bool released = false;

	set_ready();
	while (!sink->dropping) {
		sink->ops->motion(sink, 1, 0, 0);
		sent++;
		assert_true(sent < 1000000);
	}
	for (int i = 0; i < 1000; i++) {
		sink->ops->motion(sink, 1, 0, 0);
		sent++;
	}
	sink->ops->key(sink, KEY_A, true, 0);
	assert_true(sink->stats.dropped > 0);
	while (!released) {
		loop_settle(event);
		assert_true(next(&head, events) != 1);
		assert_true(head.type == INPUT_RELEASE || head.kind == INPUT_KIND_POINTER);
		if (head.type == INPUT_EVENTS) {
			seen += events[0].value;
		}
		released = head.type == INPUT_RELEASE;
	}
	assert_int_equal(seen, sent);
	assert_int_equal(head.value, 1u << INPUT_KIND_KEYBOARD | 1u << INPUT_KIND_POINTER);
	assert_false(sink->dropping);
}

/* ---- its end ---- */

static void expect_lost(void)
{
	char byte;

	loop_settle(event);
	assert_int_equal(recv(keeper, &byte, 1, 0), 0);
	sink->ops->key(sink, KEY_A, true, 0);
	assert_true(emulated.down[KEY_A]);
	assert_false(sink->dropping);
}

static void test_another_version(void **state)
{
	say(INPUT_HELLO, 0, INPUT_PROTOCOL + 1);
	expect_lost();
}

static void test_nonsense(void **state)
{
	set_ready();
	switch (*(int *)*state) {
	case 0:
		say(INPUT_STATE, INPUT_KINDS, INPUT_DEVICE_READY);
		break;
	case 1:
		say(INPUT_STATE, 0, INPUT_DEVICE_STALLED + 1);
		break;
	case 2:
		say(INPUT_EVENTS, 0, 0);
		break;
	case 3:
		assert_int_equal(send(keeper, "abc", 3, 0), 3);
		break;
	}
	expect_lost();
}

static void test_states_before_hello(void **state)
{
	say(INPUT_STATE, 0, INPUT_DEVICE_READY);
	expect_lost();
}

static void test_it_ends(void **state)
{
	set_ready();
	close(keeper);
	loop_settle(event);
	sink->ops->key(sink, KEY_A, true, 0);
	assert_true(emulated.down[KEY_A]);
	keeper = -1;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	static int numbers[] = { 0, 1, 2, 3 };
	const struct CMUnitTest tests[] = {
		TEST(test_before_the_driver),
		TEST(test_devices),
		TEST(test_own_devices),
		TEST(test_buttons_of_the_tablet),
		TEST(test_wheel),
		TEST(test_hidden_pointer),
		TEST(test_leds),
		TEST(test_stalled),
		TEST(test_release_all),
		TEST(test_full),
		TEST(test_another_version),
		{ "test_nonsense_0", test_nonsense, set_up, tear_down, &numbers[0] },
		{ "test_nonsense_1", test_nonsense, set_up, tear_down, &numbers[1] },
		{ "test_nonsense_2", test_nonsense, set_up, tear_down, &numbers[2] },
		{ "test_nonsense_3", test_nonsense, set_up, tear_down, &numbers[3] },
		TEST(test_states_before_hello),
		TEST(test_it_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
