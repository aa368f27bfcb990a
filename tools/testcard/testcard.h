/* SPDX-License-Identifier: MIT */
/* The program's one state, and when frames are drawn. */
#ifndef TESTCARD_TESTCARD_H
#define TESTCARD_TESTCARD_H

#include "card.h"
#include "console.h"
#include "gpus.h"
#include "input.h"
#include "screen.h"
#include "sound.h"

/*
 * Drawing: paced by the timer (fps > 0), as fast as possible (flood), or only on command (fps 0, or
 * a static card). Stopped beats all three, but not the commands "draw" and a new screen size.
 */
struct testcard {
	struct screen screen;
	struct card card;
	struct input input;
	struct console console;
	struct gpus gpus;
	struct sound sound;
	int uevents, timer; /* descriptors */
	int fps;
	bool flood, stopped, ready, power_off;
	int64_t stop_at;                 /* frame to stop at, -1: none */
	int pointer_x, pointer_y;        /* pixels */
	int64_t last_frame, longest_gap; /* microseconds; last_frame 0: none to measure from */
	int64_t started, last_device;    /* microseconds */
};

int64_t monotonic_us(void);

/* Draws and shows the next frame, whatever the state; stops when it is the one to stop at. */
void testcard_frame(struct testcard *tc, enum card_part part);

/* One frame whose whole picture is announced as damaged. */
void testcard_flood(struct testcard *tc);

/* Draws the present frame anew, without counting: after a change of size. */
void testcard_redraw(struct testcard *tc);

/* Sets the timer to what the state asks for. */
void testcard_pace(struct testcard *tc);

/* Answers "WORD COUNT WxH SHA256". */
void testcard_print_hash(struct testcard *tc, const char *word);

/* One line from the host. */
void command_handle(void *data, char *line);

#endif
