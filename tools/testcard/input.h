/* SPDX-License-Identifier: MIT */
/* Every evdev node of the guest, read as the host's tests want to see it. */
#ifndef TESTCARD_INPUT_H
#define TESTCARD_INPUT_H

#include <stdbool.h>
#include <stdint.h>

enum {
	INPUT_DEVICES = 16,
	INPUT_KEYS = 0x300,
	INPUT_ABS_MAX = 32767,
};

enum report_kind {
	REPORT_KEY,      /* a: evdev code, b: 1 pressed, 0 released */
	REPORT_RELATIVE, /* a, b: sum of one evdev frame */
	REPORT_ABSOLUTE, /* a, b: position, 0..INPUT_ABS_MAX */
	REPORT_WHEEL,    /* a: vertical, b: horizontal, in 120ths of a notch */
	REPORT_LOST,     /* the kernel dropped events: a log of them is not complete */
};

struct report {
	enum report_kind kind;
	int a, b;
};

struct input_device {
	int fd;     /* -1: free place */
	int number; /* N of /dev/input/eventN */
	bool is_keyboard, is_pointer, has_fine_wheel;
	int abs_max[2];
	int relative[2], absolute[2], wheel[2];
	bool moved_relative, moved_absolute, wheeled;
};

struct input {
	struct input_device devices[INPUT_DEVICES];
	bool down[INPUT_KEYS];
};

typedef void (*report_handler)(void *data, const struct report *report);

void input_init(struct input *input);

/* Opens and grabs the nodes that appeared since the last call. */
void input_scan(struct input *input);

/* True when there is a keyboard and a pointer. */
bool input_complete(const struct input *input);

/*
 * Reads what all devices have and reports it in the order in which the kernel received it, which a
 * look at one device after the other would not keep. Closes devices that are gone.
 */
void input_read(struct input *input, report_handler handle, void *data);

/* A word or two for a key or button. */
const char *key_name(int code);

#endif
