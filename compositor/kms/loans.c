// SPDX-License-Identifier: MIT
/* Notes of the cards that somebody else has; see loans.h. */
#include "compositor/kms/loans.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct loan *loans_find(const struct list *loans, const char *slot)
{
	struct loan *loan;

	list_for_each(loan, loans, link) {
		if (strcmp(loan->slot, slot) == 0) {
			return loan;
		}
	}
	return NULL;
}

struct loan *loans_note(struct list *loans, const char *slot)
{
	struct loan *loan = loans_find(loans, slot);

	if (loan) {
		return loan;
	}
	loan = calloc(1, sizeof(*loan));
	if (loan) {
		snprintf(loan->slot, sizeof(loan->slot), "%s", slot);
		list_append(loans, &loan->link);
	}
	return loan;
}

int loans_note_all(struct list *loans, const char *slots)
{
	char slot[sizeof(((struct loan *)NULL)->slot)];
	int length;

	while (slots && sscanf(slots, "%15s%n", slot, &length) == 1) {
		struct loan *loan = loans_note(loans, slot);

		if (!loan) {
			return -ENOMEM;
		}
		loan->known = true;
		slots += length;
	}
	return 0;
}

void loan_destroy(struct loan *loan)
{
	if (loan) {
		list_remove(&loan->link);
		free(loan);
	}
}

void loans_destroy(struct list *loans)
{
	struct loan *loan, *next;

	list_for_each_safe(loan, next, loans, link) {
		loan_destroy(loan);
	}
}
