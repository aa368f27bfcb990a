/* SPDX-License-Identifier: MIT */
/* The cards that somebody else has, or had a moment ago, by their slots. Plain notes. */
#ifndef COMPOSITOR_KMS_LOANS_H
#define COMPOSITOR_KMS_LOANS_H

#include <stdbool.h>

#include "common/list.h"

struct loan {
	struct list link;
	char slot[16];
	bool known;     /* udev knew the card, so it is worth waiting for */
	bool releasing; /* who asked for it waits until nothing of it is open */
	bool returning; /* it may be used again, and who gave it back waits for it */
};

struct loan *loans_find(const struct list *loans, const char *slot); /* or NULL */
struct loan *loans_note(struct list *loans, const char *slot);       /* NULL: no memory */
/* Slots separated by blanks, known; NULL is legal. 0 or -ENOMEM. */
int loans_note_all(struct list *loans, const char *slots);
void loan_destroy(struct loan *loan); /* NULL is legal */
void loans_destroy(struct list *loans);

#endif
