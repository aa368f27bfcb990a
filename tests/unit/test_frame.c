// SPDX-License-Identifier: MIT
/* Frames in memory of their own, and their holders. */
#include "tests/unit/test.h"

#include <drm_fourcc.h>

#include "capture/frame.h"

static void test_own_memory(void **state)
{
	struct frame *frame = frame_create(3, 2, DRM_FORMAT_XBGR8888);
	uint32_t *pixels = frame_own_pixels(frame);

	(void)state;
	assert_non_null(frame);
	assert_int_equal(frame->kind, FRAME_SHM);
	assert_int_equal(frame->fourcc, DRM_FORMAT_XBGR8888);
	assert_int_equal(frame->stride, 3 * 4);
	assert_ptr_equal(frame->pixels, pixels);
	for (unsigned int i = 0; i < 3 * 2; i++) {
		assert_int_equal(pixels[i], 0);
	}
	pixels[3 * 2 - 1] = 0x17;
	frame_unlock(frame);
}

static unsigned int released;

static void release(struct frame *frame)
{
	(void)frame;
	released++;
}

static void test_memory_of_others(void **state)
{
	uint32_t pixel = 0;
	struct frame frame = { .kind = FRAME_SHM,
			       .width = 1,
			       .height = 1,
			       .fourcc = DRM_FORMAT_XRGB8888,
			       .stride = 4,
			       .pixels = (const uint8_t *)&pixel,
			       .locks = 1,
			       .release = release };

	(void)state;
	assert_null(frame_own_pixels(&frame));
	assert_null(frame_own_pixels(NULL));
	frame_unlock(frame_lock(&frame));
	assert_int_equal(released, 0);
	frame_unlock(&frame);
	assert_int_equal(released, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_memory),
		cmocka_unit_test(test_memory_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
