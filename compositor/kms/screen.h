/* SPDX-License-Identifier: MIT */
/*
 * A lit monitor: the output of the compositor together with its connector, CRTC and planes.
 *
 * FLIGHT_NONE    the kernel has nothing of ours to do; a request may be sent.
 * FLIGHT_FRAME   it took a picture (and the pointer) and will report the flip. The output is
 *                PENDING.
 * FLIGHT_CURSOR  it took a pointer alone and will report that. A picture that is ready meanwhile
 *                waits for it (frame_waits), since a CRTC takes one request at a time.
 */
#ifndef COMPOSITOR_KMS_SCREEN_H
#define COMPOSITOR_KMS_SCREEN_H

#include "common/list.h"
#include "compositor/kms/card.h"
#include "compositor/kms/connector.h"
#include "compositor/kms/cursor.h"
#include "compositor/kms/swapchain.h"
#include "compositor/output.h"

enum flight { FLIGHT_NONE, FLIGHT_FRAME, FLIGHT_CURSOR };

/* Makes the buffers that a screen draws into; 0 or -errno. */
typedef int (*buffer_create_fn)(void *data, const struct card *card, const struct kms_plane *plane,
				uint32_t width, uint32_t height, struct kms_buffer **out);

struct screen_events {
	/* The driver came to refuse the pointer's plane, which is off now. The screen must be made
	 * anew with software_cursor, but not inside this call. */
	void (*cursor_lost)(void *data);
	void *data;
};

struct screen_options {
	struct renderer *renderer; /* draws into those buffers */
	buffer_create_fn buffer_create;
	void *buffer_data;
	bool software_cursor;
	const struct screen_events *events; /* must outlive the screen */
	const char *slot;                   /* of the card: output::slot */
	unsigned int rank;                  /* of the card: output::rank */
};

struct screen {
	struct output output;
	struct list link; /* kms_device::screens or made */
	struct card *card;
	struct monitor monitor;
	struct kms_crtc *crtc;     /* taken; NULL in a half-built screen */
	struct kms_plane *primary; /* taken; NULL in a half-built screen */
	uint32_t mode_blob;
	struct swapchain chain;
	struct cursor cursor;
	const struct screen_events *events;
	enum flight flight;
	uint32_t serial; /* of the request in flight */
	bool lit;        /* the CRTC runs our mode */
	bool failing;    /* the last request was refused, and that was said */
	bool frame_waits;
	bool dark_first; /* it is lit and must be turned off before its buffers go */
	int fence;                /* the waiting frame's, or -1 */
	pixman_region32_t damage; /* the waiting frame's */
	sd_event_source *cursor_timer;
	sd_event_source *retry_timer; /* after a refusal */
};

/*
 * Takes a CRTC and planes for the monitor, makes buffers and asks the kernel (TEST_ONLY) whether
 * it would light it. 0 or -errno. In any thread, as long as nobody else uses the card; the screen
 * is for nothing yet but to be attached or destroyed.
 */
int screen_create(struct card *card, const struct monitor *monitor, const drmModeConnector *info,
		  const struct screen_options *options, struct screen **out);
/* Turns the monitor off when that is allowed, and gives everything back. In any thread, once it is
 * detached. NULL is legal. */
void screen_destroy(struct screen *screen);

/* To the loop: the output is initialised and off. 0 or -errno. */
int screen_attach(struct screen *screen, sd_event *event, const struct output_painter *painter);
/* Off the loop, for good. Legal on one that never was on it. */
void screen_detach(struct screen *screen);

/* The session went away: nothing more is sent. */
void screen_suspend(struct screen *screen);
/* It came: the monitor is lit anew and everything is drawn. */
void screen_resume(struct screen *screen);

/* The kernel reports that the request with this serial is in effect since vblank_ns. */
void screen_flipped(struct screen *screen, uint32_t serial, uint64_t vblank_ns);

/* A copy of the picture on the screen, or NULL. */
pixman_image_t *screen_read(struct screen *screen);

#endif
