// SPDX-License-Identifier: MIT
/* Draws lines, panels and the pointer; see paint.h. The cards are in paint_card.c. */
#include "compositor/scene/paint.h"

#include <math.h>
#include <string.h>

#include "compositor/scene/canvas.h"
#include "compositor/scene/text.h"

#define LINE_SIZE 17
#define KEYS_SIZE 13.5
#define HELP_SIZE 15
#define HELP_LINES_MAX 40

void paint_set_color(cairo_t *cr, uint32_t color)
{
	cairo_set_source_rgba(cr, ((color >> 16) & 0xff) / 255.0, ((color >> 8) & 0xff) / 255.0,
			      (color & 0xff) / 255.0, (color >> 24) / 255.0);
}

/* A triangle with an exclamation mark, size pixels high. */
static void draw_warning_sign(cairo_t *cr, double x, double y, double size)
{
	double middle = x + size / 2;

	paint_set_color(cr, THEME_WARNING);
	cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
	cairo_set_line_width(cr, size * 0.12);
	cairo_move_to(cr, middle, y + size * 0.1);
	cairo_line_to(cr, x + size * 0.95, y + size * 0.9);
	cairo_line_to(cr, x + size * 0.05, y + size * 0.9);
	cairo_close_path(cr);
	cairo_stroke_preserve(cr);
	cairo_fill(cr);
	paint_set_color(cr, THEME_DESK);
	cairo_rectangle(cr, middle - size * 0.06, y + size * 0.35, size * 0.12, size * 0.27);
	cairo_rectangle(cr, middle - size * 0.06, y + size * 0.7, size * 0.12, size * 0.12);
	cairo_fill(cr);
}

void paint_warm_up(const struct theme *theme)
{
	text_warm_up(LINE_SIZE * theme->scale);
}

struct sprite *paint_line(const struct theme *theme, const char *text, bool warning, int32_t width)
{
	int32_t pad_x = theme_px(theme, 20), pad_y = theme_px(theme, 11);
	int32_t sign = warning ? theme_px(theme, LINE_SIZE + 12) : 0, text_width, text_height;
	struct text_style style = { .size = LINE_SIZE * theme->scale,
				    .color = THEME_TEXT,
				    .bold = !warning,
				    .width = width - 2 * pad_x - sign };
	_cleanup_layout_ PangoLayout *layout = text_layout(&style, text);
	struct canvas canvas;

	text_layout_size(layout, &text_width, &text_height);
	if (canvas_begin(&canvas, text_width + sign + 2 * pad_x, text_height + 2 * pad_y) < 0) {
		return NULL;
	}
	canvas_panel(&canvas, theme, canvas.height / 2.0);
	if (warning) {
		draw_warning_sign(canvas.cr, pad_x, (canvas.height - LINE_SIZE * theme->scale) / 2,
				  LINE_SIZE * theme->scale);
	}
	text_draw(canvas.cr, &style, layout, pad_x + sign, pad_y);
	return canvas_end(&canvas);
}

/* One key as a cap, or only its size when cr is NULL. Returns its width. */
static int32_t draw_key_cap(cairo_t *cr, const struct theme *theme, double size, const char *key,
			    double x, double y, int32_t height)
{
	struct text_style style = { .size = size * theme->scale, .color = THEME_TEXT };
	_cleanup_layout_ PangoLayout *layout = text_layout(&style, key);
	int32_t text_width, text_height, pad = theme_px(theme, 8), width;

	text_layout_size(layout, &text_width, &text_height);
	width = text_width + 2 * pad < height ? height : text_width + 2 * pad;
	if (cr) {
		canvas_rounded_path(cr, x + 0.5, y + 0.5, width - 1, height - 1, 5 * theme->scale);
		paint_set_color(cr, THEME_LINE);
		cairo_fill(cr);
		text_draw(cr, &style, layout, x + (width - text_width) / 2.0,
			  y + (height - text_height) / 2.0);
	}
	return width;
}

/* "Right Ctrl + 1…9" as caps with plus signs between them. Returns the width. */
static int32_t draw_key_caps(cairo_t *cr, const struct theme *theme, double size, const char *keys,
			     double x, double y, int32_t height)
{
	struct text_style style = { .size = size * theme->scale, .color = THEME_TEXT_SOFT };
	_cleanup_free_ char *copy = strdup(keys);
	int32_t at = 0;

	for (char *key = copy; key;) {
		char *plus = strstr(key, " + ");

		if (plus) {
			*plus = '\0';
		}
		at += draw_key_cap(cr, theme, size, key, x + at, y, height);
		if (plus) {
			_cleanup_layout_ PangoLayout *layout = text_layout(&style, "+");
			int32_t width, text_height, gap = theme_px(theme, 5);

			text_layout_size(layout, &width, &text_height);
			if (cr) {
				text_draw(cr, &style, layout, x + at + gap,
					  y + (height - text_height) / 2.0);
			}
			at += width + 2 * gap;
		}
		key = plus ? plus + 3 : NULL;
	}
	return at;
}

struct sprite *paint_switcher_header(const struct theme *theme, const char *filter,
				     unsigned int shown, unsigned int all, int32_t width)
{
	bool filtered = filter && filter[0];
	struct text_style title = {
		.size = 22 * theme->scale, .color = THEME_TEXT, .bold = true, .width = width * 3 / 4
	};
	struct text_style soft = { .size = 15 * theme->scale, .color = THEME_TEXT_SOFT };
	_cleanup_layout_ PangoLayout *left = text_layout(&title, filtered ? filter : "Guests");
	_cleanup_layout_ PangoLayout *right = NULL;
	int32_t text_width, text_height, count_width, count_height;
	struct canvas canvas;
	char count[64];

	if (filtered) {
		snprintf(count, sizeof(count), "%u of %u", shown, all);
	} else {
		snprintf(count, sizeof(count), all == 1 ? "%u guest" : "%u guests", all);
	}
	right = text_layout(&soft, count);
	text_layout_size(left, &text_width, &text_height);
	text_layout_size(right, &count_width, &count_height);
	if (canvas_begin(&canvas, width, theme_px(theme, 40)) < 0) {
		return NULL;
	}
	text_draw(canvas.cr, &title, left, 0, (canvas.height - text_height) / 2.0);
	text_draw(canvas.cr, &soft, right, width - count_width,
		  (canvas.height - count_height) / 2.0);
	if (filtered) {
		/* What is typed looks like a field: a caret behind it, a line below. */
		paint_set_color(canvas.cr, THEME_ACCENT);
		cairo_rectangle(canvas.cr, text_width + theme_px(theme, 3),
				(canvas.height - text_height) / 2.0, theme_px(theme, 2),
				text_height);
		cairo_rectangle(canvas.cr, 0, canvas.height - theme_px(theme, 2),
				text_width + theme_px(theme, 24), theme_px(theme, 2));
		cairo_fill(canvas.cr);
	}
	return canvas_end(&canvas);
}

static const struct {
	const char *key, *meaning;
} switcher_keys[] = {
	{ "\u2190 \u2191 \u2192 \u2193", "choose" }, { "Enter", "show" }, { "1 \u2026 9", "slot" },
	{ "a \u2026 z", "filter by name" },          { "Esc", "back" },
};

/* Draws all hints from x on, or measures them when cr is NULL. Returns the width. */
static int32_t draw_hints(cairo_t *cr, const struct theme *theme, int32_t x, int32_t height)
{
	struct text_style style = { .size = KEYS_SIZE * theme->scale, .color = THEME_TEXT_SOFT };
	int32_t at = 0;

	for (size_t i = 0; i < sizeof(switcher_keys) / sizeof(switcher_keys[0]); i++) {
		_cleanup_layout_ PangoLayout *layout =
			text_layout(&style, switcher_keys[i].meaning);
		int32_t width, text_height;

		at += i > 0 ? theme_px(theme, 24) : 0;
		at += draw_key_cap(cr, theme, KEYS_SIZE, switcher_keys[i].key, x + at, 0, height);
		at += theme_px(theme, 8);
		text_layout_size(layout, &width, &text_height);
		if (cr) {
			text_draw(cr, &style, layout, x + at, (height - text_height) / 2.0);
		}
		at += width;
	}
	return at;
}

struct sprite *paint_switcher_keys(const struct theme *theme, int32_t width)
{
	int32_t height = theme_px(theme, 27), used = draw_hints(NULL, theme, 0, height);
	struct canvas canvas;

	if (canvas_begin(&canvas, width, height) < 0) {
		return NULL;
	}
	draw_hints(canvas.cr, theme, used < width ? (width - used) / 2 : 0, height);
	return canvas_end(&canvas);
}

/* One line of the help table, cut at its tab. */
struct help_line {
	char *keys, *meaning;
};

static unsigned int split_help(char *text, struct help_line *lines)
{
	unsigned int count = 0;
	char *saved = NULL;

	for (char *line = strtok_r(text, "\n", &saved); line && count < HELP_LINES_MAX;
	     line = strtok_r(NULL, "\n", &saved)) {
		char *tab = strchr(line, '\t');

		if (tab) {
			*tab = '\0';
		}
		lines[count++] = (struct help_line){ line, tab ? tab + 1 : line + strlen(line) };
	}
	return count;
}

struct help_metrics {
	int32_t row, cap, margin, gap, title;
	int32_t keys_width, meaning_width;
};

static void measure_help(const struct theme *theme, const struct text_style *style,
			 const struct help_line *lines, unsigned int count, struct help_metrics *m)
{
	*m = (struct help_metrics){ .row = theme_px(theme, 36),
				    .cap = theme_px(theme, 27),
				    .margin = theme_px(theme, 28),
				    .gap = theme_px(theme, 24),
				    .title = theme_px(theme, 44) };
	for (unsigned int i = 0; i < count; i++) {
		_cleanup_layout_ PangoLayout *layout = text_layout(style, lines[i].meaning);
		int32_t keys =
			draw_key_caps(NULL, theme, HELP_SIZE - 1, lines[i].keys, 0, 0, m->cap);
		int32_t width, height;

		text_layout_size(layout, &width, &height);
		m->keys_width = keys > m->keys_width ? keys : m->keys_width;
		m->meaning_width = width > m->meaning_width ? width : m->meaning_width;
	}
}

static void draw_help(cairo_t *cr, const struct theme *theme, const struct text_style *style,
		      const struct help_line *lines, unsigned int count,
		      const struct help_metrics *m)
{
	struct text_style title = { .size = 19 * theme->scale, .color = THEME_TEXT, .bold = true };
	_cleanup_layout_ PangoLayout *heading = text_layout(&title, "Keys");

	text_draw(cr, &title, heading, m->margin, m->margin);
	for (unsigned int i = 0; i < count; i++) {
		_cleanup_layout_ PangoLayout *layout = text_layout(style, lines[i].meaning);
		double y = m->margin + m->title + (double)i * m->row;
		int32_t width, height;

		text_layout_size(layout, &width, &height);
		draw_key_caps(cr, theme, HELP_SIZE - 1, lines[i].keys, m->margin,
			      y + (m->row - m->cap) / 2.0, m->cap);
		text_draw(cr, style, layout, m->margin + m->keys_width + m->gap,
			  y + (m->row - height) / 2.0);
	}
}

struct sprite *paint_help(const struct theme *theme, const char *text, int32_t width,
			  int32_t height)
{
	_cleanup_free_ char *copy = strdup(text);
	struct help_line lines[HELP_LINES_MAX];
	struct theme fitted = *theme;
	struct text_style style;
	struct help_metrics m;
	struct canvas canvas;
	unsigned int count;
	int32_t panel_width, panel_height;

	if (!copy) {
		return NULL;
	}
	count = split_help(copy, lines);
	/* A table that does not fit is drawn smaller, not cut. */
	for (int tries = 0; tries < 6; tries++, fitted.scale *= 0.85) {
		style = (struct text_style){ .size = HELP_SIZE * fitted.scale,
					     .color = THEME_TEXT };
		measure_help(&fitted, &style, lines, count, &m);
		panel_width = 2 * m.margin + m.keys_width + m.gap + m.meaning_width;
		panel_height = 2 * m.margin + m.title + (int32_t)count * m.row;
		if (panel_width <= width && panel_height <= height) {
			break;
		}
	}
	if (canvas_begin(&canvas, panel_width < width ? panel_width : width,
			 panel_height < height ? panel_height : height) < 0) {
		return NULL;
	}
	canvas_panel(&canvas, &fitted, 14 * fitted.scale);
	draw_help(canvas.cr, &fitted, &style, lines, count, &m);
	return canvas_end(&canvas);
}

struct sprite *paint_desk(const struct theme *theme, const char *title, const char *line,
			  int32_t width)
{
	struct text_style large = { .size = 26 * theme->scale,
				    .color = THEME_TEXT,
				    .bold = true,
				    .centred = true,
				    .width = width };
	struct text_style small = { .size = 16 * theme->scale,
				    .color = THEME_TEXT_SOFT,
				    .centred = true,
				    .width = width,
				    .lines = 4 };
	_cleanup_layout_ PangoLayout *top = text_layout(&large, title);
	_cleanup_layout_ PangoLayout *bottom = text_layout(&small, line);
	int32_t ignored, top_height, bottom_height, gap = theme_px(theme, 14);
	struct canvas canvas;

	text_layout_size(top, &ignored, &top_height);
	text_layout_size(bottom, &ignored, &bottom_height);
	if (canvas_begin(&canvas, width, top_height + gap + bottom_height) < 0) {
		return NULL;
	}
	text_draw(canvas.cr, &large, top, 0, 0);
	text_draw(canvas.cr, &small, bottom, 0, top_height + gap);
	return canvas_end(&canvas);
}

/* Corners of the arrow on a grid of 16 by 24, the tip at 1, 1. */
static const double pointer_corners[][2] = {
	{ 1, 1 }, { 1, 18 }, { 5.2, 14.2 }, { 8.2, 21 }, { 11, 19.8 }, { 8, 13.2 }, { 13.5, 13.2 },
};

struct cursor_image *paint_pointer(const struct theme *theme)
{
	uint32_t width = (uint32_t)ceil(16 * theme->scale);
	uint32_t height = (uint32_t)ceil(24 * theme->scale);
	struct cursor_image *image = cursor_image_create(width, height);
	struct sprite *sprite;
	struct canvas canvas;

	if (!image || canvas_begin(&canvas, (int32_t)width, (int32_t)height) < 0) {
		cursor_image_unlock(image);
		return NULL;
	}
	cairo_scale(canvas.cr, theme->scale, theme->scale);
	for (size_t i = 0; i < sizeof(pointer_corners) / sizeof(pointer_corners[0]); i++) {
		cairo_line_to(canvas.cr, pointer_corners[i][0], pointer_corners[i][1]);
	}
	cairo_close_path(canvas.cr);
	cairo_set_line_join(canvas.cr, CAIRO_LINE_JOIN_ROUND);
	paint_set_color(canvas.cr, 0xff000000u);
	cairo_set_line_width(canvas.cr, 2);
	cairo_stroke_preserve(canvas.cr);
	paint_set_color(canvas.cr, 0xffffffffu);
	cairo_fill(canvas.cr);
	sprite = canvas_end(&canvas);
	if (!sprite) {
		cursor_image_unlock(image);
		return NULL;
	}
	memcpy(image->pixels, sprite->pixels, (size_t)width * height * sizeof(uint32_t));
	image->hot_x = image->hot_y = (int32_t)theme->scale;
	sprite_unlock(sprite);
	return image;
}
