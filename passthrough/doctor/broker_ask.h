/* SPDX-License-Identifier: MIT */
/* Asks the broker what it knows. Unlike the seat's client this one waits for the answers. */
#ifndef PASSTHROUGH_DOCTOR_BROKER_ASK_H
#define PASSTHROUGH_DOCTOR_BROKER_ASK_H

#include <stdbool.h>

#include "proto/broker.h"

struct broker_card_answer {
	struct broker_slot slot;
	struct broker_facts facts;
	char text[BROKER_TEXT_MAX]; /* what is wrong with it, or empty */
	bool holders_known;         /* else the broker could not look */
	unsigned int n_holders, more;
	struct broker_holder holders[BROKER_HOLDERS_MAX];
};

struct broker_answer {
	int error;                  /* of the connection: -ENOENT, -ECONNREFUSED: no broker */
	bool greeted;               /* it serves us; what follows is filled */
	char text[BROKER_TEXT_MAX]; /* why it does not */
	unsigned int n_cards;
	struct broker_card_answer cards[BROKER_CARDS_MAX];
};

/*
 * Connects, asks for all cards and their holders, and leaves at once: the broker has room for one
 * seat, and one that starts meanwhile is refused and tries again. Takes at most about a minute.
 */
void broker_ask(const char *path, struct broker_answer *out);

/* What it said about the card, or NULL. */
const struct broker_card_answer *broker_answer_find(const struct broker_answer *answer,
						    const struct broker_slot *slot);

#endif
