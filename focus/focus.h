/* SPDX-License-Identifier: MIT */
/*
 * Who is in front: the only writer of that fact. A switch is one transaction over participants in
 * the order in which they were added (input, capture, compositor, audio, …):
 *
 *   prepare   may fail, shows nothing. When one fails, those before it are rolled back, in reverse.
 *   commit    cannot fail. What takes long (a graphics card's handoff) is only requested in it.
 *   rollback  cannot fail; undoes prepare.
 *
 * A request that arrives from inside a participant is refused with -EBUSY.
 */
#ifndef FOCUS_FOCUS_H
#define FOCUS_FOCUS_H

#include "common/list.h"
#include "focus/plan.h"

struct focus_participant {
	struct list link; /* focus::participants; owned by the embedder */
	const char *name;
	int (*prepare)(void *data, uint32_t from, uint32_t to); /* may be NULL */
	void (*commit)(void *data, uint32_t from, uint32_t to);
	void (*rollback)(void *data, uint32_t from, uint32_t to); /* NULL if prepare is */
	void *data;
};

struct focus {
	struct list participants;
	struct focus_state state;
	bool switching; /* a transaction is running */
};

void focus_init(struct focus *focus);
void focus_add_participant(struct focus *focus, struct focus_participant *participant);

void focus_add_guest(struct focus *focus, uint32_t guest);
/* A guest that is in front is first switched away from, to none. */
void focus_remove_guest(struct focus *focus, uint32_t guest);

/* Carries the request out. 1 when the focus changed, 0 when it did not, -EBUSY, or what a
 * participant's prepare returned (logged with its name). */
int focus_request(struct focus *focus, const struct focus_request *request);

uint32_t focus_current(const struct focus *focus);

#endif
