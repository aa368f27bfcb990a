/* SPDX-License-Identifier: MIT */
/*
 * Memory that a guest writes while we read it. All access to it goes through here: what lies
 * outside reads as nothing and is never touched, whatever a guest says about where things are.
 * Offsets are 64 bits wide so that the sum of a few 32-bit numbers cannot wrap.
 *
 * A value that a decision depends on is read once, into memory of our own.
 */
#ifndef CAPTURE_SHARED_MEMORY_H
#define CAPTURE_SHARED_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "capture/shm_guard.h"

struct shared_memory {
	struct shm_map *map;
	uint8_t *base;
	uint64_t size; /* bytes */
};

/* Maps the whole; errors of shm_map_create_writable(). The descriptor stays the caller's. */
int shared_memory_open(struct shared_memory *memory, int fd, size_t size);
void shared_memory_close(struct shared_memory *memory); /* zeroed is legal */

/* Somebody truncated it: parts read as zeros from now on. */
bool shared_memory_is_broken(const struct shared_memory *memory);

/* A fuzzer that compiles the readers anew comes between their accesses here. */
#ifndef SHARED_MEMORY_READS
#define SHARED_MEMORY_READS()
#define SHARED_MEMORY_WRITES(offset)
#endif

/* Whether [offset, offset + size) lies inside. */
static inline bool shared_has(const struct shared_memory *memory, uint64_t offset, uint64_t size)
{
	return size <= memory->size && offset <= memory->size - size;
}

/* For pixels, whose values decide nothing, and shared_copy(). NULL when they do not lie inside. */
static inline const uint8_t *shared_bytes(const struct shared_memory *memory, uint64_t offset,
					  uint64_t size)
{
	SHARED_MEMORY_READS();
	return shared_has(memory, offset, size) ? memory->base + offset : NULL;
}

/* Copies a part of what shared_bytes() has found, once: without the fence a compiler that sees both
 * ends might read there again instead of in the copy. */
static inline void shared_copy(void *to, const uint8_t *from, size_t size)
{
	SHARED_MEMORY_READS();
	memcpy(to, from, size);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Copies; -EFAULT, and nothing is copied, when it does not lie inside. */
int shared_read(const struct shared_memory *memory, uint64_t offset, void *to, size_t size);

/*
 * Atomic words, aligned to their size. Outside, and where the alignment is wrong, a load is 0, a
 * change does nothing and returns 0. A picture takes some thirty, most of them at places that the
 * compiler knows: as calls they made 520 instructions more of it.
 */
static inline void *shared_word(const struct shared_memory *memory, uint64_t offset, size_t size)
{
	return shared_has(memory, offset, size) && offset % size == 0 ? memory->base + offset
								      : NULL;
}

static inline uint32_t shared_load(const struct shared_memory *memory, uint64_t offset)
{
	uint32_t *word = (uint32_t *)shared_word(memory, offset, sizeof(*word));

	SHARED_MEMORY_READS();
	return word ? __atomic_load_n(word, __ATOMIC_ACQUIRE) : 0;
}

static inline uint64_t shared_load_wide(const struct shared_memory *memory, uint64_t offset)
{
	uint64_t *word = (uint64_t *)shared_word(memory, offset, sizeof(*word));

	SHARED_MEMORY_READS();
	return word ? __atomic_load_n(word, __ATOMIC_ACQUIRE) : 0;
}

static inline void shared_store(const struct shared_memory *memory, uint64_t offset, uint32_t value)
{
	uint32_t *word = (uint32_t *)shared_word(memory, offset, sizeof(*word));

	SHARED_MEMORY_WRITES(offset);
	if (word) {
		__atomic_store_n(word, value, __ATOMIC_RELEASE);
	}
}

static inline void shared_store_wide(const struct shared_memory *memory, uint64_t offset,
				     uint64_t value)
{
	uint64_t *word = (uint64_t *)shared_word(memory, offset, sizeof(*word));

	SHARED_MEMORY_WRITES(offset);
	if (word) {
		__atomic_store_n(word, value, __ATOMIC_RELEASE);
	}
}

/* These return the value before. */
static inline uint32_t shared_add(const struct shared_memory *memory, uint64_t offset,
				  uint32_t value)
{
	uint32_t *word = (uint32_t *)shared_word(memory, offset, sizeof(*word));

	SHARED_MEMORY_WRITES(offset);
	return word ? __atomic_fetch_add(word, value, __ATOMIC_ACQ_REL) : 0;
}

static inline uint32_t shared_clear(const struct shared_memory *memory, uint64_t offset,
				    uint32_t bits)
{
	uint32_t *word = (uint32_t *)shared_word(memory, offset, sizeof(*word));

	SHARED_MEMORY_READS();
	return word ? __atomic_fetch_and(word, ~bits, __ATOMIC_ACQ_REL) : 0;
}

static inline uint32_t shared_swap(const struct shared_memory *memory, uint64_t offset,
				   uint32_t value)
{
	uint32_t *word = (uint32_t *)shared_word(memory, offset, sizeof(*word));

	SHARED_MEMORY_WRITES(offset);
	return word ? __atomic_exchange_n(word, value, __ATOMIC_ACQ_REL) : 0;
}

static inline uint8_t shared_swap_byte(const struct shared_memory *memory, uint64_t offset,
				       uint8_t value)
{
	uint8_t *byte = (uint8_t *)shared_word(memory, offset, sizeof(*byte));

	SHARED_MEMORY_WRITES(offset);
	return byte ? __atomic_exchange_n(byte, value, __ATOMIC_ACQ_REL) : 0;
}

#endif
