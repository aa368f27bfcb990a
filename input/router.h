/* SPDX-License-Identifier: MIT */
/*
 * Brings the events that are no chords to whom they belong: the sink in front, or the grabber.
 * Both are "the target". Its rules:
 *  - A target sees a key or button pressed once, however many devices hold it, and released once,
 *    when the last device lets go whose press it saw.
 *  - When the target changes, the old sink gets a release of exactly what it saw pressed. What is
 *    held then is dead: it reaches nobody, repeats included, until it is pressed anew.
 *  - The pointer is kept in pixels of the output, also while the sink takes motion.
 */
#ifndef INPUT_ROUTER_H
#define INPUT_ROUTER_H

#include "input/frames.h"
#include "input/held_keys.h"
#include "input/input.h"

struct router {
	const struct input_handlers *handlers;
	void *data;
	struct input_sink *sink; /* may be NULL */
	bool grabbed;
	struct held_keys held; /* live: the target saw the press */
	uint64_t time_ns;      /* of the last event, for releases that no device sent */

	struct frames frames;

	struct pointer_transform transform;
	double x, y;             /* the pointer, in output pixels */
	uint32_t sent_x, sent_y; /* where the sink was told that it is, in frame pixels */
	bool sent;               /* false: not told since the target or the transform changed */

	/* What the sink's whole numbers could not carry yet. */
	double motion_x, motion_y;
	double wheel_v, wheel_h;
};

void router_init(struct router *router, const struct input_handlers *handlers, void *data);
void router_feed(struct router *router, const struct input_event *event);
void router_feed_frame(struct router *router, const struct input_frame *frame);
/* A press and a release that no device sent; nothing while grabbed. */
void router_tap_key(struct router *router, uint32_t code);
void router_device_gone(struct router *router, uint32_t device);
/* Releases what the target saw; with forget, what is held by now may be pressed without having
 * been released. */
void router_release_all(struct router *router, bool forget);
void router_set_sink(struct router *router, struct input_sink *sink);
void router_set_grab(struct router *router, bool grabbed);
/* The pointer is at that pixel of the picture, and the sink knows. */
void router_place_pointer(struct router *router, int32_t x, int32_t y);
void router_set_transform(struct router *router, const struct pointer_transform *transform);

#endif
