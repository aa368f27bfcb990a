// SPDX-License-Identifier: MIT
/*
 * How pictures and pointers become atomic requests.
 *
 * Everything goes through screen_submit(): it builds one request from what the screen should show,
 * sends it, and only when the kernel has taken it notes that it did. So a refusal leaves the
 * screen as it is (the old picture stays) and the same request is built again later.
 *
 * A moving pointer would like a request of its own at each move, but a CRTC takes one request at a
 * time and a picture must never wait for a pointer longer than necessary. So moves are kept until
 * shortly before the next vblank; a picture that goes out earlier takes the pointer along, in the
 * same request, so that both always fit together.
 */
#include "compositor/kms/screen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "compositor/kms/atomic.h"

/* How long before a vblank a pointer alone is sent: behind every picture that meets that vblank. */
#define CURSOR_LEAD_NS NSEC_PER_MSEC

/* After a refusal the screen is lit anew with everything drawn, once in this time. */
#define RETRY_NS NSEC_PER_SEC

static struct screen *screen_from(struct output *output)
{
	return container_of(output, struct screen, output);
}

/* A time in the past fires in the next turn of the loop. */
static void timer_arm(sd_event_source *timer, uint64_t ns)
{
	sd_event_source_set_time(timer, ns / NSEC_PER_USEC);
	sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

static void timer_stop(sd_event_source *timer)
{
	sd_event_source_set_enabled(timer, SD_EVENT_OFF);
}

static void fence_drop(struct screen *screen)
{
	if (screen->fence >= 0) {
		close(screen->fence);
	}
	screen->fence = -1;
}

/* What a request contains. */
enum parts { PART_FRAME = 1, PART_CURSOR = 2, PART_MODE = 4, PART_NO_CURSOR = 8 };

static void request_mode(struct screen *screen, struct atomic *atomic)
{
	const struct kms_crtc *crtc = screen->crtc;

	atomic_add(atomic, screen->monitor.connector, screen->monitor.props.id[CONNECTOR_CRTC_ID],
		   crtc->id);
	atomic_add(atomic, crtc->id, crtc->props.id[CRTC_MODE_ID], screen->mode_blob);
	atomic_add(atomic, crtc->id, crtc->props.id[CRTC_ACTIVE], 1);
	atomic_add_cleanup(atomic, screen->card, crtc, screen->monitor.connector);
}

static void request_frame(struct screen *screen, struct atomic *atomic,
			  const struct kms_buffer *buffer)
{
	const struct kms_plane *plane = screen->primary;

	atomic_show_plane(atomic, plane, screen->crtc->id, buffer->fb, 0, 0, buffer->width,
			  buffer->height);
	if (screen->fence >= 0 && plane->props.id[PLANE_IN_FENCE_FD]) {
		atomic_add(atomic, plane->id, plane->props.id[PLANE_IN_FENCE_FD],
			   (uint64_t)screen->fence);
	}
}

static int request_build(struct screen *screen, struct atomic *atomic, unsigned int parts,
			 const struct kms_buffer *buffer)
{
	int r = atomic_init(atomic);

	if (r < 0) {
		return r;
	}
	if (parts & PART_MODE) {
		request_mode(screen, atomic);
	}
	if (parts & PART_FRAME) {
		request_frame(screen, atomic, buffer);
	}
	if ((parts & (PART_FRAME | PART_MODE)) == PART_FRAME) {
		atomic_add_damage(atomic, screen->card, screen->primary, &screen->damage);
	}
	if (parts & PART_CURSOR) {
		cursor_request(&screen->cursor, atomic, screen->crtc);
	} else if ((parts & PART_NO_CURSOR) && screen->cursor.plane) {
		atomic_hide_plane(atomic, screen->cursor.plane);
	}
	return 0;
}

static int screen_test(struct screen *screen, unsigned int parts, const struct kms_buffer *buffer)
{
	struct atomic atomic;
	int r = request_build(screen, &atomic, parts, buffer);

	if (r == 0) {
		atomic_add_foreign(&atomic, screen->card);
		r = atomic_test(&atomic, screen->card);
	}
	atomic_finish(&atomic, screen->card);
	return r;
}

static int screen_send(struct screen *screen, unsigned int parts)
{
	struct atomic atomic;
	int r = request_build(screen, &atomic, parts, screen->chain.drawing);

	if (r == 0) {
		r = atomic_commit(&atomic, screen->card, parts & PART_MODE,
				  screen->card->serial + 1);
	}
	atomic_finish(&atomic, screen->card);
	return r;
}

/* The kernel took the request: from here on this is what the screen shows. */
static void screen_sent(struct screen *screen, unsigned int parts)
{
	screen->serial = ++screen->card->serial;
	screen->flight = parts & PART_FRAME ? FLIGHT_FRAME : FLIGHT_CURSOR;
	screen->failing = false;
	if (parts & PART_CURSOR) {
		cursor_queued(&screen->cursor);
	}
	if (parts & PART_FRAME) {
		swapchain_queued(&screen->chain);
		cursor_frame_queued(&screen->cursor);
		pixman_region32_clear(&screen->damage);
		screen->frame_waits = false;
		screen->lit = true;
	}
	if (!screen->cursor.dirty) {
		timer_stop(screen->cursor_timer);
	}
}

static void screen_log_refusal(struct screen *screen, int error)
{
	/* Without the right to show pictures: the news that the session is gone is on its way. */
	if (screen->failing || error == -EACCES || error == -EPERM) {
		return;
	}
	screen->failing = true;
	log_error("%s: the driver %s refuses a picture of %ux%u (%s); trying again each second, "
		  "a lower mode or another cable may help",
		  screen->output.name, screen->card->driver, screen->output.width,
		  screen->output.height, strerror(-error));
}

/* The old picture stays; after a while all is tried anew from the start. -EBUSY: the output is
 * enabled again by then. */
static int screen_refused(struct screen *screen, int error)
{
	screen_log_refusal(screen, error);
	screen->frame_waits = false;
	timer_stop(screen->cursor_timer);
	timer_arm(screen->retry_timer, clock_now_ns() + RETRY_NS);
	return -EBUSY;
}

/*
 * A pointer plane that the driver refuses in some place is given up for good: a pointer that is
 * sometimes there and sometimes drawn would be worse. The plane is off before the pointer is drawn
 * into the picture.
 */
static int screen_send_without_cursor(struct screen *screen, unsigned int parts)
{
	int r = screen_send(screen, (parts & ~(unsigned int)PART_CURSOR) | PART_NO_CURSOR);

	if (r < 0) {
		return r;
	}
	log_warning("%s: the driver %s refuses the pointer's plane; the pointer is drawn into the "
		    "picture from now on",
		    screen->output.name, screen->card->driver);
	cursor_finish(&screen->cursor);
	screen->events->cursor_lost(screen->events->data);
	return 0;
}

static int screen_submit(struct screen *screen, unsigned int parts)
{
	int r;

	if (!session_active(screen->card->session)) {
		return -EBUSY;
	}
	if (!screen->lit) {
		card_turn_foreign_off(screen->card);
		parts |= PART_MODE;
	}
	if (screen->cursor.plane && (screen->cursor.dirty || (parts & PART_MODE))) {
		parts |= PART_CURSOR;
	}
	r = screen_send(screen, parts);
	if (r < 0 && r != -EACCES && r != -EPERM && (parts & PART_CURSOR)) {
		r = screen_send_without_cursor(screen, parts);
		parts &= ~(unsigned int)PART_CURSOR;
	}
	fence_drop(screen);
	if (r < 0) {
		return screen_refused(screen, r);
	}
	screen_sent(screen, parts);
	return 0;
}

static void screen_plan_cursor(struct screen *screen)
{
	uint64_t when;

	if (!screen->cursor.dirty || !screen->lit || screen->flight != FLIGHT_NONE) {
		return; /* it goes with the next picture, or is looked at after the flip */
	}
	when = output_next_vblank_ns(&screen->output, clock_now_ns()) - CURSOR_LEAD_NS;
	if (screen->cursor.in_picture) {
		/* The picture that no longer has the pointer in it is being made: not before it. */
		when += output_interval_ns(&screen->output);
	}
	timer_arm(screen->cursor_timer, when);
}

static int handle_cursor_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct screen *screen = data;

	if (screen->cursor.dirty && screen->lit && screen->flight == FLIGHT_NONE) {
		screen_submit(screen, PART_CURSOR);
	}
	return 0;
}

static int handle_retry_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct screen *screen = data;

	if (session_active(screen->card->session)) {
		screen_resume(screen);
	}
	return 0;
}

void screen_suspend(struct screen *screen)
{
	output_disable(&screen->output);
	timer_stop(screen->cursor_timer);
	timer_stop(screen->retry_timer);
	fence_drop(screen);
	screen->flight = FLIGHT_NONE;
	screen->frame_waits = false;
	screen->lit = false;
}

void screen_resume(struct screen *screen)
{
	screen_suspend(screen);
	swapchain_invalidate(&screen->chain);
	output_enable(&screen->output);
}

static void screen_submit_waiting(struct screen *screen)
{
	if (screen_submit(screen, PART_FRAME) < 0) {
		output_disable(&screen->output);
	}
}

void screen_flipped(struct screen *screen, uint32_t serial, uint64_t vblank_ns)
{
	enum flight landed = screen->flight;

	if (serial != screen->serial || landed == FLIGHT_NONE) {
		return; /* from before the session went away */
	}
	screen->flight = FLIGHT_NONE;
	if (landed == FLIGHT_FRAME) {
		swapchain_flipped(&screen->chain);
		output_presented(&screen->output, vblank_ns);
	}
	if (screen->flight == FLIGHT_NONE && screen->frame_waits) {
		screen_submit_waiting(screen);
	}
	screen_plan_cursor(screen);
}

pixman_image_t *screen_read(struct screen *screen)
{
	struct kms_buffer *front = screen->chain.front;

	return front ? front->ops->read(front) : NULL;
}

static int screen_begin(struct output *output, struct render_target *target,
			pixman_region32_t *damage)
{
	return swapchain_begin(&screen_from(output)->chain, target, damage);
}

static int screen_commit(struct output *output, const pixman_region32_t *damage)
{
	struct screen *screen = screen_from(output);
	struct kms_buffer *buffer = screen->chain.drawing;

	fence_drop(screen);
	screen->fence = buffer->ops->finish(buffer);
	pixman_region32_copy(&screen->damage, damage);
	if (screen->flight != FLIGHT_NONE) {
		screen->frame_waits = true;
		return 0;
	}
	return screen_submit(screen, PART_FRAME);
}

static int screen_set_cursor(struct output *output, struct cursor_image *image, int32_t x,
			     int32_t y)
{
	struct screen *screen = screen_from(output);
	int r = cursor_set(&screen->cursor, image, x, y);

	screen_plan_cursor(screen);
	return r;
}

static const struct output_ops screen_ops = {
	.begin = screen_begin,
	.commit = screen_commit,
	.set_cursor = screen_set_cursor,
};

static int screen_take_hardware(struct screen *screen, const drmModeConnector *info)
{
	struct kms_crtc *crtc = card_find_crtc(screen->card, info);
	struct kms_plane *primary =
		crtc ? card_find_plane(screen->card, crtc, DRM_PLANE_TYPE_PRIMARY) : NULL;

	if (!primary) {
		return -EBUSY;
	}
	screen->crtc = crtc;
	screen->primary = primary;
	crtc->taken = primary->taken = true;
	return 0;
}

static int screen_create_buffers(struct screen *screen, const struct screen_options *options)
{
	for (unsigned int i = 0; i < SWAPCHAIN_BUFFERS; i++) {
		int r = options->buffer_create(options->buffer_data, screen->card, screen->primary,
					       screen->output.width, screen->output.height,
					       &screen->chain.buffers[i]);

		if (r < 0) {
			return r;
		}
	}
	return drmModeCreatePropertyBlob(screen->card->fd, &screen->monitor.mode,
					 sizeof(screen->monitor.mode), &screen->mode_blob);
}

/* Would it work with a pointer on its plane? Without one? */
static int screen_try(struct screen *screen)
{
	const struct kms_buffer *buffer = screen->chain.buffers[0];
	struct cursor_image *image = cursor_image_create(1, 1);
	int r = -ENOMEM;

	if (!image) {
		return r;
	}
	if (cursor_set(&screen->cursor, image, 0, 0) == 0) {
		r = screen_test(screen, PART_MODE | PART_FRAME | PART_CURSOR, buffer);
		cursor_set(&screen->cursor, NULL, 0, 0);
		if (r < 0) {
			cursor_finish(&screen->cursor);
		}
	}
	if (r < 0) {
		r = screen_test(screen, PART_MODE | PART_FRAME, buffer);
	}
	cursor_image_unlock(image);
	return r;
}

static int screen_add_timers(struct screen *screen, sd_event *event)
{
	/* Accuracy 1 us, as in the repaint clock. */
	int r = sd_event_add_time(event, &screen->cursor_timer, CLOCK_MONOTONIC, UINT64_MAX, 1,
				  handle_cursor_timer, screen);

	if (r < 0) {
		return r;
	}
	timer_stop(screen->cursor_timer);
	r = sd_event_add_time(event, &screen->retry_timer, CLOCK_MONOTONIC, UINT64_MAX, 0,
			      handle_retry_timer, screen);
	if (r < 0) {
		return r;
	}
	timer_stop(screen->retry_timer);
	return 0;
}

static int screen_setup(struct screen *screen, const drmModeConnector *info,
			const struct screen_options *options)
{
	struct output *output = &screen->output;
	int r;

	memcpy(output->name, screen->monitor.name, sizeof(output->name));
	output->width = screen->monitor.mode.hdisplay;
	output->height = screen->monitor.mode.vdisplay;
	output->refresh_mhz = screen->monitor.refresh_mhz;
	output->renderer = options->renderer;
	output->slot = options->slot;
	output->rank = options->rank;
	screen->events = options->events;
	r = screen_take_hardware(screen, info);
	if (r < 0) {
		return r;
	}
	r = screen_create_buffers(screen, options);
	if (r < 0) {
		return r;
	}
	if (!options->software_cursor) {
		r = cursor_init(&screen->cursor, screen->card, screen->crtc);
		if (r < 0) {
			return r;
		}
	}
	return screen_try(screen);
}

int screen_create(struct card *card, const struct monitor *monitor, const drmModeConnector *info,
		  const struct screen_options *options, struct screen **out)
{
	struct screen *screen = calloc(1, sizeof(*screen));
	int r;

	if (!screen) {
		return -ENOMEM;
	}
	screen->card = card;
	screen->monitor = *monitor;
	screen->fence = -1;
	list_init(&screen->link);
	pixman_region32_init(&screen->damage);
	r = screen_setup(screen, info, options);
	if (r < 0) {
		screen_destroy(screen);
		return r;
	}
	*out = screen;
	return 0;
}

/* Before the buffers go: the kernel would turn off whatever shows them, one by one. */
static void screen_turn_off(struct screen *screen)
{
	struct atomic atomic;

	if (!screen->dark_first || atomic_init(&atomic) < 0) {
		return;
	}
	atomic_hide_plane(&atomic, screen->primary);
	if (screen->cursor.plane) {
		atomic_hide_plane(&atomic, screen->cursor.plane);
	}
	atomic_add(&atomic, screen->monitor.connector, screen->monitor.props.id[CONNECTOR_CRTC_ID],
		   0);
	atomic_add(&atomic, screen->crtc->id, screen->crtc->props.id[CRTC_MODE_ID], 0);
	atomic_add(&atomic, screen->crtc->id, screen->crtc->props.id[CRTC_ACTIVE], 0);
	atomic_commit_wait(&atomic, screen->card);
	atomic_finish(&atomic, screen->card);
}

int screen_attach(struct screen *screen, sd_event *event, const struct output_painter *painter)
{
	int r = output_init(&screen->output, event, &screen_ops, painter);

	return r < 0 ? r : screen_add_timers(screen, event);
}

/* Images of pointers belong to the loop too. */
void screen_detach(struct screen *screen)
{
	screen->dark_first = screen->lit; /* never while the session is away */
	screen->cursor_timer = sd_event_source_disable_unref(screen->cursor_timer);
	screen->retry_timer = sd_event_source_disable_unref(screen->retry_timer);
	output_finish(&screen->output);
	cursor_drop_images(&screen->cursor);
}

void screen_destroy(struct screen *screen)
{
	if (!screen) {
		return;
	}
	screen_turn_off(screen);
	list_remove(&screen->link);
	fence_drop(screen);
	cursor_finish(&screen->cursor);
	swapchain_finish(&screen->chain);
	pixman_region32_fini(&screen->damage);
	if (screen->mode_blob) {
		drmModeDestroyPropertyBlob(screen->card->fd, screen->mode_blob);
	}
	if (screen->primary) {
		screen->crtc->taken = screen->primary->taken = false;
	}
	free(screen);
}
