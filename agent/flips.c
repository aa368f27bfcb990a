// SPDX-License-Identifier: MIT
/* Guests that change buffers, and those that draw into one; see flips.h. */
#include "agent/flips.h"

#include <string.h>

static bool stays(struct flips *flips, bool paced)
{
	bool read = flips->returns < FLIPS_SURE || flips->missed || (flips->fresh && !paced);

	flips->fresh = flips->missed = false;
	return read;
}

bool flips_show(struct flips *flips, uint64_t identity, bool paced)
{
	unsigned int at = 0;

	if (flips->recent[0] == identity) {
		return stays(flips, paced);
	}
	while (at < FLIPS_KEPT && flips->recent[at] != identity) {
		at++;
	}
	if (at == FLIPS_KEPT) {
		flips->returns = 0;
		at = FLIPS_KEPT - 1;
	} else if (flips->returns < FLIPS_SURE) {
		flips->returns++;
	}
	memmove(flips->recent + 1, flips->recent, at * sizeof(*flips->recent));
	flips->recent[0] = identity;
	flips->fresh = true;
	flips->missed = false;
	return true;
}

void flips_miss(struct flips *flips)
{
	flips->missed = true;
}
