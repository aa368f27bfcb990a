// SPDX-License-Identifier: MIT
/* What a stage of a handoff is told by the time: that it is late, that the guest is asked once
 * more, that the person is asked, and that it has failed. See handoff.h. */
#include <string.h>

#include "passthrough/handoff_stage.h"
#include "passthrough/handoff_way.h"

/* When each of them is due; UINT64_MAX: not at all. */
static uint64_t due_late(const struct handoff *handoff)
{
	return handoff->schedule.late
		       ? UINT64_MAX
		       : handoff->schedule.base_usec + handoff_row_now(handoff)->soft_usec;
}

static uint64_t due_question(const struct handoff *handoff)
{
	uint64_t ask = handoff_row_now(handoff)->ask_usec;

	if (ask == 0 || handoff->asking || handoff->schedule.last ||
	    (handoff->flags & HANDOFF_OWNER_GONE)) {
		return UINT64_MAX;
	}
	return handoff->schedule.base_usec + ask;
}

static uint64_t due_repeat(const struct handoff *handoff)
{
	if (handoff->stage != HANDOFF_EJECT) {
		return UINT64_MAX;
	}
	return handoff->schedule.base_usec + handoff_repeat_usec(handoff->schedule.repeats);
}

static uint64_t due_retry(const struct handoff *handoff)
{
	return handoff_stage_pauses(handoff) ? handoff->schedule.retry_usec : UINT64_MAX;
}

static uint64_t due_end(const struct handoff *handoff)
{
	return handoff->schedule.base_usec + handoff_row_now(handoff)->hard_usec;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t handoff_deadline(const struct handoff *handoff)
{
	uint64_t due;

	if (!handoff->active) {
		return UINT64_MAX;
	}
	due = earlier(due_late(handoff), due_question(handoff));
	due = earlier(due, due_repeat(handoff));
	due = earlier(due, due_retry(handoff));
	return earlier(due, due_end(handoff));
}

/* Tells what is late, unless a reason for this stage was told already. */
static void tell_late(struct handoff *handoff, uint64_t now)
{
	bool late = now >= due_late(handoff), question = now >= due_question(handoff);

	if (!late && !question) {
		return;
	}
	handoff->schedule.late |= late;
	handoff->asking |= question;
	if (strcmp(handoff->text, handoff->failure.text) == 0) {
		handoff_set_text(handoff, handoff_row_now(handoff)->late);
	}
	handoff->ops->changed(handoff->data);
}

/* However late we are ourselves, once is enough. */
static void repeat(struct handoff *handoff, uint64_t now)
{
	while (now >= due_repeat(handoff)) {
		handoff->schedule.repeats++;
	}
	handoff->ops->repeat(handoff->data, handoff->owner);
}

void handoff_tick(struct handoff *handoff, uint64_t now)
{
	if (!handoff->active || now < handoff_deadline(handoff)) {
		return;
	}
	if (now >= due_end(handoff)) {
		handoff_stage_time_out(handoff, now);
		return;
	}
	tell_late(handoff, now);
	if (now >= due_retry(handoff)) {
		handoff_stage_retry(handoff);
	} else if (now >= due_repeat(handoff)) {
		repeat(handoff, now);
	}
}
