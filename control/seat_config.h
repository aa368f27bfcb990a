/* SPDX-License-Identifier: MIT */
/* The seat's configuration as baton.conf(5) says it. Plain data, filled through common/ini.h. */
#ifndef CONTROL_SEAT_CONFIG_H
#define CONTROL_SEAT_CONFIG_H

#include <stdbool.h>

#include "common/ini.h"

struct seat_config {
	char *backend;        /* "auto", "kms", "window", "headless" */
	char *size;           /* "1280x800": headless and window; NULL is the default */
	unsigned int refresh; /* Hz: headless */
	char *renderer;       /* "auto", "pixman", "gl" */
	char *card;           /* a /dev/dri/cardN; NULL is the boot card */
	char *guests;         /* folder of guests' ini files; NULL is the default */
	char *cards;          /* folder of the ini files of cards to lend; NULL is the default */
	bool toasts;          /* name on each switch; default yes */
	bool software_cursor; /* default no */
	bool automation;      /* programs may type, and see what is typed; default no */
	/* "[chords]": names of keys as in chord_parse_key(); NULL is the default */
	char *host_key, *recent, *back, *switcher, *rescue, *card_key;
	char *louder, *softer, *mute, *send_host_key;
};

/* Sets every default. */
void seat_config_init(struct seat_config *config);
void seat_config_finish(struct seat_config *config);

/*
 * Reads folder/baton.conf and then each folder/baton.conf.d/NAME.conf in the order of names: a
 * later file wins. What is missing is no mistake. All mistakes go to the report, also two chords
 * on one key. Returns 0, -EINVAL when there were mistakes, or -errno.
 */
int seat_config_load(struct seat_config *config, const char *folder, struct ini_report *report);

#endif
