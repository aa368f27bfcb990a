// SPDX-License-Identifier: MIT
/* Frames between two threads; see ring.h. */
#include "audio/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int ring_init(struct ring *ring, unsigned int channels, size_t frames)
{
	size_t capacity = 1;

	while (capacity < frames) {
		capacity *= 2;
	}
	*ring = (struct ring){ .channels = channels, .capacity = capacity };
	ring->samples = calloc(capacity * channels, sizeof(float));
	return ring->samples ? 0 : -ENOMEM;
}

void ring_finish(struct ring *ring)
{
	free(ring->samples);
	ring->samples = NULL;
}

size_t ring_fill(const struct ring *ring)
{
	/* In this order the writer sees what the reader took late, never early. */
	uint64_t read = atomic_load_explicit(&ring->read, memory_order_acquire);
	uint64_t written = atomic_load_explicit(&ring->written, memory_order_acquire);

	return (size_t)(written - read);
}

/* Calls copy for the one or two pieces that count frames from position at are made of. */
static void each_piece(struct ring *ring, uint64_t at, size_t count, float *other,
		       void (*copy)(float *in_ring, float *other, size_t samples))
{
	size_t start = (size_t)at & (ring->capacity - 1);
	size_t first = ring->capacity - start < count ? ring->capacity - start : count;

	copy(ring->samples + start * ring->channels, other, first * ring->channels);
	copy(ring->samples, other + first * ring->channels, (count - first) * ring->channels);
}

static void copy_in(float *in_ring, float *other, size_t samples)
{
	memcpy(in_ring, other, samples * sizeof(float));
}

static void copy_out(float *in_ring, float *other, size_t samples)
{
	memcpy(other, in_ring, samples * sizeof(float));
}

size_t ring_write(struct ring *ring, const float *frames, size_t count)
{
	uint64_t written = atomic_load_explicit(&ring->written, memory_order_relaxed);
	size_t room = ring->capacity - ring_fill(ring);

	if (count > room) {
		count = room;
	}
	each_piece(ring, written, count, (float *)frames, copy_in);
	atomic_store_explicit(&ring->written, written + count, memory_order_release);
	return count;
}

size_t ring_read(struct ring *ring, float *out, size_t count)
{
	uint64_t read = atomic_load_explicit(&ring->read, memory_order_relaxed);
	size_t fill = ring_fill(ring);

	if (count > fill) {
		count = fill;
	}
	if (out) {
		each_piece(ring, read, count, out, copy_out);
	}
	atomic_store_explicit(&ring->read, read + count, memory_order_release);
	return count;
}
