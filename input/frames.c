// SPDX-License-Identifier: MIT
/* Fingers, pens and gamepads; see frames.h. */
#include "input/frames.h"

#include <stdlib.h>
#include <string.h>

/* An axis is at rest within this part of its way. */
#define REST 8

struct out {
	struct input_wire_event events[INPUT_EVENTS_MAX - 1];
	size_t n;
};

static void emit(struct out *out, uint16_t type, uint16_t code, int32_t value)
{
	if (out->n < sizeof(out->events) / sizeof(out->events[0])) {
		out->events[out->n++] = (struct input_wire_event){ type, code, value };
	}
}

void frames_init(struct frames *frames, const struct frames_ops *ops, void *data)
{
	*frames = (struct frames){ .ops = ops, .data = data };
	frames->touch.sent_slot = frames->touch.first = -1;
}

/* ---- positions ---- */

/* From the output to the guest's picture on it, both in 0..max. */
static int32_t to_picture(int32_t value, int32_t max, uint32_t output, int32_t origin,
			  uint32_t size)
{
	int64_t v;

	if (output == 0 || size == 0) {
		return value;
	}
	v = ((int64_t)value * output - (int64_t)origin * max) / (int64_t)size;
	return v < 0 ? 0 : v > max ? max : (int32_t)v;
}

static int32_t place(const struct frames *frames, bool vertical, int32_t value, int32_t max)
{
	const struct pointer_transform *t = &frames->transform;

	return vertical ? to_picture(value, max, t->output_height, t->y, t->height)
			: to_picture(value, max, t->output_width, t->x, t->width);
}

/* ---- as the pointer ---- */

static void point(struct frames *frames, const struct input_frame *frame, int32_t x, int32_t y,
		  int32_t max)
{
	frames->ops->pointer(frames->data, &(struct input_event){
						   .type = INPUT_EVENT_ABSOLUTE,
						   .device = frame->device,
						   .time_ns = frame->time_ns,
						   .x = (double)x / max,
						   .y = (double)y / max,
					   });
}

static void click(struct frames *frames, const struct input_frame *frame, uint32_t button,
		  bool pressed)
{
	frames->ops->pointer(frames->data, &(struct input_event){
						   .type = INPUT_EVENT_BUTTON,
						   .device = frame->device,
						   .time_ns = frame->time_ns,
						   .code = button,
						   .pressed = pressed,
					   });
}

/* ---- fingers ---- */

static void emit_slot(struct frames_touch *touch, struct out *out)
{
	if (touch->sent_slot != touch->slot) {
		emit(out, EV_ABS, ABS_MT_SLOT, touch->slot);
		touch->sent_slot = touch->slot;
	}
}

static void touch_begin(struct frames *frames, struct out *out)
{
	struct frames_touch *touch = &frames->touch;
	uint32_t bit = 1u << touch->slot;

	if (touch->down == 0) {
		touch->as_pointer = !frames->ops->takes(frames->data, INPUT_KIND_TOUCH);
		touch->first = touch->slot;
	}
	touch->down |= bit;
	if (touch->as_pointer || !frames->has_target) {
		return;
	}
	emit_slot(touch, out);
	touch->last_id = (touch->last_id + 1) & 0xffff;
	emit(out, EV_ABS, ABS_MT_TRACKING_ID, touch->last_id);
	if (touch->live == 0) {
		touch->first = touch->slot;
		emit(out, EV_KEY, BTN_TOUCH, 1);
	}
	touch->live |= bit;
}

static void touch_end(struct frames *frames, struct out *out)
{
	struct frames_touch *touch = &frames->touch;
	uint32_t bit = 1u << touch->slot;

	touch->down &= ~bit;
	if (!(touch->live & bit)) {
		return;
	}
	touch->live &= ~bit;
	emit_slot(touch, out);
	emit(out, EV_ABS, ABS_MT_TRACKING_ID, -1);
	if (touch->live == 0) {
		emit(out, EV_KEY, BTN_TOUCH, 0);
	}
}

/* Systems that know one finger alone read the plain axes. */
static void touch_place(struct frames *frames, const struct input_wire_event *event,
			struct out *out)
{
	struct frames_touch *touch = &frames->touch;
	bool vertical = event->code == ABS_MT_POSITION_Y;
	int32_t value;

	if (touch->slot == touch->first) {
		*(vertical ? &touch->y : &touch->x) = event->value;
	}
	if (!(touch->live >> touch->slot & 1)) {
		return;
	}
	value = place(frames, vertical, event->value, INPUT_POSITION_MAX);
	emit_slot(touch, out);
	emit(out, EV_ABS, event->code, value);
	if (touch->slot == touch->first) {
		emit(out, EV_ABS, vertical ? ABS_Y : ABS_X, value);
	}
}

static void touch_event(struct frames *frames, const struct input_wire_event *event,
			struct out *out)
{
	struct frames_touch *touch = &frames->touch;

	if (event->type != EV_ABS) {
		return; /* BTN_TOUCH follows from the contacts */
	}
	if (event->code == ABS_MT_SLOT) {
		touch->slot = event->value >= 0 && event->value < INPUT_FINGERS ? event->value : -1;
	} else if (touch->slot < 0) {
		return;
	} else if (event->code == ABS_MT_TRACKING_ID && event->value >= 0) {
		touch_begin(frames, out);
	} else if (event->code == ABS_MT_TRACKING_ID) {
		touch_end(frames, out);
	} else if (event->code == ABS_MT_POSITION_X || event->code == ABS_MT_POSITION_Y) {
		touch_place(frames, event, out);
	}
}

static void feed_touch(struct frames *frames, const struct input_frame *frame)
{
	struct frames_touch *touch = &frames->touch;
	bool was = touch->first >= 0 && touch->down >> touch->first & 1, is;
	struct out out = { .n = 0 };

	for (size_t i = 0; i < frame->n; i++) {
		touch_event(frames, &frame->events[i], &out);
	}
	if (out.n > 0) {
		frames->ops->send(frames->data, INPUT_KIND_TOUCH, out.events, out.n,
				  frame->time_ns);
	}
	is = touch->first >= 0 && touch->down >> touch->first & 1;
	if (touch->as_pointer && (was || is)) {
		point(frames, frame, touch->x, touch->y, INPUT_POSITION_MAX);
		if (was != is) {
			click(frames, frame, BTN_LEFT, is);
		}
	}
}

/* ---- the pen ---- */

static void pen_tool(struct frames *frames, const struct input_wire_event *event)
{
	struct frames_pen *pen = &frames->pen;
	uint32_t bit = 1u << (event->code - BTN_TOOL_PEN);

	if (event->value && pen->tools == 0) {
		pen->as_pointer = !frames->ops->takes(frames->data, INPUT_KIND_PEN);
		pen->live = frames->has_target || pen->as_pointer;
	}
	pen->tools = event->value ? pen->tools | bit : pen->tools & ~bit;
}

static bool is_tool(const struct input_wire_event *event)
{
	return event->type == EV_KEY && event->code >= BTN_TOOL_PEN && event->code <= BTN_TOOL_LENS;
}

/* What the pen is as a pointer: its tip and its first buttons. */
static uint32_t pen_button(uint16_t code)
{
	switch (code) {
	case BTN_TOUCH:
		return BTN_LEFT;
	case BTN_STYLUS:
		return BTN_RIGHT;
	case BTN_STYLUS2:
		return BTN_MIDDLE;
	default:
		return 0;
	}
}

/* A guest's pen has two ends: what else there is draws. */
static uint16_t pen_code(const struct input_wire_event *event)
{
	return is_tool(event) && event->code != BTN_TOOL_RUBBER ? BTN_TOOL_PEN : event->code;
}

static void pen_event(struct frames *frames, const struct input_wire_event *event, struct out *out)
{
	struct frames_pen *pen = &frames->pen;
	int32_t value = event->value;

	if (event->type == EV_ABS && (event->code == ABS_X || event->code == ABS_Y)) {
		*(event->code == ABS_Y ? &pen->y : &pen->x) = value;
		value = place(frames, event->code == ABS_Y, value, INPUT_PEN_MAX);
	}
	if (pen->live) {
		emit(out, event->type, pen_code(event), value);
	}
}

static void pen_as_pointer(struct frames *frames, const struct input_frame *frame)
{
	point(frames, frame, frames->pen.x, frames->pen.y, INPUT_PEN_MAX);
	for (size_t i = 0; i < frame->n; i++) {
		const struct input_wire_event *event = &frame->events[i];
		uint32_t button = event->type == EV_KEY ? pen_button(event->code) : 0;

		if (button) {
			click(frames, frame, button, event->value);
		}
	}
}

static void feed_pen(struct frames *frames, const struct input_frame *frame)
{
	struct frames_pen *pen = &frames->pen;
	struct out out = { .n = 0 };

	/* A tool that comes says whose the whole batch is; one that goes still belongs to it. */
	for (size_t i = 0; i < frame->n; i++) {
		if (is_tool(&frame->events[i]) && frame->events[i].value) {
			pen_tool(frames, &frame->events[i]);
		}
	}
	for (size_t i = 0; i < frame->n; i++) {
		pen_event(frames, &frame->events[i], &out);
	}
	if (pen->as_pointer && pen->live) {
		pen_as_pointer(frames, frame);
	} else if (out.n > 0) {
		frames->ops->send(frames->data, INPUT_KIND_PEN, out.events, out.n, frame->time_ns);
	}
	for (size_t i = 0; i < frame->n; i++) {
		if (is_tool(&frame->events[i]) && !frame->events[i].value) {
			pen_tool(frames, &frame->events[i]);
		}
	}
	pen->live &= pen->tools != 0;
}

/* ---- the gamepad ---- */

static bool pad_button(struct frames *frames, const struct input_wire_event *event)
{
	uint64_t *word = &frames->pad.live[event->code / 64], bit = 1ull << event->code % 64;
	bool live = *word & bit;

	if (event->value) {
		*word |= frames->has_target ? bit : 0;
		return frames->has_target && !live;
	}
	*word &= ~bit;
	return live;
}

static bool is_at_rest(uint16_t code, int32_t value)
{
	int32_t max = code == ABS_Z || code == ABS_RZ ? INPUT_TRIGGER_MAX : INPUT_STICK_MAX;

	return code >= ABS_HAT0X ? value == 0 : abs(value) <= max / REST;
}

static bool pad_axis(struct frames *frames, const struct input_wire_event *event)
{
	struct frames_pad *pad = &frames->pad;
	uint32_t bit = 1u << event->code;

	pad->axes[event->code] = event->value;
	if (pad->dead_axes & bit && is_at_rest(event->code, event->value)) {
		pad->dead_axes &= ~bit;
	}
	return frames->has_target && !(pad->dead_axes & bit);
}

static void feed_pad(struct frames *frames, const struct input_frame *frame)
{
	struct out out = { .n = 0 };

	for (size_t i = 0; i < frame->n; i++) {
		const struct input_wire_event *event = &frame->events[i];
		bool passes = false;

		if (event->type == EV_KEY && event->code < KEY_CNT) {
			passes = pad_button(frames, event);
		} else if (event->type == EV_ABS && event->code < 32) {
			passes = pad_axis(frames, event);
		}
		if (passes) {
			emit(&out, event->type, event->code, event->value);
		}
	}
	if (out.n > 0) {
		frames->ops->send(frames->data, INPUT_KIND_GAMEPAD, out.events, out.n,
				  frame->time_ns);
	}
}

/* ---- all ---- */

void frames_feed(struct frames *frames, const struct input_frame *frame)
{
	switch (frame->kind) {
	case INPUT_KIND_TOUCH:
		feed_touch(frames, frame);
		break;
	case INPUT_KIND_PEN:
		feed_pen(frames, frame);
		break;
	case INPUT_KIND_GAMEPAD:
		feed_pad(frames, frame);
		break;
	default:
		break;
	}
}

void frames_set_target(struct frames *frames, bool has_target)
{
	struct frames_pad *pad = &frames->pad;

	frames->has_target = has_target;
	/* What is the pointer's the router holds dead; but it may not become fingers on the way. */
	frames->touch.live = 0;
	frames->touch.sent_slot = -1;
	frames->pen.live &= frames->pen.as_pointer;
	memset(pad->live, 0, sizeof(pad->live));
	for (uint16_t code = 0; code < 32; code++) {
		if (!is_at_rest(code, pad->axes[code])) {
			pad->dead_axes |= 1u << code;
		}
	}
}
