// SPDX-License-Identifier: MIT
/*
 * Who has a card's nodes open. Before a handoff all of them have to let go; those that do so by
 * themselves are named but are no trouble.
 */
#include "passthrough/broker/broker.h"
#include "passthrough/doctor/card_view.h"

/* The command's beginning, and what makes it let go; NULL: the handoff itself does. */
static const struct {
	const char *command, *remedy;
} known[] = {
	{ "baton", NULL },
	{ "seatd", NULL },
	{ "systemd-logind", NULL },
	{ "qemu-system", NULL },
	{ "pipewire", "set the card's profile to off (pactl, pavucontrol)" },
	{ "wireplumber", "set the card's profile to off (pactl, pavucontrol)" },
	{ "pulseaudio", "set the card's profile to off (pactl, pavucontrol)" },
	{ "nvidia-persiste", "run systemctl stop nvidia-persistenced" },
	{ "nvidia-powerd", "run systemctl stop nvidia-powerd" },
	{ "Xorg", "start baton on a text console instead of this desktop" },
	{ "Xwayland", "start baton on a text console instead of this desktop" },
	{ "gnome-shell", "start baton on a text console instead of this desktop" },
	{ "kwin", "start baton on a text console instead of this desktop" },
	{ "sway", "start baton on a text console instead of this desktop" },
};

struct crowd {
	char own[192], strangers[512]; /* "Xorg (812) has /dev/dri/card0, …" */
	const char *remedy;            /* for the first stranger */
	unsigned int n_own, n_strangers;
};

/* NULL: it lets go by itself. */
static const char *find_remedy(const char *command)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!strncmp(command, known[i].command, strlen(known[i].command))) {
			return known[i].remedy;
		}
	}
	return "end it";
}

static void name_holder(char *out, size_t size, unsigned int n, const struct broker_holder *holder)
{
	size_t used = strlen(out);

	snprintf(out + used, size - used, "%s%s (process %d) has %s open", n ? ", " : "",
		 holder->command[0] ? holder->command : "a process", holder->pid, holder->node);
}

static void sort_holder(struct crowd *crowd, const struct broker_holder *holder)
{
	const char *remedy = find_remedy(holder->command);

	if (!remedy) {
		name_holder(crowd->own, sizeof(crowd->own), crowd->n_own++, holder);
		return;
	}
	crowd->remedy = crowd->remedy ? crowd->remedy : remedy;
	name_holder(crowd->strangers, sizeof(crowd->strangers), crowd->n_strangers++, holder);
}

static void report_strangers(const struct card_view *view, const struct crowd *crowd,
			     unsigned int more)
{
	char remedy[160], others[48] = "";

	snprintf(remedy, sizeof(remedy), "Before the card is given away, %s.", crowd->remedy);
	if (more) {
		snprintf(others, sizeof(others), ", and %u more", more);
	}
	finding_add(view->doctor->findings, FINDING_WARN, "holders", remedy,
		    "%s%s: the card cannot leave the host meanwhile.", crowd->strangers, others);
}

/* A card that nobody is known to have, though not everybody was asked. */
static void report_unseen(const struct card_view *view, const struct crowd *crowd)
{
	char remedy[256];

	snprintf(remedy, sizeof(remedy),
		 "Run \"sudo batonctl doctor --config %.160s\", which sees everybody.",
		 view->doctor->setup.folder);
	finding_add(view->doctor->findings, FINDING_WARN, "holders", remedy,
		    "%s%sThe processes of other users cannot be seen, and the broker could not be "
		    "asked, so it is not known who has %s open.",
		    crowd->own, crowd->n_own ? ". " : "", view->look->nodes);
}

static void report_free(const struct card_view *view, const struct crowd *crowd)
{
	if (crowd->n_own) {
		finding_pass(view->doctor->findings, "holders", "%s, and will let go by itself.",
			     crowd->own);
	} else if (view->look->n_nodes) {
		finding_pass(view->doctor->findings, "holders", "Nobody has %s open.",
			     view->look->nodes);
	} else {
		finding_pass(view->doctor->findings, "holders",
			     "It has no nodes that anybody could have open.");
	}
}

void check_holders(const struct card_view *view)
{
	const struct broker_card_answer *broker = view->broker;
	bool asked = broker && broker->holders_known;
	const struct broker_holder *list = asked ? broker->holders : view->look->holders;
	unsigned int n = asked ? broker->n_holders : view->look->n_holders;
	struct crowd crowd = { 0 };

	for (unsigned int i = 0; i < n; i++) {
		sort_holder(&crowd, &list[i]);
	}
	if (crowd.n_strangers) {
		report_strangers(view, &crowd, asked ? broker->more : view->look->more);
	} else if (!asked && !view->look->all_seen) {
		report_unseen(view, &crowd);
	} else {
		report_free(view, &crowd);
	}
}
