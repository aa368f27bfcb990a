// SPDX-License-Identifier: MIT
/* The order of use of guests and what requests do to it; see plan.h. */
#include "focus/plan.h"

#include <string.h>

/* The guest's place in the order, or count. */
static size_t state_find(const struct focus_state *state, uint32_t guest)
{
	size_t i = 0;

	while (i < state->count && state->guests[i] != guest) {
		i++;
	}
	return i;
}

static void state_move_to_front(struct focus_state *state, size_t i)
{
	uint32_t guest = state->guests[i];

	memmove(&state->guests[1], &state->guests[0], i * sizeof(state->guests[0]));
	state->guests[0] = guest;
}

/* Makes where the walk has come to the front of the order. */
static void state_settle(struct focus_state *state)
{
	if (state->walk > 0) {
		state_move_to_front(state, state->walk);
		state->walk = 0;
	}
}

uint32_t focus_state_current(const struct focus_state *state)
{
	return state->focused ? state->guests[state->walk] : 0;
}

void focus_state_add(struct focus_state *state, uint32_t guest)
{
	state_settle(state);
	if (state->count < FOCUS_GUESTS_MAX && state_find(state, guest) == state->count) {
		state->guests[state->count++] = guest;
	}
}

void focus_state_remove(struct focus_state *state, uint32_t guest)
{
	size_t i;

	state_settle(state);
	i = state_find(state, guest);
	if (i == state->count) {
		return;
	}
	if (i == 0) {
		state->focused = false;
	}
	state->count--;
	memmove(&state->guests[i], &state->guests[i + 1],
		(state->count - i) * sizeof(state->guests[0]));
}

static void go_to(struct focus_state *after, uint32_t guest)
{
	size_t i;

	state_settle(after);
	i = state_find(after, guest);
	if (i < after->count) {
		state_move_to_front(after, i);
		after->focused = true;
	}
}

/* With nobody in front the walk's first step is to the most recently used guest. */
static void walk_on(struct focus_state *after)
{
	if (after->count == 0) {
		return;
	}
	if (!after->focused) {
		after->focused = true;
	} else {
		after->walk = (after->walk + 1) % after->count;
	}
}

static void go_back(struct focus_state *after)
{
	state_settle(after);
	if (!after->focused && after->count > 0) {
		after->focused = true;
	} else if (after->count > 1) {
		state_move_to_front(after, 1);
	}
}

static void go_next(struct focus_state *after, const uint32_t *by_slot)
{
	uint32_t current = focus_state_current(after);
	size_t i = 0;

	if (after->count == 0) {
		return;
	}
	while (i < after->count && by_slot[i] != current) {
		i++;
	}
	go_to(after, by_slot[i < after->count ? (i + 1) % after->count : 0]);
}

struct focus_plan focus_plan(const struct focus_state *state, const struct focus_request *request)
{
	struct focus_plan plan = { .from = focus_state_current(state), .after = *state };

	switch (request->kind) {
	case FOCUS_REQUEST_GUEST:
		go_to(&plan.after, request->guest);
		break;
	case FOCUS_REQUEST_RECENT:
		walk_on(&plan.after);
		break;
	case FOCUS_REQUEST_SETTLE:
		state_settle(&plan.after);
		break;
	case FOCUS_REQUEST_BACK:
		go_back(&plan.after);
		break;
	case FOCUS_REQUEST_NEXT:
		go_next(&plan.after, request->by_slot);
		break;
	case FOCUS_REQUEST_NONE:
		state_settle(&plan.after);
		plan.after.focused = false;
		break;
	}
	plan.to = focus_state_current(&plan.after);
	plan.change = plan.from != plan.to;
	return plan;
}
