/* SPDX-License-Identifier: MIT */
/*
 * A frame describes one picture buffer, immutably: where its pixels are, their size and format.
 * It has one producer (a frame source) and any number of holders; the last one to unlock it
 * releases the pixels. The pixels of shared memory may change at any time while a frame is held:
 * that is how a guest draws. What changed is told by the source's damage, not by the frame.
 */
#ifndef CAPTURE_FRAME_H
#define CAPTURE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * FRAME_SHM     pixels in memory, mapped read-only for us. Reading is always safe: when the
 *               sender truncates the memory the rest reads as zeros (capture/shm_guard.h).
 * FRAME_DMABUF  pixels in a dma-buf, to be imported by EGL or KMS; has no address.
 */
enum frame_kind { FRAME_SHM, FRAME_DMABUF };

#define FRAME_SIDE_MAX 16384
#define FRAME_PLANES_MAX 4

struct frame_dmabuf {
	int fd[FRAME_PLANES_MAX];
	uint32_t offset[FRAME_PLANES_MAX];
	uint32_t stride[FRAME_PLANES_MAX];
	unsigned int planes;
	uint64_t modifier; /* DRM_FORMAT_MOD_* */
	bool y_inverted;   /* the first row in memory is the lowest line */
};

struct frame {
	enum frame_kind kind;
	uint32_t width, height; /* pixels, 1..FRAME_SIDE_MAX */
	uint32_t fourcc;        /* DRM_FORMAT_XRGB8888, ARGB8888, XBGR8888, ABGR8888, RGB565 */
	uint32_t stride;        /* bytes, a multiple of 4; FRAME_SHM only */
	const uint8_t *pixels;  /* first pixel; FRAME_SHM only */
	const struct frame_dmabuf *dmabuf; /* FRAME_DMABUF only */

	unsigned int locks;
	void (*release)(struct frame *frame); /* frees the frame and its pixels */
};

/*
 * A frame in memory of its own, four bytes a pixel in rows without gaps, all zeros; locked once.
 * The fourcc is one of those of 32 bits. NULL: no memory.
 */
struct frame *frame_create(uint32_t width, uint32_t height, uint32_t fourcc);
/* Where to draw into such a frame; NULL for any other, and for no frame at all. */
uint32_t *frame_own_pixels(struct frame *frame);

/* One more holder. Returns the frame; NULL is passed through. */
struct frame *frame_lock(struct frame *frame);
/* One holder less. NULL is legal. */
void frame_unlock(struct frame *frame);

/* Bytes per pixel of a format that a frame may have, or 0 for any other. */
unsigned int frame_format_bytes(uint32_t fourcc);

#endif
