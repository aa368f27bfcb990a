// SPDX-License-Identifier: MIT
/* Routing of keys, buttons and the pointer to one target; router.h has the rules. */
#include "input/router.h"

#include <linux/input-event-codes.h>
#include <math.h>

void input_sink_destroy(struct input_sink *sink)
{
	if (sink) {
		sink->ops->destroy(sink);
	}
}

static const struct frames_ops frames_ops;

void router_init(struct router *router, const struct input_handlers *handlers, void *data)
{
	*router = (struct router){ .handlers = handlers, .data = data };
	frames_init(&router->frames, &frames_ops, router);
}

/* ---- keys and buttons ---- */

static bool has_target(const struct router *router)
{
	return router->grabbed || router->sink;
}

static void send_key(struct router *router, const struct held_key *key, bool pressed)
{
	struct input_sink *sink = router->sink;

	if (router->grabbed) {
		struct input_event event = {
			.type = key->button ? INPUT_EVENT_BUTTON : INPUT_EVENT_KEY,
			.device = key->device,
			.time_ns = router->time_ns,
			.code = key->code,
			.pressed = pressed,
		};

		if (router->handlers->grabbed) {
			router->handlers->grabbed(router->data, &event);
		}
	} else if (sink && key->button) {
		sink->ops->button(sink, key->code, pressed, router->time_ns);
	} else if (sink) {
		sink->ops->key(sink, key->code, pressed, router->time_ns);
	}
}

/* The key must not be live any more. */
static void send_release(struct router *router, const struct held_key *key)
{
	if (!held_keys_any(&router->held, key->code, true)) {
		send_key(router, key, false);
	}
}

static void cancel_frames(struct router *router);

/* The latest first, so that modifiers outlive what was pressed with them. */
void router_release_all(struct router *router, bool forget)
{
	for (size_t i = router->held.n; i-- > 0;) {
		struct held_key *key = &router->held.keys[i];

		if (key->live) {
			key->live = false;
			if (!router->grabbed) {
				send_release(router, key);
			}
		}
	}
	if (forget) {
		router->held.n = 0;
		cancel_frames(router);
		frames_set_target(&router->frames, router->sink && !router->grabbed);
	}
}

static void send_position(struct router *router);

static void press(struct router *router, const struct input_event *event)
{
	bool button = event->type == INPUT_EVENT_BUTTON, seen;
	struct held_key *key;

	if (held_keys_find(&router->held, event->device, event->code)) {
		return; /* a repeat */
	}
	seen = held_keys_any(&router->held, event->code, true);
	key = held_keys_add(&router->held, event->device, event->code);
	if (!key || !has_target(router)) {
		return;
	}
	key->button = button;
	key->live = true;
	if (!seen) {
		struct held_key pressed = *key;

		if (button) {
			send_position(router);
		}
		send_key(router, &pressed, true);
	}
}

static void release(struct router *router, struct held_key *found)
{
	struct held_key key = *found;

	held_keys_remove(&router->held, found);
	if (key.live) {
		send_release(router, &key);
	}
}

static void feed_key(struct router *router, const struct input_event *event)
{
	struct held_key *key;

	if (event->code == KEY_RESERVED || event->code >= KEY_CNT) {
		return;
	}
	if (event->pressed) {
		press(router, event);
		return;
	}
	key = held_keys_find(&router->held, event->device, event->code);
	if (key) {
		release(router, key);
	}
}

void router_tap_key(struct router *router, uint32_t code)
{
	struct input_sink *sink = router->sink;

	if (sink && !router->grabbed) {
		sink->ops->key(sink, code, true, router->time_ns);
		sink->ops->key(sink, code, false, router->time_ns);
	}
}

void router_device_gone(struct router *router, uint32_t device)
{
	for (size_t i = router->held.n; i-- > 0;) {
		/* A handler may have emptied the set meanwhile. */
		if (i < router->held.n && router->held.keys[i].device == device) {
			release(router, &router->held.keys[i]);
		}
	}
}

/* ---- the pointer ---- */

/* The last position that still lies on the output: half a pixel of a frame four times as wide. */
#define EDGE (1.0 / 8)

static double clamp(double v, double low, double high)
{
	return v < low ? low : v > high ? high : v;
}

static void place(struct router *router, double x, double y)
{
	const struct pointer_transform *t = &router->transform;

	router->x = clamp(x, 0, t->output_width > 0 ? t->output_width - EDGE : 0);
	router->y = clamp(y, 0, t->output_height > 0 ? t->output_height - EDGE : 0);
}

static uint32_t to_frame(double v, int32_t origin, uint32_t size, uint32_t frame_size)
{
	return (uint32_t)clamp((v - origin) * frame_size / size, 0, frame_size - 1);
}

static bool transform_is_usable(const struct pointer_transform *t)
{
	return t->width > 0 && t->height > 0 && t->frame_width > 0 && t->frame_height > 0;
}

/* Tells an absolute sink where the pointer is, unless it knows. */
static void send_position(struct router *router)
{
	const struct pointer_transform *t = &router->transform;
	struct input_sink *sink = router->sink;
	uint32_t x, y;

	if (router->grabbed || !sink || !transform_is_usable(t) || !sink->ops->is_absolute(sink)) {
		return;
	}
	sink->width = t->target_width ? t->target_width : t->frame_width;
	sink->height = t->target_height ? t->target_height : t->frame_height;
	x = to_frame(router->x, t->x, t->width, sink->width);
	y = to_frame(router->y, t->y, t->height, sink->height);
	if (router->sent && router->sent_x == x && router->sent_y == y) {
		return;
	}
	router->sent = true;
	router->sent_x = x;
	router->sent_y = y;
	sink->ops->absolute(sink, x, y, router->time_ns);
}

/* Takes the whole part out of *sum, which no event can bring near the limits of int32_t. */
static int32_t take_whole(double *sum)
{
	double whole = trunc(*sum);

	*sum -= whole;
	return (int32_t)whole;
}

static void send_motion(struct router *router, double dx, double dy)
{
	struct input_sink *sink = router->sink;
	int32_t x, y;

	router->motion_x += dx;
	router->motion_y += dy;
	x = take_whole(&router->motion_x);
	y = take_whole(&router->motion_y);
	if (x != 0 || y != 0) {
		sink->ops->motion(sink, x, y, router->time_ns);
	}
}

/* After the pointer was placed: dx and dy are what a sink that takes motion is to be told. */
static void pointer_moved(struct router *router, const struct input_event *event, double dx,
			  double dy)
{
	if (router->grabbed) {
		if (router->handlers->grabbed) {
			router->handlers->grabbed(router->data, event);
		}
		if (router->handlers->pointer) {
			router->handlers->pointer(router->data, router->x, router->y);
		}
	} else if (router->sink && router->sink->ops->is_absolute(router->sink)) {
		send_position(router);
	} else if (router->sink) {
		send_motion(router, dx, dy);
	}
}

static void feed_motion(struct router *router, const struct input_event *event)
{
	place(router, router->x + event->dx, router->y + event->dy);
	pointer_moved(router, event, event->dx, event->dy);
}

static void feed_absolute(struct router *router, const struct input_event *event)
{
	const struct pointer_transform *t = &router->transform;
	double x = router->x, y = router->y, scale = 1;

	place(router, event->x * t->output_width, event->y * t->output_height);
	if (transform_is_usable(t)) {
		scale = (double)t->frame_width / t->width;
	}
	pointer_moved(router, event, (router->x - x) * scale, (router->y - y) * scale);
}

static void feed_wheel(struct router *router, const struct input_event *event)
{
	struct input_sink *sink = router->sink;
	int32_t v, h;

	if (router->grabbed) {
		if (router->handlers->grabbed) {
			router->handlers->grabbed(router->data, event);
		}
		return;
	}
	if (!sink) {
		return;
	}
	router->wheel_v += event->dy;
	router->wheel_h += event->dx;
	v = take_whole(&router->wheel_v);
	h = take_whole(&router->wheel_h);
	if (v != 0 || h != 0) {
		send_position(router);
		sink->ops->wheel(sink, v, h, router->time_ns);
	}
}

/* Far beyond any device, and false for what is no number. */
static bool is_sane(double v)
{
	return v >= -1e6 && v <= 1e6;
}

void router_feed(struct router *router, const struct input_event *event)
{
	if (!is_sane(event->dx) || !is_sane(event->dy) || !is_sane(event->x) ||
	    !is_sane(event->y)) {
		return;
	}
	router->time_ns = event->time_ns;
	switch (event->type) {
	case INPUT_EVENT_KEY:
	case INPUT_EVENT_BUTTON:
		feed_key(router, event);
		break;
	case INPUT_EVENT_MOTION:
		feed_motion(router, event);
		break;
	case INPUT_EVENT_ABSOLUTE:
		feed_absolute(router, event);
		break;
	case INPUT_EVENT_WHEEL:
		feed_wheel(router, event);
		break;
	}
}

/* ---- fingers, pens and gamepads ---- */

static bool frames_takes(void *data, enum input_kind kind)
{
	const struct router *router = data;
	struct input_sink *sink = router->sink;

	return !router->grabbed && sink && sink->ops->takes && sink->ops->takes(sink, kind);
}

static void frames_send(void *data, enum input_kind kind, const struct input_wire_event *events,
			size_t n, uint64_t time_ns)
{
	const struct router *router = data;

	if (frames_takes(data, kind)) {
		router->sink->ops->frame(router->sink, kind, events, n, time_ns);
	}
}

static void frames_pointer(void *data, const struct input_event *event)
{
	router_feed(data, event);
}

static const struct frames_ops frames_ops = {
	.takes = frames_takes,
	.send = frames_send,
	.pointer = frames_pointer,
};

void router_feed_frame(struct router *router, const struct input_frame *frame)
{
	router->time_ns = frame->time_ns;
	frames_feed(&router->frames, frame);
}

#define KINDS_OF_FRAMES (1u << INPUT_KIND_TOUCH | 1u << INPUT_KIND_PEN | 1u << INPUT_KIND_GAMEPAD)

static void cancel_frames(struct router *router)
{
	struct input_sink *sink = router->sink;

	if (!router->grabbed && sink && sink->ops->cancel) {
		sink->ops->cancel(sink, KINDS_OF_FRAMES);
	}
}

/* ---- the target ---- */

static void leave_target(struct router *router)
{
	router_release_all(router, false);
	cancel_frames(router);
	router->motion_x = router->motion_y = 0;
	router->wheel_v = router->wheel_h = 0;
	router->sent = false;
}

void router_set_sink(struct router *router, struct input_sink *sink)
{
	if (router->sink == sink) {
		return;
	}
	if (!router->grabbed) {
		leave_target(router);
	}
	router->sink = sink;
	frames_set_target(&router->frames, sink && !router->grabbed);
}

void router_set_grab(struct router *router, bool grabbed)
{
	if (router->grabbed != grabbed) {
		leave_target(router);
		router->grabbed = grabbed;
		frames_set_target(&router->frames, router->sink && !grabbed);
	}
}

void router_set_transform(struct router *router, const struct pointer_transform *transform)
{
	bool first = router->transform.output_width == 0;

	router->transform = *transform;
	router->frames.transform = *transform;
	router->sent = false;
	if (first) {
		place(router, transform->output_width / 2.0, transform->output_height / 2.0);
	} else {
		place(router, router->x, router->y);
	}
}

void router_place_pointer(struct router *router, int32_t x, int32_t y)
{
	const struct pointer_transform *t = &router->transform;

	if (transform_is_usable(t) && !router->grabbed) {
		place(router, t->x + (x + 0.5) * t->width / t->frame_width,
		      t->y + (y + 0.5) * t->height / t->frame_height);
	}
}
