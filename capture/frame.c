// SPDX-License-Identifier: MIT
/* Counting the holders of frames; frame.h says what a frame is. */
#include "capture/frame.h"

#include <assert.h>
#include <drm_fourcc.h>

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
