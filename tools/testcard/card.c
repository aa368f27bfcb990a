// SPDX-License-Identifier: MIT
/* Layout and drawing of the test card. All measures are in units of the canvas' height, see
 * unit_of(). */
#include "card.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	BLOCK = 8,   /* pixels, whatever the unit */
	HEADER = 32, /* the rest in units */
	LANE_LEFT = 112,
	LANE_WIDTH = 120,
	BALL = 20,
	LOG_ROW = 9,
	LOG_PANEL = 14 + CARD_LOG_LINES * LOG_ROW + 4,
};

static const uint32_t WHITE = 0xf0f0f0, INK = 0x101820, PAPER = 0x182430, DIM = 0x8aa0b4,
		      ACCENT = 0xffc040;

static int unit_of(const struct canvas *canvas)
{
	int unit = canvas->height / 360;

	return unit < 1 ? 1 : unit;
}

static struct rect header_area(const struct canvas *canvas)
{
	int unit = unit_of(canvas), width = (LANE_LEFT + LANE_WIDTH) * unit;

	return (struct rect){ 0, 0, width < canvas->width ? width : canvas->width, HEADER * unit };
}

static int log_top(const struct canvas *canvas)
{
	return canvas->height - LOG_PANEL * unit_of(canvas);
}

void card_invalidate(struct card *card)
{
	for (int i = 0; i < CARD_PAGES; i++) {
		card->pages[i].valid = false;
	}
}

void card_log(struct card *card, int kind, const char *format, ...)
{
	struct card_log *log = &card->log;
	va_list args;

	if (kind == 0 || kind != log->kind) {
		memmove(log->lines[0], log->lines[1], sizeof(log->lines) - sizeof(log->lines[0]));
	}
	log->kind = kind;
	va_start(args, format);
	vsnprintf(log->lines[CARD_LOG_LINES - 1], sizeof(log->lines[0]), format, args);
	va_end(args);
}

static void draw_bars(struct canvas *canvas, struct rect area)
{
	static const uint32_t colours[] = { 0xc0c0c0, 0xc0c000, 0x00c0c0, 0x00c000,
					    0xc000c0, 0xc00000, 0x0000c0, 0x000000 };

	for (int i = 0; i < 8; i++) {
		int left = area.width * i / 8, right = area.width * (i + 1) / 8;

		canvas_fill(canvas,
			    (struct rect){ area.x + left, area.y, right - left, area.height },
			    colours[i]);
	}
}

static void draw_ramp(struct canvas *canvas, struct rect area)
{
	for (int i = 0; i < 32; i++) {
		int left = area.width * i / 32, right = area.width * (i + 1) / 32;
		uint32_t grey = (uint32_t)(i * 255 / 31);

		canvas_fill(canvas,
			    (struct rect){ area.x + left, area.y, right - left, area.height },
			    grey << 16 | grey << 8 | grey);
	}
}

/* Lines of 1, 2 and 4 pixels, upright and lying, and a fine chequer: any scaling that is not exact
 * shows at once. */
static void draw_gratings(struct canvas *canvas, struct rect area)
{
	for (int y = area.y; y < area.y + area.height; y++) {
		uint32_t *row = canvas->pixels + (intptr_t)y * canvas->stride;

		for (int x = area.x; x < area.x + area.width; x++) {
			int field = (x - area.x) * 7 / area.width;
			int on[] = { x, x >> 1, x >> 2, x ^ y, y >> 2, y >> 1, y };

			row[x] = on[field] & 1 ? 0xffffff : 0x000000;
		}
	}
}

static void draw_name(struct card *card, struct canvas *canvas, int middle, int radius)
{
	int unit = unit_of(canvas), length = (int)strlen(card->name);
	int scale = radius * 5 / 2 / (GLYPH_ADVANCE * (length ? length : 1));
	struct rect box;

	scale = scale > 9 * unit ? 9 * unit : scale < 1 ? 1 : scale;
	box.width = (length * GLYPH_ADVANCE + 3) * scale;
	box.height = (GLYPH_HEIGHT + 4) * scale;
	box.x = (canvas->width - box.width) / 2;
	box.y = middle - box.height / 2;
	canvas_fill(canvas, box, INK);
	canvas_frame(canvas, box, unit, ACCENT);
	canvas_text(canvas, box.x + 2 * scale, box.y + 2 * scale, scale, WHITE, card->name);
}

static void draw_log_panel(struct canvas *canvas)
{
	int unit = unit_of(canvas), top = log_top(canvas);

	canvas_fill(canvas, (struct rect){ 0, top, canvas->width, canvas->height - top }, PAPER);
	canvas_fill(canvas, (struct rect){ 0, top, canvas->width, unit }, ACCENT);
	canvas_text(canvas, 6 * unit, top + 4 * unit, unit, ACCENT, "KEYS AND POINTER");
}

static void draw_title(struct canvas *canvas)
{
	struct rect header = header_area(canvas);
	int unit = unit_of(canvas), left = header.width;
	char text[32];

	canvas_fill(canvas, (struct rect){ left, 0, canvas->width - left, header.height }, PAPER);
	canvas_text(canvas, left + 8 * unit, 6 * unit, unit, DIM, "BATON TEST CARD");
	snprintf(text, sizeof(text), "%d x %d", canvas->width, canvas->height);
	canvas_text(canvas, left + 8 * unit, 18 * unit, unit, WHITE, text);
}

static void draw_background(struct card *card, struct canvas *canvas)
{
	int unit = unit_of(canvas), top = HEADER * unit, height = log_top(canvas) - top;
	int bars = height * 60 / 100, gratings = height * 20 / 100;
	int radius = (height < canvas->width ? height : canvas->width) * 46 / 100;

	draw_title(canvas);
	draw_bars(canvas, (struct rect){ 0, top, canvas->width, bars });
	draw_gratings(canvas, (struct rect){ 0, top + bars, canvas->width, gratings });
	draw_ramp(canvas, (struct rect){ 0, top + bars + gratings, canvas->width,
					 height - bars - gratings });
	canvas_ring(canvas, canvas->width / 2, top + height / 2, radius, 2 * unit, WHITE);
	draw_name(card, canvas, top + height / 2, radius);
	draw_log_panel(canvas);
	canvas_frame(canvas, (struct rect){ 1, 1, canvas->width - 2, canvas->height - 2 }, 1, 0);
	canvas_frame(canvas, (struct rect){ 0, 0, canvas->width, canvas->height }, 1, 0xffffff);
}

static void draw_clock(struct canvas *canvas)
{
	int unit = unit_of(canvas);
	struct timespec now;
	struct tm parts;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	snprintf(text, sizeof(text), "%02d:%02d:%02d.%02ld", parts.tm_hour, parts.tm_min,
		 parts.tm_sec, now.tv_nsec / 10000000);
	canvas_text(canvas, 10 * unit, 18 * unit, unit, WHITE, text);
}

/* The moving shape bounces in its lane; its place follows from the counter alone. */
static void draw_shape(struct card *card, struct canvas *canvas)
{
	int unit = unit_of(canvas), way = (LANE_WIDTH - BALL) * unit;
	int step = (int)(card->counter * 3u * (unsigned int)unit % (2u * (unsigned int)way));
	int x = LANE_LEFT * unit + (step < way ? step : 2 * way - step);
	struct rect ball = { x, 6 * unit, BALL * unit, BALL * unit };

	canvas_fill(canvas, ball, ACCENT);
	canvas_frame(canvas, ball, 2 * unit, WHITE);
}

static struct rect draw_header(struct card *card, struct canvas *canvas)
{
	struct rect area = header_area(canvas);
	int unit = unit_of(canvas);
	char text[32];

	canvas_fill(canvas, area, INK);
	snprintf(text, sizeof(text), "FRAME %08u", card->counter);
	canvas_text(canvas, 10 * unit, 6 * unit, unit, ACCENT, text);
	if (!card->is_static) {
		draw_clock(canvas);
		draw_shape(card, canvas);
	}
	canvas_fill(canvas, (struct rect){ 0, 0, area.width, 1 }, 0xffffff);
	canvas_fill(canvas, (struct rect){ 0, 0, 1, area.height }, 0xffffff);
	return area;
}

static void draw_block(struct card *card, struct canvas *canvas)
{
	canvas_fill(canvas, (struct rect){ 0, 0, BLOCK, BLOCK }, card->counter & 0xffffff);
}

/* Draws the lines that this page does not show yet. The height of the result is 0 when there is
 * none. */
static struct rect draw_log(struct card *card, struct card_page *page, struct canvas *canvas)
{
	int unit = unit_of(canvas), top = log_top(canvas) + 14 * unit;
	struct rect damage = { 0 };

	for (int i = 0; i < CARD_LOG_LINES; i++) {
		struct rect row = { 6 * unit, top + i * LOG_ROW * unit,
				    CARD_LOG_TEXT * GLYPH_ADVANCE * unit, LOG_ROW * unit };

		if (strcmp(page->lines[i], card->log.lines[i]) == 0) {
			continue;
		}
		memcpy(page->lines[i], card->log.lines[i], sizeof(page->lines[i]));
		if (row.width > canvas->width - row.x - 2) {
			row.width = canvas->width - row.x - 2;
		}
		canvas_fill(canvas, row, PAPER);
		canvas_text(canvas, row.x, row.y, unit, i == CARD_LOG_LINES - 1 ? WHITE : DIM,
			    page->lines[i]);
		if (damage.height == 0) {
			damage = row;
		}
		damage.height = row.y + row.height - damage.y;
	}
	return damage;
}

/* A slanted pattern in which every pixel differs from that of the frame before. */
static void draw_pattern(struct card *card, struct canvas *canvas, struct rect area)
{
	for (int y = area.y; y < area.y + area.height; y++) {
		uint32_t *row = canvas->pixels + (intptr_t)y * canvas->stride;
		uint32_t value = card->counter * 0x050b11 + (uint32_t)y * 0x010300;

		for (int x = area.x; x < area.x + area.width; x++) {
			row[x] = (value + (uint32_t)x * 0x000102) & 0xffffff;
		}
	}
}

static struct card_damage draw_special(struct card *card, struct canvas *canvas, struct rect area)
{
	card_invalidate(card);
	draw_pattern(card, canvas, area);
	draw_block(card, canvas);
	return (struct card_damage){ .areas = { area }, .count = 1 };
}

static struct card_damage draw_changes(struct card *card, struct card_page *page,
				       struct canvas *canvas)
{
	struct card_damage damage = { .count = 0 };
	bool whole = !page->valid;

	if (whole) {
		draw_background(card, canvas);
		memset(page->lines, 0, sizeof(page->lines));
		page->valid = true;
	}
	if (!card->is_static) {
		damage.areas[0] = draw_log(card, page, canvas);
		damage.count = damage.areas[0].height > 0;
	}
	damage.areas[damage.count++] = draw_header(card, canvas);
	draw_block(card, canvas);
	if (whole) {
		damage.areas[0] = (struct rect){ 0, 0, canvas->width, canvas->height };
		damage.count = 1;
	}
	return damage;
}

struct card_damage card_draw(struct card *card, int page, struct canvas *canvas,
			     enum card_part part)
{
	struct rect whole = { 0, 0, canvas->width, canvas->height };
	struct rect box = { 0, 0, CARD_BOX, CARD_BOX };

	switch (part) {
	case CARD_PART_FULL:
		return draw_special(card, canvas, whole);
	case CARD_PART_BOX:
		return draw_special(card, canvas, box);
	default:
		return draw_changes(card, &card->pages[page], canvas);
	}
}
