/* SPDX-License-Identifier: MIT */
/* Frames for tests: any format, size and stride, with pixels from a seeded generator. */
#ifndef TESTS_UNIT_TEST_FRAMES_H
#define TESTS_UNIT_TEST_FRAMES_H

#include <stdint.h>

#include "capture/frame.h"

/* The same numbers in every run. */
uint32_t random_next(uint32_t *state);
/* A number from low to high, both included. */
int32_t random_between(uint32_t *state, int32_t low, int32_t high);

/* One lock; pixels are random, also in the padding of rows. */
struct frame *test_frame_create(uint32_t width, uint32_t height, uint32_t fourcc, uint32_t stride,
				uint32_t *random);
/* The same, XRGB8888 without padding. */
struct frame *test_frame_plain(uint32_t width, uint32_t height, uint32_t *random);

/* What the pixel means, as 0x00RRGGBB. */
uint32_t test_frame_rgb(const struct frame *frame, int32_t x, int32_t y);
/* Writes raw bytes of one pixel; the memory is ours. */
void test_frame_set(struct frame *frame, int32_t x, int32_t y, uint32_t raw);

#endif
