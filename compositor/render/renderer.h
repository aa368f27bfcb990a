/* SPDX-License-Identifier: MIT */
/*
 * Draws a list of layers into a buffer, inside a damage region. Two implementations give the same
 * pixels within 1: pixman (the reference, and what runs where there is no GPU) and GLES 2.
 */
#ifndef COMPOSITOR_RENDER_RENDERER_H
#define COMPOSITOR_RENDER_RENDERER_H

#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/frame.h"
#include "compositor/output.h"

/* A picture of ours (text, pointer): premultiplied ARGB8888, counted. Its content never changes;
 * what changes is a new sprite. */
struct sprite {
	unsigned int locks;
	uint64_t id; /* unique, for texture caches */
	uint32_t width, height;
	uint32_t *pixels; /* width * height */
};

struct sprite *sprite_create(uint32_t width, uint32_t height); /* transparent; NULL: no memory */
struct sprite *sprite_lock(struct sprite *sprite);
void sprite_unlock(struct sprite *sprite);

/*
 * LAYER_FILL    dst is filled with color (premultiplied ARGB).
 * LAYER_FRAME   the whole frame, scaled to dst: nearest when dst is an integer multiple of the
 *               frame, bilinear otherwise (weights in 1/128 steps, as pixman's: truncated, not
 *               rounded); drawn opaque. grey: each channel becomes
 *               ((77 r + 150 g + 29 b) >> 8) * RENDER_GREY_NUMERATOR / RENDER_GREY_DENOMINATOR.
 * LAYER_SPRITE  the whole sprite at dst's corner, unscaled, blended over, times alpha.
 */
#define RENDER_GREY_NUMERATOR 5
#define RENDER_GREY_DENOMINATOR 8

/* A picture with more pixels than that (8K has 33 millions) is not copied as a whole: it would cost
 * the loop too long, whatever the guest wants. */
#define RENDER_COPY_MAX (40u << 20)

enum layer_kind { LAYER_FILL, LAYER_FRAME, LAYER_SPRITE };

struct layer {
	enum layer_kind kind;
	pixman_box32_t dst; /* output pixels; x2, y2 exclusive */
	uint32_t color;
	struct frame *frame;   /* not locked by the layer */
	struct sprite *sprite; /* not locked by the layer */
	uint8_t alpha;         /* LAYER_SPRITE: 255 is as it is */
	bool grey;
};

struct renderer;

struct renderer_ops {
	const char *name; /* "pixman", "gl" */
	/* Layers are in painter's order; only pixels inside damage are touched. 0 or -errno. */
	int (*draw)(struct renderer *renderer, const struct render_target *target,
		    const struct layer *layers, unsigned int count,
		    const pixman_region32_t *damage);
	/* The content of this box of a shared-memory frame has changed: a cached copy is old. */
	void (*frame_damaged)(struct renderer *renderer, struct frame *frame,
			      const pixman_box32_t *box);
	/* The frame will not be drawn again: forget what is cached for it. */
	void (*frame_gone)(struct renderer *renderer, struct frame *frame);
	void (*destroy)(struct renderer *renderer);
};

struct renderer {
	const struct renderer_ops *ops;
	uint64_t bytes_written; /* into targets, since the start: for benchmarks */
};

/* The pixman renderer has no state but its counter. 0 or -errno. */
int pixman_renderer_create(struct renderer **out);
void renderer_destroy(struct renderer *renderer); /* NULL is legal */

/* How a frame of the given size is fitted into an output: aspect kept, centred, integer scale
 * when that fills the output exactly in one direction or when the frame is not scaled at all. */
pixman_box32_t render_fit(uint32_t frame_width, uint32_t frame_height, uint32_t output_width,
			  uint32_t output_height);

#endif
