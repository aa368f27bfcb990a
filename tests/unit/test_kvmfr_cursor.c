// SPDX-License-Identifier: MIT
/* The pointer over Looking Glass's shared memory: shapes of three kinds, places, what is no shape.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

#include "capture/kvmfr_source.h"
#include "tests/unit/kvmfr_world.h"

static int set_up(void **fixture)
{
	*fixture = kvmfr_world_create(KVMFR_VERSION_B7);
	kvmfr_world_settle(*fixture);
	return 0;
}

static void point(struct kvmfr_world *world, int16_t x, int16_t y, const struct kvmfr_shape *shape)
{
	assert_int_equal(kvmfr_producer_point(world->producer, x, y, true, shape), 0);
	kvmfr_world_tick(world, 10);
}

static uint32_t pixel(const struct kvmfr_world *world, uint32_t x, uint32_t y)
{
	const struct cursor_image *image = world->source->cursor.image;

	assert_non_null(image);
	assert_true(x < image->width && y < image->height);
	return image->pixels[y * image->width + x];
}

static void test_places(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	const uint32_t pixels[16] = { 0xff112233 };
	const struct kvmfr_shape shape = { KVMFR_CURSOR_COLOUR, 4, 4, 16, 1, 2, (uint8_t *)pixels };
	struct cursor_state *cursor = &world->source->cursor;

	point(world, 10, 20, NULL);
	assert_null(cursor->image);
	assert_true(cursor->visible);
	assert_int_equal(cursor->x, 10);

	point(world, -3, 20, &shape);
	assert_int_equal(cursor->image->width, 4);
	assert_int_equal(cursor->image->hot_x, 1);
	assert_int_equal(cursor->image->hot_y, 2);
	/* The guest tells the corner, we the hot spot. */
	assert_int_equal(cursor->x, -2);
	assert_int_equal(cursor->y, 22);

	/* More moves than were looked at: the last one counts, the shape stays. */
	for (int16_t i = 0; i < 20; i++) {
		assert_int_equal(kvmfr_producer_point(world->producer, i, i, i < 19, NULL), 0);
	}
	assert_int_equal(kvmfr_producer_point(world->producer, 0, 0, true, NULL), -ENOBUFS);
	kvmfr_world_tick(world, 10);
	assert_int_equal(cursor->x, 20);
	assert_int_equal(cursor->y, 21);
	assert_false(cursor->visible);
	assert_int_equal(pixel(world, 0, 0), 0xff112233);
	assert_true(world->source->frame == NULL);
}

static void test_a_smaller_picture_than_the_screen(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	struct kvmfr_picture picture = kvmfr_world_picture(KVMFR_FORMAT_BGRA);
	uint8_t *pixels;

	point(world, 64, 48, NULL);
	picture.screen_width = WORLD_WIDTH * 2;
	picture.screen_height = WORLD_HEIGHT * 4;
	assert_int_equal(kvmfr_producer_begin(world->producer, &picture, &pixels), 0);
	kvmfr_producer_end(world->producer);
	kvmfr_world_tick(world, 10);
	assert_int_equal(world->source->cursor.x, 32);
	assert_int_equal(world->source->cursor.y, 12);
}

static void test_colour(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	/* Premultiplied, transparent, and brighter than its alpha allows. */
	const uint32_t pixels[2][4] = { { 0x80402010, 0, 0x40ff2001, 1 }, { 0, 2, 0, 0xffffffff } };
	const struct kvmfr_shape shape = { KVMFR_CURSOR_COLOUR, 3, 2, 16, 0, 0, (uint8_t *)pixels };

	point(world, 0, 0, &shape);
	assert_int_equal(world->source->cursor.image->width, 3);
	assert_int_equal(world->source->cursor.image->height, 2);
	assert_int_equal(pixel(world, 0, 0), 0x80402010);
	assert_int_equal(pixel(world, 1, 0), 0);
	assert_int_equal(pixel(world, 2, 0), 0x40402001);
	assert_int_equal(pixel(world, 1, 1), 0);
}

static void test_monochrome(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	/* A row of: black, white, transparent, inverted, transparent, transparent. */
	const uint8_t masks[2][2] = { { 0x3f, 0 }, { 0x50, 0 } };
	const struct kvmfr_shape shape = {
		KVMFR_CURSOR_MONOCHROME, 6, 2, 2, 0, 0, (uint8_t *)masks
	};

	point(world, 0, 0, &shape);
	assert_int_equal(world->source->cursor.image->height, 1);
	assert_int_equal(pixel(world, 0, 0), 0xff000000);
	assert_int_equal(pixel(world, 1, 0), 0xffffffff);
	/* What inverts becomes black with white beside it. */
	assert_int_equal(pixel(world, 2, 0), 0xffffffff);
	assert_int_equal(pixel(world, 3, 0), 0xff000000);
	assert_int_equal(pixel(world, 4, 0), 0xffffffff);
	assert_int_equal(pixel(world, 5, 0), 0);
}

static void test_masked(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	/* Replaces, leaves, inverts; each beside the other, two rows apart. */
	const uint32_t pixels[3][2] = { { 0x00123456, 0xff000000 },
					{ 0xff000000, 0xff000000 },
					{ 0xff000000, 0xffffffff } };
	const struct kvmfr_shape shape = { KVMFR_CURSOR_MASKED, 2, 3, 8, 0, 0, (uint8_t *)pixels };

	point(world, 0, 0, &shape);
	assert_int_equal(pixel(world, 0, 0), 0xff123456);
	assert_int_equal(pixel(world, 1, 0), 0);
	assert_int_equal(pixel(world, 0, 1), 0xffffffff);
	assert_int_equal(pixel(world, 1, 1), 0xffffffff);
	assert_int_equal(pixel(world, 0, 2), 0xffffffff);
	assert_int_equal(pixel(world, 1, 2), 0xff000000);
}

static void test_the_hot_spot_is_inside(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	const uint32_t pixels[4] = { 0 };
	struct kvmfr_shape shape = { KVMFR_CURSOR_COLOUR, 2, 2, 8, 120, -7, (uint8_t *)pixels };

	point(world, 5, 5, &shape);
	assert_int_equal(world->source->cursor.image->hot_x, 1);
	assert_int_equal(world->source->cursor.image->hot_y, 0);
	assert_int_equal(world->source->cursor.x, 6);
	shape.hot_x = 2;
	point(world, 5, 5, &shape);
	assert_int_equal(world->source->cursor.image->hot_x, 1);
}

/* Many shapes between two looks: one is drawn in each, and none is lost or comes late. */
static void test_many_shapes(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	uint32_t colours[3] = { 0xff000001, 0xff000002, 0xff000003 };

	for (int i = 0; i < 3; i++) {
		const struct kvmfr_shape shape = { KVMFR_CURSOR_COLOUR,   1, 1, 4, 0, 0,
						   (uint8_t *)&colours[i] };

		assert_int_equal(kvmfr_producer_point(world->producer, 0, 0, true, &shape), 0);
	}
	for (int i = 0; i < 3; i++) {
		kvmfr_world_tick(world, 2);
		assert_int_equal(pixel(world, 0, 0), colours[i]);
	}
}

static void test_a_newcomer_is_told(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	const uint32_t colour = 0xff00ff00;
	const struct kvmfr_shape shape = { KVMFR_CURSOR_COLOUR, 1, 1, 4, 0, 0, (uint8_t *)&colour };

	frame_source_set_watched(world->source, false);
	sd_event_run(world->event, 0);
	assert_int_equal(kvmfr_producer_point(world->producer, 7, 8, true, &shape), -ENOTCONN);
	frame_source_set_watched(world->source, true);
	kvmfr_world_settle(world);
	assert_int_equal(kvmfr_producer_repeat_pointer(world->producer), 0);
	kvmfr_world_tick(world, 10);
	assert_int_equal(pixel(world, 0, 0), colour);
	assert_int_equal(world->source->cursor.x, 7);

	/* Another session: the pointer is not known any more. */
	kvmfr_producer_restart(world->producer, world->now_ms);
	kvmfr_world_settle(world);
	assert_null(world->source->cursor.image);
	assert_false(world->source->cursor.visible);
}

/* ---- what is no shape ---- */

static void test_what_is_no_shape(void **fixture)
{
	struct kvmfr_world *world = *fixture;
	static const struct kvmfr_cursor bad[] = {
		{ .type = 3, .width = 1, .height = 1, .pitch = 4 },
		{ .width = 0, .height = 1, .pitch = 4 },
		{ .width = 1, .height = 0, .pitch = 4 },
		{ .width = 513, .height = 1, .pitch = 4096 },
		{ .width = 1, .height = 513, .pitch = 4 },
		{ .width = 1, .height = 1, .pitch = 3 },
		{ .width = 0x40000001, .height = 1, .pitch = 4 },
		{ .width = 4, .height = 500, .pitch = 0x80000000 },
		{ .width = 64, .height = 500, .pitch = 256 }, /* more than was allocated */
		{ .type = KVMFR_CURSOR_MONOCHROME, .width = 8, .height = 1, .pitch = 1 },
		{ .type = KVMFR_CURSOR_MONOCHROME, .width = 9, .height = 2, .pitch = 1 },
		{ .type = KVMFR_CURSOR_MONOCHROME, .width = 8, .height = 1026, .pitch = 1 },
		{ .type = KVMFR_CURSOR_MASKED, .width = 2, .height = 2, .pitch = 7 },
	};
	const uint32_t colour = 0xff00ff00;
	const struct kvmfr_shape shape = { KVMFR_CURSOR_COLOUR, 1, 1, 4, 0, 0, (uint8_t *)&colour };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct lgmp_queue *queue = kvmfr_world_queue(world, KVMFR_QUEUE_POINTER);
		struct lgmp_message *slots = (void *)(world->memory + queue->messages);

		assert_int_equal(kvmfr_producer_point(world->producer, 0, 0, true, &shape), 0);
		memcpy(world->memory + slots[queue->start].offset, &bad[i], sizeof(bad[i]));
		kvmfr_world_tick(world, 10);
		assert_false(world->source->live);
		assert_non_null(strstr(world->source->reason, "a pointer that makes no sense"));
		assert_false(kvmfr_producer_is_watched(world->producer));

		/* In its next session it is believed again. */
		kvmfr_producer_restart(world->producer, world->now_ms);
		kvmfr_world_settle(world);
		point(world, 0, 0, &shape);
		assert_int_equal(pixel(world, 0, 0), colour);
	}
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, kvmfr_world_tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_places),           TEST(test_a_smaller_picture_than_the_screen),
		TEST(test_colour),           TEST(test_monochrome),
		TEST(test_masked),           TEST(test_the_hot_spot_is_inside),
		TEST(test_many_shapes),      TEST(test_a_newcomer_is_told),
		TEST(test_what_is_no_shape),
	};

	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
