/* SPDX-License-Identifier: MIT */
/*
 * What one device still has to tell its guest, event by event, since the guest may have room for as
 * few as four. Pure: time is an argument. It keeps the order, and bounds itself without losing what
 * counts:
 *
 *  - Events come in batches that end with SYN_REPORT, and leave in whole batches.
 *  - While a guest is slow, a batch of motion joins the one before it: motion is summed, of
 *    positions the last one counts. So a mouse at 8 kHz takes one batch.
 *  - When it is full all the same, what waits is replaced by what it comes to: the difference
 *    between what the guest knows and how things are now, and the sum of all motion. So a release
 *    is never lost, and neither is a way; what was pressed and let go meanwhile is.
 *  - A guest that has read nothing for 2 s while something waited is stalled: what waits is dropped
 *    and so is what comes, until it reads again; then it gets all it saw pressed released, and
 *    nothing of what was done meanwhile.
 */
#ifndef INPUT_KEEPER_GUEST_QUEUE_H
#define INPUT_KEEPER_GUEST_QUEUE_H

#include <linux/input-event-codes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/input.h"

#define GUEST_QUEUE_MAX 2048
#define GUEST_QUEUE_STALL_NS (2000ull * 1000 * 1000)

/* What the device looks like after some event. */
struct device_picture {
	uint64_t keys[(KEY_CNT + 63) / 64];
	int32_t axes[ABS_CNT];
	int32_t slots[INPUT_FINGERS][ABS_CNT - ABS_MT_SLOT];
	int32_t slot;
};

struct guest_queue {
	enum input_kind kind;
	struct input_wire_event events[GUEST_QUEUE_MAX]; /* a ring */
	size_t first, n;
	size_t last;     /* events of the batch at the end, 0: the guest has part of it */
	int32_t last_slot; /* where that batch begins */
	bool in_batch;   /* the guest has part of the batch at the beginning */
	bool stalled;
	uint64_t moved_ns; /* when the guest took an event, or there was none for it, last */
	struct device_picture told, wanted; /* by what it took; after what waits */
	uint32_t lost; /* events that it was to get and did not, since the owner took note */
};

void guest_queue_init(struct guest_queue *queue, enum input_kind kind);

/* The guest knows nothing any more: its driver began or ended. */
void guest_queue_reset(struct guest_queue *queue);

/* A batch. What the device does not have is left out. -EINVAL when it does not end with its only
 * SYN_REPORT, or has a value out of bounds. */
int guest_queue_add(struct guest_queue *queue, const struct input_wire_event *events, size_t n,
		    uint64_t now_ns);

/* Ends what is pressed and touched, behind all that waits. */
void guest_queue_release(struct guest_queue *queue, uint64_t now_ns);

/* The next event, or NULL; and that the guest took it. */
const struct input_wire_event *guest_queue_peek(const struct guest_queue *queue);
void guest_queue_take(struct guest_queue *queue, uint64_t now_ns);

/* A guest that was stalled has room for events again. */
void guest_queue_wake(struct guest_queue *queue);

/* When guest_queue_elapsed() wants to be called, or UINT64_MAX. */
uint64_t guest_queue_deadline(const struct guest_queue *queue);
void guest_queue_elapsed(struct guest_queue *queue, uint64_t now_ns);

#endif
