// SPDX-License-Identifier: MIT
/* What others ask of passthrough, and what they are told of a card. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "passthrough/passthrough_private.h"

/* ---- Telling ---- */

static const char *guest_name(const struct managed_card *card, uint32_t id)
{
	const struct managed_guest *guest = passthrough_guest(card->passthrough, id);

	return guest ? vm_name(guest->vm) : NULL;
}

/* Of a card that nothing can be done with the broker knows best why. */
static const char *ended_text(const struct managed_card *card)
{
	const char *note = broker_client_note(card->passthrough->broker, &card->config->slot);

	if (note && *note) {
		return note;
	}
	return card->handoff.text[0] ? card->handoff.text
				     : "Nothing can be done with the card now; see "
				       "\"batonctl doctor\".";
}

/* What goes on or went wrong, or NULL. */
static const char *card_text(const struct managed_card *card)
{
	if (card->handoff.state == CARD_STATE_WEDGED || card->handoff.state == CARD_STATE_LOST) {
		return ended_text(card);
	}
	if (broker_client_is_up(card->passthrough->broker) && !passthrough_facts(card)) {
		return "The broker does not lend this card; name its address in "
		       "/etc/baton/broker.conf and restart baton-broker.";
	}
	if (card->held[0]) {
		return card->held;
	}
	return card->handoff.text[0] ? card->handoff.text : NULL;
}

void passthrough_describe(const struct managed_card *card, struct passthrough_card *out)
{
	const struct handoff *handoff = &card->handoff;

	*out = (struct passthrough_card){
		.name = card->config->name,
		.address = card->address,
		.state = handoff->state,
		.owner = guest_name(card, handoff->owner),
		.moving = handoff->active,
		.asking = handoff->asking,
		.text = card_text(card),
		.facts = passthrough_facts(card),
	};
	if (handoff->active) {
		out->target = guest_name(card, handoff->to);
		out->stage = handoff_stage_name(handoff->stage);
		out->stage_usec = handoff->stage_usec;
	}
}

void passthrough_tell(struct managed_card *card)
{
	struct passthrough *passthrough = card->passthrough;
	struct passthrough_card told;

	if (passthrough->broker) { /* else it is not there yet for its owner either */
		passthrough_describe(card, &told);
		passthrough->handlers->changed(passthrough->data, &told);
	}
}

void passthrough_each(struct passthrough *passthrough,
		      void (*each)(void *data, const struct passthrough_card *card), void *data)
{
	struct passthrough_card told;

	for (size_t i = 0; passthrough && i < passthrough->n; i++) {
		passthrough_describe(&passthrough->cards[i], &told);
		each(data, &told);
	}
}

const char *passthrough_trouble(const struct passthrough *passthrough)
{
	return broker_client_trouble(passthrough->broker);
}

/* ---- Requests ---- */

static struct managed_card *card_by_name(const struct passthrough *passthrough, const char *name)
{
	for (size_t i = 0; i < passthrough->n; i++) {
		if (strcmp(passthrough->cards[i].config->name, name) == 0) {
			return &passthrough->cards[i];
		}
	}
	return NULL;
}

__attribute__((format(printf, 4, 5))) static int refuse(struct passthrough *passthrough, int error,
							const char **why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(passthrough->why, sizeof(passthrough->why), format, args);
	va_end(args);
	*why = passthrough->why;
	return error;
}

static int find_card(struct passthrough *passthrough, const char *name, struct managed_card **out,
		     const char **why)
{
	*out = card_by_name(passthrough, name);
	return *out ? 0 : refuse(passthrough, -ENOENT, why, "There is no card called %s.", name);
}

/* Whether anything can be done with the card now. */
static int check_card(struct managed_card *card, const char **why)
{
	struct passthrough *passthrough = card->passthrough;
	const char *trouble = passthrough_trouble(passthrough);

	if (trouble) {
		broker_client_look(passthrough->broker);
		return refuse(passthrough, -ENOTCONN, why, "%s.", trouble);
	}
	if (!card->synced) {
		return refuse(passthrough, -ENOTCONN, why, "%s",
			      passthrough_facts(card) ? "The guests have not told yet who has the "
							"card; try again in a second."
						      : card_text(card));
	}
	if (card->handoff.state == CARD_STATE_WEDGED || card->handoff.state == CARD_STATE_LOST) {
		return refuse(passthrough, -EIO, why, "%s", card_text(card));
	}
	return 0;
}

int passthrough_give(struct passthrough *passthrough, const char *name, uint32_t id,
		     const char **why)
{
	struct managed_card *card;
	int r = find_card(passthrough, name, &card, why);

	if (r >= 0) {
		r = check_card(card, why);
	}
	if (r < 0) {
		return r;
	}
	*why = passthrough->why;
	r = wish_request(card, id, passthrough->why, sizeof(passthrough->why));
	if (r >= 0) {
		card->rescued = card->resumed = card->resuming = false;
		/* At once: who asks next whether the card is on its way must not be told no. */
		wish_decide(card);
	}
	return r;
}

int passthrough_answer(struct passthrough *passthrough, const char *name,
		       enum handoff_answer answer, const char **why)
{
	struct managed_card *card;
	int r = find_card(passthrough, name, &card, why);

	if (r < 0) {
		return r;
	}
	if (handoff_answer(&card->handoff, answer, passthrough_now()) < 0) {
		return refuse(passthrough, -EINVAL, why, "Nothing was asked about %s.",
			      card->config->name);
	}
	passthrough_wake(passthrough);
	return 0;
}

/* Without the broker the card goes nowhere, but a picture needs no more than the card's driver. */
static void rescue_without_truth(struct managed_card *card)
{
	struct passthrough *passthrough = card->passthrough;
	struct passthrough_card told;

	card->rescued = true;
	card->resuming = false;
	if (handoff_is_dark(&card->handoff)) {
		passthrough_describe(card, &told);
		passthrough->handlers->open_screen(passthrough->data, &told);
	}
}

void passthrough_rescue(struct passthrough *passthrough)
{
	broker_client_look(passthrough->broker);
	for (size_t i = 0; i < passthrough->n; i++) {
		struct managed_card *card = &passthrough->cards[i];

		if (card->synced) {
			wish_rescue(card);
		} else {
			rescue_without_truth(card);
		}
	}
	passthrough_wake(passthrough);
}

void passthrough_focus(struct passthrough *passthrough, uint32_t id)
{
	passthrough->front = id;
	passthrough->front_usec = passthrough_now();
	passthrough_wake(passthrough);
}

void passthrough_screen_closed(struct passthrough *passthrough, const char *name, int error,
			       const char *text)
{
	struct managed_card *card = card_by_name(passthrough, name);

	if (card) {
		step_done(card, HANDOFF_CLOSE_SCREEN, error, text);
	}
}

void passthrough_screen_opened(struct passthrough *passthrough, const char *name, int error,
			       const char *text)
{
	struct managed_card *card = card_by_name(passthrough, name);

	if (card) {
		step_done(card, HANDOFF_OPEN_SCREEN, error, text);
	}
}
