/* SPDX-License-Identifier: MIT */
/*
 * The buffers of one screen, and which part of the latest picture each of them lacks. A buffer is
 * free, or one of: drawing (being filled), pending (given to the kernel), front (on the screen).
 */
#ifndef COMPOSITOR_KMS_SWAPCHAIN_H
#define COMPOSITOR_KMS_SWAPCHAIN_H

#include "compositor/kms/buffer.h"

#define SWAPCHAIN_BUFFERS 2

struct swapchain {
	struct kms_buffer *buffers[SWAPCHAIN_BUFFERS]; /* owned */
	struct kms_buffer *drawing, *pending, *front;  /* any may be NULL */
};

void swapchain_finish(struct swapchain *chain);

/* Nothing of it is on the screen, and no buffer holds anything worth keeping. */
void swapchain_invalidate(struct swapchain *chain);

/* Takes a free buffer to draw into. damage is what changed since the last call; it becomes what
 * is to be drawn. 0, -EBUSY when no buffer is free, or -errno. */
int swapchain_begin(struct swapchain *chain, struct render_target *target,
		    pixman_region32_t *damage);

/* The kernel took the drawn buffer. Until then a refusal leaves everything as it was. */
void swapchain_queued(struct swapchain *chain);

/* The pending buffer is on the screen. */
void swapchain_flipped(struct swapchain *chain);

#endif
