/* SPDX-License-Identifier: MIT */
/* News from the kernel that monitors were plugged in or out, or want another mode. */
#ifndef COMPOSITOR_KMS_HOTPLUG_H
#define COMPOSITOR_KMS_HOTPLUG_H

#include <sys/types.h>
#include <systemd/sd-event.h>

struct hotplug;

/* changed is called from the loop, once for any number of pending news about this card. 0 or
 * -errno. */
int hotplug_create(sd_event *event, dev_t card, void (*changed)(void *data), void *data,
		   struct hotplug **out);
void hotplug_destroy(struct hotplug *hotplug); /* NULL is legal */

#endif
