/* SPDX-License-Identifier: MIT */
/*
 * Drawing with the GPU of the card that shows the pictures: GBM for buffers, EGL and GLES to draw.
 */
#ifndef COMPOSITOR_KMS_GPU_H
#define COMPOSITOR_KMS_GPU_H

#include <stdbool.h>

#include "compositor/kms/buffer.h"
#include "compositor/kms/card.h"
#include "compositor/render/renderer.h"

struct gpu;

/*
 * Opens GBM, EGL and a GL renderer on the card. A GL that is only the processor again counts as
 * none unless software is allowed. 0 or -errno; why there is none is logged at debug level. The
 * card must outlive it.
 */
int gpu_create(const struct card *card, bool software_allowed, struct gpu **out);
void gpu_destroy(struct gpu *gpu); /* NULL is legal; its buffers must be gone */
/* The calling thread is done with it for now: another one may use it. NULL is legal. */
void gpu_leave(struct gpu *gpu);

struct renderer *gpu_renderer(struct gpu *gpu); /* owned by the GPU */
const char *gpu_name(const struct gpu *gpu);

/* A buffer for this plane, drawn through gpu_renderer(). 0 or -errno. */
int gpu_buffer_create(struct gpu *gpu, const struct kms_plane *plane, uint32_t width,
		      uint32_t height, struct kms_buffer **out);

#endif
