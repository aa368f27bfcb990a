/* SPDX-License-Identifier: MIT */
/*
 * A graphics card under atomic KMS: what it can do, and its CRTCs and planes, which screens borrow.
 */
#ifndef COMPOSITOR_KMS_CARD_H
#define COMPOSITOR_KMS_CARD_H

#include <stdbool.h>
#include <stdint.h>
#include <xf86drmMode.h>

#include "compositor/kms/props.h"
#include "compositor/kms/session.h"

struct kms_crtc {
	uint32_t id;
	uint32_t mask; /* its bit in possible_crtcs */
	struct crtc_props props;
	bool taken; /* by a screen */
};

struct kms_plane {
	uint32_t id;
	uint32_t possible_crtcs;
	struct plane_props props;
	bool taken; /* by a screen */
};

struct card {
	struct session *session;
	int fd;        /* the session's */
	char path[64]; /* /dev/dri/cardN */
	char driver[32];
	bool known;    /* what follows was read */
	uint32_t serial;                      /* of the last request that the kernel took */
	uint32_t cursor_width, cursor_height; /* of a cursor plane's buffers, pixels */
	struct kms_crtc *crtcs;
	unsigned int crtc_count;
	struct kms_plane *planes;
	unsigned int plane_count;
};

/* Opens the card at path, from the loop; nothing is known of it yet. 0 or -errno, logged. */
int card_open(struct session *session, const char *path, struct card **out);
/*
 * Reads what it is made of; in any thread, before anything else. 0, -ENODEV when it has nothing to
 * show pictures on, or -errno with one sentence logged.
 */
int card_setup(struct card *card);
/* From the loop: the session forgets the card. Returns its descriptor, to be closed by the caller:
 * that may wait for the driver, which then shows the text console again. */
int card_leave(struct card *card);
void card_close(struct card *card); /* from the loop; NULL is legal */

/*
 * Reads what the card reports and calls flipped for each request of ours that came into effect:
 * with its CRTC, its serial and the time of the vblank (CLOCK_MONOTONIC; the kernel's own where
 * it has no vblank). Does not wait. 0 or -errno.
 */
int card_dispatch(struct card *card,
		  void (*flipped)(void *data, uint32_t crtc, uint32_t serial, uint64_t vblank_ns),
		  void *data);

/*
 * Whether the card may be able to draw by itself: it has a render node with something behind it.
 * Asked before a GL library is loaded, which costs seconds and a hundred megabytes when it finds
 * only the processor in the end. Reads sysfs, and may wait.
 */
bool card_has_gpu(const struct card *card);

/* A free plane of the type (DRM_PLANE_TYPE_*) for this CRTC, or NULL. Not marked as taken. */
struct kms_plane *card_find_plane(struct card *card, const struct kms_crtc *crtc, uint64_t type);

/* A free CRTC that the connector can use, its present one if possible, or NULL. Not marked. */
struct kms_crtc *card_find_crtc(struct card *card, const drmModeConnector *connector);

#endif
