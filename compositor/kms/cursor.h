/* SPDX-License-Identifier: MIT */
/*
 * The cursor plane of a screen: what it should show, and the two buffers that take turns in
 * showing it. Changes only take effect with the next atomic request of the screen.
 */
#ifndef COMPOSITOR_KMS_CURSOR_H
#define COMPOSITOR_KMS_CURSOR_H

#include <stdbool.h>

#include "capture/frame_source.h"
#include "compositor/kms/atomic.h"
#include "compositor/kms/buffer.h"
#include "compositor/kms/card.h"

struct cursor {
	struct kms_plane *plane;       /* NULL: there is none, or it is not to be used */
	struct kms_buffer *buffers[2]; /* owned */
	unsigned int shown;            /* index of the buffer that the kernel has */
	struct cursor_image *wanted;   /* locked; NULL: hidden */
	struct cursor_image *loaded;   /* locked; what is in the shown buffer */
	bool spare_loaded;             /* the other buffer holds the wanted image */
	int32_t x, y;                  /* of the image's corner, output pixels */
	bool dirty;                    /* the kernel has not got this yet */
	bool refused;                  /* the last pointer was refused: it is drawn instead */
	bool in_picture;               /* the frame on the screen may have a pointer in it */
};

/* Finds a plane and makes its buffers. Having none is no error: 0, or -errno. */
int cursor_init(struct cursor *cursor, struct card *card, const struct kms_crtc *crtc);
/* Gives the plane back, which must be off. Afterwards every pointer is refused. */
void cursor_finish(struct cursor *cursor);

/* It shows nothing any more that belongs to others. */
void cursor_drop_images(struct cursor *cursor);

/* The same as output_ops.set_cursor(): 0 or -ENOTSUP. */
int cursor_set(struct cursor *cursor, struct cursor_image *image, int32_t x, int32_t y);

/* Adds what is wanted to a request; crtc is the screen's. */
void cursor_request(struct cursor *cursor, struct atomic *atomic, const struct kms_crtc *crtc);
/* The kernel took that request. */
void cursor_queued(struct cursor *cursor);
/* A new picture was in it. */
void cursor_frame_queued(struct cursor *cursor);

#endif
