/* SPDX-License-Identifier: MIT */
/*
 * Who should have a card: pure functions over plain state. The rules, strongest first:
 *
 *   pinned        A living guest that has the card pinned gets it and keeps it until it ends. While
 *                 it lives nobody takes it: requests for others are refused. Of several, who has it
 *                 keeps it, then the order of guests counts.
 *   request       A person gives the card to a guest or takes it back to the host. That holds until
 *                 another request, until a guest that follows the focus comes to the front after
 *                 it, or until the guest that got it ends.
 *   follow-focus  A guest that has been in front for the settle time gets the card. Whoever has it
 *                 then keeps it when the focus goes on to a guest that does not follow, or to none.
 *                 So a walk through the guests moves nothing.
 *   home          When a guest that has the card ends, or may not have it any more, it goes home;
 *                 from then on whoever is in front counts anew.
 *
 * A way that failed is not tried again until somebody wants it anew: by a request, by coming to the
 * front, by its start when it is pinned.
 */
#ifndef PASSTHROUGH_POLICY_H
#define PASSTHROUGH_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "passthrough/card_config.h"
#include "passthrough/handoff.h"

struct policy_guest {
	uint32_t id; /* neither HANDOFF_HOST nor HANDOFF_POOL */
	const char *name;
	enum card_policy policy; /* for this card */
	bool alive;              /* its QEMU runs */
};

/* The world as one card sees it. */
struct policy_view {
	const char *card; /* its name */
	uint32_t owner;   /* who has it now, also HANDOFF_HOST or HANDOFF_POOL */
	uint32_t home;    /* HANDOFF_HOST or HANDOFF_POOL */
	unsigned int settle_ms;
	const struct policy_guest *guests;
	size_t guest_count;
	uint32_t front;      /* the guest in front; 0: none */
	uint64_t front_usec; /* since when (CLOCK_MONOTONIC) */
};

/* What is kept between decisions. */
struct policy_state {
	uint32_t wanted;      /* who should have the card */
	uint64_t wanted_usec; /* of the request or the focus that wanted it; 0: neither did */
	bool failed;          /* the way there has failed */
};

struct policy_decision {
	struct policy_state state; /* to be kept */
	uint32_t owner;            /* to whom the card should go now; the owner: nothing to do */
	uint64_t again_usec;       /* when to decide again if nothing happens; UINT64_MAX: never */
};

/* At the start. A guest that has the card already keeps it as after a request. */
struct policy_state policy_start(const struct policy_view *view, uint64_t now_usec);

/* To be asked when anything of the view has changed, and at again_usec. */
struct policy_decision policy_decide(const struct policy_view *view,
				     const struct policy_state *state, uint64_t now_usec);

/*
 * A person's request for a guest, or HANDOFF_HOST. Returns 0 and the state to be kept; or refuses
 * with one sentence in why: -ENOENT there is no such guest, -ESRCH it does not run, -EPERM it may
 * not have the card, -EBUSY another has it pinned.
 */
int policy_request(const struct policy_view *view, uint32_t to, uint64_t now_usec,
		   struct policy_state *state, char *why, size_t size);

/* A way that was begun for aim has ended, and owner has the card. Of a way that nobody asked for,
 * aim is state->wanted. */
void policy_finished(struct policy_state *state, uint32_t aim, uint32_t owner);

#endif
