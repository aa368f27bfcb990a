// SPDX-License-Identifier: MIT
/*
 * Cards that are given away and come back: that nothing of them stays open, that they are left
 * alone meanwhile, and that the loop waits for no driver on the way.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compositor/kms/leftovers.h"
#include "compositor/kms/nodes.h"
#include "tests/unit/fake_kms.h"
#include "tests/unit/kms_bench.h"
#include "tests/unit/loop.h"

/* ---- giving a card away ---- */

/* It is dark and closed at once, whatever udev says; the other one goes on. */
static void test_release(void **state)
{
	struct bench *b = *state;
	unsigned int opened, presented;
	bool only;

	fake_card_appear(1);
	start(b, 2);
	settle(b);
	assert_true(uses(b, 0, &only) && !only);
	opened = fake_cards[0].opened;
	assert_int_equal(release(b, 0), 0);
	assert_int_equal(b->count, 1);
	assert_false(fake_card_is_open(0));
	assert_false(fake_card_last(0)->active);
	assert_int_equal(fake_cards[0].framebuffers, 0);
	assert_false(uses(b, 0, &only));
	assert_true(uses(b, 1, &only) && only);
	assert_int_equal(release(b, 0), 0); /* again: nothing of it is open */
	fake_card_hotplug(0);
	fake_card_vanish(0);
	fake_card_appear(0);
	settle(b);
	assert_int_equal(fake_cards[0].opened, opened);
	presented = b->presented;
	output_schedule(b->outputs[0]);
	while (b->presented == presented) {
		assert_true(sd_event_run(b->event, WAIT_MS * 1000) > 0);
	}
	assert_int_equal(regain(b, 0), 0);
	wait_outputs(b, 2);
	assert_true(is_lit(0));
	assert_true(uses(b, 0, &only) && !only);
	assert_int_equal(fake_cards[0].waits, 0);
}

/* The only one: nothing is left to do but to wait, and it comes back when udev knows it. */
static void test_release_the_only_card(void **state)
{
	struct bench *b = *state;
	bool only;

	start(b, 1);
	settle(b);
	assert_true(uses(b, 0, &only) && only);
	assert_string_equal(b->outputs[0]->slot, fake_card_slot(0));
	assert_int_equal(release(b, 0), 0);
	assert_int_equal(b->count, 0);
	fake_card_vanish(0);
	settle(b);
	assert_int_equal(sd_event_run(b->event, 50000), 0); /* no timer runs */
	ask_back(b, 0);
	settle(b);
	assert_int_equal(b->count, 0);
	assert_false(is_regained(b));
	fake_card_appear(0);
	assert_int_equal(await_back(b, 0), 0);
	wait_outputs(b, 1);
	assert_true(is_lit(0));
}

/* Nobody took it after all. */
static void test_release_and_regain_at_once(void **state)
{
	struct bench *b = *state;

	start(b, 1);
	settle(b);
	assert_int_equal(release(b, 0), 0);
	settle(b);
	ask_back(b, 0);
	assert_int_equal(b->count, 0); /* in a later turn of the loop */
	assert_int_equal(await_back(b, 0), 0);
	wait_outputs(b, 1);
	assert_true(is_lit(0));
}

/* It is wanted once more before it came back. */
static void test_release_while_it_comes_back(void **state)
{
	struct bench *b = *state;

	start(b, 1);
	settle(b);
	assert_int_equal(release(b, 0), 0);
	fake_card_vanish(0);
	settle(b);
	ask_back(b, 0);
	settle(b);
	assert_int_equal(release(b, 0), 0);
	fake_card_appear(0);
	settle(b);
	assert_int_equal(b->count, 0);
	assert_false(is_regained(b));
	assert_int_equal(regain(b, 0), 0);
	wait_outputs(b, 1);
}

/* It is there, but cannot be used. */
static void test_return_that_fails(void **state)
{
	struct bench *b = *state;

	fake_card_appear(1);
	start(b, 2);
	assert_int_equal(release(b, 0), 0);
	fake_kms.not_master = true;
	assert_int_equal(regain(b, 0), -EBUSY);
	assert_int_equal(b->count, 1);
	fake_kms.not_master = false;
	assert_int_equal(regain(b, 0), 0);
	wait_outputs(b, 2);
}

/* Who gives back a card that is none of ours, or that shows nothing, is not left waiting. */
static void test_return_of_nothing(void **state)
{
	struct bench *b = *state;

	fake_card_appear(1);
	b->options.card = fake_card_path(0);
	start(b, 1);
	assert_int_equal(release(b, 2), 0);
	assert_int_equal(regain(b, 2), 0);
	assert_int_equal(release(b, 1), 0);
	assert_int_equal(regain(b, 1), 0);
	assert_int_equal(fake_cards[1].opened, 0);
	assert_int_equal(release(b, 0), 0);
	fake_kms.connected = false;
	assert_int_equal(regain(b, 0), 0);
	assert_int_equal(b->count, 0);
}

/* While another terminal is in front nothing is sent to the card any more, but it is closed. */
static void test_release_while_away(void **state)
{
	struct bench *b = *state;

	start(b, 1);
	settle(b);
	leave(b);
	assert_int_equal(release(b, 0), 0);
	assert_int_equal(fake_kms.denied, 0);
	assert_false(fake_card_is_open(0));
	come_back(b);
	settle(b);
	assert_int_equal(b->count, 0);
	leave(b);
	assert_int_equal(regain(b, 0), 0); /* it comes when we are back */
	assert_int_equal(b->count, 0);
	come_back(b);
	wait_outputs(b, 1);
}

/* A library has one of the card's nodes open, or mapped. */
static void test_library_keeps_it(void **state)
{
	struct bench *b = *state;
	void *mapped;
	int fd;

	fake_card_appear(1);
	start(b, 2);
	fd = open(fake_card_render_path(0), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(release(b, 1), 0); /* that is another card's */
	assert_int_equal(release(b, 0), -EBUSY);
	assert_false(fake_card_is_open(0));
	mapped = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(mapped != MAP_FAILED);
	close(fd);
	assert_int_equal(release(b, 0), -EBUSY);
	munmap(mapped, 4096);
	assert_int_equal(release(b, 0), 0);
}

/* NVIDIA's own nodes have no slot: they count for a card with that driver when it is the only one.
 */
static void test_nvidia(void **state)
{
	struct list nodes;
	struct drm_node given = { .path = "/dev/dri/card1", .slot = "0000:01:00" };
	struct drm_node other = { .path = "/dev/dri/card2", .slot = "0000:02:00" };
	struct leftovers leftovers = { .nodes = &nodes, .slot = "0000:01:00" };

	list_init(&nodes);
	list_append(&nodes, &given.link);
	list_append(&nodes, &other.link);
	leftovers_see(&leftovers, "/dev/nvidiactl");
	leftovers_see(&leftovers, "/dev/dri/card10");
	assert_null(leftovers_found(&leftovers));
	snprintf(given.driver, sizeof(given.driver), "nvidia-drm");
	assert_string_equal(leftovers_found(&leftovers), "/dev/nvidiactl");
	snprintf(other.driver, sizeof(other.driver), "nvidia-drm");
	leftovers_see(&leftovers, "/dev/dri/card2");
	assert_null(leftovers_found(&leftovers));
	leftovers_see(&leftovers, "/dev/dri/card1 (deleted)");
	assert_string_equal(leftovers_found(&leftovers), "/dev/dri/card1 (deleted)");
}

/* ---- drivers that do not come back ---- */

/* The screens of a card go at once and the loop goes on, however long its driver takes to let go.
 */
static void test_release_takes_long(void **state)
{
	struct bench *b = *state;

	fake_card_appear(1);
	start(b, 2);
	settle(b);
	fake_card_hang(0, true);
	b->released[0] = '\0';
	b->backend->ops->release_card(b->backend, fake_card_slot(0));
	assert_int_equal(b->count, 1);
	show_pictures(b, b->outputs[0], 10);
	assert_string_equal(b->released, "");
	/* It is wanted back before it has gone. */
	ask_back(b, 0);
	show_pictures(b, b->outputs[0], 10);
	assert_string_equal(b->regained, "");
	fake_card_hang(0, false);
	assert_int_equal(await_back(b, 0), 0);
	assert_string_equal(b->released, fake_card_slot(0));
	assert_int_equal(b->released_error, 0);
	wait_outputs(b, 2);
	assert_true(is_lit(0));
}

static void test_opening_takes_long(void **state)
{
	struct bench *b = *state;

	start(b, 1);
	fake_card_appear(1);
	fake_card_hang(1, true);
	show_pictures(b, b->outputs[0], 10);
	assert_true(fake_card_is_open(1));
	/* It is given away before it was lit. */
	b->released[0] = '\0';
	b->backend->ops->release_card(b->backend, fake_card_slot(1));
	show_pictures(b, b->outputs[0], 10);
	assert_string_equal(b->released, "");
	fake_card_hang(1, false);
	assert_true(loop_until(b->event, is_released, b, WAIT_MS));
	assert_false(fake_card_is_open(1));
	assert_int_equal(b->added, 1);
}

/* The seat goes meanwhile, so it could not be tried. */
static void test_opening_while_away(void **state)
{
	struct bench *b = *state;

	start(b, 1);
	settle(b);
	fake_card_appear(1);
	fake_card_hang(1, true);
	show_pictures(b, b->outputs[0], 5);
	leave(b);
	fake_card_hang(1, false);
	settle(b);
	assert_int_equal(b->count, 1);
	assert_true(fake_cards[1].denied > 0);
	come_back(b);
	wait_outputs(b, 2);
	assert_true(is_lit(1));
}

/* What somebody else left on the card is turned off, and the loop does not wait for that. */
static void test_return_with_leftovers(void **state)
{
	struct bench *b = *state;

	start(b, 1);
	settle(b);
	assert_int_equal(release(b, 0), 0);
	fake_kms_leave_overlay(FAKE_OVERLAY_THERE);
	assert_false(fake_kms_is_clean());
	assert_int_equal(regain(b, 0), 0);
	wait_outputs(b, 1);
	assert_true(fake_kms_is_clean());
	assert_int_equal(fake_kms.waits, 0);
}

/* Nor does it matter to others that a monitor is slow to say what it is, or goes meanwhile. */
static void test_looking_takes_long(void **state)
{
	struct bench *b = *state;

	unsigned int looks;

	start(b, 1);
	settle(b);
	looks = fake_kms.looks;
	fake_card_hang(0, true);
	fake_card_hotplug(0);
	show_pictures(b, b->outputs[0], 10);
	fake_kms.connected = false;
	fake_card_hotplug(0);
	show_pictures(b, b->outputs[0], 10);
	fake_card_hang(0, false);
	wait_outputs(b, 0);
	settle(b);
	assert_int_equal(fake_kms.looks, looks + 2); /* what came meanwhile was not missed */
}

static void test_pulled_out_while_looking(void **state)
{
	struct bench *b = *state;

	start(b, 1);
	settle(b);
	fake_card_hang(0, true);
	fake_card_hotplug(0);
	show_pictures(b, b->outputs[0], 5);
	fake_card_vanish(0);
	wait_outputs(b, 0);
	fake_card_hang(0, false);
	settle(b);
	assert_false(fake_card_is_open(0));
}

/* The program ends all the same, and leaves to the thread what it uses. */
static void test_end_does_not_wait(void **state)
{
	static struct backend *abandoned; /* a thread has it */
	struct bench *b = *state;
	uint64_t began;

	start(b, 1);
	settle(b);
	fake_card_hang(0, true);
	fake_card_hotplug(0);
	show_pictures(b, b->outputs[0], 5);
	abandoned = b->backend;
	b->backend = NULL;
	began = clock_now_ns();
	abandoned->ops->destroy(abandoned);
	assert_true(clock_now_ns() - began >= NSEC_PER_SEC);
	assert_int_equal(b->count, 0);
	fake_card_hang(0, false);
	while (count_threads() > b->threads) {
		assert_true(clock_now_ns() - began < WAIT_MS * NSEC_PER_MSEC);
		sched_yield();
	}
	fake_card_forget(0);
}

/* ---- given away before ---- */

/* A program that starts anew while somebody else has the card. */
static void test_given_away_before(void **state)
{
	struct bench *b = *state;

	fake_card_appear(1);
	b->options.released_cards = "0000:09:00 0000:01:00";
	start(b, 1);
	assert_int_equal(fake_cards[0].opened, 0);
	assert_true(is_lit(1));
	assert_int_equal(regain(b, 0), 0);
	wait_outputs(b, 2);
}

static void test_only_card_given_away_before(void **state)
{
	struct bench *b = *state;

	b->options.released_cards = fake_card_slot(0);
	fake_card_vanish(0);
	start(b, 0);
	settle(b);
	ask_back(b, 0);
	settle(b);
	assert_false(is_regained(b));
	fake_card_appear(0);
	assert_int_equal(await_back(b, 0), 0);
	wait_outputs(b, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_release),
		TEST(test_release_the_only_card),
		TEST(test_release_and_regain_at_once),
		TEST(test_release_while_it_comes_back),
		TEST(test_return_that_fails),
		TEST(test_return_of_nothing),
		TEST(test_release_while_away),
		TEST(test_library_keeps_it),
		cmocka_unit_test(test_nvidia),
		TEST(test_release_takes_long),
		TEST(test_opening_takes_long),
		TEST(test_opening_while_away),
		TEST(test_return_with_leftovers),
		TEST(test_looking_takes_long),
		TEST(test_pulled_out_while_looking),
		TEST(test_end_does_not_wait),
		TEST(test_given_away_before),
		TEST(test_only_card_given_away_before),
	};

	return cmocka_run_group_tests_name("kms_loans", tests, NULL, NULL);
}
