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

/* Whether [offset, offset + size) lies inside. */
bool shared_has(const struct shared_memory *memory, uint64_t offset, uint64_t size);

/* Copies; -EFAULT, and nothing is copied, when it does not lie inside. */
int shared_read(const struct shared_memory *memory, uint64_t offset, void *to, size_t size);

/* For pixels, whose values decide nothing. NULL when they do not lie inside. */
const uint8_t *shared_bytes(const struct shared_memory *memory, uint64_t offset, uint64_t size);

/*
 * Atomic words, aligned to their size. Outside, and where the alignment is wrong, a load is 0, a
 * change does nothing and returns 0.
 */
uint32_t shared_load(const struct shared_memory *memory, uint64_t offset);
uint64_t shared_load_wide(const struct shared_memory *memory, uint64_t offset);
void shared_store(const struct shared_memory *memory, uint64_t offset, uint32_t value);
void shared_store_wide(const struct shared_memory *memory, uint64_t offset, uint64_t value);
/* These return the value before. */
uint32_t shared_add(const struct shared_memory *memory, uint64_t offset, uint32_t value);
uint32_t shared_clear(const struct shared_memory *memory, uint64_t offset, uint32_t bits);
uint32_t shared_swap(const struct shared_memory *memory, uint64_t offset, uint32_t value);
uint8_t shared_swap_byte(const struct shared_memory *memory, uint64_t offset, uint8_t value);

#endif
