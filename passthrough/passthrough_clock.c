// SPDX-License-Identifier: MIT
/* The time by which handoffs are late; alone here, so that tests can put it forward. */
#include "common/clock.h"
#include "passthrough/passthrough_private.h"

uint64_t passthrough_now(void)
{
	return clock_now_ns() / NSEC_PER_USEC;
}
