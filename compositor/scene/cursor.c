// SPDX-License-Identifier: MIT
/* Which pointer an output shows, and where; see cursor.h. */
#include "compositor/scene/cursor.h"

#include <math.h>
#include <string.h>

#include "compositor/scene/paint.h"

#define CURSOR_SIDE_MAX 512

/* What is to be shown, before it is compared with what is. */
struct wanted {
	struct cursor_image *image;
	int32_t x, y;
};

void view_cursor_finish(struct view_cursor *cursor)
{
	cursor_image_unlock(cursor->image);
	cursor_image_unlock(cursor->scaled);
	cursor_image_unlock(cursor->scaled_from);
	cursor_image_unlock(cursor->arrow);
	sprite_unlock(cursor->sprite);
	memset(cursor, 0, sizeof(*cursor));
}

static void draw_scaled(const struct cursor_image *from, struct cursor_image *to)
{
	pixman_image_t *source = pixman_image_create_bits_no_clear(
		PIXMAN_a8r8g8b8, (int)from->width, (int)from->height,
		(uint32_t *)(uintptr_t)from->pixels, (int)(from->width * sizeof(uint32_t)));
	pixman_image_t *target =
		pixman_image_create_bits_no_clear(PIXMAN_a8r8g8b8, (int)to->width, (int)to->height,
						  to->pixels, (int)(to->width * sizeof(uint32_t)));
	pixman_transform_t transform;

	if (source && target) {
		pixman_transform_init_scale(
			&transform, pixman_double_to_fixed((double)from->width / to->width),
			pixman_double_to_fixed((double)from->height / to->height));
		pixman_image_set_transform(source, &transform);
		pixman_image_set_filter(source, PIXMAN_FILTER_BILINEAR, NULL, 0);
		pixman_image_composite32(PIXMAN_OP_SRC, source, NULL, target, 0, 0, 0, 0, 0, 0,
					 (int32_t)to->width, (int32_t)to->height);
	}
	if (source) {
		pixman_image_unref(source);
	}
	if (target) {
		pixman_image_unref(target);
	}
}

/* A side of the image as large as the picture around it; tiny ones stay visible. */
static uint32_t scaled_side(uint32_t side, double scale)
{
	double scaled = ceil(side * scale);

	return scaled < 1 ? 1 : scaled > CURSOR_SIDE_MAX ? CURSOR_SIDE_MAX : (uint32_t)scaled;
}

/* The image scaled as the picture is; kept until one of the two is another. */
static struct cursor_image *scale_image(struct view_cursor *cursor, struct cursor_image *image,
					double scale)
{
	uint32_t width = scaled_side(image->width, scale);
	uint32_t height = scaled_side(image->height, scale);

	if (width == image->width && height == image->height) {
		return image;
	}
	if (cursor->scaled && cursor->scaled_from == image && cursor->scaled->width == width &&
	    cursor->scaled->height == height) {
		return cursor->scaled;
	}
	cursor_image_unlock(cursor->scaled);
	cursor_image_unlock(cursor->scaled_from);
	cursor->scaled_from = cursor_image_lock(image);
	cursor->scaled = cursor_image_create(width, height);
	if (!cursor->scaled) {
		return image;
	}
	draw_scaled(image, cursor->scaled);
	cursor->scaled->hot_x = (int32_t)lround(image->hot_x * scale);
	cursor->scaled->hot_y = (int32_t)lround(image->hot_y * scale);
	return cursor->scaled;
}

static struct wanted guest_pointer(struct view_cursor *cursor, const struct scene *scene,
				   const pixman_box32_t *box)
{
	const struct scene_entry *front = scene_find(scene, scene->front);
	struct wanted wanted = { 0 };
	double scale_x, scale_y;

	if (!box || !front || !front->cursor || !front->cursor->visible || !front->cursor->image) {
		return wanted;
	}
	scale_x = (double)(box->x2 - box->x1) / front->frame->width;
	scale_y = (double)(box->y2 - box->y1) / front->frame->height;
	wanted.image = scale_image(cursor, front->cursor->image, fmin(scale_x, scale_y));
	wanted.x = box->x1 + (int32_t)floor(front->cursor->x * scale_x) - wanted.image->hot_x;
	wanted.y = box->y1 + (int32_t)floor(front->cursor->y * scale_y) - wanted.image->hot_y;
	return wanted;
}

static struct wanted own_pointer(struct view_cursor *cursor, const struct scene *scene,
				 const struct theme *theme, uint32_t width, uint32_t height)
{
	struct wanted wanted = { 0 };

	if (!scene->pointer_shown) {
		return wanted;
	}
	if (!cursor->arrow) {
		cursor->arrow = paint_pointer(theme);
	}
	if (cursor->arrow) {
		wanted.image = cursor->arrow;
		wanted.x = (int32_t)floor(scene->pointer_x * width) - cursor->arrow->hot_x;
		wanted.y = (int32_t)floor(scene->pointer_y * height) - cursor->arrow->hot_y;
	}
	return wanted;
}

bool view_cursor_update(struct view_cursor *cursor, const struct scene *scene,
			const struct theme *theme, const pixman_box32_t *front_box, uint32_t width,
			uint32_t height)
{
	struct wanted wanted = scene->switcher ? own_pointer(cursor, scene, theme, width, height)
					       : guest_pointer(cursor, scene, front_box);

	if (wanted.image == cursor->image && wanted.x == cursor->x && wanted.y == cursor->y) {
		return false;
	}
	if (wanted.image != cursor->image) {
		sprite_unlock(cursor->sprite);
		cursor->sprite = NULL;
		cursor_image_lock(wanted.image);
		cursor_image_unlock(cursor->image);
		cursor->image = wanted.image;
	}
	cursor->x = wanted.x;
	cursor->y = wanted.y;
	return true;
}

struct sprite *view_cursor_sprite(struct view_cursor *cursor)
{
	struct cursor_image *image = cursor->image;

	if (!image || !cursor->in_picture) {
		return NULL;
	}
	if (!cursor->sprite) {
		cursor->sprite = sprite_create(image->width, image->height);
		if (cursor->sprite) {
			memcpy(cursor->sprite->pixels, image->pixels,
			       (size_t)image->width * image->height * sizeof(uint32_t));
		}
	}
	return cursor->sprite;
}
