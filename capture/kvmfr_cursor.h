/* SPDX-License-Identifier: MIT */
/* The pointer out of a guest's shared memory (proto/kvmfr.h). */
#ifndef CAPTURE_KVMFR_CURSOR_H
#define CAPTURE_KVMFR_CURSOR_H

#include "capture/frame_source.h"
#include "capture/lgmp_client.h"
#include "proto/kvmfr.h"

/*
 * Reads a message of the pointer queue. *image becomes NULL when it brings no shape; it is the
 * caller's otherwise. Inverted pixels, which no image of ours can have, become black with a white
 * edge. Returns 0; -EBADMSG when it makes no sense, -ENOMEM.
 */
int kvmfr_cursor_read(const struct shared_memory *memory, const struct lgmp_received *message,
		      struct kvmfr_cursor *cursor, struct cursor_image **image);

#endif
