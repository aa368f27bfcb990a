/* SPDX-License-Identifier: MIT */
/*
 * Which guest is in front, and which one a request leads to: pure functions over plain state, so
 * that every case can be tested. Guests are numbers (not 0); 0 is "none".
 */
#ifndef FOCUS_PLAN_H
#define FOCUS_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FOCUS_GUESTS_MAX 64

/*
 * The order of use: guests[0] is in front when focused is true, then the one that was there
 * before it, and so on. While walking (host key held, Tab tapped) the order stays as it was, and
 * walk says how far the walk has come; it becomes the order when the walk ends.
 */
struct focus_state {
	uint32_t guests[FOCUS_GUESTS_MAX];
	size_t count;
	bool focused;
	size_t walk; /* 0: no walk */
};

enum focus_request_kind {
	FOCUS_REQUEST_GUEST,    /* this guest */
	FOCUS_REQUEST_RECENT,   /* walk one further back in the order of use, wrapping */
	FOCUS_REQUEST_SETTLE,   /* the walk ends where it is */
	FOCUS_REQUEST_BACK,     /* the guest before the present one */
	FOCUS_REQUEST_NEXT,     /* the next higher slot, wrapping; order: by_slot */
	FOCUS_REQUEST_NONE,     /* nobody in front */
};

struct focus_request {
	enum focus_request_kind kind;
	uint32_t guest;          /* FOCUS_REQUEST_GUEST */
	const uint32_t *by_slot; /* FOCUS_REQUEST_NEXT: all guests in slot order */
};

/* What is to be done: nothing, or a switch from one to another (either may be 0). */
struct focus_plan {
	bool change;
	uint32_t from, to;
	struct focus_state after; /* the state once it has been done */
};

/* Adds a guest at the end of the order, or takes one out of it; a walk ends. */
void focus_state_add(struct focus_state *state, uint32_t guest);
void focus_state_remove(struct focus_state *state, uint32_t guest);

/* The guest in front, walk included, or 0. */
uint32_t focus_state_current(const struct focus_state *state);

/* Never fails: a request that leads nowhere (unknown guest, nobody to go back to) changes
 * nothing. */
struct focus_plan focus_plan(const struct focus_state *state, const struct focus_request *request);

#endif
