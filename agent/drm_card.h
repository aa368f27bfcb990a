/* SPDX-License-Identifier: MIT */
/*
 * A graphics card of this machine, by the kernel's DRM: its node is opened beside whoever drives
 * it, and only looked at. Needs CAP_SYS_ADMIN, as the kernel shows other programs' framebuffers to
 * nobody else.
 */
#ifndef AGENT_DRM_CARD_H
#define AGENT_DRM_CARD_H

#include "agent/card_copy.h"
#include "agent/card_ops.h"
#include "common/cleanup.h"

struct drm_card;

/* node: "/dev/dri/card1", copied; opened by wake(). way: who reads its memory. 0 or -ENOMEM. */
int drm_card_create(const char *node, enum copy_way way, struct drm_card **out);
void drm_card_destroy(struct drm_card *card);
DEFINE_CLEANUP(struct drm_card *, drm_card_destroy)

extern const struct card_ops drm_card_ops; /* of a struct drm_card */

#endif
