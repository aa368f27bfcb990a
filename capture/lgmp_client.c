// SPDX-License-Identifier: MIT
/* Queues in a guest's shared memory, from the end that reads them; see lgmp_client.h. */
#include "capture/lgmp_client.h"

#include <errno.h>

/* Who holds a lock holds it for some ten instructions, unless it was interrupted. */
#define LOCK_TRIES 64
/* Producers have 3 and 21; more would only cost us time. */
#define SLOTS_MAX 32
#define USEC_PER_MSEC 1000ull

#define HEADER(field) offsetof(struct lgmp_header, field)
#define QUEUE(field) offsetof(struct lgmp_queue, field)

void lgmp_client_init(struct lgmp_client *client, const struct shared_memory *memory, uint32_t id)
{
	*client = (struct lgmp_client){ .memory = memory, .id = id };
}

/* ---- the session ---- */

static bool speaks(uint32_t version)
{
	return version == LGMP_VERSION_B6 || version == LGMP_VERSION_B7;
}

/* The version, or 0 where no magic is. Later producers moved it behind their queues. */
static uint32_t find_version(const struct shared_memory *memory)
{
	static const uint16_t places[] = { 0, LGMP_MAGIC_OFFSET_10, LGMP_MAGIC_OFFSET_12 };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if (shared_load(memory, places[i]) == LGMP_MAGIC) {
			return shared_load(memory, places[i] + sizeof(uint32_t));
		}
	}
	return 0;
}

static bool is_late(const struct lgmp_client *client, uint64_t now_usec)
{
	return now_usec - client->heartbeat_usec > LGMP_HEARTBEAT_LOST_MS * USEC_PER_MSEC;
}

static void follow_heartbeat(struct lgmp_client *client, uint64_t now_usec)
{
	uint64_t heartbeat = shared_load_wide(client->memory, HEADER(heartbeat));

	if (heartbeat != client->heartbeat) {
		client->heartbeat = heartbeat;
		client->heartbeat_usec = now_usec;
		client->beating = true;
	} else if (is_late(client, now_usec)) {
		client->beating = false;
	}
}

void lgmp_client_forget_heartbeat(struct lgmp_client *client, uint64_t now_usec)
{
	client->beating = false;
	client->heartbeat_usec = now_usec;
}

enum lgmp_sight lgmp_client_look(struct lgmp_client *client, uint64_t now_usec, bool vouched)
{
	uint32_t version = find_version(client->memory);
	uint32_t session = shared_load(client->memory, HEADER(session));

	if (!speaks(version) || client->memory->size < sizeof(struct lgmp_header)) {
		client->version = version;
		client->beating = false;
		return version && !speaks(version) ? LGMP_FOREIGN : LGMP_ABSENT;
	}
	if (version != client->version || session != client->session) {
		client->version = version;
		client->session = session;
		client->heartbeat = shared_load_wide(client->memory, HEADER(heartbeat));
		lgmp_client_forget_heartbeat(client, now_usec);
	}
	follow_heartbeat(client, now_usec);
	return client->beating || (vouched && !is_late(client, now_usec)) ? LGMP_ALIVE
									 : LGMP_SILENT;
}

/* ---- locks ---- */

static bool lock_try(const struct lgmp_client *client, uint64_t lock)
{
	return client->version == LGMP_VERSION_B6 ? shared_swap_byte(client->memory, lock, 1) == 0
						  : shared_swap(client->memory, lock, 1) == 0;
}

static bool lock_take(const struct lgmp_client *client, uint64_t lock)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (lock_try(client, lock)) {
			return true;
		}
	}
	return false;
}

static void lock_release(const struct lgmp_client *client, uint64_t lock)
{
	if (client->version == LGMP_VERSION_B6) {
		shared_swap_byte(client->memory, lock, 0);
	} else {
		shared_store(client->memory, lock, 0);
	}
}

static uint64_t queue_at(uint32_t index)
{
	return HEADER(queues) + index * sizeof(struct lgmp_queue);
}

void lgmp_open_locks(const struct lgmp_client *client)
{
	for (uint32_t i = 0; i < LGMP_QUEUES_MAX; i++) {
		lock_release(client, queue_at(i) + QUEUE(lock));
		lock_release(client, queue_at(i) + QUEUE(client_lock));
	}
}

/* ---- subscriptions ---- */

static uint64_t find_queue(const struct lgmp_client *client, uint32_t id)
{
	uint32_t count = shared_load(client->memory, HEADER(queue_count));

	for (uint32_t i = 0; i < count && i < LGMP_QUEUES_MAX; i++) {
		if (shared_load(client->memory, queue_at(i) + QUEUE(id)) == id) {
			return queue_at(i);
		}
	}
	return 0;
}

/* What of the queue never changes in a session: read once, and checked. */
static int read_queue(const struct lgmp_client *client, uint64_t queue,
		      struct lgmp_subscription *subscription)
{
	const struct shared_memory *memory = client->memory;
	uint32_t slots = shared_load(memory, queue + QUEUE(slots));
	uint32_t messages = shared_load(memory, queue + QUEUE(messages));
	uint32_t max_time = shared_load(memory, queue + QUEUE(max_time));

	if (slots < 2 || slots > SLOTS_MAX || messages % sizeof(uint32_t) != 0 ||
	    messages < sizeof(struct lgmp_header) ||
	    !shared_has(memory, messages, slots * sizeof(struct lgmp_message))) {
		return -EBADMSG;
	}
	*subscription = (struct lgmp_subscription){
		.session = client->session,
		.queue = queue,
		.messages = messages,
		.slots = slots,
		.max_usec = max_time * USEC_PER_MSEC,
	};
	return 0;
}

/* Frees places whose owner was too slow for too long; returns the places as they are then. */
static uint64_t reap(const struct lgmp_client *client, uint64_t queue, uint64_t subscribers)
{
	const struct shared_memory *memory = client->memory;
	uint64_t now = shared_load_wide(memory, HEADER(heartbeat));

	for (uint32_t i = 0; i < LGMP_SUBSCRIBERS_MAX; i++) {
		uint64_t timeout = queue + QUEUE(timeout) + i * sizeof(uint64_t);

		if (LGMP_SUBSCRIBERS_BAD(subscribers) & 1u << i &&
		    now > shared_load_wide(memory, timeout)) {
			subscribers &= ~(0x100000001ull << i);
			shared_store_wide(memory, timeout, 0);
		}
	}
	return subscribers;
}

static uint64_t id_at(uint64_t queue, uint32_t index)
{
	return queue + QUEUE(client_id) + index * sizeof(uint32_t);
}

static int take_place(const struct lgmp_client *client, struct lgmp_subscription *subscription)
{
	const struct shared_memory *memory = client->memory;
	uint64_t queue = subscription->queue;
	uint64_t subscribers =
		reap(client, queue, shared_load_wide(memory, queue + QUEUE(subscribers)));
	uint32_t taken = LGMP_SUBSCRIBERS_ACTIVE(subscribers) | LGMP_SUBSCRIBERS_BAD(subscribers);
	uint32_t index = taken == UINT32_MAX ? 0 : (uint32_t)__builtin_ctz(~taken);

	if (taken == UINT32_MAX) {
		return -EUSERS;
	}
	shared_store_wide(memory, queue + QUEUE(timeout) + index * sizeof(uint64_t), 0);
	shared_store(memory, id_at(queue, index), client->id);
	shared_store_wide(memory, queue + QUEUE(subscribers),
			  subscribers | 0x100000000ull << index);
	shared_add(memory, queue + QUEUE(new_subscribers), 1);
	subscription->position = shared_load(memory, queue + QUEUE(position));
	subscription->index = index;
	subscription->bit = 1u << index;
	return subscription->position < subscription->slots ? 0 : -EBADMSG;
}

int lgmp_subscribe(const struct lgmp_client *client, uint32_t queue_id,
		   struct lgmp_subscription *subscription)
{
	uint64_t queue = find_queue(client, queue_id);
	int r;

	*subscription = (struct lgmp_subscription){ 0 };
	if (queue == 0) {
		return -ENOENT;
	}
	r = read_queue(client, queue, subscription);
	if (r < 0) {
		return r;
	}
	if (!lock_take(client, queue + QUEUE(lock))) {
		return -EAGAIN;
	}
	r = take_place(client, subscription);
	lock_release(client, queue + QUEUE(lock));
	return r;
}

/* Whether the place is still ours. */
static bool is_held(const struct lgmp_client *client, const struct lgmp_subscription *subscription)
{
	const struct shared_memory *memory = client->memory;
	uint64_t subscribers;

	if (subscription->bit == 0 || subscription->session != client->session) {
		return false;
	}
	subscribers = shared_load_wide(memory, subscription->queue + QUEUE(subscribers));
	return LGMP_SUBSCRIBERS_ACTIVE(subscribers) & subscription->bit &&
	       !(LGMP_SUBSCRIBERS_BAD(subscribers) & subscription->bit) &&
	       shared_load(memory, id_at(subscription->queue, subscription->index)) == client->id;
}

/* ---- messages ---- */

static uint64_t slot_at(const struct lgmp_subscription *subscription)
{
	return subscription->messages + subscription->position * sizeof(struct lgmp_message);
}

static uint32_t next_slot(const struct lgmp_subscription *subscription)
{
	return subscription->position + 1 == subscription->slots ? 0 : subscription->position + 1;
}

int lgmp_peek(const struct lgmp_client *client, const struct lgmp_subscription *subscription,
	      struct lgmp_received *message)
{
	struct lgmp_message slot;
	const uint8_t *shared;
	uint32_t position;

	if (!is_held(client, subscription)) {
		return -ENOTCONN;
	}
	position = shared_load(client->memory, subscription->queue + QUEUE(position));
	if (position >= subscription->slots) {
		return -EBADMSG;
	}
	if (position == subscription->position) {
		return 0;
	}
	shared = shared_bytes(client->memory, slot_at(subscription), sizeof(slot));
	if (!shared) {
		return -EBADMSG;
	}
	shared_copy(&slot, shared, sizeof(slot));
	if (slot.offset % sizeof(uint32_t) != 0 ||
	    !shared_has(client->memory, slot.offset, slot.size)) {
		return -EBADMSG;
	}
	*message = (struct lgmp_received){ .user_data = slot.user_data,
					   .size = slot.size,
					   .offset = slot.offset,
					   .last = position == next_slot(subscription) };
	return 1;
}

/* The slot has no reader any more: out of the ring with it, if it is the oldest. */
static void retire(const struct lgmp_client *client, const struct lgmp_subscription *subscription)
{
	const struct shared_memory *memory = client->memory;
	uint64_t queue = subscription->queue;
	uint64_t heartbeat = shared_load_wide(memory, HEADER(heartbeat));

	if (shared_load(memory, queue + QUEUE(start)) == subscription->position &&
	    shared_load(memory, queue + QUEUE(count)) > 0) {
		shared_store(memory, queue + QUEUE(start), next_slot(subscription));
		shared_add(memory, queue + QUEUE(count), UINT32_MAX);
		shared_store_wide(memory, queue + QUEUE(deadline),
				  heartbeat + subscription->max_usec / USEC_PER_MSEC);
	}
}

void lgmp_acknowledge(const struct lgmp_client *client, struct lgmp_subscription *subscription)
{
	uint64_t pending = slot_at(subscription) + offsetof(struct lgmp_message, pending);
	uint64_t lock = subscription->queue + QUEUE(lock);
	uint32_t before = shared_clear(client->memory, pending, subscription->bit);

	/* One try: when it is held, the producer finds the slot itself. */
	if ((before & ~subscription->bit) == 0 && lock_try(client, lock)) {
		retire(client, subscription);
		lock_release(client, lock);
	}
	subscription->position = next_slot(subscription);
}

/* ---- leaving ---- */

/* Or the producer keeps them for us, and with them its room, until our time is over. */
static void leave_unread(const struct lgmp_client *client, struct lgmp_subscription *subscription)
{
	struct lgmp_received message;

	for (uint32_t i = 0; i < subscription->slots; i++) {
		if (lgmp_peek(client, subscription, &message) <= 0) {
			return;
		}
		lgmp_acknowledge(client, subscription);
	}
}

void lgmp_unsubscribe(const struct lgmp_client *client, struct lgmp_subscription *subscription)
{
	const struct shared_memory *memory = client->memory;
	uint64_t places = subscription->queue + QUEUE(subscribers);
	uint64_t lock = subscription->queue + QUEUE(lock);
	uint32_t session = shared_load(memory, HEADER(session));

	/* In another session the place is somebody else's. */
	if (session == subscription->session && is_held(client, subscription)) {
		leave_unread(client, subscription);
	}
	if (session == subscription->session && is_held(client, subscription) &&
	    lock_take(client, lock)) {
		uint64_t subscribers = shared_load_wide(memory, places);

		shared_store_wide(memory, places,
				  subscribers & ~(0x100000000ull << subscription->index));
		shared_store(memory, id_at(subscription->queue, subscription->index), 0);
		lock_release(client, lock);
	}
	*subscription = (struct lgmp_subscription){ 0 };
}
