// SPDX-License-Identifier: MIT
/*
 * The reference renderer against the plainest code that could be meant: every pixel of damage is
 * what the layers say, every other pixel is left alone, and no byte is written twice for nothing.
 */
#include "tests/unit/test.h"

#include <drm_fourcc.h>
#include <stdlib.h>
#include <string.h>

#include "compositor/render/renderer.h"
#include "tests/unit/test_frames.h"

#define UNTOUCHED 0xa5c3e187u
#define PADDING 3 /* pixels behind each row of the target */

static const uint32_t formats[] = { DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888, DRM_FORMAT_XBGR8888,
				    DRM_FORMAT_ABGR8888, DRM_FORMAT_RGB565 };
#define FORMATS (sizeof(formats) / sizeof(formats[0]))

struct bench {
	struct renderer *renderer;
	struct render_target target;
	pixman_region32_t damage;
	uint32_t random;
};

static void bench_init(struct bench *b, uint32_t width, uint32_t height, uint32_t seed)
{
	uint32_t stride = (width + PADDING) * 4;
	uint32_t *pixels = malloc((size_t)stride * height);

	memset(b, 0, sizeof(*b));
	b->random = seed;
	assert_non_null(pixels);
	for (uint32_t i = 0; i < stride / 4 * height; i++) {
		pixels[i] = UNTOUCHED;
	}
	b->target = (struct render_target){ pixels, width, height, stride };
	assert_int_equal(pixman_renderer_create(&b->renderer), 0);
	pixman_region32_init(&b->damage);
}

static void bench_finish(struct bench *b)
{
	pixman_region32_fini(&b->damage);
	renderer_destroy(b->renderer);
	free(b->target.pixels);
}

static uint32_t pixel(const struct bench *b, int32_t x, int32_t y)
{
	const uint8_t *row = (const uint8_t *)b->target.pixels + (size_t)y * b->target.stride;

	return ((const uint32_t *)(const void *)row)[x];
}

static bool damaged(const struct bench *b, int32_t x, int32_t y)
{
	return pixman_region32_contains_point((pixman_region32_t *)&b->damage, x, y, NULL);
}

/* Some boxes, partly beyond the target. */
static void damage_randomly(struct bench *b)
{
	int32_t width = (int32_t)b->target.width, height = (int32_t)b->target.height;

	pixman_region32_clear(&b->damage);
	for (int i = random_between(&b->random, 1, 4); i > 0; i--) {
		pixman_region32_union_rect(&b->damage, &b->damage,
					   random_between(&b->random, -5, width),
					   random_between(&b->random, -5, height),
					   (unsigned int)random_between(&b->random, 1, width),
					   (unsigned int)random_between(&b->random, 1, height));
	}
}

static void draw(struct bench *b, const struct layer *layers, unsigned int count)
{
	assert_int_equal(b->renderer->ops->draw(b->renderer, &b->target, layers, count, &b->damage),
			 0);
}

static int channel(uint32_t p, unsigned int shift)
{
	return (int)((p >> shift) & 0xff);
}

static void assert_rgb_near(uint32_t found, uint32_t wanted, int tolerance, int32_t x, int32_t y)
{
	for (unsigned int shift = 0; shift < 24; shift += 8) {
		if (abs(channel(found, shift) - channel(wanted, shift)) > tolerance) {
			fail_msg("at %d, %d: %06x, not %06x", x, y, found & 0xffffff, wanted);
		}
	}
}

/* Every pixel: rgb() of what is drawn where it is damaged, untouched elsewhere. */
#define CHECK(b, inside, tolerance, rgb)                                                           \
	do {                                                                                       \
		for (int32_t y = 0; y < (int32_t)(b)->target.height; y++) {                        \
			for (int32_t x = 0; x < (int32_t)(b)->target.width + PADDING; x++) {       \
				if (x < (int32_t)(b)->target.width && damaged(b, x, y) &&          \
				    (inside)) {                                                    \
					assert_rgb_near(pixel(b, x, y), (rgb), tolerance, x, y);   \
				} else {                                                           \
					assert_int_equal(pixel(b, x, y), UNTOUCHED);               \
				}                                                                  \
			}                                                                          \
		}                                                                                  \
	} while (0)

static bool box_has(const pixman_box32_t *box, int32_t x, int32_t y)
{
	return x >= box->x1 && x < box->x2 && y >= box->y1 && y < box->y2;
}

static uint32_t padded_stride(uint32_t width, uint32_t fourcc, uint32_t *random)
{
	uint32_t bytes = frame_format_bytes(fourcc);

	return ((width + (uint32_t)random_between(random, 0, 3)) * bytes + 3) & ~3u;
}

static void frames_are_copied_exactly(void **state)
{
	for (uint32_t i = 1; i <= 150; i++) {
		uint32_t random = i, fourcc = formats[i % FORMATS];
		uint32_t width = (uint32_t)random_between(&random, 1, 70);
		uint32_t height = (uint32_t)random_between(&random, 1, 40);
		struct frame *frame = test_frame_create(
			width, height, fourcc, padded_stride(width, fourcc, &random), &random);
		struct layer layer = { .kind = LAYER_FRAME, .frame = frame };
		struct bench b;

		layer.dst.x1 = random_between(&random, -10, 30);
		layer.dst.y1 = random_between(&random, -10, 30);
		layer.dst.x2 = layer.dst.x1 + (int32_t)width;
		layer.dst.y2 = layer.dst.y1 + (int32_t)height;
		bench_init(&b, (uint32_t)random_between(&random, 1, 64),
			   (uint32_t)random_between(&random, 1, 48), random);
		damage_randomly(&b);
		draw(&b, &layer, 1);
		CHECK(&b, box_has(&layer.dst, x, y), 0,
		      test_frame_rgb(frame, x - layer.dst.x1, y - layer.dst.y1));
		bench_finish(&b);
		frame_unlock(frame);
	}
}

static void integer_scales_repeat_pixels(void **state)
{
	for (uint32_t i = 1; i <= 60; i++) {
		uint32_t random = i * 77, fourcc = formats[i % FORMATS];
		int32_t across = random_between(&random, 1, 4),
			down = random_between(&random, 2, 4);
		struct frame *frame = test_frame_create(
			13, 9, fourcc, padded_stride(13, fourcc, &random), &random);
		struct layer layer = { .kind = LAYER_FRAME,
				       .frame = frame,
				       .dst = { 2, 1, 2 + 13 * across, 1 + 9 * down } };
		struct bench b;

		bench_init(&b, 60, 40, random);
		damage_randomly(&b);
		draw(&b, &layer, 1);
		CHECK(&b, box_has(&layer.dst, x, y), 0,
		      test_frame_rgb(frame, (x - 2) / across, (y - 1) / down));
		bench_finish(&b);
		frame_unlock(frame);
	}
}

static int clamp(int value, int high)
{
	return value < 0 ? 0 : value > high ? high : value;
}

/* Between four pixels, with weights cut to 1/128. */
static uint32_t interpolated(const struct frame *frame, const pixman_box32_t *dst, int32_t x,
			     int32_t y)
{
	double sx = (x - dst->x1 + 0.5) * frame->width / (dst->x2 - dst->x1) - 0.5;
	double sy = (y - dst->y1 + 0.5) * frame->height / (dst->y2 - dst->y1) - 0.5;
	int fx = (int)((sx + 1000) * 128) - 128000, fy = (int)((sy + 1000) * 128) - 128000;
	int x0 = (fx + 12800) / 128 - 100, y0 = (fy + 12800) / 128 - 100;
	int wx = fx - x0 * 128, wy = fy - y0 * 128, right = (int)frame->width - 1;
	int bottom = (int)frame->height - 1;
	uint32_t p[4] = {
		test_frame_rgb(frame, clamp(x0, right), clamp(y0, bottom)),
		test_frame_rgb(frame, clamp(x0 + 1, right), clamp(y0, bottom)),
		test_frame_rgb(frame, clamp(x0, right), clamp(y0 + 1, bottom)),
		test_frame_rgb(frame, clamp(x0 + 1, right), clamp(y0 + 1, bottom)),
	};
	uint32_t rgb = 0;

	for (unsigned int shift = 0; shift < 24; shift += 8) {
		int top = channel(p[0], shift) * (128 - wx) + channel(p[1], shift) * wx;
		int low = channel(p[2], shift) * (128 - wx) + channel(p[3], shift) * wx;

		rgb |= (uint32_t)((top * (128 - wy) + low * wy) >> 14) << shift;
	}
	return rgb;
}

static void other_scales_interpolate(void **state)
{
	static const pixman_box32_t boxes[] = {
		{ 0, 0, 50, 30 },
		{ 3, 2, 24, 17 },
		{ -7, -3, 70, 44 },
		{ 5, 5, 12, 9 },
	};

	for (uint32_t i = 1; i <= 40; i++) {
		uint32_t random = i * 991, fourcc = formats[i % FORMATS];
		struct frame *frame = test_frame_create(
			17, 11, fourcc, padded_stride(17, fourcc, &random), &random);
		struct layer layer = { .kind = LAYER_FRAME, .frame = frame, .dst = boxes[i % 4] };
		struct bench b;

		bench_init(&b, 60, 40, random);
		damage_randomly(&b);
		draw(&b, &layer, 1);
		/* A sample that falls on the edge of two weights may take either: 1/128 of 255. */
		CHECK(&b, box_has(&layer.dst, x, y), 3, interpolated(frame, &layer.dst, x, y));
		bench_finish(&b);
		frame_unlock(frame);
	}
}

static uint32_t grey_of(uint32_t rgb)
{
	int luma = (77 * channel(rgb, 16) + 150 * channel(rgb, 8) + 29 * channel(rgb, 0)) >> 8;

	return (uint32_t)(luma * 5 / 8) * 0x010101u;
}

static void grey_frames_lose_colour(void **state)
{
	uint32_t random = 5;
	struct frame *frame = test_frame_plain(20, 20, &random);
	struct layer layer = {
		.kind = LAYER_FRAME, .frame = frame, .dst = { 4, 4, 24, 24 }, .grey = true
	};
	struct bench b;

	bench_init(&b, 30, 30, 8);
	pixman_region32_union_rect(&b.damage, &b.damage, 0, 0, 15, 30);
	draw(&b, &layer, 1);
	CHECK(&b, box_has(&layer.dst, x, y), 0, grey_of(test_frame_rgb(frame, x - 4, y - 4)));
	bench_finish(&b);
	frame_unlock(frame);
}

static struct sprite *random_sprite(uint32_t width, uint32_t height, uint32_t *random)
{
	struct sprite *sprite = sprite_create(width, height);

	assert_non_null(sprite);
	for (uint32_t i = 0; i < width * height; i++) {
		uint32_t alpha = random_next(random) & 0xff;

		sprite->pixels[i] = alpha << 24;
		for (unsigned int shift = 0; shift < 24; shift += 8) {
			sprite->pixels[i] |= (random_next(random) % (alpha + 1)) << shift;
		}
	}
	return sprite;
}

/* from (premultiplied) times alpha over the colour below. */
static uint32_t blended(uint32_t from, uint32_t alpha, uint32_t below)
{
	uint32_t rgb = 0;

	for (unsigned int shift = 0; shift < 24; shift += 8) {
		double over = channel(from, shift) * alpha / 255.0;
		double through = 1 - channel(from, 24) * alpha / 255.0 / 255;

		rgb |= (uint32_t)(over + channel(below, shift) * through + 0.5) << shift;
	}
	return rgb;
}

static void sprites_are_blended(void **state)
{
	for (uint32_t i = 1; i <= 40; i++) {
		uint32_t random = i * 31, background = random_next(&random) | 0xff000000;
		struct sprite *sprite = random_sprite(15, 12, &random);
		struct layer layers[] = {
			{ .kind = LAYER_FILL, .dst = { 0, 0, 40, 30 }, .color = background },
			{ .kind = LAYER_SPRITE,
			  .sprite = sprite,
			  .alpha = i % 3 == 0 ? 255 : (uint8_t)random_next(&random) },
		};
		struct bench b;

		layers[1].dst.x1 = random_between(&random, -10, 35);
		layers[1].dst.y1 = random_between(&random, -10, 25);
		layers[1].dst.x2 = layers[1].dst.x1 + 15;
		layers[1].dst.y2 = layers[1].dst.y1 + 12;
		bench_init(&b, 40, 30, random);
		damage_randomly(&b);
		draw(&b, layers, 2);
		CHECK(&b, true, 1,
		      !box_has(&layers[1].dst, x, y)
			      ? background & 0xffffff
			      : blended(sprite->pixels[(y - layers[1].dst.y1) * 15 + x -
						       layers[1].dst.x1],
					layers[1].alpha, background));
		bench_finish(&b);
		sprite_unlock(sprite);
	}
}

static void translucent_fills_are_blended(void **state)
{
	struct layer layers[] = {
		{ .kind = LAYER_FILL, .dst = { 0, 0, 10, 10 }, .color = 0xff204060 },
		{ .kind = LAYER_FILL, .dst = { 2, 2, 8, 8 }, .color = 0x80402000 },
	};
	struct bench b;

	bench_init(&b, 10, 10, 1);
	pixman_region32_union_rect(&b.damage, &b.damage, 0, 0, 10, 10);
	draw(&b, layers, 2);
	CHECK(&b, true, 1,
	      box_has(&layers[1].dst, x, y) ? blended(0x80402000, 255, 0x204060) : 0x204060);
	bench_finish(&b);
}

static void covered_pixels_are_written_once(void **state)
{
	uint32_t random = 3;
	struct frame *frame = test_frame_plain(30, 20, &random);
	struct layer layers[] = {
		{ .kind = LAYER_FILL, .dst = { 0, 0, 30, 30 }, .color = 0xff000000 },
		{ .kind = LAYER_FRAME, .dst = { 0, 5, 30, 25 }, .frame = frame },
	};
	struct bench b;

	bench_init(&b, 30, 30, 1);
	pixman_region32_union_rect(&b.damage, &b.damage, 0, 0, 30, 30);
	draw(&b, layers, 2);
	assert_int_equal(b.renderer->bytes_written, 30 * 30 * 4);
	pixman_region32_clear(&b.damage);
	pixman_region32_union_rect(&b.damage, &b.damage, 3, 8, 7, 6);
	draw(&b, layers, 2);
	assert_int_equal(b.renderer->bytes_written, 30 * 30 * 4 + 7 * 6 * 4);
	bench_finish(&b);
	frame_unlock(frame);
}

static void unreadable_frames_are_black(void **state)
{
	struct frame frame = { .kind = FRAME_DMABUF,
			       .width = 8,
			       .height = 8,
			       .fourcc = DRM_FORMAT_XRGB8888,
			       .locks = 1 };
	struct layer layer = { .kind = LAYER_FRAME, .frame = &frame, .dst = { 0, 0, 8, 8 } };
	struct bench b;

	bench_init(&b, 8, 8, 1);
	pixman_region32_union_rect(&b.damage, &b.damage, 0, 0, 8, 8);
	draw(&b, &layer, 1);
	CHECK(&b, true, 0, 0u);
	bench_finish(&b);
}

static void frames_fit_with_their_aspect(void **state)
{
	static const struct {
		uint32_t frame[2], output[2];
		pixman_box32_t box;
	} cases[] = {
		{ { 1280, 800 }, { 1280, 800 }, { 0, 0, 1280, 800 } },
		{ { 640, 400 }, { 1280, 800 }, { 0, 0, 1280, 800 } },
		{ { 640, 400 }, { 1280, 1024 }, { 0, 112, 1280, 912 } },
		{ { 1024, 768 }, { 1920, 1080 }, { 240, 0, 1680, 1080 } },
		{ { 1920, 1080 }, { 1280, 800 }, { 0, 40, 1280, 760 } },
		{ { 1366, 768 }, { 1280, 800 }, { 0, 40, 1280, 760 } },
		{ { 720, 400 }, { 800, 600 }, { 0, 78, 800, 522 } },
		{ { 1, 16384 }, { 800, 600 }, { 399, 0, 400, 600 } },
		{ { 16384, 1 }, { 800, 600 }, { 0, 299, 800, 300 } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pixman_box32_t box = render_fit(cases[i].frame[0], cases[i].frame[1],
						cases[i].output[0], cases[i].output[1]);

		assert_memory_equal(&box, &cases[i].box, sizeof(box));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_copied_exactly),
		cmocka_unit_test(integer_scales_repeat_pixels),
		cmocka_unit_test(other_scales_interpolate),
		cmocka_unit_test(grey_frames_lose_colour),
		cmocka_unit_test(sprites_are_blended),
		cmocka_unit_test(translucent_fills_are_blended),
		cmocka_unit_test(covered_pixels_are_written_once),
		cmocka_unit_test(unreadable_frames_are_black),
		cmocka_unit_test(frames_fit_with_their_aspect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
