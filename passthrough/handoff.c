// SPDX-License-Identifier: MIT
/* What happens to a card on its way from one owner to another: reports, ends of guests and of the
 * broker, and the person's answers; see handoff.h. */
#include "passthrough/handoff.h"

#include <errno.h>

#include "passthrough/handoff_stage.h"
#include "passthrough/handoff_way.h"

void handoff_init(struct handoff *handoff, const struct handoff_ops *ops, void *data,
		  enum card_state state, uint32_t owner, uint32_t home)
{
	*handoff = (struct handoff){
		.ops = ops,
		.data = data,
		.home = home,
		.stage = HANDOFF_NONE,
	};
	handoff_place(handoff, state, owner);
}

int handoff_start(struct handoff *handoff, uint32_t to, uint64_t now)
{
	if (handoff->flags & HANDOFF_BROKER_GONE) {
		return -ENOTCONN;
	}
	if (handoff->active) {
		return -EBUSY;
	}
	if (!card_state_rests(handoff->state)) {
		return -EIO;
	}
	if (to == handoff->owner) {
		return -EALREADY;
	}
	handoff_way_begin(handoff, to, now);
	handoff_stage_begin(handoff, HANDOFF_PREPARE, now);
	return 0;
}

void handoff_report(struct handoff *handoff, enum handoff_stage stage,
		    const struct handoff_result *result, uint64_t now)
{
	int error = result->error;

	if (!handoff->active || handoff->stage != stage || handoff_stage_pauses(handoff)) {
		return;
	}
	if (handoff_row(stage)->actor == HANDOFF_BROKER &&
	    (error == -ECONNRESET || error == -ENOTCONN)) {
		handoff_broker_gone(handoff, now);
	} else if (error == -EBUSY) {
		handoff_stage_busy(handoff, result->text, now);
	} else {
		handoff_stage_end(handoff, error, result->text, now);
	}
}

void handoff_progress(struct handoff *handoff, enum handoff_stage stage, const char *text)
{
	if (handoff->active && handoff->stage == stage) {
		handoff_set_text(handoff, text);
		handoff->ops->changed(handoff->data);
	}
}

/* A way home that nobody asked for. What is between two drivers goes to the host in any case, as
 * the broker does it too. */
static void way_home(struct handoff *handoff, uint64_t now)
{
	bool pooled = handoff_did(handoff, HANDOFF_DETACH) &&
		      handoff->state != CARD_STATE_DETACHING &&
		      handoff->state != CARD_STATE_RETURNING;

	handoff_way_begin(handoff, pooled ? handoff->home : HANDOFF_HOST, now);
	handoff->undoing = true;
	handoff_way_go_on(handoff, now);
}

static bool has_card(const struct handoff *handoff, uint32_t guest)
{
	return handoff_is_guest(guest) && handoff_did(handoff, HANDOFF_LEND) &&
	       handoff->owner == guest;
}

static void owner_gone(struct handoff *handoff, uint64_t now)
{
	if (handoff->stage == HANDOFF_EJECT) {
		handoff_stage_cut(handoff, 0, NULL, now);
	} else if (handoff->stage == HANDOFF_TAKE_BACK) {
		/* Its descriptors are being closed: there is time for that once more. */
		handoff->asking = false;
		handoff->schedule.last = false;
		handoff->schedule.base_usec = now;
		if (handoff_stage_pauses(handoff)) {
			handoff_stage_retry(handoff);
		}
	}
}

/* What the broker does at this moment is waited for; then it is seen that nobody is there. */
static void target_gone(struct handoff *handoff, uint64_t now)
{
	static const char text[] = "The guest that was to get the card has ended.";

	switch (handoff->stage) {
	case HANDOFF_PREPARE:
	case HANDOFF_CLOSE_SCREEN:
	case HANDOFF_ATTACH:
	case HANDOFF_CONFIRM:
		handoff_stage_cut(handoff, -ESRCH, text, now);
		break;
	case HANDOFF_DRAIN:
		if (handoff_stage_pauses(handoff)) {
			handoff_stage_end(handoff, -ESRCH, text, now);
		}
		break;
	default:
		break;
	}
}

void handoff_guest_gone(struct handoff *handoff, uint32_t guest, uint64_t now)
{
	bool owns = has_card(handoff, guest);

	if (owns) {
		handoff->flags |= HANDOFF_OWNER_GONE;
	}
	if (!handoff->active) {
		if (owns && handoff->state == CARD_STATE_GUEST &&
		    !(handoff->flags & HANDOFF_BROKER_GONE)) {
			way_home(handoff, now);
		}
	} else if (handoff_is_guest(guest) && handoff->to == guest) {
		handoff->flags |= HANDOFF_TARGET_GONE;
		target_gone(handoff, now);
	} else if (owns) {
		owner_gone(handoff, now);
	}
}

static void released_on_way(struct handoff *handoff, uint64_t now)
{
	switch (handoff->stage) {
	case HANDOFF_PREPARE:
		handoff_forget_device(handoff);
		break;
	case HANDOFF_EJECT:
		handoff_stage_cut(handoff, 0, NULL, now);
		break;
	case HANDOFF_CONFIRM:
		handoff_forget_device(handoff);
		handoff_stage_cut(handoff, -ECANCELED,
				  "The guest has given the card back by itself.", now);
		break;
	default:
		break;
	}
}

void handoff_guest_released(struct handoff *handoff, uint32_t guest, uint64_t now)
{
	if (!has_card(handoff, guest) || (handoff->flags & HANDOFF_BROKER_GONE)) {
		return;
	}
	if (handoff->active) {
		released_on_way(handoff, now);
	} else if (handoff->state == CARD_STATE_GUEST) {
		handoff_forget_device(handoff);
		way_home(handoff, now);
	}
}

/* What the broker was doing is known from its facts, what the seat was doing may be done in half.
 */
static void abandon_seat(struct handoff *handoff)
{
	if (handoff_row_now(handoff)->actor == HANDOFF_SEAT) {
		handoff->ops->abandon(handoff->data, handoff->stage);
		handoff_keep_half(handoff);
	}
}

void handoff_broker_gone(struct handoff *handoff, uint64_t now)
{
	handoff->flags |= HANDOFF_BROKER_GONE;
	if (!handoff->active) {
		handoff->ops->changed(handoff->data);
		return;
	}
	abandon_seat(handoff);
	handoff_way_end(handoff, -ENOTCONN, "The broker has ended; it is looked for again.");
}

bool handoff_is_dark(const struct handoff *handoff)
{
	bool bound = handoff->state == CARD_STATE_HOST || handoff->state == CARD_STATE_DRAINING;

	return !handoff->active && bound && handoff_did(handoff, HANDOFF_CLOSE_SCREEN);
}

static bool is_at_end(enum card_state state)
{
	return state == CARD_STATE_WEDGED || state == CARD_STATE_LOST;
}

/* Facts during a handoff are of its own making, but for these two. */
static void resync_on_way(struct handoff *handoff, enum card_state state)
{
	if (is_at_end(state)) {
		abandon_seat(handoff);
		handoff_set_state(handoff, state);
		handoff_way_end(handoff, -EIO, handoff_end_text(state));
	}
}

static bool is_news(const struct handoff *handoff, enum card_state state, uint32_t owner)
{
	return state != handoff->state || !(card_state_rests(state) || is_at_end(state)) ||
	       (state == CARD_STATE_GUEST && owner != handoff->owner);
}

void handoff_resync(struct handoff *handoff, enum card_state state, uint32_t owner, uint64_t now)
{
	bool back = handoff->flags & HANDOFF_BROKER_GONE;

	handoff->flags &= ~(uint32_t)HANDOFF_BROKER_GONE;
	if (handoff->active) {
		resync_on_way(handoff, state);
		return;
	}
	if (!back && !is_news(handoff, state, owner)) {
		return;
	}
	handoff_place(handoff, state, owner);
	if (handoff_needs_way(handoff)) {
		way_home(handoff, now);
	} else {
		handoff->ops->changed(handoff->data);
	}
}

static void answer_abort(struct handoff *handoff, uint64_t now)
{
	static const char text[] = "The card stays with the guest, as it was answered.";

	if (handoff->stage == HANDOFF_EJECT) {
		handoff_stage_cut(handoff, -ECANCELED, text, now);
	} else if (handoff_stage_pauses(handoff)) {
		handoff_stage_end(handoff, -ECANCELED, text, now);
	} else {
		handoff->schedule.last = true;
		handoff->ops->changed(handoff->data);
	}
}

int handoff_answer(struct handoff *handoff, enum handoff_answer answer, uint64_t now)
{
	if (!handoff->asking) {
		return -EINVAL;
	}
	handoff->asking = false;
	if (answer == HANDOFF_ANSWER_ABORT) {
		answer_abort(handoff, now);
		return 0;
	}
	handoff->schedule.base_usec = now;
	handoff->schedule.repeats = 0;
	handoff->ops->changed(handoff->data);
	if (answer == HANDOFF_ANSWER_RESET) {
		handoff->ops->reset_guest(handoff->data, handoff->owner);
	} else if (answer == HANDOFF_ANSWER_KILL) {
		handoff->ops->kill_guest(handoff->data, handoff->owner);
	}
	return 0;
}
