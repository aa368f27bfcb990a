// SPDX-License-Identifier: MIT
/* Finding, grabbing and reading evdev nodes. A grab keeps the text console away: no Ctrl+Alt+Del,
 * no VT switch. */
#include "input.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { INPUT_PENDING = 1024 };

static bool bit_is_set(const unsigned char *bits, int bit)
{
	return bits[bit / 8] & (1 << bit % 8);
}

void input_init(struct input *input)
{
	memset(input, 0, sizeof(*input));
	for (int i = 0; i < INPUT_DEVICES; i++) {
		input->devices[i].fd = -1;
	}
}

static void device_learn(struct input_device *device)
{
	unsigned char keys[INPUT_KEYS / 8] = { 0 }, relative[2] = { 0 }, absolute[8] = { 0 };

	ioctl(device->fd, EVIOCGBIT(EV_KEY, sizeof(keys)), keys);
	ioctl(device->fd, EVIOCGBIT(EV_REL, sizeof(relative)), relative);
	ioctl(device->fd, EVIOCGBIT(EV_ABS, sizeof(absolute)), absolute);
	device->is_keyboard = bit_is_set(keys, KEY_A) && bit_is_set(keys, KEY_ENTER);
	device->is_pointer = bit_is_set(relative, REL_X) || bit_is_set(absolute, ABS_X);
	device->has_fine_wheel = bit_is_set(relative, REL_WHEEL_HI_RES);
	for (int axis = ABS_X; axis <= ABS_Y; axis++) {
		struct input_absinfo info = { .maximum = INPUT_ABS_MAX };

		ioctl(device->fd, EVIOCGABS(axis), &info);
		device->abs_max[axis] = info.maximum > 0 ? info.maximum : INPUT_ABS_MAX;
		device->absolute[axis] = info.value;
	}
}

static bool input_has(const struct input *input, int number)
{
	for (int i = 0; i < INPUT_DEVICES; i++) {
		if (input->devices[i].fd >= 0 && input->devices[i].number == number) {
			return true;
		}
	}
	return false;
}

static void device_open(struct input *input, int number)
{
	char path[32];

	for (int i = 0; i < INPUT_DEVICES; i++) {
		struct input_device *device = &input->devices[i];

		if (device->fd >= 0) {
			continue;
		}
		snprintf(path, sizeof(path), "/dev/input/event%d", number);
		*device = (struct input_device){
			.fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC),
			.number = number,
		};
		if (device->fd >= 0) {
			ioctl(device->fd, EVIOCGRAB, 1);
			device_learn(device);
		}
		return;
	}
}

void input_scan(struct input *input)
{
	DIR *folder = opendir("/dev/input");
	struct dirent *entry;

	if (!folder) {
		return;
	}
	while ((entry = readdir(folder))) {
		int number;

		if (sscanf(entry->d_name, "event%d", &number) == 1 && !input_has(input, number)) {
			device_open(input, number);
		}
	}
	closedir(folder);
}

bool input_complete(const struct input *input)
{
	bool keyboard = false, pointer = false;

	for (int i = 0; i < INPUT_DEVICES; i++) {
		if (input->devices[i].fd >= 0) {
			keyboard |= input->devices[i].is_keyboard;
			pointer |= input->devices[i].is_pointer;
		}
	}
	return keyboard && pointer;
}

/* The console grabbed nothing, so the lamps are ours to switch as a desktop would. */
static void device_toggle_led(struct input *input, int led)
{
	for (int i = 0; i < INPUT_DEVICES; i++) {
		struct input_device *device = &input->devices[i];
		unsigned char lit[LED_MAX / 8 + 1] = { 0 };
		struct input_event events[2] = {
			{ .type = EV_LED, .code = (uint16_t)led },
			{ .type = EV_SYN, .code = SYN_REPORT },
		};

		if (device->fd < 0 || !device->is_keyboard ||
		    ioctl(device->fd, EVIOCGLED(sizeof(lit)), lit) < 0) {
			continue;
		}
		events[0].value = !bit_is_set(lit, led);
		if (write(device->fd, events, sizeof(events)) < 0) {
			continue;
		}
	}
}

static void handle_key(struct input *input, int code, int value, report_handler handle, void *data)
{
	struct report report = { REPORT_KEY, code, value };

	if (value == 2 || code >= INPUT_KEYS) {
		return;
	}
	input->down[code] = value;
	handle(data, &report);
	if (value == 1 && code == KEY_CAPSLOCK) {
		device_toggle_led(input, LED_CAPSL);
	} else if (value == 1 && code == KEY_NUMLOCK) {
		device_toggle_led(input, LED_NUML);
	} else if (value == 1 && code == KEY_SCROLLLOCK) {
		device_toggle_led(input, LED_SCROLLL);
	}
}

static void handle_relative(struct input_device *device, int code, int value)
{
	int scale = 1, *sum = NULL;

	switch (code) {
	case REL_X:
	case REL_Y:
		device->relative[code - REL_X] += value;
		device->moved_relative = true;
		return;
	case REL_WHEEL_HI_RES:
		sum = &device->wheel[0];
		break;
	case REL_HWHEEL_HI_RES:
		sum = &device->wheel[1];
		break;
	case REL_WHEEL:
	case REL_HWHEEL:
		/* Devices with a fine wheel send the whole notches besides. */
		if (!device->has_fine_wheel) {
			sum = &device->wheel[code == REL_HWHEEL];
			scale = 120;
		}
		break;
	}
	if (sum) {
		*sum += value * scale;
		device->wheeled = true;
	}
}

static void handle_frame_end(struct input_device *device, report_handler handle, void *data)
{
	struct report report;

	if (device->moved_relative) {
		report = (struct report){ REPORT_RELATIVE, device->relative[0],
					  device->relative[1] };
		handle(data, &report);
	}
	if (device->moved_absolute) {
		report = (struct report){
			REPORT_ABSOLUTE,
			(int)((int64_t)device->absolute[0] * INPUT_ABS_MAX / device->abs_max[0]),
			(int)((int64_t)device->absolute[1] * INPUT_ABS_MAX / device->abs_max[1]),
		};
		handle(data, &report);
	}
	if (device->wheeled) {
		report = (struct report){ REPORT_WHEEL, device->wheel[0], device->wheel[1] };
		handle(data, &report);
	}
	memset(device->relative, 0, sizeof(device->relative));
	memset(device->wheel, 0, sizeof(device->wheel));
	device->moved_relative = device->moved_absolute = device->wheeled = false;
}

static void handle_event(struct input *input, struct input_device *device,
			 const struct input_event *event, report_handler handle, void *data)
{
	switch (event->type) {
	case EV_KEY:
		handle_key(input, event->code, event->value, handle, data);
		break;
	case EV_REL:
		handle_relative(device, event->code, event->value);
		break;
	case EV_ABS:
		if (event->code == ABS_X || event->code == ABS_Y) {
			device->absolute[event->code - ABS_X] = event->value;
			device->moved_absolute = true;
		}
		break;
	case EV_SYN:
		if (event->code == SYN_DROPPED) {
			handle(data, &(struct report){ .kind = REPORT_LOST });
		} else if (event->code == SYN_REPORT) {
			handle_frame_end(device, handle, data);
		}
		break;
	}
}

/* An event with whose it is; number keeps the order of events of the same microsecond. */
struct pending {
	struct input_event event;
	struct input_device *device;
	int number;
};

static struct pending pending[INPUT_PENDING];

static int pending_compare(const void *left, const void *right)
{
	const struct pending *a = left, *b = right;

	if (a->event.input_event_sec != b->event.input_event_sec) {
		return a->event.input_event_sec < b->event.input_event_sec ? -1 : 1;
	}
	if (a->event.input_event_usec != b->event.input_event_usec) {
		return a->event.input_event_usec < b->event.input_event_usec ? -1 : 1;
	}
	return a->number - b->number;
}

/* Adds the device's events to the pending ones, as far as there is room; the rest waits in the
 * kernel. */
static int device_collect(struct input_device *device, int count)
{
	struct input_event event;
	ssize_t size = 0;

	while (count < INPUT_PENDING && (size = read(device->fd, &event, sizeof(event))) > 0) {
		pending[count] = (struct pending){ event, device, count };
		count++;
	}
	if (count < INPUT_PENDING && (size == 0 || errno != EAGAIN)) {
		close(device->fd);
		device->fd = -1;
	}
	return count;
}

void input_read(struct input *input, report_handler handle, void *data)
{
	int count = 0;

	for (int i = 0; i < INPUT_DEVICES; i++) {
		if (input->devices[i].fd >= 0) {
			count = device_collect(&input->devices[i], count);
		}
	}
	qsort(pending, (size_t)count, sizeof(*pending), pending_compare);
	for (int i = 0; i < count; i++) {
		handle_event(input, pending[i].device, &pending[i].event, handle, data);
	}
}
