/* SPDX-License-Identifier: MIT */
/* Fingers on a seat's touch screens, from libinput's events to frames. */
#ifndef INPUT_LIBINPUT_TOUCH_H
#define INPUT_LIBINPUT_TOUCH_H

#include <libinput.h>
#include <stdbool.h>

#include "input/input.h"

/* What came since the last frame: fingers of all touch screens, which have slots of the seat. */
struct libinput_touch {
	struct input_wire_event events[INPUT_EVENTS_MAX - 1];
	size_t n;
};

/* Takes an event of a device; at the end of a frame it goes to input. False: it is no touch. */
bool libinput_touch_take(struct libinput_touch *touch, struct libinput_event *event,
			 uint32_t device, struct input *input);

#endif
