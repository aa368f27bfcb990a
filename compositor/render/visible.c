// SPDX-License-Identifier: MIT
/* Covered pixels are not drawn: layers are looked at from the top. */
#include "compositor/render/visible.h"

bool layer_is_opaque(const struct layer *layer)
{
	return layer->kind == LAYER_FRAME ||
	       (layer->kind == LAYER_FILL && layer->color >> 24 == 0xff);
}

bool layer_is_scaled(const struct layer *layer)
{
	return layer->dst.x2 - layer->dst.x1 != (int32_t)layer->frame->width ||
	       layer->dst.y2 - layer->dst.y1 != (int32_t)layer->frame->height;
}

bool layer_is_integer_multiple(const struct layer *layer)
{
	return (layer->dst.x2 - layer->dst.x1) % (int32_t)layer->frame->width == 0 &&
	       (layer->dst.y2 - layer->dst.y1) % (int32_t)layer->frame->height == 0;
}

void layers_find_visible(const struct layer *layers, unsigned int count, uint32_t width,
			 uint32_t height, const pixman_region32_t *damage,
			 pixman_region32_t *visible)
{
	pixman_region32_t left;

	pixman_region32_init(&left);
	pixman_region32_intersect_rect(&left, damage, 0, 0, width, height);
	for (unsigned int i = count; i-- > 0;) {
		const pixman_box32_t *dst = &layers[i].dst;
		pixman_region32_t box;

		pixman_region32_init_rect(&box, dst->x1, dst->y1, (unsigned int)(dst->x2 - dst->x1),
					  (unsigned int)(dst->y2 - dst->y1));
		pixman_region32_init(&visible[i]);
		pixman_region32_intersect(&visible[i], &left, &box);
		if (layer_is_opaque(&layers[i])) {
			pixman_region32_subtract(&left, &left, &box);
		}
		pixman_region32_fini(&box);
	}
	pixman_region32_fini(&left);
}

void region_add_box(pixman_region32_t *region, const pixman_box32_t *box)
{
	pixman_region32_union_rect(region, region, box->x1, box->y1,
				   (unsigned int)(box->x2 - box->x1),
				   (unsigned int)(box->y2 - box->y1));
	if (pixman_region32_n_rects(region) > REGION_BOXES_MAX) {
		pixman_box32_t extents = *pixman_region32_extents(region);

		pixman_region32_reset(region, &extents);
	}
}

uint64_t region_bytes(const pixman_region32_t *region)
{
	int count;
	const pixman_box32_t *boxes = pixman_region32_rectangles(region, &count);
	uint64_t pixels = 0;

	for (int i = 0; i < count; i++) {
		pixels += (uint64_t)(boxes[i].x2 - boxes[i].x1) *
			  (uint64_t)(boxes[i].y2 - boxes[i].y1);
	}
	return pixels * sizeof(uint32_t);
}
