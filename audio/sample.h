/* SPDX-License-Identifier: MIT */
/*
 * Samples as guests have them, and as the seat has them: 32-bit floats, -1 to 1, channels
 * interleaved. A frame is one sample of each channel. Pure functions; any thread.
 */
#ifndef AUDIO_SAMPLE_H
#define AUDIO_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAMPLE_CHANNELS_MAX 8
#define SAMPLE_RATE_MIN 4000
#define SAMPLE_RATE_MAX 192000

/* As org.qemu.Display1.AudioOutListener.Init says it. */
struct sample_format {
	unsigned int bits; /* 8, 16, 32 */
	bool is_signed, is_float, big_endian;
	uint32_t rate; /* frames a second */
	unsigned int channels;
};

/* Whether these are samples that the functions below know. */
bool sample_format_is_sane(const struct sample_format *format);

/* Of one frame, in bytes. */
size_t sample_frame_size(const struct sample_format *format);

/* count is that of samples, not frames. What is no number, or beyond full scale, becomes a legal
 * sample: a guest cannot be louder than loud. */
void sample_decode(const struct sample_format *format, const void *bytes, size_t count, float *out);
void sample_encode(const struct sample_format *format, const float *in, size_t count, void *bytes);

#endif
