// SPDX-License-Identifier: MIT
/* One source in front of several: what its observers see when the best of them changes. */
#include "tests/unit/test.h"

#include <drm_fourcc.h>
#include <stdlib.h>
#include <string.h>

#include "capture/best_source.h"

#define START_USEC 1000000000ull

struct fixture {
	sd_event *event;
	struct frame_source *best;
	struct frame_source_observer observer;
	unsigned int frames, damages, cursors, states;
	pixman_box32_t box;
	int watched; /* told; -1: nothing was */
};

/* ---- a clock that is set by hand, and the timer on it ---- */

static uint64_t now_usec, timer_usec;
static sd_event_time_handler_t timer_handler;
static void *timer_data;
static bool timer_on;

int __wrap_sd_event_now(sd_event *event, clockid_t clock, uint64_t *usec);
int __wrap_sd_event_add_time(sd_event *event, sd_event_source **source, clockid_t clock,
			     uint64_t usec, uint64_t accuracy, sd_event_time_handler_t handler,
			     void *data);
int __wrap_sd_event_source_set_time(sd_event_source *source, uint64_t usec);
int __wrap_sd_event_source_set_enabled(sd_event_source *source, int enabled);

int __wrap_sd_event_now(sd_event *event, clockid_t clock, uint64_t *usec)
{
	*usec = now_usec;
	return 0;
}

int __wrap_sd_event_add_time(sd_event *event, sd_event_source **source, clockid_t clock,
			     uint64_t usec, uint64_t accuracy, sd_event_time_handler_t handler,
			     void *data)
{
	timer_handler = handler;
	timer_data = data;
	*source = NULL;
	return 0;
}

int __wrap_sd_event_source_set_time(sd_event_source *source, uint64_t usec)
{
	timer_usec = usec;
	return 0;
}

int __wrap_sd_event_source_set_enabled(sd_event_source *source, int enabled)
{
	timer_on = enabled != SD_EVENT_OFF;
	return 0;
}

static void pass(unsigned int ms)
{
	uint64_t end = now_usec + ms * 1000;

	while (timer_on && timer_usec <= end) {
		now_usec = timer_usec > now_usec ? timer_usec : now_usec;
		timer_on = false;
		timer_handler(NULL, now_usec, timer_data);
	}
	now_usec = end;
}

/* ---- made-up sources ---- */

static unsigned int destroyed, asked;

static void made_set_watched(struct frame_source *source, bool watched)
{
}

static void made_request_size(struct frame_source *source, uint32_t width, uint32_t height)
{
	asked = width * 10000 + height;
}

static void made_destroy(struct frame_source *source)
{
	frame_source_finish(source);
	free(source);
	destroyed++;
}

static const struct frame_source_ops made_ops = { made_set_watched, made_request_size,
						  made_destroy };

static struct frame_source *make_source(void)
{
	struct frame_source *source = calloc(1, sizeof(*source));

	assert_non_null(source);
	frame_source_init(source, &made_ops);
	return source;
}

/* A new frame of that width, and alive. */
static void picture(struct frame_source *source, uint32_t width)
{
	frame_source_set_frame(source, frame_create(width, 8, DRM_FORMAT_XRGB8888));
	frame_source_set_live(source, true, NULL);
}

/* ---- the observer ---- */

static void on_frame(struct frame_source *source, void *data)
{
	((struct fixture *)data)->frames++;
}

static void on_damage(struct frame_source *source, const pixman_box32_t *box, void *data)
{
	struct fixture *f = data;

	f->damages++;
	f->box = *box;
}

static void on_cursor(struct frame_source *source, void *data)
{
	((struct fixture *)data)->cursors++;
}

static void on_state(struct frame_source *source, void *data)
{
	((struct fixture *)data)->states++;
}

static const struct frame_source_observer_ops observer_ops = { on_frame, on_damage, on_cursor,
							       on_state };

static void note_watched(bool watched, void *data)
{
	((struct fixture *)data)->watched = watched;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->watched = -1;
	now_usec = START_USEC;
	timer_on = false;
	destroyed = asked = 0;
	assert_true(sd_event_new(&f->event) >= 0);
	assert_int_equal(best_source_create(f->event, note_watched, f, &f->best), 0);
	f->observer.ops = &observer_ops;
	f->observer.data = f;
	frame_source_observe(f->best, &f->observer);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	frame_source_unobserve(&f->observer);
	frame_source_destroy(f->best);
	sd_event_unref(f->event);
	free(f);
	return 0;
}

static void forget(struct fixture *f)
{
	f->frames = f->damages = f->cursors = f->states = 0;
}

static struct frame_source *add(struct fixture *f, enum source_kind kind)
{
	struct frame_source *source = make_source();

	best_source_set(f->best, kind, source);
	assert_ptr_equal(best_source_get(f->best, kind), source);
	return source;
}

static void expect(struct fixture *f, enum source_kind kind, uint32_t width)
{
	assert_int_equal(best_source_shown(f->best), kind);
	assert_non_null(f->best->frame);
	assert_int_equal(f->best->frame->width, width);
}

/* ---- tests ---- */

static void test_one_source_is_passed_through(void **state)
{
	struct fixture *f = *state;
	struct frame_source *source = make_source();
	const pixman_box32_t box = { 1, 2, 3, 4 };

	frame_source_set_live(source, false, "starting");
	best_source_set(f->best, SOURCE_VIRTIO, source);
	assert_false(f->best->live);
	assert_string_equal(f->best->reason, "starting");
	assert_null(f->best->frame);
	picture(source, 64);
	expect(f, SOURCE_VIRTIO, 64);
	assert_true(f->best->live);
	assert_null(f->best->reason);
	forget(f);
	frame_source_damage(source, &box);
	assert_int_equal(f->damages, 1);
	assert_memory_equal(&f->box, &box, sizeof(box));
	assert_int_equal(f->frames, 0);
	frame_source_set_live(source, false, "hung");
	assert_string_equal(f->best->reason, "hung");
	expect(f, SOURCE_VIRTIO, 64);
	/* A display that is switched off has no picture, and says so. */
	frame_source_set_frame(source, NULL);
	assert_null(f->best->frame);
	assert_int_equal(best_source_shown(f->best), SOURCE_NONE);
	assert_string_equal(f->best->reason, "hung");
}

static void test_first_captured_frame_replaces_the_display(void **state)
{
	struct fixture *f = *state;
	struct frame_source *display = add(f, SOURCE_VIRTIO), *card;

	picture(display, 64);
	card = add(f, SOURCE_CARD);
	frame_source_set_live(card, false, "waits");
	expect(f, SOURCE_VIRTIO, 64);
	assert_true(f->best->live);
	forget(f);
	picture(card, 96);
	expect(f, SOURCE_CARD, 96);
	assert_int_equal(f->frames, 1); /* one change, not two */
	assert_true(f->best->live);
	forget(f);
	picture(display, 32);
	frame_source_set_live(display, false, "hung");
	assert_int_equal(f->frames + f->states + f->damages, 0);
	expect(f, SOURCE_CARD, 96);
}

static void test_display_is_back_at_once_as_it_is_now(void **state)
{
	struct fixture *f = *state;
	struct frame_source *display = add(f, SOURCE_VIRTIO), *card = add(f, SOURCE_CARD);

	picture(display, 64);
	picture(card, 96);
	expect(f, SOURCE_CARD, 96);
	picture(display, 48); /* while it was not shown */
	forget(f);
	best_source_set(f->best, SOURCE_CARD, NULL);
	expect(f, SOURCE_VIRTIO, 48);
	assert_int_equal(f->frames, 1);
	assert_int_equal(destroyed, 1);
	assert_null(best_source_get(f->best, SOURCE_CARD));
	forget(f);
	frame_source_damage(display, &(pixman_box32_t){ 0, 0, 8, 8 });
	assert_int_equal(f->damages, 1);
}

static void test_a_silent_card_is_left_after_its_grace(void **state)
{
	struct fixture *f = *state;
	struct frame_source *display = add(f, SOURCE_VIRTIO), *card = add(f, SOURCE_CARD);

	picture(display, 64);
	picture(card, 96);
	frame_source_set_live(card, false, "does not answer");
	expect(f, SOURCE_CARD, 96); /* a restart in place takes less */
	pass(SOURCE_GRACE_USEC / 1000 - 1);
	expect(f, SOURCE_CARD, 96);
	pass(2);
	expect(f, SOURCE_VIRTIO, 64);
	assert_false(timer_on);
}

static void test_what_is_put_anew_shows_nothing_old(void **state)
{
	struct fixture *f = *state;
	struct frame_source *display = add(f, SOURCE_VIRTIO), *card = add(f, SOURCE_CARD);

	picture(display, 64);
	picture(card, 96);
	card = add(f, SOURCE_CARD);
	assert_int_equal(destroyed, 1);
	expect(f, SOURCE_VIRTIO, 64);
	pass(10);
	picture(card, 80);
	expect(f, SOURCE_CARD, 80); /* it was gone: that is no failure */
}

static void test_the_pointer_is_that_of_the_shown_one(void **state)
{
	struct fixture *f = *state;
	struct frame_source *display = add(f, SOURCE_VIRTIO), *card = add(f, SOURCE_CARD);

	picture(display, 64);
	frame_source_set_cursor(display, cursor_image_create(4, 4));
	frame_source_move_cursor(display, 5, 6, true);
	assert_int_equal(f->best->cursor.x, 5);
	assert_ptr_equal(f->best->cursor.image, display->cursor.image);
	frame_source_set_cursor(card, cursor_image_create(9, 9));
	frame_source_move_cursor(card, 7, 8, true);
	assert_int_equal(f->best->cursor.image->width, 4);
	picture(card, 96);
	assert_int_equal(f->best->cursor.image->width, 9);
	assert_int_equal(f->best->cursor.y, 8);
	forget(f);
	frame_source_move_cursor(display, 1, 1, true);
	assert_int_equal(f->cursors, 0);
	best_source_set(f->best, SOURCE_CARD, NULL);
	assert_int_equal(f->best->cursor.image->width, 4);
	assert_int_equal(f->best->cursor.x, 1);
}

static void test_all_are_watched_while_it_is(void **state)
{
	struct fixture *f = *state;
	struct frame_source *display = add(f, SOURCE_VIRTIO), *card;

	assert_false(display->watched);
	assert_int_equal(f->watched, -1);
	frame_source_set_watched(f->best, true);
	assert_true(display->watched);
	assert_int_equal(f->watched, 1);
	card = add(f, SOURCE_CARD);
	assert_true(card->watched);
	frame_source_set_watched(f->best, false);
	assert_false(display->watched || card->watched);
	assert_int_equal(f->watched, 0);
	frame_source_request_size(f->best, 1280, 800);
	assert_int_equal(asked, 12800800);
}

static void test_the_last_one_leaves_its_picture(void **state)
{
	struct fixture *f = *state;
	struct frame_source *card = add(f, SOURCE_CARD);

	picture(card, 96);
	expect(f, SOURCE_CARD, 96);
	best_source_set(f->best, SOURCE_CARD, NULL);
	assert_int_equal(best_source_shown(f->best), SOURCE_NONE);
	assert_non_null(f->best->frame); /* marked as old */
	assert_false(f->best->live);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_one_source_is_passed_through),
		TEST(test_first_captured_frame_replaces_the_display),
		TEST(test_display_is_back_at_once_as_it_is_now),
		TEST(test_a_silent_card_is_left_after_its_grace),
		TEST(test_what_is_put_anew_shows_nothing_old),
		TEST(test_the_pointer_is_that_of_the_shown_one),
		TEST(test_all_are_watched_while_it_is),
		TEST(test_the_last_one_leaves_its_picture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
