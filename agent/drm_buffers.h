/* SPDX-License-Identifier: MIT */
/*
 * The memory behind framebuffers of other programs, mapped for reading. Some are kept mapped, since
 * a guest shows two to four of them in turn; the longest unused goes first.
 */
#ifndef AGENT_DRM_BUFFERS_H
#define AGENT_DRM_BUFFERS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/card_copy.h"
#include "agent/card_ops.h"

struct drm_buffers;

/* fd: of the card, copy: who copies; the caller's and longer-lived. 0 or -ENOMEM. */
int drm_buffers_create(int fd, struct card_copy *copy, struct drm_buffers **out);
void drm_buffers_destroy(struct drm_buffers *buffers);

/* As card_ops.h says of buffer(). */
int drm_buffers_find(struct drm_buffers *buffers, uint32_t number, const struct card_buffer **out);

/* Around reading: makes the processor see what the card has drawn, or the card copy it. 0, or
 * -EOPNOTSUPP when it did not. */
int drm_buffers_read_begin(const struct card_buffer *buffer);
void drm_buffers_read_end(const struct card_buffer *buffer);

#endif
