// SPDX-License-Identifier: MIT
/* Lists of layers; see layers.h. */
#include "compositor/scene/layers.h"

#include <stdlib.h>
#include <string.h>

#include "compositor/render/visible.h"

static bool box_is_empty(const pixman_box32_t *box)
{
	return box->x1 >= box->x2 || box->y1 >= box->y2;
}

static struct layer *append(struct layers *layers)
{
	struct layer *items;

	if (layers->count == layers->capacity) {
		unsigned int capacity = layers->capacity ? 2 * layers->capacity : 16;

		items = realloc(layers->items, capacity * sizeof(*items));
		if (!items) {
			return NULL;
		}
		layers->items = items;
		layers->capacity = capacity;
	}
	memset(&layers->items[layers->count], 0, sizeof(*items));
	return &layers->items[layers->count++];
}

void layers_add_fill(struct layers *layers, const pixman_box32_t *dst, uint32_t color)
{
	struct layer *layer = box_is_empty(dst) ? NULL : append(layers);

	if (layer) {
		layer->kind = LAYER_FILL;
		layer->dst = *dst;
		layer->color = color;
	}
}

void layers_add_frame(struct layers *layers, const pixman_box32_t *dst, struct frame *frame,
		      bool grey)
{
	struct layer *layer = !frame || box_is_empty(dst) ? NULL : append(layers);

	if (layer) {
		layer->kind = LAYER_FRAME;
		layer->dst = *dst;
		layer->frame = frame_lock(frame);
		layer->grey = grey;
	}
}

void layers_add_sprite(struct layers *layers, int32_t x, int32_t y, struct sprite *sprite)
{
	struct layer *layer = sprite ? append(layers) : NULL;

	if (layer) {
		layer->kind = LAYER_SPRITE;
		layer->dst = (pixman_box32_t){ x, y, x + (int32_t)sprite->width,
					       y + (int32_t)sprite->height };
		layer->sprite = sprite_lock(sprite);
		layer->alpha = 255;
	}
}

void layers_clear(struct layers *layers)
{
	for (unsigned int i = 0; i < layers->count; i++) {
		frame_unlock(layers->items[i].frame);
		sprite_unlock(layers->items[i].sprite);
	}
	free(layers->items);
	memset(layers, 0, sizeof(*layers));
}

static bool layer_equal(const struct layer *a, const struct layer *b)
{
	return a->kind == b->kind && memcmp(&a->dst, &b->dst, sizeof(a->dst)) == 0 &&
	       a->color == b->color && a->frame == b->frame && a->sprite == b->sprite &&
	       a->alpha == b->alpha && a->grey == b->grey;
}

void layers_diff(const struct layers *a, const struct layers *b, pixman_region32_t *damage)
{
	unsigned int matched = 0; /* layers of a before this are dealt with */

	for (unsigned int i = 0; i < b->count; i++) {
		unsigned int j = matched;

		while (j < a->count && !layer_equal(&a->items[j], &b->items[i])) {
			j++;
		}
		if (j == a->count) {
			region_add_box(damage, &b->items[i].dst);
			continue;
		}
		for (; matched < j; matched++) {
			region_add_box(damage, &a->items[matched].dst);
		}
		matched = j + 1;
	}
	for (; matched < a->count; matched++) {
		region_add_box(damage, &a->items[matched].dst);
	}
}

/* start..end of length source pixels, drawn to dst_length pixels: what may differ there. */
static void map_range(int32_t start, int32_t end, int32_t length, int32_t dst_length,
		      bool interpolated, int32_t *dst_start, int32_t *dst_end)
{
	int64_t from = start, to = end;

	/* Interpolation reads one pixel further in each direction. */
	if (interpolated && length != dst_length) {
		from = from > 0 ? from - 1 : 0;
		to = to < length ? to + 1 : length;
	}
	*dst_start = (int32_t)(from * dst_length / length);
	*dst_end = (int32_t)((to * dst_length + length - 1) / length);
}

static pixman_box32_t map_box(const struct layer *layer, const pixman_box32_t *box)
{
	int32_t frame_width = (int32_t)layer->frame->width;
	int32_t frame_height = (int32_t)layer->frame->height;
	int32_t width = layer->dst.x2 - layer->dst.x1, height = layer->dst.y2 - layer->dst.y1;
	bool interpolated = width % frame_width != 0 || height % frame_height != 0;
	pixman_box32_t mapped;

	map_range(box->x1, box->x2, frame_width, width, interpolated, &mapped.x1, &mapped.x2);
	map_range(box->y1, box->y2, frame_height, height, interpolated, &mapped.y1, &mapped.y2);
	mapped.x1 += layer->dst.x1;
	mapped.x2 += layer->dst.x1;
	mapped.y1 += layer->dst.y1;
	mapped.y2 += layer->dst.y1;
	return mapped;
}

void layers_map_damage(const struct layers *layers, const struct frame *frame,
		       const pixman_box32_t *box, pixman_region32_t *damage)
{
	for (unsigned int i = 0; i < layers->count; i++) {
		const struct layer *layer = &layers->items[i];

		if (layer->kind == LAYER_FRAME && layer->frame == frame) {
			pixman_box32_t mapped = map_box(layer, box);

			region_add_box(damage, &mapped);
		}
	}
}
