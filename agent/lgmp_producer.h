/* SPDX-License-Identifier: MIT */
/*
 * The producing end of LGMP 5 or 6 (proto/lgmp.h): queues of messages in shared memory for whoever
 * subscribes. It knows nothing of what the messages mean, allocates no memory of its own and has no
 * clock: times are given in milliseconds of any clock that only goes forward, never 0.
 *
 * All state that matters is private; what stands in the shared memory is written and only read
 * where consumers have a say. A consumer that dies with a lock held makes calls fail with -EBUSY;
 * lgmp_producer_start() gets out of that with a new session.
 */
#ifndef AGENT_LGMP_PRODUCER_H
#define AGENT_LGMP_PRODUCER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/lgmp.h"

struct lgmp_ring {
	uint32_t id, slots, max_time;
	uint32_t messages;        /* offset of the slots */
	uint32_t position;        /* the slot that is filled next */
	uint32_t client_position; /* the message from a consumer that is read next */
};

struct lgmp_producer {
	uint8_t *memory; /* the caller's, aligned to a page */
	uint32_t size;
	uint32_t used; /* what is allocated, from the start */
	uint32_t version;
	const void *user_data; /* the caller's; must stay */
	uint32_t user_data_size;
	uint32_t session; /* the last one; a random number before the first */
	uint32_t ring_count;
	struct lgmp_ring rings[LGMP_QUEUES_MAX];
	uint64_t now; /* of the last tick */
};

/* Returns 0; -EINVAL for a version that is not LGMP_VERSION_B6 or _B7, -ENOSPC. */
int lgmp_producer_init(struct lgmp_producer *producer, void *memory, size_t size, uint32_t version,
		       const void *user_data, uint32_t user_data_size);

/* Before the start: a queue for `length` messages, or memory for payloads. 0 or -ENOSPC. */
int lgmp_producer_add_queue(struct lgmp_producer *producer, uint32_t id, uint32_t length,
			    uint32_t max_time, struct lgmp_ring **out);
int lgmp_producer_alloc(struct lgmp_producer *producer, uint32_t size, uint32_t alignment,
			uint32_t *offset);

/* Begins a session, the first one or another: all subscriptions and messages are gone. */
void lgmp_producer_start(struct lgmp_producer *producer, uint64_t now);

/*
 * Writes the heartbeat and frees what was read or was not read in time; every LGMP_HEARTBEAT_MS
 * while somebody may look. Returns 0; -ESTALE when somebody wiped the memory, -EBUSY when a lock is
 * held: then lgmp_producer_start(), for the second when it lasts.
 */
int lgmp_producer_tick(struct lgmp_producer *producer, uint64_t now);

/* Whoever reads this queue, a bit each. */
uint32_t lgmp_ring_subscribers(const struct lgmp_producer *producer, const struct lgmp_ring *ring);
/* How many have come since the last call; they want the state of now. */
uint32_t lgmp_ring_newcomers(const struct lgmp_producer *producer, const struct lgmp_ring *ring);
/* Messages that somebody has not read yet. */
uint32_t lgmp_ring_pending(const struct lgmp_producer *producer, const struct lgmp_ring *ring);

/* Returns 0; -ENOTCONN when nobody subscribes, -ENOBUFS when the ring is full, -EBUSY. */
int lgmp_ring_send(struct lgmp_producer *producer, struct lgmp_ring *ring, uint32_t user_data,
		   uint32_t offset, uint32_t size);

/* Takes a consumer's message. Returns its size, 0 when there is none, or -EBUSY. */
int lgmp_ring_receive(struct lgmp_producer *producer, struct lgmp_ring *ring,
		      uint8_t payload[static LGMP_CLIENT_MESSAGE_SIZE]);

#endif
