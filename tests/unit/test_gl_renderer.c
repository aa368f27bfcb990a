// SPDX-License-Identifier: MIT
/*
 * The GL renderer, on Mesa's software GL, against the pixman renderer: random lists of layers in
 * odd sizes give the same pixels within 1, inside the damage and outside of it.
 */
#include "tests/unit/test.h"

#include <GLES3/gl3.h>
#include <drm_fourcc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "compositor/render/egl.h"
#include "compositor/render/gl.h"
#include "tests/unit/test_frames.h"

#define ROUNDS 250
#define LAYERS_MAX 6
#define TOLERANCE 1

static const uint32_t formats[] = { DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888, DRM_FORMAT_XBGR8888,
				    DRM_FORMAT_ABGR8888, DRM_FORMAT_RGB565 };

/* Two buffers of the same size, each with its renderer. */
struct bench {
	struct egl *egl;
	struct renderer *gl, *reference;
	uint32_t width, height;
	uint32_t *expected; /* drawn by the reference */
	uint32_t *drawn;    /* read back from GL, in the same format */
	GLuint framebuffer, texture;
	uint32_t random;
};

static uint32_t swap_channels(uint32_t p)
{
	return (p & 0xff00ff00) | (p & 0xff) << 16 | ((p >> 16) & 0xff);
}

/* Mesa's software GL, or, where a person names one, a GPU as EGL counts them. */
static void open_egl(struct egl **out)
{
	const char *number = getenv("BATON_TEST_EGL_DEVICE");
	PFNEGLQUERYDEVICESEXTPROC query = (void *)eglGetProcAddress("eglQueryDevicesEXT");
	EGLDeviceEXT devices[16];
	EGLint count = 0;

	if (!number) {
		assert_int_equal(egl_create(EGL_PLATFORM_SURFACELESS_MESA, NULL, out), 0);
		assert_true((*out)->software);
		return;
	}
	assert_non_null(query);
	assert_true(query(16, devices, &count) && atoi(number) < count);
	assert_int_equal(egl_create(EGL_PLATFORM_DEVICE_EXT, devices[atoi(number)], out), 0);
	print_message("drawn by %s\n", (*out)->device);
}

static int bench_setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	open_egl(&b->egl);
	assert_int_equal(gl_renderer_create(b->egl, &b->gl), 0);
	assert_int_equal(pixman_renderer_create(&b->reference), 0);
	b->random = 1;
	*state = b;
	return 0;
}

static int bench_teardown(void **state)
{
	struct bench *b = *state;

	glDeleteFramebuffers(1, &b->framebuffer);
	glDeleteTextures(1, &b->texture);
	renderer_destroy(b->gl);
	renderer_destroy(b->reference);
	egl_destroy(b->egl);
	free(b->expected);
	free(b->drawn);
	free(b);
	return 0;
}

/* New buffers of this size, with the same noise in both. */
static void bench_resize(struct bench *b, uint32_t width, uint32_t height)
{
	b->width = width;
	b->height = height;
	b->expected = realloc(b->expected, (size_t)width * height * 4);
	b->drawn = realloc(b->drawn, (size_t)width * height * 4);
	assert_non_null(b->expected);
	assert_non_null(b->drawn);
	for (uint32_t i = 0; i < width * height; i++) {
		b->expected[i] = random_next(&b->random) | 0xff000000;
		b->drawn[i] = swap_channels(b->expected[i]);
	}
	glDeleteFramebuffers(1, &b->framebuffer);
	glDeleteTextures(1, &b->texture);
	glGenTextures(1, &b->texture);
	glBindTexture(GL_TEXTURE_2D, b->texture);
	glPixelStorei(GL_UNPACK_ROW_LENGTH, 0);
	glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA8, (GLsizei)width, (GLsizei)height, 0, GL_RGBA,
		     GL_UNSIGNED_BYTE, b->drawn);
	glGenFramebuffers(1, &b->framebuffer);
	glBindFramebuffer(GL_FRAMEBUFFER, b->framebuffer);
	glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, b->texture, 0);
	assert_int_equal(glCheckFramebufferStatus(GL_FRAMEBUFFER), GL_FRAMEBUFFER_COMPLETE);
}

static void draw_gl(struct bench *b, const struct layer *layers, unsigned int count,
		    const pixman_region32_t *damage)
{
	struct render_target target = { NULL, b->width, b->height, 0 };

	assert_int_equal(b->gl->ops->draw(b->gl, &target, layers, count, damage), 0);
	glReadPixels(0, 0, (GLsizei)b->width, (GLsizei)b->height, GL_RGBA, GL_UNSIGNED_BYTE,
		     b->drawn);
	for (uint32_t i = 0; i < b->width * b->height; i++) {
		b->drawn[i] = swap_channels(b->drawn[i]);
	}
}

static void draw_reference(struct bench *b, const struct layer *layers, unsigned int count,
			   const pixman_region32_t *damage)
{
	struct render_target target = { b->expected, b->width, b->height, b->width * 4 };

	assert_int_equal(b->reference->ops->draw(b->reference, &target, layers, count, damage), 0);
}

static int channel_difference(uint32_t a, uint32_t b, unsigned int shift)
{
	return abs((int)((a >> shift) & 0xff) - (int)((b >> shift) & 0xff));
}

static void assert_same_pixels(const struct bench *b, unsigned int round)
{
	for (uint32_t i = 0; i < b->width * b->height; i++) {
		for (unsigned int shift = 0; shift < 24; shift += 8) {
			if (channel_difference(b->expected[i], b->drawn[i], shift) > TOLERANCE) {
				fail_msg("round %u, %ux%u: pixel %u,%u is %06x, not %06x", round,
					 b->width, b->height, i % b->width, i / b->width,
					 b->drawn[i] & 0xffffff, b->expected[i] & 0xffffff);
			}
		}
	}
}

static uint32_t premultiplied(uint32_t *random)
{
	uint32_t p = random_next(random), alpha = p >> 24, out = alpha << 24;

	for (unsigned int shift = 0; shift < 24; shift += 8) {
		out |= ((p >> shift) & 0xff) * alpha / 255 << shift;
	}
	return out;
}

static void place_layer(struct bench *b, struct layer *layer, int32_t width, int32_t height)
{
	layer->dst.x1 = random_between(&b->random, -width / 2, (int32_t)b->width - 1);
	layer->dst.y1 = random_between(&b->random, -height / 2, (int32_t)b->height - 1);
	layer->dst.x2 = layer->dst.x1 + width;
	layer->dst.y2 = layer->dst.y1 + height;
}

static void make_frame_layer(struct bench *b, struct layer *layer)
{
	uint32_t width = (uint32_t)random_between(&b->random, 1, 70);
	uint32_t height = (uint32_t)random_between(&b->random, 1, 50);
	uint32_t fourcc = formats[random_between(&b->random, 0, 4)];
	uint32_t row = width * frame_format_bytes(fourcc);
	uint32_t stride = (row + (uint32_t)random_between(&b->random, 0, 9) + 3) & ~3u;
	int32_t factor = random_between(&b->random, 1, 3);

	layer->frame = test_frame_create(width, height, fourcc, stride, &b->random);
	layer->grey = random_between(&b->random, 0, 2) == 0;
	if (random_between(&b->random, 0, 1)) {
		place_layer(b, layer, (int32_t)width * factor, (int32_t)height * factor);
	} else {
		place_layer(b, layer, random_between(&b->random, 1, 200),
			    random_between(&b->random, 1, 150));
	}
}

static void make_sprite_layer(struct bench *b, struct layer *layer)
{
	uint32_t width = (uint32_t)random_between(&b->random, 1, 60);
	uint32_t height = (uint32_t)random_between(&b->random, 1, 40);

	layer->sprite = sprite_create(width, height);
	assert_non_null(layer->sprite);
	for (uint32_t i = 0; i < width * height; i++) {
		layer->sprite->pixels[i] = premultiplied(&b->random);
	}
	layer->alpha = random_between(&b->random, 0, 1)
			       ? 255
			       : (uint8_t)random_between(&b->random, 0, 255);
	place_layer(b, layer, (int32_t)width, (int32_t)height);
}

static void make_layer(struct bench *b, struct layer *layer)
{
	memset(layer, 0, sizeof(*layer));
	layer->kind = (enum layer_kind)random_between(&b->random, LAYER_FILL, LAYER_SPRITE);
	switch (layer->kind) {
	case LAYER_FILL:
		layer->color = premultiplied(&b->random);
		if (random_between(&b->random, 0, 1)) {
			layer->color |= 0xff000000;
		}
		place_layer(b, layer, random_between(&b->random, 1, 150),
			    random_between(&b->random, 1, 100));
		break;
	case LAYER_FRAME:
		make_frame_layer(b, layer);
		break;
	case LAYER_SPRITE:
		make_sprite_layer(b, layer);
		break;
	}
}

static void free_layer(struct bench *b, struct layer *layer)
{
	if (layer->frame) {
		b->gl->ops->frame_gone(b->gl, layer->frame);
	}
	frame_unlock(layer->frame);
	sprite_unlock(layer->sprite);
}

static void damage_randomly(struct bench *b, pixman_region32_t *damage)
{
	for (int i = random_between(&b->random, 1, 5); i > 0; i--) {
		pixman_region32_union_rect(
			damage, damage, random_between(&b->random, -9, (int32_t)b->width),
			random_between(&b->random, -9, (int32_t)b->height),
			(unsigned int)random_between(&b->random, 1, (int32_t)b->width),
			(unsigned int)random_between(&b->random, 1, (int32_t)b->height));
	}
}

static void test_same_pixels_as_pixman(void **state)
{
	struct bench *b = *state;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		unsigned int count = (unsigned int)random_between(&b->random, 1, LAYERS_MAX);
		struct layer layers[LAYERS_MAX];
		pixman_region32_t damage;

		bench_resize(b, (uint32_t)random_between(&b->random, 1, 173),
			     (uint32_t)random_between(&b->random, 1, 131));
		pixman_region32_init(&damage);
		damage_randomly(b, &damage);
		for (unsigned int i = 0; i < count; i++) {
			make_layer(b, &layers[i]);
		}
		draw_gl(b, layers, count, &damage);
		draw_reference(b, layers, count, &damage);
		assert_same_pixels(b, round);
		assert_int_equal(b->gl->bytes_written, b->reference->bytes_written);
		for (unsigned int i = 0; i < count; i++) {
			free_layer(b, &layers[i]);
		}
		pixman_region32_fini(&damage);
	}
}

/* Positions far from the origin, where rounding errors would have grown. */
static void test_large_frame(void **state)
{
	struct bench *b = *state;
	struct layer layer = { .kind = LAYER_FRAME, .dst = { 0, 0, 1366, 31 } };
	pixman_region32_t all;

	bench_resize(b, 1366, 31);
	pixman_region32_init_rect(&all, 0, 0, 1366, 31);
	layer.frame = test_frame_plain(2559, 53, &b->random);
	draw_gl(b, &layer, 1, &all);
	draw_reference(b, &layer, 1, &all);
	assert_same_pixels(b, 0);
	free_layer(b, &layer);
	pixman_region32_fini(&all);
}

/* Of a changed frame only the damaged box is uploaded: what is around it stays as it was. */
static void test_uploads_only_damage(void **state)
{
	struct bench *b = *state;
	struct layer layer = { .kind = LAYER_FRAME, .dst = { 0, 0, 40, 30 } };
	const pixman_box32_t box = { 7, 5, 20, 11 };
	pixman_region32_t all;
	uint32_t before[40 * 30];

	bench_resize(b, 40, 30);
	pixman_region32_init_rect(&all, 0, 0, 40, 30);
	layer.frame = test_frame_plain(40, 30, &b->random);
	draw_gl(b, &layer, 1, &all);
	memcpy(before, b->drawn, sizeof(before));
	for (int32_t i = 0; i < 40 * 30; i++) {
		test_frame_set(layer.frame, i % 40, i / 40, (uint32_t)i * 2654435761u);
	}
	b->gl->ops->frame_damaged(b->gl, layer.frame, &box);
	draw_gl(b, &layer, 1, &all);
	for (int32_t i = 0; i < 40 * 30; i++) {
		bool inside =
			i % 40 >= box.x1 && i % 40 < box.x2 && i / 40 >= box.y1 && i / 40 < box.y2;
		uint32_t expected =
			inside ? test_frame_rgb(layer.frame, i % 40, i / 40) : before[i] & 0xffffff;

		assert_int_equal(b->drawn[i] & 0xffffff, expected);
	}
	free_layer(b, &layer);
	pixman_region32_fini(&all);
}

/* A frame that is gone leaves nothing behind for one at the same address. */
static void test_forgets_frames(void **state)
{
	struct bench *b = *state;
	struct layer layer = { .kind = LAYER_FRAME, .dst = { 0, 0, 8, 8 } };
	pixman_region32_t all;

	bench_resize(b, 8, 8);
	pixman_region32_init_rect(&all, 0, 0, 8, 8);
	layer.frame = test_frame_plain(8, 8, &b->random);
	draw_gl(b, &layer, 1, &all);
	b->gl->ops->frame_gone(b->gl, layer.frame);
	test_frame_set(layer.frame, 3, 4, 0x123456);
	draw_gl(b, &layer, 1, &all);
	assert_int_equal(b->drawn[4 * 8 + 3] & 0xffffff, 0x123456);
	free_layer(b, &layer);
	pixman_region32_fini(&all);
}

/* A frame that no processor can read is black until something imports it. */
static void test_dmabuf_is_black(void **state)
{
	struct bench *b = *state;
	struct frame frame = { .kind = FRAME_DMABUF,
			       .width = 8,
			       .height = 8,
			       .locks = 1,
			       .fourcc = DRM_FORMAT_XRGB8888 };
	struct layer layer = { .kind = LAYER_FRAME, .dst = { 0, 0, 8, 8 }, .frame = &frame };
	pixman_region32_t all;

	bench_resize(b, 8, 8);
	pixman_region32_init_rect(&all, 0, 0, 8, 8);
	draw_gl(b, &layer, 1, &all);
	for (unsigned int i = 0; i < 64; i++) {
		assert_int_equal(b->drawn[i] & 0xffffff, 0);
	}
	pixman_region32_fini(&all);
}

/* A guest that wants more than GL can hold, or than can be copied in time, loses its own picture:
 * it is black, and not even read. */
static void test_absurd_frame_is_black(void **state)
{
	const size_t bytes = (size_t)4 * FRAME_SIDE_MAX * FRAME_SIDE_MAX;
	struct bench *b = *state;
	struct frame frame = { .kind = FRAME_SHM,
			       .width = FRAME_SIDE_MAX,
			       .height = FRAME_SIDE_MAX,
			       .stride = 4 * FRAME_SIDE_MAX,
			       .locks = 1,
			       .fourcc = DRM_FORMAT_XRGB8888 };
	struct layer layer = { .kind = LAYER_FRAME, .dst = { 0, 0, 8, 8 }, .frame = &frame };
	void *pixels = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pixman_region32_t all;

	assert_ptr_not_equal(pixels, MAP_FAILED);
	frame.pixels = pixels;
	bench_resize(b, 8, 8);
	pixman_region32_init_rect(&all, 0, 0, 8, 8);
	draw_gl(b, &layer, 1, &all);
	for (unsigned int i = 0; i < 64; i++) {
		assert_int_equal(b->drawn[i] & 0xffffff, 0);
	}
	pixman_region32_fini(&all);
	munmap(pixels, bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_pixels_as_pixman),
		cmocka_unit_test(test_large_frame),
		cmocka_unit_test(test_uploads_only_damage),
		cmocka_unit_test(test_forgets_frames),
		cmocka_unit_test(test_dmabuf_is_black),
		cmocka_unit_test(test_absurd_frame_is_black),
	};

	return cmocka_run_group_tests_name("gl_renderer", tests, bench_setup, bench_teardown);
}
