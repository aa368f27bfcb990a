/* SPDX-License-Identifier: MIT */
/*
 * Atomic requests: a change of many properties that the kernel takes whole or refuses whole.
 * A refused request has changed nothing; so whoever sends one notes what it did only afterwards.
 */
#ifndef COMPOSITOR_KMS_ATOMIC_H
#define COMPOSITOR_KMS_ATOMIC_H

#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>
#include <xf86drmMode.h>

#include "compositor/kms/card.h"

struct atomic {
	drmModeAtomicReq *request;
	int error;            /* the first thing that could not be added, as -errno */
	uint32_t damage_blob; /* lives as long as the request */
};

int atomic_init(struct atomic *atomic); /* 0 or -ENOMEM */
void atomic_finish(struct atomic *atomic, const struct card *card);

void atomic_add(struct atomic *atomic, uint32_t object, uint32_t prop, uint64_t value);

/* Shows a whole frame buffer, unscaled, with its corner at x, y of the CRTC. */
void atomic_show_plane(struct atomic *atomic, const struct kms_plane *plane, uint32_t crtc,
		       uint32_t fb, int32_t x, int32_t y, uint32_t width, uint32_t height);
void atomic_hide_plane(struct atomic *atomic, const struct kms_plane *plane);

/* Tells the driver which part of the plane's picture is new; it may copy no more than that. */
void atomic_add_damage(struct atomic *atomic, const struct card *card,
		       const struct kms_plane *plane, const pixman_region32_t *damage);

/*
 * What somebody else left on: connectors and planes at this CRTC other than the screen's own are
 * taken off it.
 */
void atomic_add_cleanup(struct atomic *atomic, const struct card *card, const struct kms_crtc *crtc,
			uint32_t connector);

/* And CRTCs that no screen of ours has are turned off, with everything at them. */
void atomic_add_foreign(struct atomic *atomic, const struct card *card);

/* Turns all that off in a request of its own, if there is anything, and waits until it is. */
void card_turn_foreign_off(const struct card *card);

bool atomic_is_empty(const struct atomic *atomic);

/* Would the kernel take it? 0 or -errno. */
int atomic_test(struct atomic *atomic, const struct card *card);

/*
 * Sends it without waiting; when it has come into effect the card reports a page flip with
 * serial. Only a modeset that meets another one waits for that. 0 or -errno.
 */
int atomic_commit(struct atomic *atomic, const struct card *card, bool modeset, uint32_t serial);

/* Sends it, may change modes, and waits until it is in effect. 0 or -errno. */
int atomic_commit_wait(struct atomic *atomic, const struct card *card);

#endif
