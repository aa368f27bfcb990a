// SPDX-License-Identifier: MIT
/* Where a card is and what its next stage is; see handoff_way.h. */
#include "passthrough/handoff_way.h"

#include <assert.h>

#include "passthrough/handoff_table.h"

#define BIT(stage) HANDOFF_BIT(HANDOFF_##stage)

/* A way towards a guest, and as far as sanitize to the pool. */
static const enum handoff_stage forward[] = {
	HANDOFF_CLOSE_SCREEN, HANDOFF_DRAIN,  HANDOFF_DETACH,  HANDOFF_SANITIZE,
	HANDOFF_LEND,         HANDOFF_ATTACH, HANDOFF_CONFIRM,
};

#define FORWARD (sizeof(forward) / sizeof(forward[0]))

/* What was done of a card that is found in a state. Its screens count as closed when the host has
 * not got it: to open what is open does no harm. */
static const uint32_t places[CARD_STATE_COUNT] = {
#define DRAINED (BIT(CLOSE_SCREEN) | BIT(DRAIN))
#define DETACHED (DRAINED | BIT(DETACH))
#define LENT (DETACHED | BIT(LEND) | BIT(ATTACH))
	[CARD_STATE_DRAINING] = DRAINED, [CARD_STATE_DETACHING] = DETACHED,
	[CARD_STATE_POOL] = DETACHED,    [CARD_STATE_SANITIZING] = DETACHED,
	[CARD_STATE_ATTACHING] = LENT,   [CARD_STATE_GUEST] = LENT | BIT(CONFIRM),
	[CARD_STATE_EJECTING] = LENT,    [CARD_STATE_RETURNING] = DETACHED,
};

bool handoff_is_guest(uint32_t owner)
{
	return owner != HANDOFF_HOST && owner != HANDOFF_POOL;
}

bool handoff_did(const struct handoff *handoff, enum handoff_stage stage)
{
	return handoff->done & HANDOFF_BIT(stage);
}

void handoff_place(struct handoff *handoff, enum card_state state, uint32_t owner)
{
	bool half = state == CARD_STATE_DETACHING || state == CARD_STATE_RETURNING;
	uint32_t closed = handoff->done & BIT(CLOSE_SCREEN);

	handoff->state = state;
	if (state == CARD_STATE_WEDGED || state == CARD_STATE_LOST) {
		return;
	}
	handoff->done = places[state] | closed;
	handoff->owner = !handoff_did(handoff, HANDOFF_DETACH) ? HANDOFF_HOST
			 : !handoff_did(handoff, HANDOFF_LEND) ? HANDOFF_POOL
							       : owner;
	handoff->user = handoff->owner;
	if (!handoff_is_guest(handoff->owner) && handoff->owner != HANDOFF_HOST) {
		/* Between two drivers nobody but the host was there, and a reset is not possible.
		 */
		handoff->user = half ? HANDOFF_HOST : HANDOFF_SOMEBODY;
	}
	handoff->flags &= ~(uint32_t)(HANDOFF_OWNER_GONE | HANDOFF_TARGET_GONE);
	if (handoff_did(handoff, HANDOFF_LEND) && !handoff_is_guest(handoff->owner)) {
		handoff->flags |= HANDOFF_OWNER_GONE;
	}
}

enum card_state handoff_rest_state(const struct handoff *handoff)
{
	if (handoff_did(handoff, HANDOFF_LEND)) {
		return CARD_STATE_GUEST;
	}
	return handoff_did(handoff, HANDOFF_DETACH) ? CARD_STATE_POOL : CARD_STATE_HOST;
}

void handoff_set_state(struct handoff *handoff, enum card_state state)
{
	if (state != CARD_STATE_COUNT && state != handoff->state) {
		assert(card_state_may_become(handoff->state, state));
		handoff->state = state;
	}
}

void handoff_forget_device(struct handoff *handoff)
{
	handoff->done &= ~handoff_row(HANDOFF_EJECT)->undoes;
}

bool handoff_needs_way(const struct handoff *handoff)
{
	switch (handoff->state) {
	case CARD_STATE_HOST:
		return handoff_did(handoff, HANDOFF_CLOSE_SCREEN);
	case CARD_STATE_GUEST:
		return handoff->flags & HANDOFF_OWNER_GONE;
	case CARD_STATE_WEDGED:
	case CARD_STATE_LOST:
		return false;
	default:
		return true;
	}
}

/* A failed sanitize has its bit in done: it is not tried twice on a way. */
static bool needs_reset(const struct handoff *handoff)
{
	return !(handoff->done & (BIT(SANITIZE) | BIT(LEND))) && handoff->user != HANDOFF_POOL &&
	       !(handoff->to == HANDOFF_HOST && handoff->user == HANDOFF_HOST);
}

/* The undo of the latest stage that has one. */
static enum handoff_stage next_back(const struct handoff *handoff)
{
	for (int stage = HANDOFF_STAGE_COUNT - 1; stage >= 0; stage--) {
		enum handoff_stage undo = handoff_row((enum handoff_stage)stage)->undo;

		if (undo != HANDOFF_NONE && handoff_did(handoff, (enum handoff_stage)stage)) {
			return undo == HANDOFF_GIVE_BACK && needs_reset(handoff) ? HANDOFF_SANITIZE
										 : undo;
		}
	}
	return HANDOFF_NONE;
}

static enum handoff_stage next_forward(const struct handoff *handoff)
{
	for (size_t i = 0; i < FORWARD; i++) {
		enum handoff_stage stage = forward[i];

		if (stage == HANDOFF_LEND && handoff->to == HANDOFF_POOL) {
			break;
		}
		if (stage == HANDOFF_SANITIZE ? needs_reset(handoff)
					      : !handoff_did(handoff, stage)) {
			return stage;
		}
	}
	return HANDOFF_NONE;
}

enum handoff_stage handoff_next(const struct handoff *handoff)
{
	/* An owner that is gone may be unknown, and then be called the pool as well. */
	bool another = handoff->to != handoff->owner || (handoff->flags & HANDOFF_OWNER_GONE);
	bool back = handoff_did(handoff, HANDOFF_LEND) ? another : handoff->to == HANDOFF_HOST;

	return back ? next_back(handoff) : next_forward(handoff);
}

static void lend_to_target(struct handoff *handoff)
{
	handoff->owner = handoff->user = handoff->to;
	if (handoff->flags & HANDOFF_TARGET_GONE) {
		handoff->flags |= HANDOFF_OWNER_GONE;
	}
}

/* The owner, and who used the card last, after the stage under way. */
static void follow_owner(struct handoff *handoff)
{
	switch (handoff->stage) {
	case HANDOFF_DETACH:
		handoff->owner = HANDOFF_POOL;
		break;
	case HANDOFF_TAKE_BACK:
		handoff->owner = HANDOFF_POOL;
		handoff->flags &= ~(uint32_t)HANDOFF_OWNER_GONE;
		break;
	case HANDOFF_SANITIZE:
		handoff->user = HANDOFF_POOL;
		break;
	case HANDOFF_LEND:
		lend_to_target(handoff);
		break;
	case HANDOFF_GIVE_BACK:
		handoff->owner = handoff->user = HANDOFF_HOST;
		break;
	default:
		break;
	}
}

void handoff_advance_place(struct handoff *handoff)
{
	const struct handoff_row *row = handoff_row(handoff->stage);

	handoff->done &= ~row->undoes;
	if (row->undo != HANDOFF_NONE || handoff->stage == HANDOFF_CONFIRM) {
		handoff->done |= HANDOFF_BIT(handoff->stage);
	}
	follow_owner(handoff);
	handoff_set_state(handoff, row->after);
}

/* Where a card is whose stage failed; one that is lent stays in the stage's state for the next. */
static void fail_state(struct handoff *handoff)
{
	if (!handoff_did(handoff, HANDOFF_LEND)) {
		bool drained = handoff_did(handoff, HANDOFF_DRAIN) &&
			       !handoff_did(handoff, HANDOFF_DETACH);

		handoff_set_state(handoff,
				  drained ? CARD_STATE_DRAINING : handoff_rest_state(handoff));
	}
}

void handoff_keep_half(struct handoff *handoff)
{
	if (handoff_row(handoff->stage)->flags & HANDOFF_ROW_HALF) {
		handoff->done |= HANDOFF_BIT(handoff->stage);
	}
}

void handoff_fail_place(struct handoff *handoff, bool unanswered)
{
	handoff_keep_half(handoff);
	if (unanswered && handoff->stage == HANDOFF_LEND) {
		handoff->done |= BIT(LEND);
		lend_to_target(handoff);
	}
	if (handoff->stage == HANDOFF_SANITIZE) {
		handoff->done |= BIT(SANITIZE);
	}
	if (handoff->stage == HANDOFF_GIVE_BACK) {
		handoff->user = HANDOFF_HOST; /* its drivers may have been at it */
	}
	if (handoff->stage == HANDOFF_TAKE_BACK) {
		/* The guest has it still, as far as anybody knows: the next way ejects it again. */
		handoff->done |= BIT(ATTACH);
	}
	fail_state(handoff);
}

/* A guest that had the card before this way and never lost it. */
static bool never_lost(const struct handoff *handoff)
{
	return handoff_did(handoff, HANDOFF_ATTACH) && handoff->owner != handoff->to &&
	       !(handoff->flags & HANDOFF_OWNER_GONE);
}

void handoff_turn(struct handoff *handoff, bool stays)
{
	uint32_t to = handoff->home;

	if (never_lost(handoff)) {
		to = handoff->owner;
		handoff->done |= BIT(CONFIRM);
	} else if (!handoff_did(handoff, HANDOFF_DETACH)) {
		to = HANDOFF_HOST;
	} else if (stays && !handoff_did(handoff, HANDOFF_LEND)) {
		to = HANDOFF_POOL;
		handoff->done |= BIT(SANITIZE);
	}
	handoff->from = handoff->owner;
	handoff->to = to;
	handoff->undoing = true;
	handoff->flags &= ~(uint32_t)HANDOFF_TARGET_GONE;
}
