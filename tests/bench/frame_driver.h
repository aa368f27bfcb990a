/* SPDX-License-Identifier: MIT */
/*
 * The measurement that all viewers share: tells the test guest to draw one frame after random
 * gaps, stamps the guest's word "drawn N", which it says directly before it tells its kernel, and
 * asks the viewer when that frame's pixels were in hand.
 */
#ifndef BENCH_FRAME_DRIVER_H
#define BENCH_FRAME_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

struct frame_shown {
	uint64_t ns;      /* CLOCK_MONOTONIC when all pixels of the frame were there */
	uint64_t wait_ns; /* from then to the next vblank; 0 where a viewer has none */
	uint64_t bytes;   /* written into the picture for it; 0 where a viewer does not count */
};

struct frame_viewer {
	/* Fills in *shown and returns true when frame N was complete; called over and over. */
	bool (*shown)(void *data, uint32_t marker, struct frame_shown *shown);
	void *data;
};

struct frame_options {
	const char *target;  /* socket of the seat's API or of QEMU's display server */
	const char *console; /* socket of the guest's console */
	bool full;           /* "draw full", else "draw box" */
	unsigned int frames;
	unsigned int seed;
};

/* TARGET CONSOLE full|box FRAMES SEED; false after saying how it is meant. */
bool frame_options_parse(struct frame_options *options, int argc, char **argv);

/* The pixel that is drawn last by the command: the lower right one of what it changes. */
void frame_last_pixel(const struct frame_options *options, uint32_t width, uint32_t height,
		      uint32_t *x, uint32_t *y);

/*
 * Runs all frames on the calling thread. Prints "echo NS" (a question to the guest and its answer,
 * the median) and a line "frame PATH_NS WAIT_NS BYTES" for each. 0 or -errno, said on stderr.
 */
int frame_drive(const struct frame_options *options, const struct frame_viewer *viewer);

#endif
