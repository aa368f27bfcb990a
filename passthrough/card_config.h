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

const char *card_policy_name(enum card_policy policy);

/* cards/NAME.ini, section [card]. */
struct card_config {
	char *name; /* the file's base name */
	struct broker_slot slot;     /* address = 0000:01:00 */
	char *rom;                   /* a VBIOS image for the guest, or NULL */
	unsigned int guest_port;     /* root port of the guest, 1 to 4; default: by file order */
	uint64_t window_mib;         /* 64-bit window reserved there; a power of two; default 256 */
	bool home_pool;              /* home = host|pool: where it rests when no guest has it */
	unsigned int settle_ms;      /* follow-focus; default 1500 */
};

/* Every *.ini of a folder in the order of names (none is no mistake). 0 or -errno. */
int card_config_load_dir(const char *path, struct ini_report *report,
			 struct card_config ***out, size_t *n);
void card_config_destroy(struct card_config *config); /* NULL is legal */

/* [cards] of a guest: "follow-focus = NAME …", "on-request = NAME …", "pinned = NAME …". */
struct card_wishes {
	char **on_request, **follow_focus, **pinned; /* NULL-terminated or NULL */
};
int card_wishes_load(const char *path, struct ini_report *report, struct card_wishes *out);
void card_wishes_finish(struct card_wishes *wishes);
enum card_policy card_wishes_policy(const struct card_wishes *wishes, const char *card);

#endif
