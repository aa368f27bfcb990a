/* SPDX-License-Identifier: MIT */
/*
 * The layout of LGMP, the message queues that Looking Glass keeps in shared memory: protocol 6
 * (release B7) and 5 (release B6), which differ in the width of a lock alone. Data only.
 *
 * One producer, the guest, owns the memory; up to 32 consumers subscribe to each of its queues. All
 * numbers are little-endian and naturally aligned. Words that both sides change are marked
 * "shared": they are read and written with atomic instructions only. The order of things:
 *
 *   start      The producer lays the queues out and draws a session number that differs from the
 *              one before. From then on it writes its clock into heartbeat every 10 ms or so.
 *              The magic may be there before the rest is: memory is to be trusted (as far as a
 *              guest can be) once the heartbeat moves, and a heartbeat that stands still says
 *              that there is no producer any more.
 *   subscribe  The consumer takes the lock, takes a bit that is free in both halves of
 *              subscribers, writes its number for it, sets the bit in the active half, adds 1 to
 *              new_subscribers and begins to read at position.
 *   send       The producer takes the lock, fills the slot at position with a bit in pending for
 *              each active subscriber that is not bad, counts it, moves position on and releases
 *              the lock. Without such a subscriber nothing is sent.
 *   receive    What lies between the consumer's own position and position was sent to it. It
 *              clears its bit in pending when it has done with a message. Who clears the last one
 *              and gets the lock at once takes the slot out of the ring (start, count).
 *   too slow   When a message is older than max_time, the producer marks those who still have it
 *              pending in the bad half of subscribers, and takes the slot back. The bits are free
 *              for another subscriber max_time later.
 *   restart    A new session: every offset may differ, no subscription is left.
 *
 * Newer protocols lay everything out differently and are recognised only, to say so.
 */
#ifndef PROTO_LGMP_H
#define PROTO_LGMP_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define LGMP_MAGIC 0x504d474cu /* "LGMP" */
#define LGMP_VERSION_B6 5      /* a lock is one byte, 0 or 1 */
#define LGMP_VERSION_B7 6      /* a lock is a word of 4 bytes, 0 or 1 */

#define LGMP_QUEUES_MAX 5
#define LGMP_SUBSCRIBERS_MAX 32
#define LGMP_CLIENT_MESSAGES 10
#define LGMP_CLIENT_MESSAGE_SIZE 64

/* Where the magic of later protocols stands; the version follows it as here. */
#define LGMP_MAGIC_OFFSET_10 8064
#define LGMP_MAGIC_OFFSET_12 9664

#define LGMP_HEARTBEAT_MS 10        /* how often the producer writes it */
#define LGMP_HEARTBEAT_LOST_MS 1000 /* a producer that is silent for so long is gone */
#define LGMP_MAX_TIME_MS 1000       /* what producers give a subscriber */

/* A message to the subscribers; 16 bytes. */
struct lgmp_message {
	uint32_t user_data; /* flags that belong to the payload */
	uint32_t size;      /* bytes allocated at offset, no less than the payload has */
	uint32_t offset;    /* of the payload, from the start of the memory */
	uint32_t pending;   /* shared: a bit for each subscriber that has it before it */
};

/* A message to the producer; 68 bytes. */
struct lgmp_client_message {
	uint32_t size;
	uint8_t payload[LGMP_CLIENT_MESSAGE_SIZE];
};

struct lgmp_queue {
	uint32_t id;              /* what finds a queue; the order is not fixed */
	uint32_t slots;           /* of the ring: one more than messages fit */
	uint32_t new_subscribers; /* shared: added to by consumers, set to 0 by the producer */
	uint32_t max_time;        /* milliseconds until an unread message costs the subscription */
	uint32_t position;        /* shared: the slot that is filled next */
	uint32_t messages;        /* the ring's offset from the start of the memory */
	uint64_t timeout[LGMP_SUBSCRIBERS_MAX];   /* of a bad bit: free again after that clock */
	uint32_t client_id[LGMP_SUBSCRIBERS_MAX]; /* who has the bit; a random number */
	uint32_t lock; /* shared; guards subscribers, start, deadline and count */
	uint32_t unused_1;
	uint64_t subscribers; /* shared: high half the active ones, low half the bad ones */
	uint32_t start;       /* the oldest slot that somebody has not read */
	uint32_t unused_2;
	uint64_t deadline;         /* shared: the producer's clock at which start is too old */
	uint32_t count;            /* shared: messages from start on */
	uint32_t client_lock;      /* shared; guards the messages to the producer */
	uint32_t client_free;      /* shared: how many more fit */
	uint32_t client_position;  /* shared: the slot that a consumer fills next */
	uint32_t client_sent;      /* shared: serial of the last one that was sent */
	uint32_t client_processed; /* shared: serial of the last one that was taken */
	struct lgmp_client_message client_messages[LGMP_CLIENT_MESSAGES];
};

/* At the start of the memory. What follows user data is the producer's: rings and payloads. */
struct lgmp_header {
	uint32_t magic;
	uint32_t version;
	uint32_t session;
	uint32_t unused_1;
	uint64_t heartbeat; /* shared: the producer's clock in milliseconds */
	uint32_t queue_count;
	uint32_t unused_2;
	struct lgmp_queue queues[LGMP_QUEUES_MAX];
	uint32_t user_data_size; /* bytes */
	uint8_t user_data[4];    /* user_data_size of them */
};

#define LGMP_SUBSCRIBERS_ACTIVE(subscribers) ((uint32_t)((subscribers) >> 32))
#define LGMP_SUBSCRIBERS_BAD(subscribers) ((uint32_t)(subscribers))

static_assert(sizeof(struct lgmp_message) == 16, "");
static_assert(offsetof(struct lgmp_message, pending) == 12, "");
static_assert(sizeof(struct lgmp_client_message) == 68, "");

static_assert(sizeof(struct lgmp_queue) == 1144, "");
static_assert(offsetof(struct lgmp_queue, id) == 0, "");
static_assert(offsetof(struct lgmp_queue, slots) == 4, "");
static_assert(offsetof(struct lgmp_queue, new_subscribers) == 8, "");
static_assert(offsetof(struct lgmp_queue, max_time) == 12, "");
static_assert(offsetof(struct lgmp_queue, position) == 16, "");
static_assert(offsetof(struct lgmp_queue, messages) == 20, "");
static_assert(offsetof(struct lgmp_queue, timeout) == 24, "");
static_assert(offsetof(struct lgmp_queue, client_id) == 280, "");
static_assert(offsetof(struct lgmp_queue, lock) == 408, "");
static_assert(offsetof(struct lgmp_queue, subscribers) == 416, "");
static_assert(offsetof(struct lgmp_queue, start) == 424, "");
static_assert(offsetof(struct lgmp_queue, deadline) == 432, "");
static_assert(offsetof(struct lgmp_queue, count) == 440, "");
static_assert(offsetof(struct lgmp_queue, client_lock) == 444, "");
static_assert(offsetof(struct lgmp_queue, client_free) == 448, "");
static_assert(offsetof(struct lgmp_queue, client_position) == 452, "");
static_assert(offsetof(struct lgmp_queue, client_sent) == 456, "");
static_assert(offsetof(struct lgmp_queue, client_processed) == 460, "");
static_assert(offsetof(struct lgmp_queue, client_messages) == 464, "");

static_assert(sizeof(struct lgmp_header) == 5760, "");
static_assert(offsetof(struct lgmp_header, version) == 4, "");
static_assert(offsetof(struct lgmp_header, session) == 8, "");
static_assert(offsetof(struct lgmp_header, heartbeat) == 16, "");
static_assert(offsetof(struct lgmp_header, queue_count) == 24, "");
static_assert(offsetof(struct lgmp_header, queues) == 32, "");
static_assert(offsetof(struct lgmp_header, user_data_size) == 5752, "");
static_assert(offsetof(struct lgmp_header, user_data) == 5756, "");

#endif
