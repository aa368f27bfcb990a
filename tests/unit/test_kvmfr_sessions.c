// SPDX-License-Identifier: MIT
/* Readers and producers of shared memory that come and go, restart, and die with a lock in hand. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/kvmfr_world.h"

/* ---- coming and going ---- */

static void test_unwatched_and_watched_again(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	kvmfr_world_begin(world);
	assert_true(kvmfr_producer_has_newcomer(world->producer));
	frame_source_set_watched(world->source, false);
	sd_event_run(world->event, 0);
	assert_false(kvmfr_producer_is_watched(world->producer));
	assert_true(world->source->live);

	kvmfr_world_tick_producer(world, 5000);
	kvmfr_world_forget(world);
	frame_source_set_watched(world->source, true);
	kvmfr_world_settle(world);
	/* The idle guest sends what it has once more; it is what we have. */
	assert_true(kvmfr_producer_has_newcomer(world->producer));
	assert_int_equal(kvmfr_producer_repeat(world->producer), 0);
	kvmfr_world_tick(world, 10);
	assert_int_equal(world->frames + world->damages, 0);
	assert_true(world->source->live);
	assert_int_equal(kvmfr_world_queue(world, KVMFR_QUEUE_FRAME)->count, 0);

	/* Meanwhile something may have changed that nobody told. */
	frame_source_set_watched(world->source, false);
	sd_event_run(world->event, 0);
	frame_source_set_watched(world->source, true);
	kvmfr_world_settle(world);
	kvmfr_world_send(world, 2, &kvmfr_world_box);
	kvmfr_world_tick(world, 10);
	kvmfr_world_expect(world, 2);
}

/* What it has not read would keep the producer's room for a second. */
static void test_leaves_nothing_unread(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	kvmfr_world_settle(world);
	kvmfr_world_send(world, 1, NULL);
	kvmfr_world_send(world, 2, NULL);
	assert_false(kvmfr_producer_has_room(world->producer));
	frame_source_set_watched(world->source, false);
	sd_event_run(world->event, 0);
	assert_int_equal(kvmfr_world_queue(world, KVMFR_QUEUE_FRAME)->count, 0);
	assert_true(kvmfr_producer_has_room(world->producer));
}

static void test_restart_in_place(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	kvmfr_world_settle(world);
	for (unsigned int round = 1; round < 20; round++) {
		kvmfr_world_show(world, round, NULL);
		assert_true(world->source->live);
		kvmfr_world_expect(world, round);

		/* Wiped by somebody in the guest: the producer lays everything out anew. */
		world->header->magic = 0;
		kvmfr_world_tick_source(world, 5);
		kvmfr_world_tick(world, 5);
		assert_int_equal(world->header->magic, LGMP_MAGIC);
		kvmfr_world_settle(world);
		assert_false(world->source->live);
		kvmfr_world_expect(world, round); /* old, and marked so */
		kvmfr_world_send(world, round + 20, &kvmfr_world_box);
		kvmfr_world_tick(world, 10);
		kvmfr_world_expect(world, round + 20);
	}
}

/* Meanwhile the guest has begun another session, where our place is somebody else's. */
static void test_the_place_of_another_session_is_not_given_back(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct lgmp_queue *queue = kvmfr_world_queue(world, KVMFR_QUEUE_FRAME);
	uint32_t id;

	kvmfr_world_settle(world);
	id = queue->client_id[0];
	kvmfr_producer_restart(world->producer, world->now_ms);
	queue->subscribers = 1ull << 32;
	queue->client_id[0] = id;
	frame_source_set_watched(world->source, false);
	sd_event_run(world->event, 0);
	assert_int_equal(queue->subscribers, 1ull << 32);
}

static void test_gone_and_back(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	kvmfr_world_begin(world);
	memset(world->memory, 0, WORLD_SIZE);
	for (int i = 0; i < 110; i++) {
		kvmfr_world_tick_source(world, 10);
	}
	assert_false(world->source->live);
	assert_string_equal(world->source->reason, "no capture program runs in the guest");
	assert_null(kvmfr_source_uuid(world->source));
	kvmfr_world_expect(world, 1);
	kvmfr_producer_restart(world->producer, world->now_ms);
	kvmfr_world_settle(world);
	kvmfr_world_show(world, 2, NULL);
	assert_true(world->source->live);
	kvmfr_world_expect(world, 2);
}

static void test_all_places_are_taken(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct lgmp_queue *queue = kvmfr_world_queue(world, KVMFR_QUEUE_FRAME);

	queue->subscribers = 0xffffffff00000000ull;
	kvmfr_world_settle(world);
	assert_string_equal(world->source->reason,
			    "all places for viewers are taken: close other ones");
	queue->subscribers = 0xfffffeff00000000ull;
	kvmfr_world_settle(world);
	assert_int_equal(LGMP_SUBSCRIBERS_ACTIVE(queue->subscribers), UINT32_MAX);
	assert_int_not_equal(queue->client_id[8], 0);
	frame_source_set_watched(world->source, false);
	sd_event_run(world->event, 0);
	assert_int_equal(LGMP_SUBSCRIBERS_ACTIVE(queue->subscribers), 0xfffffeff);
	assert_int_equal(queue->client_id[8], 0);
}

static void test_two_consumers(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct frame_source *other;

	assert_int_equal(kvmfr_source_create(world->event, "other", world->fd, WORLD_SIZE, &other),
			 0);
	frame_source_set_watched(other, true);
	for (int i = 0; i < 5; i++) {
		kvmfr_world_tick(world, 10);
		kvmfr_source_poke(other);
	}
	kvmfr_world_send(world, 1, NULL);
	kvmfr_world_tick(world, 10);
	kvmfr_world_expect(world, 1);
	assert_int_equal(kvmfr_world_queue(world, KVMFR_QUEUE_FRAME)->count, 1);
	kvmfr_source_poke(other);
	assert_int_equal(kvmfr_world_queue(world, KVMFR_QUEUE_FRAME)->count, 0);
	assert_true(other->live);
	frame_source_destroy(other);
	assert_int_equal(
		LGMP_SUBSCRIBERS_ACTIVE(kvmfr_world_queue(world, KVMFR_QUEUE_FRAME)->subscribers),
		1);
}

/* A consumer was killed in the middle of a few instructions. */
static void test_a_lock_that_nobody_opens(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct lgmp_queue *queue = kvmfr_world_queue(world, KVMFR_QUEUE_FRAME);

	queue->lock = queue->client_lock = 1;
	kvmfr_world_tick(world, 10);
	kvmfr_world_tick(world, 10);
	assert_int_equal(queue->subscribers, 0);
	assert_int_equal(queue->lock, 1);
	/* A producer that waits for it writes no heartbeat. */
	for (int i = 0; i < 110; i++) {
		kvmfr_world_tick_source(world, 10);
	}
	assert_int_equal(queue->lock, 0);
	assert_int_equal(queue->client_lock, 0);
	kvmfr_world_settle(world);
	assert_int_not_equal(queue->subscribers, 0);
}

/* B6 takes a byte for a lock, and what stands beside it is not ours. */
static void test_a_lock_is_a_byte_or_a_word(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct lgmp_queue *queue = kvmfr_world_queue(world, KVMFR_QUEUE_FRAME);
	bool byte = world->version == KVMFR_VERSION_B6;

	queue->lock = 0xabcdef00;
	kvmfr_world_settle(world);
	if (byte) {
		kvmfr_world_send(world, 1, NULL);
		kvmfr_world_tick(world, 10);
		kvmfr_world_expect(world, 1);
		assert_int_equal(queue->count, 0);
		assert_int_equal(queue->lock, 0xabcdef00);
	} else {
		assert_int_equal(queue->subscribers, 0);
	}
}

/* ---- the file ---- */

static void test_what_cannot_be_mapped(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct frame_source *source;
	int pipes[2];

	assert_int_equal(kvmfr_source_create(world->event, "x", world->fd, 4096, &source), -ERANGE);
	assert_int_equal(kvmfr_source_create(world->event, "x", world->fd, WORLD_SIZE + 1, &source),
			 -ERANGE);
	assert_int_equal(kvmfr_source_create(world->event, "x", -1, WORLD_SIZE, &source), -EBADF);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(kvmfr_source_create(world->event, "x", pipes[0], WORLD_SIZE, &source),
			 -EINVAL);
	close(pipes[0]);
	close(pipes[1]);
}

/* As /dev/kvmfrN is one; nobody has laid anything out in this. */
static void test_a_device_that_is_memory(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	struct frame_source *source;

	assert_true(fd >= 0);
	assert_int_equal(kvmfr_source_create(world->event, "x", fd, WORLD_SIZE, &source), 0);
	frame_source_set_watched(source, true);
	world->now_ms += 2000;
	kvmfr_source_poke(source);
	assert_string_equal(source->reason, "no capture program runs in the guest");
	frame_source_destroy(source);
	close(fd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		KVMFR_TEST_BOTH(test_unwatched_and_watched_again),
		KVMFR_TEST_BOTH(test_leaves_nothing_unread),
		KVMFR_TEST_BOTH(test_restart_in_place),
		KVMFR_TEST_BOTH(test_the_place_of_another_session_is_not_given_back),
		KVMFR_TEST_BOTH(test_gone_and_back),
		KVMFR_TEST_BOTH(test_all_places_are_taken),
		KVMFR_TEST_BOTH(test_two_consumers),
		KVMFR_TEST_BOTH(test_a_lock_that_nobody_opens),
		KVMFR_TEST_BOTH(test_a_lock_is_a_byte_or_a_word),
		KVMFR_TEST_BOTH(test_what_cannot_be_mapped),
		KVMFR_TEST_BOTH(test_a_device_that_is_memory),
	};

	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
