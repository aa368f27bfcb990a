/* SPDX-License-Identifier: MIT */
/*
 * Lets the card itself copy a buffer into ordinary memory, as rows: for memory in tiles, and for
 * memory that is slow to read. A module of its own, loaded when it is needed: it wants EGL, GBM and
 * the card's Mesa driver, which few guests without a desktop have.
 */
#ifndef AGENT_GL_COPY_H
#define AGENT_GL_COPY_H

#include <stddef.h>
#include <stdint.h>

#define GL_COPY_MODULE "baton-agent-gl.so" /* in the folder of the program */
#define GL_COPY_OPS "gl_copy_ops"
#define GL_COPY_PLANES 4

struct gl_copy;

/* A framebuffer's memory, as DRM tells of it. */
struct gl_copy_source {
	uint32_t width, height, format; /* fourcc */
	uint64_t modifier;
	unsigned int planes;
	int fds[GL_COPY_PLANES]; /* dma-bufs, the caller's */
	uint32_t offsets[GL_COPY_PLANES], pitches[GL_COPY_PLANES];
};

struct gl_copy_ops {
	/* The card's descriptor is not kept. 0, -ENOTSUP: the driver cannot, or -errno. */
	int (*create)(int card, struct gl_copy **out);
	/* Closes all that it has opened of the card. NULL is legal. */
	void (*destroy)(struct gl_copy *copy);
	/* To rows of width * 4 bytes: blue, green, red, unused. Waits for the card. 0 or -ENOTSUP.
	 */
	int (*copy)(struct gl_copy *copy, const struct gl_copy_source *source, uint8_t *to);
};

/* What the module exports under GL_COPY_OPS. */
extern const struct gl_copy_ops gl_copy_ops;

#endif
