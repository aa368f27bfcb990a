// SPDX-License-Identifier: MIT
/* Pixels from a card's framebuffer to what KVMFR knows; see pixels.h. */
#include "agent/pixels.h"

#include <drm_fourcc.h>
#include <stddef.h>
#include <string.h>

static void row_4(uint8_t *to, const uint8_t *from, uint32_t n)
{
	memcpy(to, from, (size_t)n * 4);
}

static void row_8(uint8_t *to, const uint8_t *from, uint32_t n)
{
	memcpy(to, from, (size_t)n * 8);
}

/* Red and blue of 10 bits change places: KVMFR has red in the lowest. */
static void row_xrgb2101010(uint8_t *to, const uint8_t *from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t p;

		memcpy(&p, from + (size_t)i * 4, 4);
		p = (p & 0xc00ffc00u) | (p >> 20 & 0x3ffu) | (p & 0x3ffu) << 20;
		memcpy(to + (size_t)i * 4, &p, 4);
	}
}

static void row_rgb565(uint8_t *to, const uint8_t *from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++, to += 4, from += 2) {
		uint32_t p = from[0] | (uint32_t)from[1] << 8;
		uint32_t r = p >> 11, g = p >> 5 & 0x3f, b = p & 0x1f;

		to[0] = (uint8_t)(b << 3 | b >> 2);
		to[1] = (uint8_t)(g << 2 | g >> 4);
		to[2] = (uint8_t)(r << 3 | r >> 2);
		to[3] = 0xff;
	}
}

static void row_rgb888(uint8_t *to, const uint8_t *from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++, to += 4, from += 3) {
		memcpy(to, from, 3);
		to[3] = 0xff;
	}
}

static const struct pixel_format formats[] = {
	{ DRM_FORMAT_XRGB8888, 4, KVMFR_FORMAT_BGRA, 4, row_4, true },
	{ DRM_FORMAT_ARGB8888, 4, KVMFR_FORMAT_BGRA, 4, row_4, true },
	{ DRM_FORMAT_XBGR8888, 4, KVMFR_FORMAT_RGBA, 4, row_4, true },
	{ DRM_FORMAT_ABGR8888, 4, KVMFR_FORMAT_RGBA, 4, row_4, true },
	{ DRM_FORMAT_XBGR2101010, 4, KVMFR_FORMAT_RGBA10, 4, row_4, true },
	{ DRM_FORMAT_ABGR2101010, 4, KVMFR_FORMAT_RGBA10, 4, row_4, true },
	{ DRM_FORMAT_XRGB2101010, 4, KVMFR_FORMAT_RGBA10, 4, row_xrgb2101010, false },
	{ DRM_FORMAT_ARGB2101010, 4, KVMFR_FORMAT_RGBA10, 4, row_xrgb2101010, false },
	{ DRM_FORMAT_XBGR16161616F, 8, KVMFR_FORMAT_RGBA16F, 8, row_8, true },
	{ DRM_FORMAT_ABGR16161616F, 8, KVMFR_FORMAT_RGBA16F, 8, row_8, true },
	{ DRM_FORMAT_RGB565, 2, KVMFR_FORMAT_BGRA, 4, row_rgb565, false },
	{ DRM_FORMAT_RGB888, 3, KVMFR_FORMAT_BGRA, 4, row_rgb888, false },
};

const struct pixel_format *pixel_format_find(uint32_t drm)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		if (formats[i].drm == drm) {
			return &formats[i];
		}
	}
	return NULL;
}
