/* SPDX-License-Identifier: MIT */
/*
 * The nodes of graphics cards (/dev/dri/cardN, /dev/dri/renderDN) as udev tells of them: which
 * there are, to which PCI slot each belongs, and what happens to them. Nothing here opens one.
 */
#ifndef COMPOSITOR_KMS_NODES_H
#define COMPOSITOR_KMS_NODES_H

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "common/list.h"

struct drm_node {
	struct list link; /* nodes::all */
	char path[64];    /* /dev/dri/card0 */
	char slot[16];    /* of its card on the PCI bus, "0000:01:00"; "" when it is not on one */
	char driver[32];  /* "" until somebody has opened it */
	dev_t devnum;
	unsigned int
		rank; /* of its card: 0 for the one that the machine booted on, then as they came */
	bool card;    /* it can show pictures and belongs to our seat */
	bool news;    /* something happened to it since somebody cleared this */
	int error;    /* why it could not be used when it was opened last, as noted by who tried */
};

/* From the loop's thread. */
struct node_events {
	/* Some cards' nodes have news: they came, or something was plugged into them. Once for any
	 * number of pending messages. */
	void (*news)(void *data);
	/* Its card is gone; the node dies afterwards. */
	void (*removed)(struct drm_node *node, void *data);
	void *data;
};

struct nodes;

/*
 * Lists what is there and watches. Reads sysfs, so it is for the start; later news bring with them
 * all that is needed. events must outlive it and are not called from here. 0 or -errno.
 */
int nodes_create(sd_event *event, const char *seat, const struct node_events *events,
		 struct nodes **out);
void nodes_destroy(struct nodes *nodes); /* NULL is legal */

/* struct drm_node */
struct list *nodes_list(struct nodes *nodes);
struct drm_node *nodes_find(struct nodes *nodes, dev_t devnum); /* or NULL */
/* The node that shows the pictures of the card with this slot, or NULL. */
struct drm_node *nodes_find_card(struct nodes *nodes, const char *slot);

/* The slot in a device's path below /sys: the PCI address nearest to the device, without its
 * function; "" if there is none. Anything that is too long for size is no slot. */
void slot_from_devpath(const char *devpath, char *slot, size_t size);

#endif
