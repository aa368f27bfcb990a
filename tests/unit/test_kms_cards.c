// SPDX-License-Identifier: MIT
/*
 * The kms back end on several made-up cards: which are lit, that one can be pulled out at any time,
 * and that none at all is a state like any other.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>

#include "compositor/kms/nodes.h"
#include "tests/unit/fake_kms.h"
#include "tests/unit/kms_bench.h"

/* ---- which cards are used ---- */

/* All that have a monitor; the one that the machine booted on is the first. */
static void test_every_card(void **state)
{
	struct bench *b = *state;

	fake_card_appear(1);
	fake_card_appear(2);
	fake_cards[1].boot = true;
	fake_cards[2].connected = false;
	start(b, 2);
	assert_string_equal(b->outputs[0]->name, "Virtual-1");
	assert_int_equal(b->outputs[0]->rank, 1);
	assert_string_equal(b->outputs[1]->name, "Virtual-2");
	assert_int_equal(b->outputs[1]->rank, 0);
	assert_true(is_lit(0));
	assert_true(is_lit(1));
	assert_int_equal(fake_cards[0].opened, 1);
	settle(b);
	assert_int_equal(fake_cards[0].opened,
			 1); /* that udev told of them again changed nothing */
	fake_card_vanish(1);
	settle(b);
	fake_card_appear(1);
	wait_outputs(b, 2);
	assert_string_equal(b->outputs[1]->name, "Virtual-2");
	assert_int_equal(b->outputs[1]->rank, 0);
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
	settle(b);
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
	settle(b);
	assert_int_equal(b->count, 0);
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
	settle(b);
	assert_false(fake_card_is_open(0));
	fake_card_appear(0);
	wait_outputs(b, 2);
	assert_true(is_lit(0));
	/* It is the one that came first, although it came back last. */
	assert_string_equal(b->outputs[1]->name, "Virtual-1");
	assert_true(b->outputs[1]->rank < b->outputs[0]->rank);
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
		TEST(test_no_card),
		TEST(test_no_excuse),
		cmocka_unit_test(test_slots),
	};

	return cmocka_run_group_tests_name("kms_cards", tests, NULL, NULL);
}
