/* SPDX-License-Identifier: MIT */
/*
 * Draws our own pictures (cards, lines, panels, the pointer) with cairo into sprites. Every
 * function returns a new sprite that belongs to the caller, or NULL when memory is short.
 */
#ifndef COMPOSITOR_SCENE_PAINT_H
#define COMPOSITOR_SCENE_PAINT_H

#include <cairo.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/frame_source.h"
#include "compositor/render/renderer.h"
#include "compositor/scene/grid.h"
#include "compositor/scene/theme.h"

/* Sets a THEME_* colour. */
void paint_set_color(cairo_t *cr, uint32_t color);

/* Finds the fonts of lines now. */
void paint_warm_up(const struct theme *theme);

/* A short line on a rounded plate, at most width pixels wide; warning: with a sign before it. */
struct sprite *paint_line(const struct theme *theme, const char *text, bool warning,
			  int32_t width);

/* What a card of the switcher says. */
struct paint_card {
	const char *name, *state, *reason; /* reason may be NULL */
	unsigned int slot;                 /* 0: none */
	bool selected;
	bool picture; /* there is one to be drawn above the card */
};
struct sprite *paint_card(const struct theme *theme, const struct grid *grid,
			  const struct paint_card *card);
/* The reason, to be laid over the card's grey picture. */
struct sprite *paint_card_reason(const struct theme *theme, const struct grid *grid,
				 const char *reason);
/* Rounds one corner of a card's picture: 0 top left, 1 top right, 2 bottom right, 3 bottom left. */
struct sprite *paint_corner(const struct theme *theme, unsigned int corner, bool selected);

/* The line above the cards: what is filtered, how many there are. */
struct sprite *paint_switcher_header(const struct theme *theme, const char *filter,
				     unsigned int shown, unsigned int all, int32_t width);
/* The line below the cards: which keys do what. */
struct sprite *paint_switcher_keys(const struct theme *theme, int32_t width);

/* A table of lines "keys\tmeaning\n". */
struct sprite *paint_help(const struct theme *theme, const char *lines, int32_t width,
			  int32_t height);

/* A title and a sentence in the middle of an output without a picture. */
struct sprite *paint_desk(const struct theme *theme, const char *title, const char *line,
			  int32_t width);

/* Our own pointer. */
struct cursor_image *paint_pointer(const struct theme *theme);

#endif
