/* SPDX-License-Identifier: MIT */
/* What the person has configured: guests, cards, and which guest may have which card. */
#ifndef PASSTHROUGH_DOCTOR_SETUP_H
#define PASSTHROUGH_DOCTOR_SETUP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ini.h"
#include "passthrough/card_config.h"
#include "vm/vm_config.h"

struct setup {
	char *folder; /* of baton.conf */
	struct vm_config **guests;
	struct card_wishes *wishes; /* of each guest */
	size_t n_guests;
	struct card_config **cards;
	size_t n_cards;
	struct ini_report *report; /* mistakes */
};

/* Where to look, over what the environment and baton.conf say; NULL: as those say. */
struct setup_folders {
	const char *config, *guests, *cards;
};

/* As baton reads it. A folder that is not there is empty, mistakes are in the report. 0 or
 * -ENOMEM; to be finished in any case. */
int setup_load(struct setup *setup, const struct setup_folders *folders);
void setup_finish(struct setup *setup);

/* The card of this slot, or NULL. */
const struct card_config *setup_find_card(const struct setup *setup,
					  const struct broker_slot *slot);

/* Whether a guest may have any card, so that its memory is lent too. */
bool setup_guest_lends(const struct setup *setup, size_t guest);

#endif
