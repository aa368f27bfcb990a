/* SPDX-License-Identifier: MIT */
/* An input sink that remembers what it was told, and fails the test on what no guest should see. */
#ifndef TESTS_UNIT_FAKE_SINK_H
#define TESTS_UNIT_FAKE_SINK_H

#include <linux/input-event-codes.h>

#include "input/input.h"

struct fake_sink {
	struct input_sink base;
	bool absolute;
	bool down[KEY_CNT];
	unsigned int presses, releases, lifts;
	uint32_t last_code;
	int64_t motion_x, motion_y, wheel_v, wheel_h; /* sums */
	uint32_t x, y;
	unsigned int positions;
};

void fake_sink_init(struct fake_sink *sink);
unsigned int fake_sink_down(const struct fake_sink *sink);

#endif
