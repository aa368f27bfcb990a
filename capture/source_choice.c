// SPDX-License-Identifier: MIT
/* Which of a guest's pictures is shown; source_choice.h has the rules. */
#include "capture/source_choice.h"

const char *const source_kind_names[SOURCE_KINDS] = {
	[SOURCE_NONE] = "none",
	[SOURCE_EMULATED] = "emulated",
	[SOURCE_VIRTIO] = "virtio",
	[SOURCE_CARD] = "card",
};

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- one source ---- */

/* Until when one that has fallen silent is usable. */
static uint64_t grace_end(const struct source_past *past)
{
	return past->live_usec ? past->live_usec + SOURCE_GRACE_USEC : 0;
}

/* One that was live when its facts were last looked at was so until now. */
static void follow_health(struct source_past *past, const struct source_facts *facts, uint64_t now)
{
	bool live = facts->health == SOURCE_LIVE;

	if (live || past->live) {
		past->live_usec = now;
	}
	past->live = live;
}

static bool is_usable(const struct source_past *past, const struct source_facts *facts,
		      uint64_t now)
{
	return facts->frame_usec != 0 && (past->live || now < grace_end(past));
}

static void update_past(struct source_past *past, const struct source_facts *facts, uint64_t now)
{
	bool usable;

	if (facts->health == SOURCE_GONE) {
		*past = (struct source_past){ 0 };
		return;
	}
	follow_health(past, facts, now);
	usable = is_usable(past, facts, now);
	if (!past->came) {
		past->came = true;
		past->came_usec = now;
	}
	if (usable && !past->usable) {
		past->usable_usec = now;
	}
	past->usable = usable;
	if (past->failures > 0 && now - past->failed_usec >= SOURCE_TRUST_USEC) {
		past->failures = 0;
	}
}

/* How long it has to be usable before it is shown again. */
static uint64_t hold(const struct source_past *past)
{
	uint64_t usec = SOURCE_HOLD_USEC;

	if (past->failures == 0) {
		return 0;
	}
	for (unsigned int i = 1; i < past->failures && usec < SOURCE_HOLD_MAX_USEC; i++) {
		usec *= 2;
	}
	return usec;
}

/* Whether it may push out one that is good enough. */
static bool may_rise(const struct source_past *past, const struct source_facts *facts, uint64_t now)
{
	return facts->health == SOURCE_LIVE && past->usable &&
	       facts->frame_usec >= past->came_usec && now - past->usable_usec >= hold(past);
}

/* ---- all of them ---- */

static enum source_kind find_usable(const struct source_choice *choice,
				    const struct source_facts *facts, uint64_t now)
{
	for (int kind = SOURCE_CARD; kind > SOURCE_NONE; kind--) {
		const struct source_past *past = &choice->past[kind];

		if (past->usable && ((int)choice->shown >= kind || choice->shown == SOURCE_NONE ||
				     may_rise(past, &facts[kind], now))) {
			return (enum source_kind)kind;
		}
	}
	for (int kind = SOURCE_CARD; kind > SOURCE_NONE; kind--) {
		if (choice->past[kind].usable) {
			return (enum source_kind)kind; /* on probation, and better than nothing */
		}
	}
	return SOURCE_NONE;
}

static bool has_old_picture(const struct source_facts *facts)
{
	return facts->health != SOURCE_GONE && facts->frame_usec != 0;
}

static enum source_kind find_old(const struct source_choice *choice,
				 const struct source_facts *facts)
{
	if (choice->shown != SOURCE_NONE && has_old_picture(&facts[choice->shown])) {
		return choice->shown;
	}
	for (int kind = SOURCE_CARD; kind > SOURCE_NONE; kind--) {
		if (has_old_picture(&facts[kind])) {
			return (enum source_kind)kind;
		}
	}
	return SOURCE_NONE;
}

static void note_failure(struct source_choice *choice, uint64_t now)
{
	struct source_past *past = &choice->past[choice->shown];

	if (choice->shown != SOURCE_NONE && past->came && !past->usable) {
		past->failures++;
		past->failed_usec = now;
	}
}

/* When time alone may change the choice. */
static uint64_t next_update(const struct source_choice *choice, const struct source_facts *facts,
			    uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (int kind = SOURCE_EMULATED; kind < SOURCE_KINDS; kind++) {
		const struct source_past *past = &choice->past[kind];

		if (past->usable && facts[kind].health == SOURCE_SILENT) {
			next = min(next, grace_end(past));
		}
		if (kind > (int)choice->shown && past->usable &&
		    past->usable_usec + hold(past) > now) {
			next = min(next, past->usable_usec + hold(past));
		}
	}
	return next;
}

uint64_t source_choice_update(struct source_choice *choice,
			      const struct source_facts facts[static SOURCE_KINDS],
			      uint64_t now_usec)
{
	enum source_kind best;

	for (int kind = SOURCE_EMULATED; kind < SOURCE_KINDS; kind++) {
		update_past(&choice->past[kind], &facts[kind], now_usec);
	}
	best = find_usable(choice, facts, now_usec);
	if (best == SOURCE_NONE) {
		best = find_old(choice, facts);
	}
	if (best != choice->shown) {
		note_failure(choice, now_usec);
		choice->shown = best;
	}
	return next_update(choice, facts, now_usec);
}
