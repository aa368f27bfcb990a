/* SPDX-License-Identifier: MIT */
/*
 * What a headless seat shows, read from the memory that it exports, and what the test guest drew
 * there: its frame counter is the colour of the upper left pixel.
 */
#ifndef BENCH_SCREEN_H
#define BENCH_SCREEN_H

#include <stddef.h>
#include <stdint.h>

#include "compositor/headless_export.h"

/* What a test guest counts its frames from (testcard.first=): who drew a frame shows in it. */
#define MARKER_SLOT_SHIFT 20
#define MARKER_FRAMES ((1u << MARKER_SLOT_SHIFT) - 1)

struct screen {
	const struct headless_export *memory;
	size_t size;
	uint64_t interval_ns;
};

/* One whole picture: nothing of it was being written while it was read. */
struct screen_sample {
	uint32_t marker;
	uint32_t corner;     /* the pixel that was asked for beside it */
	uint64_t written_ns; /* when the picture was complete */
	uint64_t bytes_written;
};

/* Maps the memory; does not take the descriptor. 0 or -errno. */
int screen_open(struct screen *screen, int fd);

/* Reads the marker and the pixel at x, y. Waits while a picture is being written. */
void screen_read(const struct screen *screen, uint32_t x, uint32_t y, struct screen_sample *sample);

/* The colour that the test guest's commands "draw full" and "draw box" give the pixel x, y. */
uint32_t pattern_pixel(uint32_t counter, uint32_t x, uint32_t y);

#endif
