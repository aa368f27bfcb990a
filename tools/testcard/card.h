/* SPDX-License-Identifier: MIT */
/*
 * The test card: what is on the picture and which part of it changed.
 *
 * A page is one of the screen's buffers; the card remembers what each page shows and draws only the
 * difference. The upper left block of 8x8 pixels has the frame counter as its colour and is always
 * in the last rectangle of the damage: who sees counter N sees all of frame N.
 */
#ifndef TESTCARD_CARD_H
#define TESTCARD_CARD_H

#include <stdbool.h>
#include <stdint.h>

#include "canvas.h"

enum {
	CARD_PAGES = 2,
	CARD_LOG_LINES = 8,
	CARD_LOG_TEXT = 56,
	CARD_BOX = 64,
	CARD_DAMAGE = 2,
};

enum card_part {
	CARD_PART_CHANGES, /* what differs from the page's last picture */
	CARD_PART_FULL,    /* every pixel anew, none as before */
	CARD_PART_BOX,     /* the upper left 64x64 pixels anew */
};

struct card_log {
	char lines[CARD_LOG_LINES][CARD_LOG_TEXT];
	int kind; /* of the last line: two motions after each other share one line */
};

struct card_page {
	bool valid; /* the fixed parts are drawn */
	char lines[CARD_LOG_LINES][CARD_LOG_TEXT];
};

struct card {
	char name[32];
	uint32_t counter;
	bool is_static; /* no clock, no log, no moving shape */
	struct card_log log;
	struct card_page pages[CARD_PAGES];
};

struct card_damage {
	struct rect areas[CARD_DAMAGE];
	int count;
};

/* The next drawing of each page draws everything. */
void card_invalidate(struct card *card);

/* kind > 0: replaces the last line if that had the same kind. */
void card_log(struct card *card, int kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Draws the part with the card's present counter and says what changed. */
struct card_damage card_draw(struct card *card, int page, struct canvas *canvas,
			     enum card_part part);

#endif
