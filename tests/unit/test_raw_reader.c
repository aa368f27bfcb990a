// SPDX-License-Identifier: MIT
/* Pens and gamepads as the kernel has them: ranges, gaps, ends, and devices that make no sense. */
#include "input/raw_reader.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <libevdev/libevdev.h>
#include <stdbool.h>
#include <string.h>

/* ---- the kernel ---- */

static struct {
	struct input_event event;
	int status;
} script[64];
static size_t n_script, at_script;
static struct libevdev *evdev;
static bool in_gap;

int __wrap_libevdev_new_from_fd(int fd, struct libevdev **out);
int __wrap_libevdev_set_clock_id(struct libevdev *evdev, int clock);
int __wrap_libevdev_next_event(struct libevdev *evdev, unsigned int flags, struct input_event *out);

int __wrap_libevdev_new_from_fd(int fd, struct libevdev **out)
{
	*out = evdev;
	return 0;
}

int __wrap_libevdev_set_clock_id(struct libevdev *evdev, int clock)
{
	return 0;
}

int __wrap_libevdev_next_event(struct libevdev *evdev, unsigned int flags, struct input_event *out)
{
	int status;

	assert_int_equal(flags, in_gap ? LIBEVDEV_READ_FLAG_SYNC : LIBEVDEV_READ_FLAG_NORMAL);
	if (at_script == n_script) {
		return -EAGAIN;
	}
	*out = script[at_script].event;
	status = script[at_script++].status;
	/* The gap is said once, and ends with -EAGAIN. */
	in_gap = status == LIBEVDEV_READ_STATUS_SYNC;
	return status;
}

static void say_with(int status, uint16_t type, uint16_t code, int32_t value)
{
	script[n_script].event = (struct input_event){ .type = type, .code = code, .value = value };
	script[n_script].event.input_event_sec = 5;
	script[n_script++].status = status;
}

static void say(uint16_t type, uint16_t code, int32_t value)
{
	say_with(LIBEVDEV_READ_STATUS_SUCCESS, type, code, value);
}

static void say_end(void)
{
	say(EV_SYN, SYN_REPORT, 0);
}

static void has_axis(unsigned int code, int min, int max, int resolution)
{
	const struct input_absinfo info = { .minimum = min, .maximum = max, .resolution = resolution };

	libevdev_enable_event_code(evdev, EV_ABS, code, &info);
}

static void has_key(unsigned int code)
{
	libevdev_enable_event_code(evdev, EV_KEY, code, NULL);
}

/* ---- who reads ---- */

static struct raw_reader *reader;
static struct input_wire_event got[256];
static size_t n_got, n_frames;

static void take(void *data, const struct input_wire_event *events, size_t n, uint64_t time_ns)
{
	assert_true(n < INPUT_EVENTS_MAX);
	memcpy(got + n_got, events, n * sizeof(*events));
	n_got += n;
	n_frames++;
}

static int read_all(void)
{
	n_got = n_frames = 0;
	return raw_reader_read(reader, take, NULL);
}

static void expect(size_t i, uint16_t type, uint16_t code, int32_t value)
{
	assert_true(i < n_got);
	assert_int_equal(got[i].type, type);
	assert_int_equal(got[i].code, code);
	assert_int_equal(got[i].value, value);
}

static int set_up(void **state)
{
	evdev = libevdev_new();
	n_script = at_script = 0;
	in_gap = false;
	reader = NULL;
	return 0;
}

static int tear_down(void **state)
{
	raw_reader_destroy(reader);
	return 0;
}

static void open_pen(void)
{
	has_key(BTN_TOOL_PEN);
	has_axis(ABS_X, 0, 44704, 200);
	has_axis(ABS_Y, 100, 200, 200);
	has_axis(ABS_PRESSURE, 0, 2047, 0);
	has_axis(ABS_TILT_X, -64, 63, 57);
	has_axis(ABS_WHEEL, 0, 1023, 0);
	assert_int_equal(raw_reader_create(0, INPUT_KIND_PEN, &reader), 0);
}

static void open_pad(void)
{
	has_key(BTN_SOUTH);
	has_axis(ABS_X, -128, 127, 0);
	has_axis(ABS_Y, 0, 255, 0);
	has_axis(ABS_Z, 0, 255, 0);
	has_axis(ABS_RZ, -32768, 32767, 0);
	has_axis(ABS_HAT0X, -1, 1, 0);
	assert_int_equal(raw_reader_create(0, INPUT_KIND_GAMEPAD, &reader), 0);
}

static void test_pen(void **state)
{
	open_pen();
	say(EV_KEY, BTN_TOOL_PEN, 1);
	say(EV_ABS, ABS_X, 44704);
	say(EV_ABS, ABS_Y, 150);
	say(EV_ABS, ABS_PRESSURE, 2047);
	say(EV_ABS, ABS_TILT_X, -57);
	say(EV_ABS, ABS_WHEEL, 5);
	say(EV_MSC, MSC_SERIAL, 5);
	say_end();
	assert_int_equal(read_all(), 0);
	assert_int_equal(n_frames, 1);
	assert_int_equal(n_got, 5);
	expect(0, EV_KEY, BTN_TOOL_PEN, 1);
	expect(1, EV_ABS, ABS_X, INPUT_PEN_MAX);
	expect(2, EV_ABS, ABS_Y, INPUT_PEN_MAX / 2);
	expect(3, EV_ABS, ABS_PRESSURE, INPUT_PRESSURE_MAX);
	expect(4, EV_ABS, ABS_TILT_X, -57); /* one radian */
}

static void test_pad(void **state)
{
	open_pad();
	say(EV_ABS, ABS_X, -128);
	say(EV_ABS, ABS_Y, 255);
	say(EV_ABS, ABS_Z, 255);
	say(EV_ABS, ABS_RZ, -32768);
	say(EV_ABS, ABS_HAT0X, -1);
	say(EV_KEY, BTN_JOYSTICK, 1);
	say(EV_KEY, BTN_SOUTH, 2);
	say_end();
	assert_int_equal(read_all(), 0);
	assert_int_equal(n_got, 6);
	expect(0, EV_ABS, ABS_X, -INPUT_STICK_MAX);
	expect(1, EV_ABS, ABS_Y, INPUT_STICK_MAX);
	expect(2, EV_ABS, ABS_Z, INPUT_TRIGGER_MAX);
	expect(3, EV_ABS, ABS_RY, -INPUT_STICK_MAX); /* its second stick */
	expect(4, EV_ABS, ABS_HAT0X, -1);
	expect(5, EV_KEY, BTN_SOUTH, 1);
}

/* Half a batch, then a gap: what the device looks like now is what counts. */
static void test_dropped(void **state)
{
	open_pad();
	say(EV_KEY, BTN_SOUTH, 1);
	say_end();
	say(EV_KEY, BTN_EAST, 1);
	say_with(LIBEVDEV_READ_STATUS_SYNC, EV_SYN, SYN_DROPPED, 0);
	say_with(LIBEVDEV_READ_STATUS_SYNC, EV_KEY, BTN_SOUTH, 0);
	say_with(LIBEVDEV_READ_STATUS_SYNC, EV_SYN, SYN_REPORT, 0);
	say_with(-EAGAIN, 0, 0, 0);
	say(EV_KEY, BTN_WEST, 1);
	say_end();
	assert_int_equal(read_all(), 0);
	assert_int_equal(n_got, 3);
	expect(0, EV_KEY, BTN_SOUTH, 1);
	expect(1, EV_KEY, BTN_SOUTH, 0);
	expect(2, EV_KEY, BTN_WEST, 1);
	assert_int_equal(n_frames, 3);
}

static void test_gone_with_keys_down(void **state)
{
	open_pad();
	say(EV_KEY, BTN_SOUTH, 1);
	say(EV_ABS, ABS_Z, 200);
	say_end();
	say_with(-ENODEV, 0, 0, 0);
	assert_int_equal(read_all(), -ENODEV);
	n_got = n_frames = 0;
	raw_reader_release(reader, take, NULL);
	assert_int_equal(n_got, 2);
	expect(0, EV_ABS, ABS_Z, 0);
	expect(1, EV_KEY, BTN_SOUTH, 0);
	n_frames = 0;
	raw_reader_release(reader, take, NULL);
	assert_int_equal(n_frames, 0);
}

/* A batch beyond all measure comes in parts. */
static void test_long_batch(void **state)
{
	open_pad();
	for (int i = 0; i < 60; i++) {
		say(EV_KEY, BTN_SOUTH, 1);
	}
	assert_int_equal(read_all(), 0);
	n_script = at_script = 0;
	for (int i = 0; i < 60; i++) {
		say(EV_KEY, BTN_SOUTH, 0);
	}
	assert_int_equal(read_all(), 0);
	n_script = at_script = 0;
	for (int i = 0; i < 20; i++) {
		say(EV_KEY, BTN_SOUTH, 1);
	}
	say_end();
	assert_int_equal(read_all(), 0);
	assert_int_equal(n_frames, 2);
	assert_int_equal(n_got, 140);
}

/* ---- devices that make no sense ---- */

static void test_no_range(void **state)
{
	has_key(BTN_TOOL_PEN);
	has_axis(ABS_X, 10, 10, 0);
	has_axis(ABS_Y, 0, 100, 0);
	assert_int_equal(raw_reader_create(0, INPUT_KIND_PEN, &reader), -ENOTSUP);
}

static void test_no_tool(void **state)
{
	has_axis(ABS_X, 0, 10, 0);
	has_axis(ABS_Y, 0, 100, 0);
	assert_int_equal(raw_reader_create(0, INPUT_KIND_PEN, &reader), -ENOTSUP);
}

static void test_absurd_ranges(void **state)
{
	has_key(BTN_TOOL_PEN);
	has_axis(ABS_X, INT32_MIN, INT32_MAX, -5);
	has_axis(ABS_Y, -1, 0, 0);
	has_axis(ABS_PRESSURE, 5, 1, 0);
	has_axis(ABS_TILT_X, 0, 1, 0);
	assert_int_equal(raw_reader_create(0, INPUT_KIND_PEN, &reader), 0);
	say(EV_ABS, ABS_X, INT32_MAX);
	say(EV_ABS, ABS_X, INT32_MIN);
	say(EV_ABS, ABS_Y, INT32_MAX);
	say(EV_ABS, ABS_PRESSURE, 3);
	say(EV_ABS, ABS_TILT_X, INT32_MIN);
	say(EV_ABS, 0xffff, 3);
	say_end();
	assert_int_equal(read_all(), 0);
	assert_int_equal(n_got, 4);
	expect(0, EV_ABS, ABS_X, INPUT_PEN_MAX);
	expect(1, EV_ABS, ABS_X, 0);
	expect(2, EV_ABS, ABS_Y, INPUT_PEN_MAX);
	expect(3, EV_ABS, ABS_TILT_X, -INPUT_TILT_MAX);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pen),
		TEST(test_pad),
		TEST(test_dropped),
		TEST(test_gone_with_keys_down),
		TEST(test_long_batch),
		TEST(test_no_range),
		TEST(test_no_tool),
		TEST(test_absurd_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
