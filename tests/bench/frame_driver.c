// SPDX-License-Identifier: MIT
/* See frame_driver.h. */
#include "tests/bench/frame_driver.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/bench/console.h"
#include "tests/bench/vblank.h"

#define ECHOES 30
#define FRAME_DEADLINE_NS (5 * NSEC_PER_SEC)
/* Longer than two refresh intervals: every frame comes after a rest, so what is measured is the
 * way of a frame and not the pace of a stream. */
#define GAP_MIN_NS (50 * NSEC_PER_MSEC)
#define GAP_SPREAD_NS (100 * NSEC_PER_MSEC)
#define LOOK_AGAIN_NS (200 * NSEC_PER_USEC)
#define BOX 64 /* pixels of "draw box" */

bool frame_options_parse(struct frame_options *options, int argc, char **argv)
{
	if (argc != 6 || (strcmp(argv[3], "full") != 0 && strcmp(argv[3], "box") != 0)) {
		fprintf(stderr, "usage: %s TARGET CONSOLE full|box FRAMES SEED\n", argv[0]);
		return false;
	}
	*options = (struct frame_options){
		.target = argv[1],
		.console = argv[2],
		.full = strcmp(argv[3], "full") == 0,
		.frames = (unsigned int)strtoul(argv[4], NULL, 10),
		.seed = (unsigned int)strtoul(argv[5], NULL, 10),
	};
	return true;
}

void frame_last_pixel(const struct frame_options *options, uint32_t width, uint32_t height,
		      uint32_t *x, uint32_t *y)
{
	*x = options->full ? width - 1 : BOX - 1;
	*y = options->full ? height - 1 : BOX - 1;
}

static int compare_ns(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int measure_echo(struct console *console)
{
	uint64_t times[ECHOES], value;

	for (int i = 0; i < ECHOES; i++) {
		uint64_t start = clock_now_ns(), arrived;
		int r = console_tell(console, "count");

		if (r == 0) {
			r = console_wait(console, "count", start + FRAME_DEADLINE_NS, &value,
					 &arrived);
		}
		if (r < 0) {
			return r;
		}
		times[i] = arrived - start;
	}
	qsort(times, ECHOES, sizeof(times[0]), compare_ns);
	printf("echo %" PRIu64 "\n", times[ECHOES / 2]);
	return 0;
}

static int drive_frame(const struct frame_options *options, const struct frame_viewer *viewer,
		       struct console *console)
{
	struct frame_shown shown;
	uint64_t marker, start, deadline = clock_now_ns() + FRAME_DEADLINE_NS;
	int r = console_tell(console, options->full ? "draw full" : "draw box");

	if (r == 0) {
		r = console_wait(console, "drawn", deadline, &marker, &start);
	}
	if (r < 0) {
		return r;
	}
	while (!viewer->shown(viewer->data, (uint32_t)marker & 0xffffff, &shown)) {
		if (clock_now_ns() > deadline) {
			fprintf(stderr, "frame %" PRIu64 " was not shown\n", marker);
			return -ETIMEDOUT;
		}
		sleep_until(clock_now_ns() + LOOK_AGAIN_NS);
	}
	printf("frame %" PRId64 " %" PRIu64 " %" PRIu64 "\n", (int64_t)(shown.ns - start),
	       shown.wait_ns, shown.bytes);
	return 0;
}

int frame_drive(const struct frame_options *options, const struct frame_viewer *viewer)
{
	struct console console;
	unsigned int seed = options->seed;
	int r = console_open(&console, options->console);

	if (r < 0) {
		return r;
	}
	r = measure_echo(&console);
	for (unsigned int i = 0; i < options->frames && r == 0; i++) {
		sleep_until(clock_now_ns() + GAP_MIN_NS +
			    (uint64_t)rand_r(&seed) % GAP_SPREAD_NS);
		r = drive_frame(options, viewer, &console);
	}
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", options->console, strerror(-r));
	}
	console_close(&console);
	return r;
}
