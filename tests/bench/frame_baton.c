// SPDX-License-Identifier: MIT
/*
 * The way of a frame from a guest's flush into a headless seat's output. The seat itself stamps
 * the picture when it is complete, so how often it is looked at from here changes nothing.
 */
#include <stdlib.h>

#include "common/clock.h"
#include "tests/bench/frame_driver.h"
#include "tests/bench/seat_client.h"
#include "tests/bench/vblank.h"

#define STILL_NS (400 * NSEC_PER_MSEC) /* nothing was drawn for so long */

struct baton_view {
	const struct screen *screen;
	uint32_t x, y; /* of the pixel that is drawn last */
	uint64_t bytes_before;
};

static bool is_shown(void *data, uint32_t marker, struct frame_shown *shown)
{
	struct baton_view *view = data;
	struct screen_sample sample;

	screen_read(view->screen, view->x, view->y, &sample);
	if (sample.marker != marker || sample.corner != pattern_pixel(marker, view->x, view->y)) {
		return false;
	}
	shown->ns = sample.written_ns;
	shown->wait_ns = vblank_after(sample.written_ns, view->screen->interval_ns) -
			 sample.written_ns;
	shown->bytes = sample.bytes_written - view->bytes_before;
	view->bytes_before = sample.bytes_written;
	return true;
}

/* What a switch to the guest still draws is over; how many bytes were written until then. */
static uint64_t wait_until_still(const struct baton_view *view)
{
	struct screen_sample sample;

	do {
		sleep_until(clock_now_ns() + STILL_NS / 4);
		screen_read(view->screen, view->x, view->y, &sample);
	} while (clock_now_ns() < sample.written_ns + STILL_NS);
	return sample.bytes_written;
}

int main(int argc, char **argv)
{
	struct frame_options options;
	struct seat_client client = { 0 };
	struct baton_view view = { .screen = &client.screen };
	int r;

	if (!frame_options_parse(&options, argc, argv) ||
	    seat_client_open(&client, options.target) < 0) {
		return EXIT_FAILURE;
	}
	frame_last_pixel(&options, client.screen.memory->width, client.screen.memory->height,
			 &view.x, &view.y);
	view.bytes_before = wait_until_still(&view);
	r = frame_drive(&options, &(struct frame_viewer){ .shown = is_shown, .data = &view });
	seat_client_close(&client);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
