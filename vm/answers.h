/* SPDX-License-Identifier: MIT */
/*
 * Whether a guest answers. Each request of ours that is under way has a ticket; one that stays
 * open for too long makes the guest late, and any sign of life ends that. A timer runs only while
 * a request is open.
 */
#ifndef VM_ANSWERS_H
#define VM_ANSWERS_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "common/list.h"

/* Embedded by whoever asks. Zero-filled, and after answers_close(), it is closed. */
struct ticket {
	struct list link;
	uint64_t due_usec;
	bool open;
};

/* Lateness has begun or ended. */
typedef void (*answers_changed_fn)(void *data, bool late);

struct answers {
	struct list tickets; /* those that are open and not yet late */
	sd_event_source *timer;
	bool late;
	answers_changed_fn changed;
	void *data;
};

int answers_init(struct answers *answers, sd_event *event, answers_changed_fn changed, void *data);
void answers_finish(struct answers *answers);

/* A request was sent; it is late after usec. */
void answers_open(struct answers *answers, struct ticket *ticket, uint64_t usec);

/* The request needs no answer any more. Legal on a closed ticket. */
void answers_close(struct answers *answers, struct ticket *ticket);

/* The guest has answered something. */
void answers_alive(struct answers *answers);

#endif
