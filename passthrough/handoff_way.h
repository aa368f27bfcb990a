/* SPDX-License-Identifier: MIT */
/*
 * The line along which a card moves: screen closed, drained, detached, lent, attached. Where on it
 * the card is, what the next stage on its way is, and where it goes after a failure. Private to
 * the machine; see handoff.h.
 */
#ifndef PASSTHROUGH_HANDOFF_WAY_H
#define PASSTHROUGH_HANDOFF_WAY_H

#include "passthrough/handoff.h"

/* Who is not there any more: handoff.flags. */
enum handoff_flag {
	HANDOFF_OWNER_GONE = 1 << 0,
	HANDOFF_TARGET_GONE = 1 << 1,
	HANDOFF_BROKER_GONE = 1 << 2,
};

/* In handoff.user: somebody, but it is not known who. */
#define HANDOFF_SOMEBODY (UINT32_MAX - 1)

bool handoff_is_guest(uint32_t owner);
bool handoff_did(const struct handoff *handoff, enum handoff_stage stage);

/* Takes the card's place on the line, its owner and last user from a state. */
void handoff_place(struct handoff *handoff, enum card_state state, uint32_t owner);

/* The state in which a card rests that is at this place. */
enum card_state handoff_rest_state(const struct handoff *handoff);

/* Only along the table of legal transitions; CARD_STATE_COUNT changes nothing. */
void handoff_set_state(struct handoff *handoff, enum card_state state);

/* Whether a card that was found at this place has to go on before it rests. */
bool handoff_needs_way(const struct handoff *handoff);

/* The guest has no device of the card: nothing is there to be ejected. */
void handoff_forget_device(struct handoff *handoff);

/* The next stage on the way to handoff.to, or HANDOFF_NONE: it is there. */
enum handoff_stage handoff_next(const struct handoff *handoff);

/* The stage under way was carried out: the card is further on. */
void handoff_advance_place(struct handoff *handoff);

/* What may be done in half counts as done, so that it is undone. */
void handoff_keep_half(struct handoff *handoff);

/* The stage under way has failed. unanswered: nobody knows how it ended. */
void handoff_fail_place(struct handoff *handoff, bool unanswered);

/* Turns back, after a failure. stays: a card in the pool stays there. */
void handoff_turn(struct handoff *handoff, bool stays);

#endif
