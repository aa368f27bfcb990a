// SPDX-License-Identifier: MIT
/* Pens and gamepads; see raw_reader.h. It cannot include input.h: libevdev's header brings the
 * kernel's struct input_event. */
#include "input/raw_reader.h"

#include <errno.h>
#include <libevdev/libevdev.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"

struct raw_reader {
	struct libevdev *evdev;
	enum input_kind kind;
	struct input_wire_event events[INPUT_EVENTS_MAX - 1];
	size_t n;
	uint64_t time_ns;
	uint64_t down[(KEY_CNT + 63) / 64]; /* as the frames said */
	uint64_t moved;                     /* bits of axes that were said not to be at rest */
};

/* ---- axes ---- */

/* An axis whose range makes sense, or NULL. */
static const struct input_absinfo *find_axis(const struct raw_reader *reader, unsigned int code)
{
	const struct input_absinfo *info = libevdev_get_abs_info(reader->evdev, code);

	return info && info->minimum < info->maximum ? info : NULL;
}

static int32_t scale(const struct input_absinfo *info, int32_t value, int32_t min, int32_t max)
{
	int64_t from = info->minimum, size = (int64_t)info->maximum - from;
	int64_t at = value < info->minimum   ? 0
		     : value > info->maximum ? size
					     : (int64_t)value - from;

	return (int32_t)(min + at * ((int64_t)max - min) / size);
}

/* The kernel's unit for an angle is a part of a radian, or a degree where the driver says none. */
static int32_t to_degrees(const struct input_absinfo *info, int32_t value)
{
	double degrees = info->resolution > 0 ? value * (180 / M_PI) / info->resolution : value;

	return (int32_t)fmax(-INPUT_TILT_MAX, fmin(INPUT_TILT_MAX, round(degrees)));
}

static bool translate_pen(const struct input_absinfo *info, struct input_wire_event *event)
{
	switch (event->code) {
	case ABS_X:
	case ABS_Y:
		event->value = scale(info, event->value, 0, INPUT_PEN_MAX);
		return true;
	case ABS_PRESSURE:
		event->value = scale(info, event->value, 0, INPUT_PRESSURE_MAX);
		return true;
	case ABS_TILT_X:
	case ABS_TILT_Y:
		event->value = to_degrees(info, event->value);
		return true;
	default:
		return false;
	}
}

/* Triggers begin at 0; some gamepads have their second stick on these axes, and it does not. */
static bool translate_trigger(const struct input_absinfo *info, struct input_wire_event *event,
			      uint16_t stick, uint16_t trigger)
{
	bool is_stick = info->minimum < 0;

	event->code = is_stick ? stick : trigger;
	event->value = is_stick ? scale(info, event->value, -INPUT_STICK_MAX, INPUT_STICK_MAX)
				: scale(info, event->value, 0, INPUT_TRIGGER_MAX);
	return true;
}

static bool translate_pad(const struct input_absinfo *info, struct input_wire_event *event)
{
	switch (event->code) {
	case ABS_X:
	case ABS_Y:
	case ABS_RX:
	case ABS_RY:
		event->value = scale(info, event->value, -INPUT_STICK_MAX, INPUT_STICK_MAX);
		return true;
	case ABS_Z:
		return translate_trigger(info, event, ABS_RX, ABS_Z);
	case ABS_RZ:
		return translate_trigger(info, event, ABS_RY, ABS_RZ);
	case ABS_BRAKE:
		return translate_trigger(info, event, ABS_Z, ABS_Z);
	case ABS_GAS:
		return translate_trigger(info, event, ABS_RZ, ABS_RZ);
	case ABS_HAT0X:
	case ABS_HAT0Y:
		event->value = (event->value > 0) - (event->value < 0);
		return true;
	default:
		return false;
	}
}

/* Joysticks number their buttons from another code on. */
static bool translate_key(enum input_kind kind, struct input_wire_event *event)
{
	if (event->value != 0 && event->value != 1) {
		return false;
	}
	if (kind == INPUT_KIND_GAMEPAD && event->code >= BTN_JOYSTICK &&
	    event->code < BTN_JOYSTICK + (BTN_THUMBR - BTN_SOUTH + 1)) {
		event->code = (uint16_t)(event->code - BTN_JOYSTICK + BTN_SOUTH);
	}
	return true;
}

/* False: it is none of ours. */
static bool translate(const struct raw_reader *reader, struct input_wire_event *event)
{
	const struct input_absinfo *info;

	if (event->type == EV_KEY) {
		return translate_key(reader->kind, event);
	}
	if (event->type != EV_ABS || event->code >= ABS_CNT) {
		return false;
	}
	info = find_axis(reader, event->code);
	if (!info) {
		return false;
	}
	return reader->kind == INPUT_KIND_PEN ? translate_pen(info, event)
					      : translate_pad(info, event);
}

/* ---- batches ---- */

static void flush(struct raw_reader *reader, raw_frame_fn frame, void *data)
{
	if (reader->n > 0) {
		frame(data, reader->events, reader->n, reader->time_ns);
		reader->n = 0;
	}
}

static void remember(struct raw_reader *reader, const struct input_wire_event *event)
{
	uint64_t bit = 1ull << event->code % 64;
	uint64_t *word = event->type == EV_KEY ? &reader->down[event->code / 64] : &reader->moved;

	*word = event->value ? *word | bit : *word & ~bit;
}

static void add(struct raw_reader *reader, struct input_wire_event event, raw_frame_fn frame,
		void *data)
{
	if (reader->n == sizeof(reader->events) / sizeof(reader->events[0])) {
		flush(reader, frame, data); /* more than any device has to say at once */
	}
	remember(reader, &event);
	reader->events[reader->n++] = event;
}

static void take(struct raw_reader *reader, const struct input_event *event, raw_frame_fn frame,
		 void *data)
{
	struct input_wire_event wire = { event->type, event->code, event->value };

	reader->time_ns = (uint64_t)event->input_event_sec * NSEC_PER_SEC +
			  (uint64_t)event->input_event_usec * NSEC_PER_USEC;
	if (event->type == EV_SYN && event->code == SYN_REPORT) {
		flush(reader, frame, data);
	} else if (translate(reader, &wire)) {
		add(reader, wire, frame, data);
	}
}

int raw_reader_read(struct raw_reader *reader, raw_frame_fn frame, void *data)
{
	unsigned int flag = LIBEVDEV_READ_FLAG_NORMAL;
	struct input_event event;
	int r;

	for (;;) {
		r = libevdev_next_event(reader->evdev, flag, &event);
		if (r == -EAGAIN && flag == LIBEVDEV_READ_FLAG_SYNC) {
			flag = LIBEVDEV_READ_FLAG_NORMAL;
			continue;
		}
		if (r < 0) {
			return r == -EAGAIN || r == -EINTR ? 0 : r;
		}
		if (r == LIBEVDEV_READ_STATUS_SYNC && flag == LIBEVDEV_READ_FLAG_NORMAL) {
			/* Half a batch came before the gap; what follows says all. */
			reader->n = 0;
			flag = LIBEVDEV_READ_FLAG_SYNC;
			continue;
		}
		take(reader, &event, frame, data);
	}
}

void raw_reader_release(struct raw_reader *reader, raw_frame_fn frame, void *data)
{
	reader->n = 0;
	for (uint16_t code = 0; code < ABS_CNT; code++) {
		bool rests = reader->kind == INPUT_KIND_GAMEPAD || code == ABS_PRESSURE;

		if (rests && reader->moved >> code & 1) {
			add(reader, (struct input_wire_event){ EV_ABS, code, 0 }, frame, data);
		}
	}
	for (uint16_t code = 0; code < KEY_CNT; code++) {
		if (reader->down[code / 64] >> code % 64 & 1) {
			add(reader, (struct input_wire_event){ EV_KEY, code, 0 }, frame, data);
		}
	}
	flush(reader, frame, data);
}

/* ---- life ---- */

const char *raw_reader_identity(const struct raw_reader *reader, uint32_t *vendor,
				uint32_t *product)
{
	*vendor = (uint32_t)libevdev_get_id_vendor(reader->evdev);
	*product = (uint32_t)libevdev_get_id_product(reader->evdev);
	return libevdev_get_name(reader->evdev);
}

static bool is_usable(const struct raw_reader *reader)
{
	if (!find_axis(reader, ABS_X) || !find_axis(reader, ABS_Y)) {
		return false;
	}
	if (reader->kind == INPUT_KIND_PEN) {
		return libevdev_has_event_code(reader->evdev, EV_KEY, BTN_TOOL_PEN);
	}
	return libevdev_has_event_code(reader->evdev, EV_KEY, BTN_SOUTH) ||
	       libevdev_has_event_code(reader->evdev, EV_KEY, BTN_JOYSTICK);
}

void raw_reader_destroy(struct raw_reader *reader)
{
	if (reader) {
		libevdev_free(reader->evdev);
		free(reader);
	}
}

int raw_reader_create(int fd, enum input_kind kind, struct raw_reader **out)
{
	struct raw_reader *reader = calloc(1, sizeof(*reader));
	int r;

	if (!reader) {
		return -ENOMEM;
	}
	reader->kind = kind;
	r = libevdev_new_from_fd(fd, &reader->evdev);
	if (r >= 0 && !is_usable(reader)) {
		r = -ENOTSUP;
	}
	if (r >= 0) {
		r = libevdev_set_clock_id(reader->evdev, CLOCK_MONOTONIC);
	}
	if (r < 0) {
		raw_reader_destroy(reader);
		return r;
	}
	*out = reader;
	return 0;
}
