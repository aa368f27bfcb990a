// SPDX-License-Identifier: MIT
/* See vblank.h. */
#include "tests/bench/vblank.h"

#include <errno.h>
#include <time.h>

#include "common/clock.h"

uint64_t vblank_interval_ns(uint32_t refresh_mhz)
{
	return 1000 * NSEC_PER_SEC / refresh_mhz;
}

uint64_t vblank_after(uint64_t ns, uint64_t interval_ns)
{
	return (ns / interval_ns + 1) * interval_ns;
}

uint64_t sleep_until(uint64_t ns)
{
	struct timespec at = { (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };
	uint64_t now;

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
	}
	now = clock_now_ns();
	return now > ns ? now - ns : 0;
}
