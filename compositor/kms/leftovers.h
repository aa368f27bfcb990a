/* SPDX-License-Identifier: MIT */
/*
 * Whether this process has let go of a graphics card. What we opened ourselves we also close; but a
 * vendor's library may keep a descriptor or a mapping for as long as the process lives.
 */
#ifndef COMPOSITOR_KMS_LEFTOVERS_H
#define COMPOSITOR_KMS_LEFTOVERS_H

#include <stdbool.h>

#include "common/list.h"

/*
 * Looks through our own procfs for the nodes (struct drm_node) that have this slot. 0, -EBUSY with
 * the node's name logged, or -errno. Waits for nothing.
 */
int leftovers_check(const struct list *nodes, const char *slot);

/* What it is made of. */
struct leftovers {
	const struct list *nodes;
	const char *slot;
	char own[64];      /* a node of the slot's card that is open, or "" */
	char nvidia[64];   /* the same of NVIDIA's own nodes, which have no slot */
	bool other_nvidia; /* another card with NVIDIA's driver is in use */
};

/* Something with this name is open or mapped. */
void leftovers_see(struct leftovers *leftovers, const char *path);
/*
 * What keeps the card, or NULL. NVIDIA's libraries open nodes of their own: those count for a card
 * with that driver unless another such card is in use.
 */
const char *leftovers_found(const struct leftovers *leftovers);

#endif
