/* SPDX-License-Identifier: MIT */
/*
 * One graphics card in use: open, with its own GPU and a screen for each monitor that is plugged
 * into it. Its screens come and go with their monitors; the GPU's libraries are there as long as
 * there is a screen.
 */
#ifndef COMPOSITOR_KMS_DEVICE_H
#define COMPOSITOR_KMS_DEVICE_H

#include "compositor/backend.h"
#include "compositor/kms/card.h"
#include "compositor/kms/gpu.h"
#include "compositor/kms/nodes.h"
#include "compositor/kms/screen.h"

struct kms_device;

/* What all of them share. */
struct device_environment {
	sd_event *event;
	struct session *session;
	const struct backend_events *events;
	struct renderer *renderer; /* the processor's */
	bool gpu_allowed, gpu_forced;
	bool software_cursor;
	/* The card does not answer any more, which was logged: to be destroyed, which is legal
	 * here. */
	void (*lost)(struct kms_device *device, void *data);
	void *data;
};

struct kms_device {
	struct list link; /* kms::devices */
	const struct device_environment *environment;
	dev_t devnum;  /* as its node's */
	char slot[16]; /* as its node's */
	struct card *card;
	struct list screens; /* screen::link */
	struct gpu *gpu;     /* NULL: the processor draws */
	bool drawer_chosen;  /* gpu is what it should be; never without screens */
	bool software_cursor;
	struct screen_events screen_events;
	sd_event_source *flips;
	sd_event_source *remake; /* deferred: all screens are made anew */
};

/* Opens the card; nothing is shown yet. 0, -ENODEV when it has nothing to show pictures on, or
 * -errno, logged. The environment must outlive it. */
int device_create(const struct device_environment *environment, struct drm_node *node,
		  struct kms_device **out);
/* Its screens go dark, and everything of the card is closed. NULL is legal. */
void device_destroy(struct kms_device *device);

/*
 * Looks at every connector: screens come, go or are made anew. The kernel may talk to monitors
 * meanwhile. 0, or -ENOTSUP (logged) when no GPU draws for this card although one is forced.
 */
int device_scan(struct kms_device *device);
bool device_has_screens(const struct kms_device *device);

/* The session went away: nothing more is sent. */
void device_suspend(struct kms_device *device);
/* It came: every screen that is not lit is. */
void device_resume(struct kms_device *device);

#endif
