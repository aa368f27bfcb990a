// SPDX-License-Identifier: MIT
/* Pictures over Looking Glass's shared memory, from a producer that keeps to the protocol. */
#include "tests/unit/test.h"

#include <drm_fourcc.h>
#include <string.h>

#include "tests/unit/kvmfr_world.h"
#include "tests/unit/timers.h"

static void expect_damage(struct kvmfr_world *world, int x1, int y1, int x2, int y2)
{
	const pixman_box32_t *box = pixman_region32_extents(&world->damage);

	assert_int_equal(box->x1, x1);
	assert_int_equal(box->y1, y1);
	assert_int_equal(box->x2, x2);
	assert_int_equal(box->y2, y2);
}

/* ---- pictures ---- */

static void test_a_picture(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	kvmfr_world_settle(world);
	assert_false(world->source->live);
	assert_string_equal(world->source->reason,
			    "waits for the first picture of the guest's card");
	assert_string_equal(kvmfr_source_uuid(world->source), WORLD_UUID);
	assert_string_equal(kvmfr_source_producer(world->source), "test 1.0");
	assert_true(kvmfr_producer_is_watched(world->producer));

	kvmfr_world_show(world, 1, NULL);
	assert_true(world->source->live);
	assert_null(world->source->reason);
	assert_int_equal(world->frames, 1);
	kvmfr_world_expect(world, 1);
	/* Read and given back: both buffers are free. */
	assert_int_equal(kvmfr_world_queue(world, KVMFR_QUEUE_FRAME)->count, 0);
}

static void check_formats(struct kvmfr_world *world, bool padded)
{
	uint32_t last =
		world->version == KVMFR_VERSION_B7 ? KVMFR_FORMAT_RGB24 : KVMFR_FORMAT_RGBA16F;

	for (uint32_t format = KVMFR_FORMAT_BGRA; format <= last; format++) {
		struct kvmfr_picture picture = kvmfr_world_picture(format);
		uint8_t *pixels;

		if (format == KVMFR_FORMAT_RGBA16F) {
			continue;
		}
		if (!padded) {
			picture.pitch = WORLD_WIDTH * (format > KVMFR_FORMAT_RGBA16F ? 3 : 4);
		}
		assert_int_equal(kvmfr_producer_begin(world->producer, &picture, &pixels), 0);
		kvmfr_world_draw(pixels, &picture, format);
		kvmfr_producer_end(world->producer);
		kvmfr_world_tick(world, 500); /* more often is not followed */
		assert_true(world->source->live);
		kvmfr_world_expect(world, format);
		assert_int_equal(world->source->frame->fourcc, format == KVMFR_FORMAT_RGBA
								       ? DRM_FORMAT_XBGR8888
								       : DRM_FORMAT_XRGB8888);
	}
}

static void test_formats(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	kvmfr_world_settle(world);
	check_formats(world, true);
	check_formats(world, false);
}

static void test_hdr_is_told(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct kvmfr_picture picture = kvmfr_world_picture(KVMFR_FORMAT_RGBA16F);
	uint8_t *pixels;

	kvmfr_world_settle(world);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(kvmfr_producer_begin(world->producer, &picture, &pixels), 0);
		kvmfr_producer_end(world->producer);
		kvmfr_world_tick(world, 16);
		assert_false(world->source->live);
		assert_string_equal(world->source->reason,
				    "the guest's picture is HDR: switch HDR off in the guest");
		picture = kvmfr_world_picture(KVMFR_FORMAT_RGBA10);
		picture.flags = KVMFR_FRAME_HDR;
	}
	kvmfr_world_show(world, 3, &kvmfr_world_box);
	assert_true(world->source->live);
	kvmfr_world_expect(world, 3);
}

static void test_damage_alone_is_copied(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	kvmfr_world_begin(world);
	kvmfr_world_forget(world);

	kvmfr_world_show(world, 2, &kvmfr_world_box);
	assert_int_equal(world->frames, 0);
	assert_int_equal(world->damages, 1);
	expect_damage(world, 8, 4, 24, 14);
	assert_int_equal(kvmfr_world_pixel(world, 8, 4), kvmfr_world_colour(2, 8, 4));
	assert_int_equal(kvmfr_world_pixel(world, 23, 13), kvmfr_world_colour(2, 23, 13));
	/* All of the guest's picture was drawn anew, and outside the box nothing of it was read. */
	assert_int_equal(kvmfr_world_pixel(world, 24, 13), kvmfr_world_colour(1, 24, 13));
	assert_int_equal(kvmfr_world_pixel(world, 7, 4), kvmfr_world_colour(1, 7, 4));
}

static void test_skipped_pictures_count_as_damage(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	const struct kvmfr_rect other = { 40, 30, 2, 2 };

	kvmfr_world_begin(world);
	kvmfr_world_forget(world);

	kvmfr_world_send(world, 2, &kvmfr_world_box);
	kvmfr_world_send(world, 3, &other);
	assert_false(kvmfr_producer_has_room(world->producer));
	kvmfr_world_tick(world, 16);
	assert_true(kvmfr_producer_has_room(world->producer));
	assert_int_equal(world->damages, 2);
	expect_damage(world, 8, 4, 42, 32);
	assert_int_equal(kvmfr_world_pixel(world, 8, 4), kvmfr_world_colour(3, 8, 4));
	assert_int_equal(kvmfr_world_pixel(world, 41, 31), kvmfr_world_colour(3, 41, 31));
	assert_int_equal(kvmfr_world_pixel(world, 30, 20), kvmfr_world_colour(1, 30, 20));
}

static void test_damage_is_clipped(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	const struct kvmfr_rect boxes[] = { { 60, 40, UINT32_MAX, UINT32_MAX },
					    { UINT32_MAX, UINT32_MAX, 2, 2 },
					    { 64, 0, 1, 1 },
					    { 0, 48, 1, 1 } };

	kvmfr_world_begin(world);
	kvmfr_world_forget(world);
	for (unsigned int i = 0; i < sizeof(boxes) / sizeof(*boxes); i++) {
		kvmfr_world_show(world, 2 + i, &boxes[i]);
		assert_true(world->source->live);
	}
	expect_damage(world, 60, 40, 64, 48);
	assert_int_equal(world->damages, 1);
}

static void test_many_boxes_become_few(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct kvmfr_picture picture = kvmfr_world_picture(KVMFR_FORMAT_BGRA);
	struct kvmfr_rect boxes[KVMFR_DAMAGE_MAX + 1];
	uint8_t *pixels;

	kvmfr_world_begin(world);
	kvmfr_world_forget(world);
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i <= KVMFR_DAMAGE_MAX; i++) {
			boxes[i] = (struct kvmfr_rect){ i % 30 * 2, i / 30 * 4 + round * 20, 1, 1 };
		}
		picture.damage = boxes;
		picture.damage_count = KVMFR_DAMAGE_MAX;
		assert_int_equal(kvmfr_producer_begin(world->producer, &picture, &pixels), 0);
		kvmfr_world_draw(pixels, &picture, 5);
		kvmfr_producer_end(world->producer);
	}
	kvmfr_world_tick(world, 16);
	assert_true(world->damages <= 64);
	assert_int_equal(kvmfr_world_pixel(world, 0, 0), kvmfr_world_colour(5, 0, 0));
	assert_int_equal(kvmfr_world_pixel(world, 6, 28), kvmfr_world_colour(5, 6, 28));

	/* More than fit into a message: the producer says that everything changed. */
	picture.damage_count = KVMFR_DAMAGE_MAX + 1;
	assert_int_equal(kvmfr_producer_begin(world->producer, &picture, &pixels), 0);
	kvmfr_world_draw(pixels, &picture, 6);
	kvmfr_producer_end(world->producer);
	kvmfr_world_tick(world, 16);
	kvmfr_world_expect(world, 6);
}

static void test_another_size(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct kvmfr_picture picture = kvmfr_world_picture(KVMFR_FORMAT_BGRA);
	uint8_t *pixels;

	kvmfr_world_begin(world);
	picture.width = 30;
	picture.height = 20;
	picture.damage = &kvmfr_world_box;
	picture.damage_count = 1;
	assert_int_equal(kvmfr_producer_begin(world->producer, &picture, &pixels), 0);
	kvmfr_world_draw(pixels, &picture, 2);
	kvmfr_producer_end(world->producer);
	kvmfr_world_tick(world, 16);
	assert_int_equal(world->frames, 2);
	assert_int_equal(world->source->frame->width, 30);
	assert_int_equal(world->source->frame->height, 20);
	assert_int_equal(kvmfr_world_pixel(world, 29, 19), kvmfr_world_colour(2, 29, 19));
	assert_int_equal(kvmfr_world_pixel(world, 0, 0), kvmfr_world_colour(2, 0, 0));
}

static void test_turned_pictures(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct kvmfr_picture picture = kvmfr_world_picture(KVMFR_FORMAT_BGRA);
	const uint32_t w = WORLD_WIDTH, h = WORLD_HEIGHT;
	uint8_t *pixels;

	kvmfr_world_settle(world);
	for (uint32_t turn = KVMFR_ROTATION_90; turn <= KVMFR_ROTATION_270; turn++) {
		/* Where the stored pixel (2, 3) is to be seen. */
		const uint32_t x[] = { 2, h - 1 - 3, w - 1 - 2, 3 };
		const uint32_t y[] = { 3, 2, h - 1 - 3, w - 1 - 2 };

		picture.rotation = turn;
		picture.damage_count = 0;
		assert_int_equal(kvmfr_producer_begin(world->producer, &picture, &pixels), 0);
		kvmfr_world_draw(pixels, &picture, turn);
		kvmfr_producer_end(world->producer);
		kvmfr_world_tick(world, 16);
		assert_int_equal(world->source->frame->width, turn == KVMFR_ROTATION_180 ? w : h);
		assert_int_equal(world->source->frame->height, turn == KVMFR_ROTATION_180 ? h : w);
		assert_int_equal(kvmfr_world_pixel(world, x[turn], y[turn]),
				 kvmfr_world_colour(turn, 2, 3));

		kvmfr_world_forget(world);
		picture.damage = &(struct kvmfr_rect){ 2, 3, 1, 1 };
		picture.damage_count = 1;
		assert_int_equal(kvmfr_producer_begin(world->producer, &picture, &pixels), 0);
		kvmfr_world_draw(pixels, &picture, turn + 4);
		kvmfr_producer_end(world->producer);
		kvmfr_world_tick(world, 16);
		expect_damage(world, (int)x[turn], (int)y[turn], (int)x[turn] + 1,
			      (int)y[turn] + 1);
		assert_int_equal(kvmfr_world_pixel(world, x[turn], y[turn]),
				 kvmfr_world_colour(turn + 4, 2, 3));
	}
}

/* ---- time ---- */

static void test_a_picture_that_is_being_written(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct kvmfr_picture picture = kvmfr_world_picture(KVMFR_FORMAT_BGRA);
	uint8_t *pixels;

	kvmfr_world_begin(world);
	assert_int_equal(kvmfr_producer_begin(world->producer, &picture, &pixels), 0);
	kvmfr_world_draw(pixels, &picture, 2);
	for (uint32_t row = 0; row < WORLD_HEIGHT; row++) {
		kvmfr_world_tick(world, 5);
		kvmfr_world_expect(world, 1);
		kvmfr_producer_advance(world->producer, row * picture.pitch);
	}
	kvmfr_producer_end(world->producer);
	kvmfr_world_tick(world, 5);
	kvmfr_world_expect(world, 2);
	assert_true(world->source->live);
}

/* Each has its own time: two slow ones are not one that never ends. */
static void test_pictures_that_are_written_slowly(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct kvmfr_picture picture = kvmfr_world_picture(KVMFR_FORMAT_BGRA);
	uint8_t *pixels;

	kvmfr_world_begin(world);
	for (unsigned int n = 2; n < 5; n++) {
		assert_int_equal(kvmfr_producer_begin(world->producer, &picture, &pixels), 0);
		for (int ms = 0; ms < 600; ms += 20) {
			kvmfr_world_tick(world, 20);
			assert_true(world->source->live);
		}
		kvmfr_world_draw(pixels, &picture, n);
		kvmfr_producer_end(world->producer);
		kvmfr_world_tick(world, 10);
		kvmfr_world_expect(world, n);
	}
}

static void test_a_picture_that_is_never_finished(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct kvmfr_picture picture = kvmfr_world_picture(KVMFR_FORMAT_BGRA);
	uint8_t *pixels;

	kvmfr_world_begin(world);
	assert_int_equal(kvmfr_producer_begin(world->producer, &picture, &pixels), 0);
	for (int ms = 0; ms < 700; ms += 10) {
		kvmfr_world_tick(world, 10);
		assert_true(world->source->live);
	}
	for (int ms = 0; ms < 100; ms += 10) {
		kvmfr_world_tick(world, 10);
	}
	assert_false(world->source->live);
	assert_string_equal(world->source->reason,
			    "the guest's capture stands still in the middle of a picture");
	/* Our place is kept, and the next picture counts as a whole one. */
	assert_int_equal(
		LGMP_SUBSCRIBERS_BAD(kvmfr_world_queue(world, KVMFR_QUEUE_FRAME)->subscribers), 0);
	kvmfr_world_send(world, 3, &kvmfr_world_box);
	kvmfr_world_tick(world, 10);
	assert_true(world->source->live);
	kvmfr_world_expect(world, 3);
}

static void test_a_silent_producer(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	kvmfr_world_begin(world);
	for (int i = 0; i < 90; i++) {
		kvmfr_world_tick_source(world, 10);
		assert_true(world->source->live);
	}
	for (int i = 0; i < 20; i++) {
		kvmfr_world_tick_source(world, 10);
	}
	assert_false(world->source->live);
	assert_string_equal(world->source->reason,
			    "the capture program in the guest does not answer");
	kvmfr_world_expect(world, 1);
	/* It comes back, and says that nothing has changed meanwhile. */
	kvmfr_world_tick(world, 10);
	assert_true(world->source->live);
	kvmfr_world_send(world, 2, &kvmfr_world_box);
	kvmfr_world_tick(world, 10);
	expect_damage(world, 8, 4, 24, 14);
}

static void test_a_heartbeat_that_is_slower_than_the_looks(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	kvmfr_world_begin(world);
	for (int i = 0; i < 40; i++) {
		kvmfr_world_tick(world, 100);
		kvmfr_world_tick_source(world, 100);
		kvmfr_world_tick_source(world, 600);
		assert_true(world->source->live);
	}
}

/* What a producer has left behind is no producer. */
static void test_a_producer_that_has_ended(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	for (int i = 0; i < 3; i++) {
		for (int ms = 0; ms < 2000; ms += 10) {
			kvmfr_world_tick_source(world, 10);
		}
		assert_false(kvmfr_producer_is_watched(world->producer));
		assert_string_equal(world->source->reason,
				    "the capture program in the guest does not answer");
		world->header->session += 2;
		if (i == 1) {
			world->header->magic = 0;
			kvmfr_world_tick_source(world, 10);
			world->header->magic = LGMP_MAGIC;
		}
	}
	kvmfr_producer_restart(world->producer, world->now_ms);
}

static void test_a_slow_consumer(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct lgmp_queue *queue = kvmfr_world_queue(world, KVMFR_QUEUE_FRAME);

	kvmfr_world_begin(world);
	kvmfr_world_send(world, 2, &kvmfr_world_box);
	for (int i = 0; i < 11; i++) {
		kvmfr_world_tick_producer(world, 100);
	}
	assert_int_not_equal(LGMP_SUBSCRIBERS_BAD(queue->subscribers), 0);
	assert_int_equal(queue->count, 0);

	kvmfr_world_settle(world);
	kvmfr_world_expect(world, 1);
	kvmfr_world_show(world, 3, &kvmfr_world_box);
	kvmfr_world_expect(world, 3);
	/* The old place is free again for the next subscriber when its time is over. */
	kvmfr_world_tick(world, 1100);
	frame_source_set_watched(world->source, false);
	sd_event_run(world->event, 0);
	frame_source_set_watched(world->source, true);
	kvmfr_world_settle(world);
	assert_int_equal(LGMP_SUBSCRIBERS_BAD(queue->subscribers), 0);
	assert_int_equal(LGMP_SUBSCRIBERS_ACTIVE(queue->subscribers), 1);
}

static void test_pacing(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct kvmfr_picture picture = kvmfr_world_picture(KVMFR_FORMAT_BGRA);
	uint8_t *pixels;

	/* It is watched since a moment. */
	assert_int_equal(kvmfr_world_timer(world), 0);
	kvmfr_source_set_interval(world->source, 8000);
	kvmfr_world_settle(world);
	kvmfr_world_tick(world, 8);
	assert_int_equal(kvmfr_world_timer(world), 8000);
	/* Looks keep their pace when one comes late, */
	kvmfr_world_tick(world, 11);
	assert_int_equal(kvmfr_world_timer(world), 5000);
	/* unless it is a whole one too late. */
	kvmfr_world_tick(world, 30);
	assert_int_equal(kvmfr_world_timer(world), 8000);

	/* A picture that is being written is looked at again soon, and then less often. */
	assert_int_equal(kvmfr_producer_begin(world->producer, &picture, &pixels), 0);
	for (int64_t usec = 1000; usec <= 32000; usec *= 2) {
		kvmfr_source_poke(world->source);
		assert_int_equal(kvmfr_world_timer(world), usec < 8000 ? usec : 8000);
		world->now_ms += (uint64_t)kvmfr_world_timer(world) / 1000;
	}
	kvmfr_producer_end(world->producer);
	kvmfr_world_tick(world, 0);
	assert_true(world->source->live);

	/* Nobody is there any more: once a second. */
	memset(world->memory, 0, WORLD_SIZE);
	kvmfr_world_tick_source(world, 100);
	assert_int_equal(kvmfr_world_timer(world), 8000);
	kvmfr_world_tick_source(world, 1000);
	assert_int_equal(kvmfr_world_timer(world), 1000000);
	kvmfr_producer_restart(world->producer, world->now_ms);
}

static void test_a_doorbell_needs_no_look_in_each_interval(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct kvmfr_picture picture = kvmfr_world_picture(KVMFR_FORMAT_BGRA);
	uint8_t *pixels;

	kvmfr_world_settle(world);
	kvmfr_source_set_doorbell(world->source, true);
	assert_int_equal(kvmfr_world_timer(world), 0);
	kvmfr_world_tick(world, 10);
	assert_int_equal(kvmfr_world_timer(world), 1000000);
	/* But for what is half there. */
	assert_int_equal(kvmfr_producer_begin(world->producer, &picture, &pixels), 0);
	kvmfr_world_tick(world, 10);
	assert_int_equal(kvmfr_world_timer(world), 1000);
	kvmfr_producer_end(world->producer);
	kvmfr_world_tick(world, 1);
	assert_int_equal(kvmfr_world_timer(world), 1000000);

	kvmfr_source_set_doorbell(world->source, false);
	assert_int_equal(kvmfr_world_timer(world), 0);
}

static void test_unwatched_there_is_no_timer(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	kvmfr_world_settle(world);
	assert_true(kvmfr_producer_is_watched(world->producer));
	frame_source_set_watched(world->source, false);
	sd_event_run(world->event, 0);
	assert_int_equal(kvmfr_world_timer(world), -1);
	sd_event_run(world->event, 0);
	assert_int_equal(timers_left_ms(), -1);
	assert_false(kvmfr_producer_is_watched(world->producer));
	kvmfr_source_poke(world->source);
	assert_false(kvmfr_producer_is_watched(world->producer));
}

/* The first one is not waited for, but it has to come. */
static void test_a_doorbell_vouches_for_a_moment(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	kvmfr_source_set_doorbell(world->source, true);
	kvmfr_source_poke(world->source);
	assert_true(kvmfr_producer_is_watched(world->producer));
	kvmfr_world_send(world, 1, NULL);
	kvmfr_source_poke(world->source);
	kvmfr_world_expect(world, 1);
	kvmfr_world_tick_source(world, 900);
	assert_true(world->source->live);
	kvmfr_world_tick_source(world, 200);
	assert_false(world->source->live);
	/* Also after nobody has looked for a while. */
	frame_source_set_watched(world->source, false);
	frame_source_set_watched(world->source, true);
	for (int i = 0; i < 3; i++) {
		kvmfr_world_tick_source(world, 600);
	}
	assert_false(world->source->live);
	kvmfr_world_tick(world, 10);
	kvmfr_world_tick(world, 10);
	assert_true(world->source->live);
}

/* What is not there for long is looked for as often as the output is refreshed, and never at once. */
static void test_soon_has_an_end(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct kvmfr_picture picture = kvmfr_world_picture(KVMFR_FORMAT_BGRA);
	uint8_t *pixels;

	kvmfr_world_begin(world);
	assert_int_equal(kvmfr_producer_begin(world->producer, &picture, &pixels), 0);
	for (int i = 0; i < 200; i++) {
		kvmfr_source_poke(world->source);
		assert_true(kvmfr_world_timer(world) >= 1000);
	}
	kvmfr_producer_end(world->producer);
}

/* Each picture of another size is another frame for whoever shows it. */
static void test_sizes_that_change_all_the_time(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct kvmfr_picture picture = kvmfr_world_picture(KVMFR_FORMAT_BGRA);
	unsigned int frames = 0;
	const struct frame *seen = NULL;
	uint8_t *pixels;

	kvmfr_world_begin(world);
	for (int i = 0; i < 100; i++) {
		picture.height = i % 2 ? WORLD_HEIGHT : WORLD_HEIGHT / 2;
		if (kvmfr_producer_begin(world->producer, &picture, &pixels) == 0) {
			kvmfr_producer_end(world->producer);
		}
		kvmfr_world_tick(world, 10);
		frames += world->source->frame != seen;
		seen = world->source->frame;
	}
	assert_in_range(frames, 5, 20);
	kvmfr_world_tick(world, 1000);
	kvmfr_world_show(world, 3, NULL);
	kvmfr_world_expect(world, 3);
}

/* Its port is still open, and it rings no more. */
static void test_a_producer_that_hangs_is_noticed_without_a_ring(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	kvmfr_world_begin(world);
	kvmfr_source_set_doorbell(world->source, true);
	for (int i = 0; i < 5; i++) {
		kvmfr_world_tick(world, 1000);
		assert_true(world->source->live);
	}
	for (int i = 0; i < 3; i++) {
		kvmfr_world_tick_source(world, 1000);
	}
	assert_false(world->source->live);
	assert_string_equal(world->source->reason,
			    "the capture program in the guest does not answer");
	kvmfr_world_tick(world, 1000);
	assert_true(world->source->live);
}

/* A paused guest's picture stays, and nobody asks why. */
static void test_a_guest_that_is_held(void **fixture)
{
	struct kvmfr_world *world = *fixture;

	kvmfr_world_begin(world);
	kvmfr_source_hold(world->source, true);
	for (int i = 0; i < 5; i++) {
		kvmfr_world_tick_source(world, 1000);
		assert_true(world->source->live);
	}
	assert_int_equal(kvmfr_world_timer(world), -1);
	kvmfr_source_hold(world->source, false);
	kvmfr_world_tick_source(world, 500);
	assert_true(world->source->live);
	kvmfr_world_tick_source(world, 1000);
	assert_false(world->source->live);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		KVMFR_TEST_BOTH(test_a_picture),
		KVMFR_TEST_BOTH(test_formats),
		KVMFR_TEST_BOTH(test_hdr_is_told),
		KVMFR_TEST_BOTH(test_damage_alone_is_copied),
		KVMFR_TEST_BOTH(test_skipped_pictures_count_as_damage),
		KVMFR_TEST_BOTH(test_damage_is_clipped),
		KVMFR_TEST_BOTH(test_many_boxes_become_few),
		KVMFR_TEST_BOTH(test_another_size),
		KVMFR_TEST_BOTH(test_turned_pictures),
		KVMFR_TEST_BOTH(test_a_picture_that_is_being_written),
		KVMFR_TEST_BOTH(test_pictures_that_are_written_slowly),
		KVMFR_TEST_BOTH(test_a_picture_that_is_never_finished),
		KVMFR_TEST_BOTH(test_a_silent_producer),
		KVMFR_TEST_BOTH(test_a_heartbeat_that_is_slower_than_the_looks),
		KVMFR_TEST_BOTH(test_a_producer_that_has_ended),
		KVMFR_TEST_BOTH(test_a_slow_consumer),
		KVMFR_TEST_BOTH(test_pacing),
		KVMFR_TEST_BOTH(test_a_doorbell_needs_no_look_in_each_interval),
		KVMFR_TEST_BOTH(test_unwatched_there_is_no_timer),
		KVMFR_TEST_BOTH(test_a_doorbell_vouches_for_a_moment),
		KVMFR_TEST_BOTH(test_soon_has_an_end),
		KVMFR_TEST_BOTH(test_sizes_that_change_all_the_time),
		KVMFR_TEST_BOTH(test_a_producer_that_hangs_is_noticed_without_a_ring),
		KVMFR_TEST_BOTH(test_a_guest_that_is_held),
	};

	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
