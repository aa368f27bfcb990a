/* SPDX-License-Identifier: MIT */
/*
 * Whether a screen has to be read again although it shows the same buffer as before. The kernel
 * does not say when a program draws into the buffer that is shown, as a text console does; so that
 * is found out by reading. But a compositor draws into buffers that are not shown and changes them:
 * while a guest does that, a buffer that stays is not read again.
 *
 * A guest counts as one that changes buffers once it has come back FLIPS_SURE times in a row to a
 * buffer of its last FLIPS_KEPT ones, which is what a compositor's two to four buffers do; and no
 * more as soon as it shows one that is not among these, such as the text console's.
 *
 * Between two looks that are more than one vertical blank apart such a guest may have shown another
 * buffer and come back; after a change the buffer is therefore read once more then. Where a driver
 * has no vertical blanks, a guest that changes twice in one interval, and never before or after, is
 * not found out.
 */
#ifndef AGENT_FLIPS_H
#define AGENT_FLIPS_H

#include <stdbool.h>
#include <stdint.h>

#define FLIPS_KEPT 6
#define FLIPS_SURE 4

/* Zeroed: nothing was shown yet. */
struct flips {
	uint64_t recent[FLIPS_KEPT]; /* identities, the one that is shown first; 0: none */
	unsigned int returns;        /* in a row */
	bool fresh;                  /* it was changed at the last look */
	bool missed;                 /* a look was left out */
};

/*
 * The screen shows this buffer (its identity, not 0): whether it is to be read now. paced: no more
 * than one vertical blank has been since the last look.
 */
bool flips_show(struct flips *flips, uint64_t identity, bool paced);
/* There was no look when there should have been one. */
void flips_miss(struct flips *flips);

#endif
