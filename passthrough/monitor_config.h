/* SPDX-License-Identifier: MIT */
/*
 * What the configuration says about monitors: monitors/NAME.ini, where NAME is a connector's, such
 * as DP-1. Only monitors that are cabled to a card which is lent need one.
 */
#ifndef PASSTHROUGH_MONITOR_CONFIG_H
#define PASSTHROUGH_MONITOR_CONFIG_H

#include "common/ini.h"
#include "passthrough/card_config.h"
#include "passthrough/display_path.h"

/* Section [monitor]. The keys are named in the comments. */
struct monitor_config {
	char *name; /* the connector as the host sees it: ONLY: on that card, ALSO: on its own */
	char *card; /* card = NAME */
	enum display_cable cable; /* cable = only|also: whether the host has one of its own, too */
	/* input-host, input-guest = 0x0f: values of the monitor's input select (VCP feature 0x60)
	 * for the two cables of ALSO; 0: its input is not switched. */
	unsigned int input_host, input_guest;
};

/*
 * Every *.ini of a folder in the order of names; a folder that is not there has none. Appends to
 * *out, an array of *n. All mistakes go to the report, a card that is none of these too; a file
 * with mistakes is left out. 0 or -errno.
 */
int monitor_config_load_dir(const char *folder, struct card_config *const *cards, size_t n_cards,
			    struct ini_report *report, struct monitor_config ***out, size_t *n);
void monitor_config_destroy(struct monitor_config *config); /* NULL is legal */

/* Whether that can be the name of a connector: it is part of a file's name too. */
bool monitor_name_is_valid(const char *name);

#endif
