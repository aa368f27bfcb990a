// SPDX-License-Identifier: MIT
/*
 * Walks of wishes and misfortunes, each of which ends with a world that is whole again: then the
 * card must come to rest where somebody has it, with nothing left over. BATON_TEST_SEED repeats
 * one.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "tests/unit/passthrough_world.h"
#include "tests/unit/timers.h"

#define WALKS 100
#define STEPS 60

static uint64_t seed, lot;
static unsigned int rests[CARD_STATE_COUNT], questions, losses;

/* xorshift64* */
static unsigned int draw(unsigned int n)
{
	lot ^= lot >> 12;
	lot ^= lot << 25;
	lot ^= lot >> 27;
	return (unsigned int)((lot * 2685821657736338717ull) >> 33) % n;
}

static struct vm *any_guest(struct world *world)
{
	return draw(2) ? world->a : world->b;
}

static void give(struct world *world)
{
	(void)passthrough_give(world->passthrough, "gpu", draw(3), &world->why);
}

static void focus(struct world *world)
{
	passthrough_focus(world->passthrough, draw(3));
}

static void pass(struct world *world)
{
	static const uint64_t times[] = { SECOND / 20, SECOND, 3 * SECOND, 13 * SECOND,
					  75 * SECOND };

	world_pass(world, times[draw(5)]);
}

static void settle(struct world *world)
{
	world_settle(world);
}

static void turn(struct world *world)
{
	for (unsigned int i = draw(12); i > 0; i--) {
		assert_true(sd_event_run(world->event, 0) >= 0);
	}
}

static void give_answer(struct world *world)
{
	enum handoff_answer answer = (enum handoff_answer)draw(4);

	if (passthrough_answer(world->passthrough, "gpu", answer, &world->why) == 0) {
		questions++;
	}
}

static void rescue(struct world *world)
{
	passthrough_rescue(world->passthrough);
}

static void end_guest(struct world *world)
{
	struct vm *vm = any_guest(world);

	if (vm_get_state(vm) == VM_STATE_RUNNING) {
		fake_guest_end(vm);
	} else {
		fake_guest_start(vm);
	}
}

static void refuse(struct world *world)
{
	fake_guest_refuse(any_guest(world), draw(2));
}

static void stop(struct world *world)
{
	fake_guest_stop(any_guest(world), draw(2));
}

static void cut_control(struct world *world)
{
	struct vm *vm = any_guest(world);

	if (vm_get_state(vm) == VM_STATE_RUNNING) {
		fake_guest_set_control(vm, draw(2));
	}
}

static void let_go(struct world *world)
{
	struct vm *vm = any_guest(world);

	if (draw(2)) {
		fake_guest_let_go(vm);
	} else {
		fake_guest_eject(vm, draw(2));
		if (fake_broker_listens(world->broker)) {
			fake_broker_tell(world->broker, GPU);
		}
	}
}

static void fail_add(struct world *world)
{
	static const char *const ids[] = { NULL, "card.gpu.0", "card.gpu.1" };

	fake_guest_fail_add(any_guest(world), ids[draw(3)], "vfio: no");
}

static void hold(struct world *world)
{
	fake_broker_hold(world->broker, (enum broker_verb)(BROKER_RECORD + (int)draw(9)), draw(2));
}

static void fail_request(struct world *world)
{
	fake_broker_fail(world->broker, (enum broker_verb)(BROKER_RECORD + (int)draw(9)),
			 draw(2) ? -EIO : 0, "it does not work");
}

static void hold_card(struct world *world)
{
	fake_broker_set_holder(world->broker, draw(2) ? "Xorg" : NULL);
}

static void lose_broker(struct world *world)
{
	if (fake_broker_listens(world->broker)) {
		losses++;
		fake_broker_vanish(world->broker);
	} else {
		fake_broker_listen(world->broker);
	}
}

static void restart_seat(struct world *world)
{
	world_end(world);
	world_start(world);
}

static void screens(struct world *world)
{
	world->screens_wait = draw(2);
	world->screens_error = draw(4) ? 0 : -EBUSY;
	passthrough_screen_closed(world->passthrough, "gpu", 0, NULL);
	passthrough_screen_opened(world->passthrough, "gpu", 0, NULL);
}

static void step(struct world *world)
{
	static void (*const steps[])(struct world *) = {
		give,         give,        give,        turn,         turn,
		turn,         settle,      pass,        pass,         focus,
		give_answer,  give_answer, rescue,      end_guest,    refuse,
		stop,         cut_control, let_go,      fail_add,     hold,
		fail_request, hold_card,   lose_broker, restart_seat, screens,
	};

	steps[draw(sizeof(steps) / sizeof(steps[0]))](world);
}

static void heal_guest(struct vm *vm)
{
	fake_guest_refuse(vm, false);
	fake_guest_fail_add(vm, NULL, NULL);
	fake_guest_stop(vm, false);
	if (vm_get_state(vm) != VM_STATE_RUNNING) {
		fake_guest_start(vm);
	}
	fake_guest_set_control(vm, true);
}

static void heal(struct world *world)
{
	world->screens_wait = false;
	world->screens_error = 0;
	passthrough_screen_closed(world->passthrough, "gpu", 0, NULL);
	passthrough_screen_opened(world->passthrough, "gpu", 0, NULL);
	fake_broker_set_holder(world->broker, NULL);
	for (int verb = BROKER_RECORD; verb < BROKER_VERB_COUNT; verb++) {
		fake_broker_fail(world->broker, (enum broker_verb)verb, 0, NULL);
		fake_broker_hold(world->broker, (enum broker_verb)verb, false);
	}
	if (!fake_broker_listens(world->broker)) {
		fake_broker_listen(world->broker);
	}
	heal_guest(world->a);
	heal_guest(world->b);
	world_rest(world);
	/* What was told late is told now, as the real broker looks at a card when it lists it. */
	fake_broker_tell(world->broker, GPU);
	world_rest(world);
	world_pass(world, 3 * SECOND);
	world_rest(world);
}

static void walk(uint64_t own)
{
	struct world *world;
	void *state;

	lot = own;
	assert_int_equal(world_setup(&state), 0);
	world = state;
	world->home_pool = draw(2);
	world->follow_focus[0] = draw(2) ? "gpu" : NULL;
	world->pinned[1] = draw(5) ? NULL : "gpu";
	world_start(world);
	for (int i = 0; i < STEPS; i++) {
		step(world);
	}
	heal(world);
	world_expect(world, world->state, *world->owner ? world->owner : NULL);
	assert_true(card_state_rests(world->state));
	assert_int_equal(fake_broker_refusals(world->broker, BROKER_LEND), 0);
	assert_int_equal(timers_left_ms(), -1);
	rests[world->state]++;
	assert_int_equal(world_teardown(&state), 0);
}

static void test_walks(void **state)
{
	const char *given = getenv("BATON_TEST_SEED");

	seed = given ? strtoull(given, NULL, 0) : clock_now_ns();
	for (uint64_t i = 0; i < WALKS; i++) {
		print_message("seed %llu\n", (unsigned long long)(seed + i));
		walk((seed + i) * 0x9e3779b97f4a7c15ull | 1);
	}
	print_message("HOST %u POOL %u GUEST %u, %u answers, %u losses\n", rests[CARD_STATE_HOST],
		      rests[CARD_STATE_POOL], rests[CARD_STATE_GUEST], questions, losses);
	assert_true(rests[CARD_STATE_HOST] > 0 && rests[CARD_STATE_POOL] > 0 &&
		    rests[CARD_STATE_GUEST] > 0 && losses > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walks),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
