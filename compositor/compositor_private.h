/* SPDX-License-Identifier: MIT */
/*
 * What the files of the compositor itself share. compositor.c is what others call and the guests,
 * views.c the outputs, previews.c the switcher's live pictures, screenshot.c the PNGs.
 */
#ifndef COMPOSITOR_COMPOSITOR_PRIVATE_H
#define COMPOSITOR_COMPOSITOR_PRIVATE_H

#include "compositor/backend.h"
#include "compositor/compositor.h"
#include "compositor/render/renderer.h"
#include "compositor/scene/scene.h"
#include "compositor/scene/view.h"

struct guest {
	struct scene_entry entry;
	struct compositor *compositor;
	struct frame_source *source; /* may be NULL; then the last frame stays */
	struct frame_source_observer observer;
	char *reason;          /* the caller's; the source's comes behind it */
	pixman_box32_t stale; /* part of the frame that the thumbnail lacks; x1 == x2: none */
	uint32_t preview_width, preview_height; /* that the thumbnail has to have; 0: none */
	uint64_t previewed_ns; /* when the thumbnail was last drawn */
};

/* One output with its view of the scene. */
struct view {
	struct list link; /* compositor::views, by rank, then as they came */
	struct output *output;
	struct scene_view scene;
	pixman_region32_t damage; /* since it was collected */
	bool cursor_on_plane;
};

struct compositor {
	sd_event *event;
	enum compositor_backend kind;
	const struct compositor_handlers *handlers;
	void *handlers_data;
	struct backend *backend;
	struct backend_events events;
	struct output_painter painter;
	struct renderer *renderer; /* pixman */
	struct scene scene;
	struct list views;
	sd_event_source *toast_timer;
	sd_event_source *preview_timer;
	uint64_t previews_rest_ns; /* no previews are drawn before */
	bool active;          /* the session has its screen */
	uint32_t width, height; /* of the first output, or of the last that there was */
	bool closing;
};

static inline struct guest *guest_of(struct scene_entry *entry)
{
	return container_of(entry, struct guest, entry);
}

/* ---- compositor.c ---- */

/* Brings every output up to the state of the scene. Cheap when nothing is different. */
void compositor_update(struct compositor *c);
/* Live updates for the guests that can be seen, and for no others. */
void compositor_update_watched(struct compositor *c);
/* Asks the guest in front to take the first output's size. */
void compositor_request_size(struct compositor *c);
/* No renderer may keep anything of this frame. */
void compositor_forget_frame(struct compositor *c, struct frame *frame);

/* ---- views.c ---- */

void views_init(struct compositor *c); /* fills in events and painter */
struct view *views_first(const struct compositor *c); /* or NULL */
void views_update(struct compositor *c);
/* A box of a frame's pixels has changed. */
void views_damage_frame(struct compositor *c, struct frame *frame, const pixman_box32_t *box);
void views_destroy_all(struct compositor *c);

/* ---- previews.c ---- */

#define PREVIEW_INTERVAL_NS (100ull * 1000 * 1000) /* between two pictures of one guest */
#define PREVIEW_TURN_NS (4ull * 1000 * 1000)       /* spent in one turn of the loop */

/* Part of a guest's picture has changed: its thumbnail is old there. NULL: all of it. */
void preview_damage(struct guest *guest, const pixman_box32_t *box);
/* The cards have moved or changed: makes the thumbnails that they need, now and by the timer. Until
 * a guest has one its frame itself is drawn. */
void previews_update(struct compositor *c);
/* The picture is gone, and its thumbnail with it. */
void preview_drop(struct guest *guest);
int previews_handle_timer(sd_event_source *source, uint64_t usec, void *data);

#endif
