/* SPDX-License-Identifier: MIT */
/*
 * One graphics card in use: open, with its own GPU and a screen for each monitor that is plugged
 * into it. Its screens come and go with their monitors; the GPU's libraries are there as long as
 * there is a screen.
 *
 * What may wait for the card's driver is done by a thread (errand.h): reading what the card is made
 * of, asking its monitors, starting a GPU, and taking all that apart. What belongs to whom:
 *
 * DEVICE_REST     everything is the loop's.
 * DEVICE_LOOKING  the thread has the look and, while there are no screens, all that screens are
 * made of. The loop goes on with its screens, and may close the card: then their outputs go at once
 * and the rest when the thread is back. DEVICE_CLOSING  the outputs are gone; what is left is the
 * thread's, and at its end closed() tells.
 */
#ifndef COMPOSITOR_KMS_DEVICE_H
#define COMPOSITOR_KMS_DEVICE_H

#include "compositor/backend.h"
#include "compositor/kms/card.h"
#include "compositor/kms/connector.h"
#include "compositor/kms/errand.h"
#include "compositor/kms/gpu.h"
#include "compositor/kms/nodes.h"
#include "compositor/kms/screen.h"

struct kms_device;

/* What all of them share, and how they report, from the loop. */
struct device_environment {
	sd_event *event;
	struct session *session;
	const struct backend_events *events;
	struct renderer *renderer; /* the processor's */
	bool gpu_allowed, gpu_forced;
	bool software_cursor;
	/* It was looked at: 0, -ENODEV when it has nothing to show pictures on, or -errno, logged.
	 */
	void (*looked)(struct kms_device *device, int error, void *data);
	/* The card does not answer any more, which was logged: to be closed. */
	void (*lost)(struct kms_device *device, void *data);
	/* Nothing of it is open any more: to be freed by device_free(), there or later. */
	void (*closed)(struct kms_device *device, void *data);
	void *data;
};

enum device_state { DEVICE_REST, DEVICE_LOOKING, DEVICE_CLOSING };

/* A connector with a monitor. */
struct found {
	struct monitor monitor;
	drmModeConnector *info; /* owned */
};

/* A look at the card, by whoever carries it out. */
struct look {
	bool make; /* there were no screens, so they are made too */
	int result;
	struct found *found;
	unsigned int count;
	struct list made; /* screen::link; not on the loop yet */
};

struct kms_device {
	struct list link; /* devices::all */
	const struct device_environment *environment;
	dev_t devnum;  /* as its node's */
	char slot[16]; /* as its node's */
	unsigned int rank;
	enum device_state state;
	struct errand *errand; /* NULL while it rests */
	bool look_again;       /* something happened while it was looked at */
	bool unwanted;         /* it is closed, or will be */
	struct card *card;
	int card_fd; /* the last that is to be closed of it, or -1 */
	struct look look;
	struct list screens; /* screen::link */
	bool shown;          /* it had a screen */
	struct gpu *gpu;     /* NULL: the processor draws */
	bool drawer_chosen;  /* gpu is what it should be; never without screens */
	bool software_cursor;
	struct screen_events screen_events;
	sd_event_source *flips;
	sd_event_source *remake; /* deferred: all screens are made anew */
};

/* Opens the node; nothing is known of the card yet. 0 or -errno, logged. The environment must
 * outlive it. */
int device_create(const struct device_environment *environment, const struct drm_node *node,
		  struct kms_device **out);

/* Looks at every connector: screens come, go or are made anew, and looked() tells, here or later.
 * Once more, if that is under way. */
void device_look(struct kms_device *device);
/* The same at once, for the start: waits. Returns what looked() would tell. */
int device_look_now(struct kms_device *device);

/* Its outputs go; then, or later, closed() is called. */
void device_close(struct kms_device *device);
/* For the end of the program: waits, for at most a second. False: a driver does not come back, and
 * its thread goes on with device and environment, which must stay. */
bool device_destroy(struct kms_device *device);
/* After closed(). */
void device_free(struct kms_device *device);

/* Not of one that is unwanted: a thread may be at them. */
bool device_has_screens(const struct kms_device *device);

/* The session went away: nothing more is sent. */
void device_suspend(struct kms_device *device);
/* It came: every screen that is not lit is. */
void device_resume(struct kms_device *device);

#endif
