/* SPDX-License-Identifier: MIT */
/* A list of layers that holds what it shows, and what differs between two of them. */
#ifndef COMPOSITOR_SCENE_LAYERS_H
#define COMPOSITOR_SCENE_LAYERS_H

#include "compositor/render/renderer.h"

struct layers {
	struct layer *items;
	unsigned int count, capacity;
};

/* Append a layer on top; empty boxes and NULL pictures are left out. A layer for which there is
 * no memory is missing from the picture. */
void layers_add_fill(struct layers *layers, const pixman_box32_t *dst, uint32_t color);
void layers_add_frame(struct layers *layers, const pixman_box32_t *dst, struct frame *frame,
		      bool grey);
void layers_add_sprite(struct layers *layers, int32_t x, int32_t y, struct sprite *sprite);

/* Lets go of everything; the list is empty then. */
void layers_clear(struct layers *layers);

/*
 * Adds to damage what must be drawn anew when b is shown instead of a. What both have, in the same
 * order, stays as it is; everything else damages its box.
 */
void layers_diff(const struct layers *a, const struct layers *b, pixman_region32_t *damage);

/* Adds to damage where a change of box (pixels of frame) shows. */
void layers_map_damage(const struct layers *layers, const struct frame *frame,
		       const pixman_box32_t *box, pixman_region32_t *damage);

#endif
