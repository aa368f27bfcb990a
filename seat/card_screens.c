// SPDX-License-Identifier: MIT
/*
 * The seat's own screens on a card that goes to a guest, and comes back. They close before anything
 * else happens to the card, and light again when its driver is back. See cards.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "passthrough/card.h"
#include "seat/cards.h"
#include "seat/seat.h"

/* How long the sentence stands before the only screen goes dark by a policy alone. */
#define WARNING_USEC (2 * 1000 * 1000)
/* How long the broker and the guests may take to say how far a card has come. */
#define RESTART_USEC (10 * 1000 * 1000)

static const char *slot_of(const struct seat_card *own, char slot[16])
{
	card_slot_format(&own->config->slot, slot, 16);
	return slot;
}

bool cards_is_only_screen(const struct cards *cards, const struct seat_card *card)
{
	char slot[16];
	bool only = false;

	return compositor_uses_card(cards->seat->compositor, slot_of(card, slot), &only) && only;
}

static struct seat_card *find_by_slot(struct cards *cards, const char *text)
{
	struct broker_slot slot;

	for (size_t i = 0; card_slot_parse(text, &slot) == 0 && i < cards_count(cards); i++) {
		if (card_slot_equal(&cards->list[i].config->slot, &slot)) {
			return &cards->list[i];
		}
	}
	return NULL;
}

static void end_warning(struct seat_card *own)
{
	own->warning = sd_event_source_disable_unref(own->warning);
}

void cards_end_way(struct seat_card *own)
{
	end_warning(own);
	own->closing = false;
}

/* ---- going ---- */

/* A library keeps the card open as long as this process lives. */
static void restart(struct seat_card *own)
{
	struct cards *cards = own->cards;
	char slot[16];

	cards->restart = strdup(slot_of(own, slot));
	log_info("A library keeps %s open: the seat executes itself anew.", own->config->name);
	seat_quit(cards->seat, false);
}

void cards_screen_released(struct cards *cards, const char *slot, int error)
{
	struct seat_card *own = find_by_slot(cards, slot);

	if (!own || !own->closing) {
		return;
	}
	own->closing = false;
	/* Once is enough: this seat has not opened the card since. One that ends has no next time. */
	if (error == -EBUSY && !own->unopened && cards->seat->phase == SEAT_RUNNING) {
		restart(own);
		return;
	}
	passthrough_screen_closed(cards->passthrough, own->config->name, error,
				  error < 0 ? "The seat's own screens could not let go of the card."
					    : NULL);
}

static void close_now(struct seat_card *own)
{
	char slot[16];

	own->closing = true;
	compositor_release_card(own->cards->seat->compositor, slot_of(own, slot));
}

static int handle_warned(sd_event_source *source, uint64_t usec, void *data)
{
	struct seat_card *own = data;

	(void)source, (void)usec;
	end_warning(own);
	close_now(own);
	return 0;
}

void cards_close_screen(void *data, const struct passthrough_card *card)
{
	struct cards *cards = data;
	struct seat_card *own = cards_find(cards, card->name);

	if (!own) {
		return;
	}
	end_warning(own);
	own->opening = false;
	if (!own->consented && cards_is_only_screen(cards, own) &&
	    sd_event_add_time_relative(cards->seat->event, &own->warning, CLOCK_MONOTONIC,
				       WARNING_USEC, 0, handle_warned, own) >= 0) {
		cards_update_line(cards);
		return;
	}
	close_now(own);
}

bool cards_restarts(const struct cards *cards)
{
	return cards && cards->restart;
}

char *cards_take_restart(struct cards *cards)
{
	return cards ? take_ptr(cards->restart) : NULL;
}

/* ---- coming back ---- */

static void regain(struct seat_card *own)
{
	char slot[16];

	own->unopened = false;
	own->restarted = sd_event_source_disable_unref(own->restarted);
	compositor_regain_card(own->cards->seat->compositor, slot_of(own, slot));
}

struct rest_walk {
	const struct seat_card *own;
	bool rests; /* with the host */
};

static void walk_rest(void *data, const struct passthrough_card *card)
{
	struct rest_walk *walk = data;

	if (strcmp(card->name, walk->own->config->name) == 0) {
		walk->rests = !card->moving && card->state == CARD_STATE_HOST;
	}
}

static int handle_restarted(sd_event_source *source, uint64_t usec, void *data)
{
	struct seat_card *own = data;
	struct rest_walk walk = { .own = own };

	(void)source, (void)usec;
	own->restarted = sd_event_source_disable_unref(own->restarted);
	passthrough_each(own->cards->passthrough, walk_rest, &walk);
	if (walk.rests) {
		log_warning("%s stays with the host: its way did not go on after the restart.",
			    own->config->name);
		regain(own);
	}
	return 0;
}

int cards_await_restarted(struct cards *cards)
{
	int r = 0;

	for (size_t i = 0; i < cards->n && r >= 0; i++) {
		if (cards->list[i].unopened) {
			r = sd_event_add_time_relative(cards->seat->event,
						       &cards->list[i].restarted, CLOCK_MONOTONIC,
						       RESTART_USEC, 0, handle_restarted,
						       &cards->list[i]);
		}
	}
	return r < 0 ? r : 0;
}

char *cards_unopened(const struct cards *cards)
{
	const struct seat_card *own = NULL;
	char slot[16];

	for (size_t i = 0; i < cards_count(cards); i++) {
		own = cards->list[i].unopened ? &cards->list[i] : own;
	}
	return own ? strdup(slot_of(own, slot)) : NULL;
}

void cards_open_screen(void *data, const struct passthrough_card *card)
{
	struct cards *cards = data;
	struct seat_card *own = cards_find(cards, card->name);

	if (own) {
		cards_end_way(own);
		own->opening = true;
		regain(own);
	}
}

void cards_screen_regained(struct cards *cards, const char *slot, int error)
{
	struct seat_card *own = find_by_slot(cards, slot);

	if (own && own->opening) {
		own->opening = false;
		passthrough_screen_opened(cards->passthrough, own->config->name, error,
					  error < 0 ? "The card is back, but the seat cannot use "
						      "it; its log says why."
						    : NULL);
	}
}
