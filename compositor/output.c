// SPDX-License-Identifier: MIT
/*
 * The repaint clock of an output; its rules stand at enum output_state in output.h.
 *
 * Why there are two ways to a frame: after a rest, a change is drawn at once, which needs no timer
 * (so a blinking cursor costs one wakeup a blink, not two). While frames follow each other, drawing
 * waits until shortly before the next vblank, so that what arrives meanwhile is still in it.
 */
#include "compositor/output.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

/* Time left for drawing, beyond what it took lately: lateness of timers and of the commit. */
#define DRAW_MARGIN_NS (1500 * NSEC_PER_USEC)

/* After a picture that could not be drawn, for instance without memory. */
#define RETRY_NS (250 * NSEC_PER_MSEC)

/* Before guests' messages, behind input: what was typed is routed before it is drawn. */
#define OUTPUT_PRIORITY (SD_EVENT_PRIORITY_NORMAL - 5)

static const char *const state_names[] = {
	[OUTPUT_OFF] = "off",
	[OUTPUT_IDLE] = "idle",
	[OUTPUT_SCHEDULED] = "scheduled",
	[OUTPUT_PENDING] = "pending",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == OUTPUT_STATE_COUNT, "names");

const char *output_state_name(enum output_state state)
{
	return state_names[state];
}

uint64_t output_interval_ns(const struct output *output)
{
	uint32_t mhz = output->refresh_mhz ? output->refresh_mhz : 60000;

	return 1000 * NSEC_PER_SEC / mhz;
}

uint64_t output_next_vblank_ns(const struct output *output, uint64_t now)
{
	uint64_t interval = output_interval_ns(output);

	if (now < output->last_vblank_ns) {
		return output->last_vblank_ns;
	}
	return output->last_vblank_ns + ((now - output->last_vblank_ns) / interval + 1) * interval;
}

static void note_draw_time(struct output *output, uint64_t took)
{
	uint64_t decayed = output->draw_ns - output->draw_ns / 16;

	output->draw_ns = took > decayed ? took : decayed;
}

static void wait_until(struct output *output, uint64_t ns)
{
	output->state = OUTPUT_SCHEDULED;
	sd_event_source_set_time(output->timer, ns / NSEC_PER_USEC);
	sd_event_source_set_enabled(output->timer, SD_EVENT_ONESHOT);
}

/* The damage is gone, so the next picture is drawn in full. -EBUSY: the back end says when. */
static void output_failed(struct output *output, int error)
{
	if (error == -EBUSY || output->state == OUTPUT_OFF) {
		output->state = OUTPUT_OFF;
		return;
	}
	if (!output->failing) {
		log_error("%s: cannot show a picture: %s", output->name, strerror(-error));
	}
	output->failing = output->repaint_all = true;
	wait_until(output, clock_now_ns() + RETRY_NS);
}

static void output_repaint(struct output *output)
{
	const struct output_painter *painter = output->painter;
	struct render_target target;
	pixman_region32_t damage;
	uint64_t start = clock_now_ns();
	int r;

	if (start < output->last_vblank_ns) {
		output->replaced_ns = output->last_vblank_ns;
	}
	pixman_region32_init(&damage);
	painter->collect(output, &damage, painter->data);
	if (output->repaint_all) {
		pixman_region32_union_rect(&damage, &damage, 0, 0, output->width, output->height);
	}
	pixman_region32_intersect_rect(&damage, &damage, 0, 0, output->width, output->height);
	output->needs_frame = output->repaint_all = false;
	output->state = OUTPUT_IDLE;
	if (!pixman_region32_not_empty(&damage)) {
		goto out;
	}
	r = output->ops->begin(output, &target, &damage);
	if (r == 0) {
		r = painter->draw(output, &target, &damage, painter->data);
	}
	if (r == 0) {
		note_draw_time(output, clock_now_ns() - start);
		output->drawn_ns = start;
		output->state = OUTPUT_PENDING;
		r = output->ops->commit(output, &damage);
	}
	if (r < 0) {
		output_failed(output, r);
	} else {
		output->failing = false;
	}
out:
	pixman_region32_fini(&damage);
}

static void handle_due(struct output *output)
{
	if (output->state == OUTPUT_SCHEDULED) {
		output_repaint(output);
	}
}

static int handle_timer(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source, (void)usec;
	handle_due(data);
	return 0;
}

static int handle_soon(sd_event_source *source, void *data)
{
	(void)source;
	handle_due(data);
	return 0;
}

int output_init(struct output *output, sd_event *event, const struct output_ops *ops,
		const struct output_painter *painter)
{
	int r;

	output->ops = ops;
	output->painter = painter;
	output->state = OUTPUT_OFF;
	/* Accuracy 1 us: sd-event's default of 250 ms is meant for timers that may be late. */
	r = sd_event_add_time(event, &output->timer, CLOCK_MONOTONIC, UINT64_MAX, 1, handle_timer,
			      output);
	if (r < 0) {
		return r;
	}
	sd_event_source_set_enabled(output->timer, SD_EVENT_OFF);
	sd_event_source_set_priority(output->timer, OUTPUT_PRIORITY);
	r = sd_event_add_defer(event, &output->soon, handle_soon, output);
	if (r < 0) {
		return r;
	}
	sd_event_source_set_enabled(output->soon, SD_EVENT_OFF);
	return sd_event_source_set_priority(output->soon, OUTPUT_PRIORITY);
}

void output_finish(struct output *output)
{
	output->timer = sd_event_source_disable_unref(output->timer);
	output->soon = sd_event_source_disable_unref(output->soon);
}

void output_enable(struct output *output)
{
	output->state = OUTPUT_IDLE;
	output->repaint_all = true;
	output_schedule(output);
}

void output_disable(struct output *output)
{
	output->state = OUTPUT_OFF;
	sd_event_source_set_enabled(output->timer, SD_EVENT_OFF);
	sd_event_source_set_enabled(output->soon, SD_EVENT_OFF);
}

/* In this turn of the loop, but not in the caller, who may be in the middle of a change. */
static void draw_soon(struct output *output)
{
	output->state = OUTPUT_SCHEDULED;
	sd_event_source_set_enabled(output->soon, SD_EVENT_ONESHOT);
}

/*
 * True when frames do not follow each other. Counted from the last drawing, a text console's
 * updates, one in 30 ms, never are a stream, wherever the vblanks fall between them.
 */
static bool output_rested(const struct output *output, uint64_t now)
{
	uint64_t interval = output_interval_ns(output);

	return now >= output->last_vblank_ns + interval ||
	       (now >= output->last_vblank_ns && now >= output->drawn_ns + interval);
}

/*
 * Chooses between drawing now and drawing just before a vblank. An output whose vblank is computed
 * may already have a picture for the coming one; it is replaced once, as late as possible, and
 * what comes after that is for the vblank after it.
 */
static void output_plan(struct output *output)
{
	uint64_t now = clock_now_ns(), vblank = output_next_vblank_ns(output, now);
	uint64_t need = output->draw_ns + output->draw_ns / 2 + DRAW_MARGIN_NS;

	if (now < output->last_vblank_ns && output->replaced_ns == output->last_vblank_ns) {
		wait_until(output, vblank + output_interval_ns(output) - need);
	} else if (output_rested(output, now) || now + need >= vblank) {
		draw_soon(output);
	} else {
		wait_until(output, vblank - need);
	}
}

void output_schedule(struct output *output)
{
	output->needs_frame = true;
	if (output->state == OUTPUT_IDLE) {
		output_plan(output);
	}
}

void output_presented(struct output *output, uint64_t vblank_ns)
{
	output->last_vblank_ns = vblank_ns;
	output->sequence++;
	if (output->state != OUTPUT_PENDING) {
		return;
	}
	output->state = OUTPUT_IDLE;
	output->painter->presented(output, vblank_ns, output->painter->data);
	if (output->needs_frame && output->state == OUTPUT_IDLE) {
		output_plan(output);
	}
}
