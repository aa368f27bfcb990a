// SPDX-License-Identifier: MIT
/*
 * The compositor while outputs come and go: what several show, and what goes on without any.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>

#include "compositor/compositor.h"
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

static void without_outputs_nobody_is_watched(void **state)
{
	struct picture *picture;
	uint32_t width, height;

	screen_remove(&stage.screen);
	assert_false(source(1)->watched);
	compositor_output_size(stage.compositor, &width, &height);
	assert_int_equal(width, WIDTH);
	assert_int_equal(compositor_picture_take(stage.compositor, 0, &picture), -ENODEV);
	screen_add(&stage.screen, WIDTH, HEIGHT);
	assert_true(source(1)->watched);
	settle();
	assert_true(screen_shows(source(1)->frame));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_set_up, stage_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(outputs_mirror_and_change),
		TEST(without_outputs_nobody_is_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
