/* SPDX-License-Identifier: MIT */
/*
 * One screen and its repaint clock. A back end implements struct output_ops; output.c decides
 * when to draw. Rules of the clock:
 *
 * OUTPUT_OFF      no picture can be shown (unplugged, VT away). Damage is remembered.
 * OUTPUT_IDLE     what is shown is what is wanted. No timer runs. Damage leads to SCHEDULED, or is
 *                 drawn at once after a rest: the last vblank, or the last drawing when that is
 *                 on screen, is at least one interval ago.
 * OUTPUT_SCHEDULED a timer waits for the moment that leaves just enough time to draw before the
 *                 next vblank, so that the picture is as fresh as possible; or, after a picture
 *                 that could not be drawn, for the next attempt.
 * OUTPUT_PENDING  a frame was committed; output_presented() has not come yet. Damage waits.
 *
 * All of it belongs to the event loop's thread.
 */
#ifndef COMPOSITOR_OUTPUT_H
#define COMPOSITOR_OUTPUT_H

#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "capture/frame_source.h"
#include "common/list.h"

enum output_state { OUTPUT_OFF, OUTPUT_IDLE, OUTPUT_SCHEDULED, OUTPUT_PENDING, OUTPUT_STATE_COUNT };

/* A buffer to draw into: XRGB8888. A GL back end sets pixels to NULL and has made its frame
 * buffer object current. */
struct render_target {
	void *pixels;
	uint32_t width, height; /* pixels */
	uint32_t stride;        /* bytes */
};

struct output;

struct output_ops {
	/*
	 * A buffer for the next picture. Adds to damage what this buffer lacks beyond the new
	 * damage (it may be several frames old). -EBUSY when there is none: output_enable() comes
	 * later. After any other error, here and below, the output tries again by itself.
	 */
	int (*begin)(struct output *output, struct render_target *target,
		     pixman_region32_t *damage);
	/* Shows the drawn buffer at the next vblank; damage is what was drawn. Afterwards the back
	 * end calls output_presented(), also when the hardware reports nothing. 0 or -errno:
	 * -EBUSY as above. */
	int (*commit)(struct output *output, const pixman_region32_t *damage);
	/*
	 * Shows a pointer image on a plane of its own; image NULL hides it. x, y: of the image's
	 * top left corner in output pixels. -ENOTSUP: no such plane, the image is drawn into the
	 * picture instead. May be NULL.
	 */
	int (*set_cursor)(struct output *output, struct cursor_image *image, int32_t x, int32_t y);
};

struct renderer;

/* Who draws: the compositor. Called with everything that is to be drawn anew in damage (output
 * coordinates). */
struct output_painter {
	/* Adds the damage since the last call for this output. */
	void (*collect)(struct output *output, pixman_region32_t *damage, void *data);
	/* Draws the scene inside damage. 0 or -errno. */
	int (*draw)(struct output *output, const struct render_target *target,
		    const pixman_region32_t *damage, void *data);
	void (*presented)(struct output *output, uint64_t vblank_ns, void *data);
	void *data;
};

struct output {
	const struct output_ops *ops;
	const struct output_painter *painter;
	struct renderer *renderer; /* draws for this output's buffers; not owned */
	char name[32];             /* connector, e.g. "HDMI-A-1" */
	const char *slot;          /* its card's, lives as long; NULL: no card of the seat's */
	unsigned int rank;         /* outputs of a lower one come first */
	uint32_t width, height;
	uint32_t refresh_mhz;
	enum output_state state;
	sd_event_source *timer;  /* draws just before a vblank */
	sd_event_source *soon;   /* draws in this turn of the loop */
	uint64_t last_vblank_ns; /* may lie ahead where the vblank is computed, not awaited */
	uint64_t replaced_ns;    /* the vblank for which a drawn picture was drawn once more */
	uint64_t drawn_ns;       /* when the last picture was begun */
	uint64_t draw_ns;    /* how long drawing took lately (decaying maximum) */
	uint64_t sequence;   /* frames presented */
	bool needs_frame;    /* damage arrived */
	bool repaint_all;    /* nothing that is on it can be relied on */
	bool failing;        /* the last picture could not be drawn, and that was said */
};

/* Fills in the clock; state OFF. painter must outlive the output. 0 or -errno. */
int output_init(struct output *output, sd_event *event, const struct output_ops *ops,
		const struct output_painter *painter);
void output_finish(struct output *output);

/* The output can show pictures with its present size and rate: draw everything. */
void output_enable(struct output *output);
void output_disable(struct output *output);

/* Something that this output shows has changed. Cheap to call often. */
void output_schedule(struct output *output);

/* By the back end: the committed frame is on the screen since vblank_ns. */
void output_presented(struct output *output, uint64_t vblank_ns);

uint64_t output_interval_ns(const struct output *output);
/* The first vblank after now, going on from the last one that is known. */
uint64_t output_next_vblank_ns(const struct output *output, uint64_t now);

const char *output_state_name(enum output_state state);

#endif
