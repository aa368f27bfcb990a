/* SPDX-License-Identifier: MIT */
/*
 * Where the cards of the switcher are, and what arrow keys do among them. Pure functions. When
 * there are more cards than fit at a legible size, the grid shows the rows around the selection.
 */
#ifndef COMPOSITOR_SCENE_GRID_H
#define COMPOSITOR_SCENE_GRID_H

#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>

#include "compositor/scene/theme.h"

struct grid {
	unsigned int count;   /* of all cards */
	unsigned int columns;
	unsigned int rows;    /* that are visible */
	unsigned int first;   /* index of the first visible card */
	int32_t x, y;         /* of the first card */
	int32_t gap;
	int32_t card_width, card_height;
	int32_t padding;        /* between the card's edge and its picture */
	int32_t picture_height; /* its width is the card's less the padding */
	bool compact;           /* one line of text below the picture instead of two */
};

/* Lays out count cards inside area; selected is an index, or count for none. */
void grid_layout(struct grid *grid, const struct theme *theme, const pixman_box32_t *area,
		 unsigned int count, unsigned int selected);

bool grid_is_visible(const struct grid *grid, unsigned int index);
/* False on a tiny output, whose cards have no room for a picture. */
bool grid_has_pictures(const struct grid *grid);
/* Box of a visible card, and of the picture inside it. */
pixman_box32_t grid_card(const struct grid *grid, unsigned int index);
pixman_box32_t grid_picture(const struct grid *grid, unsigned int index);
/* The visible card at a point, or grid->count. */
unsigned int grid_at(const struct grid *grid, int32_t x, int32_t y);
/*
 * The index that dx columns and dy rows from index lead to. Sideways goes on in the next row, as
 * in a text; down into a short last row goes to its end; nothing leaves the grid.
 */
unsigned int grid_move(const struct grid *grid, unsigned int index, int dx, int dy);

#endif
