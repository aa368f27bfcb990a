// SPDX-License-Identifier: MIT
/*
 * A guest that writes what it likes into the shared memory: its picture is not live, the reason
 * says why, nothing waits, and with the next honest session it is back.
 */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/lgmp_client.h"
#include "common/clock.h"
#include "tests/unit/kvmfr_world.h"
#include "tests/unit/timers.h"

/* The fields of a frame, as constants. */
enum {
	AT_FORMAT = offsetof(struct kvmfr_frame_b7, format),
	AT_SCREEN_WIDTH = offsetof(struct kvmfr_frame_b7, screen_width),
	AT_SCREEN_HEIGHT = offsetof(struct kvmfr_frame_b7, screen_height),
	AT_DATA_HEIGHT = offsetof(struct kvmfr_frame_b7, data_height),
	AT_FRAME_WIDTH = offsetof(struct kvmfr_frame_b7, frame_width),
	AT_FRAME_HEIGHT = offsetof(struct kvmfr_frame_b7, frame_height),
	AT_ROTATION = offsetof(struct kvmfr_frame_b7, rotation),
	AT_PITCH = offsetof(struct kvmfr_frame_b7, pitch),
	AT_OFFSET = offsetof(struct kvmfr_frame_b7, offset),
	AT_DAMAGE_COUNT = offsetof(struct kvmfr_frame_b7, damage_count),
	AT_FLAGS = offsetof(struct kvmfr_frame_b7, flags),
};

static int set_up(void **fixture)
{
	struct kvmfr_world *world = kvmfr_world_create(KVMFR_VERSION_B7);

	kvmfr_world_settle(world);
	kvmfr_world_send(world, 1, NULL);
	kvmfr_world_tick(world, 10);
	assert_true(world->source->live);
	*fixture = world;
	return 0;
}

static void put(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

static struct lgmp_message *newest_slot(struct kvmfr_world *world, uint32_t id)
{
	struct lgmp_queue *queue = kvmfr_world_queue(world, id);
	uint32_t index = (queue->position + queue->slots - 1) % queue->slots;

	return (struct lgmp_message *)(world->memory + queue->messages) + index;
}

/* Not live, old picture kept, place given back; and an honest session mends it. */
static void expect_outlaw(struct kvmfr_world *world, const char *deed)
{
	char reason[160];

	snprintf(reason, sizeof(reason),
		 "the capture program in the guest broke its protocol (%s): restart it there",
		 deed);
	assert_false(world->source->live);
	assert_string_equal(world->source->reason, reason);
	kvmfr_world_expect(world, 1);
}

static void expect_mended(struct kvmfr_world *world)
{
	kvmfr_producer_restart(world->producer, world->now_ms);
	kvmfr_world_settle(world);
	kvmfr_world_send(world, 1, NULL);
	kvmfr_world_tick(world, 10);
	assert_true(world->source->live);
	kvmfr_world_expect(world, 1);
}

/* ---- frames ---- */

static void test_headers(void **fixture)
{
	static const struct {
		uint16_t field;
		uint32_t value;
		const char *deed;
	} lies[] = {
		{ AT_FORMAT, 0, "an unknown format" },
		{ AT_FORMAT, 7, "an unknown format" },
		{ AT_FORMAT, UINT32_MAX, "an unknown format" },
		{ AT_FRAME_WIDTH, 0, "an impossible size" },
		{ AT_FRAME_WIDTH, 16385, "an impossible size" },
		{ AT_FRAME_WIDTH, UINT32_MAX, "an impossible size" },
		{ AT_FRAME_WIDTH, 16384, "rows that are too short" },
		{ AT_FRAME_HEIGHT, 0, "an impossible size" },
		{ AT_FRAME_HEIGHT, 0x80000000, "an impossible size" },
		{ AT_SCREEN_WIDTH, 0, "an impossible size" },
		{ AT_SCREEN_HEIGHT, 100000, "an impossible size" },
		{ AT_ROTATION, 4, "an unknown rotation" },
		{ AT_PITCH, 0, "rows that are too short" },
		{ AT_PITCH, WORLD_WIDTH * 4 - 1, "rows that are too short" },
		{ AT_PITCH, 0x10000000, "pixels outside the memory" },
		{ AT_PITCH, UINT32_MAX, "pixels outside the memory" },
		{ AT_DATA_HEIGHT, 0, "rows that are too short" },
		{ AT_OFFSET, WORLD_SIZE, "pixels outside the memory" },
		{ AT_OFFSET, UINT32_MAX, "pixels outside the memory" },
		{ AT_OFFSET, UINT32_MAX - 3, "pixels outside the memory" },
		{ AT_OFFSET, 4094, "pixels outside the memory" }, /* no word can be there */
		{ AT_DAMAGE_COUNT, 65, "too many damage rectangles" },
		{ AT_DAMAGE_COUNT, UINT32_MAX, "too many damage rectangles" },
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		struct kvmfr_world *world = *fixture;

		kvmfr_world_send(world, 2, NULL);
		put(world->memory + newest_slot(world, KVMFR_QUEUE_FRAME)->offset + lies[i].field,
		    lies[i].value);
		kvmfr_world_tick(world, 10);
		expect_outlaw(world, lies[i].deed);
		assert_false(kvmfr_producer_is_watched(world->producer));
		expect_mended(world);
	}
}

static void test_a_picture_larger_than_the_memory(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	uint8_t *header;

	/* One row of data for sixteen thousand: it would cost us a gigabyte. */
	kvmfr_world_send(world, 2, NULL);
	header = world->memory + newest_slot(world, KVMFR_QUEUE_FRAME)->offset;
	put(header + AT_FRAME_WIDTH, 16384);
	put(header + AT_FRAME_HEIGHT, 16384);
	put(header + AT_DATA_HEIGHT, 1);
	put(header + AT_PITCH, 65536);
	kvmfr_world_tick(world, 10);
	expect_outlaw(world, "an impossible size");
}

/* The memory is too small for the guest's screen: what is there is shown, and the rest is black. */
static void test_a_truncated_picture(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	const struct kvmfr_rect low = { 0, 20, WORLD_WIDTH, 20 };
	uint8_t *header;

	kvmfr_world_tick(world, 1000);
	for (unsigned int round = 0; round < 2; round++) {
		kvmfr_world_send(world, 2, round ? &low : NULL);
		header = world->memory + newest_slot(world, KVMFR_QUEUE_FRAME)->offset;
		put(header + AT_DATA_HEIGHT, 30);
		put(header + AT_FRAME_WIDTH, 63);
		put(header + AT_FLAGS, KVMFR_FRAME_TRUNCATED);
		kvmfr_world_tick(world, 10);
		assert_true(world->source->live);
		assert_int_equal(world->source->frame->height, WORLD_HEIGHT);
		assert_int_equal(kvmfr_world_pixel(world, 5, 29), kvmfr_world_colour(2, 5, 29));
		assert_int_equal(kvmfr_world_pixel(world, 5, 30), 0);
	}
	assert_string_equal(world->log, "guest: the shared memory is too small for its screen of "
					"63x48, give it 16M");
}

/* What a picture that was skipped has changed below the rows that its successor still has. */
static void test_damage_below_the_rows(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	const struct kvmfr_rect low = { 8, 20, 16, 20 }, high = { 40, 4, 8, 8 };
	uint8_t *header;

	kvmfr_world_send(world, 2, &low);
	kvmfr_world_send(world, 3, &high);
	header = world->memory + newest_slot(world, KVMFR_QUEUE_FRAME)->offset;
	put(header + AT_DATA_HEIGHT, 30);
	kvmfr_world_tick(world, 10);
	assert_true(world->source->live);
	assert_int_equal(kvmfr_world_pixel(world, 41, 5), kvmfr_world_colour(3, 41, 5));
	assert_int_equal(kvmfr_world_pixel(world, 10, 29), kvmfr_world_colour(3, 10, 29));
	assert_int_equal(kvmfr_world_pixel(world, 10, 30), kvmfr_world_colour(1, 10, 30));
}

/* The write pointer goes back, or far ahead; both say nothing new of pixels. */
static void test_write_pointers(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct kvmfr_picture picture = kvmfr_world_picture(KVMFR_FORMAT_BGRA);
	uint8_t *pixels;

	assert_int_equal(kvmfr_producer_begin(world->producer, &picture, &pixels), 0);
	kvmfr_world_draw(pixels, &picture, 2);
	kvmfr_producer_advance(world->producer, picture.pitch * WORLD_HEIGHT - 1);
	kvmfr_world_tick(world, 10);
	kvmfr_producer_advance(world->producer, 4);
	kvmfr_world_tick(world, 10);
	kvmfr_world_expect(world, 1);
	kvmfr_producer_advance(world->producer, UINT32_MAX);
	kvmfr_world_tick(world, 10);
	kvmfr_world_expect(world, 2);
}

/* ---- queues ---- */

static void test_slots(void **fixture)
{
	static const struct lgmp_message lies[] = {
		{ .offset = WORLD_SIZE, .size = 4096 },
		{ .offset = WORLD_SIZE - 4, .size = 4096 },
		{ .offset = UINT32_MAX - 3, .size = UINT32_MAX },
		{ .offset = 4, .size = WORLD_SIZE },
		{ .offset = 8193, .size = 4096 },
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		struct kvmfr_world *world = *fixture;
		struct lgmp_message *slot;

		kvmfr_world_send(world, 2, NULL);
		slot = newest_slot(world, KVMFR_QUEUE_FRAME);
		slot->offset = lies[i].offset;
		slot->size = lies[i].size;
		kvmfr_world_tick(world, 10);
		expect_outlaw(world, "a queue that makes no sense");
		expect_mended(world);
	}
}

static void test_a_message_that_is_too_short(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	kvmfr_world_send(world, 2, NULL);
	newest_slot(world, KVMFR_QUEUE_FRAME)->size = sizeof(struct kvmfr_frame_b7) - 1;
	kvmfr_world_tick(world, 10);
	expect_outlaw(world, "a message that is too short");
}

static void test_queues(void **fixture)
{
	static const struct {
		size_t field;
		uint32_t value;
	} lies[] = {
		{ offsetof(struct lgmp_queue, slots), 0 },
		{ offsetof(struct lgmp_queue, slots), 1 },
		{ offsetof(struct lgmp_queue, slots), UINT32_MAX },
		{ offsetof(struct lgmp_queue, messages), 0 },
		{ offsetof(struct lgmp_queue, messages), 5761 },
		{ offsetof(struct lgmp_queue, messages), WORLD_SIZE - 16 },
		{ offsetof(struct lgmp_queue, messages), UINT32_MAX - 15 },
		{ offsetof(struct lgmp_queue, position), 3 },
		{ offsetof(struct lgmp_queue, position), UINT32_MAX },
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		struct kvmfr_world *world = *fixture;

		kvmfr_producer_restart(world->producer, world->now_ms);
		put((uint8_t *)kvmfr_world_queue(world, KVMFR_QUEUE_FRAME) + lies[i].field,
		    lies[i].value);
		kvmfr_world_settle(world);
		expect_outlaw(world, "a queue that makes no sense");
		expect_mended(world);
	}
}

static void test_a_position_out_of_the_ring(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	kvmfr_world_queue(world, KVMFR_QUEUE_FRAME)->position = 3;
	kvmfr_world_tick(world, 10);
	expect_outlaw(world, "a queue that makes no sense");
	expect_mended(world);
	/* The pointer's is no better. */
	kvmfr_world_queue(world, KVMFR_QUEUE_POINTER)->position = 1000;
	kvmfr_world_tick(world, 10);
	expect_outlaw(world, "a pointer that makes no sense");
}

/* What was read at subscription is used; what stands there later is not. */
static void test_queues_that_change(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct lgmp_queue *queue = kvmfr_world_queue(world, KVMFR_QUEUE_FRAME);

	kvmfr_world_send(world, 2, NULL);
	queue->messages = UINT32_MAX;
	queue->slots = UINT32_MAX;
	queue->max_time = UINT32_MAX;
	world->header->queue_count = UINT32_MAX;
	world->header->user_data_size = UINT32_MAX;
	kvmfr_world_tick(world, 10);
	kvmfr_world_expect(world, 2);
	assert_true(world->source->live);
}

static void test_no_queue_at_all(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	kvmfr_producer_restart(world->producer, world->now_ms);
	world->header->queue_count = 0;
	kvmfr_world_settle(world);
	assert_false(world->source->live);
	world->header->queue_count = UINT32_MAX;
	kvmfr_world_settle(world);
	assert_true(kvmfr_producer_is_watched(world->producer));
}

static void test_places_that_are_taken_away(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct lgmp_queue *queue = kvmfr_world_queue(world, KVMFR_QUEUE_FRAME);

	/* Gone, bad, or somebody else's: another one is taken. */
	for (unsigned int i = 0; i < 60; i++) {
		queue->subscribers = i % 3 == 0   ? 0
				     : i % 3 == 1 ? UINT64_MAX << 40 | 0xf
						  : queue->subscribers;
		memset(queue->client_id, 0, sizeof(queue->client_id));
		kvmfr_world_tick(world, 10);
		kvmfr_world_tick(world, 10);
	}
	assert_false(queue->lock);
	queue->subscribers = 0;
	kvmfr_world_settle(world);
	kvmfr_world_send(world, 2, NULL);
	kvmfr_world_tick(world, 10);
	kvmfr_world_expect(world, 2);
}

static void test_locks_are_not_waited_for(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	uint64_t begun = clock_now_ns();

	kvmfr_world_send(world, 2, NULL);
	for (uint32_t i = 0; i < LGMP_QUEUES_MAX; i++) {
		world->header->queues[i].lock = world->header->queues[i].client_lock = 1;
	}
	for (int i = 0; i < 100; i++) {
		kvmfr_world_tick_source(world, 1);
	}
	kvmfr_world_expect(world, 2);
	/* Read, though nobody could take it out of the ring. */
	assert_int_equal(newest_slot(world, KVMFR_QUEUE_FRAME)->pending, 0);
	assert_int_equal(kvmfr_world_queue(world, KVMFR_QUEUE_FRAME)->count, 1);
	frame_source_set_watched(world->source, false);
	sd_event_run(world->event, 0);
	assert_true(clock_now_ns() - begun < 2 * NSEC_PER_SEC);
}

/* ---- sessions ---- */

static void test_versions(void **fixture)
{
	static const struct {
		uint32_t lgmp, kvmfr;
		uint16_t place;
		const char *words;
	} versions[] = {
		{ 4, 14, 0, "is too old (LGMP 4" },
		{ 6, 18, 0, "is too old (LGMP 6, KVMFR 18)" },
		{ 6, 21, 0, "is too new (LGMP 6, KVMFR 21)" },
		{ 5, 20, 0, "is too new (LGMP 5, KVMFR 20)" },
		{ 7, 20, 0, "is too new (LGMP 7" },
		{ 10, 30, LGMP_MAGIC_OFFSET_10, "is too new (LGMP 10" },
		{ 12, 34, LGMP_MAGIC_OFFSET_12, "is too new (LGMP 12, KVMFR 34)" },
		{ UINT32_MAX, 0, LGMP_MAGIC_OFFSET_12, "is too new (LGMP 4294967295" },
	};

	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		struct kvmfr_world *world = *fixture;
		uint8_t *recovery = world->memory + WORLD_SIZE - KVMFR_RECOVERY_SIZE;

		kvmfr_producer_restart(world->producer, world->now_ms);
		world->header->magic = 0;
		put(world->memory + versions[i].place, LGMP_MAGIC);
		put(world->memory + versions[i].place + 4, versions[i].lgmp);
		put(world->header->user_data + offsetof(struct kvmfr_header, version),
		    versions[i].kvmfr);
		if (versions[i].lgmp == 12) {
			memcpy(recovery, KVMFR_RECOVERY_MAGIC, 8);
			put(recovery + KVMFR_RECOVERY_KVMFR_VERSION, versions[i].kvmfr);
		}
		for (int n = 0; n < 3; n++) {
			world->header->heartbeat++;
			kvmfr_world_tick_source(world, 10);
		}
		assert_false(world->source->live);
		assert_non_null(strstr(world->source->reason, versions[i].words));
		assert_non_null(strstr(world->source->reason,
				       "install the Looking Glass host program of release B7"));
		assert_false(kvmfr_producer_is_watched(world->producer));
		memset(recovery, 0, 32);
		put(world->memory + versions[i].place, 0);
		expect_mended(world);
	}
}

static void test_what_it_says_of_itself(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	uint8_t *user_data = world->header->user_data;
	const uint32_t size = world->header->user_data_size;
	const char bad[] = "a\n\x1b[2J\xff%s";

	memcpy(user_data + offsetof(struct kvmfr_header, producer), bad, sizeof(bad));
	world->header->session++;
	world->header->heartbeat++;
	kvmfr_world_tick_source(world, 10);
	world->header->heartbeat++;
	kvmfr_world_tick_source(world, 10);
	assert_string_equal(kvmfr_source_producer(world->source), "a??[2J?%s");

	/* Records that we do not know stand before the ones that we do. */
	kvmfr_producer_restart(world->producer, world->now_ms);
	memmove(user_data + sizeof(struct kvmfr_header) + 11,
		user_data + sizeof(struct kvmfr_header), size - sizeof(struct kvmfr_header));
	memcpy(user_data + sizeof(struct kvmfr_header), "\x09\0\0\0\x03\0\0\0abc", 11);
	world->header->user_data_size = size + 11;
	kvmfr_world_settle(world);
	assert_string_equal(kvmfr_source_uuid(world->source), WORLD_UUID);

	/* Cut at any length, with records of any size: what is not there is not said. */
	for (uint32_t i = 0; i < 400; i++) {
		kvmfr_producer_restart(world->producer, world->now_ms);
		world->header->user_data_size = i < 200 ? i : size;
		if (i >= 200) {
			put(user_data + sizeof(struct kvmfr_header) + 4,
			    i == 399 ? UINT32_MAX : i - 200);
		}
		kvmfr_world_settle(world);
		assert_true(!kvmfr_source_uuid(world->source) ||
			    strcmp(kvmfr_source_uuid(world->source), WORLD_UUID) == 0);
	}
	memset(user_data, 'x', size);
	world->header->session++;
	for (int i = 0; i < 2; i++) {
		world->header->heartbeat++;
		kvmfr_world_tick_source(world, 10);
	}
	assert_null(kvmfr_source_producer(world->source));
	assert_null(kvmfr_source_uuid(world->source));
	expect_mended(world);
}

static void test_sessions_without_end(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	for (int i = 0; i < 1000; i++) {
		world->header->session = (uint32_t)i;
		world->header->heartbeat += (unsigned int)i % 3;
		kvmfr_world_tick_source(world, 1);
	}
	expect_mended(world);
}

static void test_the_log_is_not_flooded(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	unsigned int before = world->logs;

	for (int i = 0; i < 5000; i += 2) {
		world->header->version = 4;
		kvmfr_world_tick_source(world, 1);
		world->header->version = 7;
		kvmfr_world_tick_source(world, 1);
	}
	assert_in_range(world->logs - before, 4, 6);
	assert_non_null(strstr(world->log, "guest: the capture program in the guest is too "));
	expect_mended(world);
}

/* ---- the memory ---- */

/* cmocka puts its own handler of SIGBUS there for each test; each mapping puts ours back. */
static void put_guard_back(struct kvmfr_world *world)
{
	struct frame_source *source;

	assert_int_equal(kvmfr_source_create(world->event, "x", world->fd, WORLD_SIZE, &source), 0);
	frame_source_destroy(source);
}

static void test_truncation(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	put_guard_back(world);
	kvmfr_world_send(world, 2, NULL);
	/* The pixels are gone, the queues are not. */
	assert_int_equal(ftruncate(world->fd, 65536), 0);
	kvmfr_world_tick_source(world, 10);
	kvmfr_world_tick_source(world, 10);
	assert_false(world->source->live);
	assert_string_equal(world->source->reason,
			    "the memory shared with the guest was cut off: restart the guest");
	world->real_clock = true;
	kvmfr_source_poke(world->source);
	sd_event_run(world->event, 0);
	assert_int_equal(timers_left_ms(), -1);
	assert_int_equal(ftruncate(world->fd, 0), 0);
	kvmfr_source_poke(world->source);
	assert_int_equal(ftruncate(world->fd, WORLD_SIZE), 0);
}

static void test_truncation_to_nothing(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	/* Locks and acknowledgements are written there, and go nowhere. */
	put_guard_back(world);
	assert_int_equal(ftruncate(world->fd, 0), 0);
	kvmfr_world_tick_source(world, 10);
	kvmfr_world_tick_source(world, 10);
	assert_false(world->source->live);
	assert_int_equal(ftruncate(world->fd, WORLD_SIZE), 0);
	memset(world->memory, 0, WORLD_SIZE);
	kvmfr_producer_restart(world->producer, world->now_ms);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, kvmfr_world_tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_headers),
		TEST(test_a_picture_larger_than_the_memory),
		TEST(test_a_truncated_picture),
		TEST(test_damage_below_the_rows),
		TEST(test_write_pointers),
		TEST(test_slots),
		TEST(test_a_message_that_is_too_short),
		TEST(test_queues),
		TEST(test_a_position_out_of_the_ring),
		TEST(test_queues_that_change),
		TEST(test_no_queue_at_all),
		TEST(test_places_that_are_taken_away),
		TEST(test_locks_are_not_waited_for),
		TEST(test_versions),
		TEST(test_what_it_says_of_itself),
		TEST(test_sessions_without_end),
		TEST(test_the_log_is_not_flooded),
		TEST(test_truncation),
		TEST(test_truncation_to_nothing),
	};

	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
