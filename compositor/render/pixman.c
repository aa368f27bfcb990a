// SPDX-License-Identifier: MIT
/*
 * The reference renderer, and the one that runs where there is no GPU. Layers are looked at from
 * the top: what an opaque layer covers is not drawn below it, so that each damaged pixel of a
 * guest's picture is written once. An unscaled 32 bit frame is copied row by row.
 */
#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "compositor/render/renderer.h"
#include "compositor/render/visible.h"

/* One renderer_ops.draw(). */
struct drawing {
	struct renderer *renderer;
	const struct render_target *target;
	pixman_image_t *image; /* of the target */
};

/* A 16 bit channel of pixman from 8 bits of a premultiplied colour. */
static uint16_t color_channel(uint32_t color, unsigned int shift)
{
	return (uint16_t)(((color >> shift) & 0xff) * 0x101);
}

static void draw_fill(struct drawing *d, const struct layer *layer, pixman_region32_t *visible)
{
	pixman_color_t color = {
		.alpha = color_channel(layer->color, 24),
		.red = color_channel(layer->color, 16),
		.green = color_channel(layer->color, 8),
		.blue = color_channel(layer->color, 0),
	};
	pixman_op_t op = layer_is_opaque(layer) ? PIXMAN_OP_SRC : PIXMAN_OP_OVER;
	int count;
	const pixman_box32_t *boxes = pixman_region32_rectangles(visible, &count);

	pixman_image_fill_boxes(op, d->image, &color, count, boxes);
}

static void draw_sprite(struct drawing *d, const struct layer *layer, pixman_region32_t *visible)
{
	struct sprite *sprite = layer->sprite;
	pixman_color_t alpha = { .alpha = (uint16_t)(layer->alpha * 0x101) };
	pixman_image_t *mask = NULL, *image;

	image = pixman_image_create_bits_no_clear(PIXMAN_a8r8g8b8, (int)sprite->width,
						  (int)sprite->height, sprite->pixels,
						  (int)(sprite->width * sizeof(uint32_t)));
	if (layer->alpha != 255) {
		mask = pixman_image_create_solid_fill(&alpha);
	}
	if (image) {
		pixman_image_set_clip_region32(d->image, visible);
		pixman_image_composite32(PIXMAN_OP_OVER, image, mask, d->image, 0, 0, 0, 0,
					 layer->dst.x1, layer->dst.y1, (int32_t)sprite->width,
					 (int32_t)sprite->height);
		pixman_image_set_clip_region32(d->image, NULL);
		pixman_image_unref(image);
	}
	if (mask) {
		pixman_image_unref(mask);
	}
}

/* Alpha of a guest's frame means nothing: each format is read as its opaque twin. */
static pixman_format_code_t frame_pixman_format(uint32_t fourcc)
{
	switch (fourcc) {
	case DRM_FORMAT_XRGB8888:
	case DRM_FORMAT_ARGB8888:
		return PIXMAN_x8r8g8b8;
	case DRM_FORMAT_XBGR8888:
	case DRM_FORMAT_ABGR8888:
		return PIXMAN_x8b8g8r8;
	default:
		return PIXMAN_r5g6b5;
	}
}

static void set_scale(pixman_image_t *image, const struct layer *layer)
{
	const struct frame *frame = layer->frame;
	pixman_transform_t transform;

	pixman_transform_init_scale(
		&transform,
		pixman_double_to_fixed((double)frame->width / (layer->dst.x2 - layer->dst.x1)),
		pixman_double_to_fixed((double)frame->height / (layer->dst.y2 - layer->dst.y1)));
	pixman_image_set_transform(image, &transform);
	pixman_image_set_repeat(image, PIXMAN_REPEAT_PAD);
	pixman_image_set_filter(image,
				layer_is_integer_multiple(layer) ? PIXMAN_FILTER_NEAREST
								 : PIXMAN_FILTER_BILINEAR,
				NULL, 0);
}

static int draw_frame_composite(struct drawing *d, const struct layer *layer,
				pixman_region32_t *visible)
{
	const struct frame *frame = layer->frame;
	pixman_image_t *image = pixman_image_create_bits_no_clear(
		frame_pixman_format(frame->fourcc), (int)frame->width, (int)frame->height,
		(uint32_t *)(uintptr_t)frame->pixels, (int)frame->stride);

	if (!image) {
		return -ENOMEM;
	}
	if (layer_is_scaled(layer)) {
		set_scale(image, layer);
	}
	pixman_image_set_clip_region32(d->image, visible);
	pixman_image_composite32(PIXMAN_OP_SRC, image, NULL, d->image, 0, 0, 0, 0, layer->dst.x1,
				 layer->dst.y1, layer->dst.x2 - layer->dst.x1,
				 layer->dst.y2 - layer->dst.y1);
	pixman_image_set_clip_region32(d->image, NULL);
	pixman_image_unref(image);
	return 0;
}

static void draw_frame_copy(struct drawing *d, const struct layer *layer,
			    pixman_region32_t *visible)
{
	const struct frame *frame = layer->frame;
	const struct render_target *target = d->target;
	int count;
	const pixman_box32_t *boxes = pixman_region32_rectangles(visible, &count);

	for (int i = 0; i < count; i++) {
		const pixman_box32_t *box = &boxes[i];
		size_t bytes = (size_t)(box->x2 - box->x1) * sizeof(uint32_t);

		for (int32_t y = box->y1; y < box->y2; y++) {
			const uint8_t *from = frame->pixels +
					      (size_t)(y - layer->dst.y1) * frame->stride +
					      (size_t)(box->x1 - layer->dst.x1) * sizeof(uint32_t);
			uint8_t *to = (uint8_t *)target->pixels + (size_t)y * target->stride +
				      (size_t)box->x1 * sizeof(uint32_t);

			memcpy(to, from, bytes);
		}
	}
}

static uint32_t grey_pixel(uint32_t p)
{
	uint32_t luma = (77 * ((p >> 16) & 0xff) + 150 * ((p >> 8) & 0xff) + 29 * (p & 0xff)) >> 8;

	return luma * RENDER_GREY_NUMERATOR / RENDER_GREY_DENOMINATOR * 0x010101u;
}

/* In place, after the frame was drawn: a grey picture is rare and does not move. */
static void make_grey(struct drawing *d, pixman_region32_t *visible)
{
	int count;
	const pixman_box32_t *boxes = pixman_region32_rectangles(visible, &count);

	for (int i = 0; i < count; i++) {
		for (int32_t y = boxes[i].y1; y < boxes[i].y2; y++) {
			uint32_t *row = (uint32_t *)((uint8_t *)d->target->pixels +
						     (size_t)y * d->target->stride);

			for (int32_t x = boxes[i].x1; x < boxes[i].x2; x++) {
				row[x] = grey_pixel(row[x]);
			}
		}
	}
}

static int draw_frame(struct drawing *d, const struct layer *layer, pixman_region32_t *visible)
{
	const struct frame *frame = layer->frame;
	unsigned int bytes = frame_format_bytes(frame->fourcc);
	int r = 0;

	if (frame->kind != FRAME_SHM || bytes == 0) {
		/* Nothing that a CPU could read: black, as an output without signal. */
		struct layer black = { .kind = LAYER_FILL, .dst = layer->dst, .color = 0xff000000 };

		draw_fill(d, &black, visible);
		return 0;
	}
	if (!layer_is_scaled(layer) && frame_pixman_format(frame->fourcc) == PIXMAN_x8r8g8b8) {
		draw_frame_copy(d, layer, visible);
	} else {
		r = draw_frame_composite(d, layer, visible);
	}
	if (r == 0 && layer->grey) {
		make_grey(d, visible);
	}
	return r;
}

static int draw_layer(struct drawing *d, const struct layer *layer, pixman_region32_t *visible)
{
	if (!pixman_region32_not_empty(visible)) {
		return 0;
	}
	d->renderer->bytes_written += region_bytes(visible);
	switch (layer->kind) {
	case LAYER_FILL:
		draw_fill(d, layer, visible);
		return 0;
	case LAYER_SPRITE:
		draw_sprite(d, layer, visible);
		return 0;
	case LAYER_FRAME:
		return draw_frame(d, layer, visible);
	}
	return -EINVAL;
}

static int pixman_renderer_draw(struct renderer *renderer, const struct render_target *target,
				const struct layer *layers, unsigned int count,
				const pixman_region32_t *damage)
{
	_cleanup_free_ pixman_region32_t *visible = calloc(count + 1, sizeof(*visible));
	struct drawing drawing = { .renderer = renderer, .target = target };
	int r = 0;

	if (!visible) {
		return -ENOMEM;
	}
	drawing.image = pixman_image_create_bits_no_clear(PIXMAN_x8r8g8b8, (int)target->width,
							  (int)target->height, target->pixels,
							  (int)target->stride);
	if (!drawing.image) {
		return -ENOMEM;
	}
	layers_find_visible(layers, count, target->width, target->height, damage, visible);
	for (unsigned int i = 0; i < count; i++) {
		int failed = draw_layer(&drawing, &layers[i], &visible[i]);

		r = r < 0 ? r : failed;
		pixman_region32_fini(&visible[i]);
	}
	pixman_image_unref(drawing.image);
	return r;
}

/* Nothing is cached: every drawing reads the frame itself. */
static void pixman_renderer_frame_damaged(struct renderer *renderer, struct frame *frame,
					  const pixman_box32_t *box)
{
}

static void pixman_renderer_frame_gone(struct renderer *renderer, struct frame *frame)
{
}

static void pixman_renderer_destroy(struct renderer *renderer)
{
	free(renderer);
}

static const struct renderer_ops pixman_renderer_ops = {
	.name = "pixman",
	.draw = pixman_renderer_draw,
	.frame_damaged = pixman_renderer_frame_damaged,
	.frame_gone = pixman_renderer_frame_gone,
	.destroy = pixman_renderer_destroy,
};

int pixman_renderer_create(struct renderer **out)
{
	struct renderer *renderer = calloc(1, sizeof(*renderer));

	if (!renderer) {
		return -ENOMEM;
	}
	renderer->ops = &pixman_renderer_ops;
	*out = renderer;
	return 0;
}

void renderer_destroy(struct renderer *renderer)
{
	if (renderer) {
		renderer->ops->destroy(renderer);
	}
}
