// SPDX-License-Identifier: MIT
/*
 * Seat, broker, donor and receiver are killed, each at each stage of each way, when the intent of
 * the stage stands in the journal; and what a seat finds that begins.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/passthrough_world.h"
#include "tests/unit/timers.h"

/* ---- Somebody is killed ---- */

static const struct world_way ways[] = {
	{ HANDOFF_HOST, GUEST_B, HOST_TO_GUEST },
	{ GUEST_A, GUEST_B, GUEST_TO_GUEST },
	{ GUEST_A, HANDOFF_HOST, GUEST_TO_HOST },
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

typedef void (*kill_fn)(struct world *world);

static void kill_seat(struct world *world)
{
	world_end(world);
	world_start(world);
}

static void kill_a(struct world *world)
{
	fake_guest_end(world->a);
}

static void kill_b(struct world *world)
{
	fake_guest_end(world->b);
}

/* Kills at one stage of one way; returns where the card came to rest: a guest, or the host. */
static uint32_t kill_at(const struct world_way *way, const char *stage, kill_fn kill)
{
	struct world *world;
	uint32_t owner;
	void *state;

	assert_int_equal(world_setup(&state), 0);
	world = state;
	world_reach(world, way, stage);
	kill(world);
	world_rest(world);
	owner = strcmp(world->owner, "a") == 0   ? GUEST_A
		: strcmp(world->owner, "b") == 0 ? GUEST_B
						 : HANDOFF_HOST;
	world_expect_at(world, owner);
	assert_int_equal(world_teardown(&state), 0);
	return owner;
}

/* Kills at each stage of a way; check says whether it may rest there. */
static void kill_everywhere(const struct world_way *way, kill_fn kill,
			    bool (*check)(const struct world_way *way, const char *stage,
					  uint32_t owner))
{
	char *stages = strdup(way->stages), *rest = stages, *stage;

	assert_non_null(stages);
	while ((stage = strsep(&rest, " "))) {
		uint32_t owner;

		if (strchr(stage, '=')) {
			continue;
		}
		owner = kill_at(way, stage, kill);
		if (!check(way, stage, owner)) {
			fail_msg("%s of the way from %u to %u: rests with %u", stage, way->from,
				 way->to, owner);
		}
	}
	free(stages);
}

static bool arrives(const struct world_way *way, const char *stage, uint32_t owner)
{
	return owner == way->to;
}

static void test_seat_is_killed(void **state)
{
	for (size_t i = 0; i < WAYS; i++) {
		kill_everywhere(&ways[i], kill_seat, arrives);
	}
}

static void test_broker_is_killed(void **state)
{
	for (size_t i = 0; i < WAYS; i++) {
		kill_everywhere(&ways[i], world_restart_broker, arrives);
	}
}

static void test_donor_is_killed(void **state)
{
	kill_everywhere(&ways[1], kill_a, arrives);
	kill_everywhere(&ways[2], kill_a, arrives);
}

/* A donor that has not let go keeps it. */
static bool stays_or_goes_home(const struct world_way *way, const char *stage, uint32_t owner)
{
	bool before = strcmp(stage, "prepare") == 0;

	return owner == (before ? way->from : HANDOFF_HOST);
}

static void test_receiver_is_killed(void **state)
{
	kill_everywhere(&ways[0], kill_b, stays_or_goes_home);
	kill_everywhere(&ways[1], kill_b, stays_or_goes_home);
}

/* ---- The broker is slow, and dies before it has done anything ---- */

static void test_broker_is_killed_before_it_acts(void **state)
{
	static const struct {
		enum broker_verb verb;
		const struct world_way *way;
	} cases[] = {
		{ BROKER_DRAIN, &ways[0] },    { BROKER_DETACH, &ways[0] },
		{ BROKER_SANITIZE, &ways[0] }, { BROKER_LEND, &ways[0] },
		{ BROKER_SANITIZE, &ways[1] }, { BROKER_TAKE_BACK, &ways[1] },
		{ BROKER_LEND, &ways[1] },     { BROKER_RETURN, &ways[2] },
		{ BROKER_RECORD, &ways[0] },   { BROKER_RECORD, &ways[2] },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *world;
		void *own;

		assert_int_equal(world_setup(&own), 0);
		world = own;
		world_start(world);
		if (cases[i].way->from != HANDOFF_HOST) {
			world_give(world, cases[i].way->from);
		}
		fake_broker_hold(world->broker, cases[i].verb, true);
		world_give(world, cases[i].way->to);
		fake_broker_vanish(world->broker);
		fake_broker_hold(world->broker, cases[i].verb, false);
		fake_broker_listen(world->broker);
		world_rest(world);
		/* A wish that nothing was written about is not remembered. */
		world_expect_at(world, cases[i].verb == BROKER_RECORD ? cases[i].way->from
								      : cases[i].way->to);
		assert_int_equal(world_teardown(&own), 0);
	}
}

/* A card that brings the broker down does so twice, and then it is left alone. */
static void test_a_way_is_taken_up_once(void **state)
{
	struct world *world = *state;

	world_start(world);
	fake_broker_hold(world->broker, BROKER_SANITIZE, true);
	world_give(world, GUEST_A);
	for (int i = 0; i < 2; i++) {
		fake_broker_vanish(world->broker);
		world_settle(world);
		fake_broker_listen(world->broker);
		world_settle(world);
	}
	fake_broker_hold(world->broker, BROKER_SANITIZE, false);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
	world_give(world, GUEST_A);
	world_expect_at(world, GUEST_A);
}

/* The same of the seat, which remembers nothing: the journal does. */
static void test_a_way_is_taken_up_by_one_seat(void **state)
{
	struct world *world = *state;

	world->screens_wait = true;
	world_start(world);
	world_give(world, GUEST_A);
	for (unsigned int i = 0; i < 2; i++) {
		assert_string_equal(world->stage, "close-screen");
		assert_int_equal(world->closed, i + 1);
		kill_seat(world);
	}
	world_expect_at(world, HANDOFF_HOST);
	kill_seat(world);
	world_expect_at(world, HANDOFF_HOST);
	assert_int_equal(world->closed, 2);
	world->screens_wait = false;
	world_give(world, GUEST_A);
	world_expect_at(world, GUEST_A);
	assert_string_equal(fake_broker_last(world->broker, BROKER_RECORD)->stage.name, "confirm");
}

static void break_off(struct world *world, uint32_t to)
{
	assert_int_equal(passthrough_give(world->passthrough, "gpu", to, &world->why), 0);
	while (!world_is_at(world, "prepare")) {
		assert_true(sd_event_run(world->event, 0) > 0);
	}
	world_restart_broker(world);
	world_rest(world);
}

/* But each way is. */
static void test_the_next_way_is_taken_up_too(void **state)
{
	struct world *world = *state;

	world_start(world);
	break_off(world, GUEST_A);
	world_expect_at(world, GUEST_A);
	break_off(world, GUEST_B);
	world_expect_at(world, GUEST_B);
	/* Twice, so that the card stays … */
	fake_broker_hold(world->broker, BROKER_RECORD, true);
	world_give(world, GUEST_A);
	for (int i = 0; i < 2; i++) {
		fake_broker_vanish(world->broker);
		world_settle(world);
		world->facts->stage =
			(struct broker_stage){ .name = "prepare", .from = "b", .to = "a" };
		fake_broker_listen(world->broker);
		world_settle(world);
	}
	fake_broker_hold(world->broker, BROKER_RECORD, false);
	world_rest(world);
	world_expect_at(world, GUEST_B);
	/* … and once more. */
	break_off(world, GUEST_A);
	world_expect_at(world, GUEST_A);
}

static void interrupt_drain(struct world *world)
{
	world_start(world);
	fake_broker_hold(world->broker, BROKER_DRAIN, true);
	world_give(world, GUEST_A);
	world->facts->flags |= BROKER_CARD_DRAINED;
	fake_broker_hold(world->broker, BROKER_UNDRAIN, true);
	fake_broker_vanish(world->broker);
	world_settle(world);
	fake_broker_listen(world->broker);
	world_settle(world);
	assert_string_equal(world->stage, "undrain");
}

/* What a person wants meanwhile counts more than where the card was going. */
static void test_wish_instead_of_the_way(void **state)
{
	struct world *world = *state;

	interrupt_drain(world);
	world_give(world, GUEST_B);
	fake_broker_hold(world->broker, BROKER_UNDRAIN, false);
	fake_broker_hold(world->broker, BROKER_DRAIN, false);
	world_rest(world);
	world_expect_at(world, GUEST_B);
}

static void test_rescue_instead_of_the_way(void **state)
{
	struct world *world = *state;

	interrupt_drain(world);
	passthrough_rescue(world->passthrough);
	fake_broker_hold(world->broker, BROKER_UNDRAIN, false);
	fake_broker_hold(world->broker, BROKER_DRAIN, false);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
}

/* ---- A rescue while there is no broker ---- */

static void lose_broker_in_drain(struct world *world)
{
	world_start(world);
	fake_broker_hold(world->broker, BROKER_DRAIN, true);
	world_give(world, GUEST_A);
	assert_true(world->dark);
	fake_broker_vanish(world->broker);
	fake_broker_hold(world->broker, BROKER_DRAIN, false);
	world_settle(world);
}

/* The card never left the host: its picture needs no broker. */
static void test_rescue_without_a_broker(void **state)
{
	struct world *world = *state;

	lose_broker_in_drain(world);
	assert_true(world->dark);
	passthrough_rescue(world->passthrough);
	world_settle(world);
	assert_false(world->dark);
	fake_broker_listen(world->broker);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
	assert_int_equal(world->closed, 1);
	assert_int_equal(fake_broker_count(world->broker, BROKER_DETACH), 0);
}

/* Of a card that is not the host's there is nothing to open. */
static void test_rescue_of_a_lent_card_without_a_broker(void **state)
{
	struct world *world = *state;

	world_start(world);
	passthrough_rescue(world->passthrough);
	world_give(world, GUEST_A);
	fake_broker_vanish(world->broker);
	world_settle(world);
	passthrough_rescue(world->passthrough);
	world_settle(world);
	assert_int_equal(world->opened, 0);
	fake_broker_listen(world->broker);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
}

/* Neither this seat nor the next one goes on with a way that somebody was rescued from. */
static void test_rescue_ends_the_way_for_good(void **state)
{
	struct world *world = *state;

	world_reach(world, &ways[0], "prepare");
	fake_broker_vanish(world->broker);
	world_settle(world);
	passthrough_rescue(world->passthrough);
	fake_broker_listen(world->broker);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
	world_restart_broker(world);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
	kill_seat(world);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
	assert_int_equal(world->closed, 0);
	world_give(world, GUEST_B);
	world_expect_at(world, GUEST_B);
}

/* The broker is lost on the way home: the pin does not count until somebody is given the card. */
static void test_rescue_from_a_pin_outlives_the_broker(void **state)
{
	struct world *world = *state;

	world->pinned[0] = "gpu";
	world->on_request[0] = NULL;
	world_start(world);
	world_expect_at(world, GUEST_A);
	fake_guest_refuse(world->a, true);
	passthrough_rescue(world->passthrough);
	world_settle(world);
	assert_string_equal(world->stage, "eject");
	fake_guest_refuse(world->a, false);
	world_restart_broker(world);
	world_rest(world);
	world_pass(world, 60 * SECOND);
	world_expect_at(world, HANDOFF_HOST);
}

static void test_broker_is_killed_while_nothing_happens(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	world_restart_broker(world);
	world_settle(world);
	world_expect_at(world, GUEST_A);
	fake_broker_vanish(world->broker);
	world_settle(world);
	fake_guest_end(world->a);
	world_settle(world);
	assert_int_equal(world_refusal(world, HANDOFF_HOST), -ENOTCONN);
	fake_broker_listen(world->broker);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
}

/* ---- What is found ---- */

static void test_guest_is_found_with_the_card(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	world_end(world);
	fake_broker_forget(world->broker);
	world_start(world);
	world_expect_at(world, GUEST_A);
	assert_string_equal(fake_broker_journal(world->broker), "");
}

static void test_silent_guest_is_found(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	world_end(world);
	fake_broker_forget(world->broker);
	fake_guest_stop(world->a, true);
	world_start(world);
	assert_int_equal(world_refusal(world, HANDOFF_HOST), -ENOTCONN);
	assert_true(timers_left_ms() >= 0);
	world_pass(world, SECOND);
	world_expect_at(world, GUEST_A);
	fake_guest_stop(world->a, false);
	world_settle(world);
	world_expect_at(world, GUEST_A);
	assert_string_equal(fake_broker_journal(world->broker), "");
}

static void find_silent(struct world *world)
{
	world_start(world);
	world_give(world, GUEST_A);
	world_end(world);
	fake_broker_forget(world->broker);
	fake_guest_stop(world->a, true);
	fake_broker_set_open(world->broker, GPU, false);
	world_start(world);
	world_pass(world, 200 * SECOND);
	assert_string_equal(card_state_name(world->state), "GUEST");
	assert_string_equal(fake_broker_journal(world->broker), "");
}

/* Whatever the broker saw: nothing is ejected from a guest that may be using it. */
static void test_silent_guest_keeps_the_card(void **state)
{
	struct world *world = *state;

	find_silent(world);
	fake_guest_stop(world->a, false);
	world_settle(world);
	world_expect_at(world, GUEST_A);
	assert_string_equal(fake_broker_journal(world->broker), "");
}

static void test_silent_guest_that_has_nothing(void **state)
{
	struct world *world = *state;

	find_silent(world);
	fake_guest_set_devices(world->a, "");
	fake_guest_stop(world->a, false);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
	assert_null(strstr(fake_broker_journal(world->broker), "eject"));
}

/* Who wants the card in spite of it has the question of the stage. */
static void test_card_is_wanted_from_a_silent_guest(void **state)
{
	struct world *world = *state;

	find_silent(world);
	world_give(world, GUEST_B);
	assert_string_equal(world->stage, "eject");
	world_pass(world, 13 * SECOND);
	assert_true(world->asking);
	assert_int_equal(
		passthrough_answer(world->passthrough, "gpu", HANDOFF_ANSWER_KILL, &world->why), 0);
	world_settle(world);
	assert_int_equal(fake_guest_kills(world->a), 1);
	fake_guest_end(world->a);
	world_rest(world);
	world_expect_at(world, GUEST_B);
}

/* What the broker did alone led nowhere: the card rests where it is at home. */
static void test_broker_took_it_back_alone(void **state)
{
	struct world *world = *state;

	world->home_pool = true;
	world_start(world);
	world_give(world, GUEST_A);
	world_end(world);
	fake_guest_end(world->a);
	world->facts->flags &= ~(uint32_t)BROKER_CARD_LENT;
	world->facts->stage = (struct broker_stage){ .name = "take-back", .finished = 1 };
	world_start(world);
	world_rest(world);
	world_expect(world, CARD_STATE_POOL, NULL);
}

static void test_guest_that_tells_in_time(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	world_end(world);
	fake_guest_stop(world->a, true);
	world_start(world);
	fake_guest_stop(world->a, false);
	world_settle(world);
	world_expect_at(world, GUEST_A);
}

/* That it was but a part of the card only the guest knows. */
static void test_part_of_a_card(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	world_end(world);
	fake_guest_set_devices(world->a, "card.gpu.1");
	fake_guest_stop(world->a, true);
	world_start(world);
	world_pass(world, SECOND);
	assert_string_equal(card_state_name(world->state), "GUEST");
	fake_guest_stop(world->a, false);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
}

static void test_card_that_was_lent_to_the_dead(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	world_end(world);
	fake_guest_end(world->a);
	world_start(world);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
}

/* ---- A guest that is silent while it gets the card ---- */

/* It has been told nothing yet, so what it says in the end is that it has nothing. */
static void break_off_silently(struct world *world, const struct world_way *way, const char *stage,
			       kill_fn kill)
{
	world_reach(world, way, stage);
	fake_guest_stop(world->b, true);
	kill(world);
	world_pass(world, 2 * SECOND);
	/* A seat that lives knew what the guest had, and has begun anew. */
	assert_true(world->state == CARD_STATE_GUEST || world->state == CARD_STATE_ATTACHING);
}

static void test_way_to_a_silent_guest(void **state)
{
	static const kill_fn kills[] = { kill_seat, world_restart_broker };
	static const char *const stages[] = { "lend", "attach" };

	for (size_t i = 0; i < 8; i++) {
		struct world *world;
		void *own;

		assert_int_equal(world_setup(&own), 0);
		world = own;
		break_off_silently(world, &ways[i / 4], stages[i % 2], kills[i / 2 % 2]);
		fake_guest_set_devices(world->b, "");
		fake_guest_stop(world->b, false);
		world_rest(world);
		world_expect_at(world, GUEST_B);
		assert_string_equal(fake_guest_devices(world->b), "card.gpu.1 card.gpu.0");
		assert_int_equal(world_teardown(&own), 0);
	}
}

/* When it has the card after all, that was the way's end: what it gives back then stays away. */
static void test_silent_guest_has_got_it(void **state)
{
	struct world *world = *state;

	break_off_silently(world, &ways[0], "attach", kill_seat);
	fake_guest_set_devices(world->b, "card.gpu.1 card.gpu.0");
	fake_guest_stop(world->b, false);
	world_rest(world);
	world_expect_at(world, GUEST_B);
	fake_guest_eject(world->b, true);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
	/* The next way that is broken off is taken up as well. */
	break_off(world, GUEST_A);
	world_expect_at(world, GUEST_A);
}

/* Who wants it elsewhere meanwhile is who is obeyed. */
static void test_wish_instead_of_a_silent_guest(void **state)
{
	struct world *world = *state;

	break_off_silently(world, &ways[0], "attach", kill_seat);
	world_give(world, HANDOFF_HOST);
	fake_guest_set_devices(world->b, "");
	fake_guest_stop(world->b, false);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
}

static void test_focus_instead_of_a_silent_guest(void **state)
{
	struct world *world = *state;

	world->follow_focus[0] = "gpu";
	world->on_request[0] = NULL;
	break_off_silently(world, &ways[0], "attach", kill_seat);
	passthrough_focus(world->passthrough, GUEST_A);
	world_pass(world, 3 * SECOND);
	assert_string_equal(world->stage, "eject");
	fake_guest_set_devices(world->b, "");
	fake_guest_stop(world->b, false);
	world_rest(world);
	world_expect_at(world, GUEST_A);
}

/* It ended: the journal says so, and it is not begun anew. */
static void test_way_that_had_ended(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_B);
	world_end(world);
	fake_guest_stop(world->b, true);
	world_start(world);
	world_pass(world, 2 * SECOND);
	fake_guest_set_devices(world->b, "");
	fake_guest_stop(world->b, false);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
}

/* What the broker says of a card that is lent takes it from nobody whose QEMU cannot be asked. */
static void test_news_of_a_loan_without_control(void **state)
{
	struct world *world = *state;

	world_reach(world, &ways[0], "lend");
	fake_guest_set_control(world->b, false);
	for (int i = 0; i < 5; i++) {
		fake_broker_tell(world->broker, GPU);
		world_pass(world, SECOND);
		assert_string_equal(world->stage, "attach");
	}
	fake_guest_set_control(world->b, true);
	world_rest(world);
	world_expect_at(world, GUEST_B);
	fake_guest_set_control(world->b, false);
	fake_broker_forget(world->broker);
	for (int i = 0; i < 5; i++) {
		fake_broker_tell(world->broker, GPU);
		world_pass(world, SECOND);
		assert_string_equal(card_state_name(world->state), "GUEST");
	}
	assert_string_equal(fake_broker_journal(world->broker), "");
	fake_guest_set_control(world->b, true);
	world_rest(world);
	world_expect_at(world, GUEST_B);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seat_is_killed),
		cmocka_unit_test(test_broker_is_killed),
		cmocka_unit_test(test_donor_is_killed),
		cmocka_unit_test(test_receiver_is_killed),
		cmocka_unit_test(test_broker_is_killed_before_it_acts),
		TEST(a_way_is_taken_up_once),
		TEST(a_way_is_taken_up_by_one_seat),
		TEST(the_next_way_is_taken_up_too),
		TEST(wish_instead_of_the_way),
		TEST(rescue_instead_of_the_way),
		TEST(rescue_without_a_broker),
		TEST(rescue_of_a_lent_card_without_a_broker),
		TEST(rescue_ends_the_way_for_good),
		TEST(rescue_from_a_pin_outlives_the_broker),
		TEST(broker_took_it_back_alone),
		TEST(guest_that_tells_in_time),
		TEST(part_of_a_card),
		TEST(broker_is_killed_while_nothing_happens),
		TEST(guest_is_found_with_the_card),
		TEST(silent_guest_is_found),
		TEST(silent_guest_keeps_the_card),
		TEST(silent_guest_that_has_nothing),
		TEST(card_is_wanted_from_a_silent_guest),
		TEST(card_that_was_lent_to_the_dead),
		TEST(way_to_a_silent_guest),
		TEST(silent_guest_has_got_it),
		TEST(wish_instead_of_a_silent_guest),
		TEST(focus_instead_of_a_silent_guest),
		TEST(way_that_had_ended),
		TEST(news_of_a_loan_without_control),
	};

	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
