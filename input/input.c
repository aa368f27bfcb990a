// SPDX-License-Identifier: MIT
/*
 * The pipeline: takes chords out of what the devices send, runs the timer of the host key, and
 * keeps the LEDs and the "keys are dropped" notice in step with the sink in front.
 */
#include "input/input.h"

#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/list.h"
#include "input/recorder.h"
#include "input/router.h"

/* A device that belongs to one guest. */
struct pin {
	struct list link; /* input::pins */
	uint32_t device;
	struct router router;
};

struct input {
	struct list pins;
	struct input_handlers handlers;
	void *data;
	struct chords chords;
	sd_event_source *help_timer;
	uint64_t help_timer_ns; /* UINT64_MAX: off */
	struct router router;
	struct recorder recorder;

	void (*leds)(void *data, uint32_t mask);
	void *leds_data;
	uint32_t leds_told;
	bool dropping_told;
};

/* ---- chords ---- */

static void update_help_timer(struct input *input)
{
	uint64_t deadline = chords_deadline(&input->chords);

	if (deadline == input->help_timer_ns) {
		return;
	}
	input->help_timer_ns = deadline;
	if (deadline == UINT64_MAX) {
		sd_event_source_set_enabled(input->help_timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time(input->help_timer, deadline / NSEC_PER_USEC + 1);
	sd_event_source_set_enabled(input->help_timer, SD_EVENT_ONESHOT);
}

static void rescue(struct input *input)
{
	struct input_sink *sink = input->router.sink;

	router_release_all(&input->router, true);
	if (sink) {
		sink->ops->release_all(sink);
	}
}

static void act(struct input *input, const struct chord_result *result)
{
	update_help_timer(input);
	for (unsigned int i = 0; i < result->n; i++) {
		if (result->actions[i].action == CHORD_RESCUE) {
			rescue(input);
		} else if (result->actions[i].action == CHORD_SEND_HOST_KEY) {
			router_tap_key(&input->router, input->chords.config.host_key);
		}
		if (input->handlers.chord) {
			input->handlers.chord(input->data, result->actions[i].action,
					      result->actions[i].argument);
		}
	}
}

static int handle_help_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct input *input = data;
	struct chord_result result = chords_elapsed(&input->chords, usec * NSEC_PER_USEC);

	input->help_timer_ns = UINT64_MAX;
	act(input, &result);
	return 0;
}

/* ---- the sink in front ---- */

static void tell_leds(struct input *input)
{
	uint32_t mask = input->router.sink ? input->router.sink->leds : 0;

	if (mask != input->leds_told) {
		input->leds_told = mask;
		if (input->leds) {
			input->leds(input->leds_data, mask);
		}
	}
}

static void tell_dropping(struct input *input)
{
	bool dropping = input->router.sink && input->router.sink->dropping;

	if (dropping != input->dropping_told) {
		input->dropping_told = dropping;
		if (input->handlers.dropping) {
			input->handlers.dropping(input->data, dropping);
		}
	}
}

static void handle_sink_changed(struct input_sink *sink, void *data)
{
	tell_leds(data);
	tell_dropping(data);
}

void input_set_sink(struct input *input, struct input_sink *sink)
{
	struct input_sink *old = input->router.sink;

	if (sink == old) {
		return;
	}
	router_set_sink(&input->router, sink);
	if (old) {
		old->changed = NULL;
	}
	if (sink) {
		sink->changed = handle_sink_changed;
		sink->changed_data = input;
	}
	tell_leds(input);
	tell_dropping(input);
}

void input_set_led_handler(struct input *input, void (*leds)(void *data, uint32_t mask), void *data)
{
	input->leds = leds;
	input->leds_data = data;
	if (leds) {
		leds(data, input->leds_told);
	}
}

/* ---- devices of one guest ---- */

static struct pin *find_pin(struct input *input, uint32_t device)
{
	struct pin *pin;

	list_for_each(pin, &input->pins, link) {
		if (pin->device == device) {
			return pin;
		}
	}
	return NULL;
}

static void pin_free(struct pin *pin)
{
	router_set_sink(&pin->router, NULL);
	list_remove(&pin->link);
	free(pin);
}

/* What is drawn or pointed at on it is all of the guest's picture, which may not be on the screen. */
static const struct pointer_transform whole = {
	.width = INPUT_POSITION_MAX + 1,
	.height = INPUT_POSITION_MAX + 1,
	.frame_width = INPUT_POSITION_MAX + 1,
	.frame_height = INPUT_POSITION_MAX + 1,
	.output_width = INPUT_POSITION_MAX + 1,
	.output_height = INPUT_POSITION_MAX + 1,
};

int input_pin(struct input *input, uint32_t device, struct input_sink *sink)
{
	struct pin *pin = find_pin(input, device);

	if (pin && pin->router.sink == sink) {
		return 0;
	}
	if (pin) {
		pin_free(pin);
	} else {
		/* What was pressed on it before is let go. */
		input_device_gone(input, device);
	}
	if (!sink) {
		return 0;
	}
	pin = calloc(1, sizeof(*pin));
	if (!pin) {
		return -ENOMEM;
	}
	pin->device = device;
	router_init(&pin->router, &input->handlers, input->data);
	router_set_transform(&pin->router, &whole);
	router_set_sink(&pin->router, sink);
	list_append(&input->pins, &pin->link);
	return 0;
}

void input_unpin_sink(struct input *input, const struct input_sink *sink)
{
	struct pin *pin, *next;

	list_for_each_safe(pin, next, &input->pins, link) {
		if (pin->router.sink == sink) {
			pin_free(pin);
		}
	}
}

/* ---- the rest ---- */

void input_record(struct input *input, int fd)
{
	recorder_set(&input->recorder, fd);
}

static void pass(struct input *input, const struct input_event *event)
{
	if (!input->router.grabbed) {
		recorder_write(&input->recorder, event);
	}
	router_feed(&input->router, event);
}

void input_feed(struct input *input, const struct input_event *event)
{
	struct pin *pin = find_pin(input, event->device);
	struct chord_result result;

	if (pin) {
		router_feed(&pin->router, event);
		return;
	}
	if (event->type != INPUT_EVENT_KEY) {
		pass(input, event);
		return;
	}
	result = chords_key(&input->chords, event->device, event->code, event->pressed,
			    event->time_ns);
	if (result.pass) {
		pass(input, event);
	}
	act(input, &result);
}

void input_feed_frame(struct input *input, const struct input_frame *frame)
{
	struct pin *pin = find_pin(input, frame->device);

	router_feed_frame(pin ? &pin->router : &input->router, frame);
}

void input_device_gone(struct input *input, uint32_t device)
{
	struct chord_result result = chords_device_gone(&input->chords, device);
	struct pin *pin = find_pin(input, device);

	if (pin) {
		pin_free(pin);
	}
	router_device_gone(&input->router, device);
	act(input, &result);
}

void input_release_all(struct input *input)
{
	struct chord_result result = chords_reset(&input->chords);
	struct pin *pin;

	list_for_each(pin, &input->pins, link) {
		router_release_all(&pin->router, true);
	}
	router_release_all(&input->router, true);
	act(input, &result);
}

void input_set_transform(struct input *input, const struct pointer_transform *transform)
{
	router_set_transform(&input->router, transform);
}

void input_place_pointer(struct input *input, int32_t x, int32_t y)
{
	router_place_pointer(&input->router, x, y);
}

void input_set_grab(struct input *input, bool grabbed)
{
	router_set_grab(&input->router, grabbed);
}

void input_set_asking(struct input *input, enum chord_question question, bool asking)
{
	chords_ask(&input->chords, question, asking);
}

void input_destroy(struct input *input)
{
	if (!input) {
		return;
	}
	input->handlers = (struct input_handlers){ 0 };
	input->leds = NULL;
	while (!list_empty(&input->pins)) {
		pin_free(container_of(input->pins.next, struct pin, link));
	}
	input_set_sink(input, NULL);
	recorder_set(&input->recorder, -1);
	sd_event_source_disable_unref(input->help_timer);
	free(input);
}

DEFINE_CLEANUP(struct input *, input_destroy)

int input_create(sd_event *event, const struct chord_config *config,
		 const struct input_handlers *handlers, void *data, struct input **out)
{
	_cleanup_(input_destroy_ptr) struct input *input = calloc(1, sizeof(*input));
	int r;

	if (!input) {
		return -ENOMEM;
	}
	list_init(&input->pins);
	recorder_init(&input->recorder);
	input->handlers = *handlers;
	input->data = data;
	input->help_timer_ns = UINT64_MAX;
	chords_init(&input->chords, config);
	router_init(&input->router, &input->handlers, data);
	r = sd_event_add_time(event, &input->help_timer, CLOCK_MONOTONIC, 0, 1, handle_help_timer,
			      input);
	if (r < 0) {
		return r;
	}
	r = sd_event_source_set_enabled(input->help_timer, SD_EVENT_OFF);
	if (r < 0) {
		return r;
	}
	*out = take_ptr(input);
	return 0;
}
