/* SPDX-License-Identifier: MIT */
/*
 * Small copies of guests' pictures for the switcher. Made on the CPU with the pixels of the source
 * averaged, so that text stays legible, and only where the source has changed. What one drawing
 * reads is bounded: of a huge picture rows are left out.
 */
#ifndef COMPOSITOR_SCENE_THUMBNAIL_H
#define COMPOSITOR_SCENE_THUMBNAIL_H

#include <pixman.h>

#include "capture/frame.h"

/* A black XRGB8888 frame of this size with one lock; NULL: no memory. */
struct frame *thumbnail_create(uint32_t width, uint32_t height);

/* Draws anew what box (pixels of from, a FRAME_SHM) touches. Returns the thumbnail's box that was
 * drawn. */
pixman_box32_t thumbnail_update(struct frame *thumbnail, struct frame *from,
				const pixman_box32_t *box);

#endif
