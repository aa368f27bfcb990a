/* SPDX-License-Identifier: MIT */
/*
 * The monitors that lent cards drive: the path of each guest to each of them
 * (passthrough/display_path.h), as it follows from what the cards, the compositor and the focus
 * say. Known are those that have a file, and those that were seen lit on such a card.
 */
#ifndef SEAT_MONITORS_H
#define SEAT_MONITORS_H

#include "passthrough/monitor_config.h"
#include "seat/cards.h"

struct seat_monitor {
	struct monitor_config *config;
	bool learned; /* it has no file: it was seen */
	bool lit;     /* by the host, at the end that its file names */
	bool known;   /* where its card is was known once */
	struct cards *cards;
	struct monitor_input *input; /* NULL: it is not switched */
	uint32_t width, height;      /* then, or last; the guest's own mode is not known */
	enum display_path path; /* of the guest that has the card, or else of all: as told last */
};

/* Files of a folder, for these cards (NULL: none). All mistakes go to the report. 0 or -errno. */
int monitors_load(struct cards *cards, const char *folder, struct ini_report *report);
/* Before the loop runs: reads what was learned of their inputs, which lies in a folder of that one.
 * 0 or -errno. */
int monitors_open(struct cards *cards, const char *state_folder);
void monitors_finish(struct monitors *monitors);

/* After a change of cards, outputs, focus or switcher: finds out anew what each monitor shows. */
void monitors_update(struct cards *cards);

/* One monitor's path from this guest; NULL: from whoever has its card. */
enum display_path monitors_path(struct cards *cards, const struct seat_monitor *monitor,
				const char *guest);

/* "DP-1 owned, HDMI-A-2 absent": all of this guest's; "" without monitors. */
void monitors_describe(struct cards *cards, const char *guest, char *out, size_t size);

/* "Monitor DP-1 shows work itself", of all that the guest owns; false: none. */
bool monitors_owned_line(struct cards *cards, const char *guest, char *out, size_t size);

struct control_monitor;
/* cards may be NULL. */
void monitors_each(struct cards *cards,
		   void (*each)(const struct control_monitor *monitor, void *each_data),
		   void *each_data);

#endif
