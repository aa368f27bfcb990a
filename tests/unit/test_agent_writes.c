// SPDX-License-Identifier: MIT
/* The guest's agent: what it writes into shared memory for readers that are quick, late or new. */
#include "tests/unit/test.h"

#include <drm_fourcc.h>
#include <string.h>

#include "tests/unit/agent_world.h"

#define MEMORY (2u << 20)
#define TILE 64u

static int set_up(void **state)
{
	*state = agent_world_create(MEMORY, true);
	return 0;
}

/* Two frames of half the screen's height fit. */
static int set_up_small(void **state)
{
	*state = agent_world_create(256 * 1024, true);
	return 0;
}

static int tear_down(void **state)
{
	agent_world_destroy(*state);
	return 0;
}

static struct relay_counts counts(const struct agent_world *world)
{
	return *agent_counts(world->agent);
}

static void show(struct agent_world *world, uint32_t buffer)
{
	world->card.screen.buffer = buffer;
	agent_world_blank(world);
}

static bool has_picture(struct agent_world *world)
{
	return world->frame_count > 0;
}

static void test_writes(void **state)
{
	struct agent_world *world = *state;
	uint64_t before;

	agent_world_watch(world);
	/* Both buffers have the picture. */
	for (uint32_t i = 0; i < 2; i++) {
		fake_card_fill(&world->card, 1, (struct kvmfr_rect){ 64, 64, 64, 64 }, 1 + i);
		agent_world_blank(world);
	}
	before = counts(world).bytes_written;
	for (uint32_t i = 0; i < 10; i++) {
		fake_card_fill(&world->card, 1, (struct kvmfr_rect){ 64, 64, 64, 64 }, 77 + i);
		agent_world_blank(world);
		agent_world_expect(world);
	}
	assert_int_equal(counts(world).bytes_written - before, 10 * 64 * 64 * 4);
}

static struct kvmfr_rect tile_at(uint32_t i)
{
	return (struct kvmfr_rect){ i % 3 * TILE, i / 3 % 2 * TILE, TILE, TILE };
}

/* Another tile in each picture of a guest that changes buffers: each is written once. */
static void test_writes_of_moving_damage(void **state)
{
	struct agent_world *world = *state;
	const struct kvmfr_rect all = { 0, 0, WORLD_WIDTH, WORLD_HEIGHT };
	struct relay_counts before = { 0 }, after;

	fake_card_fill(&world->card, 1, all, 0x777777);
	fake_card_fill(&world->card, 2, all, 0x777777);
	agent_world_watch(world);
	for (uint32_t i = 0; i < 40; i++) {
		if (i == 10) {
			before = counts(world);
		}
		/* A compositor brings the buffer up to date, which it has not shown lately. */
		if (i > 0) {
			fake_card_fill(&world->card, 1 + i % 2, tile_at(i - 1), i - 1);
		}
		fake_card_fill(&world->card, 1 + i % 2, tile_at(i), i);
		show(world, 1 + i % 2);
		agent_world_expect(world);
	}
	after = counts(world);
	assert_int_equal(after.bytes_changed - before.bytes_changed, 30 * TILE * TILE * 4);
	assert_int_equal(after.bytes_written - before.bytes_written, 30 * TILE * TILE * 4);
	assert_int_equal(after.reads - before.reads, 30);
}

/* Who is late by one look costs nothing; who is later gets the other buffer, with all it lacks. */
static void test_writes_for_a_late_reader(void **state)
{
	struct agent_world *world = *state;
	struct relay_counts before;

	agent_world_watch(world);
	fake_card_fill(&world->card, 1, tile_at(0), 1);
	agent_world_blank(world);
	before = counts(world);
	world->holds = true;
	fake_card_fill(&world->card, 1, tile_at(1), 2);
	agent_world_blank(world);
	assert_int_equal(counts(world).pictures, before.pictures + 1);
	fake_card_fill(&world->card, 1, tile_at(2), 3);
	agent_world_blank(world);
	assert_int_equal(counts(world).pictures, before.pictures + 1);
	agent_world_blank(world);
	assert_int_equal(counts(world).pictures, before.pictures + 2);
	assert_true(counts(world).bytes_written - before.bytes_written > 3 * TILE * TILE * 4);
	world->holds = false;
	agent_world_blank(world);
	agent_world_expect(world);
}

/* Of a film the other buffer lacks no more than has changed: nobody waits. */
static void test_a_late_reader_of_a_film(void **state)
{
	struct agent_world *world = *state;
	const struct kvmfr_rect all = { 0, 0, WORLD_WIDTH, WORLD_HEIGHT };
	uint64_t before;

	agent_world_watch(world);
	world->holds = true;
	before = counts(world).pictures;
	for (uint32_t i = 0; i < 2; i++) {
		fake_card_fill(&world->card, 1, all, 5 + i);
		agent_world_blank(world);
	}
	assert_int_equal(counts(world).pictures, before + 2);
	world->holds = false;
	agent_world_blank(world);
	agent_world_expect(world);
}

/* Small places all over: their rectangles are as many as can be told, or one around all. */
static void test_many_places(void **state)
{
	struct agent_world *world = *state;

	agent_world_watch(world);
	fake_card_buffer(&world->card, 4, 1300, 1300, DRM_FORMAT_XRGB8888, 4);
	world->card.screen.width = world->card.screen.height = 300;
	show(world, 4);
	for (uint32_t y = 0; y < 5; y++) {
		for (uint32_t x = y % 2; x < 5; x += 2) {
			fake_card_fill(&world->card, 4, (struct kvmfr_rect){ x * 64, y * 64, 1, 1 },
				       0x55);
		}
	}
	world->damaged = 0;
	agent_world_blank(world);
	agent_world_expect(world);
	assert_int_equal(world->frame.damage_count, 13);
}

static void test_small_memory(void **state)
{
	struct agent_world *world = *state;
	size_t rows;

	agent_world_watch(world);
	assert_true(world->frame.flags & KVMFR_FRAME_TRUNCATED);
	assert_int_equal(world->frame.screen_height, WORLD_HEIGHT);
	rows = world->frame.frame_height;
	assert_in_range(rows, 1, WORLD_HEIGHT - 1);
	for (size_t y = 0; y < rows; y++) {
		assert_memory_equal(world->picture + y * WORLD_WIDTH * 4,
				    world->card.pixels[1] + y * world->card.buffers[1].pitch,
				    WORLD_WIDTH * 4);
	}
}

/* A reader that is slow holds both buffers; what changed meanwhile comes when it lets go. */
static void test_slow_reader(void **state)
{
	struct agent_world *world = *state;

	agent_world_watch(world);
	for (uint32_t i = 0; i < 12; i++) {
		show(world, 1 + i % 2);
	}
	world->holds = true;
	for (uint32_t i = 0; i < 4; i++) {
		fake_card_fill(&world->card, 1 + i % 2, (struct kvmfr_rect){ 0, 9 * i, 4, 4 }, 0x3);
		show(world, 1 + i % 2);
	}
	world->holds = false;
	agent_world_blank(world);
	agent_world_blank(world);
	agent_world_expect(world);
}

static void test_newcomer(void **state)
{
	struct agent_world *world = *state;

	agent_world_watch(world);
	agent_world_leave(world);
	world->frame = (struct kvmfr_frame_b7){ 0 };
	world->frame_count = 0;
	/* Before the agent has noticed that nobody is there. */
	world->subscribed = true;
	agent_world_watch(world);
	agent_world_expect(world);
}

/* Somebody wipes the memory: a new session, and the seat is rung for it. */
static void test_wiped(void **state)
{
	struct agent_world *world = *state;

	agent_world_watch(world);
	memset(world->memory, 0, MEMORY);
	world->frame_count = 0;
	world->rings[2] = 0;
	world->frame = (struct kvmfr_frame_b7){ 0 };
	agent_world_until(world, has_picture);
	agent_world_expect(world);
	assert_true(world->rings[2] > 0);
}

int main(void)
{
#define WITH(test, setup) cmocka_unit_test_setup_teardown(test, setup, tear_down)
	const struct CMUnitTest tests[] = {
		WITH(test_writes, set_up),
		WITH(test_writes_of_moving_damage, set_up),
		WITH(test_writes_for_a_late_reader, set_up),
		WITH(test_a_late_reader_of_a_film, set_up),
		WITH(test_many_places, set_up),
		WITH(test_small_memory, set_up_small),
		WITH(test_slow_reader, set_up),
		WITH(test_newcomer, set_up),
		WITH(test_wiped, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
