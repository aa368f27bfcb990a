/* SPDX-License-Identifier: MIT */
/*
 * A bounded ring of frames between two threads, one that writes and one that reads. Neither waits
 * and neither takes a lock, so the reader or the writer may be a realtime thread.
 */
#ifndef AUDIO_RING_H
#define AUDIO_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
	float *samples;
	unsigned int channels;
	size_t capacity; /* frames; a power of two */
	/* Frames ever written and read; they differ by what is in the ring. */
	_Atomic uint64_t written, read;
};

/* Room for at least this many frames. 0 or -ENOMEM. */
int ring_init(struct ring *ring, unsigned int channels, size_t frames);
void ring_finish(struct ring *ring);

/* Frames that can be read now: exact for the reader, at most so many for the writer. */
size_t ring_fill(const struct ring *ring);

/* The writer: takes what fits and returns how many frames that was. */
size_t ring_write(struct ring *ring, const float *frames, size_t count);

/* The reader: how many frames there were of those asked for. out NULL: they are skipped. */
size_t ring_read(struct ring *ring, float *out, size_t count);

#endif
