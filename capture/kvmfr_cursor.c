// SPDX-License-Identifier: MIT
/* Shapes of the pointer; see kvmfr_cursor.h. */
#include "capture/kvmfr_cursor.h"

#include <errno.h>
#include <string.h>

#define CURSOR_SIDE_MAX 512
#define BLACK 0xff000000u
#define WHITE 0xffffffffu
/* A pixel that inverts what is below; no premultiplied colour looks like this. */
#define INVERTED 0x00ffffffu

/* The shape's rows, of which each lies inside the memory. */
struct shape {
	const struct shared_memory *memory;
	uint64_t start;
	uint32_t pitch;
	uint32_t width, height; /* of the image */
};

static int read_row(const struct shape *shape, uint32_t y, void *row, size_t size)
{
	return shared_read(shape->memory, shape->start + (uint64_t)y * shape->pitch, row, size);
}

/* Colours above their alpha are not premultiplied, and would wrap when they are blended. */
static uint32_t limit_colour(uint32_t pixel)
{
	uint32_t alpha = pixel >> 24, limited = pixel & BLACK;

	for (int shift = 0; shift < 24; shift += 8) {
		uint32_t part = pixel >> shift & 0xff;

		limited |= (part < alpha ? part : alpha) << shift;
	}
	return limited;
}

static void draw_colour(const struct shape *shape, uint32_t y, uint32_t *to)
{
	if (read_row(shape, y, to, shape->width * sizeof(*to)) < 0) {
		return;
	}
	for (uint32_t x = 0; x < shape->width; x++) {
		to[x] = limit_colour(to[x]);
	}
}

static void draw_masked(const struct shape *shape, uint32_t y, uint32_t *to)
{
	if (read_row(shape, y, to, shape->width * sizeof(*to)) < 0) {
		return;
	}
	for (uint32_t x = 0; x < shape->width; x++) {
		uint32_t colour = to[x] & ~BLACK;

		/* Inverting by a colour is rare, by white the rule: a text cursor is that. */
		to[x] = !(to[x] & BLACK) ? BLACK | colour : colour ? INVERTED : 0;
	}
}

static void draw_monochrome(const struct shape *shape, uint32_t y, uint32_t *to)
{
	static const uint32_t pixels[2][2] = { { BLACK, WHITE }, { 0, INVERTED } };
	uint8_t and_row[CURSOR_SIDE_MAX / 8], xor_row[CURSOR_SIDE_MAX / 8];
	size_t size = (shape->width + 7) / 8;

	if (read_row(shape, y, and_row, size) < 0 ||
	    read_row(shape, y + shape->height, xor_row, size) < 0) {
		return;
	}
	for (uint32_t x = 0; x < shape->width; x++) {
		unsigned int shift = 7 - x % 8;

		to[x] = pixels[and_row[x / 8] >> shift & 1][xor_row[x / 8] >> shift & 1];
	}
}

static bool is_inverted(const struct cursor_image *image, uint32_t x, uint32_t y)
{
	return x < image->width && y < image->height &&
	       image->pixels[y * image->width + x] == INVERTED;
}

static bool has_inverted_neighbour(const struct cursor_image *image, uint32_t x, uint32_t y)
{
	for (uint32_t i = 0; i < 9; i++) {
		/* To the left of 0 lies a number that is no side. */
		if (is_inverted(image, x + i % 3 - 1, y + i / 3 - 1)) {
			return true;
		}
	}
	return false;
}

/* Seen on every ground: black, and white around it where the image is transparent. */
static void replace_inverted(struct cursor_image *image)
{
	uint32_t *pixels = image->pixels;

	for (uint32_t i = 0; i < image->width * image->height; i++) {
		if (pixels[i] == 0 &&
		    has_inverted_neighbour(image, i % image->width, i / image->width)) {
			pixels[i] = WHITE;
		}
	}
	for (uint32_t i = 0; i < image->width * image->height; i++) {
		pixels[i] = pixels[i] == INVERTED ? BLACK : pixels[i];
	}
}

static int32_t clamp_hot(int8_t hot, uint32_t side)
{
	return hot < 0 ? 0 : (uint32_t)hot >= side ? (int32_t)side - 1 : hot;
}

static struct cursor_image *draw_image(const struct shape *shape, const struct kvmfr_cursor *cursor)
{
	struct cursor_image *image = cursor_image_create(shape->width, shape->height);

	if (!image) {
		return NULL;
	}
	image->hot_x = clamp_hot(cursor->hot_x, shape->width);
	image->hot_y = clamp_hot(cursor->hot_y, shape->height);
	for (uint32_t y = 0; y < shape->height; y++) {
		uint32_t *to = image->pixels + (size_t)y * shape->width;

		if (cursor->type == KVMFR_CURSOR_COLOUR) {
			draw_colour(shape, y, to);
		} else if (cursor->type == KVMFR_CURSOR_MASKED) {
			draw_masked(shape, y, to);
		} else {
			draw_monochrome(shape, y, to);
		}
	}
	replace_inverted(image);
	return image;
}

static bool is_sound(const struct kvmfr_cursor *cursor, uint32_t payload_size)
{
	bool mono = cursor->type == KVMFR_CURSOR_MONOCHROME;
	uint32_t height = mono ? cursor->height / 2 : cursor->height;
	uint32_t row = mono ? (cursor->width + 7) / 8 : cursor->width * 4;

	return cursor->type <= KVMFR_CURSOR_MASKED && cursor->width >= 1 &&
	       cursor->width <= CURSOR_SIDE_MAX && height >= 1 && height <= CURSOR_SIDE_MAX &&
	       cursor->pitch >= row &&
	       (uint64_t)cursor->pitch * cursor->height <= payload_size - sizeof(*cursor);
}

int kvmfr_cursor_read(const struct shared_memory *memory, const struct lgmp_received *message,
		      struct kvmfr_cursor *cursor, struct cursor_image **image)
{
	struct shape shape = { .memory = memory,
			       .start = (uint64_t)message->offset + sizeof(*cursor) };

	*image = NULL;
	if (message->size < sizeof(*cursor) ||
	    shared_read(memory, message->offset, cursor, sizeof(*cursor)) < 0) {
		return -EBADMSG;
	}
	if (!(message->user_data & KVMFR_CURSOR_SHAPE)) {
		return 0;
	}
	if (!is_sound(cursor, message->size)) {
		return -EBADMSG;
	}
	shape.pitch = cursor->pitch;
	shape.width = cursor->width;
	shape.height =
		cursor->type == KVMFR_CURSOR_MONOCHROME ? cursor->height / 2 : cursor->height;
	*image = draw_image(&shape, cursor);
	return *image ? 0 : -ENOMEM;
}
