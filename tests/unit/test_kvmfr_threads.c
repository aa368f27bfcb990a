// SPDX-License-Identifier: MIT
/*
 * Producer and reader at once, as it is with a guest: each picture is of one colour, and no picture
 * that is told may have two.
 */
#include "tests/unit/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "common/clock.h"
#include "tests/unit/kvmfr_world.h"
#include "tests/unit/loop.h"

#define PICTURES 300
#define DEADLINE_MS 60000

struct stage {
	struct kvmfr_world *world;
	struct frame_source_observer observer;
	atomic_bool stop;
	unsigned int sent;           /* the thread's */
	unsigned int seen, mistakes; /* ours */
	uint32_t last;
};

static uint64_t now_ms(void)
{
	return clock_now_ns() / NSEC_PER_MSEC;
}

/* ---- the guest ---- */

static void send_picture(struct stage *stage, struct kvmfr_picture *picture)
{
	uint8_t *pixels;

	if (kvmfr_producer_begin(stage->world->producer, picture, &pixels) < 0) {
		return;
	}
	for (uint32_t y = 0; y < picture->height; y++) {
		uint32_t *row = (uint32_t *)(pixels + (size_t)y * picture->pitch);

		for (uint32_t x = 0; x < picture->width; x++) {
			row[x] = stage->sent + 1;
		}
		kvmfr_producer_advance(stage->world->producer, (y + 1) * picture->pitch);
		sched_yield(); /* so that half a picture is there to be seen */
	}
	stage->sent++;
}

static void *run_guest(void *data)
{
	struct stage *stage = data;
	struct kvmfr_picture picture = kvmfr_world_picture(KVMFR_FORMAT_BGRA);

	while (!stage->stop) {
		kvmfr_producer_tick(stage->world->producer, now_ms());
		if (kvmfr_producer_is_watched(stage->world->producer)) {
			send_picture(stage, &picture);
			kvmfr_producer_point(stage->world->producer, (int16_t)stage->sent, 0, true,
					     NULL);
		}
		sched_yield();
	}
	return NULL;
}

/* ---- the seat ---- */

static void check_picture(struct frame_source *source, void *data)
{
	struct stage *stage = data;
	const uint32_t *pixels = (const uint32_t *)source->frame->pixels;

	for (uint32_t i = 1; i < WORLD_WIDTH * WORLD_HEIGHT; i++) {
		if (pixels[i] != pixels[0]) {
			stage->mistakes++;
			break;
		}
	}
	/* No older one after a newer one either. */
	stage->mistakes += pixels[0] < stage->last;
	stage->last = pixels[0];
	stage->seen++;
}

static void on_damage(struct frame_source *source, const pixman_box32_t *box, void *data)
{
	check_picture(source, data);
}

static const struct frame_source_observer_ops observer_ops = {
	.frame_changed = check_picture,
	.damaged = on_damage,
};

static bool has_seen_enough(void *data)
{
	const struct stage *stage = data;

	return stage->seen >= PICTURES || stage->mistakes > 0;
}

static void run(uint32_t version)
{
	struct stage stage = { .world = kvmfr_world_create(version) };
	pthread_t guest;

	stage.world->real_clock = true;
	stage.observer.ops = &observer_ops;
	stage.observer.data = &stage;
	frame_source_observe(stage.world->source, &stage.observer);
	kvmfr_source_set_interval(stage.world->source, 200);
	assert_int_equal(pthread_create(&guest, NULL, run_guest, &stage), 0);
	assert_true(loop_until(stage.world->event, has_seen_enough, &stage, DEADLINE_MS));
	stage.stop = true;
	pthread_join(guest, NULL);
	assert_int_equal(stage.mistakes, 0);
	assert_true(stage.world->source->live);
	assert_true(stage.world->source->cursor.x > 0);
	frame_source_unobserve(&stage.observer);
	kvmfr_world_destroy(stage.world);
}

static void test_b7(void **fixture)
{
	run(KVMFR_VERSION_B7);
}

static void test_b6(void **fixture)
{
	run(KVMFR_VERSION_B6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_b7),
		cmocka_unit_test(test_b6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
