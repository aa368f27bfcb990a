// SPDX-License-Identifier: MIT
/* Touch screens; see libinput_touch.h. */
#include "input/libinput_touch.h"

#include <linux/input-event-codes.h>

#include "common/clock.h"

#define EVENTS_PER_FINGER 4

static void add(struct libinput_touch *touch, uint16_t code, int32_t value)
{
	touch->events[touch->n++] = (struct input_wire_event){ EV_ABS, code, value };
}

/* transformed is of 1. */
static int32_t to_position(double transformed)
{
	double v = transformed * INPUT_POSITION_MAX;

	/* The comparison is false for what is no number. */
	return v > 0 ? (v < INPUT_POSITION_MAX ? (int32_t)v : INPUT_POSITION_MAX) : 0;
}

static void add_position(struct libinput_touch *touch, struct libinput_event_touch *event)
{
	add(touch, ABS_MT_POSITION_X,
	    to_position(libinput_event_touch_get_x_transformed(event, 1)));
	add(touch, ABS_MT_POSITION_Y,
	    to_position(libinput_event_touch_get_y_transformed(event, 1)));
}

static void flush(struct libinput_touch *touch, struct libinput_event_touch *event,
		  uint32_t device, struct input *input)
{
	if (touch->n > 0) {
		input_feed_frame(input,
				 &(struct input_frame){
					 .kind = INPUT_KIND_TOUCH,
					 .device = device,
					 .time_ns = libinput_event_touch_get_time_usec(event) *
						    NSEC_PER_USEC,
					 .events = touch->events,
					 .n = touch->n,
				 });
		touch->n = 0;
	}
}

static void add_finger(struct libinput_touch *touch, enum libinput_event_type type,
		       struct libinput_event_touch *event)
{
	add(touch, ABS_MT_SLOT, libinput_event_touch_get_seat_slot(event));
	switch (type) {
	case LIBINPUT_EVENT_TOUCH_DOWN:
		/* The guest's number for it is made later; here it only says that it began. */
		add(touch, ABS_MT_TRACKING_ID, 0);
		add_position(touch, event);
		break;
	case LIBINPUT_EVENT_TOUCH_MOTION:
		add_position(touch, event);
		break;
	default:
		add(touch, ABS_MT_TRACKING_ID, -1);
		break;
	}
}

bool libinput_touch_take(struct libinput_touch *touch, struct libinput_event *event,
			 uint32_t device, struct input *input)
{
	enum libinput_event_type type = libinput_event_get_type(event);
	struct libinput_event_touch *finger;

	if (type < LIBINPUT_EVENT_TOUCH_DOWN || type > LIBINPUT_EVENT_TOUCH_FRAME) {
		return false;
	}
	finger = libinput_event_get_touch_event(event);
	if (type != LIBINPUT_EVENT_TOUCH_FRAME) {
		add_finger(touch, type, finger);
	}
	if (type == LIBINPUT_EVENT_TOUCH_FRAME ||
	    touch->n + EVENTS_PER_FINGER > sizeof(touch->events) / sizeof(touch->events[0])) {
		flush(touch, finger, device, input);
	}
	return true;
}
