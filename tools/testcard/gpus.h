/* SPDX-License-Identifier: MIT */
/* Graphics cards that come and go while the guest runs. The first card is not one of them. */
#ifndef TESTCARD_GPUS_H
#define TESTCARD_GPUS_H

#include "console.h"
#include "screen.h"

enum { GPUS_MAX = 4, GPU_DRIVER = 32 };

struct gpu {
	char driver[GPU_DRIVER]; /* the kernel's name for it; empty: no card in this place */
	int node;                /* the number in /dev/dri/cardN */
	struct screen screen;
};

struct gpus {
	struct gpu list[GPUS_MAX];
	uint32_t pictures; /* drawn so far, on all of them: no two are the same */
};

/*
 * At the start, and after news of the kernel about cards: shows a picture with the guest's name on
 * each new one, lets go of each that is gone, and tells the console. first: the card that is not
 * looked at.
 */
void gpus_scan(struct gpus *gpus, const struct screen *first, const char *name,
	       struct console *console);

/* Answers "cards N" after it has drawn a new picture on each and told its hash. */
void gpus_redraw(struct gpus *gpus, const char *name, struct console *console);

#endif
