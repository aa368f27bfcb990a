// SPDX-License-Identifier: MIT
/*
 * The kms back end on a made-up card: what it asks of the kernel, in which order, and that what the
 * kernel refuses has no effect.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compositor/backend.h"
#include "compositor/render/renderer.h"
#include "tests/unit/fake_kms.h"
#include "tests/unit/loop.h"

#define WAIT_MS 5000

/* A compositor of one colour, which changes with each damage. */
struct bench {
	sd_event *event;
	struct backend *backend;
	struct backend_events events;
	struct output_painter painter;
	struct compositor_options options;
	struct output *output; /* the one there is, or NULL */
	pixman_region32_t damage;
	uint32_t color;
	uint64_t drawn; /* pixels, since the start */
	unsigned int presented, added, removed;
	uint64_t presented_ns;
	int active; /* as told last; -1: never */
};

static void collect(struct output *output, pixman_region32_t *damage, void *data)
{
	struct bench *b = data;

	pixman_region32_union(damage, damage, &b->damage);
	pixman_region32_clear(&b->damage);
}

static int draw(struct output *output, const struct render_target *target,
		const pixman_region32_t *damage, void *data)
{
	struct bench *b = data;
	int count;
	const pixman_box32_t *boxes =
		pixman_region32_rectangles((pixman_region32_t *)damage, &count);

	for (int i = 0; i < count; i++) {
		for (int32_t y = boxes[i].y1; y < boxes[i].y2; y++) {
			uint32_t *row = (uint32_t *)((uint8_t *)target->pixels +
						     (size_t)y * target->stride);

			for (int32_t x = boxes[i].x1; x < boxes[i].x2; x++) {
				row[x] = b->color;
				b->drawn++;
			}
		}
	}
	return 0;
}

static void presented(struct output *output, uint64_t vblank_ns, void *data)
{
	struct bench *b = data;

	b->presented++;
	b->presented_ns = vblank_ns;
}

static void output_added(struct output *output, void *data)
{
	struct bench *b = data;

	assert_null(b->output);
	b->output = output;
	b->added++;
}

static void output_removed(struct output *output, void *data)
{
	struct bench *b = data;

	assert_ptr_equal(b->output, output);
	b->output = NULL;
	b->removed++;
}

static void active(bool active, void *data)
{
	struct bench *b = data;

	b->active = active;
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
	b->active = -1;
	pixman_region32_init(&b->damage);
	*state = b;
	return 0;
}

static int bench_teardown(void **state)
{
	struct bench *b = *state;

	if (b->backend) {
		b->backend->ops->destroy(b->backend);
	}
	assert_int_equal(fake_kms.framebuffers, 0);
	assert_int_equal(fake_kms.busy, 0);
	pixman_region32_fini(&b->damage);
	sd_event_unref(b->event);
	fake_kms_finish();
	free(b);
	return 0;
}

static bool is_presented(void *data)
{
	struct bench *b = data;

	return b->presented > 0 && b->output && b->output->state == OUTPUT_IDLE;
}

/* Runs until the picture of everything so far is on the screen. */
static void wait_presented(struct bench *b)
{
	assert_true(loop_until(b->event, is_presented, b, WAIT_MS));
}

static void start(struct bench *b)
{
	assert_int_equal(kms_backend_create(b->event, &b->options, &b->events, &b->backend), 0);
}

static void start_and_show(struct bench *b)
{
	start(b);
	wait_presented(b);
}

static void change(struct bench *b, uint32_t color, int32_t x, int32_t y, uint32_t side)
{
	b->color = color;
	pixman_region32_union_rect(&b->damage, &b->damage, x, y, side, side);
	output_schedule(b->output);
}

static void show_change(struct bench *b, uint32_t color, int32_t x, int32_t y, uint32_t side)
{
	b->presented = 0;
	change(b, color, x, y, side);
	wait_presented(b);
}

static bool flip_is_pending(void *data)
{
	return fake_kms_flip_pending();
}

static bool time_passed(void *data)
{
	return clock_now_ns() >= *(uint64_t *)data;
}

static void run_ms(struct bench *b, unsigned int ms)
{
	uint64_t end = clock_now_ns() + ms * NSEC_PER_MSEC;

	loop_until(b->event, time_passed, &end, ms);
}

/* Runs the loop for so many refresh intervals. */
static void run_intervals(struct bench *b, unsigned int count)
{
	run_ms(b, count * 10);
}

static struct cursor_image *make_pointer(uint32_t side, uint32_t color)
{
	struct cursor_image *image = cursor_image_create(side, side);

	assert_non_null(image);
	image->hot_x = 1;
	for (uint32_t i = 0; i < side * side; i++) {
		image->pixels[i] = color;
	}
	return image;
}

static int set_pointer(struct bench *b, struct cursor_image *image, int32_t x, int32_t y)
{
	return b->output->ops->set_cursor(b->output, image, x, y);
}

struct pointer_at {
	int64_t x;
	bool shown;
};

static bool pointer_is_at(void *data)
{
	const struct pointer_at *at = data;
	const struct fake_commit *last = fake_kms_last();

	return last && (last->cursor_fb != 0) == at->shown &&
	       (!at->shown || last->cursor_x == at->x);
}

static void wait_pointer(struct bench *b, int64_t x, bool shown)
{
	struct pointer_at at = { x, shown };

	assert_true(loop_until(b->event, pointer_is_at, &at, WAIT_MS));
}

/* ---- pictures ---- */

static void test_first_picture(void **state)
{
	struct bench *b = *state;
	const struct fake_commit *last;

	b->color = 0x123456;
	start_and_show(b);
	assert_string_equal(b->output->name, "Virtual-1");
	assert_int_equal(b->output->width, 320);
	assert_int_equal(b->output->height, 200);
	assert_int_equal(b->output->refresh_mhz, 100000);
	/* Tried first, pointer plane and all, then shown. */
	assert_true(fake_kms.commits[0].test);
	assert_true(fake_kms.commits[0].fb && fake_kms.commits[0].cursor_fb);
	last = fake_kms_last();
	assert_int_equal(fake_kms_real_count(), 1);
	assert_true(last->modeset && last->nonblock && last->event && last->active);
	assert_int_equal(last->cursor_fb, 0);
	assert_int_equal(fake_kms_pixel(last->fb, 319, 199), 0x123456);
}

/* Damage is drawn once into each of two buffers, and told to the kernel. */
static void test_damage(void **state)
{
	struct bench *b = *state;
	const struct fake_commit *last;
	uint64_t first, before;

	start_and_show(b);
	first = fake_kms_last()->fb;
	show_change(b, 0x111111, 0, 0, 10); /* the other buffer: everything is new in it */
	assert_int_not_equal(fake_kms_last()->fb, first);
	assert_false(fake_kms_last()->modeset);
	before = b->drawn;
	for (uint32_t i = 0; i < 20; i++) {
		show_change(b, 0x222200 + i, (int32_t)(i * 12), 50, 8);
	}
	/* The first change in the buffer that had not got it, then each box twice but for the last.
	 */
	assert_int_equal(b->drawn - before, 100 + 20 * 64 + 19 * 64);
	last = fake_kms_last();
	assert_int_equal(last->damage_count, 2);
	assert_int_equal(last->damage[0].x1, 18 * 12);
	assert_int_equal(last->damage[1].x1, 19 * 12);
	/* This buffer got every second box a frame late, in the colour of that frame. */
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(fake_kms_pixel(last->fb, i * 12 + 3, 53),
				 0x222200 + i + (i % 2 == 0));
	}
}

static void test_one_picture_at_a_time(void **state)
{
	struct bench *b = *state;
	unsigned int before;

	start_and_show(b);
	fake_kms.hold_flips = true;
	b->presented = 0;
	change(b, 0x1, 0, 0, 10);
	assert_true(loop_until(b->event, flip_is_pending, b, WAIT_MS));
	before = fake_kms.count;
	change(b, 0x2, 50, 50, 10);
	set_pointer(b, NULL, 0, 0);
	run_intervals(b, 5);
	assert_int_equal(fake_kms.count, before);
	assert_int_equal(b->presented, 0);
	fake_kms.hold_flips = false;
	fake_kms_flip(clock_now_ns() / 1000000 * 1000000);
	wait_presented(b);
	assert_true(loop_until(b->event, is_presented, b, WAIT_MS));
	assert_int_equal(fake_kms_pixel(fake_kms_last()->fb, 55, 55), 0x2);
}

/* The time of the flip is the kernel's, not ours. */
static void test_vblank_time(void **state)
{
	struct bench *b = *state;
	uint64_t vblank;

	start_and_show(b);
	fake_kms.hold_flips = true;
	b->presented = 0;
	change(b, 0x1, 0, 0, 10);
	assert_true(loop_until(b->event, flip_is_pending, b, WAIT_MS));
	vblank = clock_now_ns() / 1000 * 1000 - 3 * NSEC_PER_MSEC;
	fake_kms_flip(vblank);
	wait_presented(b);
	assert_int_equal(b->presented_ns, vblank);
}

static void test_refusal(void **state)
{
	struct bench *b = *state;
	uint64_t shown;

	start_and_show(b);
	shown = fake_kms_last()->fb;
	fake_kms.refuse = 1;
	b->presented = 0;
	change(b, 0x777777, 0, 0, 10);
	/* The old picture stays; after a second the monitor is lit anew with everything. */
	while (fake_kms.refused == 0) {
		assert_true(sd_event_run(b->event, WAIT_MS * 1000) > 0);
	}
	assert_int_equal(fake_kms_last()->fb, shown);
	assert_int_equal(b->output->state, OUTPUT_OFF);
	wait_presented(b);
	assert_true(fake_kms_last()->modeset);
	assert_int_equal(fake_kms_pixel(fake_kms_last()->fb, 5, 5), 0x777777);
	assert_int_equal(fake_kms_pixel(fake_kms_last()->fb, 300, 190), 0x777777);
}

static void test_read_pixels(void **state)
{
	struct bench *b = *state;
	pixman_image_t *image;

	b->color = 0xabcdef;
	start_and_show(b);
	image = b->backend->ops->read_pixels(b->backend, b->output);
	assert_non_null(image);
	assert_int_equal(pixman_image_get_width(image), 320);
	assert_int_equal(pixman_image_get_data(image)[199 * 320 + 319] & 0xffffff, 0xabcdef);
	pixman_image_unref(image);
}

/* ---- the pointer ---- */

static void test_pointer_alone(void **state)
{
	struct bench *b = *state;
	struct cursor_image *image = make_pointer(8, 0xff00ff00);
	const struct fake_commit *last;
	unsigned int before;

	start_and_show(b);
	before = fake_kms_real_count();
	assert_int_equal(set_pointer(b, image, 30, 40), 0);
	wait_pointer(b, 30, true);
	last = fake_kms_last();
	assert_false(last->touches_primary);
	assert_false(last->modeset);
	assert_int_equal(fake_kms_pixel(last->cursor_fb, 7, 7), 0xff00ff00);
	assert_int_equal(fake_kms_pixel(last->cursor_fb, 8, 7), 0);
	assert_int_equal(fake_kms_real_count(), before + 1);
	/* A thousand moves within an interval are at most two requests. */
	for (int32_t i = 0; i < 1000; i++) {
		set_pointer(b, image, i, 40);
	}
	wait_pointer(b, 999, true);
	assert_in_range(fake_kms_real_count(), before + 2, before + 3);
	assert_int_equal(set_pointer(b, NULL, 0, 0), 0);
	wait_pointer(b, 0, false);
	cursor_image_unlock(image);
}

/* The buffer that the kernel reads is never written. */
static void test_pointer_images(void **state)
{
	struct bench *b = *state;
	uint64_t last = 0;

	start_and_show(b);
	for (uint32_t i = 1; i < 6; i++) {
		struct cursor_image *image = make_pointer(8, 0xff000000 + i);

		assert_int_equal(set_pointer(b, image, (int32_t)i, 40), 0);
		wait_pointer(b, i, true);
		assert_int_not_equal(fake_kms_last()->cursor_fb, last);
		last = fake_kms_last()->cursor_fb;
		assert_int_equal(fake_kms_pixel(last, 0, 0), 0xff000000 + i);
		cursor_image_unlock(image);
	}
}

/* A picture takes a waiting pointer along, in one request. */
static void test_pointer_rides_along(void **state)
{
	struct bench *b = *state;
	struct cursor_image *image = make_pointer(8, 0xff00ff00);
	unsigned int before;

	start_and_show(b);
	run_intervals(b, 2); /* so that the picture is drawn at once */
	before = fake_kms_real_count();
	set_pointer(b, image, 70, 40);
	show_change(b, 0x5, 0, 0, 10);
	wait_pointer(b, 70, true);
	run_intervals(b, 3);
	assert_int_equal(fake_kms_real_count(), before + 1);
	assert_true(fake_kms_last()->touches_primary && fake_kms_last()->touches_cursor);
	cursor_image_unlock(image);
}

/* A picture that is ready while a pointer is on its way follows it. */
static void test_picture_waits_for_pointer(void **state)
{
	struct bench *b = *state;
	struct cursor_image *image = make_pointer(8, 0xff00ff00);

	start_and_show(b);
	fake_kms.hold_flips = true;
	set_pointer(b, image, 70, 40);
	assert_true(loop_until(b->event, flip_is_pending, b, WAIT_MS));
	assert_false(fake_kms_last()->touches_primary);
	b->presented = 0;
	change(b, 0x6, 0, 0, 10);
	run_intervals(b, 5);
	assert_false(fake_kms_last()->touches_primary);
	fake_kms.hold_flips = false;
	fake_kms_flip(0);
	wait_presented(b);
	assert_true(fake_kms_last()->touches_primary);
	assert_int_equal(fake_kms_pixel(fake_kms_last()->fb, 5, 5), 0x6);
	cursor_image_unlock(image);
}

/* One that is too large is drawn; the plane goes off together with that picture, or before. */
static void test_large_pointer(void **state)
{
	struct bench *b = *state;
	struct cursor_image *image = make_pointer(8, 0xff00ff00),
			    *large = make_pointer(65, 0xff0000ff);
	unsigned int before;

	start_and_show(b);
	set_pointer(b, image, 30, 40);
	wait_pointer(b, 30, true);
	assert_int_equal(set_pointer(b, large, 30, 40), -ENOTSUP);
	show_change(b, 0x7, 30, 40, 65);
	assert_int_equal(fake_kms_last()->cursor_fb, 0);
	/* Back: not before the picture without it. */
	before = fake_kms_real_count();
	assert_int_equal(set_pointer(b, image, 31, 40), 0);
	show_change(b, 0x8, 30, 40, 65);
	assert_int_equal(fake_kms_real_count(), before + 1);
	assert_true(fake_kms_last()->touches_primary);
	assert_int_not_equal(fake_kms_last()->cursor_fb, 0);
	cursor_image_unlock(image);
	cursor_image_unlock(large);
}

/* Where no such picture comes, the plane waits for it and then goes alone. */
static void test_pointer_after_picture(void **state)
{
	struct bench *b = *state;
	struct cursor_image *image = make_pointer(8, 0xff00ff00),
			    *large = make_pointer(65, 0xff0000ff);
	uint64_t began;

	start_and_show(b);
	assert_int_equal(set_pointer(b, large, 30, 40), -ENOTSUP);
	show_change(b, 0x7, 30, 40, 65);
	run_ms(b, 25); /* the middle of an interval */
	began = clock_now_ns();
	assert_int_equal(set_pointer(b, image, 31, 40), 0);
	wait_pointer(b, 31, true);
	assert_true(clock_now_ns() - began >= 8 * NSEC_PER_MSEC);
	cursor_image_unlock(image);
	cursor_image_unlock(large);
}

static void test_no_pointer_plane(void **state)
{
	struct bench *b = *state;
	struct cursor_image *image = make_pointer(8, 0xff00ff00);

	fake_kms.has_cursor = false;
	start_and_show(b);
	assert_int_equal(set_pointer(b, image, 30, 40), -ENOTSUP);
	cursor_image_unlock(image);
}

static void test_software_pointer(void **state)
{
	struct bench *b = *state;
	struct cursor_image *image = make_pointer(8, 0xff00ff00);

	b->options.software_cursor = true;
	start_and_show(b);
	assert_int_equal(set_pointer(b, image, 30, 40), -ENOTSUP);
	assert_int_equal(fake_kms_last()->cursor_fb, 0);
	cursor_image_unlock(image);
}

static bool is_made_anew(void *data)
{
	struct bench *b = data;

	return b->added == 2 && is_presented(b);
}

/* A driver that refuses the plane only when it comes to it: the output comes again without. */
static void test_refused_pointer_plane(void **state)
{
	struct bench *b = *state;
	struct cursor_image *image = make_pointer(8, 0xff00ff00);

	start_and_show(b);
	fake_kms.refuse_cursor = true;
	assert_int_equal(set_pointer(b, image, 30, 40), 0);
	assert_true(loop_until(b->event, is_made_anew, b, WAIT_MS));
	assert_int_equal(b->removed, 1);
	assert_int_equal(fake_kms_last()->cursor_fb, 0);
	assert_int_equal(set_pointer(b, image, 30, 40), -ENOTSUP);
	cursor_image_unlock(image);
}

/* ---- the seat ---- */

static bool is_inactive(void *data)
{
	return ((struct bench *)data)->active == 0;
}

static bool is_active(void *data)
{
	return ((struct bench *)data)->active == 1;
}

static void leave(struct bench *b)
{
	fake_seat_disable();
	assert_true(loop_until(b->event, is_inactive, b, WAIT_MS));
	assert_true(fake_kms.acknowledged);
	assert_int_equal(b->output ? b->output->state : OUTPUT_OFF, OUTPUT_OFF);
}

static void test_away_and_back(void **state)
{
	struct bench *b = *state;
	struct cursor_image *image = make_pointer(8, 0xff00ff00);
	unsigned int before;

	start_and_show(b);
	set_pointer(b, image, 30, 40);
	wait_pointer(b, 30, true);
	leave(b);
	before = fake_kms.count;
	change(b, 0x31, 0, 0, 10);
	set_pointer(b, image, 60, 40);
	run_intervals(b, 5);
	assert_int_equal(fake_kms.count, before); /* nothing is sent while away */
	b->presented = 0;
	fake_seat_enable();
	assert_true(loop_until(b->event, is_active, b, WAIT_MS));
	wait_presented(b);
	assert_true(fake_kms_last()->modeset && fake_kms_last()->active);
	assert_int_equal(fake_kms_pixel(fake_kms_last()->fb, 319, 199), 0x31);
	assert_int_equal(fake_kms_last()->cursor_x, 60);
	assert_int_not_equal(fake_kms_last()->cursor_fb, 0);
	cursor_image_unlock(image);
}

/* What others left on the card goes off, wherever it is, at the start and after a switch. */
static void test_leftovers(void **state)
{
	struct bench *b = *state;

	fake_kms_leave_overlay(FAKE_OVERLAY_DARK);
	start_and_show(b);
	for (enum fake_overlay i = FAKE_OVERLAY_HERE; i <= FAKE_OVERLAY_DARK; i++) {
		assert_true(fake_kms_is_clean());
		assert_int_equal(fake_kms.refused, 0);
		leave(b);
		fake_kms_leave_overlay(i);
		b->presented = 0;
		b->active = -1;
		fake_seat_enable();
		assert_true(loop_until(b->event, is_active, b, WAIT_MS));
		wait_presented(b);
	}
	assert_true(fake_kms_is_clean());
	assert_int_equal(fake_kms.refused, 0);
}

/* A flip from before the switch counts for nothing afterwards. */
static void test_away_during_flip(void **state)
{
	struct bench *b = *state;

	start_and_show(b);
	fake_kms.hold_flips = true;
	change(b, 0x41, 0, 0, 10);
	assert_true(loop_until(b->event, flip_is_pending, b, WAIT_MS));
	leave(b);
	fake_kms_flip(0);
	b->presented = 0;
	fake_seat_enable();
	assert_true(loop_until(b->event, is_active, b, WAIT_MS));
	assert_true(loop_until(b->event, flip_is_pending, b, WAIT_MS));
	fake_kms_flip_late();
	run_intervals(b, 2);
	assert_int_equal(b->presented, 0);
	fake_kms_flip(0);
	wait_presented(b);
}

/* ---- monitors ---- */

static bool is_removed(void *data)
{
	return ((struct bench *)data)->removed > 0;
}

static void test_unplug_and_plug(void **state)
{
	struct bench *b = *state;

	start_and_show(b);
	fake_kms.connected = false;
	fake_kms_hotplug();
	assert_true(loop_until(b->event, is_removed, b, WAIT_MS));
	assert_false(fake_kms_last()->active);
	assert_int_equal(fake_kms.framebuffers, 0);
	run_intervals(b, 2);
	fake_kms.connected = true;
	fake_kms.width = 640;
	b->presented = 0;
	fake_kms_hotplug();
	assert_true(loop_until(b->event, is_made_anew, b, WAIT_MS));
	assert_int_equal(b->output->width, 640);
	assert_true(fake_kms_last()->modeset && fake_kms_last()->active);
}

static void test_another_mode(void **state)
{
	struct bench *b = *state;

	start_and_show(b);
	fake_kms_hotplug(); /* nothing changed: nothing happens */
	run_intervals(b, 2);
	assert_int_equal(b->removed, 0);
	fake_kms.height = 240;
	b->presented = 0;
	fake_kms_hotplug();
	assert_true(loop_until(b->event, is_made_anew, b, WAIT_MS));
	assert_int_equal(b->output->height, 240);
}

static void test_no_monitor_at_start(void **state)
{
	struct bench *b = *state;

	fake_kms.connected = false;
	start(b);
	assert_null(b->output);
	fake_kms.connected = true;
	fake_kms_hotplug();
	wait_presented(b);
}

/* Unplugged while another terminal is in front. */
static void test_unplugged_while_away(void **state)
{
	struct bench *b = *state;

	start_and_show(b);
	leave(b);
	fake_kms.connected = false;
	fake_kms_hotplug();
	run_intervals(b, 2);
	assert_int_equal(b->removed, 0);
	fake_seat_enable();
	assert_true(loop_until(b->event, is_removed, b, WAIT_MS));
}

/* ---- what cannot start ---- */

static void test_refusals_at_start(void **state)
{
	struct bench *b = *state;

	fake_kms.no_atomic = true;
	assert_int_equal(kms_backend_create(b->event, &b->options, &b->events, &b->backend),
			 -ENOTSUP);
}

static void test_busy_card(void **state)
{
	struct bench *b = *state;

	fake_kms.not_master = true;
	assert_int_equal(kms_backend_create(b->event, &b->options, &b->events, &b->backend),
			 -EBUSY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_picture),
		TEST(test_damage),
		TEST(test_one_picture_at_a_time),
		TEST(test_vblank_time),
		TEST(test_refusal),
		TEST(test_read_pixels),
		TEST(test_pointer_alone),
		TEST(test_pointer_images),
		TEST(test_pointer_rides_along),
		TEST(test_picture_waits_for_pointer),
		TEST(test_large_pointer),
		TEST(test_pointer_after_picture),
		TEST(test_no_pointer_plane),
		TEST(test_software_pointer),
		TEST(test_refused_pointer_plane),
		TEST(test_away_and_back),
		TEST(test_leftovers),
		TEST(test_away_during_flip),
		TEST(test_unplug_and_plug),
		TEST(test_another_mode),
		TEST(test_no_monitor_at_start),
		TEST(test_unplugged_while_away),
		TEST(test_refusals_at_start),
		TEST(test_busy_card),
	};

	return cmocka_run_group_tests_name("kms", tests, NULL, NULL);
}
