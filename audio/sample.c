// SPDX-License-Identifier: MIT
/* Converts samples; see sample.h. */
#include "audio/sample.h"

#include <endian.h>
#include <math.h>
#include <string.h>

bool sample_format_is_sane(const struct sample_format *format)
{
	bool known = format->is_float ? format->bits == 32
				      : format->bits == 8 || format->bits == 16 || format->bits == 32;

	return known && format->rate >= SAMPLE_RATE_MIN && format->rate <= SAMPLE_RATE_MAX &&
	       format->channels >= 1 && format->channels <= SAMPLE_CHANNELS_MAX;
}

size_t sample_frame_size(const struct sample_format *format)
{
	return format->bits / 8 * format->channels;
}

static float limit(float sample)
{
	if (!(sample > -1.0f)) {
		return isnan(sample) ? 0.0f : -1.0f;
	}
	return sample < 1.0f ? sample : 1.0f;
}

/* The bits of sample i as the host counts. */
static uint32_t load(const struct sample_format *format, const uint8_t *bytes, size_t i)
{
	uint16_t half;
	uint32_t word;

	switch (format->bits) {
	case 8:
		return bytes[i];
	case 16:
		memcpy(&half, bytes + 2 * i, sizeof(half));
		return format->big_endian ? be16toh(half) : le16toh(half);
	default:
		memcpy(&word, bytes + 4 * i, sizeof(word));
		return format->big_endian ? be32toh(word) : le32toh(word);
	}
}

static void store(const struct sample_format *format, uint8_t *bytes, size_t i, uint32_t word)
{
	uint16_t half = (uint16_t)word;

	switch (format->bits) {
	case 8:
		bytes[i] = (uint8_t)word;
		break;
	case 16:
		half = format->big_endian ? htobe16(half) : htole16(half);
		memcpy(bytes + 2 * i, &half, sizeof(half));
		break;
	default:
		word = format->big_endian ? htobe32(word) : htole32(word);
		memcpy(bytes + 4 * i, &word, sizeof(word));
	}
}

/* Unsigned samples are signed ones with the highest bit turned round; all are looked at as 32 bits
 * wide, so that one factor fits. */
static uint32_t to_word(const struct sample_format *format, uint32_t bits)
{
	uint32_t word = bits << (32 - format->bits);

	return format->is_signed ? word : word ^ 0x80000000u;
}

void sample_decode(const struct sample_format *format, const void *bytes, size_t count, float *out)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t bits = load(format, bytes, i);

		if (format->is_float) {
			float sample;

			memcpy(&sample, &bits, sizeof(sample));
			out[i] = limit(sample);
		} else {
			out[i] = (float)((double)(int32_t)to_word(format, bits) / 2147483648.0);
		}
	}
}

void sample_encode(const struct sample_format *format, const float *in, size_t count, void *bytes)
{
	double half_step = 2147483648.0 / (double)(1ull << format->bits);

	for (size_t i = 0; i < count; i++) {
		float sample = limit(in[i]);
		uint32_t bits;

		if (format->is_float) {
			memcpy(&bits, &sample, sizeof(bits));
		} else {
			/* Rounded to the nearest step; the topmost one has none above it. */
			double value = (double)sample * 2147483648.0 + half_step;
			double top = 2147483648.0 - 2 * half_step;

			if (value > 2147483647.0) {
				value = top;
			}
			bits = (uint32_t)(int32_t)floor(value);
			if (!format->is_signed) {
				bits ^= 0x80000000u;
			}
			bits >>= 32 - format->bits;
		}
		store(format, bytes, i, bits);
	}
}
