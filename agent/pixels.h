/* SPDX-License-Identifier: MIT */
/* Which of DRM's formats can be captured, and as what they are written into shared memory. */
#ifndef AGENT_PIXELS_H
#define AGENT_PIXELS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/kvmfr.h"

struct pixel_format {
	uint32_t drm;   /* fourcc */
	uint32_t bytes; /* of a pixel on the card */
	enum kvmfr_format written;
	uint32_t written_bytes; /* of a pixel in shared memory */
	/* Copies a row of n pixels; from is read once and in order, so it may be slow memory. */
	void (*row)(uint8_t *to, const uint8_t *from, uint32_t n);
	bool plain; /* it copies and does nothing else */
};

/* NULL when this format is not known. */
const struct pixel_format *pixel_format_find(uint32_t drm);

#endif
