// SPDX-License-Identifier: MIT
/* Who asks for cards: chords and the control API; see cards.h. */
#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "seat/card_words.h"
#include "seat/cards.h"
#include "seat/seat.h"

/* ---- which card ---- */

/* The first card that the guest's file names, or NULL. */
static const char *first_wish(const struct seat_guest *guest)
{
	char *const *const lists[] = { guest->wishes.on_request, guest->wishes.follow_focus,
				       guest->wishes.pinned };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (lists[i] && *lists[i]) {
			return *lists[i];
		}
	}
	return NULL;
}

struct away_walk {
	const char *guest; /* NULL: whoever has it */
	char name[64];     /* of a card that is with the guest or on its way there */
	unsigned int n;
};

static bool is_with(const char *whom, const char *guest)
{
	return whom && (!guest || strcmp(whom, guest) == 0);
}

static void walk_away(void *data, const struct passthrough_card *card)
{
	struct away_walk *walk = data;

	if (is_with(card->moving ? card->target : card->owner, walk->guest)) {
		snprintf(walk->name, sizeof(walk->name), "%s", card->name);
		walk->n++;
	}
}

/* How many cards a guest (NULL: any) has or is getting, and one of them. */
static struct away_walk find_away(struct cards *cards, const char *guest)
{
	struct away_walk walk = { .guest = guest };

	passthrough_each(cards->passthrough, walk_away, &walk);
	return walk;
}

/* The card that is meant when none is named; NULL when that is not clear. */
static struct seat_card *guess(struct cards *cards, const struct seat_guest *guest)
{
	struct away_walk away;
	const char *wish;

	if (cards->n == 1) {
		return &cards->list[0];
	}
	if (guest) {
		wish = first_wish(guest);
		return wish ? cards_find(cards, wish) : NULL;
	}
	away = find_away(cards, NULL);
	return away.n == 1 ? cards_find(cards, away.name) : NULL;
}

static struct seat_card *choose(struct cards *cards, const char *name,
				const struct seat_guest *guest, const char **why)
{
	struct seat_card *card = name ? cards_find(cards, name) : guess(cards, guest);

	if (!card && name) {
		seat_refuse(cards->seat, why, 0,
			    "There is no card \"%s\"; \"batonctl gpu list\" names them.", name);
	} else if (!card) {
		seat_refuse(cards->seat, why, 0,
			    "It is not clear which card is meant; name it (\"batonctl gpu list\").");
	}
	return card;
}

/* ---- giving ---- */

/* Who asks for something has read what went wrong before. */
static void hide_remarks(struct cards *cards)
{
	for (size_t i = 0; i < cards->n; i++) {
		cards->list[i].shown = false;
	}
}

int cards_give(struct cards *cards, const char **name, struct seat_guest *guest, bool dark,
	       const char **why)
{
	struct seat_card *card = choose(cards, *name, guest, why);
	bool consented;
	int r;

	if (!card) {
		return -ENXIO;
	}
	consented = card->consented;
	if (guest && !dark && cards_is_only_screen(cards, card)) {
		return seat_refuse(cards->seat, why, -EBUSY,
				   "The screen goes dark while %s has %s, and \"batonctl gpu take\" "
				   "or the rescue chord brings it back; say --dark to do that.",
				   vm_name(guest->vm), card->config->name);
	}
	cards_end_offer(cards);
	hide_remarks(cards);
	card->consented = dark;
	*name = card->config->name;
	r = passthrough_give(cards->passthrough, card->config->name, guest ? guest->id : 0, why);
	if (r < 0) {
		card->consented = consented; /* what was refused is no word about the next way */
	}
	card->shown = r >= 0;
	if (!cards->soon) {
		cards_update_line(cards);
	}
	return r;
}

static const struct {
	const char *name;
	enum handoff_answer answer;
} answers[] = {
	[CHORD_ANSWER_WAIT] = { "wait", HANDOFF_ANSWER_WAIT },
	[CHORD_ANSWER_RESET] = { "reset", HANDOFF_ANSWER_RESET },
	[CHORD_ANSWER_KILL] = { "kill", HANDOFF_ANSWER_KILL },
	[CHORD_ANSWER_ABANDON] = { "abort", HANDOFF_ANSWER_ABORT },
};

#define ANSWERS (sizeof(answers) / sizeof(answers[0]))

int cards_answer(struct cards *cards, const char *name, const char *answer, const char **why)
{
	struct seat_card *card = choose(cards, name, NULL, why);

	if (!card) {
		return -ENXIO;
	}
	for (size_t i = 0; i < ANSWERS; i++) {
		if (strcmp(answers[i].name, answer) == 0) {
			return passthrough_answer(cards->passthrough, name, answers[i].answer, why);
		}
	}
	return seat_refuse(cards->seat, why, -EINVAL,
			   "\"%s\" is no answer; it is wait, reset, kill or abort.", answer);
}

/* ---- chords ---- */

static void say(struct cards *cards, const char *sentence)
{
	compositor_toast(cards->seat->compositor, sentence);
}

void cards_end_offer(struct cards *cards)
{
	cards->offered = NULL;
	cards->offer_end = sd_event_source_disable_unref(cards->offer_end);
}

static int handle_offer_end(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source, (void)usec;
	cards_end_offer(data);
	cards_update_line(data);
	return 0;
}

/* The screen would go dark: what that means is said, and the chord has to come once more. */
static void offer(struct cards *cards, struct seat_card *card, const struct seat_guest *guest)
{
	cards_end_offer(cards);
	if (sd_event_add_time_relative(cards->seat->event, &cards->offer_end, CLOCK_MONOTONIC,
				       CARDS_CONFIRM_USEC, 0, handle_offer_end, cards) >= 0) {
		cards->offered = card;
		cards->offered_to = guest->id;
	}
	cards_update_line(cards);
}

static void give_by_chord(struct cards *cards, struct seat_guest *guest)
{
	const char *why = NULL, *name;
	struct seat_card *card = choose(cards, NULL, guest, &why);
	bool again = card && cards->offered == card && cards->offered_to == guest->id;

	if (card && !again && cards_is_only_screen(cards, card)) {
		offer(cards, card, guest);
		return;
	}
	name = card ? card->config->name : NULL;
	if (!card || cards_give(cards, &name, guest, again, &why) < 0) {
		say(cards, why);
	}
}

static void take_by_chord(struct cards *cards, const char *name)
{
	const char *why = NULL;

	if (cards_give(cards, &name, NULL, false, &why) < 0) {
		say(cards, why);
	}
}

void cards_toggle(struct cards *cards)
{
	struct seat_guest *guest = cards ? seat_front(cards->seat) : NULL;
	struct away_walk away;

	if (!cards) {
		return;
	}
	if (!guest) {
		say(cards, "No guest is in front that could have a card");
		return;
	}
	away = find_away(cards, vm_name(guest->vm));
	if (away.n > 0) {
		take_by_chord(cards, away.name);
	} else {
		give_by_chord(cards, guest);
	}
}

struct asking_walk {
	char name[64];
};

static void walk_asking(void *data, const struct passthrough_card *card)
{
	struct asking_walk *walk = data;

	if (card->asking && !*walk->name) {
		snprintf(walk->name, sizeof(walk->name), "%s", card->name);
	}
}

void cards_answer_chord(struct cards *cards, unsigned int answer)
{
	struct asking_walk asking = { "" };
	const char *why = NULL;

	if (!cards || answer >= ANSWERS) {
		return;
	}
	passthrough_each(cards->passthrough, walk_asking, &asking);
	if (*asking.name && passthrough_answer(cards->passthrough, asking.name,
					       answers[answer].answer, &why) < 0) {
		say(cards, why);
	}
}

void cards_rescue(struct cards *cards)
{
	if (!cards) {
		return;
	}
	cards_end_offer(cards);
	hide_remarks(cards);
	passthrough_rescue(cards->passthrough);
	cards_update_line(cards);
}
