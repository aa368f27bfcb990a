// SPDX-License-Identifier: MIT
/* Drawing primitives. Everything that touches pixels ends in canvas_fill() or canvas_ring(). */
#include "canvas.h"

static int clamp(int value, int low, int high)
{
	return value < low ? low : value > high ? high : value;
}

void canvas_fill(struct canvas *canvas, struct rect area, uint32_t colour)
{
	int left = clamp(area.x, 0, canvas->width);
	int right = clamp(area.x + area.width, left, canvas->width);
	int top = clamp(area.y, 0, canvas->height);
	int bottom = clamp(area.y + area.height, top, canvas->height);

	for (int y = top; y < bottom; y++) {
		uint32_t *row = canvas->pixels + (intptr_t)y * canvas->stride;

		for (int x = left; x < right; x++) {
			row[x] = colour;
		}
	}
}

void canvas_frame(struct canvas *canvas, struct rect area, int thickness, uint32_t colour)
{
	struct rect side = area;

	side.height = thickness;
	canvas_fill(canvas, side, colour);
	side.y = area.y + area.height - thickness;
	canvas_fill(canvas, side, colour);
	side = area;
	side.width = thickness;
	canvas_fill(canvas, side, colour);
	side.x = area.x + area.width - thickness;
	canvas_fill(canvas, side, colour);
}

void canvas_ring(struct canvas *canvas, int cx, int cy, int radius, int thickness, uint32_t colour)
{
	int inner = (radius - thickness) * (radius - thickness);
	int outer = radius * radius;

	for (int dy = -radius; dy <= radius; dy++) {
		for (int dx = -radius; dx <= radius; dx++) {
			int distance = dx * dx + dy * dy;

			if (distance >= inner && distance <= outer) {
				canvas_fill(canvas, (struct rect){ cx + dx, cy + dy, 1, 1 },
					    colour);
			}
		}
	}
}

static void glyph_draw(struct canvas *canvas, int x, int y, int scale, uint32_t colour, char c)
{
	const uint8_t *rows = font_glyph(c);

	for (int row = 0; row < GLYPH_HEIGHT; row++) {
		for (int column = 0; column < GLYPH_WIDTH; column++) {
			if (rows[row] & (0x10 >> column)) {
				canvas_fill(canvas,
					    (struct rect){ x + column * scale, y + row * scale,
							   scale, scale },
					    colour);
			}
		}
	}
}

int canvas_text(struct canvas *canvas, int x, int y, int scale, uint32_t colour, const char *text)
{
	for (; *text; text++) {
		glyph_draw(canvas, x, y, scale, colour, *text);
		x += GLYPH_ADVANCE * scale;
	}
	return x;
}

void canvas_hash(const struct canvas *canvas, char hex[SHA256_HEX_SIZE])
{
	struct sha256 hash;

	sha256_init(&hash);
	for (int y = 0; y < canvas->height; y++) {
		sha256_add(&hash, canvas->pixels + (intptr_t)y * canvas->stride,
			   (size_t)canvas->width * 4);
	}
	sha256_end(&hash, hex);
}
