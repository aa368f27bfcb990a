/* SPDX-License-Identifier: MIT */
/*
 * The consuming end of LGMP 5 and 6 (proto/lgmp.h), hardened: nothing that the producer writes is
 * believed, no lock is waited for, every loop ends. It has no clock and no timer: the caller looks
 * when it likes and says what time it is, in microseconds of CLOCK_MONOTONIC.
 */
#ifndef CAPTURE_LGMP_CLIENT_H
#define CAPTURE_LGMP_CLIENT_H

#include "capture/shared_memory.h"
#include "proto/lgmp.h"

/*
 * LGMP_ABSENT   nothing is laid out there
 * LGMP_FOREIGN  a version that we do not speak; client->version says which
 * LGMP_SILENT   a session whose heartbeat has not moved since we know it, or for a second
 *               while we looked
 * LGMP_ALIVE    the producer runs: queues can be used
 */
enum lgmp_sight { LGMP_ABSENT, LGMP_FOREIGN, LGMP_SILENT, LGMP_ALIVE };

struct lgmp_client {
	const struct shared_memory *memory;
	uint32_t id;             /* ours, in queues */
	uint32_t version;        /* as it stands there */
	uint32_t session;        /* each subscription is of one */
	bool beating;            /* the heartbeat has moved in this session */
	uint64_t heartbeat;      /* its last value, */
	uint64_t heartbeat_usec; /* and when it became that, or the session began for us */
};

/* A place among a queue's readers. What it needs was read once, when it was taken. */
struct lgmp_subscription {
	uint32_t session;
	uint32_t bit;      /* 0: there is none */
	uint32_t index;    /* of the bit */
	uint64_t queue;    /* offset of the struct lgmp_queue */
	uint64_t messages; /* offset of the slots, which lie inside the memory */
	uint32_t slots;
	uint32_t position; /* ours */
	uint64_t max_usec; /* how long a message may stay unread */
};

/* A message whose payload, [offset, offset + size), lies inside the memory. */
struct lgmp_received {
	uint32_t user_data, size, offset;
	bool last; /* no newer one stands behind it */
};

/* The memory must be there for as long as the client is used. */
void lgmp_client_init(struct lgmp_client *client, const struct shared_memory *memory, uint32_t id);

/*
 * Looks at the header. Another session than the one before ends all subscriptions. With `vouched`
 * somebody else knows that the producer runs, and the first heartbeat is not waited for; but it has
 * to come in time.
 */
enum lgmp_sight lgmp_client_look(struct lgmp_client *client, uint64_t now_usec, bool vouched);

/* Nobody looked for a while, or the producer could not write: its silence counts from now. */
void lgmp_client_forget_heartbeat(struct lgmp_client *client, uint64_t now_usec);

/*
 * Takes a place in a queue. Returns 0; -ENOENT when there is no such queue (yet), -EAGAIN when a
 * lock is held just now, -EUSERS when all places are taken, -EBADMSG when the queue makes no sense.
 */
int lgmp_subscribe(const struct lgmp_client *client, uint32_t queue_id,
		   struct lgmp_subscription *subscription);
/* Gives it back; when a lock is held the producer takes it back later. */
void lgmp_unsubscribe(const struct lgmp_client *client, struct lgmp_subscription *subscription);

/*
 * The oldest message that was not acknowledged. Returns 1; 0 when there is none, -ENOTCONN when the
 * place is lost (too slow, another session), -EBADMSG when what stands there makes no sense.
 */
int lgmp_peek(const struct lgmp_client *client, const struct lgmp_subscription *subscription,
	      struct lgmp_received *message);
/* We have done with it. */
void lgmp_acknowledge(const struct lgmp_client *client, struct lgmp_subscription *subscription);

/*
 * A consumer that was killed with a lock in its hands stops the producer for good. So where the
 * heartbeat stands still, locks are opened; nobody who is alive holds one for so long.
 */
void lgmp_open_locks(const struct lgmp_client *client);

#endif
