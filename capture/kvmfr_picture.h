/* SPDX-License-Identifier: MIT */
/*
 * One picture in a guest's shared memory: its header, read once and checked, and the copy of its
 * pixels into a frame of our own, which neither tears nor changes while it is shown.
 */
#ifndef CAPTURE_KVMFR_PICTURE_H
#define CAPTURE_KVMFR_PICTURE_H

#include <pixman.h>

#include "capture/frame.h"
#include "capture/lgmp_client.h"
#include "proto/kvmfr.h"

struct kvmfr_picture_shape {
	uint32_t format;                      /* enum kvmfr_format */
	uint32_t width, height;               /* as it is stored, before it is turned */
	uint32_t rotation;                    /* enum kvmfr_rotation */
	uint32_t format_version;              /* the guest's own mark of another shape */
	uint32_t screen_width, screen_height; /* of the guest's desktop: the pointer's space */
};

struct kvmfr_picture_header {
	struct kvmfr_picture_shape shape;
	uint32_t serial;
	uint32_t rows;             /* how many of height are there; the memory may be too small */
	uint32_t pitch;            /* bytes */
	uint64_t write_pointer;    /* its offset, from the start of the memory */
	uint64_t pixels;           /* theirs: pitch * rows of them lie inside the memory */
	uint32_t flags;            /* KVMFR_FRAME_* */
	unsigned int damage_count; /* 0: all of it */
	pixman_box32_t damage[KVMFR_DAMAGE_MAX]; /* clipped, as it is stored */
};

/*
 * Reads the header that the message points to. Returns 0; -EBADMSG when it makes no sense, -ENOTSUP
 * when it cannot be shown. Then *reason is a static text for people.
 */
int kvmfr_picture_read(const struct shared_memory *memory, const struct kvmfr_frame_layout *layout,
		       const struct lgmp_received *message, struct kvmfr_picture_header *header,
		       const char **reason);

/* Whether the producer has written all of it. */
bool kvmfr_picture_is_complete(const struct shared_memory *memory,
			       const struct kvmfr_picture_header *header);

/* A frame for pictures of this shape, black, locked once; turned, so its sides may be swapped. */
struct frame *kvmfr_frame_create(const struct kvmfr_picture_shape *shape);

/*
 * Copies a box of the stored picture into the frame, which was created for its shape, converting
 * and turning. Returns where that lies in the frame.
 */
pixman_box32_t kvmfr_picture_copy(const struct shared_memory *memory,
				  const struct kvmfr_picture_header *header,
				  const pixman_box32_t *box, struct frame *frame);

#endif
