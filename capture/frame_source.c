// SPDX-License-Identifier: MIT
/* What all frame sources share: the current frame, the pointer, and who is told of changes. */
#include "capture/frame_source.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct cursor_image *cursor_image_create(uint32_t width, uint32_t height)
{
	size_t bytes = (size_t)width * height * sizeof(uint32_t);
	struct cursor_image *image = calloc(1, sizeof(*image) + bytes);

	if (image) {
		image->locks = 1;
		image->width = width;
		image->height = height;
	}
	return image;
}

struct cursor_image *cursor_image_lock(struct cursor_image *image)
{
	if (image) {
		image->locks++;
	}
	return image;
}

void cursor_image_unlock(struct cursor_image *image)
{
	if (image && --image->locks == 0) {
		free(image);
	}
}

/* Calls one function of every observer; an observer may take itself out while it is called. */
#define NOTIFY(source, function, ...)                                                              \
	do {                                                                                       \
		struct frame_source_observer *o_, *next_;                                          \
		list_for_each_safe(o_, next_, &(source)->observers, link) {                        \
			if (o_->ops->function) {                                                   \
				o_->ops->function(source, ##__VA_ARGS__, o_->data);                \
			}                                                                          \
		}                                                                                  \
	} while (0)

void frame_source_init(struct frame_source *source, const struct frame_source_ops *ops)
{
	memset(source, 0, sizeof(*source));
	source->ops = ops;
	list_init(&source->observers);
}

void frame_source_finish(struct frame_source *source)
{
	assert(list_empty(&source->observers));
	frame_unlock(source->frame);
	source->frame = NULL;
	cursor_image_unlock(source->cursor.image);
	source->cursor.image = NULL;
	free(source->reason);
	source->reason = NULL;
}

void frame_source_observe(struct frame_source *source, struct frame_source_observer *observer)
{
	list_append(&source->observers, &observer->link);
}

void frame_source_unobserve(struct frame_source_observer *observer)
{
	list_remove(&observer->link);
}

void frame_source_set_watched(struct frame_source *source, bool watched)
{
	if (source->watched != watched) {
		source->watched = watched;
		source->ops->set_watched(source, watched);
	}
}

void frame_source_request_size(struct frame_source *source, uint32_t width, uint32_t height)
{
	if (source->ops->request_size) {
		source->ops->request_size(source, width, height);
	}
}

void frame_source_destroy(struct frame_source *source)
{
	if (source) {
		source->ops->destroy(source);
	}
}

void frame_source_set_frame(struct frame_source *source, struct frame *frame)
{
	struct frame *old = source->frame;

	source->frame = frame;
	source->updates++;
	NOTIFY(source, frame_changed);
	/* Observers may have looked at the old frame until now. */
	frame_unlock(old);
}

void frame_source_damage(struct frame_source *source, const pixman_box32_t *box)
{
	int32_t width, height;
	pixman_box32_t clipped;

	if (!source->frame) {
		return;
	}
	width = (int32_t)source->frame->width;
	height = (int32_t)source->frame->height;
	clipped.x1 = box->x1 < 0 ? 0 : box->x1;
	clipped.y1 = box->y1 < 0 ? 0 : box->y1;
	clipped.x2 = box->x2 > width ? width : box->x2;
	clipped.y2 = box->y2 > height ? height : box->y2;
	if (clipped.x1 >= clipped.x2 || clipped.y1 >= clipped.y2) {
		return;
	}
	source->updates++;
	NOTIFY(source, damaged, &clipped);
}

void frame_source_set_cursor(struct frame_source *source, struct cursor_image *image)
{
	struct cursor_image *old = source->cursor.image;

	source->cursor.image = image;
	NOTIFY(source, cursor_changed);
	cursor_image_unlock(old);
}

void frame_source_move_cursor(struct frame_source *source, int32_t x, int32_t y, bool visible)
{
	if (source->cursor.x == x && source->cursor.y == y && source->cursor.visible == visible) {
		return;
	}
	source->cursor.x = x;
	source->cursor.y = y;
	source->cursor.visible = visible;
	NOTIFY(source, cursor_changed);
}

void frame_source_set_live(struct frame_source *source, bool live, const char *reason)
{
	bool same_reason = source->reason && reason ? strcmp(source->reason, reason) == 0
						    : !source->reason && !reason;

	if (source->live == live && same_reason) {
		return;
	}
	source->live = live;
	if (!same_reason) {
		free(source->reason);
		source->reason = reason ? strdup(reason) : NULL;
	}
	NOTIFY(source, state_changed);
}
