// SPDX-License-Identifier: MIT
/* Small copies of guests' pictures; see thumbnail.h. */
#include "compositor/scene/thumbnail.h"

#include <drm_fourcc.h>
#include <string.h>

#include "compositor/render/renderer.h"

/* Pixels of the source that are read for a whole thumbnail, or one row for each of its own: no
 * guest makes a turn of the loop long by the size of its picture. */
#define SAMPLES_MAX (4u << 20)

/* The pixels [*start, *end) of a source of from_length that thumbnail pixel i of length averages:
 * at least one. */
static void source_range(uint32_t i, uint32_t length, uint32_t from_length, uint32_t *start,
			 uint32_t *end)
{
	*start = (uint32_t)((uint64_t)i * from_length / length);
	*end = (uint32_t)((uint64_t)(i + 1) * from_length / length);
	if (*end <= *start) {
		*end = *start + 1;
	}
}

/* Sums of one channel each, 32 bits wide: 2^24 pixels of 8 bits fit, more than one reads. */
struct sums {
	uint64_t high_low; /* channels of bits 16..23 (upper half) and 0..7 (lower half) */
	uint32_t middle;   /* channel of bits 8..15 */
};

static void sum_row_32(struct sums *sums, const uint8_t *row, int32_t count)
{
	for (int32_t i = 0; i < count; i++) {
		uint32_t p;

		memcpy(&p, row + (size_t)i * sizeof(p), sizeof(p));
		sums->high_low += (uint64_t)(p & 0xff0000) << 16 | (p & 0xff);
		sums->middle += (p >> 8) & 0xff;
	}
}

static void sum_row_565(struct sums *sums, const uint8_t *row, int32_t count)
{
	for (int32_t i = 0; i < count; i++) {
		uint16_t p;

		memcpy(&p, row + (size_t)i * sizeof(p), sizeof(p));
		sums->high_low += (uint64_t)((p >> 11) * 255u / 31) << 32;
		sums->high_low += (p & 0x1f) * 255u / 31;
		sums->middle += ((p >> 5) & 0x3f) * 255u / 63;
	}
}

/* Every how many rows one is read. */
static int32_t row_step(const struct frame *from)
{
	return 1 + (int32_t)((from->width * from->height - 1) / SAMPLES_MAX);
}

static uint32_t average(const struct frame *from, const pixman_box32_t *box)
{
	int32_t step = row_step(from), rows = (box->y2 - box->y1 + step - 1) / step;
	uint32_t n = (uint32_t)(box->x2 - box->x1) * (uint32_t)rows, high, low;
	unsigned int bytes = frame_format_bytes(from->fourcc);
	struct sums sums = { 0 };

	for (int32_t y = box->y1; y < box->y2; y += step) {
		const uint8_t *row =
			from->pixels + (size_t)y * from->stride + (size_t)box->x1 * bytes;

		if (bytes == 4) {
			sum_row_32(&sums, row, box->x2 - box->x1);
		} else {
			sum_row_565(&sums, row, box->x2 - box->x1);
		}
	}
	high = (uint32_t)(sums.high_low >> 32) / n;
	low = (uint32_t)sums.high_low / n;
	if (from->fourcc == DRM_FORMAT_XBGR8888 || from->fourcc == DRM_FORMAT_ABGR8888) {
		return low << 16 | sums.middle / n << 8 | high;
	}
	return high << 16 | sums.middle / n << 8 | low;
}

static void draw_averaged(struct frame *frame, const struct frame *from,
			  const pixman_box32_t *drawn)
{
	uint32_t *pixels = frame_own_pixels(frame);

	for (int32_t y = drawn->y1; y < drawn->y2; y++) {
		for (int32_t x = drawn->x1; x < drawn->x2; x++) {
			uint32_t x1, x2, y1, y2;
			pixman_box32_t source;

			source_range((uint32_t)x, frame->width, from->width, &x1, &x2);
			source_range((uint32_t)y, frame->height, from->height, &y1, &y2);
			source = (pixman_box32_t){ (int32_t)x1, (int32_t)y1, (int32_t)x2,
						   (int32_t)y2 };
			pixels[(size_t)y * frame->width + (size_t)x] = average(from, &source);
		}
	}
}

/* Averaging needs at least two pixels in each direction to look even; below that the renderer's
 * interpolation looks better. */
static void draw_interpolated(struct frame *frame, struct frame *from, const pixman_box32_t *drawn)
{
	struct render_target target = { frame_own_pixels(frame), frame->width, frame->height,
					frame->stride };
	struct layer layer = { .kind = LAYER_FRAME,
			       .dst = { 0, 0, (int32_t)frame->width, (int32_t)frame->height },
			       .frame = from };
	struct renderer *renderer;
	pixman_region32_t region;

	if (pixman_renderer_create(&renderer) < 0) {
		return;
	}
	pixman_region32_init_with_extents(&region, drawn);
	renderer->ops->draw(renderer, &target, &layer, 1, &region);
	pixman_region32_fini(&region);
	renderer_destroy(renderer);
}

/* [*start, *end) of length that [from_start, from_end) of from_length touches. */
static void touched_range(int32_t from_start, int32_t from_end, uint32_t from_length,
			  uint32_t length, int32_t *start, int32_t *end)
{
	int64_t first = (int64_t)from_start * length / from_length - 1;
	int64_t last = ((int64_t)from_end * length + from_length - 1) / from_length + 1;

	*start = first < 0 ? 0 : (int32_t)first;
	*end = last > (int64_t)length ? (int32_t)length : (int32_t)last;
}

pixman_box32_t thumbnail_update(struct frame *frame, struct frame *from, const pixman_box32_t *box)
{
	bool averaged = from->width >= 2 * frame->width && from->height >= 2 * frame->height;
	int32_t reach = averaged ? 0 : 1; /* interpolation reads the neighbours */
	pixman_box32_t drawn;

	touched_range(box->x1 - reach, box->x2 + reach, from->width, frame->width, &drawn.x1,
		      &drawn.x2);
	touched_range(box->y1 - reach, box->y2 + reach, from->height, frame->height, &drawn.y1,
		      &drawn.y2);
	if (averaged) {
		draw_averaged(frame, from, &drawn);
	} else {
		draw_interpolated(frame, from, &drawn);
	}
	return drawn;
}
