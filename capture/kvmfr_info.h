/* SPDX-License-Identifier: MIT */
/* What a producer of frames (proto/kvmfr.h) says of itself and of its guest. */
#ifndef CAPTURE_KVMFR_INFO_H
#define CAPTURE_KVMFR_INFO_H

#include "capture/lgmp_client.h"
#include "proto/kvmfr.h"

struct kvmfr_info {
	uint32_t version; /* of KVMFR; 0: unknown */
	char producer[33];
	char uuid[37]; /* written by the guest: a cross-check, never an identity; "": none */
	const struct kvmfr_frame_layout *layout; /* NULL: a version that we do not speak */
};

/* Reads what the session of the client says. What makes no sense is left out. */
void kvmfr_info_read(const struct lgmp_client *client, struct kvmfr_info *info);

/*
 * One sentence for a producer of versions that we do not speak: which it has, and what to install.
 */
void kvmfr_info_advise(const struct lgmp_client *client, const struct kvmfr_info *info, char *text,
		       size_t size);

#endif
