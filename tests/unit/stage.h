/* SPDX-License-Identifier: MIT */
/*
 * A compositor on outputs and sources of the test's own, with the real repaint clock. There is one
 * of it at a time: one screen and three guests, of which the first is in front.
 */
#ifndef TESTS_UNIT_STAGE_H
#define TESTS_UNIT_STAGE_H

#include "common/clock.h"
#include "compositor/backend.h"
#include "compositor/compositor.h"

#define WIDTH 640
#define HEIGHT 480
#define GUESTS 3

/* An output in memory. */
struct screen {
	struct output output;
	uint32_t *pixels;
	int commits;
	pixman_region32_t drawn; /* by the last commit */
	bool has_plane;
	struct cursor_image *plane; /* what is on it; not locked */
	int32_t plane_x, plane_y;
};

struct source {
	struct frame_source base;
	int watches, unwatches;
	uint32_t asked_width, asked_height;
	int asked;
};

extern struct stage {
	sd_event *event;
	struct compositor *compositor;
	struct screen screen;
	struct source sources[GUESTS];
	uint32_t random;
	int outputs_changed, actives;
	const char *card_slot; /* as told last */
	int card_error;
} stage;

/* The back end: it has the screens that the test gives it. All are on the card "0000:01:00". */
extern struct stage_backend {
	struct backend base;
	sd_event *event;
	const struct backend_events *events;
} fake;

/* For cmocka; they take no state. */
int stage_set_up(void **state);
int stage_tear_down(void **state);

void screen_add(struct screen *screen, uint32_t width, uint32_t height);
/* In front of all screens of a higher rank; that of screen_add() is 1. */
void screen_add_ranked(struct screen *screen, uint32_t width, uint32_t height, unsigned int rank);
void screen_remove(struct screen *screen);
struct frame *new_frame(uint32_t width, uint32_t height);
/* Guests are 1, 2 and 3; with a reason they are hung. */
void set_guest(uint32_t id, const char *reason);
struct frame_source *source(uint32_t id);

/* Runs everything that is due: all drawing, on a screen of 1000 Hz. */
void settle(void);
/* Thumbnails take turns with rests between them. */
void settle_previews(void);

/* Of the stage's own screen. */
uint32_t screen_pixel(int32_t x, int32_t y);
bool screen_shows(const struct frame *frame);
void assert_drawn(int32_t x1, int32_t y1, int32_t x2, int32_t y2); /* by the last commit */
void assert_idle(void);

#endif
