// SPDX-License-Identifier: MIT
/* Draws the cards of the switcher; see paint.h. */
#include <math.h>
#include <string.h>

#include "compositor/scene/canvas.h"
#include "compositor/scene/paint.h"
#include "compositor/scene/text.h"

#define CARD_RADIUS 12
#define PICTURE_RADIUS 7
#define BADGE_SIZE 24

static uint32_t card_color(bool selected)
{
	return selected ? THEME_CARD_SELECTED : THEME_CARD;
}

static void draw_plate(struct canvas *canvas, const struct theme *theme, bool selected)
{
	double line = selected ? fmax(2, round(3 * theme->scale)) : fmax(1, round(theme->scale));

	canvas_rounded_path(canvas->cr, line / 2, line / 2, canvas->width - line,
			    canvas->height - line, CARD_RADIUS * theme->scale);
	paint_set_color(canvas->cr, card_color(selected));
	cairo_fill_preserve(canvas->cr);
	paint_set_color(canvas->cr, selected ? THEME_ACCENT : THEME_LINE);
	cairo_set_line_width(canvas->cr, line);
	cairo_stroke(canvas->cr);
}

/* What is seen until the guest's picture lies over it, and around it. */
static void draw_picture_place(struct canvas *canvas, const struct theme *theme,
			       const struct grid *grid, const struct paint_card *card)
{
	int32_t width = canvas->width - 2 * grid->padding, text_width, text_height;
	struct text_style style = { .size = (grid->compact ? 11 : 14) * theme->scale,
				    .color = THEME_TEXT_SOFT,
				    .centred = true,
				    .width = width - 2 * grid->padding,
				    .lines = grid->compact ? 2 : 4 };
	_cleanup_layout_ PangoLayout *layout = NULL;

	canvas_rounded_path(canvas->cr, grid->padding, grid->padding, width, grid->picture_height,
			    PICTURE_RADIUS * theme->scale);
	paint_set_color(canvas->cr, THEME_PICTURE);
	cairo_fill(canvas->cr);
	if (card->picture) {
		return;
	}
	layout = text_layout(&style, card->reason ? card->reason : "No picture yet");
	text_layout_size(layout, &text_width, &text_height);
	text_draw(canvas->cr, &style, layout, 2 * grid->padding,
		  grid->padding + (grid->picture_height - text_height) / 2.0);
}

/* The number on a small plate; a guest without a slot has none. Returns the width used. */
static int32_t draw_badge(cairo_t *cr, const struct theme *theme, const struct grid *grid,
			  const struct paint_card *card, double x, double y)
{
	int32_t size = theme_px(theme, grid->compact ? 17 : BADGE_SIZE), text_width, text_height;
	struct text_style style = { .size = (grid->compact ? 11 : 14) * theme->scale,
				    .color = card->selected ? THEME_DESK : THEME_TEXT,
				    .bold = true };
	_cleanup_layout_ PangoLayout *layout = NULL;
	char number[16];

	if (card->slot == 0) {
		return 0;
	}
	snprintf(number, sizeof(number), "%u", card->slot);
	layout = text_layout(&style, number);
	text_layout_size(layout, &text_width, &text_height);
	canvas_rounded_path(cr, x, y, size, size, 5 * theme->scale);
	paint_set_color(cr, card->selected ? THEME_ACCENT : THEME_LINE);
	cairo_fill(cr);
	text_draw(cr, &style, layout, x + (size - text_width) / 2.0,
		  y + (size - text_height) / 2.0);
	return size + theme_px(theme, grid->compact ? 6 : 10);
}

/* A shape for each state, so that colour is not all that tells them apart. */
static void draw_state_shape(cairo_t *cr, const struct paint_card *card, double x, double y,
			     double size)
{
	paint_set_color(cr, card->reason ? THEME_WARNING : THEME_ALIVE);
	if (strcmp(card->state, "paused") == 0) {
		cairo_rectangle(cr, x + size * 0.08, y, size * 0.3, size);
		cairo_rectangle(cr, x + size * 0.62, y, size * 0.3, size);
		cairo_fill(cr);
	} else if (strcmp(card->state, "stopped") == 0) {
		paint_set_color(cr, THEME_TEXT_SOFT);
		cairo_rectangle(cr, x + size * 0.05, y + size * 0.05, size * 0.9, size * 0.9);
		cairo_fill(cr);
	} else if (card->reason) {
		cairo_move_to(cr, x + size / 2, y - size * 0.05);
		cairo_line_to(cr, x + size * 1.05, y + size * 0.95);
		cairo_line_to(cr, x - size * 0.05, y + size * 0.95);
		cairo_close_path(cr);
		cairo_fill(cr);
	} else {
		cairo_arc(cr, x + size / 2, y + size / 2, size / 2, 0, 2 * M_PI);
		cairo_fill(cr);
	}
}

static void draw_state(cairo_t *cr, const struct theme *theme, const struct paint_card *card,
		       double x, double y, int32_t width)
{
	double size = 9 * theme->scale;
	int32_t indent = theme_px(theme, 16), text_width, text_height;
	struct text_style style = { .size = 12.5 * theme->scale,
				    .color = THEME_TEXT_SOFT,
				    .width = width - indent };
	_cleanup_layout_ PangoLayout *layout = text_layout(&style, card->state);

	text_layout_size(layout, &text_width, &text_height);
	draw_state_shape(cr, card, x, y + (text_height - size) / 2, size);
	text_draw(cr, &style, layout, x + indent, y);
}

static void draw_caption(struct canvas *canvas, const struct theme *theme, const struct grid *grid,
			 const struct paint_card *card)
{
	int32_t x = theme_px(theme, grid->compact ? 7 : 12), top, width, name_width, name_height;
	int32_t left = canvas->height - grid->padding - grid->picture_height;
	struct text_style style = { .size = (grid->compact ? 11.5 : 15) * theme->scale,
				    .color = THEME_TEXT,
				    .bold = true };
	_cleanup_layout_ PangoLayout *name = NULL;

	top = grid->padding + grid->picture_height;
	x += draw_badge(canvas->cr, theme, grid, card, x,
			top + (left - theme_px(theme, grid->compact ? 17 : BADGE_SIZE)) / 2.0);
	width = canvas->width - x - theme_px(theme, grid->compact ? 20 : 12);
	style.width = width;
	name = text_layout(&style, card->name);
	text_layout_size(name, &name_width, &name_height);
	if (grid->compact) {
		text_draw(canvas->cr, &style, name, x, top + (left - name_height) / 2.0);
		draw_state_shape(canvas->cr, card, canvas->width - theme_px(theme, 16),
				 top + (left - 8 * theme->scale) / 2, 8 * theme->scale);
		return;
	}
	/* Both lines together in the middle; the second is about as high as the first. */
	top += (left - name_height - theme_px(theme, 17)) / 2;
	text_draw(canvas->cr, &style, name, x, top);
	draw_state(canvas->cr, theme, card, x, top + name_height + theme_px(theme, 1), width);
}

struct sprite *paint_card(const struct theme *theme, const struct grid *grid,
			  const struct paint_card *card)
{
	struct canvas canvas;

	if (canvas_begin(&canvas, grid->card_width, grid->card_height) < 0) {
		return NULL;
	}
	draw_plate(&canvas, theme, card->selected);
	draw_picture_place(&canvas, theme, grid, card);
	draw_caption(&canvas, theme, grid, card);
	return canvas_end(&canvas);
}

struct sprite *paint_card_reason(const struct theme *theme, const struct grid *grid,
				 const char *reason)
{
	int32_t margin = theme_px(theme, grid->compact ? 4 : 10), text_width, text_height;
	int32_t room = grid->card_width - 2 * grid->padding - 4 * margin;
	struct text_style style = { .size = (grid->compact ? 10.5 : 13.5) * theme->scale,
				    .color = THEME_TEXT,
				    .centred = true,
				    .width = room,
				    .lines = grid->compact ? 2 : 3 };
	_cleanup_layout_ PangoLayout *layout = text_layout(&style, reason);
	struct canvas canvas;

	text_layout_size(layout, &text_width, &text_height);
	if (canvas_begin(&canvas, text_width + 2 * margin, text_height + margin) < 0) {
		return NULL;
	}
	canvas_rounded_path(canvas.cr, 0, 0, canvas.width, canvas.height, 6 * theme->scale);
	paint_set_color(canvas.cr, 0xd9090b0fu);
	cairo_fill(canvas.cr);
	/* The layout is as wide as its limit; its lines are centred in that. */
	text_draw(canvas.cr, &style, layout, margin - (room - text_width) / 2.0, margin / 2.0);
	return canvas_end(&canvas);
}

struct sprite *paint_corner(const struct theme *theme, unsigned int corner, bool selected)
{
	int32_t radius = theme_px(theme, PICTURE_RADIUS);
	double center_x = corner == 0 || corner == 3 ? radius : 0;
	double center_y = corner < 2 ? radius : 0;
	struct canvas canvas;

	if (canvas_begin(&canvas, radius, radius) < 0) {
		return NULL;
	}
	paint_set_color(canvas.cr, card_color(selected));
	cairo_paint(canvas.cr);
	cairo_set_operator(canvas.cr, CAIRO_OPERATOR_CLEAR);
	cairo_arc(canvas.cr, center_x, center_y, radius, 0, 2 * M_PI);
	cairo_fill(canvas.cr);
	return canvas_end(&canvas);
}
