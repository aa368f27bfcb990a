// SPDX-License-Identifier: MIT
/* Samples of every format that QEMU has, there and back; and formats that nobody has. */
#include "tests/unit/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audio/sample.h"

static const struct sample_format formats[] = {
	{ 8, false, false, false, 48000, 1 }, { 8, true, false, false, 48000, 1 },
	{ 16, true, false, false, 48000, 1 }, { 16, false, false, false, 48000, 1 },
	{ 16, true, false, true, 48000, 1 },  { 16, false, false, true, 48000, 1 },
	{ 32, true, false, false, 48000, 1 }, { 32, false, false, false, 48000, 1 },
	{ 32, true, false, true, 48000, 1 },  { 32, false, false, true, 48000, 1 },
	{ 32, true, true, false, 48000, 1 },  { 32, true, true, true, 48000, 1 },
};

static void test_there_and_back(void **state)
{
	for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
		const struct sample_format *format = &formats[f];
		float step = format->is_float || format->bits == 32
				     ? 1e-6f
				     : 2.0f / (float)(1u << format->bits);

		for (int i = -1000; i <= 1000; i++) {
			float in = (float)i / 1000.0f, out;
			uint8_t bytes[4];

			sample_encode(format, &in, 1, bytes);
			sample_decode(format, bytes, 1, &out);
			/* The topmost step has none above it. */
			assert_true(fabsf(out - in) <= (in > 1.0f - step ? step : step * 0.51f));
		}
	}
}

/* Bytes that anybody can check by hand. */
static void test_known_bytes(void **state)
{
	static const struct {
		struct sample_format format;
		uint8_t bytes[4];
		float value;
	} known[] = {
		{ { 8, false, false, false, 8000, 1 }, { 0x80 }, 0.0f },
		{ { 8, false, false, false, 8000, 1 }, { 0x00 }, -1.0f },
		{ { 8, true, false, false, 8000, 1 }, { 0x40 }, 0.5f },
		{ { 16, true, false, false, 8000, 1 }, { 0x00, 0x40 }, 0.5f },
		{ { 16, true, false, true, 8000, 1 }, { 0x40, 0x00 }, 0.5f },
		{ { 16, false, false, false, 8000, 1 }, { 0x00, 0x40 }, -0.5f },
		{ { 32, true, false, true, 8000, 1 }, { 0xc0, 0, 0, 0 }, -0.5f },
		{ { 32, true, true, false, 8000, 1 }, { 0, 0, 0, 0x3f }, 0.5f },
		{ { 32, true, true, true, 8000, 1 }, { 0x3f, 0, 0, 0 }, 0.5f },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		uint8_t bytes[4] = { 0 };
		float value;

		sample_decode(&known[i].format, known[i].bytes, 1, &value);
		assert_true(value == known[i].value);
		sample_encode(&known[i].format, &value, 1, bytes);
		assert_memory_equal(bytes, known[i].bytes, known[i].format.bits / 8);
	}
}

/* Neither beyond full scale nor no number at all. */
static void test_hostile_floats(void **state)
{
	static const float hostile[] = { NAN, -NAN, INFINITY, -INFINITY, 1e30f, -7.0f };
	static const float legal[] = { 0, 0, 1, -1, 1, -1 };
	const struct sample_format format = { 32, true, true, false, 48000, 1 };
	const struct sample_format narrow = { 16, true, false, false, 48000, 1 };
	float out[6];
	int16_t words[6];

	sample_decode(&format, hostile, 6, out);
	for (size_t i = 0; i < 6; i++) {
		assert_true(out[i] == legal[i]);
	}
	sample_encode(&narrow, hostile, 6, words);
	assert_int_equal(words[0], 0);
	assert_int_equal(words[2], INT16_MAX);
	assert_int_equal(words[3], INT16_MIN);
}

static void test_sane_formats(void **state)
{
	struct sample_format format = { 16, true, false, false, 44100, 2 };

	assert_true(sample_format_is_sane(&format));
	assert_int_equal(sample_frame_size(&format), 4);
	for (unsigned int bits = 0; bits <= 255; bits++) {
		format.bits = bits;
		format.is_float = false;
		assert_int_equal(sample_format_is_sane(&format),
				 bits == 8 || bits == 16 || bits == 32);
		format.is_float = true;
		assert_int_equal(sample_format_is_sane(&format), bits == 32);
	}
	for (unsigned int channels = 0; channels <= 255; channels++) {
		format.channels = channels;
		format.bits = 32;
		assert_int_equal(sample_format_is_sane(&format), channels >= 1 && channels <= 8);
	}
	format.channels = 2;
	for (uint32_t rate = 0; rate < 400000; rate += 500) {
		format.rate = rate;
		assert_int_equal(sample_format_is_sane(&format), rate >= 4000 && rate <= 192000);
	}
	format.rate = UINT32_MAX;
	assert_false(sample_format_is_sane(&format));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_known_bytes),
		cmocka_unit_test(test_hostile_floats),
		cmocka_unit_test(test_sane_formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
