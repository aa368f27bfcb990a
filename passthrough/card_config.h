/* SPDX-License-Identifier: MIT */
/* What the configuration says about cards: cards/NAME.ini, and [cards] of a guest's file. */
#ifndef PASSTHROUGH_CARD_CONFIG_H
#define PASSTHROUGH_CARD_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ini.h"
#include "proto/broker.h"

/*
 * When a guest gets a card.
 * NEVER         not at all (the default).
 * ON_REQUEST    by chord or by batonctl.
 * FOLLOW_FOCUS  when it has been in front for the settle time.
 * PINNED        from its start to its end; no chord and no focus takes it away.
 */
enum card_policy {
	CARD_POLICY_NEVER,
	CARD_POLICY_ON_REQUEST,
	CARD_POLICY_FOLLOW_FOCUS,
	CARD_POLICY_PINNED,
	CARD_POLICY_COUNT
};

/* As in the guest's file: "follow-focus". */
const char *card_policy_name(enum card_policy policy);

/* cards/NAME.ini, section [card]. The keys are named in the comments. */
struct card_config {
	char *name; /* the file's base name: [A-Za-z0-9][A-Za-z0-9._-]{0,31} */
	struct broker_slot slot; /* address = 0000:01:00 */
	char *rom;               /* rom: a VBIOS image for the guest, absolute, or NULL */
	unsigned int guest_port; /* guest-port: root port of the guest, 1 to VM_PORTS; by default the
				  * lowest that is free, in the order of files */
	uint64_t window_mib;     /* window = 256M: 64-bit window reserved there; a power of two */
	bool home_pool;          /* home = host|pool: where it rests when no guest has it */
	unsigned int settle_ms;  /* settle-ms = 1500: for follow-focus */
};

/*
 * Every *.ini of a folder in the order of names; a folder that is not there has none. Appends to
 * *out, an array of *n. All mistakes go to the report, those of one file with another (the same
 * address, the same port) too; a file with mistakes is left out. 0 or -errno.
 */
int card_config_load_dir(const char *path, struct ini_report *report,
			 struct card_config ***out, size_t *n);
void card_config_destroy(struct card_config *config); /* NULL is legal */

/*
 * [cards] of a guest: "follow-focus = NAME …", "on-request = NAME …", "pinned = NAME …"; a card
 * may stand in one of them.
 */
struct card_wishes {
	char **on_request, **follow_focus, **pinned; /* NULL-terminated or NULL */
};

/* Sets *out in any case; after a mistake it is empty. 0, -EINVAL with mistakes in the report, or
 * -errno. Whether there are such cards is not asked: see card_wishes_check(). */
int card_wishes_load(const char *path, struct ini_report *report, struct card_wishes *out);
void card_wishes_finish(struct card_wishes *wishes);

/* Reports each card that is none of these. 0 or -EINVAL. */
int card_wishes_check(const struct card_wishes *wishes, const char *path,
		      struct card_config *const *cards, size_t n, struct ini_report *report);

enum card_policy card_wishes_policy(const struct card_wishes *wishes, const char *card);

#endif
