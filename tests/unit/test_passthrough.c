// SPDX-License-Identifier: MIT
/* Ways of a card between the host and guests, and who is given it: what works. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/passthrough_world.h"
#include "tests/unit/timers.h"

/* ---- Ways ---- */

static void test_host_to_guest(void **state)
{
	struct world *world = *state;
	const struct broker_request *lend;

	world_start(world);
	world_expect(world, CARD_STATE_HOST, NULL);
	assert_string_equal(fake_broker_journal(world->broker), "");
	world_give(world, GUEST_A);
	world_expect(world, CARD_STATE_GUEST, "a");
	assert_string_equal(fake_broker_journal(world->broker), HOST_TO_GUEST);
	assert_string_equal(world->text, "");
	assert_int_equal(world->closed, 1);
	lend = fake_broker_last(world->broker, BROKER_LEND);
	assert_int_equal(lend->memory_bytes, vm_lockable_bytes(world->a));
	assert_string_equal(lend->stage.from, "");
	assert_string_equal(lend->stage.to, "a");
	assert_true(fake_broker_lent_fd(world->broker) >= 0);
	assert_string_equal(
		json_string_value(json_object_get(fake_guest_last_add(world->a), "bus")), "rp2");
	assert_int_equal(timers_left_ms(), -1);
}

static void test_guest_to_guest(void **state)
{
	struct world *world = *state;
	const struct broker_request *request;

	world_start(world);
	world_give(world, GUEST_A);
	fake_broker_forget(world->broker);
	world_give(world, GUEST_B);
	world_expect(world, CARD_STATE_GUEST, "b");
	assert_string_equal(fake_broker_journal(world->broker), GUEST_TO_GUEST);
	assert_int_equal(fake_broker_count(world->broker, BROKER_SANITIZE), 2);
	assert_int_equal(world->closed, 1);
	request = fake_broker_last(world->broker, BROKER_RECORD);
	assert_string_equal(request->stage.name, "confirm");
	assert_string_equal(request->stage.from, "a");
	assert_string_equal(request->stage.to, "b");
	assert_int_equal(request->stage.finished, 1);
	assert_int_equal(timers_left_ms(), -1);
}

static void test_guest_to_host(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	fake_broker_forget(world->broker);
	world_give(world, HANDOFF_HOST);
	world_expect(world, CARD_STATE_HOST, NULL);
	assert_string_equal(fake_broker_journal(world->broker), GUEST_TO_HOST);
	assert_int_equal(world->opened, 1);
	assert_int_equal(timers_left_ms(), -1);
}

static void test_home_is_the_pool(void **state)
{
	struct world *world = *state;

	world->home_pool = true;
	world_start(world);
	world_expect(world, CARD_STATE_POOL, NULL);
	assert_string_equal(fake_broker_last(world->broker, BROKER_DETACH)->stage.to, "(pool)");
	world_give(world, GUEST_A);
	fake_guest_end(world->a);
	world_settle(world);
	world_expect(world, CARD_STATE_POOL, NULL);
	assert_int_equal(timers_left_ms(), -1);
}

static void test_what_is_told(void **state)
{
	struct world *world = *state;

	world_start(world);
	world->changes = 0;
	world->screens_wait = true;
	world_give(world, GUEST_A);
	assert_true(world->moving);
	assert_string_equal(world->stage, "close-screen");
	assert_string_equal(world->target, "a");
	world_pass(world, 4 * SECOND);
	assert_string_equal(world->text, "The seat's own screens on the card are still open.");
	fake_broker_hold(world->broker, BROKER_DETACH, true);
	passthrough_screen_opened(world->passthrough, "gpu", 0, NULL); /* nobody asked */
	world_settle(world);
	assert_string_equal(world->stage, "close-screen");
	passthrough_screen_closed(world->passthrough, "gpu", 0, NULL);
	passthrough_screen_closed(world->passthrough, "gpu", -EIO, "too late");
	world_settle(world);
	assert_string_equal(card_state_name(world->state), "DETACHING");
	fake_broker_progress(world->broker, GPU, "unbind waits in snd_card_free");
	world_settle(world);
	assert_string_equal(world->text, "unbind waits in snd_card_free");
	fake_broker_hold(world->broker, BROKER_DETACH, false);
	world_settle(world);
	world_expect(world, CARD_STATE_GUEST, "a");
	/* Eight stages, two sentences, the end. */
	assert_true(world->changes <= 12);
	passthrough_screen_closed(world->passthrough, "gpu", 0, NULL);
	passthrough_screen_closed(world->passthrough, "none", 0, NULL);
	passthrough_screen_opened(world->passthrough, "none", 0, NULL);
	world_expect(world, CARD_STATE_GUEST, "a");
}

static void test_latest_wish_counts(void **state)
{
	struct world *world = *state;

	world_start(world);
	fake_broker_hold(world->broker, BROKER_DETACH, true);
	world_give(world, GUEST_A);
	world_give(world, HANDOFF_HOST);
	world_give(world, GUEST_B);
	fake_broker_hold(world->broker, BROKER_DETACH, false);
	world_settle(world);
	world_expect(world, CARD_STATE_GUEST, "b");
	assert_int_equal(fake_broker_count(world->broker, BROKER_DETACH), 1);
}

static void find_rest(void *data, const struct passthrough_card *card)
{
	bool *rests = data;

	*rests = !card->moving;
}

static bool rests(const struct world *world)
{
	bool found = false;

	passthrough_each(world->passthrough, find_rest, &found);
	return found;
}

/* Who asks whether the card rests is told no from the request on, until the last wish has come true. */
static void test_no_rest_before_the_wish(void **state)
{
	struct world *world = *state;
	const char *why;

	world_start(world);
	assert_true(rests(world));
	assert_int_equal(passthrough_give(world->passthrough, "gpu", GUEST_A, &why), 0);
	assert_false(rests(world));
	assert_int_equal(passthrough_give(world->passthrough, "gpu", GUEST_B, &why), 0);
	while (!rests(world)) {
		assert_true(sd_event_run(world->event, SECOND) > 0);
	}
	world_expect(world, CARD_STATE_GUEST, "b");
}

static void test_nvidia_modules_go_first(void **state)
{
	struct world *world = *state;

	snprintf(world->facts->functions[0].driver, sizeof(world->facts->functions[0].driver),
		 "nvidia");
	fake_broker_fail(world->broker, BROKER_UNLOAD, -EBUSY, "nvidia_uvm is in use");
	world_start(world);
	world_give(world, GUEST_A);
	world_expect(world, CARD_STATE_HOST, NULL);
	assert_string_equal(world->text, "nvidia_uvm is in use");
	assert_int_equal(fake_broker_count(world->broker, BROKER_DETACH), 0);
	fake_broker_fail(world->broker, BROKER_UNLOAD, 0, NULL);
	world_give(world, GUEST_A);
	world_expect(world, CARD_STATE_GUEST, "a");
	assert_int_equal(fake_broker_count(world->broker, BROKER_DETACH), 1);
	world_give(world, GUEST_B);
	assert_int_equal(fake_broker_count(world->broker, BROKER_UNLOAD), 2);
}

/* ---- Two cards ---- */

struct found {
	const char *name;
	enum card_state state;
	char owner[32];
};

static void find_card(void *data, const struct passthrough_card *card)
{
	struct found *found = data;

	if (strcmp(card->name, found->name) == 0) {
		found->state = card->state;
		snprintf(found->owner, sizeof(found->owner), "%s", card->owner ? card->owner : "");
	}
}

static void expect_card(struct world *world, const char *name, enum card_state state,
			const char *owner)
{
	struct found found = { .name = name };

	passthrough_each(world->passthrough, find_card, &found);
	assert_string_equal(card_state_name(found.state), card_state_name(state));
	assert_string_equal(found.owner, owner);
}

/* One hangs on its way, and the other one goes. */
static void test_cards_do_not_wait_for_each_other(void **state)
{
	struct world *world = *state;

	world->second = true;
	fake_broker_add_card(world->broker, AUX, 1);
	world_start(world);
	fake_broker_hold(world->broker, BROKER_DETACH, true);
	world_give(world, GUEST_A);
	fake_broker_fail(world->broker, BROKER_DETACH, -ETIMEDOUT, "unbind hangs");
	fake_broker_hold(world->broker, BROKER_DETACH, false);
	fake_broker_fail(world->broker, BROKER_DETACH, 0, NULL);
	assert_int_equal(passthrough_give(world->passthrough, "aux", GUEST_A, &world->why), 0);
	world_settle(world);
	expect_card(world, "gpu", CARD_STATE_WEDGED, "");
	expect_card(world, "aux", CARD_STATE_GUEST, "a");
	assert_string_equal(fake_guest_devices(world->a), "card.aux.0");
	assert_string_equal(
		json_string_value(json_object_get(fake_guest_last_add(world->a), "bus")), "rp3");
	assert_int_equal(timers_left_ms(), -1);
}

static void test_two_cards(void **state)
{
	struct world *world = *state;

	world->second = true;
	fake_broker_add_card(world->broker, AUX, 1);
	world_start(world);
	assert_int_equal(passthrough_give(world->passthrough, "gpu", GUEST_B, &world->why), 0);
	world_settle(world);
	expect_card(world, "gpu", CARD_STATE_GUEST, "b");
	expect_card(world, "aux", CARD_STATE_HOST, "");
	assert_int_equal(passthrough_give(world->passthrough, "aux", GUEST_A, &world->why), 0);
	world_settle(world);
	passthrough_rescue(world->passthrough);
	world_settle(world);
	expect_card(world, "gpu", CARD_STATE_HOST, "");
	expect_card(world, "aux", CARD_STATE_HOST, "");
}

/* ---- Requests ---- */

static void count_cards(void *data, const struct passthrough_card *card)
{
	(*(unsigned int *)data)++;
	assert_string_equal(card->name, "gpu");
	assert_string_equal(card->address, GPU);
	assert_non_null(card->facts);
}

static void test_questions(void **state)
{
	struct world *world = *state;
	unsigned int n = 0;

	world_start(world);
	passthrough_each(world->passthrough, count_cards, &n);
	assert_int_equal(n, 1);
	assert_null(passthrough_trouble(world->passthrough));
	assert_int_equal(passthrough_give(world->passthrough, "gpu", GUEST_A, &world->why), 0);
	world_settle(world);
	world_expect(world, CARD_STATE_GUEST, "a");
}

static void test_refusals(void **state)
{
	struct world *world = *state;

	world->on_request[1] = NULL;
	world_start(world);
	assert_int_equal(world_refusal(world, 77), -ENOENT);
	assert_int_equal(world_refusal(world, GUEST_B), -EPERM);
	fake_guest_end(world->a);
	assert_int_equal(world_refusal(world, GUEST_A), -ESRCH);
	assert_int_equal(passthrough_give(world->passthrough, "x", GUEST_A, &world->why), -ENOENT);
	assert_int_equal(
		passthrough_answer(world->passthrough, "gpu", HANDOFF_ANSWER_KILL, &world->why),
		-EINVAL);
	assert_int_equal(
		passthrough_answer(world->passthrough, "x", HANDOFF_ANSWER_KILL, &world->why),
		-ENOENT);
	passthrough_remove_guest(world->passthrough, 77);
	world_settle(world);
	world_expect(world, CARD_STATE_HOST, NULL);
	assert_string_equal(fake_broker_journal(world->broker), "");
}

static void test_guest_without_a_port(void **state)
{
	struct world *world = *state;

	fake_guest_set_ports(world->a, false);
	world_start(world);
	world_give(world, GUEST_A);
	world_expect(world, CARD_STATE_HOST, NULL);
	assert_non_null(strstr(world->text, "root port 2"));
	assert_string_equal(fake_broker_journal(world->broker), "prepare prepare!");
	assert_int_equal(timers_left_ms(), -1);
}

static void test_card_that_cannot_be_lent(void **state)
{
	struct world *world = *state;

	world->facts->flags &= ~(uint32_t)BROKER_CARD_VIABLE;
	fake_broker_set_note(world->broker, GPU, "it shares its IOMMU group with 0000:02:00.0");
	world_start(world);
	world_give(world, GUEST_A);
	world_expect(world, CARD_STATE_HOST, NULL);
	assert_string_equal(world->text, "it shares its IOMMU group with 0000:02:00.0");
}

static void test_card_that_is_not_listed(void **state)
{
	struct world *world = *state;

	fake_broker_destroy(world->broker);
	world->broker = fake_broker_create(world->event, world->path);
	world->facts = fake_broker_add_card(world->broker, "0000:09:00", 1);
	fake_broker_listen(world->broker);
	world_start(world);
	assert_non_null(strstr(world->text, "broker.conf"));
	assert_int_equal(world_refusal(world, GUEST_A), -ENOTCONN);
	assert_non_null(strstr(world->why, "broker.conf"));
	fake_broker_tell(world->broker, "0000:09:00");
	world_settle(world);
	assert_int_equal(timers_left_ms(), -1);
}

/* ---- Policies ---- */

static void test_follow_focus(void **state)
{
	struct world *world = *state;

	world->follow_focus[0] = world->follow_focus[1] = "gpu";
	world->on_request[0] = world->on_request[1] = NULL;
	world_start(world);
	passthrough_focus(world->passthrough, GUEST_A);
	world_pass(world, SECOND);
	passthrough_focus(world->passthrough, GUEST_B);
	world_settle(world);
	assert_true(timers_left_ms() >= 0);
	world_pass(world, SECOND);
	world_expect(world, CARD_STATE_HOST, NULL);
	world_pass(world, SECOND);
	world_settle(world);
	world_expect(world, CARD_STATE_GUEST, "b");
	passthrough_focus(world->passthrough, 0);
	world_pass(world, 10 * SECOND);
	world_expect(world, CARD_STATE_GUEST, "b");
	assert_int_equal(timers_left_ms(), -1);
}

static void test_pinned(void **state)
{
	struct world *world = *state;

	world->on_request[0] = NULL;
	world->pinned[0] = "gpu";
	world_start(world);
	world_expect(world, CARD_STATE_GUEST, "a");
	assert_int_equal(world_refusal(world, GUEST_B), -EBUSY);
	assert_int_equal(world_refusal(world, HANDOFF_HOST), -EBUSY);
	fake_guest_end(world->a);
	world_settle(world);
	world_expect(world, CARD_STATE_HOST, NULL);
	fake_guest_start(world->a);
	world_settle(world);
	world_expect(world, CARD_STATE_GUEST, "a");
}

static void test_wish_waits_for_a_guest_that_starts(void **state)
{
	struct world *world = *state;

	fake_guest_set_control(world->a, false);
	world_start(world);
	world_give(world, GUEST_A);
	assert_string_equal(fake_broker_journal(world->broker), "");
	assert_string_equal(world->text, "a gets the card when its QEMU can be told so.");
	assert_int_equal(timers_left_ms(), -1);
	fake_broker_vanish(world->broker);
	world_settle(world);
	assert_string_equal(world->text, "");
	fake_broker_listen(world->broker);
	world_settle(world);
	fake_guest_set_control(world->a, true);
	world_settle(world);
	world_expect(world, CARD_STATE_GUEST, "a");
	assert_string_equal(world->text, "");
}

static void test_wish_that_waits_is_dropped(void **state)
{
	struct world *world = *state;

	fake_guest_set_control(world->a, false);
	world_start(world);
	world_give(world, GUEST_A);
	world_give(world, HANDOFF_HOST);
	assert_string_equal(world->text, "");
	fake_guest_set_control(world->a, true);
	world_settle(world);
	world_expect(world, CARD_STATE_HOST, NULL);
}

static void test_rescue(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_B);
	passthrough_rescue(world->passthrough);
	world_settle(world);
	world_expect(world, CARD_STATE_HOST, NULL);
}

static void test_rescue_from_a_pin(void **state)
{
	struct world *world = *state;

	world->pinned[0] = "gpu";
	world->on_request[0] = NULL;
	world_start(world);
	world_expect(world, CARD_STATE_GUEST, "a");
	passthrough_rescue(world->passthrough);
	world_settle(world);
	world_expect(world, CARD_STATE_HOST, NULL);
	world_pass(world, 60 * SECOND);
	world_expect(world, CARD_STATE_HOST, NULL);
	world_give(world, GUEST_A);
	world_expect(world, CARD_STATE_GUEST, "a");
}

static void test_rescue_goes_as_far_as_it_goes(void **state)
{
	struct world *world = *state;

	world->pinned[0] = "gpu";
	world->on_request[0] = NULL;
	world_start(world);
	fake_guest_refuse(world->a, true);
	passthrough_rescue(world->passthrough);
	world_settle(world);
	world_pass(world, 13 * SECOND);
	assert_true(world->asking);
	assert_int_equal(
		passthrough_answer(world->passthrough, "gpu", HANDOFF_ANSWER_ABORT, &world->why), 0);
	world_settle(world);
	world_pass(world, 60 * SECOND);
	world_expect(world, CARD_STATE_GUEST, "a");
	assert_int_equal(timers_left_ms(), -1);
}

/* What is asked for while a way fails is not forgotten over it. */
static void test_rescue_while_a_way_fails(void **state)
{
	struct world *world = *state;

	world_start(world);
	world_give(world, GUEST_A);
	fake_guest_refuse(world->a, true);
	world_give(world, GUEST_B);
	passthrough_rescue(world->passthrough);
	world_pass(world, 13 * SECOND);
	assert_int_equal(
		passthrough_answer(world->passthrough, "gpu", HANDOFF_ANSWER_ABORT, &world->why),
		0);
	fake_guest_refuse(world->a, false);
	world_rest(world);
	world_expect(world, CARD_STATE_HOST, NULL);
}

/* A guest that kept the card keeps it. */
static void test_failed_way_leaves_the_card(void **state)
{
	struct world *world = *state;

	fake_guest_set_ports(world->b, false);
	world_start(world);
	world_give(world, GUEST_A);
	world_give(world, GUEST_B);
	world_expect(world, CARD_STATE_GUEST, "a");
	fake_guest_end(world->b);
	world_rest(world);
	world_expect(world, CARD_STATE_GUEST, "a");
}

/* ---- While the guest's QEMU does not answer ---- */

static void test_prepare_waits_for_the_guests_word(void **state)
{
	struct world *world = *state;

	world_start(world);
	fake_guest_stop(world->b, true);
	fake_guest_set_control(world->b, false);
	fake_guest_set_control(world->b, true);
	world_give(world, GUEST_B);
	assert_string_equal(world->stage, "prepare");
	fake_guest_stop(world->b, false);
	world_settle(world);
	world_expect(world, CARD_STATE_GUEST, "b");
}

static void test_prepare_does_not_wait_for_ever(void **state)
{
	struct world *world = *state;

	world_start(world);
	fake_guest_stop(world->b, true);
	fake_guest_set_control(world->b, false);
	fake_guest_set_control(world->b, true);
	world_give(world, GUEST_B);
	world_pass(world, 6 * SECOND);
	world_expect(world, CARD_STATE_HOST, NULL);
	fake_guest_stop(world->b, false);
	world_settle(world);
	world_expect(world, CARD_STATE_HOST, NULL);
	assert_string_equal(fake_broker_journal(world->broker), "prepare prepare!");
}

/* ---- Without a broker ---- */

/* The guest in front follows the focus, but a person has taken the card since. */
static void test_request_outlives_the_broker(void **state)
{
	struct world *world = *state;

	world->follow_focus[0] = "gpu";
	world->on_request[0] = NULL;
	world_start(world);
	passthrough_focus(world->passthrough, GUEST_A);
	world_pass(world, 2 * SECOND);
	world_expect(world, CARD_STATE_GUEST, "a");
	world_give(world, HANDOFF_HOST);
	fake_broker_vanish(world->broker);
	world_settle(world);
	fake_broker_listen(world->broker);
	world_settle(world);
	world_pass(world, 2 * SECOND);
	world_expect(world, CARD_STATE_HOST, NULL);
}

static void test_without_a_broker(void **state)
{
	struct world *world = *state;

	fake_broker_vanish(world->broker);
	world->follow_focus[1] = "gpu";
	world->on_request[1] = NULL;
	world_start(world);
	passthrough_focus(world->passthrough, GUEST_B);
	assert_int_equal(world_refusal(world, GUEST_A), -ENOTCONN);
	assert_non_null(strstr(world->why, "baton-broker"));
	assert_non_null(passthrough_trouble(world->passthrough));
	world_settle(world);
	assert_int_equal(timers_left_ms(), -1);
	fake_broker_listen(world->broker);
	world_settle(world);
	world_give(world, GUEST_A);
	world_expect(world, CARD_STATE_GUEST, "a");
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(host_to_guest),
		TEST(guest_to_guest),
		TEST(guest_to_host),
		TEST(home_is_the_pool),
		TEST(what_is_told),
		TEST(latest_wish_counts),
		TEST(no_rest_before_the_wish),
		TEST(nvidia_modules_go_first),
		TEST(cards_do_not_wait_for_each_other),
		TEST(two_cards),
		TEST(questions),
		TEST(refusals),
		TEST(guest_without_a_port),
		TEST(card_that_cannot_be_lent),
		TEST(card_that_is_not_listed),
		TEST(follow_focus),
		TEST(pinned),
		TEST(wish_waits_for_a_guest_that_starts),
		TEST(wish_that_waits_is_dropped),
		TEST(rescue),
		TEST(rescue_from_a_pin),
		TEST(rescue_goes_as_far_as_it_goes),
		TEST(rescue_while_a_way_fails),
		TEST(failed_way_leaves_the_card),
		TEST(prepare_waits_for_the_guests_word),
		TEST(prepare_does_not_wait_for_ever),
		TEST(request_outlives_the_broker),
		TEST(without_a_broker),
	};

	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
