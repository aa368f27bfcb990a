// SPDX-License-Identifier: MIT
/*
 * The kms back end on several made-up cards: which are lit, that one can be pulled out at any time,
 * and that none at all is a state like any other.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compositor/backend.h"
#include "compositor/kms/nodes.h"
#include "tests/unit/fake_kms.h"
#include "tests/unit/loop.h"

#define WAIT_MS 5000
#define OUTPUTS_MAX 8

/* A compositor of one colour. */
struct bench {
	sd_event *event;
	struct backend *backend;
	struct backend_events events;
	struct output_painter painter;
	struct compositor_options options;
	struct output *outputs[OUTPUTS_MAX]; /* as they came */
	unsigned int count, added, removed, presented;
	uint32_t color;
	int active; /* as told last; -1: never */
};

static void collect(struct output *output, pixman_region32_t *damage, void *data)
{
	pixman_region32_union_rect(damage, damage, 0, 0, output->width, output->height);
}

static int draw(struct output *output, const struct render_target *target,
		const pixman_region32_t *damage, void *data)
{
	const struct bench *b = data;

	for (uint32_t y = 0; y < target->height; y++) {
		uint32_t *row = (uint32_t *)((uint8_t *)target->pixels + y * target->stride);

		for (uint32_t x = 0; x < target->width; x++) {
			row[x] = b->color;
		}
	}
	return 0;
}

static void presented(struct output *output, uint64_t vblank_ns, void *data)
{
	((struct bench *)data)->presented++;
}

static void output_added(struct output *output, void *data)
{
	struct bench *b = data;

	assert_true(b->count < OUTPUTS_MAX);
	b->outputs[b->count++] = output;
	b->added++;
}

static void output_removed(struct output *output, void *data)
{
	struct bench *b = data;
	unsigned int i = 0;

	while (i < b->count && b->outputs[i] != output) {
		i++;
	}
	assert_true(i < b->count);
	b->count--;
	memmove(&b->outputs[i], &b->outputs[i + 1], (b->count - i) * sizeof(b->outputs[0]));
	b->removed++;
}

static void active(bool active, void *data)
{
	((struct bench *)data)->active = active;
}

static int bench_setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	fake_kms_reset();
	assert_int_equal(sd_event_new(&b->event), 0);
	b->painter = (struct output_painter){ collect, draw, presented, b };
	b->events = (struct backend_events){
		.output_added = output_added,
		.output_removed = output_removed,
		.active = active,
		.painter = &b->painter,
		.data = b,
	};
	b->options = (struct compositor_options){
		.backend = COMPOSITOR_BACKEND_KMS,
		.renderer = "pixman",
	};
	b->color = 0x123456;
	b->active = -1;
	*state = b;
	return 0;
}

static int bench_teardown(void **state)
{
	struct bench *b = *state;

	if (b->backend) {
		b->backend->ops->destroy(b->backend);
	}
	assert_int_equal(b->count, 0);
	sd_event_unref(b->event);
	fake_kms_finish();
	free(b);
	return 0;
}

static int try_start(struct bench *b)
{
	return kms_backend_create(b->event, &b->options, &b->events, &b->backend);
}

static bool all_are_shown(void *data)
{
	const struct bench *b = data;

	for (unsigned int i = 0; i < b->count; i++) {
		if (b->outputs[i]->state != OUTPUT_IDLE || b->outputs[i]->sequence == 0) {
			return false;
		}
	}
	return true;
}

struct count_is {
	struct bench *b;
	unsigned int count;
};

static bool are_shown(void *data)
{
	const struct count_is *is = data;

	return is->b->count == is->count && all_are_shown(is->b);
}

/* Runs until there are so many outputs, and each shows its picture. */
static void wait_outputs(struct bench *b, unsigned int count)
{
	struct count_is is = { b, count };

	assert_true(loop_until(b->event, are_shown, &is, WAIT_MS));
}

/* Runs until nothing is left to do, which it has to be soon. */
static void settle(struct bench *b)
{
	for (int turns = 0; sd_event_run(b->event, 0) > 0; turns++) {
		assert_true(turns < 100);
	}
}

static void start(struct bench *b, unsigned int count)
{
	assert_int_equal(try_start(b), 0);
	wait_outputs(b, count);
}

static bool is_lit(unsigned int card)
{
	const struct fake_commit *last = fake_card_last(card);

	return fake_card_is_open(card) && last && last->active &&
	       fake_kms_pixel(last->fb, 319, 199) == 0x123456;
}

static bool is_away(void *data)
{
	return ((struct bench *)data)->active == 0;
}

static bool is_back(void *data)
{
	return ((struct bench *)data)->active == 1;
}

static void leave(struct bench *b)
{
	fake_seat_disable();
	assert_true(loop_until(b->event, is_away, b, WAIT_MS));
}

static void come_back(struct bench *b)
{
	fake_seat_enable();
	assert_true(loop_until(b->event, is_back, b, WAIT_MS));
}

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
