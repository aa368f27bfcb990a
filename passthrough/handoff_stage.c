// SPDX-License-Identifier: MIT
/* From one stage of a handoff to the next; see handoff_stage.h. */
#include "passthrough/handoff_stage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "passthrough/handoff_way.h"

#define USEC_PER_SEC 1000000u

const struct handoff_row *handoff_row_now(const struct handoff *handoff)
{
	return handoff_row(handoff->stage);
}

void handoff_set_text(struct handoff *handoff, const char *text)
{
	snprintf(handoff->text, sizeof(handoff->text), "%s", text);
}

/* The first failure is what is told at the end; a warning gives way to it. */
static void note_failure(struct handoff *handoff, int error, const char *text)
{
	if (handoff->failure.error || (!error && *handoff->failure.text)) {
		return;
	}
	handoff->failure.error = error;
	snprintf(handoff->failure.text, sizeof(handoff->failure.text), "%s", text);
}

void handoff_way_begin(struct handoff *handoff, uint32_t to, uint64_t now)
{
	handoff->active = true;
	handoff->from = handoff->owner;
	handoff->to = to;
	handoff->started_usec = now;
	handoff->failure.error = 0;
	*handoff->failure.text = '\0';
	/* A sanitize that failed on an earlier way is tried again. */
	handoff->done &= ~HANDOFF_BIT(HANDOFF_SANITIZE);
}

void handoff_way_end(struct handoff *handoff, int error, const char *text)
{
	if (error) {
		note_failure(handoff, error, text);
	}
	handoff->active = handoff->asking = handoff->undoing = false;
	handoff->stage = HANDOFF_NONE;
	handoff_set_text(handoff, handoff->failure.text);
	handoff->ops->changed(handoff->data);
	handoff->ops->finished(handoff->data, handoff->failure.error);
}

void handoff_stage_begin(struct handoff *handoff, enum handoff_stage stage, uint64_t now)
{
	handoff->stage = stage;
	handoff->stage_usec = now;
	handoff->schedule = (struct handoff_schedule){
		.base_usec = now,
		.pause_usec = HANDOFF_PAUSE_MIN_USEC,
	};
	handoff->asking = false;
	handoff_set_state(handoff, handoff_row_now(handoff)->state);
	handoff_set_text(handoff, handoff->failure.text);
	handoff->ops->changed(handoff->data);
	handoff->ops->begin(handoff->data, stage, handoff->from, handoff->to);
}

void handoff_way_go_on(struct handoff *handoff, uint64_t now)
{
	enum handoff_stage next;

	if (handoff->flags & HANDOFF_TARGET_GONE) {
		note_failure(handoff, -ESRCH, "The guest that was to get the card has ended.");
		handoff_turn(handoff, false);
	}
	if (handoff->flags & HANDOFF_OWNER_GONE) {
		handoff_forget_device(handoff);
	}
	next = handoff_next(handoff);
	if (next == HANDOFF_NONE) {
		handoff_set_state(handoff, handoff_rest_state(handoff));
		handoff_way_end(handoff, 0, NULL);
	} else {
		handoff_stage_begin(handoff, next, now);
	}
}

/* Without its reset the card may still go to the host, and a borrower that is not there has
 * nothing any more. */
static bool only_warns(const struct handoff *handoff)
{
	switch (handoff->stage) {
	case HANDOFF_SANITIZE:
		return handoff->to == HANDOFF_HOST;
	case HANDOFF_TAKE_BACK:
		return handoff->flags & HANDOFF_OWNER_GONE;
	case HANDOFF_CONFIRM:
		return handoff_did(handoff, HANDOFF_ATTACH);
	default:
		return handoff_row_now(handoff)->flags & HANDOFF_ROW_WARNS;
	}
}

static void stage_fail(struct handoff *handoff, int error, const char *text, bool unanswered)
{
	bool warns = only_warns(handoff);
	char sentence[sizeof(handoff->text)];

	snprintf(sentence, sizeof(sentence), "%s failed: %s.", handoff_row_now(handoff)->name,
		 strerror(-error));
	note_failure(handoff, warns ? 0 : error, text ? text : sentence);
	if (warns && handoff->stage != HANDOFF_SANITIZE) {
		handoff_advance_place(handoff);
		return;
	}
	handoff_fail_place(handoff, unanswered);
	if (!warns) {
		handoff_turn(handoff, handoff_row_now(handoff)->flags & HANDOFF_ROW_STAYS);
	}
}

/* The state in which nothing more is tried after such an error, or CARD_STATE_COUNT. */
static enum card_state end_state(const struct handoff *handoff, int error)
{
	const struct handoff_row *row = handoff_row_now(handoff);

	if (row->actor == HANDOFF_BROKER && error == -ENODEV) {
		return CARD_STATE_LOST;
	}
	return (row->flags & HANDOFF_ROW_KERNEL) && error == -ETIMEDOUT ? CARD_STATE_WEDGED
									: CARD_STATE_COUNT;
}

/* The one end of each stage. unanswered: nobody knows what was done. */
static void stage_end(struct handoff *handoff, int error, const char *text, bool unanswered,
		      uint64_t now)
{
	enum card_state end = end_state(handoff, error);

	if (end != CARD_STATE_COUNT) {
		handoff_set_state(handoff, end);
		handoff_way_end(handoff, error, text ? text : handoff_end_text(end));
		return;
	}
	if (error) {
		stage_fail(handoff, error, text, unanswered);
	} else {
		handoff_advance_place(handoff);
	}
	handoff_way_go_on(handoff, now);
}

void handoff_stage_end(struct handoff *handoff, int error, const char *text, uint64_t now)
{
	stage_end(handoff, error, text, false, now);
}

void handoff_stage_cut(struct handoff *handoff, int error, const char *text, uint64_t now)
{
	handoff->ops->abandon(handoff->data, handoff->stage);
	stage_end(handoff, error, text, false, now);
}

void handoff_stage_time_out(struct handoff *handoff, uint64_t now)
{
	const struct handoff_row *row = handoff_row_now(handoff);
	unsigned int seconds = (unsigned int)((now - handoff->schedule.base_usec) / USEC_PER_SEC);
	char sentence[sizeof(handoff->text)];

	/* What is known of the reason comes after it, as long as there is room. */
	if (snprintf(sentence, sizeof(sentence), "%s did not end within %u s. %s", row->name,
		     seconds, handoff->text) < 0) {
		*sentence = '\0';
	}
	handoff->ops->abandon(handoff->data, handoff->stage);
	stage_end(handoff, -ETIMEDOUT, sentence, true, now);
}

static bool may_retry(const struct handoff *handoff, uint64_t now)
{
	const struct handoff_schedule *schedule = &handoff->schedule;

	if (handoff->stage == HANDOFF_DRAIN && (handoff->flags & HANDOFF_TARGET_GONE)) {
		return false;
	}
	return !schedule->last &&
	       now + schedule->pause_usec <=
		       schedule->base_usec + handoff_row_now(handoff)->retry_usec;
}

void handoff_stage_busy(struct handoff *handoff, const char *text, uint64_t now)
{
	struct handoff_schedule *schedule = &handoff->schedule;

	if (!may_retry(handoff, now)) {
		stage_end(handoff, schedule->last ? -ECANCELED : -EBUSY, text, false, now);
		return;
	}
	schedule->retry_usec = now + schedule->pause_usec;
	schedule->pause_usec *= 2;
	if (schedule->pause_usec > HANDOFF_PAUSE_MAX_USEC) {
		schedule->pause_usec = HANDOFF_PAUSE_MAX_USEC;
	}
	if (text) {
		handoff_set_text(handoff, text);
	}
	handoff->ops->changed(handoff->data);
}

void handoff_stage_retry(struct handoff *handoff)
{
	handoff->schedule.retry_usec = 0;
	handoff->ops->begin(handoff->data, handoff->stage, handoff->from, handoff->to);
}

bool handoff_stage_pauses(const struct handoff *handoff)
{
	return handoff->schedule.retry_usec != 0;
}
