/* SPDX-License-Identifier: MIT */
/* Which part of a list of layers has to be drawn, and damage: what renderers share. */
#ifndef COMPOSITOR_RENDER_VISIBLE_H
#define COMPOSITOR_RENDER_VISIBLE_H

#include "compositor/render/renderer.h"

bool layer_is_opaque(const struct layer *layer);

/* A frame that is not drawn pixel by pixel, and one whose pixels become blocks of equal size. */
bool layer_is_scaled(const struct layer *layer);
bool layer_is_integer_multiple(const struct layer *layer);

/*
 * For each layer the part of damage that no opaque layer above it covers. visible has count
 * entries, which are initialised here and belong to the caller.
 */
void layers_find_visible(const struct layer *layers, unsigned int count, uint32_t width,
			 uint32_t height, const pixman_region32_t *damage,
			 pixman_region32_t *visible);

/*
 * Adds a box to a damage, which becomes one box around all of it when it has too many: a guest that
 * draws single pixels everywhere must not make every further one slow.
 */
#define REGION_BOXES_MAX 256
void region_add_box(pixman_region32_t *region, const pixman_box32_t *box);

/* Its size in a buffer of 4 bytes a pixel. */
uint64_t region_bytes(const pixman_region32_t *region);

#endif
