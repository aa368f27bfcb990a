// SPDX-License-Identifier: MIT
/*
 * The handoff machine on a made-up world, at random: requests, answers, deaths of guests and of the
 * broker, kernels that hang and come back, cards that vanish, in any order and mixture. What must
 * hold always is in handoff_world.c. The seed is printed, and taken from BATON_TEST_SEED.
 */
#include "tests/unit/test.h"

#include "tests/unit/handoff_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "passthrough/handoff_table.h"

#define STEPS 100000

static uint64_t seed;

/* xorshift64*: the same on every machine. */
static uint32_t draw(uint32_t below)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)((seed * 0x2545f4914f6cdd1dull) >> 33) % below;
}

static bool chance(uint32_t percent)
{
	return draw(100) < percent;
}

static uint32_t draw_guest(void)
{
	return 1 + draw(GUESTS);
}

static void plan(struct world *world, struct outcome *outcome)
{
	const struct handoff_row *row = handoff_row(world->stage);
	bool half = (row->flags & HANDOFF_ROW_HALF) && chance(50);
	uint32_t lot = draw(100);

	world->at_once = chance(30);
	if (lot < 70) {
		outcome->after_usec = chance(70) ? draw(1001) : draw((uint32_t)row->soft_usec * 2);
	} else if (lot < 82) {
		*outcome = (struct outcome){ draw(5000), -EIO, half };
	} else if (lot < 90) {
		*outcome = (struct outcome){ draw(5000), -EBUSY, false };
	} else if (lot < 97) {
		*outcome = (struct outcome){ NEVER, 0, chance(50) };
	} else if (row->actor == HANDOFF_BROKER) {
		*outcome = (struct outcome){ draw(5000), -ENODEV, false };
	}
}

static int answer(struct world *world)
{
	return chance(50) ? -1 : (int)draw(4);
}

/* Screens that did not come back at once come with the next hotplug. */
static void plug_screen(struct world *world)
{
	world->screen_open |= !world->handoff.active && world->handoff.state == CARD_STATE_HOST &&
			      (world->failed & HANDOFF_BIT(HANDOFF_OPEN_SCREEN));
}

/* A broker that has answered late, a kernel that has come back: all is told. */
static void tell_truth(struct world *world)
{
	uint32_t owner;

	if (world->lent_to && !world->alive[world->lent_to]) {
		world->lent_to = 0; /* the broker does it by itself */
	}
	world->resynced |= world->unsure;
	world->unsure = false;
	if (world_state(world, &owner) != world->handoff.state || owner != world->handoff.owner) {
		world_resync(world);
	}
}

static void come_to_rest(struct world *world)
{
	world_tell_released(world);
	if (world->handoff.active) {
		return;
	}
	if (!world->unsure) {
		world_check_rest(world);
	}
	if ((world->wedged || world->lost) && chance(80)) {
		return;
	}
	world->wedged = world->lost = false;
	tell_truth(world);
	plug_screen(world);
}

static void ask(struct world *world)
{
	static const uint32_t owners[] = { HANDOFF_HOST, HANDOFF_POOL, GUEST_A, GUEST_B };
	uint32_t to = owners[draw(4)];
	enum card_state state = world->handoff.state;

	if (state == CARD_STATE_WEDGED || state == CARD_STATE_LOST) {
		assert_int_equal(handoff_start(&world->handoff, to, world->now), -EIO);
	} else if (to == world->handoff.owner) {
		assert_int_equal(handoff_start(&world->handoff, to, world->now), -EALREADY);
	} else if (to == HANDOFF_HOST || to == HANDOFF_POOL || world->alive[to]) {
		*world->log = '\0';
		world_start(world, to);
	}
}

static void revive(struct world *world, uint32_t guest)
{
	if (!world->alive[guest] && world->lent_to != guest && world->handoff.to != guest) {
		world->alive[guest] = true;
	}
}

/* A guest lets go of the card unasked. */
static void release(struct world *world)
{
	uint32_t owner = world->handoff.owner;

	if ((owner == GUEST_A || owner == GUEST_B) && world->device[owner] &&
	    world->handoff.stage != HANDOFF_ATTACH) {
		world->device[owner] = false;
		world->owner_lost = true;
		world_tell_released(world);
	}
}

static void step_without_broker(struct world *world)
{
	assert_true(handoff_deadline(&world->handoff) == NEVER);
	assert_int_equal(handoff_start(&world->handoff, HANDOFF_HOST, world->now), -ENOTCONN);
	if (chance(20)) {
		world_kill(world, draw_guest());
	} else if (chance(20)) {
		if (world->lent_to && !world->alive[world->lent_to] && chance(50)) {
			world->lent_to = 0;
		}
		world_resync(world);
	}
}

static void step(struct world *world)
{
	uint32_t lot = draw(1000);

	if (!world->broker) {
		step_without_broker(world);
	} else if (lot < 15) {
		world_kill(world, draw_guest());
	} else if (lot < 25) {
		world_broker_gone(world, chance(50));
	} else if (lot < 35) {
		release(world);
	} else if (lot < 100) {
		revive(world, draw_guest());
	} else if (world->handoff.active) {
		world_step(world);
	} else {
		come_to_rest(world);
		if (!world->handoff.active) {
			ask(world);
		}
	}
}

static void test_random_walk(void **state)
{
	const char *given = getenv("BATON_TEST_SEED");
	unsigned int ended[CARD_STATE_COUNT] = { 0 }, active = 0;
	struct world world;

	seed = given ? strtoull(given, NULL, 0) : clock_now_ns();
	print_message("seed %llu\n", (unsigned long long)seed);
	world_init(&world, HANDOFF_HOST, HANDOFF_HOST);
	snprintf(world.scene, sizeof(world.scene), "seed %llu", (unsigned long long)seed);
	world.plan = plan;
	world.answer = answer;
	for (int i = 0; i < STEPS; i++) {
		bool was_active = world.handoff.active;

		if (!was_active) {
			world.handoff.home = chance(50) ? HANDOFF_HOST : HANDOFF_POOL;
		}
		step(&world);
		plug_screen(&world);
		active += world.handoff.active;
		ended[world.handoff.state] += was_active && !world.handoff.active;
	}
	for (int i = 0; i < CARD_STATE_COUNT; i++) {
		print_message("%s %u ", card_state_name((enum card_state)i), ended[i]);
	}
	print_message("\n");
	/* Neither all well nor all ill: every end of a way was seen. */
	assert_true(ended[CARD_STATE_HOST] > 100 && ended[CARD_STATE_POOL] > 100 &&
		    ended[CARD_STATE_GUEST] > 100 && ended[CARD_STATE_WEDGED] > 10 &&
		    ended[CARD_STATE_LOST] > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
