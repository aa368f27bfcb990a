// SPDX-License-Identifier: MIT
/*
 * The compositor while outputs come and go: what several show, and that without any everything but
 * drawing goes on.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compositor/compositor_private.h"
#include "tests/unit/stage.h"
#include "tests/unit/test_frames.h"

static void outputs_mirror_and_change(void **state)
{
	struct screen second;
	uint32_t width, height;
	int changed = stage.outputs_changed;

	screen_add(&second, 320, 240);
	settle();
	assert_int_equal(stage.outputs_changed, changed + 1);
	compositor_output_size(stage.compositor, &width, &height);
	assert_int_equal(width, WIDTH);
	/* The guest's picture at half the size, without bars. */
	assert_int_not_equal(second.pixels[0], 0);
	assert_true(second.commits > 0);
	screen_remove(&second);
	/* Another mode: set, then enabled. */
	free(stage.screen.pixels);
	stage.screen.pixels = calloc(800 * 600, 4);
	stage.screen.output.width = 800;
	stage.screen.output.height = 600;
	output_enable(&stage.screen.output);
	settle();
	compositor_output_size(stage.compositor, &width, &height);
	assert_int_equal(width, 800);
	assert_int_equal(height, 600);
	assert_int_equal(stage.sources[0].asked_width, 800);
	assert_drawn(0, 0, 800, 600);
}

/* A card that was away is the first again, whatever came meanwhile. */
static void outputs_have_ranks(void **state)
{
	struct screen lower, equal;
	uint32_t width, height;

	screen_add_ranked(&equal, 320, 200, 1);
	compositor_output_size(stage.compositor, &width, &height);
	assert_int_equal(width, WIDTH);
	screen_add_ranked(&lower, 800, 600, 0);
	compositor_output_size(stage.compositor, &width, &height);
	assert_int_equal(width, 800);
	assert_int_equal(stage.sources[0].asked_width, 800);
	screen_remove(&lower);
	compositor_output_size(stage.compositor, &width, &height);
	assert_int_equal(width, WIDTH);
	screen_remove(&stage.screen);
	compositor_output_size(stage.compositor, &width, &height);
	assert_int_equal(width, 320);
	screen_add(&stage.screen, WIDTH, HEIGHT);
	screen_remove(&equal);
	settle();
}

static void without_outputs_nobody_is_watched(void **state)
{
	struct picture *picture;
	uint32_t width, height;

	screen_remove(&stage.screen);
	assert_false(source(1)->watched);
	compositor_output_size(stage.compositor, &width, &height);
	assert_int_equal(width, WIDTH);
	assert_int_equal(compositor_picture_take(stage.compositor, 0, &picture), -ENODEV);
	assert_int_equal(compositor_refresh_mhz(stage.compositor), 0);
	screen_add(&stage.screen, WIDTH, HEIGHT);
	assert_true(source(1)->watched);
	settle();
	assert_true(screen_shows(source(1)->frame));
}

/* A guest may be seen on a card of its own: its pointer goes on as it was. */
static void pointer_goes_on_without_outputs(void **state)
{
	struct compositor_placement before, after;

	assert_true(compositor_placement(stage.compositor, &before));
	screen_remove(&stage.screen);
	assert_true(compositor_placement(stage.compositor, &after));
	assert_memory_equal(&before, &after, sizeof(before));
	screen_add(&stage.screen, WIDTH, HEIGHT);
}

static bool is_running(sd_event_source *timer)
{
	int enabled;

	assert_true(sd_event_source_get_enabled(timer, &enabled) >= 0);
	return enabled != SD_EVENT_OFF;
}

/* Whatever is asked of it. */
static void without_outputs_no_timer_runs(void **state)
{
	struct compositor *c = stage.compositor;

	compositor_show_switcher(c, true);
	settle_previews();
	compositor_toast(c, "one");
	assert_true(is_running(c->toast_timer));
	frame_source_set_frame(source(2), new_frame(WIDTH, HEIGHT));
	frame_source_damage(source(3), &(pixman_box32_t){ 0, 0, 10, 10 });
	assert_true(is_running(c->preview_timer));
	screen_remove(&stage.screen);
	assert_false(is_running(c->toast_timer));
	assert_false(is_running(c->preview_timer));
	frame_source_set_frame(source(1), new_frame(WIDTH, HEIGHT));
	frame_source_damage(source(3), &(pixman_box32_t){ 0, 0, 10, 10 });
	compositor_toast(c, "two");
	compositor_progress(c, "three");
	compositor_show_guest(c, 2);
	assert_false(is_running(c->toast_timer));
	assert_false(is_running(c->preview_timer));
	assert_int_equal(sd_event_run(stage.event, 50000), 0);
	compositor_show_switcher(c, false);
	compositor_progress(c, NULL);
	screen_add(&stage.screen, WIDTH, HEIGHT);
	settle();
	assert_true(screen_shows(source(2)->frame)); /* and no toast */
}

/* Blind, the guests lie in a row. */
static void switcher_works_without_outputs(void **state)
{
	struct compositor *c = stage.compositor;

	screen_remove(&stage.screen);
	compositor_show_switcher(c, true);
	assert_int_equal(compositor_switcher_selected(c), 1);
	compositor_switcher_move(c, 1, 0);
	assert_int_equal(compositor_switcher_selected(c), 2);
	compositor_switcher_move(c, 0, 1);
	assert_int_equal(compositor_switcher_selected(c), 2);
	compositor_switcher_move(c, 7, 0);
	assert_int_equal(compositor_switcher_selected(c), 3);
	compositor_switcher_filter(c, "one");
	assert_int_equal(compositor_switcher_selected(c), 1);
	assert_int_equal(compositor_switcher_pointer(c, 10, 10), 0);
	compositor_show_switcher(c, false);
	screen_add(&stage.screen, WIDTH, HEIGHT);
}

static void cards_are_the_back_ends(void **state)
{
	static const char slot[] = "0000:01:00";
	bool only;

	assert_true(compositor_uses_card(stage.compositor, slot, &only) && only);
	assert_false(compositor_uses_card(stage.compositor, "0000:02:00", &only) || only);
	compositor_release_card(stage.compositor, slot);
	assert_ptr_equal(stage.card_slot, slot);
	assert_int_equal(stage.card_error, -EBUSY);
	compositor_regain_card(stage.compositor, slot);
	assert_int_equal(stage.card_error, -EPERM);
}

static void write_output(void *data, const struct compositor_output *output)
{
	char *line = data;
	size_t used = strlen(line);

	snprintf(line + used, 200 - used, "%s %s %ux%u, ", output->name,
		 output->slot ? output->slot : "-", output->width, output->height);
}

static void outputs_have_names_and_cards(void **state)
{
	char line[200] = "", expected[200];
	struct screen other;

	snprintf(stage.screen.output.name, sizeof(stage.screen.output.name), "DP-1");
	stage.screen.output.slot = "0000:01:00";
	screen_add(&other, 640, 480);
	compositor_each_output(stage.compositor, write_output, line);
	snprintf(expected, sizeof(expected), "DP-1 0000:01:00 %ux%u, %s - 640x480, ", WIDTH, HEIGHT,
		 other.output.name);
	assert_string_equal(line, expected);
	screen_remove(&other);
	line[0] = '\0';
	screen_remove(&stage.screen);
	compositor_each_output(stage.compositor, write_output, line);
	assert_string_equal(line, "");
	screen_add(&stage.screen, WIDTH, HEIGHT);
}

static void nothing_destroy(struct backend *backend)
{
}

/* A back end without any screen. */
static int nothing_create(sd_event *event, const struct compositor_options *options,
			  const struct backend_events *events, struct backend **out)
{
	static const struct backend_ops ops = { .destroy = nothing_destroy };
	static struct backend nothing = { .ops = &ops };

	*out = &nothing;
	return 0;
}

/* Before the first output guests and pointers have a size to go by. */
static void there_is_a_size_before_any_output(void **state)
{
	const struct compositor_options options = { .backend = COMPOSITOR_BACKEND_KMS };
	static const struct compositor_handlers handlers;
	uint32_t width, height;
	struct compositor *c;
	sd_event *event;

	assert_int_equal(sd_event_new(&event), 0);
	assert_int_equal(
		compositor_create_on(event, nothing_create, &options, &handlers, NULL, &c), 0);
	compositor_output_size(c, &width, &height);
	assert_int_equal(width, 1280);
	assert_int_equal(height, 800);
	compositor_destroy(c);
	sd_event_unref(event);
}

static void count_answer(void *data, const char *slot, int error)
{
	assert_string_equal(slot, "0000:01:00");
	assert_int_equal(error, 0);
	(*(int *)data)++;
}

static void headless_has_no_card(void **state)
{
	const struct compositor_options options = { .backend = COMPOSITOR_BACKEND_HEADLESS,
						    .width = 64,
						    .height = 48 };
	static const struct compositor_handlers handlers = { .card_released = count_answer,
							     .card_regained = count_answer };
	struct compositor *c;
	sd_event *event;
	bool only = true;
	int answers = 0;

	assert_int_equal(sd_event_new(&event), 0);
	assert_int_equal(compositor_create(event, &options, &handlers, &answers, &c), 0);
	assert_false(compositor_uses_card(c, "0000:01:00", &only));
	assert_false(only);
	compositor_release_card(c, "0000:01:00");
	compositor_regain_card(c, "0000:01:00");
	assert_int_equal(answers, 2);
	compositor_destroy(c);
	sd_event_unref(event);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_set_up, stage_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(outputs_mirror_and_change),
		TEST(outputs_have_ranks),
		TEST(without_outputs_nobody_is_watched),
		TEST(pointer_goes_on_without_outputs),
		TEST(without_outputs_no_timer_runs),
		TEST(switcher_works_without_outputs),
		TEST(cards_are_the_back_ends),
		TEST(outputs_have_names_and_cards),
		cmocka_unit_test(there_is_a_size_before_any_output),
		cmocka_unit_test(headless_has_no_card),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
