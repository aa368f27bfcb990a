// SPDX-License-Identifier: MIT
/* Ways of a card on which somebody hangs, refuses, fails or does it by himself. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/passthrough_world.h"
#include "tests/unit/timers.h"

static const struct world_way to_b = { HANDOFF_HOST, GUEST_B, HOST_TO_GUEST };

/* ---- The guest does not let go ---- */

static unsigned int count(const char *text, const char *word)
{
	unsigned int n = 0;

	while ((text = strstr(text, word))) {
		text++;
		n++;
	}
	return n;
}

static void refuse_until_asked(struct world *world)
{
	world_start(world);
	world_give(world, GUEST_A);
	fake_guest_refuse(world->a, true);
	fake_guest_forget(world->a);
	world_give(world, GUEST_B);
	assert_string_equal(world->stage, "eject");
	assert_int_equal(count(fake_guest_commands(world->a), "device_del"), 2);
	world_pass(world, 3 * SECOND);
	assert_int_equal(count(fake_guest_commands(world->a), "device_del"), 4);
	world_pass(world, 3 * SECOND);
	world_pass(world, 5 * SECOND);
	assert_int_equal(count(fake_guest_commands(world->a), "device_del"), 8);
	assert_false(world->asking);
	world_pass(world, 2 * SECOND);
	assert_true(world->asking);
}

static void answer(struct world *world, enum handoff_answer answer)
{
	assert_int_equal(passthrough_answer(world->passthrough, "gpu", answer, &world->why), 0);
	world_settle(world);
}

static void test_answer_wait(void **state)
{
	struct world *world = *state;

	refuse_until_asked(world);
	answer(world, HANDOFF_ANSWER_WAIT);
	assert_true(world->moving);
	assert_false(world->asking);
	fake_guest_let_go(world->a);
	world_rest(world);
	world_expect_at(world, GUEST_B);
}

static void test_answer_reset(void **state)
{
	struct world *world = *state;

	refuse_until_asked(world);
	answer(world, HANDOFF_ANSWER_RESET);
	assert_int_equal(fake_guest_resets(world->a), 1);
	world_expect_at(world, GUEST_B);
}

static void test_answer_kill(void **state)
{
	struct world *world = *state;

	refuse_until_asked(world);
	answer(world, HANDOFF_ANSWER_KILL);
	assert_int_equal(fake_guest_kills(world->a), 1);
	assert_true(world->moving);
	fake_guest_end(world->a);
	world_settle(world);
	world_expect_at(world, GUEST_B);
}

static void test_answer_abort(void **state)
{
	struct world *world = *state;

	refuse_until_asked(world);
	answer(world, HANDOFF_ANSWER_ABORT);
	world_expect_at(world, GUEST_A);
	world_end(world);
	world_start(world);
	world_expect_at(world, GUEST_A); /* it is not taken up again */
}

/* It goes home when the guest has let go after all. */
static void test_late_release(void **state)
{
	struct world *world = *state;

	refuse_until_asked(world);
	answer(world, HANDOFF_ANSWER_ABORT);
	fake_guest_let_go(world->a);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
}

static void test_nobody_answers(void **state)
{
	struct world *world = *state;

	refuse_until_asked(world);
	world_rest(world);
	world_expect_at(world, GUEST_A);
	assert_non_null(strstr(world->text, "eject"));
}

static void test_stopped_guest(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	fake_guest_stop(world->a, true);
	world_give(world, GUEST_B);
	world_pass(world, 60 * SECOND);
	assert_true(world->asking);
	fake_guest_stop(world->a, false);
	world_rest(world);
	world_expect_at(world, GUEST_B);
}

static void test_guest_lets_go_by_itself(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	fake_guest_eject(world->a, true);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
}

/* Every function has gone, and QEMU tells of one. */
static void test_guest_lets_go_with_one_event(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	fake_guest_set_devices(world->a, "");
	fake_broker_set_open(world->broker, GPU, false);
	fake_guest_tell(world->a, "DEVICE_DELETED", json_pack("{s:s}", "device", "card.gpu.1"));
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
}

static void test_guest_lets_go_while_confirming(void **state)
{
	struct world *world = *state;

	world_reach(world, &to_b, "confirm");
	fake_guest_stop(world->b, true);
	world_settle(world);
	fake_guest_eject(world->b, true);
	fake_guest_stop(world->b, false);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
}

/* No event tells, but the broker sees that nobody has the group open. */
static void test_guest_lets_go_silently(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	fake_guest_eject(world->a, false);
	fake_broker_tell(world->broker, GPU);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
}

/* ---- The guest does not take it ---- */

static void test_function_0_fails(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	fake_guest_fail_add(world->b, "card.gpu.0", "vfio 0000:01:00.0: group 11 is not viable");
	fake_broker_forget(world->broker);
	world_give(world, GUEST_B);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
	assert_string_equal(world->text, "vfio 0000:01:00.0: group 11 is not viable");
	assert_string_equal(
		fake_broker_journal(world->broker),
		DONE("prepare") " " DONE("eject") " " DONE("take-back") " " DONE("sanitize") " " DONE("lend") " attach attach! " DONE(
			"eject") " " DONE("take-back") " " DONE("sanitize") " " DONE("give-back") " " DONE("open-screen"));
}

static void test_attach_never_ends(void **state)
{
	struct world *world = *state;

	world_start(world);
	fake_broker_hold(world->broker, BROKER_LEND, true);
	world_give(world, GUEST_B);
	fake_guest_stop(world->b, true);
	fake_broker_hold(world->broker, BROKER_LEND, false);
	world_settle(world);
	assert_string_equal(world->stage, "attach");
	world_pass(world, 61 * SECOND);
	assert_string_equal(world->stage, "eject");
	fake_guest_stop(world->b, false);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
}

static void test_device_that_is_not_realized_is_a_warning(void **state)
{
	struct world *world = *state;

	fake_guest_set_realized(world->b, false);
	world_start(world);
	world_give(world, GUEST_B);
	world_expect_at(world, GUEST_B);
	assert_string_equal(world->text, "QEMU has not realized the card");
}

static void test_guest_is_removed_on_the_way(void **state)
{
	struct world *world = *state;

	world_start(world);
	fake_broker_hold(world->broker, BROKER_LEND, true);
	world_give(world, GUEST_B);
	passthrough_remove_guest(world->passthrough, GUEST_B);
	fake_broker_hold(world->broker, BROKER_LEND, false);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
}

static void test_guest_is_removed_while_it_takes_the_card(void **state)
{
	struct world *world = *state;

	world_reach(world, &to_b, "lend");
	fake_guest_stop(world->b, true);
	world_settle(world);
	assert_string_equal(world->stage, "attach");
	passthrough_remove_guest(world->passthrough, GUEST_B);
	world_settle(world);
	assert_string_not_equal(world->stage, "attach");
}

static void test_owner_is_removed(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	fake_guest_end(world->a);
	passthrough_remove_guest(world->passthrough, GUEST_A);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
}

/* An answer that comes when it is not waited for any more is not the next one's. */
static void test_late_answer(void **state)
{
	struct world *world = *state;

	world_start(world);
	fake_broker_hold(world->broker, BROKER_LEND, true);
	world_give(world, GUEST_B);
	world_pass(world, 11 * SECOND);
	assert_string_equal(world->stage, "take-back");
	fake_broker_hold(world->broker, BROKER_LEND, false);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
}

/* ---- The host does not let go ---- */

static void test_holder(void **state)
{
	struct world *world = *state;

	world_start(world);
	fake_broker_set_holder(world->broker, "Xorg");
	world_give(world, GUEST_A);
	assert_string_equal(world->stage, "drain");
	assert_string_equal(world->text, "Xorg (process 42) has /dev/dri/card0 open");
	world_pass(world, SECOND);
	assert_true(fake_broker_count(world->broker, BROKER_DRAIN) >= 2);
	fake_broker_set_holder(world->broker, NULL);
	world_rest(world);
	world_expect_at(world, GUEST_A);
	assert_int_equal(fake_broker_count(world->broker, BROKER_DETACH), 1);
}

static void test_holder_that_stays(void **state)
{
	struct world *world = *state;

	world_start(world);
	fake_broker_set_holder(world->broker, "Xorg");
	world_give(world, GUEST_A);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
	assert_non_null(strstr(world->text, "Xorg"));
	assert_int_equal(fake_broker_count(world->broker, BROKER_DETACH), 0);
	assert_int_equal(world->opened, 1);
}

static void test_screen_that_stays(void **state)
{
	struct world *world = *state;

	world->screens_error = -EBUSY;
	world_start(world);
	world_give(world, GUEST_A);
	world_rest(world);
	assert_string_equal(card_state_name(world->state), "HOST");
	assert_string_equal(world->text, "A screen hangs.");
	assert_int_equal(fake_broker_count(world->broker, BROKER_DRAIN), 0);
}

/* ---- The kernel hangs, or the card is gone ---- */

static void test_wedged(void **state)
{
	struct world *world = *state;

	world_start(world);
	fake_broker_hold(world->broker, BROKER_DETACH, true);
	world_give(world, GUEST_A);
	fake_broker_fail(world->broker, BROKER_DETACH, -ETIMEDOUT, "unbind of snd_hda_intel hangs");
	world->facts->flags |= BROKER_CARD_WEDGED;
	fake_broker_set_note(world->broker, GPU, "unbind of snd_hda_intel hangs; end pipewire");
	fake_broker_hold(world->broker, BROKER_DETACH, false);
	world_settle(world);
	assert_string_equal(card_state_name(world->state), "WEDGED");
	assert_string_equal(world->text, "unbind of snd_hda_intel hangs; end pipewire");
	assert_int_equal(world_refusal(world, GUEST_A), -EIO);
	assert_string_equal(world->why, "unbind of snd_hda_intel hangs; end pipewire");
	assert_int_equal(timers_left_ms(), -1);
	/* It came back, and the broker has put it right. */
	world->facts->flags &= ~(uint32_t)(BROKER_CARD_WEDGED | BROKER_CARD_DRAINED);
	fake_broker_fail(world->broker, BROKER_DETACH, 0, NULL);
	fake_broker_tell(world->broker, GPU);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
	world_give(world, GUEST_A);
	world_expect_at(world, GUEST_A);
}

/* The kernel came back after the seat had given it up, and before the broker had. */
static void test_wedged_until_the_late_answer(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	fake_broker_hold(world->broker, BROKER_RETURN, true);
	world_give(world, HANDOFF_HOST);
	world_pass(world, 71 * SECOND);
	assert_string_equal(card_state_name(world->state), "WEDGED");
	assert_true(world->dark);
	fake_broker_hold(world->broker, BROKER_RETURN, false);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
}

static void test_lost(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	world->facts->flags &= ~(uint32_t)BROKER_CARD_PRESENT;
	fake_broker_tell(world->broker, GPU);
	world_settle(world);
	assert_string_equal(card_state_name(world->state), "LOST");
	assert_int_equal(world_refusal(world, HANDOFF_HOST), -EIO);
	world->facts->flags |= BROKER_CARD_PRESENT;
	fake_broker_tell(world->broker, GPU);
	world_rest(world);
	world_expect_at(world, GUEST_A);
}

static void test_journal_cannot_be_written(void **state)
{
	struct world *world = *state;

	world_start(world);
	fake_broker_fail(world->broker, BROKER_RECORD, -ENOSPC, "the journal cannot be written");
	world_give(world, GUEST_A);
	world_expect_at(world, HANDOFF_HOST);
	assert_string_equal(world->text, "the journal cannot be written");
}

/* The broker took it back by itself when the borrower ended. */
static void test_broker_was_faster(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	fake_guest_set_control(world->a, false);
	fake_guest_eject(world->a, false);
	world->facts->flags &= ~(uint32_t)BROKER_CARD_LENT;
	fake_guest_end(world->a);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
	assert_string_equal(world->text, "");
}

static void test_failed_return_that_was_none(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	fake_broker_hold(world->broker, BROKER_RETURN, true);
	world_give(world, HANDOFF_HOST);
	for (uint32_t i = 0; i < world->facts->function_count; i++) {
		struct broker_function *function = &world->facts->functions[i];

		snprintf(function->driver, sizeof(function->driver), "snd_hda_intel");
	}
	world->facts->flags &= ~(uint32_t)BROKER_CARD_DRAINED;
	fake_broker_fail(world->broker, BROKER_RETURN, -EIO, "it was there already");
	fake_broker_hold(world->broker, BROKER_RETURN, false);
	world_rest(world);
	world_expect_at(world, HANDOFF_HOST);
	assert_string_equal(world->text, "");
}

/* It may have become so that nobody could lend it now. */
static void test_way_home_of_a_card_that_cannot_be_lent(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	world->facts->flags &= ~(uint32_t)BROKER_CARD_VIABLE;
	fake_broker_tell(world->broker, GPU);
	world_settle(world);
	world_give(world, HANDOFF_HOST);
	world_expect_at(world, HANDOFF_HOST);
}

static void test_picture_before_the_journal(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	fake_broker_hold(world->broker, BROKER_RETURN, true);
	world_give(world, HANDOFF_HOST);
	fake_broker_hold(world->broker, BROKER_RECORD, true);
	fake_broker_hold(world->broker, BROKER_RETURN, false);
	world_settle(world);
	assert_string_equal(world->stage, ""); /* the way has ended */
	assert_int_equal(world->opened, 1);
}

/* ---- baton-agent in the guest ---- */

static void begin_release(struct world *world)
{
	world->agent = GUEST_A;
	world_start(world);
	world_give(world, GUEST_A);
	fake_guest_forget(world->a);
	world_give(world, GUEST_B);
	assert_int_equal(world->releases, 1);
	assert_true(world->releasing);
	assert_string_equal(fake_guest_commands(world->a), "query-pci");
}

/* As baton-agent answers. */
static void answer_release(struct world *world, int error, const char *text)
{
	world->releasing = false;
	passthrough_released(world->passthrough, GUEST_A, error, text);
	world_settle(world);
}

static void test_agent_gives_it_up(void **state)
{
	struct world *world = *state;

	begin_release(world);
	answer_release(world, 0, "");
	world_expect(world, CARD_STATE_GUEST, "b");
	/* B has no agent; an answer that nobody waits for is none. */
	world_give(world, HANDOFF_HOST);
	passthrough_released(world->passthrough, GUEST_A, 0, "");
	passthrough_released(world->passthrough, 77, 0, "");
	world_expect(world, CARD_STATE_HOST, NULL);
	assert_int_equal(world->releases, 1);
	assert_int_equal(timers_left_ms(), -1);
}

/* It is asked to go all the same, and the reason is told when it does not. */
static void test_agent_names_who_keeps_it(void **state)
{
	struct world *world = *state;

	fake_guest_refuse(world->a, true);
	begin_release(world);
	answer_release(world, -EBUSY, "game (process 7) has /dev/dri/card1 open");
	assert_non_null(strstr(fake_guest_commands(world->a), "device_del card.gpu.0"));
	assert_string_equal(world->text, "");
	world_pass(world, 2 * SECOND);
	assert_string_equal(world->text, "In a, game (process 7) has /dev/dri/card1 open.");
	world_pass(world, 13 * SECOND);
	assert_true(world->asking);
	assert_string_equal(world->text, "In a, game (process 7) has /dev/dri/card1 open.");
	fake_guest_let_go(world->a);
	world_rest(world);
	world_expect(world, CARD_STATE_GUEST, "b");
}

static void test_silent_agent_is_not_waited_for(void **state)
{
	struct world *world = *state;

	begin_release(world);
	world_pass(world, 1 * SECOND);
	assert_null(strstr(fake_guest_commands(world->a), "device_del"));
	world_pass(world, 1 * SECOND);
	assert_false(world->releasing);
	world_rest(world);
	world_expect(world, CARD_STATE_GUEST, "b");
	passthrough_released(world->passthrough, GUEST_A, 0, "");
	world_expect(world, CARD_STATE_GUEST, "b");
}

static void test_agent_that_cannot_be_asked(void **state)
{
	struct world *world = *state;

	world->agent = GUEST_A;
	world->agent_error = -EBUSY;
	world_start(world);
	world_give(world, GUEST_A);
	world_give(world, GUEST_B);
	assert_int_equal(world->releases, 1);
	world_expect(world, CARD_STATE_GUEST, "b");
}

/* The guest, or its QEMU, goes while the agent is asked. */
static void test_guest_goes_while_its_agent_is_asked(void **state)
{
	struct world *world = *state;

	begin_release(world);
	fake_guest_eject(world->a, true);
	world_rest(world);
	assert_false(world->releasing);
	world_expect(world, CARD_STATE_GUEST, "b");
	world->agent = GUEST_B;
	world_give(world, HANDOFF_HOST);
	assert_true(world->releasing);
	fake_guest_end(world->b);
	world_rest(world);
	assert_false(world->releasing);
	world_expect(world, CARD_STATE_HOST, NULL);
}

static void test_guest_is_removed_while_its_agent_is_asked(void **state)
{
	struct world *world = *state;

	begin_release(world);
	passthrough_remove_guest(world->passthrough, GUEST_A);
	assert_false(world->releasing);
	world_settle(world);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(late_release),
		TEST(guest_lets_go_while_confirming),
		TEST(guest_is_removed_while_it_takes_the_card),
		TEST(owner_is_removed),
		TEST(late_answer),
		TEST(failed_return_that_was_none),
		TEST(way_home_of_a_card_that_cannot_be_lent),
		TEST(picture_before_the_journal),
		TEST(answer_wait),
		TEST(answer_reset),
		TEST(answer_kill),
		TEST(answer_abort),
		TEST(nobody_answers),
		TEST(stopped_guest),
		TEST(guest_lets_go_by_itself),
		TEST(guest_lets_go_silently),
		TEST(guest_lets_go_with_one_event),
		TEST(function_0_fails),
		TEST(attach_never_ends),
		TEST(device_that_is_not_realized_is_a_warning),
		TEST(guest_is_removed_on_the_way),
		TEST(agent_gives_it_up),
		TEST(agent_names_who_keeps_it),
		TEST(silent_agent_is_not_waited_for),
		TEST(agent_that_cannot_be_asked),
		TEST(guest_goes_while_its_agent_is_asked),
		TEST(guest_is_removed_while_its_agent_is_asked),
		TEST(holder),
		TEST(holder_that_stays),
		TEST(screen_that_stays),
		TEST(wedged),
		TEST(wedged_until_the_late_answer),
		TEST(lost),
		TEST(journal_cannot_be_written),
		TEST(broker_was_faster),
	};

	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
