/* SPDX-License-Identifier: MIT */
/*
 * Where a guest's pictures come from. A source has at most one current frame, tells what changed
 * in it, and may die at any time: then the last frame stays, marked as old. One file per kind of
 * source implements struct frame_source_ops.
 */
#ifndef CAPTURE_FRAME_SOURCE_H
#define CAPTURE_FRAME_SOURCE_H

#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/frame.h"
#include "common/list.h"

/* A pointer image, premultiplied ARGB8888, at most 512 x 512. Shared; counted. */
struct cursor_image {
	unsigned int locks;
	uint32_t width, height;
	int32_t hot_x, hot_y; /* inside the image */
	uint32_t pixels[];    /* width * height */
};

struct cursor_image *cursor_image_create(uint32_t width, uint32_t height); /* NULL: no memory */
struct cursor_image *cursor_image_lock(struct cursor_image *image);
void cursor_image_unlock(struct cursor_image *image);

/* What the guest wants shown as its pointer; position in pixels of the frame. */
struct cursor_state {
	struct cursor_image *image; /* NULL: the guest defined none, and draws its own if any */
	int32_t x, y;               /* of the hot spot */
	bool visible;
};

struct frame_source;

struct frame_source_ops {
	/* Live updates are wanted, or not any more. An unwatched source keeps its last frame and
	 * costs nothing. */
	void (*set_watched)(struct frame_source *source, bool watched);
	/* Asks the guest to use this size; refusal is silent. */
	void (*request_size)(struct frame_source *source, uint32_t width, uint32_t height);
	void (*destroy)(struct frame_source *source);
};

/* Every function may be NULL. None may destroy the source. */
struct frame_source_observer_ops {
	/* Another frame is current (or none): everything is damaged, the geometry may differ. */
	void (*frame_changed)(struct frame_source *source, void *data);
	/* Part of the current frame changed; damage is clipped to the frame. */
	void (*damaged)(struct frame_source *source, const pixman_box32_t *damage, void *data);
	void (*cursor_changed)(struct frame_source *source, void *data);
	/* live or reason changed. */
	void (*state_changed)(struct frame_source *source, void *data);
};

struct frame_source_observer {
	struct list link; /* frame_source::observers; owned by the embedder */
	const struct frame_source_observer_ops *ops;
	void *data;
};

struct frame_source {
	const struct frame_source_ops *ops;
	struct list observers;
	struct frame *frame; /* current, locked by the source; NULL before the first */
	struct cursor_state cursor;
	bool watched;
	bool live;          /* the frame follows the guest; false: it is old, reason says why */
	char *reason;       /* owned; may be NULL */
	uint64_t updates;   /* counted: frames and damages that arrived */
};

void frame_source_init(struct frame_source *source, const struct frame_source_ops *ops);
/* Frees what it holds; asserts that nobody observes any more. */
void frame_source_finish(struct frame_source *source);

void frame_source_observe(struct frame_source *source, struct frame_source_observer *observer);
void frame_source_unobserve(struct frame_source_observer *observer);

void frame_source_set_watched(struct frame_source *source, bool watched);
void frame_source_request_size(struct frame_source *source, uint32_t width, uint32_t height);
void frame_source_destroy(struct frame_source *source); /* NULL is legal */

/* For implementations: change the state and tell the observers. */
void frame_source_set_frame(struct frame_source *source, struct frame *frame); /* takes the lock */
void frame_source_damage(struct frame_source *source, const pixman_box32_t *box);
void frame_source_set_cursor(struct frame_source *source, struct cursor_image *image); /* takes */
void frame_source_move_cursor(struct frame_source *source, int32_t x, int32_t y, bool visible);
/* Keeps a copy of the reason, which may be NULL. */
void frame_source_set_live(struct frame_source *source, bool live, const char *reason);

#endif
