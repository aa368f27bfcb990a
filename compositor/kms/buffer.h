/* SPDX-License-Identifier: MIT */
/*
 * A picture in memory that a plane can show. Two kinds: dumb buffers, which the processor draws
 * (dumb.c), and buffers of the GPU (gpu.c).
 */
#ifndef COMPOSITOR_KMS_BUFFER_H
#define COMPOSITOR_KMS_BUFFER_H

#include <pixman.h>
#include <stdint.h>

#include "compositor/output.h"

struct kms_buffer;

struct kms_buffer_ops {
	/* Makes it ready to be drawn into; 0 or -errno. */
	int (*begin)(struct kms_buffer *buffer, struct render_target *target);
	/* Ends drawing. A sync file that the display has to wait for, owned by the caller, or -1
	 * when there is nothing to wait for or the kernel knows by itself. */
	int (*finish)(struct kms_buffer *buffer);
	/* A copy of the pixels as a new image, or NULL. */
	pixman_image_t *(*read)(struct kms_buffer *buffer);
	void (*destroy)(struct kms_buffer *buffer);
};

struct kms_buffer {
	const struct kms_buffer_ops *ops;
	uint32_t fb; /* the kernel's frame buffer id */
	uint32_t width, height;
	pixman_region32_t stale; /* what it lacks of the latest picture */
};

/* fourcc: DRM_FORMAT_XRGB8888 or ARGB8888. Cleared to zero. 0 or -errno. */
int dumb_buffer_create(int card_fd, uint32_t fourcc, uint32_t width, uint32_t height,
		       struct kms_buffer **out);

void kms_buffer_destroy(struct kms_buffer *buffer); /* NULL is legal */

#endif
