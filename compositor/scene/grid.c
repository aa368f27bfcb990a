// SPDX-License-Identifier: MIT
/* The switcher's layout; see grid.h. */
#include "compositor/scene/grid.h"

#include <string.h>

#define CARD_GAP 18
#define CARD_GAP_COMPACT 8
#define CARD_PADDING 8
#define CARD_PADDING_COMPACT 5
#define CARD_TEXT 52         /* height of two lines below the picture, with their margins */
#define CARD_TEXT_COMPACT 24 /* of one line */
#define CARD_WIDTH_MIN 96.0
#define CARD_WIDTH_COMFORTABLE 190.0
#define CARD_WIDTH_MAX 470.0

static unsigned int divide_up(unsigned int a, unsigned int b)
{
	return (a + b - 1) / b;
}

/* Height of a card of this width, whose picture is 16 : 10. */
static int32_t card_height_for(const struct grid *grid, const struct theme *theme, int32_t width)
{
	int32_t text = theme_px(theme, grid->compact ? CARD_TEXT_COMPACT : CARD_TEXT);

	return (width - 2 * grid->padding) * 10 / 16 + grid->padding + text;
}

/* The widest card with which rows of this many columns fit the area. */
static int32_t card_width_for(const struct grid *grid, const struct theme *theme,
			      const pixman_box32_t *area, unsigned int columns, unsigned int rows)
{
	int32_t width =
		(area->x2 - area->x1 - (int32_t)(columns - 1) * grid->gap) / (int32_t)columns;
	int32_t height = (area->y2 - area->y1 - (int32_t)(rows - 1) * grid->gap) / (int32_t)rows;
	int32_t spare = height - card_height_for(grid, theme, 0);
	int32_t by_height = spare > 0 ? spare * 16 / 10 : 0;

	return width < by_height ? width : by_height;
}

/* Chooses the number of columns that gives the widest cards. Returns their width. */
static int32_t choose_columns(struct grid *grid, const struct theme *theme,
			      const pixman_box32_t *area)
{
	int32_t best = 0;

	for (unsigned int columns = 1; columns <= grid->count; columns++) {
		unsigned int rows = divide_up(grid->count, columns);
		int32_t width = card_width_for(grid, theme, area, columns, rows);

		if (width > best) {
			best = width;
			grid->columns = columns;
			grid->rows = rows;
		}
	}
	return best;
}

static void set_density(struct grid *grid, const struct theme *theme, bool compact)
{
	grid->compact = compact;
	grid->gap = theme_px(theme, compact ? CARD_GAP_COMPACT : CARD_GAP);
	grid->padding = theme_px(theme, compact ? CARD_PADDING_COMPACT : CARD_PADDING);
}

/* Too many for one page: cards of the smallest legible width, the rows around the selected one. */
static int32_t scroll(struct grid *grid, const struct theme *theme, const pixman_box32_t *area,
		      unsigned int selected)
{
	int32_t width = theme_px(theme, CARD_WIDTH_MIN);
	int32_t height = card_height_for(grid, theme, width);
	int32_t columns = (area->x2 - area->x1 + grid->gap) / (width + grid->gap);
	int32_t rows = (area->y2 - area->y1 + grid->gap) / (height + grid->gap);
	unsigned int all_rows, first_row = 0;

	grid->columns = columns > 1 ? (unsigned int)columns : 1;
	grid->rows = rows > 1 ? (unsigned int)rows : 1;
	all_rows = divide_up(grid->count, grid->columns);
	if (grid->rows > all_rows) {
		grid->rows = all_rows;
	}
	if (selected < grid->count && selected / grid->columns > grid->rows / 2) {
		first_row = selected / grid->columns - grid->rows / 2;
	}
	if (first_row > all_rows - grid->rows) {
		first_row = all_rows - grid->rows;
	}
	grid->first = first_row * grid->columns;
	return width;
}

void grid_layout(struct grid *grid, const struct theme *theme, const pixman_box32_t *area,
		 unsigned int count, unsigned int selected)
{
	int32_t width, used_width, used_height;
	int32_t width_max = theme_px(theme, CARD_WIDTH_MAX);

	memset(grid, 0, sizeof(*grid));
	grid->count = count;
	if (count == 0) {
		return;
	}
	set_density(grid, theme, false);
	width = choose_columns(grid, theme, area);
	if (width < theme_px(theme, CARD_WIDTH_COMFORTABLE)) {
		set_density(grid, theme, true);
		width = choose_columns(grid, theme, area);
	}
	if (width < theme_px(theme, CARD_WIDTH_MIN)) {
		width = scroll(grid, theme, area, selected);
	}
	if (width > area->x2 - area->x1) {
		width = area->x2 - area->x1;
	}
	grid->card_width = width < width_max ? width : width_max;
	grid->card_height = card_height_for(grid, theme, grid->card_width);
	grid->picture_height = (grid->card_width - 2 * grid->padding) * 10 / 16;
	used_width = (int32_t)grid->columns * (grid->card_width + grid->gap) - grid->gap;
	used_height = (int32_t)grid->rows * (grid->card_height + grid->gap) - grid->gap;
	grid->x = area->x1 + (area->x2 - area->x1 - used_width) / 2;
	grid->y = area->y1 + (area->y2 - area->y1 - used_height) / 2;
}

bool grid_is_visible(const struct grid *grid, unsigned int index)
{
	return index < grid->count && index >= grid->first &&
	       index < grid->first + grid->rows * grid->columns;
}

bool grid_has_pictures(const struct grid *grid)
{
	return grid->card_width > 2 * grid->padding && grid->picture_height > 0;
}

pixman_box32_t grid_card(const struct grid *grid, unsigned int index)
{
	unsigned int place = index - grid->first;
	int32_t column = (int32_t)(place % grid->columns), row = (int32_t)(place / grid->columns);
	pixman_box32_t box;

	box.x1 = grid->x + column * (grid->card_width + grid->gap);
	box.y1 = grid->y + row * (grid->card_height + grid->gap);
	box.x2 = box.x1 + grid->card_width;
	box.y2 = box.y1 + grid->card_height;
	return box;
}

pixman_box32_t grid_picture(const struct grid *grid, unsigned int index)
{
	pixman_box32_t box = grid_card(grid, index);

	box.x1 += grid->padding;
	box.y1 += grid->padding;
	box.x2 -= grid->padding;
	box.y2 = box.y1 + grid->picture_height;
	return box;
}

unsigned int grid_at(const struct grid *grid, int32_t x, int32_t y)
{
	for (unsigned int i = grid->first; grid_is_visible(grid, i); i++) {
		pixman_box32_t box = grid_card(grid, i);

		if (x >= box.x1 && x < box.x2 && y >= box.y1 && y < box.y2) {
			return i;
		}
	}
	return grid->count;
}

unsigned int grid_move(const struct grid *grid, unsigned int index, int dx, int dy)
{
	int64_t columns = grid->columns, last = (int64_t)grid->count - 1, to;

	if (grid->count == 0) {
		return 0;
	}
	to = (int64_t)index + dx;
	to = to < 0 ? 0 : to > last ? last : to;
	while (dy < 0 && to - columns >= 0) {
		to -= columns;
		dy++;
	}
	while (dy > 0 && to / columns < last / columns) {
		to = to + columns > last ? last : to + columns;
		dy--;
	}
	return (unsigned int)to;
}
