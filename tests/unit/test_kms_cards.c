// SPDX-License-Identifier: MIT
/*
 * The kms back end on several made-up cards: which are lit, that one can be given away and comes
 * back, that one can be pulled out at any time, and that none at all is a state like any other.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compositor/kms/leftovers.h"
#include "compositor/kms/nodes.h"
#include "tests/unit/kms_bench.h"

/* ---- which cards are used ---- */

/* All that have a monitor, the one that the machine booted on first. */
static void test_every_card(void **state)
{
	struct bench *b = *state;

	fake_card_appear(1);
	fake_card_appear(2);
	fake_cards[1].boot = true;
	fake_cards[2].connected = false;
	start(b, 2);
	assert_string_equal(b->outputs[0]->name, "Virtual-2");
	assert_string_equal(b->outputs[1]->name, "Virtual-1");
	assert_true(is_lit(0));
	assert_true(is_lit(1));
	assert_int_equal(fake_cards[0].opened, 1);
	settle(b);
	assert_int_equal(fake_cards[0].opened,
			 1); /* that udev told of them again changed nothing */
}

/* A card that shows nothing is closed; what happens elsewhere is no reason to look at it. */
static void test_card_without_monitor(void **state)
{
	struct bench *b = *state;
	unsigned int looks;

	fake_card_appear(1);
	fake_cards[1].connected = false;
	start(b, 1);
	settle(b);
	assert_false(fake_card_is_open(1));
	looks = fake_cards[1].looks;
	fake_card_hotplug(0);
	settle(b);
	assert_int_equal(fake_cards[1].looks, looks);
	fake_cards[1].connected = true;
	fake_card_hotplug(1);
	wait_outputs(b, 2);
	assert_true(is_lit(1));
	/* It stays open without the monitor, which may just sleep. */
	fake_cards[1].connected = false;
	fake_card_hotplug(1);
	wait_outputs(b, 1);
	assert_true(fake_card_is_open(1));
}

static void test_card_that_only_computes(void **state)
{
	struct bench *b = *state;

	fake_card_appear(1);
	fake_cards[1].no_output = true;
	start(b, 1);
	assert_false(fake_card_is_open(1));
}

static void test_no_card_with_outputs(void **state)
{
	struct bench *b = *state;

	fake_cards[0].no_output = true;
	assert_int_equal(try_start(b), -ENODEV);
}

/* What cannot be used does not stop the others. */
static void test_card_of_somebody_else(void **state)
{
	struct bench *b = *state;

	fake_card_appear(1);
	fake_cards[0].not_master = true;
	start(b, 1);
	assert_true(is_lit(1));
	assert_false(fake_card_is_open(0));
	/* Perhaps it is free when we come back. */
	leave(b);
	fake_cards[0].not_master = false;
	come_back(b);
	wait_outputs(b, 2);
	assert_true(is_lit(0));
}

/* One that sleeps is not woken by a switch of terminals. */
static void test_sleeping_card(void **state)
{
	struct bench *b = *state;

	fake_card_appear(1);
	fake_cards[1].connected = false;
	start(b, 1);
	settle(b);
	assert_int_equal(fake_cards[1].opened, 2); /* at the start, and when udev told of it */
	leave(b);
	fake_kms.connected = false;
	come_back(b);
	settle(b);
	assert_int_equal(b->count, 0);
	assert_int_equal(fake_cards[1].opened, 2);
}

/* The user's choice, which keeps its slot when its node gets another name. */
static void test_one_card_alone(void **state)
{
	struct bench *b = *state;
	char chosen[64];

	fake_card_appear(1);
	snprintf(chosen, sizeof(chosen), "%s", fake_card_path(1));
	b->options.card = chosen;
	start(b, 1);
	assert_true(is_lit(1));
	assert_int_equal(fake_cards[0].opened, 0);
	fake_card_vanish(1);
	wait_outputs(b, 0);
	fake_card_appear(2);
	fake_card_appear(1);
	wait_outputs(b, 1);
	assert_string_not_equal(fake_card_path(1), chosen);
	assert_true(is_lit(1));
	assert_int_equal(fake_cards[0].opened, 0);
	assert_int_equal(fake_cards[2].opened, 0);
}

static void test_no_such_card(void **state)
{
	struct bench *b = *state;

	b->options.card = "/dev/null";
	assert_int_equal(try_start(b), -ENODEV);
	assert_int_equal(fake_cards[0].opened, 0);
}

/* ---- cards come and go ---- */

static void test_plugged_in(void **state)
{
	struct bench *b = *state;

	start(b, 1);
	fake_card_appear(1);
	wait_outputs(b, 2);
	assert_true(is_lit(1));
	assert_int_equal(b->removed, 0);
}

static void test_pulled_out(void **state)
{
	struct bench *b = *state;

	fake_card_appear(1);
	start(b, 2);
	fake_card_vanish(0);
	wait_outputs(b, 1);
	assert_string_equal(b->outputs[0]->name, "Virtual-2");
	assert_false(fake_card_is_open(0));
	settle(b);
	fake_card_appear(0);
	wait_outputs(b, 2);
	assert_true(is_lit(0));
}

/* Nobody tells, but its descriptor. */
static void test_dead_card(void **state)
{
	struct bench *b = *state;

	fake_card_appear(1);
	start(b, 2);
	fake_card_hang_up(1);
	wait_outputs(b, 1);
	settle(b);
	assert_false(fake_card_is_open(1));
	fake_card_vanish(1); /* the news comes late */
	settle(b);
	assert_int_equal(b->count, 1);
}

/* In the middle of a flip. */
static void test_pulled_out_while_drawing(void **state)
{
	struct bench *b = *state;

	start(b, 1);
	fake_kms.hold_flips = true;
	output_schedule(b->outputs[0]);
	while (!fake_kms_flip_pending()) {
		assert_true(sd_event_run(b->event, WAIT_MS * 1000) > 0);
	}
	fake_card_vanish(0);
	wait_outputs(b, 0);
	settle(b);
}

static void test_pulled_out_while_away(void **state)
{
	struct bench *b = *state;

	fake_card_appear(1);
	start(b, 2);
	leave(b);
	fake_card_vanish(0);
	settle(b);
	fake_card_appear(2);
	settle(b);
	assert_int_equal(b->count, 1);
	assert_int_equal(fake_cards[2].opened, 0); /* not before the seat is ours again */
	come_back(b);
	wait_outputs(b, 2);
	assert_true(is_lit(1));
	assert_true(is_lit(2));
}

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
}

/* The only one: nothing is left to do but to wait, and it comes back when udev knows it. */
static void test_release_the_only_card(void **state)
{
	struct bench *b = *state;
	bool only;

	start(b, 1);
	settle(b);
	assert_true(uses(b, 0, &only) && only);
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
	unsigned int sent;

	start(b, 1);
	settle(b);
	leave(b);
	sent = fake_kms.count;
	fake_cards[0].dead = true; /* the next user's driver has it: no request of ours may go */
	assert_int_equal(release(b, 0), 0);
	fake_cards[0].dead = false;
	assert_int_equal(fake_kms.count, sent);
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

/* ---- no card at all ---- */

static void test_no_card(void **state)
{
	struct bench *b = *state;

	fake_card_vanish(0);
	assert_int_equal(try_start(b), -ENODEV);
	b->options.allow_no_card = true;
	start(b, 0);
	settle(b);
	assert_int_equal(sd_event_run(b->event, 50000), 0);
	fake_card_appear(0);
	wait_outputs(b, 1);
	assert_true(is_lit(0));
}

/* Nor is it an excuse for a card that is there and cannot be used. */
static void test_no_excuse(void **state)
{
	struct bench *b = *state;

	b->options.allow_no_card = true;
	fake_kms.not_master = true;
	assert_int_equal(try_start(b), -EBUSY);
}

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

/* ---- names ---- */

static void test_slots(void **state)
{
	static const struct {
		const char *devpath, *slot;
	} cases[] = {
		{ "/devices/pci0000:00/0000:00:01.0/0000:01:00.0/drm/card0", "0000:01:00" },
		{ "/devices/pci0000:00/0000:00:02.0/virtio0/drm/card1", "0000:00:02" },
		{ "/devices/pci10000:e0/10000:e1:00.0/drm/renderD128", "10000:e1:00" },
		{ "/devices/platform/simple-framebuffer.0/drm/card0", "" },
		{ "/devices/0000:01:00/0000:01:00.00/000:01:00.0/drm/card0", "" },
		{ "/devices/0123456789abcdef:01:00.0/drm/card0", "" },
		{ "0000:01:00.0", "0000:01:00" },
		{ "", "" },
	};
	char slot[16];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		slot_from_devpath(cases[i].devpath, slot, sizeof(slot));
		assert_string_equal(slot, cases[i].slot);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_card),
		TEST(test_card_without_monitor),
		TEST(test_card_that_only_computes),
		TEST(test_card_of_somebody_else),
		TEST(test_no_card_with_outputs),
		TEST(test_sleeping_card),
		TEST(test_one_card_alone),
		TEST(test_no_such_card),
		TEST(test_plugged_in),
		TEST(test_pulled_out),
		TEST(test_dead_card),
		TEST(test_pulled_out_while_drawing),
		TEST(test_pulled_out_while_away),
		TEST(test_release),
		TEST(test_release_the_only_card),
		TEST(test_release_and_regain_at_once),
		TEST(test_release_while_it_comes_back),
		TEST(test_return_that_fails),
		TEST(test_return_of_nothing),
		TEST(test_release_while_away),
		TEST(test_library_keeps_it),
		cmocka_unit_test(test_nvidia),
		TEST(test_no_card),
		TEST(test_no_excuse),
		TEST(test_given_away_before),
		TEST(test_only_card_given_away_before),
		cmocka_unit_test(test_slots),
	};

	return cmocka_run_group_tests_name("kms_cards", tests, NULL, NULL);
}
