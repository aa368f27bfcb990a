// SPDX-License-Identifier: MIT
/*
 * Which picture of a guest is shown: every way of coming, failing and going, five steps deep for
 * two sources and three for three, against the rules; and the ways that matter, step by step.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/source_choice.h"

#define MS 1000ull
#define START (1000 * 1000 * MS)

struct world {
	struct source_choice choice;
	struct source_facts facts[SOURCE_KINDS];
	uint64_t now, next;
	bool live[SOURCE_KINDS]; /* at the last update, and until when it was */
	uint64_t live_usec[SOURCE_KINDS];
};

static void update(struct world *world)
{
	for (int kind = SOURCE_EMULATED; kind < SOURCE_KINDS; kind++) {
		enum source_health health = world->facts[kind].health;

		if (health == SOURCE_GONE) {
			world->live_usec[kind] = 0;
		} else if (health == SOURCE_LIVE || world->live[kind]) {
			world->live_usec[kind] = world->now;
		}
		world->live[kind] = health == SOURCE_LIVE;
	}
	world->next = source_choice_update(&world->choice, world->facts, world->now);
}

/* ---- the rules, said once more and otherwise ---- */

static bool usable(const struct world *world, enum source_kind kind)
{
	const struct source_facts *facts = &world->facts[kind];

	if (kind == SOURCE_NONE || facts->health == SOURCE_GONE || facts->frame_usec == 0) {
		return false;
	}
	return facts->health == SOURCE_LIVE ||
	       (world->live_usec[kind] && world->now - world->live_usec[kind] < SOURCE_GRACE_USEC);
}

static bool any_usable(const struct world *world)
{
	return usable(world, SOURCE_EMULATED) || usable(world, SOURCE_VIRTIO) ||
	       usable(world, SOURCE_CARD);
}

static void check_what_is_shown(const struct world *world, enum source_kind before)
{
	enum source_kind shown = world->choice.shown;

	if (any_usable(world)) {
		assert_true(usable(world, shown));
	}
	if (shown != SOURCE_NONE) {
		assert_int_not_equal(world->facts[shown].health, SOURCE_GONE);
		assert_int_not_equal(world->facts[shown].frame_usec, 0);
	}
	/* Not black while there is anything to show. */
	for (int kind = SOURCE_EMULATED; kind < SOURCE_KINDS && shown == SOURCE_NONE; kind++) {
		assert_true(world->facts[kind].health == SOURCE_GONE ||
			    world->facts[kind].frame_usec == 0);
	}
	/* What is good enough is never left for less. */
	if (usable(world, before)) {
		assert_true(shown >= before);
	}
	/* When nothing is alive, the old picture stays. */
	if (!any_usable(world) && before != SOURCE_NONE &&
	    world->facts[before].health != SOURCE_GONE) {
		assert_int_equal(shown, before);
	}
}

/* A better one has pushed out one that was good enough: it lives, and its picture is new. */
static void check_rise(const struct world *world, enum source_kind before)
{
	enum source_kind shown = world->choice.shown;
	const struct source_past *past = &world->choice.past[shown];

	if (shown <= before || !usable(world, before)) {
		return;
	}
	assert_int_equal(world->facts[shown].health, SOURCE_LIVE);
	assert_true(world->facts[shown].frame_usec >= past->came_usec);
	if (past->failures > 0) {
		assert_true(world->now - past->usable_usec >= SOURCE_HOLD_USEC);
	}
}

/* One that never failed since it came, and is alive with a new picture, is shown. */
static void check_best_is_shown(const struct world *world)
{
	for (int kind = SOURCE_CARD; kind > (int)world->choice.shown; kind--) {
		const struct source_past *past = &world->choice.past[kind];

		assert_false(usable(world, (enum source_kind)kind) && past->failures == 0 &&
			     world->facts[kind].health == SOURCE_LIVE &&
			     world->facts[kind].frame_usec >= past->came_usec);
	}
}

/* Nothing changes by asking again, nor by time before the one that was told. */
static void check_time(const struct world *world)
{
	struct world later = *world;

	update(&later);
	assert_int_equal(later.choice.shown, world->choice.shown);
	assert_true(world->next > world->now);
	later = *world;
	later.now = world->next == UINT64_MAX ? world->now + 3600 * 1000 * MS : world->next - 1;
	update(&later);
	assert_int_equal(later.choice.shown, world->choice.shown);
}

static void step(struct world *world)
{
	enum source_kind before = world->choice.shown;

	update(world);
	check_what_is_shown(world, before);
	check_rise(world, before);
	check_best_is_shown(world);
	check_time(world);
}

/* ---- every way ---- */

enum move { MOVE_GONE, MOVE_SILENT, MOVE_LIVE, MOVE_FRAME, MOVES };

static void move_source(struct world *world, int kind, enum move move)
{
	static const enum source_health health[MOVES] = { SOURCE_GONE, SOURCE_SILENT, SOURCE_LIVE,
							  SOURCE_LIVE };

	world->facts[kind].health = health[move];
	if (move == MOVE_FRAME) {
		world->facts[kind].frame_usec = world->now;
	}
}

static unsigned long walk(const struct world *world, int kinds, int depth)
{
	static const uint64_t pauses[] = { 10 * MS, 350 * MS, 1500 * MS };
	unsigned int ways = kinds == 3 ? MOVES * MOVES * MOVES : MOVES * MOVES;
	unsigned long steps = 0;

	for (unsigned int way = 0; way < ways * 3 && depth > 0; way++) {
		struct world next = *world;
		unsigned int moves = way / 3;

		next.now += pauses[way % 3];
		for (int kind = SOURCE_CARD; kind > SOURCE_CARD - kinds; kind--) {
			move_source(&next, kind, (enum move)(moves % MOVES));
			moves /= MOVES;
		}
		step(&next);
		steps += 1 + walk(&next, kinds, depth - 1);
	}
	return steps;
}

static void test_every_way_of_two(void **fixture)
{
	struct world world = { .now = START };

	assert_true(walk(&world, 2, 3) > 100000);
	/* And from where most guests are: virtio is shown. */
	world.facts[SOURCE_VIRTIO] = (struct source_facts){ SOURCE_LIVE, START };
	update(&world);
	walk(&world, 2, 3);
	/* Or from the card, which has failed once. */
	world.facts[SOURCE_CARD] = (struct source_facts){ SOURCE_LIVE, START };
	update(&world);
	world.now += 1000 * MS;
	world.facts[SOURCE_CARD].health = SOURCE_SILENT;
	update(&world);
	world.now = world.next;
	update(&world);
	assert_int_equal(world.choice.shown, SOURCE_VIRTIO);
	walk(&world, 2, 3);
}

static void test_every_way_of_three(void **fixture)
{
	struct world world = { .now = START };

	assert_true(walk(&world, 3, 2) > 30000);
	world.facts[SOURCE_EMULATED] = (struct source_facts){ SOURCE_LIVE, START };
	update(&world);
	walk(&world, 3, 2);
}

/* Long walks at random, of which the seed is printed. */
static void test_long_walks(void **fixture)
{
	const char *given = getenv("BATON_TEST_SEED");
	unsigned int seed = given ? (unsigned int)strtoul(given, NULL, 10) : 4711;

	printf("seed %u\n", seed);
	for (int round = 0; round < 200; round++) {
		struct world world = { .now = START };

		for (int i = 0; i < 500; i++) {
			world.now += (uint64_t)rand_r(&seed) % (1 << rand_r(&seed) % 23) + 1;
			move_source(&world, SOURCE_EMULATED + rand_r(&seed) % 3,
				    (enum move)(rand_r(&seed) % MOVES));
			step(&world);
		}
	}
}

/* ---- the ways that matter ---- */

static void set(struct world *world, enum source_kind kind, enum move move, unsigned int after_ms)
{
	world->now += after_ms * MS;
	move_source(world, kind, move);
	step(world);
}

static void booted(struct world *world)
{
	*world = (struct world){ .now = START };
	set(world, SOURCE_EMULATED, MOVE_LIVE, 10);
	assert_int_equal(world->choice.shown, SOURCE_NONE);
	set(world, SOURCE_EMULATED, MOVE_FRAME, 10);
	assert_int_equal(world->choice.shown, SOURCE_EMULATED);
	set(world, SOURCE_VIRTIO, MOVE_LIVE, 3000);
	assert_int_equal(world->choice.shown, SOURCE_EMULATED);
	set(world, SOURCE_VIRTIO, MOVE_FRAME, 10);
	assert_int_equal(world->choice.shown, SOURCE_VIRTIO);
}

static void test_the_card_comes_and_goes(void **fixture)
{
	struct world world;

	booted(&world);
	for (int round = 0; round < 50; round++) {
		set(&world, SOURCE_CARD, MOVE_SILENT, 500);
		assert_int_equal(world.choice.shown, SOURCE_VIRTIO);
		/* It answers, and its old picture is of the last time. */
		set(&world, SOURCE_CARD, MOVE_LIVE, 500);
		assert_int_equal(world.choice.shown, SOURCE_VIRTIO);
		set(&world, SOURCE_CARD, MOVE_FRAME, 100);
		assert_int_equal(world.choice.shown, SOURCE_CARD);
		/* An idle screen is as alive as any. */
		set(&world, SOURCE_CARD, MOVE_LIVE, 100000);
		assert_int_equal(world.choice.shown, SOURCE_CARD);
		set(&world, SOURCE_CARD, MOVE_GONE, 10);
		assert_int_equal(world.choice.shown, SOURCE_VIRTIO);
	}
}

/* It does not answer for longer than a restart takes. */
static void fall_silent(struct world *world, unsigned int after_ms)
{
	set(world, SOURCE_CARD, MOVE_SILENT, after_ms);
	assert_int_equal(world->choice.shown, SOURCE_CARD);
	world->now = world->next;
	step(world);
	assert_int_equal(world->choice.shown, SOURCE_VIRTIO);
}

/* Also of one whose screen has not changed for a while. */
static void test_a_restart_of_the_producer_is_not_seen(void **fixture)
{
	struct world world;

	booted(&world);
	set(&world, SOURCE_CARD, MOVE_FRAME, 10);
	set(&world, SOURCE_CARD, MOVE_SILENT, 5000);
	assert_int_equal(world.choice.shown, SOURCE_CARD);
	assert_int_equal(world.next, world.now + SOURCE_GRACE_USEC);
	set(&world, SOURCE_CARD, MOVE_FRAME, 200);
	assert_int_equal(world.choice.shown, SOURCE_CARD);
	assert_int_equal(world.next, UINT64_MAX);
}

static void test_one_that_fails_again_and_again_waits_longer(void **fixture)
{
	static const unsigned int holds_ms[] = { 1000, 2000, 4000, 8000, 8000 };
	struct world world;

	booted(&world);
	set(&world, SOURCE_CARD, MOVE_FRAME, 10);
	for (int i = 0; i < 5; i++) {
		fall_silent(&world, 500);
		set(&world, SOURCE_CARD, MOVE_FRAME, 10);
		assert_int_equal(world.choice.shown, SOURCE_VIRTIO);
		assert_int_equal(world.next, world.now + holds_ms[i] * MS);
		world.now = world.next - 1;
		step(&world);
		assert_int_equal(world.choice.shown, SOURCE_VIRTIO);
		world.now++;
		step(&world);
		assert_int_equal(world.choice.shown, SOURCE_CARD);
	}
	/* After half a minute without a failure it is trusted again. */
	set(&world, SOURCE_CARD, MOVE_FRAME, 31000);
	fall_silent(&world, 500);
	set(&world, SOURCE_CARD, MOVE_FRAME, 10);
	assert_int_equal(world.next, world.now + 1000 * MS);
	/* And when it was gone meanwhile, at once. */
	set(&world, SOURCE_CARD, MOVE_GONE, 10);
	set(&world, SOURCE_CARD, MOVE_FRAME, 10);
	assert_int_equal(world.choice.shown, SOURCE_CARD);
}

/* An agent that was stopped goes on, and nothing has changed on its screen. */
static void test_one_that_answers_again_is_shown_without_a_new_picture(void **fixture)
{
	struct world world;

	booted(&world);
	set(&world, SOURCE_CARD, MOVE_FRAME, 10);
	fall_silent(&world, 500);
	set(&world, SOURCE_CARD, MOVE_LIVE, 5000);
	assert_int_equal(world.choice.shown, SOURCE_VIRTIO);
	assert_int_equal(world.next, world.now + SOURCE_HOLD_USEC);
	world.now = world.next;
	step(&world);
	assert_int_equal(world.choice.shown, SOURCE_CARD);
}

static void test_one_that_is_silent_does_not_rise(void **fixture)
{
	struct world world;

	booted(&world);
	set(&world, SOURCE_CARD, MOVE_FRAME, 10);
	fall_silent(&world, 500);
	set(&world, SOURCE_CARD, MOVE_FRAME, 10);
	set(&world, SOURCE_CARD, MOVE_FRAME, 900);
	set(&world, SOURCE_CARD, MOVE_SILENT, 110);
	assert_int_equal(world.choice.shown, SOURCE_VIRTIO);
	set(&world, SOURCE_CARD, MOVE_LIVE, 10);
	assert_int_equal(world.choice.shown, SOURCE_CARD);
}

static void test_a_reset(void **fixture)
{
	struct world world;

	booted(&world);
	set(&world, SOURCE_CARD, MOVE_FRAME, 10);
	/* The card's capture and virtio's driver are gone; the firmware draws. */
	world.facts[SOURCE_CARD].health = SOURCE_GONE;
	set(&world, SOURCE_VIRTIO, MOVE_GONE, 10);
	assert_int_equal(world.choice.shown, SOURCE_EMULATED);
	set(&world, SOURCE_VIRTIO, MOVE_LIVE, 2000);
	assert_int_equal(world.choice.shown, SOURCE_EMULATED);
	set(&world, SOURCE_VIRTIO, MOVE_FRAME, 10);
	assert_int_equal(world.choice.shown, SOURCE_VIRTIO);
}

static void test_nothing_answers(void **fixture)
{
	struct world world;

	booted(&world);
	set(&world, SOURCE_CARD, MOVE_FRAME, 10);
	world.facts[SOURCE_EMULATED].health = world.facts[SOURCE_VIRTIO].health = SOURCE_SILENT;
	set(&world, SOURCE_CARD, MOVE_SILENT, 5000);
	assert_int_equal(world.choice.shown, SOURCE_CARD);
	set(&world, SOURCE_CARD, MOVE_GONE, 5000);
	assert_int_equal(world.choice.shown, SOURCE_VIRTIO);
	world.facts[SOURCE_EMULATED].health = SOURCE_GONE;
	set(&world, SOURCE_VIRTIO, MOVE_GONE, 10);
	assert_int_equal(world.choice.shown, SOURCE_NONE);
	/* On probation, but the only one. */
	set(&world, SOURCE_CARD, MOVE_FRAME, 10);
	assert_int_equal(world.choice.shown, SOURCE_CARD);
}

static void test_names(void **fixture)
{
	for (int kind = 0; kind < SOURCE_KINDS; kind++) {
		assert_non_null(source_kind_names[kind]);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_way_of_two),
		cmocka_unit_test(test_every_way_of_three),
		cmocka_unit_test(test_long_walks),
		cmocka_unit_test(test_the_card_comes_and_goes),
		cmocka_unit_test(test_a_restart_of_the_producer_is_not_seen),
		cmocka_unit_test(test_one_that_fails_again_and_again_waits_longer),
		cmocka_unit_test(test_one_that_answers_again_is_shown_without_a_new_picture),
		cmocka_unit_test(test_one_that_is_silent_does_not_rise),
		cmocka_unit_test(test_a_reset),
		cmocka_unit_test(test_nothing_answers),
		cmocka_unit_test(test_names),
	};

	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
