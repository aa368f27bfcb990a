/* SPDX-License-Identifier: MIT */
/* Runs an event loop until something is so, with a deadline, or until it is idle. Include test.h
 * first. */
#ifndef TESTS_UNIT_LOOP_H
#define TESTS_UNIT_LOOP_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "common/clock.h"

/* True when done(data) became true within the deadline. */
static inline bool loop_until(sd_event *event, bool (*done)(void *data), void *data,
			      uint64_t deadline_ms)
{
	uint64_t end = clock_now_ns() + deadline_ms * NSEC_PER_MSEC, now;

	while (!done(data)) {
		now = clock_now_ns();
		if (now >= end) {
			return false;
		}
		assert_true(sd_event_run(event, (end - now) / NSEC_PER_USEC + 1) >= 0);
	}
	return true;
}

/* Until nothing is left to do now. */
static inline void loop_settle(sd_event *event)
{
	int r;

	do {
		r = sd_event_run(event, 0);
		assert_true(r >= 0);
	} while (r > 0);
}

#endif
