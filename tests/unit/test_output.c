// SPDX-License-Identifier: MIT
/*
 * The repaint clock, driven by a real event loop and a back end of the test's own: what is drawn
 * at once, what waits, and that nothing runs while nothing changes.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "compositor/output.h"

struct screen {
	sd_event *event;
	struct output output;
	int drawn, committed;
	int begin_result, draw_result;
	bool computed; /* like headless: presented inside commit, for the coming vblank */
	uint64_t committed_ns;
	pixman_region32_t last_damage;
	pixman_box32_t new_damage;
};

static struct screen *screen_of(struct output *output)
{
	return container_of(output, struct screen, output);
}

static int begin(struct output *output, struct render_target *target, pixman_region32_t *damage)
{
	(void)target, (void)damage;
	return screen_of(output)->begin_result;
}

static int commit(struct output *output, const pixman_region32_t *damage)
{
	struct screen *screen = screen_of(output);
	uint64_t now = clock_now_ns(), interval = output_interval_ns(output);

	screen->committed++;
	screen->committed_ns = now;
	pixman_region32_copy(&screen->last_damage, (pixman_region32_t *)damage);
	if (screen->computed) {
		output_presented(output, (now / interval + 1) * interval);
	}
	return 0;
}

static const struct output_ops ops = { .begin = begin, .commit = commit };

static void collect(struct output *output, pixman_region32_t *damage, void *data)
{
	struct screen *screen = data;
	pixman_box32_t *box = &screen->new_damage;

	(void)output;
	if (box->x2 > box->x1) {
		pixman_region32_union_rect(damage, damage, box->x1, box->y1,
					   (unsigned int)(box->x2 - box->x1),
					   (unsigned int)(box->y2 - box->y1));
	}
	*box = (pixman_box32_t){ 0 };
}

static int draw(struct output *output, const struct render_target *target,
		const pixman_region32_t *damage, void *data)
{
	struct screen *screen = data;

	(void)output, (void)target, (void)damage;
	screen->drawn++;
	return screen->draw_result;
}

static void presented(struct output *output, uint64_t vblank_ns, void *data)
{
	(void)output, (void)vblank_ns, (void)data;
}

static struct output_painter painter = { collect, draw, presented, NULL };

static void screen_init(struct screen *screen, bool computed)
{
	memset(screen, 0, sizeof(*screen));
	screen->computed = computed;
	pixman_region32_init(&screen->last_damage);
	assert_true(sd_event_new(&screen->event) >= 0);
	painter.data = screen;
	assert_int_equal(output_init(&screen->output, screen->event, &ops, &painter), 0);
	snprintf(screen->output.name, sizeof(screen->output.name), "TEST-1");
	screen->output.width = 640;
	screen->output.height = 480;
	screen->output.refresh_mhz = 50000; /* 20 ms */
}

static void screen_finish(struct screen *screen)
{
	output_finish(&screen->output);
	pixman_region32_fini(&screen->last_damage);
	sd_event_unref(screen->event);
}

/* Runs what is due now; true when something was. */
static bool turn(struct screen *screen)
{
	return sd_event_run(screen->event, 0) > 0;
}

static void turn_dry(struct screen *screen)
{
	while (turn(screen)) {
	}
}

/* Waits for one more commit, at most a second. */
static void wait_for_commit(struct screen *screen)
{
	uint64_t deadline = clock_now_ns() + NSEC_PER_SEC;
	int before = screen->committed;

	while (screen->committed == before && clock_now_ns() < deadline) {
		sd_event_run(screen->event, 100000);
	}
	assert_int_equal(screen->committed, before + 1);
}

static void damage(struct screen *screen)
{
	screen->new_damage = (pixman_box32_t){ 10, 10, 20, 20 };
	output_schedule(&screen->output);
}

static void test_off_remembers_and_enable_draws_everything(void **fixture)
{
	struct screen screen;
	pixman_box32_t *extents;

	(void)fixture;
	screen_init(&screen, true);
	damage(&screen);
	assert_false(turn(&screen));
	assert_int_equal(screen.committed, 0);
	output_enable(&screen.output);
	turn_dry(&screen);
	assert_int_equal(screen.committed, 1);
	extents = pixman_region32_extents(&screen.last_damage);
	assert_int_equal(extents->x2, 640);
	assert_int_equal(extents->y2, 480);
	screen_finish(&screen);
}

static void test_nothing_is_drawn_without_damage(void **fixture)
{
	struct screen screen;

	(void)fixture;
	screen_init(&screen, true);
	output_enable(&screen.output);
	turn_dry(&screen);
	output_schedule(&screen.output);
	turn_dry(&screen);
	while (screen.output.state == OUTPUT_SCHEDULED) {
		sd_event_run(screen.event, 100000);
	}
	assert_int_equal(screen.committed, 1);
	/* And with that the loop has nothing left to wait for. */
	assert_int_equal(sd_event_run(screen.event, 50000), 0);
	assert_int_equal(screen.output.state, OUTPUT_IDLE);
	screen_finish(&screen);
}

static void test_after_a_rest_it_is_drawn_at_once(void **fixture)
{
	struct screen screen;

	(void)fixture;
	screen_init(&screen, false);
	output_enable(&screen.output);
	turn_dry(&screen);
	assert_int_equal(screen.committed, 1);
	output_presented(&screen.output, clock_now_ns() - NSEC_PER_SEC);
	damage(&screen);
	assert_int_equal(screen.committed, 1); /* not inside the caller */
	turn_dry(&screen);
	assert_int_equal(screen.committed, 2);
	screen_finish(&screen);
}

/* Updates that are further apart than an interval cost one wakeup each, and no timer. */
static void test_slow_updates_are_drawn_at_once(void **fixture)
{
	struct screen screen;
	uint64_t drawn;

	(void)fixture;
	screen_init(&screen, false);
	output_enable(&screen.output);
	turn_dry(&screen);
	drawn = screen.committed_ns;
	while (clock_now_ns() < drawn + 21 * NSEC_PER_MSEC) {
	}
	/* Its vblank came late in the interval, so that a whole one has not passed since. */
	output_presented(&screen.output, drawn + 19 * NSEC_PER_MSEC);
	damage(&screen);
	turn_dry(&screen);
	assert_int_equal(screen.committed, 2);
	screen_finish(&screen);
}

static void test_pending_waits_for_the_vblank(void **fixture)
{
	struct screen screen;

	(void)fixture;
	screen_init(&screen, false);
	output_enable(&screen.output);
	turn_dry(&screen);
	damage(&screen);
	damage(&screen);
	assert_int_equal(sd_event_run(screen.event, 60000), 0);
	assert_int_equal(screen.committed, 1);
	output_presented(&screen.output, clock_now_ns());
	assert_int_equal(screen.output.state, OUTPUT_SCHEDULED);
	screen_finish(&screen);
}

static void test_while_frames_follow_drawing_is_late(void **fixture)
{
	struct screen screen;
	uint64_t vblank;

	(void)fixture;
	screen_init(&screen, false);
	output_enable(&screen.output);
	turn_dry(&screen);
	damage(&screen);
	vblank = clock_now_ns();
	output_presented(&screen.output, vblank);
	wait_for_commit(&screen);
	/* Not in the first half of the interval; on a busy machine perhaps even too late. */
	assert_true(screen.committed_ns >= vblank + 10 * NSEC_PER_MSEC);
	screen_finish(&screen);
}

static void test_a_computed_vblank_has_two_drawings_at_most(void **fixture)
{
	struct screen screen;
	uint64_t start, end;
	int limit;

	(void)fixture;
	screen_init(&screen, true);
	output_enable(&screen.output);
	turn_dry(&screen);
	/* A flood: damage in every turn of the loop for ten intervals. */
	start = clock_now_ns();
	screen.committed = 0;
	while (clock_now_ns() < start + 200 * NSEC_PER_MSEC) {
		damage(&screen);
		sd_event_run(screen.event, 1000);
	}
	end = clock_now_ns();
	limit = (int)((end - start) / (20 * NSEC_PER_MSEC) + 2) * 2;
	assert_in_range(screen.committed, 1, limit);
	screen_finish(&screen);
}

/* The picture for the coming vblank is settled: what comes now is drawn late for the one after. */
static void test_after_replacing_it_waits_for_the_vblank_after(void **fixture)
{
	struct screen screen;
	uint64_t settled;

	(void)fixture;
	screen_init(&screen, true);
	output_enable(&screen.output);
	turn_dry(&screen);
	/* On a busy machine the second drawing for a vblank may come too late to be one. */
	for (int i = 0; i < 50 && screen.output.replaced_ns != screen.output.last_vblank_ns; i++) {
		damage(&screen);
		wait_for_commit(&screen);
	}
	assert_int_equal(screen.output.replaced_ns, screen.output.last_vblank_ns);
	settled = screen.output.last_vblank_ns;
	damage(&screen);
	wait_for_commit(&screen);
	assert_true(screen.committed_ns >= settled + 10 * NSEC_PER_MSEC);
	screen_finish(&screen);
}

static void test_a_refused_buffer_turns_it_off_until_enabled(void **fixture)
{
	struct screen screen;

	(void)fixture;
	screen_init(&screen, true);
	screen.begin_result = -EBUSY;
	output_enable(&screen.output);
	turn_dry(&screen);
	assert_int_equal(screen.output.state, OUTPUT_OFF);
	damage(&screen);
	turn_dry(&screen);
	assert_int_equal(screen.drawn, 0);
	screen.begin_result = 0;
	output_enable(&screen.output);
	turn_dry(&screen);
	assert_int_equal(screen.committed, 1);
	screen_finish(&screen);
}

static void test_a_failed_drawing_is_tried_again_in_full(void **fixture)
{
	struct screen screen;
	pixman_box32_t *extents;

	(void)fixture;
	screen_init(&screen, true);
	output_enable(&screen.output);
	turn_dry(&screen);
	screen.draw_result = -ENOMEM;
	damage(&screen);
	for (int i = 0; i < 10 && screen.drawn < 2; i++) {
		sd_event_run(screen.event, 100000);
	}
	assert_int_equal(screen.drawn, 2);
	assert_int_equal(screen.committed, 1);
	screen.draw_result = 0;
	wait_for_commit(&screen);
	assert_int_equal(screen.drawn, 3);
	extents = pixman_region32_extents(&screen.last_damage);
	assert_int_equal(extents->x2, 640);
	assert_int_equal(extents->y2, 480);
	screen_finish(&screen);
}

static void test_only_what_is_on_it_is_drawn(void **fixture)
{
	struct screen screen;
	pixman_box32_t *extents;

	(void)fixture;
	screen_init(&screen, true);
	output_enable(&screen.output);
	turn_dry(&screen);
	screen.new_damage = (pixman_box32_t){ -20, 470, 20, 490 };
	output_schedule(&screen.output);
	wait_for_commit(&screen);
	extents = pixman_region32_extents(&screen.last_damage);
	assert_int_equal(extents->x1, 0);
	assert_int_equal(extents->y2, 480);
	screen.new_damage = (pixman_box32_t){ 640, 0, 660, 20 };
	output_schedule(&screen.output);
	while (screen.output.state == OUTPUT_SCHEDULED) {
		sd_event_run(screen.event, 100000);
	}
	assert_int_equal(screen.committed, 2);
	screen_finish(&screen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_off_remembers_and_enable_draws_everything),
		cmocka_unit_test(test_nothing_is_drawn_without_damage),
		cmocka_unit_test(test_after_a_rest_it_is_drawn_at_once),
		cmocka_unit_test(test_slow_updates_are_drawn_at_once),
		cmocka_unit_test(test_pending_waits_for_the_vblank),
		cmocka_unit_test(test_while_frames_follow_drawing_is_late),
		cmocka_unit_test(test_a_computed_vblank_has_two_drawings_at_most),
		cmocka_unit_test(test_after_replacing_it_waits_for_the_vblank_after),
		cmocka_unit_test(test_a_refused_buffer_turns_it_off_until_enabled),
		cmocka_unit_test(test_a_failed_drawing_is_tried_again_in_full),
		cmocka_unit_test(test_only_what_is_on_it_is_drawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
