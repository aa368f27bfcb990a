/* SPDX-License-Identifier: MIT */
/*
 * The graphics cards of the seat that are in use.
 *
 * Cards are looked at at the start, when udev has news of one and when the session comes back. One
 * without a monitor is closed again and may sleep; one with a monitor stays open until it is taken
 * out or given away. A card that was given away is left alone, whatever udev says, until it is to
 * be used again. There may be no monitor and no card at all.
 */
#ifndef COMPOSITOR_KMS_DEVICES_H
#define COMPOSITOR_KMS_DEVICES_H

#include "compositor/kms/device.h"
#include "compositor/kms/nodes.h"

struct devices {
	struct device_environment environment;
	struct node_events node_events;
	struct nodes *nodes;
	sd_event_source *look; /* deferred: nodes with news are looked at */
	struct list all;       /* kms_device::link */
	struct list loans;     /* loan::link */
	char *only;            /* the only card to be used, or NULL */
	char only_slot[16];    /* its slot, once it was seen: it may come back by another name */
};

/*
 * Starts watching; nothing is opened yet. only: a card's node or a link to it, or NULL;
 * given_away: slots separated by blanks, or NULL. 0 or -errno. After a failure too,
 * devices_finish() is called.
 */
int devices_init(struct devices *devices, const struct device_environment *environment,
		 const char *only, const char *given_away);
/* False: a driver does not come back, and a thread goes on with what devices points to. */
bool devices_finish(struct devices *devices);

/*
 * Opens the cards for the first time. One that can be used is enough. 0 or -errno, logged; without
 * any card -ENODEV, or 0 when that is allowed.
 */
int devices_open(struct devices *devices, bool none_allowed);

void devices_suspend(struct devices *devices);
void devices_resume(struct devices *devices);

/* For the next three see compositor.h. */
void devices_give_away(struct devices *devices, const char *slot);
void devices_take_back(struct devices *devices, const char *slot);
bool devices_use(const struct devices *devices, const char *slot, bool *only);

#endif
