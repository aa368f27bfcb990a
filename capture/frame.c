// SPDX-License-Identifier: MIT
/* Frames of our own memory, and counting the holders of all; frame.h says what a frame is. */
#include "capture/frame.h"

#include <assert.h>
#include <drm_fourcc.h>
#include <stdlib.h>

#include "common/list.h"

struct own_frame {
	struct frame base;
	uint32_t pixels[];
};

static void own_frame_release(struct frame *frame)
{
	free(container_of(frame, struct own_frame, base));
}

struct frame *frame_create(uint32_t width, uint32_t height, uint32_t fourcc)
{
	size_t bytes = (size_t)width * height * sizeof(uint32_t);
	struct own_frame *own = calloc(1, sizeof(*own) + bytes);

	if (!own) {
		return NULL;
	}
	own->base = (struct frame){
		.kind = FRAME_SHM,
		.width = width,
		.height = height,
		.fourcc = fourcc,
		.stride = width * (uint32_t)sizeof(uint32_t),
		.pixels = (const uint8_t *)own->pixels,
		.locks = 1,
		.release = own_frame_release,
	};
	return &own->base;
}

uint32_t *frame_own_pixels(struct frame *frame)
{
	return frame && frame->release == own_frame_release
		       ? container_of(frame, struct own_frame, base)->pixels
		       : NULL;
}

struct frame *frame_lock(struct frame *frame)
{
	if (frame) {
		frame->locks++;
	}
	return frame;
}

void frame_unlock(struct frame *frame)
{
	if (!frame) {
		return;
	}
	assert(frame->locks > 0);
	if (--frame->locks == 0) {
		frame->release(frame);
	}
}

unsigned int frame_format_bytes(uint32_t fourcc)
{
	switch (fourcc) {
	case DRM_FORMAT_XRGB8888:
	case DRM_FORMAT_ARGB8888:
	case DRM_FORMAT_XBGR8888:
	case DRM_FORMAT_ABGR8888:
		return 4;
	case DRM_FORMAT_RGB565:
		return 2;
	default:
		return 0;
	}
}
