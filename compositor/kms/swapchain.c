// SPDX-License-Identifier: MIT
/* Which buffer is where, and how old each is. */
#include "compositor/kms/swapchain.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

void swapchain_finish(struct swapchain *chain)
{
	for (unsigned int i = 0; i < SWAPCHAIN_BUFFERS; i++) {
		kms_buffer_destroy(chain->buffers[i]);
	}
	memset(chain, 0, sizeof(*chain));
}

void swapchain_invalidate(struct swapchain *chain)
{
	chain->drawing = chain->pending = chain->front = NULL;
	for (unsigned int i = 0; i < SWAPCHAIN_BUFFERS; i++) {
		struct kms_buffer *buffer = chain->buffers[i];

		pixman_region32_union_rect(&buffer->stale, &buffer->stale, 0, 0, buffer->width,
					   buffer->height);
	}
}

static struct kms_buffer *swapchain_free_buffer(const struct swapchain *chain)
{
	for (unsigned int i = 0; i < SWAPCHAIN_BUFFERS; i++) {
		if (chain->buffers[i] != chain->pending && chain->buffers[i] != chain->front) {
			return chain->buffers[i];
		}
	}
	return NULL;
}

int swapchain_begin(struct swapchain *chain, struct render_target *target,
		    pixman_region32_t *damage)
{
	/* Every buffer lacks what is new, until it has been drawn and taken by the kernel: so
	 * nothing is forgotten when this frame fails. */
	for (unsigned int i = 0; i < SWAPCHAIN_BUFFERS; i++) {
		pixman_region32_union(&chain->buffers[i]->stale, &chain->buffers[i]->stale, damage);
	}
	if (!chain->drawing) {
		chain->drawing = swapchain_free_buffer(chain);
	}
	if (!chain->drawing) {
		return -EBUSY;
	}
	pixman_region32_intersect_rect(damage, &chain->drawing->stale, 0, 0, chain->drawing->width,
				       chain->drawing->height);
	return chain->drawing->ops->begin(chain->drawing, target);
}

void swapchain_queued(struct swapchain *chain)
{
	pixman_region32_clear(&chain->drawing->stale);
	chain->pending = chain->drawing;
	chain->drawing = NULL;
}

void swapchain_flipped(struct swapchain *chain)
{
	if (chain->pending) {
		chain->front = chain->pending;
		chain->pending = NULL;
	}
}
