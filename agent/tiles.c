// SPDX-License-Identifier: MIT
/* Comparison by tiles; see tiles.h. */
#include "agent/tiles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of a row: what a graphics card wants that shows the memory itself. */
#define PITCH_ALIGNMENT 256u

/* A tile has a byte, of these bits. */
#define CHANGED 0x1u                     /* since the last picture was written */
#define STALE(buffer) (0x2u << (buffer)) /* in that buffer it is older than our copy */
#define STALE_ALL (STALE(TILE_BUFFERS) - STALE(0))

struct tiles {
	uint32_t width, height, bytes;
	uint32_t pitch;
	uint32_t columns, rows; /* tiles */
	uint8_t *copy;          /* height * pitch */
	uint8_t *row;           /* pitch: one row, on its way */
	uint8_t *states;        /* rows * columns */
	const uint8_t *buffers[TILE_BUFFERS];
};

int tiles_create(uint32_t width, uint32_t height, uint32_t bytes, struct tiles **out)
{
	_cleanup_(tiles_destroy_ptr) struct tiles *tiles = calloc(1, sizeof(*tiles));

	if (!tiles) {
		return -ENOMEM;
	}
	tiles->width = width;
	tiles->height = height;
	tiles->bytes = bytes;
	tiles->pitch = (width * bytes + PITCH_ALIGNMENT - 1) / PITCH_ALIGNMENT * PITCH_ALIGNMENT;
	tiles->columns = (width + TILE_SIZE - 1) / TILE_SIZE;
	tiles->rows = (height + TILE_SIZE - 1) / TILE_SIZE;
	tiles->copy = calloc(height, tiles->pitch);
	tiles->row = calloc(1, tiles->pitch);
	tiles->states = malloc((size_t)tiles->rows * tiles->columns);
	if (!tiles->copy || !tiles->row || !tiles->states) {
		return -ENOMEM;
	}
	tiles_forget(tiles);
	*out = take_ptr(tiles);
	return 0;
}

void tiles_destroy(struct tiles *tiles)
{
	if (tiles) {
		free(tiles->copy);
		free(tiles->row);
		free(tiles->states);
		free(tiles);
	}
}

uint32_t tiles_pitch(const struct tiles *tiles)
{
	return tiles->pitch;
}

void tiles_forget(struct tiles *tiles)
{
	memset(tiles->states, CHANGED | STALE_ALL, (size_t)tiles->rows * tiles->columns);
	memset(tiles->buffers, 0, sizeof(tiles->buffers));
}

/* ---- reading ---- */

/* A part of a register of any processor; anywhere in memory. */
typedef uint64_t block __attribute__((vector_size(16), aligned(1), may_alias));
#define BLOCKS 4u /* at once */

/*
 * Takes pixels over, and says whether they differed. In one pass, since both the card's memory and
 * ours are read, and ours is written: comparing first and copying then would touch them once more,
 * and copying the row first twice more.
 */
static bool take(uint8_t *to, const uint8_t *from, uint32_t size)
{
	block differs = { 0 };
	uint32_t at = 0;
	bool rest;

	for (; at + BLOCKS * sizeof(block) <= size; at += BLOCKS * sizeof(block)) {
		const block *new = (const block *)(from + at);
		block *old = (block *)(to + at);
		block a = new[0], b = new[1], c = new[2], d = new[3];

		differs |= (a ^ old[0]) | (b ^ old[1]) | (c ^ old[2]) | (d ^ old[3]);
		old[0] = a;
		old[1] = b;
		old[2] = c;
		old[3] = d;
	}
	rest = at < size && memcmp(to + at, from + at, size - at) != 0;
	if (rest) {
		memcpy(to + at, from + at, size - at);
	}
	return rest || (differs[0] | differs[1]) != 0;
}

/* Takes one row of pixels over, as it is to be written. */
static void take_row(struct tiles *tiles, uint32_t y, const uint8_t *from)
{
	uint8_t *copy = tiles->copy + (size_t)y * tiles->pitch;
	uint8_t *states = tiles->states + (size_t)(y / TILE_SIZE) * tiles->columns;
	uint32_t step = TILE_SIZE * tiles->bytes, end = tiles->width * tiles->bytes;

	for (uint32_t at = 0, i = 0; at < end; at += step, i++) {
		if (take(copy + at, from + at, end - at < step ? end - at : step)) {
			states[i] = CHANGED | STALE_ALL;
		}
	}
}

bool tiles_read(struct tiles *tiles, const uint8_t *pixels, uint32_t pitch,
		const struct pixel_format *format)
{
	for (uint32_t y = 0; y < tiles->height; y++) {
		const uint8_t *from = pixels + (size_t)y * pitch;

		if (!format->plain) {
			format->row(tiles->row, from, tiles->width);
			from = tiles->row;
		}
		take_row(tiles, y, from);
	}
	for (size_t i = 0; i < (size_t)tiles->rows * tiles->columns; i++) {
		if (tiles->states[i] & CHANGED) {
			return true;
		}
	}
	return false;
}

/* ---- damage ---- */

/* The next run of tiles in a row that have one of these bits, from *column on; its length or 0. */
static uint32_t run_find(const struct tiles *tiles, uint32_t row, uint8_t bits, uint32_t *column)
{
	const uint8_t *states = tiles->states + (size_t)row * tiles->columns;
	uint32_t length = 0;

	while (*column < tiles->columns && !(states[*column] & bits)) {
		(*column)++;
	}
	while (*column + length < tiles->columns && (states[*column + length] & bits)) {
		length++;
	}
	return length;
}

/* In tiles at first. Runs of the same columns in neighbouring rows become one. */
static bool rect_add(struct kvmfr_rect rects[KVMFR_DAMAGE_MAX], unsigned int *count,
		     struct kvmfr_rect rect)
{
	for (unsigned int i = 0; i < *count; i++) {
		if (rects[i].x == rect.x && rects[i].width == rect.width &&
		    rects[i].y + rects[i].height == rect.y) {
			rects[i].height += rect.height;
			return true;
		}
	}
	if (*count == KVMFR_DAMAGE_MAX) {
		return false;
	}
	rects[(*count)++] = rect;
	return true;
}

static bool rects_collect(const struct tiles *tiles, struct kvmfr_rect rects[KVMFR_DAMAGE_MAX],
			  unsigned int *count)
{
	*count = 0;
	for (uint32_t row = 0; row < tiles->rows; row++) {
		uint32_t column = 0, length;

		while ((length = run_find(tiles, row, CHANGED, &column)) > 0) {
			if (!rect_add(rects, count,
				      (struct kvmfr_rect){ column, row, length, 1 })) {
				return false;
			}
			column += length;
		}
	}
	return true;
}

/* One that holds all; for pictures in which more has changed than can be told. */
static struct kvmfr_rect rect_around(const struct tiles *tiles)
{
	uint32_t left = tiles->columns, right = 0, top = tiles->rows, bottom = 0;

	for (uint32_t row = 0; row < tiles->rows; row++) {
		for (uint32_t column = 0; column < tiles->columns; column++) {
			if (tiles->states[(size_t)row * tiles->columns + column] & CHANGED) {
				left = column < left ? column : left;
				right = column >= right ? column + 1 : right;
				top = row < top ? row : top;
				bottom = row + 1;
			}
		}
	}
	return (struct kvmfr_rect){ left, top, right - left, bottom - top };
}

static void rect_to_pixels(const struct tiles *tiles, struct kvmfr_rect *rect)
{
	uint32_t right = (rect->x + rect->width) * TILE_SIZE;
	uint32_t bottom = (rect->y + rect->height) * TILE_SIZE;

	rect->x *= TILE_SIZE;
	rect->y *= TILE_SIZE;
	rect->width = (right > tiles->width ? tiles->width : right) - rect->x;
	rect->height = (bottom > tiles->height ? tiles->height : bottom) - rect->y;
}

unsigned int tiles_damage(const struct tiles *tiles, struct kvmfr_rect rects[KVMFR_DAMAGE_MAX])
{
	unsigned int count;

	if (!rects_collect(tiles, rects, &count)) {
		rects[0] = rect_around(tiles);
		count = 1;
	}
	for (unsigned int i = 0; i < count; i++) {
		rect_to_pixels(tiles, &rects[i]);
	}
	return count;
}

/* ---- writing ---- */

/* Which buffer this is. One that is new takes the place of one that is unknown or was forgotten. */
static unsigned int buffer_index(struct tiles *tiles, const uint8_t *buffer)
{
	for (unsigned int i = 0; i < TILE_BUFFERS; i++) {
		if (tiles->buffers[i] == buffer) {
			return i;
		}
	}
	for (unsigned int i = 0; i < TILE_BUFFERS; i++) {
		if (!tiles->buffers[i]) {
			tiles->buffers[i] = buffer;
			return i;
		}
	}
	tiles_forget(tiles);
	tiles->buffers[0] = buffer;
	return 0;
}

static size_t tile_bytes(const struct tiles *tiles, uint32_t row, uint32_t column, uint32_t height)
{
	struct kvmfr_rect rect = { column, row, 1, 1 };

	rect_to_pixels(tiles, &rect);
	if (rect.y >= height) {
		return 0;
	}
	return (size_t)rect.width * tiles->bytes *
	       (rect.height < height - rect.y ? rect.height : height - rect.y);
}

static size_t bytes_of(const struct tiles *tiles, uint8_t bits, uint32_t height)
{
	size_t bytes = 0;

	for (uint32_t row = 0; row < tiles->rows; row++) {
		for (uint32_t column = 0; column < tiles->columns; column++) {
			if (tiles->states[(size_t)row * tiles->columns + column] & bits) {
				bytes += tile_bytes(tiles, row, column, height);
			}
		}
	}
	return bytes;
}

size_t tiles_changed(const struct tiles *tiles, uint32_t height)
{
	return bytes_of(tiles, CHANGED, height);
}

size_t tiles_lacking(const struct tiles *tiles, const uint8_t *buffer, uint32_t height)
{
	for (unsigned int i = 0; i < TILE_BUFFERS; i++) {
		if (tiles->buffers[i] == buffer) {
			return bytes_of(tiles, STALE(i), height);
		}
	}
	return (size_t)tiles->width * tiles->bytes *
	       (height < tiles->height ? height : tiles->height);
}

static size_t write_run(const struct tiles *tiles, uint8_t *buffer, uint32_t row, uint32_t column,
			uint32_t length, uint32_t height)
{
	struct kvmfr_rect rect = { column, row, length, 1 };
	size_t written = 0;

	rect_to_pixels(tiles, &rect);
	for (uint32_t y = rect.y; y < rect.y + rect.height && y < height; y++) {
		size_t at = (size_t)y * tiles->pitch + (size_t)rect.x * tiles->bytes;

		memcpy(buffer + at, tiles->copy + at, (size_t)rect.width * tiles->bytes);
		written += (size_t)rect.width * tiles->bytes;
	}
	return written;
}

size_t tiles_write(struct tiles *tiles, uint8_t *buffer, uint32_t height)
{
	uint8_t stale = STALE(buffer_index(tiles, buffer));
	size_t written = 0;

	for (uint32_t row = 0; row < tiles->rows; row++) {
		uint32_t column = 0, length;

		while ((length = run_find(tiles, row, stale, &column)) > 0) {
			written += write_run(tiles, buffer, row, column, length, height);
			column += length;
		}
	}
	for (size_t i = 0; i < (size_t)tiles->rows * tiles->columns; i++) {
		tiles->states[i] &= (uint8_t) ~(CHANGED | stale);
	}
	return written;
}
