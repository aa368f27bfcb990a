// SPDX-License-Identifier: MIT
/* Guests that change buffers, and those that draw into one; see flips.h. */
#include "agent/flips.h"

#include <string.h>

bool flips_show(struct flips *flips, uint64_t identity)
{
	unsigned int at = 0;

	if (flips->recent[0] == identity) {
		return flips->returns < FLIPS_SURE;
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
	return true;
}
