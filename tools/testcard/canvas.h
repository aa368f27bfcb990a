/* SPDX-License-Identifier: MIT */
/* Drawing into memory: rectangles, rings and text on a 32-bit XRGB picture. X is always written 0.
 */
#ifndef TESTCARD_CANVAS_H
#define TESTCARD_CANVAS_H

#include <stdint.h>

#include "sha256.h"

struct rect {
	int x, y, width, height;
};

/* stride counts pixels, not bytes. The pixels belong to whoever made the canvas. */
struct canvas {
	uint32_t *pixels;
	int stride;
	int width, height;
};

enum {
	GLYPH_WIDTH = 5,
	GLYPH_HEIGHT = 7,
	GLYPH_ADVANCE = 6,
};

/* Seven rows of five bits, the leftmost pixel in bit 4; a box for what the font lacks. */
const uint8_t *font_glyph(char c);

/* All of these clip at the canvas' edges. */
void canvas_fill(struct canvas *canvas, struct rect area, uint32_t colour);
void canvas_frame(struct canvas *canvas, struct rect area, int thickness, uint32_t colour);
void canvas_ring(struct canvas *canvas, int cx, int cy, int radius, int thickness, uint32_t colour);

/* scale: pixels per font pixel. Returns the x behind the text. */
int canvas_text(struct canvas *canvas, int x, int y, int scale, uint32_t colour, const char *text);

/* SHA-256 of the visible pixels: rows of width * 4 bytes, in hexadecimal. */
void canvas_hash(const struct canvas *canvas, char hex[SHA256_HEX_SIZE]);

#endif
