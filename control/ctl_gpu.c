// SPDX-License-Identifier: MIT
/* batonctl gpu: graphics cards that go to guests and come back. */
#include <string.h>

#include "common/cleanup.h"
#include "control/control.h"
#include "control/ctl.h"
#include "control/text.h"

#define USAGE                                                                                      \
	"usage: batonctl gpu list | give [--dark] [--wait] GUEST [CARD] | take [--wait] [CARD] | " \
	"answer CARD wait|reset|kill|abort"

static void print_card(const json_t *card)
{
	const char *owner = ctl_string(card, "owner"), *stage = ctl_string(card, "stage");
	double seconds = (double)json_integer_value(json_object_get(card, "stage_ms")) / 1000;
	char way[96] = "", text[256];

	if (ctl_is_true(card, "moving")) {
		snprintf(way, sizeof(way), "%s %.1f s", stage, seconds);
	}
	text_clean(ctl_string(card, "text"), text, sizeof(text));
	printf("%-12s %-14s %-11s %-20s %-18s %s\n", ctl_string(card, "name"),
	       ctl_string(card, "address"), ctl_string(card, "state"), *owner ? owner : "-",
	       *way ? way : "-", text);
}

static enum ctl_status list(struct ctl *ctl)
{
	_cleanup_json_ json_t *cards = NULL, *monitors = NULL;
	enum ctl_status status = ctl_get_cards(ctl, &cards);
	const json_t *card;
	size_t i;

	if (status == CTL_OK) {
		status = ctl_get_monitors(ctl, &monitors);
	}
	if (status != CTL_OK) {
		return status;
	}
	if (ctl->json) {
		ctl_add_monitors(cards, monitors);
		return ctl_print_json(cards);
	}
	printf("%-12s %-14s %-11s %-20s %-18s %s\n", "CARD", "ADDRESS", "STATE", "GUEST", "STAGE",
	       "REMARK");
	json_array_foreach(cards, i, card)
	{
		print_card(card);
	}
	if (i == 0) {
		fputs("batonctl: no card is configured to be lent; its file goes into the folder of "
		      "cards, see baton.conf(5)\n",
		      stderr);
	}
	ctl_print_monitors(monitors);
	return CTL_OK;
}

/* ---- giving ---- */

/* A reference that belongs to the array, or NULL. */
static const json_t *find_card(const json_t *cards, const char *name)
{
	const json_t *card;
	size_t i;

	json_array_foreach(cards, i, card)
	{
		if (!strcmp(ctl_string(card, "name"), name)) {
			return card;
		}
	}
	return NULL;
}

/* Reads signals until one is about a card. */
static enum ctl_status wait_for_change(struct ctl *ctl)
{
	for (;;) {
		_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
		int r = sd_bus_process(ctl->bus, &m);

		if (r == 0) {
			r = sd_bus_wait(ctl->bus, UINT64_MAX);
		}
		if (r < 0) {
			return ctl_fail(CTL_NO_SEAT, "the seat has ended");
		}
		if (m && sd_bus_message_is_signal(m, CONTROL_INTERFACE, "CardChanged") > 0) {
			return CTL_OK;
		}
	}
}

static enum ctl_status tell_rest(const json_t *card, const char *name)
{
	const char *owner = ctl_string(card, "owner"), *text = ctl_string(card, "text");

	return ctl_fail(CTL_FAILED, "%s is now %s%s%s%s%s", name, ctl_string(card, "state"),
			*owner ? " " : "", owner, *text ? ": " : "", text);
}

/* Waits until the card rests, and says whether that is with the guest ("": with none). */
static enum ctl_status wait_for_rest(struct ctl *ctl, const char *name, const char *guest)
{
	enum ctl_status status;
	bool asked = false;

	for (;;) {
		_cleanup_json_ json_t *cards = NULL;
		const json_t *card;

		status = ctl_get_cards(ctl, &cards);
		if (status != CTL_OK) {
			return status;
		}
		card = find_card(cards, name);
		if (!ctl_is_true(card, "moving")) {
			return !strcmp(ctl_string(card, "owner"), guest) ? CTL_OK
									  : tell_rest(card, name);
		}
		if (ctl_is_true(card, "asking") && !asked) {
			asked = true;
			ctl_fail(CTL_FAILED, "%s; answer with: batonctl gpu answer %s "
				 "wait|reset|kill|abort",
				 ctl_string(card, "text"), name);
		}
		status = wait_for_change(ctl);
		if (status != CTL_OK) {
			return status;
		}
	}
}

/* card "": whichever it is; guest "": back to the host. */
static enum ctl_status give(struct ctl *ctl, const char *card, const char *guest, bool dark,
			    bool wait)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	enum ctl_status status =
		ctl_call(ctl, &reply, "GiveCard", "ssb", card, guest, dark);
	const char *name;

	if (status != CTL_OK || !wait) {
		return status;
	}
	if (sd_bus_message_read(reply, "s", &name) <= 0) {
		return ctl_fail(CTL_FAILED, "the seat's answer makes no sense");
	}
	return wait_for_rest(ctl, name, guest);
}

static enum ctl_status run_give(struct ctl *ctl, int argc, char **argv)
{
	bool dark = ctl_take_flag(&argc, argv, "--dark");
	bool wait = ctl_take_flag(&argc, argv, "--wait");
	_cleanup_free_ char *guest = NULL;
	enum ctl_status status;

	if (argc < 1 || argc > 2) {
		return ctl_fail(CTL_USAGE, USAGE);
	}
	status = ctl_find_guest(ctl, argv[0], &guest);
	return status != CTL_OK ? status : give(ctl, argc > 1 ? argv[1] : "", guest, dark, wait);
}

static enum ctl_status run_take(struct ctl *ctl, int argc, char **argv)
{
	bool wait = ctl_take_flag(&argc, argv, "--wait");

	if (argc > 1) {
		return ctl_fail(CTL_USAGE, USAGE);
	}
	return give(ctl, argc > 0 ? argv[0] : "", "", false, wait);
}

static enum ctl_status run_gpu(struct ctl *ctl, int argc, char **argv)
{
	if (argc == 1 && !strcmp(argv[0], "list")) {
		return list(ctl);
	}
	if (!strcmp(argv[0], "give")) {
		return run_give(ctl, argc - 1, argv + 1);
	}
	if (!strcmp(argv[0], "take")) {
		return run_take(ctl, argc - 1, argv + 1);
	}
	if (argc == 3 && !strcmp(argv[0], "answer")) {
		return ctl_call(ctl, NULL, "AnswerCard", "ss", argv[1], argv[2]);
	}
	return ctl_fail(CTL_USAGE, USAGE);
}

/* clang-format off */
const struct ctl_command ctl_gpu_commands[] = {
	{ "gpu", 1, 5, run_gpu, "list|give GUEST [CARD]|take [CARD]|answer CARD ANSWER",
	  "show graphics cards, give one to a guest, take it back" },
	{ 0 }
};
/* clang-format on */
