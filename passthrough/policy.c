// SPDX-License-Identifier: MIT
/* Who should have a card; see policy.h. */
#include "passthrough/policy.h"

#include <errno.h>
#include <stdio.h>

#define USEC_PER_MSEC 1000ull

static const struct policy_guest *find_guest(const struct policy_view *view, uint32_t id)
{
	for (size_t i = 0; i < view->guest_count; i++) {
		if (view->guests[i].id == id) {
			return &view->guests[i];
		}
	}
	return NULL;
}

static bool is_place(uint32_t owner)
{
	return owner == HANDOFF_HOST || owner == HANDOFF_POOL;
}

static bool is_pinned(const struct policy_guest *guest)
{
	return guest && guest->alive && guest->policy == CARD_POLICY_PINNED;
}

/* The living guest that has the card pinned, or NULL. */
static const struct policy_guest *find_pinned(const struct policy_view *view)
{
	const struct policy_guest *owner = find_guest(view, view->owner);

	if (is_pinned(owner)) {
		return owner;
	}
	for (size_t i = 0; i < view->guest_count; i++) {
		if (is_pinned(&view->guests[i])) {
			return &view->guests[i];
		}
	}
	return NULL;
}

static bool may_keep(const struct policy_view *view, uint32_t owner)
{
	const struct policy_guest *guest = find_guest(view, owner);

	return is_place(owner) || (guest && guest->alive && guest->policy != CARD_POLICY_NEVER);
}

static void want(struct policy_state *state, uint32_t owner, uint64_t usec)
{
	*state = (struct policy_state){ .wanted = owner, .wanted_usec = usec };
}

/* In front, following, and came there after whatever was wanted last. */
static bool front_claims(const struct policy_view *view, const struct policy_state *state)
{
	const struct policy_guest *front = view->front ? find_guest(view, view->front) : NULL;

	return front && front->alive && front->policy == CARD_POLICY_FOLLOW_FOCUS &&
	       view->front_usec > state->wanted_usec;
}

/* Returns when to decide again. */
static uint64_t follow_focus(const struct policy_view *view, struct policy_state *state,
			     uint64_t now)
{
	uint64_t settled = view->front_usec + view->settle_ms * USEC_PER_MSEC;

	if (!front_claims(view, state)) {
		return UINT64_MAX;
	}
	if (now < settled) {
		return settled;
	}
	want(state, view->front, view->front_usec);
	return UINT64_MAX;
}

struct policy_state policy_start(const struct policy_view *view, uint64_t now)
{
	struct policy_state state;

	if (is_place(view->owner)) {
		want(&state, view->home, 0);
	} else {
		want(&state, view->owner, now);
	}
	return state;
}

struct policy_decision policy_decide(const struct policy_view *view,
				     const struct policy_state *state, uint64_t now)
{
	struct policy_decision decision = { .state = *state, .again_usec = UINT64_MAX };
	const struct policy_guest *pinned = find_pinned(view);
	struct policy_state *next = &decision.state;

	if (!may_keep(view, next->wanted)) {
		want(next, view->home, 0);
	}
	if (!pinned) {
		decision.again_usec = follow_focus(view, next, now);
	} else if (next->wanted != pinned->id) {
		want(next, pinned->id, now);
	}
	decision.owner = next->failed ? view->owner : next->wanted;
	return decision;
}

static int refuse_guest(const struct policy_view *view, const struct policy_guest *guest, char *why,
			size_t size)
{
	if (!guest) {
		snprintf(why, size, "There is no such guest.");
		return -ENOENT;
	}
	if (guest->policy == CARD_POLICY_NEVER) {
		snprintf(why, size, "%s may not have the card %s; name it in [cards] of its file.",
			 guest->name, view->card);
		return -EPERM;
	}
	if (!guest->alive) {
		snprintf(why, size, "%s does not run; start it first.", guest->name);
		return -ESRCH;
	}
	return 0;
}

int policy_request(const struct policy_view *view, uint32_t to, uint64_t now,
		   struct policy_state *state, char *why, size_t size)
{
	const struct policy_guest *pinned = find_pinned(view);
	int r = to == HANDOFF_HOST ? 0 : refuse_guest(view, find_guest(view, to), why, size);

	if (r < 0) {
		return r;
	}
	if (pinned && pinned->id != to) {
		snprintf(why, size,
			 "The card %s is pinned to %s as long as that runs; end it first.",
			 view->card, pinned->name);
		return -EBUSY;
	}
	want(state, to, now);
	return 0;
}

void policy_finished(struct policy_state *state, uint32_t aim, uint32_t owner)
{
	if (aim == state->wanted) {
		state->failed = owner != state->wanted;
	}
}
