// SPDX-License-Identifier: MIT
/*
 * The compositor on outputs and sources of the test's own, with the real repaint clock: what a
 * switch shows and when, who is watched, what is drawn, and that an idle compositor does nothing.
 */
#include "tests/unit/test.h"

#include <cairo.h>
#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/stage.h"
#include "tests/unit/test_frames.h"

static void switching_shows_the_last_frame(void **state)
{
	int commits = stage.screen.commits;

	assert_true(screen_shows(source(1)->frame));
	compositor_show_guest(stage.compositor, 2);
	settle();
	assert_int_equal(stage.screen.commits, commits + 1);
	assert_true(screen_shows(source(2)->frame));
	compositor_show_guest(stage.compositor, 2);
	settle();
	assert_int_equal(stage.screen.commits, commits + 1);
	compositor_show_guest(stage.compositor, 0);
	settle();
	assert_false(screen_shows(source(2)->frame));
}

static void only_who_is_seen_is_watched(void **state)
{
	assert_true(source(1)->watched && !source(2)->watched && !source(3)->watched);
	compositor_show_guest(stage.compositor, 2);
	assert_true(!source(1)->watched && source(2)->watched && !source(3)->watched);
	compositor_show_switcher(stage.compositor, true);
	assert_true(source(1)->watched && source(2)->watched && source(3)->watched);
	compositor_show_switcher(stage.compositor, false);
	assert_true(!source(1)->watched && source(2)->watched && !source(3)->watched);
	/* Nobody sees anything on another virtual terminal. */
	fake.events->active(false, fake.events->data);
	assert_false(source(2)->watched);
	fake.events->active(true, fake.events->data);
	assert_true(source(2)->watched);
	assert_int_equal(stage.actives, 0);
	compositor_remove_guest(stage.compositor, 2);
	assert_false(source(2)->watched);
	/* Never more often than needed: a listener costs a round trip. */
	assert_int_equal(stage.sources[2].watches, 1);
	assert_int_equal(stage.sources[2].unwatches, 1);
}

static void guest_in_front_is_asked_for_the_size(void **state)
{
	int asked = stage.sources[1].asked;

	assert_int_equal(stage.sources[0].asked_width, WIDTH);
	assert_int_equal(stage.sources[0].asked_height, HEIGHT);
	compositor_show_guest(stage.compositor, 2);
	assert_int_equal(stage.sources[1].asked, asked + 1);
	assert_int_equal(stage.sources[1].asked_width, WIDTH);
}

static void damage_of_the_guest_in_front_is_drawn(void **state)
{
	uint64_t bytes = compositor_bytes_written(stage.compositor);
	pixman_box32_t box = { 10, 20, 74, 84 };
	int commits = stage.screen.commits;

	test_frame_set(source(1)->frame, 30, 40, 0x123456);
	frame_source_damage(source(1), &box);
	settle();
	assert_int_equal(stage.screen.commits, commits + 1);
	assert_drawn(10, 20, 74, 84);
	assert_int_equal(compositor_bytes_written(stage.compositor) - bytes, 64 * 64 * 4);
	assert_true(screen_shows(source(1)->frame));
	/* Somebody behind it changes nothing. */
	frame_source_damage(source(2), &box);
	assert_idle();
}

static void new_frames_replace_old_ones(void **state)
{
	struct frame *old = frame_lock(source(1)->frame);
	struct compositor_placement at;

	frame_source_set_frame(source(1), new_frame(WIDTH, HEIGHT));
	settle();
	assert_true(screen_shows(source(1)->frame));
	/* Nobody but the test still holds the old one. */
	assert_int_equal(old->locks, 1);
	frame_unlock(old);
	frame_source_set_frame(source(1), new_frame(320, 200));
	assert_true(compositor_placement(stage.compositor, &at));
	assert_int_equal(at.x, 0);
	assert_int_equal(at.y, 40);
	assert_int_equal(at.width, 640);
	assert_int_equal(at.height, 400);
	assert_int_equal(at.frame_width, 320);
	frame_source_set_frame(source(1), NULL);
	assert_false(compositor_placement(stage.compositor, &at));
	settle();
}

static void last_picture_stays_without_a_source(void **state)
{
	struct frame *last = frame_lock(source(1)->frame);

	compositor_set_guest(stage.compositor, 1,
			     &(struct scene_guest){ .name = "one", .slot = 1, .state = "running" });
	settle();
	assert_true(screen_shows(last));
	assert_false(source(1)->watched);
	frame_unlock(last);
	set_guest(1, NULL);
	assert_true(source(1)->watched);
}

static void toast_goes_by_itself(void **state)
{
	uint64_t start = clock_now_ns();
	int commits;

	compositor_toast(stage.compositor, "one");
	settle();
	assert_false(screen_shows(source(1)->frame));
	commits = stage.screen.commits;
	while (stage.screen.commits == commits && clock_now_ns() - start < 5 * NSEC_PER_SEC) {
		sd_event_run(stage.event, 1000000);
	}
	assert_true(clock_now_ns() - start > NSEC_PER_SEC);
	assert_true(screen_shows(source(1)->frame));
	/* Only its rectangle was drawn. */
	assert_true(pixman_region32_extents(&stage.screen.drawn)->x2 -
			    pixman_region32_extents(&stage.screen.drawn)->x1 <
		    WIDTH / 2);
	assert_idle();
}

static void lines_come_and_go(void **state)
{
	compositor_notice(stage.compositor, "does not answer");
	settle();
	assert_false(screen_shows(source(1)->frame));
	assert_idle();
	compositor_notice(stage.compositor, NULL);
	compositor_help(stage.compositor, "A\tone\n");
	settle();
	assert_false(screen_shows(source(1)->frame));
	compositor_help(stage.compositor, NULL);
	settle();
	assert_true(screen_shows(source(1)->frame));
}

/* How far something has come: beside the notice, and drawn only when it says something else. */
static void progress_is_a_line_of_its_own(void **state)
{
	struct compositor *c = stage.compositor;
	pixman_box32_t alone, both;
	int commits;

	compositor_progress(c, "gpu: leaves one, 1 s");
	settle();
	alone = *pixman_region32_extents(&stage.screen.drawn);
	assert_in_range(alone.y1, HEIGHT / 2, HEIGHT);
	assert_true(alone.x1 > 0 && alone.x2 < WIDTH && alone.y2 < HEIGHT);
	commits = stage.screen.commits;
	compositor_progress(c, "gpu: leaves one, 1 s");
	assert_idle();
	assert_int_equal(stage.screen.commits, commits);
	compositor_progress(c, "gpu: leaves one, 2 s");
	settle();
	assert_int_equal(stage.screen.commits, commits + 1);
	compositor_notice(c, "does not answer");
	settle();
	/* Both: the line has made room. */
	compositor_progress(c, "gpu: comes to two, 3 s");
	settle();
	both = *pixman_region32_extents(&stage.screen.drawn);
	assert_true(both.y2 < alone.y1);
	compositor_notice(c, NULL);
	settle();
	assert_false(screen_shows(source(1)->frame));
	compositor_progress(c, NULL);
	settle();
	assert_true(screen_shows(source(1)->frame));
}

static void nothing_happens_when_idle(void **state)
{
	assert_idle();
	compositor_show_switcher(stage.compositor, true);
	settle_previews();
	assert_idle();
	set_guest(2, NULL);
	compositor_toast(stage.compositor, NULL);
	assert_idle();
}

/* Waits until that many pictures more were shown, at most five seconds. */
static void wait_for_commits(int more)
{
	uint64_t deadline = clock_now_ns() + 5 * NSEC_PER_SEC;
	int wanted = stage.screen.commits + more;

	while (stage.screen.commits < wanted) {
		assert_true(clock_now_ns() < deadline);
		sd_event_run(stage.event, 100000);
	}
}

static void previews_are_live_at_a_bounded_rate(void **state)
{
	pixman_box32_t box = { 0, 0, WIDTH, HEIGHT };
	uint64_t start;
	int commits, floods = 0;

	compositor_show_switcher(stage.compositor, true);
	settle_previews();
	/* One change is shown once. */
	frame_source_damage(source(2), &box);
	wait_for_commits(1);
	assert_idle();
	/* A guest that floods updates gets no more than its ten a second. */
	commits = stage.screen.commits;
	start = clock_now_ns();
	while (clock_now_ns() - start < 500 * NSEC_PER_MSEC) {
		frame_source_damage(source(2), &box);
		floods++;
		sd_event_run(stage.event, 1000);
	}
	assert_true(floods > 50);
	assert_in_range(stage.screen.commits - commits, 1, 7);
	wait_for_commits(1);
	assert_idle();
}

static void switcher_selects_and_filters(void **state)
{
	struct compositor *c = stage.compositor;

	compositor_show_guest(c, 2);
	compositor_show_switcher(c, true);
	assert_true(compositor_switcher_open(c));
	assert_int_equal(compositor_switcher_selected(c), 2);
	compositor_switcher_move(c, 1, 0);
	assert_int_equal(compositor_switcher_selected(c), 3);
	compositor_switcher_move(c, 1, 0);
	assert_int_equal(compositor_switcher_selected(c), 3);
	compositor_switcher_move(c, -5, 0);
	assert_int_equal(compositor_switcher_selected(c), 1);
	compositor_switcher_filter(c, "T");
	assert_int_equal(compositor_switcher_selected(c), 2);
	compositor_switcher_select(c, 1);
	assert_int_equal(compositor_switcher_selected(c), 2);
	compositor_switcher_filter(c, "nobody");
	assert_int_equal(compositor_switcher_selected(c), 0);
	compositor_switcher_filter(c, NULL);
	assert_int_equal(compositor_switcher_selected(c), 1);
	compositor_remove_guest(c, 1);
	assert_int_equal(compositor_switcher_selected(c), 2);
	set_guest(1, NULL);
}

static void pointer_finds_every_card(void **state)
{
	bool found[GUESTS + 1] = { false };

	assert_int_equal(compositor_switcher_pointer(stage.compositor, 1, 1), 0);
	compositor_show_switcher(stage.compositor, true);
	for (int y = 0; y < HEIGHT; y += 20) {
		for (int x = 0; x < WIDTH; x += 20) {
			found[compositor_switcher_pointer(stage.compositor, x, y)] = true;
		}
	}
	assert_true(found[0] && found[1] && found[2] && found[3]);
	settle();
}

static void set_guest_cursor(void)
{
	struct cursor_image *image = cursor_image_create(16, 16);

	assert_non_null(image);
	for (int i = 0; i < 256; i++) {
		image->pixels[i] = 0xff00ff00;
	}
	frame_source_set_cursor(source(1), image);
	frame_source_move_cursor(source(1), 100, 100, true);
}

static void cursor_without_a_plane_is_drawn(void **state)
{
	set_guest_cursor();
	settle();
	assert_int_equal(screen_pixel(100, 100), 0x00ff00);
	assert_int_equal(screen_pixel(115, 115), 0x00ff00);
	assert_int_not_equal(screen_pixel(116, 116), 0x00ff00);
	frame_source_move_cursor(source(1), 200, 100, true);
	settle();
	assert_int_equal(screen_pixel(100, 100), test_frame_rgb(source(1)->frame, 100, 100));
	assert_int_equal(screen_pixel(200, 100), 0x00ff00);
	frame_source_move_cursor(source(1), 200, 100, false);
	settle();
	assert_true(screen_shows(source(1)->frame));
}

static void cursor_on_a_plane_is_not_drawn(void **state)
{
	int commits;

	stage.screen.has_plane = true;
	set_guest_cursor();
	settle();
	assert_true(screen_shows(source(1)->frame));
	assert_ptr_equal(stage.screen.plane, source(1)->cursor.image);
	commits = stage.screen.commits;
	frame_source_move_cursor(source(1), 50, 60, true);
	settle();
	/* It moved without a picture being drawn. */
	assert_int_equal(stage.screen.commits, commits);
	assert_int_equal(stage.screen.plane_x, 50);
	assert_int_equal(stage.screen.plane_y, 60);
	/* Over the switcher it is gone, then ours is there. */
	compositor_show_switcher(stage.compositor, true);
	assert_null(stage.screen.plane);
	compositor_switcher_pointer(stage.compositor, 300, 200);
	assert_non_null(stage.screen.plane);
	assert_ptr_not_equal(stage.screen.plane, source(1)->cursor.image);
	compositor_show_switcher(stage.compositor, false);
	assert_ptr_equal(stage.screen.plane, source(1)->cursor.image);
	/* A plane that refuses from now on: drawn, and nothing left on the plane. */
	compositor_show_guest(stage.compositor, 2);
	assert_null(stage.screen.plane);
	stage.screen.has_plane = false;
	compositor_show_guest(stage.compositor, 1);
	settle();
	assert_int_equal(screen_pixel(50, 60), 0x00ff00);
}

static void dead_guests_are_grey(void **state)
{
	set_guest(1, "does not answer");
	settle();
	for (int32_t x = 0; x < WIDTH; x += 16) {
		uint32_t rgb = screen_pixel(x, 3);

		assert_int_equal(rgb, (rgb & 0xff) * 0x010101u);
	}
	set_guest(1, NULL);
	settle();
	assert_true(screen_shows(source(1)->frame));
	frame_source_set_live(source(1), false, "broke the protocol");
	settle();
	assert_false(screen_shows(source(1)->frame));
	frame_source_set_live(source(1), true, NULL);
	settle();
	assert_true(screen_shows(source(1)->frame));
}

static cairo_status_t read_fd(void *closure, unsigned char *data, unsigned int length)
{
	return read(*(int *)closure, data, length) == (ssize_t)length ? CAIRO_STATUS_SUCCESS
								      : CAIRO_STATUS_READ_ERROR;
}

/* The PNG in fd has the pixels of the frame. */
static void assert_png(int fd, const struct frame *frame)
{
	cairo_surface_t *png;
	const uint8_t *row;

	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	png = cairo_image_surface_create_from_png_stream(read_fd, &fd);
	assert_int_equal(cairo_surface_status(png), CAIRO_STATUS_SUCCESS);
	assert_int_equal(cairo_image_surface_get_width(png), frame->width);
	assert_int_equal(cairo_image_surface_get_height(png), frame->height);
	for (uint32_t y = 0; y < frame->height; y++) {
		row = cairo_image_surface_get_data(png) +
		      (size_t)y * (size_t)cairo_image_surface_get_stride(png);
		for (uint32_t x = 0; x < frame->width; x++) {
			uint32_t rgb = ((const uint32_t *)(const void *)row)[x] & 0xffffff;

			assert_int_equal(rgb, test_frame_rgb(frame, (int32_t)x, (int32_t)y));
		}
	}
	cairo_surface_destroy(png);
}

static void assert_writes(const struct picture *picture, const struct frame *frame)
{
	int fd = memfd_create("screenshot", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(picture_write_png(picture, fd), 0);
	assert_png(fd, frame);
	close(fd);
}

static void screenshots_have_the_pixels(void **state)
{
	struct picture *screen, *guest, *nobody;

	assert_int_equal(compositor_picture_take(stage.compositor, 0, &screen), 0);
	assert_writes(screen, source(1)->frame);
	assert_int_equal(compositor_picture_take(stage.compositor, 3, &guest), 0);
	assert_writes(guest, source(3)->frame);
	assert_int_equal(compositor_picture_take(stage.compositor, 77, &nobody), -ENODATA);
	/* A descriptor that takes nothing. */
	assert_int_equal(picture_write_png(guest, -1), -EBADF);
	picture_destroy(screen);
	picture_destroy(guest);
	picture_destroy(NULL);
}

/* Copying it would keep the loop for a second. */
static void screenshots_of_absurd_pictures_are_refused(void **state)
{
	struct frame absurd = { .kind = FRAME_SHM,
				.width = FRAME_SIDE_MAX,
				.height = FRAME_SIDE_MAX,
				.fourcc = DRM_FORMAT_XRGB8888,
				.stride = 4 * FRAME_SIDE_MAX,
				.locks = 2 };
	struct picture *picture;

	frame_source_set_frame(source(3), &absurd);
	assert_int_equal(compositor_picture_take(stage.compositor, 3, &picture), -EFBIG);
	frame_source_set_frame(source(3), new_frame(WIDTH, HEIGHT));
	assert_int_equal(absurd.locks, 1);
}

/* They are written later, by a thread that knows nothing of what becomes of the original. */
static void screenshots_outlive_what_they_show(void **state)
{
	struct picture *screen, *guest;

	assert_int_equal(compositor_picture_take(stage.compositor, 0, &screen), 0);
	assert_int_equal(compositor_picture_take(stage.compositor, 3, &guest), 0);
	compositor_show_guest(stage.compositor, 2);
	compositor_remove_guest(stage.compositor, 3);
	settle();
	assert_true(screen_shows(source(2)->frame));
	assert_writes(screen, source(1)->frame);
	assert_writes(guest, source(3)->frame);
	picture_destroy(screen);
	picture_destroy(guest);
	set_guest(3, NULL);
}

static void back_end_without_a_session_says_so(void **state)
{
	assert_int_equal(compositor_switch_vt(stage.compositor, 2), -ENOTSUP);
	assert_int_equal(compositor_open_device(stage.compositor, "/dev/null"), -ENOTSUP);
	assert_int_equal(compositor_export_fd(stage.compositor), -ENOTSUP);
	assert_string_equal(compositor_seat_name(stage.compositor), "seat0");
	assert_string_equal(compositor_renderer_name(stage.compositor), "pixman");
	assert_string_equal(compositor_backend_name(stage.compositor), "headless");
	assert_int_equal(compositor_refresh_mhz(stage.compositor), 1000000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_set_up, stage_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(switching_shows_the_last_frame),
		TEST(only_who_is_seen_is_watched),
		TEST(guest_in_front_is_asked_for_the_size),
		TEST(damage_of_the_guest_in_front_is_drawn),
		TEST(new_frames_replace_old_ones),
		TEST(last_picture_stays_without_a_source),
		TEST(toast_goes_by_itself),
		TEST(lines_come_and_go),
		TEST(progress_is_a_line_of_its_own),
		TEST(nothing_happens_when_idle),
		TEST(previews_are_live_at_a_bounded_rate),
		TEST(switcher_selects_and_filters),
		TEST(pointer_finds_every_card),
		TEST(cursor_without_a_plane_is_drawn),
		TEST(cursor_on_a_plane_is_not_drawn),
		TEST(dead_guests_are_grey),
		TEST(screenshots_have_the_pixels),
		TEST(screenshots_of_absurd_pictures_are_refused),
		TEST(screenshots_outlive_what_they_show),
		TEST(back_end_without_a_session_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
