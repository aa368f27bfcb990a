/* SPDX-License-Identifier: MIT */
/*
 * Fingers, pens and gamepads on their way to the guest in front: whole batches of a device's events.
 * Pure. Its rules:
 *  - A finger, a pen, a button belongs to the target in front of which it began. When that changes,
 *    the old one has all ended at once (the owner sees to that), and what goes on reaches nobody:
 *    a finger until it is lifted, a pen until it has left, a button until it is let go, an axis of
 *    a gamepad until it has come to rest.
 *  - Who has no such device gets a finger or a pen as the pointer: that is decided when the first
 *    one begins, and holds until the last one ends.
 */
#ifndef INPUT_FRAMES_H
#define INPUT_FRAMES_H

#include <linux/input-event-codes.h>

#include "input/input.h"

/* Where frames go. */
struct frames_ops {
	/* Whether the target has the device itself. */
	bool (*takes)(void *data, enum input_kind kind);
	/* For its device: a batch without its end. */
	void (*send)(void *data, enum input_kind kind, const struct input_wire_event *events,
		     size_t n, uint64_t time_ns);
	/* As the pointer's. */
	void (*pointer)(void *data, const struct input_event *event);
};

struct frames_touch {
	int32_t slot;        /* that the host's events are of; -1: one that we have not */
	int32_t sent_slot;   /* that the guest's are of */
	uint32_t down;       /* bits of slots, on the host … */
	uint32_t live;       /* … and of the target */
	bool as_pointer;     /* while any is down */
	int32_t first;       /* the slot that is the pointer, or was it last */
	int32_t last_id;     /* of a contact */
	int32_t x, y;        /* as the pointer's */
};

struct frames_pen {
	uint32_t tools; /* bits of BTN_TOOL_PEN and what follows, on the host */
	bool live, as_pointer;
	int32_t x, y;
};

struct frames_pad {
	uint64_t live[(KEY_CNT + 63) / 64]; /* the target saw the press */
	uint32_t dead_axes;                 /* bits of ABS_* */
	int32_t axes[32];
};

struct frames {
	const struct frames_ops *ops;
	void *data;
	bool has_target;
	struct pointer_transform transform;
	struct frames_touch touch;
	struct frames_pen pen;
	struct frames_pad pad;
};

void frames_init(struct frames *frames, const struct frames_ops *ops, void *data);
/* Events without a SYN_REPORT; positions are of the first output. */
void frames_feed(struct frames *frames, const struct input_frame *frame);
/* Another target, or none: what is going on is dead. */
void frames_set_target(struct frames *frames, bool has_target);

#endif
