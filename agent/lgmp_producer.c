// SPDX-License-Identifier: MIT
/* Queues in shared memory, from the end that fills them; see lgmp_producer.h. */
#include "agent/lgmp_producer.h"

#include <errno.h>
#include <string.h>

/* A consumer holds a lock for some ten instructions, unless it was interrupted there. */
#define LOCK_TRIES 4096

static struct lgmp_header *producer_header(const struct lgmp_producer *producer)
{
	return (struct lgmp_header *)producer->memory;
}

static struct lgmp_queue *ring_queue(const struct lgmp_producer *producer,
				     const struct lgmp_ring *ring)
{
	return &producer_header(producer)->queues[ring - producer->rings];
}

static struct lgmp_message *ring_slot(const struct lgmp_producer *producer,
				      const struct lgmp_ring *ring, uint32_t index)
{
	return (struct lgmp_message *)(producer->memory + ring->messages) + index % ring->slots;
}

static uint32_t ring_next(const struct lgmp_ring *ring, uint32_t index)
{
	return index + 1 >= ring->slots ? 0 : index + 1;
}

/* ---- locks ---- */

static bool lock_is_ours(const struct lgmp_producer *producer, uint32_t *lock)
{
	if (producer->version == LGMP_VERSION_B6) {
		return __atomic_exchange_n((uint8_t *)lock, 1, __ATOMIC_ACQUIRE) == 0;
	}
	return __atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) == 0;
}

static bool lock_take(const struct lgmp_producer *producer, uint32_t *lock)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (lock_is_ours(producer, lock)) {
			return true;
		}
	}
	return false;
}

static void lock_release(const struct lgmp_producer *producer, uint32_t *lock)
{
	if (producer->version == LGMP_VERSION_B6) {
		__atomic_store_n((uint8_t *)lock, 0, __ATOMIC_RELEASE);
	} else {
		__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
	}
}

/* ---- laying out ---- */

int lgmp_producer_init(struct lgmp_producer *producer, void *memory, size_t size, uint32_t version,
		       const void *user_data, uint32_t user_data_size)
{
	uint32_t start = offsetof(struct lgmp_header, user_data);

	if (version != LGMP_VERSION_B6 && version != LGMP_VERSION_B7) {
		return -EINVAL;
	}
	*producer = (struct lgmp_producer){
		.memory = memory,
		.size = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size,
		.version = version,
		.user_data = user_data,
		.user_data_size = user_data_size,
	};
	if (producer->size < sizeof(struct lgmp_header) ||
	    user_data_size > producer->size - sizeof(struct lgmp_header)) {
		return -ENOSPC;
	}
	producer->used = start + user_data_size;
	return 0;
}

int lgmp_producer_alloc(struct lgmp_producer *producer, uint32_t size, uint32_t alignment,
			uint32_t *offset)
{
	uint64_t start = ((uint64_t)producer->used + alignment - 1) / alignment * alignment;

	if (start + size > producer->size) {
		return -ENOSPC;
	}
	*offset = (uint32_t)start;
	producer->used = (uint32_t)start + size;
	return 0;
}

int lgmp_producer_add_queue(struct lgmp_producer *producer, uint32_t id, uint32_t length,
			    uint32_t max_time, struct lgmp_ring **out)
{
	struct lgmp_ring *ring = &producer->rings[producer->ring_count];
	uint32_t slots = length + 1;

	if (producer->ring_count == LGMP_QUEUES_MAX) {
		return -ENOSPC;
	}
	*ring = (struct lgmp_ring){ .id = id, .slots = slots, .max_time = max_time };
	if (lgmp_producer_alloc(producer, slots * (uint32_t)sizeof(struct lgmp_message), 16,
				&ring->messages) < 0) {
		return -ENOSPC;
	}
	producer->ring_count++;
	*out = ring;
	return 0;
}

static void ring_start(struct lgmp_producer *producer, struct lgmp_ring *ring)
{
	struct lgmp_queue *queue = ring_queue(producer, ring);

	*queue = (struct lgmp_queue){
		.id = ring->id,
		.slots = ring->slots,
		.max_time = ring->max_time,
		.messages = ring->messages,
		.client_free = LGMP_CLIENT_MESSAGES,
	};
	ring->position = ring->client_position = 0;
	memset(ring_slot(producer, ring, 0), 0, ring->slots * sizeof(struct lgmp_message));
}

void lgmp_producer_start(struct lgmp_producer *producer, uint64_t now)
{
	struct lgmp_header *header = producer_header(producer);
	uint32_t before = header->session;

	/* Nobody trusts what has no magic, so it goes first and comes last. */
	__atomic_store_n(&header->magic, 0, __ATOMIC_SEQ_CST);
	do {
		producer->session = producer->session * 2654435761u + (uint32_t)now * 2 + 1;
	} while (producer->session == before);
	header->version = producer->version;
	header->session = producer->session;
	header->queue_count = producer->ring_count;
	header->user_data_size = producer->user_data_size;
	memcpy(producer->memory + offsetof(struct lgmp_header, user_data), producer->user_data,
	       producer->user_data_size);
	for (uint32_t i = 0; i < producer->ring_count; i++) {
		ring_start(producer, &producer->rings[i]);
	}
	producer->now = now;
	__atomic_store_n(&header->heartbeat, now, __ATOMIC_SEQ_CST);
	__atomic_store_n(&header->magic, LGMP_MAGIC, __ATOMIC_SEQ_CST);
}

/* ---- messages ---- */

static uint32_t readers(uint64_t subscribers)
{
	return LGMP_SUBSCRIBERS_ACTIVE(subscribers) & ~LGMP_SUBSCRIBERS_BAD(subscribers);
}

uint32_t lgmp_ring_subscribers(const struct lgmp_producer *producer, const struct lgmp_ring *ring)
{
	return readers(__atomic_load_n(&ring_queue(producer, ring)->subscribers, __ATOMIC_ACQUIRE));
}

uint32_t lgmp_ring_newcomers(const struct lgmp_producer *producer, const struct lgmp_ring *ring)
{
	return __atomic_exchange_n(&ring_queue(producer, ring)->new_subscribers, 0,
				   __ATOMIC_ACQ_REL);
}

uint32_t lgmp_ring_pending(const struct lgmp_producer *producer, const struct lgmp_ring *ring)
{
	return __atomic_load_n(&ring_queue(producer, ring)->count, __ATOMIC_ACQUIRE);
}

static int send_locked(struct lgmp_producer *producer, struct lgmp_ring *ring,
		       const struct lgmp_message *message)
{
	struct lgmp_queue *queue = ring_queue(producer, ring);
	uint32_t pending = lgmp_ring_subscribers(producer, ring);

	if (!pending) {
		return -ENOTCONN;
	}
	if (lgmp_ring_pending(producer, ring) >= ring->slots - 1) {
		return -ENOBUFS;
	}
	*ring_slot(producer, ring, ring->position) = *message;
	__atomic_store_n(&ring_slot(producer, ring, ring->position)->pending, pending,
			 __ATOMIC_RELEASE);
	if (__atomic_fetch_add(&queue->count, 1, __ATOMIC_ACQ_REL) == 0) {
		__atomic_store_n(&queue->deadline, producer->now + ring->max_time,
				 __ATOMIC_RELEASE);
	}
	ring->position = ring_next(ring, ring->position);
	__atomic_store_n(&queue->position, ring->position, __ATOMIC_RELEASE);
	return 0;
}

int lgmp_ring_send(struct lgmp_producer *producer, struct lgmp_ring *ring, uint32_t user_data,
		   uint32_t offset, uint32_t size)
{
	struct lgmp_message message = { .user_data = user_data, .offset = offset, .size = size };
	struct lgmp_queue *queue = ring_queue(producer, ring);
	int r;

	if (!lock_take(producer, &queue->lock)) {
		return -EBUSY;
	}
	r = send_locked(producer, ring, &message);
	lock_release(producer, &queue->lock);
	return r;
}

int lgmp_ring_receive(struct lgmp_producer *producer, struct lgmp_ring *ring,
		      uint8_t payload[static LGMP_CLIENT_MESSAGE_SIZE])
{
	struct lgmp_queue *queue = ring_queue(producer, ring);
	struct lgmp_client_message message;

	if (__atomic_load_n(&queue->client_free, __ATOMIC_ACQUIRE) >= LGMP_CLIENT_MESSAGES) {
		return 0;
	}
	if (!lock_take(producer, &queue->client_lock)) {
		return -EBUSY;
	}
	message = queue->client_messages[ring->client_position];
	ring->client_position = (ring->client_position + 1) % LGMP_CLIENT_MESSAGES;
	__atomic_fetch_add(&queue->client_free, 1, __ATOMIC_ACQ_REL);
	lock_release(producer, &queue->client_lock);
	__atomic_fetch_add(&queue->client_processed, 1, __ATOMIC_ACQ_REL);
	memcpy(payload, message.payload, LGMP_CLIENT_MESSAGE_SIZE);
	return message.size > LGMP_CLIENT_MESSAGE_SIZE ? LGMP_CLIENT_MESSAGE_SIZE
						       : (int)message.size;
}

/* ---- what nobody reads any more ---- */

static void mark_bad(const struct lgmp_producer *producer, struct lgmp_queue *queue, uint32_t late)
{
	for (unsigned int i = 0; i < LGMP_SUBSCRIBERS_MAX; i++) {
		if (late & 1u << i) {
			queue->timeout[i] = producer->now + queue->max_time;
		}
	}
	__atomic_fetch_or(&queue->subscribers, (uint64_t)late, __ATOMIC_ACQ_REL);
}

/* Whether somebody still reads the oldest message; who had it for too long reads no more. */
static bool is_wanted(const struct lgmp_producer *producer, const struct lgmp_ring *ring)
{
	struct lgmp_queue *queue = ring_queue(producer, ring);
	struct lgmp_message *message = ring_slot(producer, ring, queue->start);
	uint32_t pending = __atomic_load_n(&message->pending, __ATOMIC_ACQUIRE) &
			   lgmp_ring_subscribers(producer, ring);

	if (pending && producer->now > __atomic_load_n(&queue->deadline, __ATOMIC_ACQUIRE)) {
		mark_bad(producer, queue, pending);
		pending = 0;
	}
	return pending != 0;
}

static void ring_collect(struct lgmp_producer *producer, struct lgmp_ring *ring)
{
	struct lgmp_queue *queue = ring_queue(producer, ring);

	for (uint32_t i = 0; i < ring->slots; i++) {
		if (lgmp_ring_pending(producer, ring) == 0 || is_wanted(producer, ring)) {
			return;
		}
		queue->start = ring_next(ring, queue->start);
		__atomic_fetch_sub(&queue->count, 1, __ATOMIC_ACQ_REL);
		__atomic_store_n(&queue->deadline, producer->now + ring->max_time,
				 __ATOMIC_RELEASE);
	}
}

int lgmp_producer_tick(struct lgmp_producer *producer, uint64_t now)
{
	struct lgmp_header *header = producer_header(producer);
	int r = 0;

	if (header->magic != LGMP_MAGIC || header->session != producer->session) {
		return -ESTALE;
	}
	producer->now = now;
	__atomic_store_n(&header->heartbeat, now, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < producer->ring_count; i++) {
		struct lgmp_ring *ring = &producer->rings[i];

		if (!lock_take(producer, &ring_queue(producer, ring)->lock)) {
			r = -EBUSY;
			continue;
		}
		ring_collect(producer, ring);
		lock_release(producer, &ring_queue(producer, ring)->lock);
	}
	return r;
}
