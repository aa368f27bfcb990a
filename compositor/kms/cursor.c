// SPDX-License-Identifier: MIT
/* The pointer on a plane of its own. */
#include "compositor/kms/cursor.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <string.h>
#include <xf86drmMode.h>

#include "common/cleanup.h"

int cursor_init(struct cursor *cursor, struct card *card, const struct kms_crtc *crtc)
{
	memset(cursor, 0, sizeof(*cursor));
	cursor->plane = card_find_plane(card, crtc, DRM_PLANE_TYPE_CURSOR);
	if (!cursor->plane) {
		return 0;
	}
	cursor->plane->taken = true;
	for (unsigned int i = 0; i < 2; i++) {
		int r = dumb_buffer_create(card->fd, DRM_FORMAT_ARGB8888, card->cursor_width,
					   card->cursor_height, &cursor->buffers[i]);

		if (r < 0) {
			return r;
		}
	}
	return 0;
}

void cursor_drop_images(struct cursor *cursor)
{
	cursor_image_unlock(take_ptr(cursor->wanted));
	cursor_image_unlock(take_ptr(cursor->loaded));
	cursor->spare_loaded = false;
}

void cursor_finish(struct cursor *cursor)
{
	for (unsigned int i = 0; i < 2; i++) {
		kms_buffer_destroy(cursor->buffers[i]);
	}
	cursor_drop_images(cursor);
	if (cursor->plane) {
		cursor->plane->taken = false;
	}
	memset(cursor, 0, sizeof(*cursor));
}

static void cursor_want(struct cursor *cursor, struct cursor_image *image)
{
	struct cursor_image *old = cursor->wanted;

	if (image == old) {
		return;
	}
	cursor->wanted = cursor_image_lock(image);
	cursor_image_unlock(old);
	cursor->spare_loaded = false;
	cursor->dirty = true;
}

int cursor_set(struct cursor *cursor, struct cursor_image *image, int32_t x, int32_t y)
{
	if (!cursor->plane) {
		return -ENOTSUP;
	}
	if (image && (image->width > cursor->buffers[0]->width ||
		      image->height > cursor->buffers[0]->height)) {
		cursor_want(cursor, NULL);
		cursor->refused = cursor->in_picture = true;
		return -ENOTSUP;
	}
	if (image) {
		cursor->refused = false; /* a hidden one may still be in the picture */
	}
	cursor_want(cursor, image);
	if (image && (cursor->x != x || cursor->y != y)) {
		cursor->dirty = true;
	}
	cursor->x = x;
	cursor->y = y;
	return 0;
}

/* The kernel reads the shown buffer at any time, so a new image goes into the other one. */
static bool cursor_load(struct cursor *cursor)
{
	struct kms_buffer *buffer = cursor->buffers[!cursor->shown];
	const struct cursor_image *image = cursor->wanted;
	struct render_target target;

	if (buffer->ops->begin(buffer, &target) < 0) {
		return false;
	}
	memset(target.pixels, 0, (size_t)target.stride * target.height);
	for (uint32_t y = 0; y < image->height; y++) {
		memcpy((uint8_t *)target.pixels + (size_t)y * target.stride,
		       image->pixels + (size_t)y * image->width, image->width * sizeof(uint32_t));
	}
	return true;
}

void cursor_request(struct cursor *cursor, struct atomic *atomic, const struct kms_crtc *crtc)
{
	const struct kms_plane *plane = cursor->plane;
	const struct kms_buffer *buffer;

	if (!plane) {
		return;
	}
	if (!cursor->wanted) {
		atomic_hide_plane(atomic, plane);
		return;
	}
	if (cursor->wanted != cursor->loaded && !cursor->spare_loaded) {
		cursor->spare_loaded = cursor_load(cursor);
	}
	buffer = cursor->buffers[cursor->spare_loaded ? !cursor->shown : cursor->shown];
	atomic_show_plane(atomic, plane, crtc->id, buffer->fb, cursor->x, cursor->y, buffer->width,
			  buffer->height);
	if (plane->props.id[PLANE_HOTSPOT_X] && plane->props.id[PLANE_HOTSPOT_Y]) {
		atomic_add(atomic, plane->id, plane->props.id[PLANE_HOTSPOT_X],
			   (uint64_t)(int64_t)cursor->wanted->hot_x);
		atomic_add(atomic, plane->id, plane->props.id[PLANE_HOTSPOT_Y],
			   (uint64_t)(int64_t)cursor->wanted->hot_y);
	}
}

void cursor_queued(struct cursor *cursor)
{
	if (cursor->spare_loaded) {
		struct cursor_image *old = cursor->loaded;

		cursor->shown = !cursor->shown;
		cursor->loaded = cursor_image_lock(cursor->wanted);
		cursor->spare_loaded = false;
		cursor_image_unlock(old);
	}
	cursor->dirty = false;
}

void cursor_frame_queued(struct cursor *cursor)
{
	cursor->in_picture = cursor->refused;
}
