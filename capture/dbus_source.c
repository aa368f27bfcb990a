// SPDX-License-Identifier: MIT
/*
 * The frame source over QEMU's D-Bus display: keeps one listener registered while it is watched
 * and the guest can answer, and keeps the last frame when not.
 *
 * Shared memory outlives the listener: an unwatched source still holds the mapping that the guest
 * draws into, so a switch to it shows a picture of now before the new listener says anything. For
 * that, a guest that nobody has watched yet is listened to until its first picture.
 *
 * QEMU tells of another mapping and of the update that it was made for in two messages, the second
 * after our answer to the first. A guest that flips pages does so with each picture; published
 * twice, each would be drawn twice. So the mapping is held until its update, and what was shown
 * stays. An update that the next mapping overtakes is never sent, and QEMU is not trusted to send
 * any: what is held is published HOLD_USEC later at the latest. A listener's first mapping is no
 * flip but the end of a switch, and published at once.
 */
#include "capture/dbus_source.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/dbus_listener.h"
#include "common/cleanup.h"
#include "common/log.h"

/* Millimetres for a screen of 96 dots per inch: what desktops take as scale 1. */
#define PIXELS_TO_MM(pixels) ((uint16_t)((pixels) * 254 / 960))

/* Many times QEMU's way from one message to the next, and less than a refresh interval. */
#define HOLD_USEC (10 * 1000)

struct dbus_source {
	struct frame_source base;
	sd_event *event;
	struct vm *vm;
	struct vm_observer observer;
	struct dbus_listener *listener;
	/* Broken protocol: this QEMU gets no second chance, the next one does. */
	const char *outlawed;
	bool pictured;            /* this QEMU has sent a picture */
	sd_event_source *settled; /* closes the listener of an unwatched guest after that */
	bool mapped;              /* the listener has brought a mapping: another one is a flip */
	struct frame *held;       /* a mapping whose update has not come yet; NULL mostly */
	sd_event_source *overdue; /* publishes it without; enabled while one is held */
	uint32_t wanted_width, wanted_height; /* 0: nobody asked */
	int32_t cursor_hot_x, cursor_hot_y;
};

static struct dbus_source *dbus_source_of(struct frame_source *source)
{
	return container_of(source, struct dbus_source, base);
}

/* ---- what the listener brings ---- */

static bool same_picture(const struct frame *a, const struct frame *b)
{
	return a && a->kind == FRAME_SHM && a->release == b->release && a->pixels == b->pixels &&
	       a->width == b->width && a->height == b->height && a->stride == b->stride &&
	       a->fourcc == b->fourcc;
}

static const pixman_box32_t everything = { 0, 0, FRAME_SIDE_MAX, FRAME_SIDE_MAX };

/* The listener that brought the picture is in use by the caller: it goes a little later. */
static void note_picture(struct dbus_source *source)
{
	if (!source->pictured) {
		source->pictured = true;
		log_debug("%s: its picture is here", vm_name(source->vm));
		sd_event_source_set_enabled(source->settled, SD_EVENT_ONESHOT);
	}
}

static void publish(struct dbus_source *source, struct frame *frame)
{
	/* The memory that is shown already: what is on screen may be behind, but it is the same. */
	if (same_picture(source->base.frame, frame)) {
		frame_unlock(frame);
		frame_source_damage(&source->base, &everything);
		return;
	}
	frame_source_set_frame(&source->base, frame);
}

static struct frame *take_held(struct dbus_source *source)
{
	sd_event_source_set_enabled(source->overdue, SD_EVENT_OFF);
	return take_ptr(source->held);
}

static int handle_overdue(sd_event_source *event_source, uint64_t usec, void *data)
{
	struct dbus_source *source = data;

	(void)event_source, (void)usec;
	publish(source, take_held(source));
	return 0;
}

static void handle_frame(struct frame *frame, void *data)
{
	struct dbus_source *source = data;

	note_picture(source);
	if (!source->mapped) {
		source->mapped = true;
		frame_unlock(take_held(source));
		publish(source, frame);
		return;
	}
	/* The time runs from the first one, or a guest that flips without end would stand still. */
	if (!source->held) {
		sd_event_source_set_time_relative(source->overdue, HOLD_USEC);
		sd_event_source_set_enabled(source->overdue, SD_EVENT_ONESHOT);
	}
	frame_unlock(source->held);
	source->held = frame;
}

/* Pixels that came as bytes, into a frame of ours. */
static int draw(struct frame *frame, pixman_image_t *image, const pixman_box32_t *box)
{
	pixman_image_t *to =
		pixman_image_create_bits(PIXMAN_x8r8g8b8, (int)frame->width, (int)frame->height,
					 frame_own_pixels(frame), (int)frame->stride);

	if (!to) {
		return -ENOMEM;
	}
	pixman_image_composite32(PIXMAN_OP_SRC, image, NULL, to, 0, 0, 0, 0, box->x1, box->y1,
				 box->x2 - box->x1, box->y2 - box->y1);
	pixman_image_unref(to);
	return 0;
}

static void replace_picture(struct dbus_source *source, pixman_image_t *image,
			    const pixman_box32_t *box)
{
	struct frame *frame =
		frame_create((uint32_t)box->x2, (uint32_t)box->y2, DRM_FORMAT_XRGB8888);

	if (frame && draw(frame, image, box) >= 0) {
		frame_source_set_frame(&source->base, frame);
	} else {
		frame_unlock(frame);
	}
}

static void handle_pixels(bool whole, const pixman_box32_t *box, pixman_image_t *image, void *data)
{
	struct dbus_source *source = data;
	struct frame *frame = source->base.frame;
	bool own = frame_own_pixels(frame);

	if (whole) {
		note_picture(source);
		frame_unlock(take_held(source));
	}
	if (whole &&
	    !(own && frame->width == (uint32_t)box->x2 && frame->height == (uint32_t)box->y2)) {
		replace_picture(source, image, box);
	} else if (own && draw(frame, image, box) >= 0) {
		frame_source_damage(&source->base, box);
	} /* else an update before any scan-out: legal, and of no use */
}

static void handle_damage(const pixman_box32_t *box, void *data)
{
	struct dbus_source *source = data;

	if (source->held) {
		publish(source, take_held(source));
	} else {
		frame_source_damage(&source->base, box);
	}
}

static void handle_disabled(void *data)
{
	struct dbus_source *source = data;

	frame_unlock(take_held(source));
	frame_source_set_frame(&source->base, NULL);
}

/* QEMU tells the position of the image's corner; the source's state is that of the hot spot. */
static void handle_cursor(struct cursor_image *image, int32_t hot_x, int32_t hot_y, void *data)
{
	struct dbus_source *source = data;
	struct cursor_state *cursor = &source->base.cursor;

	cursor->x += hot_x - source->cursor_hot_x;
	cursor->y += hot_y - source->cursor_hot_y;
	source->cursor_hot_x = hot_x;
	source->cursor_hot_y = hot_y;
	frame_source_set_cursor(&source->base, image);
}

static void handle_cursor_moved(int32_t x, int32_t y, bool on, void *data)
{
	struct dbus_source *source = data;

	/* Any int32 may arrive; further out than this is off every screen anyway. */
	if (x < -FRAME_SIDE_MAX || x > FRAME_SIDE_MAX || y < -FRAME_SIDE_MAX ||
	    y > FRAME_SIDE_MAX) {
		on = false;
		x = y = 0;
	}
	frame_source_move_cursor(&source->base, x + source->cursor_hot_x,
				 y + source->cursor_hot_y, on);
}

/* ---- whether to listen ---- */

static void source_update_listener(struct dbus_source *source);

static void handle_ended(int error, const char *reason, void *data)
{
	struct dbus_source *source = data;

	dbus_listener_destroy(source->listener);
	source->listener = NULL;
	if (reason) {
		source->outlawed = reason;
	}
	if (error == -ETIME) {
		log_debug("%s: no picture after registration, once more", vm_name(source->vm));
	} else if (!reason) {
		/* The peer connection's end follows, or a change of the guest opens it again. */
		frame_source_set_live(&source->base, false, "QEMU closed its display");
		return;
	}
	source_update_listener(source);
}

static const struct dbus_listener_handlers listener_handlers = {
	.frame = handle_frame,
	.pixels = handle_pixels,
	.damage = handle_damage,
	.disabled = handle_disabled,
	.cursor = handle_cursor,
	.cursor_moved = handle_cursor_moved,
	.ended = handle_ended,
};

/* Why the picture does not follow the guest, or NULL when it does. */
static const char *source_obstacle(const struct dbus_source *source)
{
	if (source->outlawed) {
		return source->outlawed;
	}
	if (!vm_peer(source->vm)) {
		const char *reason = vm_reason(source->vm);

		return reason ? reason : vm_state_name(vm_get_state(source->vm));
	}
	return vm_is_hung(source->vm) ? "does not answer" : NULL;
}

/* The one place that opens and closes listeners. */
static void source_update_listener(struct dbus_source *source)
{
	bool wanted = source->base.watched || !source->pictured ||
		      (source->listener && vm_keys_under_way(source->vm));
	const char *obstacle = source_obstacle(source);
	int r;

	/* A hung guest keeps the listener that it has: it may send again before it answers. */
	if (!wanted || source->outlawed || !vm_peer(source->vm)) {
		dbus_listener_destroy(source->listener);
		source->listener = NULL;
	} else if (!source->listener && !obstacle) {
		source->mapped = false;
		r = dbus_listener_create(source->event, source->vm, &listener_handlers, source,
					 &source->listener);
		if (r < 0) {
			log_warning("%s: its display cannot be watched: %s", vm_name(source->vm),
				    strerror(-r));
		}
	}
	frame_source_set_live(&source->base, !obstacle, obstacle);
}

static void source_send_size(struct dbus_source *source)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	sd_bus *peer = vm_peer(source->vm);
	int r;

	if (!peer || !source->wanted_width) {
		return;
	}
	r = sd_bus_message_new_method_call(peer, &call, NULL, "/org/qemu/Display1/Console_0",
					   "org.qemu.Display1.Console", "SetUIInfo");
	if (r >= 0) {
		r = sd_bus_message_append(call, "qqiiuu", PIXELS_TO_MM(source->wanted_width),
					  PIXELS_TO_MM(source->wanted_height), 0, 0,
					  source->wanted_width, source->wanted_height);
	}
	if (r >= 0) {
		/* Devices without an EDID of their own refuse; there is nobody to tell. */
		r = vm_peer_send(source->vm, call);
	}
	if (r < 0) {
		log_debug("%s: no size asked for: %s", vm_name(source->vm), strerror(-r));
	}
}

static int handle_settled(sd_event_source *event_source, void *data)
{
	(void)event_source;
	source_update_listener(data);
	return 0;
}

static void handle_vm_changed(struct vm *vm, void *data)
{
	(void)vm;
	source_update_listener(data);
}

static void handle_peer_up(struct vm *vm, void *data)
{
	struct dbus_source *source = data;

	(void)vm;
	source->outlawed = NULL;
	source->pictured = false;
	/* Another QEMU may be there; one that has a pointer defines it at each registration. */
	source->cursor_hot_x = source->cursor_hot_y = 0;
	frame_source_set_cursor(&source->base, NULL);
	frame_source_move_cursor(&source->base, 0, 0, false);
	source_send_size(source);
	source_update_listener(source);
}

static void handle_peer_down(struct vm *vm, void *data)
{
	struct dbus_source *source = data;

	(void)vm;
	dbus_listener_destroy(source->listener);
	source->listener = NULL;
	source_update_listener(source);
}

static void handle_keys_arrived(struct vm *vm, void *data)
{
	struct dbus_source *source = data;

	(void)vm;
	if (source->listener && !source->base.watched) {
		source_update_listener(source);
	}
}

static const struct vm_observer_ops vm_ops = {
	.changed = handle_vm_changed,
	.keys_arrived = handle_keys_arrived,
	.peer_up = handle_peer_up,
	.peer_down = handle_peer_down,
};

static void dbus_source_set_watched(struct frame_source *base, bool watched)
{
	(void)watched;
	source_update_listener(dbus_source_of(base));
}

static void dbus_source_request_size(struct frame_source *base, uint32_t width, uint32_t height)
{
	struct dbus_source *source = dbus_source_of(base);

	if (source->wanted_width == width && source->wanted_height == height) {
		return;
	}
	source->wanted_width = width;
	source->wanted_height = height;
	source_send_size(source);
}

static void dbus_source_destroy(struct frame_source *base)
{
	struct dbus_source *source = dbus_source_of(base);

	vm_remove_observer(&source->observer);
	dbus_listener_destroy(source->listener);
	sd_event_source_disable_unref(source->settled);
	frame_unlock(take_held(source));
	sd_event_source_unref(source->overdue);
	frame_source_finish(base);
	sd_event_unref(source->event);
	free(source);
}

static const struct frame_source_ops dbus_source_ops = {
	.set_watched = dbus_source_set_watched,
	.request_size = dbus_source_request_size,
	.destroy = dbus_source_destroy,
};

static int source_add_events(struct dbus_source *source, sd_event *event)
{
	int r = sd_event_add_defer(event, &source->settled, handle_settled, source);

	if (r < 0) {
		return r;
	}
	sd_event_source_set_enabled(source->settled, SD_EVENT_OFF);
	r = sd_event_add_time(event, &source->overdue, CLOCK_MONOTONIC, UINT64_MAX, 1,
			      handle_overdue, source);
	if (r < 0) {
		return r;
	}
	sd_event_source_set_enabled(source->overdue, SD_EVENT_OFF);
	/* Not before the listener: the update may have come already. */
	return sd_event_source_set_priority(source->overdue, DBUS_LISTENER_PRIORITY);
}

int dbus_source_create(sd_event *event, struct vm *vm, struct frame_source **out)
{
	struct dbus_source *source = calloc(1, sizeof(*source));
	int r;

	if (!source) {
		return -ENOMEM;
	}
	r = source_add_events(source, event);
	if (r < 0) {
		sd_event_source_disable_unref(source->settled);
		sd_event_source_disable_unref(source->overdue);
		free(source);
		return r;
	}
	frame_source_init(&source->base, &dbus_source_ops);
	source->event = sd_event_ref(event);
	source->vm = vm;
	source->observer.ops = &vm_ops;
	source->observer.data = source;
	vm_add_observer(vm, &source->observer);
	source_update_listener(source);
	*out = &source->base;
	return 0;
}
