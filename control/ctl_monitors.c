// SPDX-License-Identifier: MIT
/* What batonctl's commands say about monitors: who shows what on those that cards drive. */
#include <string.h>

#include "control/control.h"
#include "control/ctl.h"
#include "control/text.h"

/* "DP-1 owned by work" */
static void print_short(const json_t *monitor)
{
	const char *guest = ctl_string(monitor, "guest");

	printf("%s %s%s%s", ctl_string(monitor, "name"), ctl_string(monitor, "path"),
	       *guest ? " by " : "", guest);
}

void ctl_print_monitors_line(const json_t *monitors)
{
	const json_t *monitor;
	size_t i;

	json_array_foreach(monitors, i, monitor)
	{
		fputs(i ? ", " : "monitors  ", stdout);
		print_short(monitor);
	}
	if (i > 0) {
		putchar('\n');
	}
}

static void print_row(const json_t *monitor)
{
	const char *guest = ctl_string(monitor, "guest");
	char text[256];

	text_clean(ctl_string(monitor, "text"), text, sizeof(text));
	printf("%-12s %-14s %-11s %-20s %-18s %s\n", ctl_string(monitor, "name"),
	       ctl_string(monitor, "card"), ctl_string(monitor, "path"), *guest ? guest : "-",
	       ctl_string(monitor, "cable"), text);
}

void ctl_print_monitors(const json_t *monitors)
{
	const json_t *monitor;
	size_t i;

	json_array_foreach(monitors, i, monitor)
	{
		if (i == 0) {
			printf("\n%-12s %-14s %-11s %-20s %-18s %s\n", "MONITOR", "CARD", "PATH",
			       "GUEST", "CABLE", "REMARK");
		}
		print_row(monitor);
	}
}

void ctl_add_monitors(json_t *cards, const json_t *monitors)
{
	json_t *card, *monitor;
	size_t i, k;

	json_array_foreach(cards, i, card)
	{
		json_t *own = json_array();

		json_array_foreach(monitors, k, monitor)
		{
			if (!strcmp(ctl_string(monitor, "card"), ctl_string(card, "name"))) {
				json_array_append(own, monitor);
			}
		}
		json_object_set_new(card, "monitors", own);
	}
}
