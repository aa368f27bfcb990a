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

/* Draws anew what box (pixels of from, a FRAME_SHM) touches. The thumbnail is a frame_create() of
 * XRGB8888. Returns the box of it that was drawn. */
pixman_box32_t thumbnail_update(struct frame *thumbnail, struct frame *from,
				const pixman_box32_t *box);

#endif
