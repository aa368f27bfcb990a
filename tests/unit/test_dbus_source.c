// SPDX-License-Identifier: MIT
/*
 * The display source against a QEMU of the test's own: an honest one, a lying one, one that
 * truncates its memory, never draws, floods, or dies. Whatever comes, that guest loses its picture
 * at most.
 */
#include "tests/unit/test.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/unit/fake_display.h"

/* ---- tests ---- */

static void test_shared_memory(void **fixture)
{
	struct fake_display *qemu = *fixture;
	int fd = fake_display_show(qemu);
	const struct frame *frame = qemu->source->frame;

	assert_int_equal(qemu->frames, 1);
	assert_true(qemu->source->live);
	assert_int_equal(frame->width, 64);
	assert_int_equal(frame->fourcc, DRM_FORMAT_XRGB8888);
	assert_int_equal(pwrite(fd, "\x42", 1, 64 * 4 + 8), 1);
	assert_int_equal(frame->pixels[64 * 4 + 8], 0x42);

	FAKE_DISPLAY_SEND(qemu, IFACE_MAP, "UpdateMap", "iiii", -5, 30, 10, 100);
	fake_display_settle(qemu);
	assert_int_equal(qemu->damages, 1);
	assert_int_equal(qemu->damage.x1, 0);
	assert_int_equal(qemu->damage.x2, 5);
	assert_int_equal(qemu->damage.y1, 30);
	assert_int_equal(qemu->damage.y2, 32);

	/* Nothing of it is visible: nobody is told. */
	FAKE_DISPLAY_SEND(qemu, IFACE_MAP, "UpdateMap", "iiii", 64, 0, 10, 10);
	FAKE_DISPLAY_SEND(qemu, IFACE_MAP, "UpdateMap", "iiii", 0, 0, 0, 10);
	fake_display_settle(qemu);
	assert_int_equal(qemu->damages, 1);
	close(fd);
}

/* Another mapping and, as QEMU has it, its update at once. */
static void flip(struct fake_display *qemu, int fd, uint32_t offset, uint32_t width)
{
	fake_display_map(qemu, fd, offset, width, 32, 256, PIXMAN_x8r8g8b8);
	FAKE_DISPLAY_SEND(qemu, IFACE_MAP, "UpdateMap", "iiii", 0, 0, 1, 1);
	fake_display_wait(qemu, fake_display_is_answered);
	assert_int_equal(qemu->answer, 0);
	fake_display_settle(qemu);
}

static void test_page_flips_reuse_mappings(void **fixture)
{
	struct fake_display *qemu = *fixture;
	int fds[3] = { fake_display_memory(8192), fake_display_memory(8192),
		       fake_display_memory(8192) };
	const uint8_t *pixels[3];

	for (int i = 0; i < 9; i++) {
		flip(qemu, fds[i % 3], 0, 64);
		if (i < 3) {
			pixels[i] = qemu->source->frame->pixels;
		} else {
			assert_ptr_equal(qemu->source->frame->pixels, pixels[i % 3]);
		}
	}
	assert_int_equal(qemu->frames, 9);
	/* A sub-rectangle of the same memory is another frame. */
	flip(qemu, fds[0], 128, 32);
	assert_ptr_equal(qemu->source->frame->pixels, pixels[0] + 128);
	/* QEMU told of each twice, and it is drawn once; but for the first, which was no flip. */
	assert_int_equal(qemu->frames, 10);
	assert_int_equal(qemu->damages, 1);
	for (int i = 0; i < 3; i++) {
		close(fds[i]);
	}
}

static bool is_flipped(void *data)
{
	return ((struct fake_display *)data)->frames > 1;
}

static void test_a_flip_without_update_is_shown(void **fixture)
{
	struct fake_display *qemu = *fixture;
	int first = fake_display_show(qemu), second = fake_display_memory(8192);

	assert_int_equal(pwrite(second, "\x42", 1, 0), 1);
	fake_display_map(qemu, second, 0, 64, 32, 256, PIXMAN_x8r8g8b8);
	fake_display_wait(qemu, is_flipped);
	assert_int_equal(qemu->answer, 0);
	assert_int_equal(qemu->source->frame->pixels[0], 0x42);
	close(first);
	close(second);
}

/* No update gets through, and flips follow each other faster than any is waited for. Ten pictures
 * and not one: a break in the loop of this test shows one by chance. */
static void test_endless_flips_are_shown(void **fixture)
{
	struct fake_display *qemu = *fixture;
	uint64_t deadline = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;

	close(fake_display_show(qemu));
	while (qemu->frames <= 10) {
		int fd = fake_display_memory(8192);

		assert_true(clock_now_ns() < deadline);
		fake_display_map(qemu, fd, 0, 64, 32, 256, PIXMAN_x8r8g8b8);
		fake_display_wait(qemu, fake_display_is_answered);
		/* The one that is shown stays readable, however many came since. */
		assert_int_equal(qemu->source->frame->pixels[0], 0);
		close(fd);
	}
}

static void assert_nothing_is_left_to_do(struct fake_display *qemu, uint64_t usec)
{
	while (sd_event_run(qemu->event, 0) > 0) {
	}
	assert_int_equal(sd_event_run(qemu->event, usec), 0);
}

static void test_what_follows_a_flip_replaces_it(void **fixture)
{
	struct fake_display *qemu = *fixture;
	int fd = fake_display_show(qemu), other = fake_display_memory(8192);

	fake_display_map(qemu, other, 0, 64, 32, 256, PIXMAN_x8r8g8b8);
	fake_display_bytes(qemu, "Scanout", (int32_t[4]){ 16, 16 }, 64, PIXMAN_x8r8g8b8, 64 * 16);
	assert_nothing_is_left_to_do(qemu, 50000);
	assert_int_equal(qemu->frames, 2);
	assert_int_equal(qemu->source->frame->width, 16);

	fake_display_map(qemu, other, 0, 64, 32, 256, PIXMAN_x8r8g8b8);
	FAKE_DISPLAY_SEND(qemu, IFACE, "Disable", "");
	assert_nothing_is_left_to_do(qemu, 50000);
	assert_int_equal(qemu->frames, 3);
	assert_null(qemu->source->frame);
	close(other);
	close(fd);
}

static void test_absurd_geometry_cuts_off(void **fixture)
{
	static const struct {
		uint32_t offset, width, height, stride;
		bool packed; /* 16 bits a pixel */
	} lies[] = {
		{ 0, 0, 32, 256 },
		{ 0, 64, 0, 256 },
		{ 0, FRAME_SIDE_MAX + 1, 1, 1u << 20 },
		{ 0, 64, 33, 256 },
		{ 4, 64, 32, 256 },
		{ 0, 64, 32, 255 },
		{ 0, 64, 32, 128 },
		{ 0, 64, 16384, UINT32_MAX },
		{ UINT32_MAX - 3, 64, 32, 256 },
		{ 0, UINT32_MAX, UINT32_MAX, UINT32_MAX },
		{ 2, 16, 16, 64 },
		{ 0, 16, 1, UINT32_MAX - 63 },
		{ 0, 17, 16, 34, .packed = true },
	};
	int fd = fake_display_memory(64 * 4 * 32);

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct fake_display *qemu;

		if (i > 0) {
			fake_display_teardown(fixture);
			fake_display_setup(fixture);
		}
		qemu = *fixture;
		fake_display_map(qemu, fd, lies[i].offset, lies[i].width, lies[i].height,
				 lies[i].stride, lies[i].packed ? PIXMAN_r5g6b5 : PIXMAN_x8r8g8b8);
		fake_display_assert_cut_off(qemu);
		assert_null(qemu->source->frame);
	}
	close(fd);
}

static void test_what_cannot_be_mapped_is_refused_only(void **fixture)
{
	struct fake_display *qemu = *fixture;
	int pipes[2], fd = fake_display_memory(8192);

	assert_int_equal(pipe(pipes), 0);
	fake_display_map(qemu, pipes[0], 0, 64, 32, 256, PIXMAN_x8r8g8b8);
	fake_display_wait(qemu, fake_display_is_answered);
	assert_int_equal(qemu->answer, -EINVAL);
	fake_display_map(qemu, fd, 0, 16, 16, 256, PIXMAN_a8);
	fake_display_wait(qemu, fake_display_is_answered);
	assert_true(qemu->answer < 0);
	assert_false(qemu->closed);
	assert_true(qemu->source->live);

	/* QEMU then sends bytes. */
	fake_display_bytes(qemu, "Scanout", (int32_t[4]){ 16, 16 }, 64, PIXMAN_x8r8g8b8, 64 * 16);
	fake_display_settle(qemu);
	assert_int_equal(qemu->source->frame->width, 16);
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

static void test_truncated_memory(void **fixture)
{
	struct fake_display *qemu = *fixture;
	int fd = fake_display_memory(1 << 20);
	const struct frame *frame;
	unsigned int sum = 0;

	assert_int_equal(pwrite(fd, "\x42", 1, 0), 1);
	fake_display_map(qemu, fd, 0, 512, 512, 2048, PIXMAN_x8r8g8b8);
	fake_display_wait(qemu, fake_display_is_answered);
	frame = qemu->source->frame;
	assert_int_equal(ftruncate(fd, 4096), 0);
	for (size_t i = 0; i < (size_t)frame->stride * frame->height; i++) {
		sum += frame->pixels[i];
	}
	assert_int_equal(sum, 0x42);
	close(fd);
}

static void test_bytes(void **fixture)
{
	struct fake_display *qemu = *fixture;

	/* An update before any scan-out is legal and of no use. */
	fake_display_bytes(qemu, "Update", (int32_t[4]){ 0, 0, 4, 4 }, 16, PIXMAN_x8r8g8b8, 64);
	fake_display_settle(qemu);
	assert_null(qemu->source->frame);

	fake_display_bytes(qemu, "Scanout", (int32_t[4]){ 30, 10 }, 32, PIXMAN_r5g6b5, 640);
	fake_display_assert_cut_off(qemu); /* 30 pixels of two bytes do not fit into 32 */
}

static void test_bytes_of_every_format(void **fixture)
{
	static const uint32_t formats[] = { PIXMAN_x8r8g8b8, PIXMAN_a8r8g8b8, PIXMAN_x8b8g8r8,
					    PIXMAN_a8b8g8r8, PIXMAN_r5g6b5,   PIXMAN_x1r5g5b5,
					    PIXMAN_r8g8b8,   PIXMAN_b8g8r8,   PIXMAN_b8g8r8x8 };
	struct fake_display *qemu = *fixture;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		fake_display_bytes(qemu, "Scanout", (int32_t[4]){ 20, 10 }, 80, formats[i], 800);
		fake_display_settle(qemu);
		assert_int_equal(qemu->frames, 1); /* the same size: the frame is drawn over */
		assert_int_equal(qemu->source->frame->fourcc, DRM_FORMAT_XRGB8888);
		assert_int_not_equal(qemu->source->frame->pixels[0], 0);
	}
	/* Partly outside, and a part that is larger than the picture. */
	fake_display_bytes(qemu, "Update", (int32_t[4]){ -3, 5, 10, 100 }, 40, PIXMAN_x8r8g8b8,
			   4000);
	fake_display_settle(qemu);
	assert_int_equal(qemu->damage.x2, 7);
	assert_int_equal(qemu->damage.y2, 10);
	fake_display_bytes(qemu, "Update", (int32_t[4]){ 0, 0, 10, 10 }, 40, PIXMAN_x8r8g8b8, 399);
	fake_display_assert_cut_off(qemu);
}

static void test_cursor(void **fixture)
{
	struct fake_display *qemu = *fixture;
	const struct cursor_state *cursor = &qemu->source->cursor;

	FAKE_DISPLAY_SEND(qemu, IFACE, "MouseSet", "iii", 100, 50, 1);
	fake_display_cursor(qemu, 16, 8, 3, 400, 16 * 8 * 4);
	fake_display_settle(qemu);
	assert_true(cursor->visible);
	assert_int_equal(cursor->image->width, 16);
	assert_int_equal(cursor->image->hot_y, 7); /* clamped into the image */
	/* QEMU tells where the image is, we where its hot spot is. */
	assert_int_equal(cursor->x, 103);
	assert_int_equal(cursor->y, 57);
	FAKE_DISPLAY_SEND(qemu, IFACE, "MouseSet", "iii", INT32_MAX, INT32_MIN, 1);
	fake_display_settle(qemu);
	assert_false(cursor->visible);
	fake_display_cursor(qemu, 513, 1, 0, 0, 513 * 4);
	fake_display_assert_cut_off(qemu);
}

static void test_short_cursor_cuts_off(void **fixture)
{
	struct fake_display *qemu = *fixture;

	fake_display_cursor(qemu, 16, 16, 0, 0, 16 * 16 * 4 - 1);
	fake_display_assert_cut_off(qemu);
}

static void test_unwatched_keeps_the_frame_and_costs_nothing(void **fixture)
{
	struct fake_display *qemu = *fixture;
	int fd = fake_display_show(qemu);

	frame_source_set_watched(qemu->source, false);
	fake_display_wait(qemu, fake_display_is_closed);
	assert_int_equal(fake_vm_farewells(qemu->vm), 1);
	assert_non_null(qemu->source->frame);
	assert_true(qemu->source->live);
	/* The guest goes on drawing into what we still have mapped. */
	assert_int_equal(pwrite(fd, "\x17", 1, 0), 1);
	assert_int_equal(qemu->source->frame->pixels[0], 0x17);

	assert_nothing_is_left_to_do(qemu, 600000);

	frame_source_set_watched(qemu->source, true);
	qemu->registered = false;
	fake_display_wait(qemu, fake_display_is_registered);
	assert_int_equal(qemu->registrations, 2);
	/* The same picture once more: damage, but no other frame and no other mapping. */
	fake_display_map(qemu, fd, 0, 64, 32, 256, PIXMAN_x8r8g8b8);
	fake_display_wait(qemu, fake_display_is_answered);
	assert_int_equal(qemu->answer, 0);
	assert_int_equal(qemu->frames, 1);
	assert_int_equal(qemu->damages, 1);
	close(fd);
}

/* A switch ends with the listener's first mapping, not with the update behind it; nor does a flip
 * that the last listener brought come after it. */
static void test_a_first_mapping_is_shown_at_once(void **fixture)
{
	struct fake_display *qemu = *fixture;
	int first = fake_display_show(qemu), second = fake_display_memory(8192);

	fake_display_map(qemu, second, 0, 64, 32, 256, PIXMAN_x8r8g8b8);
	fake_display_wait(qemu, fake_display_is_answered);
	fake_vm_disconnect(qemu->vm);
	qemu->registered = false;
	fake_display_connect(qemu);
	fake_display_wait(qemu, fake_display_is_registered);
	qemu->frames = 0;
	fake_display_map(qemu, second, 0, 32, 32, 256, PIXMAN_x8r8g8b8);
	fake_display_wait(qemu, fake_display_is_answered);
	assert_int_equal(qemu->frames, 1);
	assert_int_equal(qemu->source->frame->width, 32);
	assert_nothing_is_left_to_do(qemu, 50000);
	assert_int_equal(qemu->frames, 1);
	close(first);
	close(second);
}

/* The end of a listener makes QEMU release all keys, so it comes after those that were typed. */
static void test_a_listener_outlives_keys(void **fixture)
{
	struct fake_display *qemu = *fixture;
	int fd = fake_display_show(qemu);

	vm_set_keys_under_way(qemu->vm, true);
	frame_source_set_watched(qemu->source, false);
	fake_display_settle(qemu);
	assert_false(qemu->closed);
	vm_set_keys_under_way(qemu->vm, false);
	fake_display_wait(qemu, fake_display_is_closed);

	/* It is not opened for them. */
	vm_set_keys_under_way(qemu->vm, true);
	vm_set_keys_under_way(qemu->vm, false);
	while (sd_event_run(qemu->event, 0) > 0) {
	}
	assert_int_equal(qemu->registrations, 1);
	close(fd);
}

static void test_an_unwatched_guest_has_its_first_picture(void **fixture)
{
	struct fake_display *qemu = *fixture;
	int fd = fake_display_memory(8192);

	frame_source_set_watched(qemu->source, false);
	fake_display_settle(qemu); /* it is still listened to */
	fake_display_map(qemu, fd, 0, 64, 32, 256, PIXMAN_x8r8g8b8);
	fake_display_wait(qemu, fake_display_is_closed);
	assert_int_equal(qemu->source->frame->width, 64);
	assert_true(qemu->source->live);
	assert_int_equal(qemu->registrations, 1);
	close(fd);
}

static bool is_registered_twice(void *data)
{
	return ((struct fake_display *)data)->registrations == 2;
}

static void test_a_lost_registration_is_repeated(void **fixture)
{
	struct fake_display *qemu = *fixture;

	fake_display_wait(qemu, is_registered_twice);
}

static void test_death_and_return(void **fixture)
{
	struct fake_display *qemu = *fixture;
	int fd = fake_display_show(qemu);

	fake_display_drop(qemu);
	qemu->registered = false;
	fake_vm_disconnect(qemu->vm);
	assert_false(qemu->source->live);
	assert_non_null(qemu->source->reason);
	assert_non_null(qemu->source->frame);
	fake_display_connect(qemu);
	fake_display_wait(qemu, fake_display_is_registered);
	assert_true(qemu->source->live);
	close(fd);
}

/* A reason lives until the next change only; the source's is still asked for while it changes. */
static void test_reasons_are_kept(void **fixture)
{
	struct fake_display *qemu = *fixture;

	fake_vm_disconnect(qemu->vm);
	fake_vm_set_reason(qemu->vm, "it ended");
	assert_string_equal(qemu->source->reason, "it ended");
	fake_vm_set_reason(qemu->vm, "it does not start");
	assert_string_equal(qemu->source->reason, "it does not start");
	fake_vm_set_reason(qemu->vm, NULL);
	assert_string_equal(qemu->source->reason, "not running");
}

static bool is_not_live(void *data)
{
	return !((struct fake_display *)data)->source->live;
}

static void test_a_closed_listener_is_said(void **fixture)
{
	struct fake_display *qemu = *fixture;
	int fd = fake_display_show(qemu);

	sd_bus_close(qemu->bus);
	fake_display_wait(qemu, is_not_live);
	assert_string_equal(qemu->source->reason, "QEMU closed its display");
	assert_non_null(qemu->source->frame);

	/* The next that is heard of the guest is a reason to try again. */
	qemu->registered = false;
	fake_vm_set_hung(qemu->vm, false);
	fake_display_wait(qemu, fake_display_is_registered);
	assert_true(qemu->source->live);
	close(fd);
}

static void test_a_new_qemu_has_no_pointer_yet(void **fixture)
{
	struct fake_display *qemu = *fixture;

	FAKE_DISPLAY_SEND(qemu, IFACE, "MouseSet", "iii", 100, 50, 1);
	fake_display_cursor(qemu, 16, 8, 3, 4, 16 * 8 * 4);
	fake_display_settle(qemu);
	assert_non_null(qemu->source->cursor.image);
	fake_display_drop(qemu);
	fake_vm_disconnect(qemu->vm);
	fake_display_connect(qemu);
	assert_null(qemu->source->cursor.image);
	assert_false(qemu->source->cursor.visible);
}

static void test_hung_is_old_and_keeps_its_listener(void **fixture)
{
	struct fake_display *qemu = *fixture;
	int fd = fake_display_show(qemu);

	fake_vm_set_hung(qemu->vm, true);
	assert_false(qemu->source->live);
	assert_string_equal(qemu->source->reason, "does not answer");
	fake_vm_set_hung(qemu->vm, false);
	assert_true(qemu->source->live);
	fake_display_settle(qemu);
	assert_int_equal(qemu->registrations, 1);
	close(fd);
}

static bool is_resized(void *data)
{
	return ((struct fake_display *)data)->resized == 1;
}

static void test_size_request(void **fixture)
{
	struct fake_display *qemu = *fixture;

	frame_source_request_size(qemu->source, 1920, 1080);
	frame_source_request_size(qemu->source, 1920, 1080);
	fake_display_wait(qemu, is_resized);
	fake_display_settle(qemu);
	assert_int_equal(qemu->resized, 1);
}

#define FLOOD 20000

/* A flood in one go: other sources have their turn in between, however fast or slow we are. */
static void test_flood(void **fixture)
{
	struct fake_display *qemu = *fixture;
	int fd = fake_display_show(qemu), most = 0;

	for (int i = 0; i < FLOOD; i++) {
		FAKE_DISPLAY_SEND(qemu, IFACE_MAP, "UpdateMap", "iiii", 0, 0, 64, 32);
	}
	while (qemu->damages < FLOOD) {
		int before = qemu->damages;

		assert_true(sd_event_run(qemu->event, DEADLINE_MS * 1000) >= 0);
		if (qemu->damages - before > most) {
			most = qemu->damages - before;
		}
	}
	print_message("at most %d updates in a turn\n", most);
	assert_in_range(most, 1, FLOOD / 2);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_display_setup, fake_display_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_shared_memory),
		TEST(test_page_flips_reuse_mappings),
		TEST(test_a_flip_without_update_is_shown),
		TEST(test_endless_flips_are_shown),
		TEST(test_what_follows_a_flip_replaces_it),
		TEST(test_absurd_geometry_cuts_off),
		TEST(test_what_cannot_be_mapped_is_refused_only),
		TEST(test_truncated_memory),
		TEST(test_bytes),
		TEST(test_bytes_of_every_format),
		TEST(test_cursor),
		TEST(test_short_cursor_cuts_off),
		TEST(test_unwatched_keeps_the_frame_and_costs_nothing),
		TEST(test_a_first_mapping_is_shown_at_once),
		TEST(test_a_listener_outlives_keys),
		TEST(test_an_unwatched_guest_has_its_first_picture),
		TEST(test_a_lost_registration_is_repeated),
		TEST(test_death_and_return),
		TEST(test_reasons_are_kept),
		TEST(test_a_closed_listener_is_said),
		TEST(test_a_new_qemu_has_no_pointer_yet),
		TEST(test_hung_is_old_and_keeps_its_listener),
		TEST(test_size_request),
		TEST(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
