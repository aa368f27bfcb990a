// SPDX-License-Identifier: MIT
/* Frames for tests; see test_frames.h. */
#include "tests/unit/test_frames.h"

#include <assert.h>
#include <drm_fourcc.h>
#include <stdlib.h>
#include <string.h>

uint32_t random_next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

int32_t random_between(uint32_t *state, int32_t low, int32_t high)
{
	return low + (int32_t)(random_next(state) % (uint32_t)(high - low + 1));
}

static void test_frame_release(struct frame *frame)
{
	free((void *)(uintptr_t)frame->pixels);
	free(frame);
}

struct frame *test_frame_create(uint32_t width, uint32_t height, uint32_t fourcc, uint32_t stride,
				uint32_t *random)
{
	struct frame *frame = calloc(1, sizeof(*frame));
	uint8_t *pixels = malloc((size_t)stride * height);

	assert(frame && pixels);
	for (size_t i = 0; i < (size_t)stride * height; i++) {
		pixels[i] = (uint8_t)random_next(random);
	}
	*frame = (struct frame){ .kind = FRAME_SHM,
				 .width = width,
				 .height = height,
				 .fourcc = fourcc,
				 .stride = stride,
				 .pixels = pixels,
				 .locks = 1,
				 .release = test_frame_release };
	return frame;
}

struct frame *test_frame_plain(uint32_t width, uint32_t height, uint32_t *random)
{
	return test_frame_create(width, height, DRM_FORMAT_XRGB8888, width * 4, random);
}

uint32_t test_frame_rgb(const struct frame *frame, int32_t x, int32_t y)
{
	const uint8_t *at = frame->pixels + (size_t)y * frame->stride +
			    (size_t)x * frame_format_bytes(frame->fourcc);
	uint32_t p, r, g, b;

	switch (frame->fourcc) {
	case DRM_FORMAT_RGB565:
		p = (uint32_t)at[0] | (uint32_t)at[1] << 8;
		r = p >> 11;
		g = (p >> 5) & 0x3f;
		b = p & 0x1f;
		return (r << 3 | r >> 2) << 16 | (g << 2 | g >> 4) << 8 | (b << 3 | b >> 2);
	case DRM_FORMAT_XBGR8888:
	case DRM_FORMAT_ABGR8888:
		return (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
	default:
		return (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
	}
}

void test_frame_set(struct frame *frame, int32_t x, int32_t y, uint32_t raw)
{
	uint8_t *at = (uint8_t *)(uintptr_t)frame->pixels + (size_t)y * frame->stride +
		      (size_t)x * frame_format_bytes(frame->fourcc);

	memcpy(at, &raw, frame_format_bytes(frame->fourcc));
}
