// SPDX-License-Identifier: MIT
/* The one place that touches a guest's shared memory; see shared_memory.h. */
#include "capture/shared_memory.h"

#include <errno.h>
#include <string.h>

int shared_memory_open(struct shared_memory *memory, int fd, size_t size)
{
	int r = shm_map_create_writable(fd, size, &memory->map);

	if (r < 0) {
		return r;
	}
	memory->base = (uint8_t *)memory->map->address;
	memory->size = size;
	return 0;
}

void shared_memory_close(struct shared_memory *memory)
{
	shm_map_unlock(memory->map);
	*memory = (struct shared_memory){ 0 };
}

bool shared_memory_is_broken(const struct shared_memory *memory)
{
	return memory->map->broken;
}

bool shared_has(const struct shared_memory *memory, uint64_t offset, uint64_t size)
{
	return size <= memory->size && offset <= memory->size - size;
}

int shared_read(const struct shared_memory *memory, uint64_t offset, void *to, size_t size)
{
	if (!shared_has(memory, offset, size)) {
		return -EFAULT;
	}
	memcpy(to, memory->base + offset, size);
	return 0;
}

const uint8_t *shared_bytes(const struct shared_memory *memory, uint64_t offset, uint64_t size)
{
	return shared_has(memory, offset, size) ? memory->base + offset : NULL;
}

static void *word_at(const struct shared_memory *memory, uint64_t offset, size_t size)
{
	return shared_has(memory, offset, size) && offset % size == 0 ? memory->base + offset
								      : NULL;
}

uint32_t shared_load(const struct shared_memory *memory, uint64_t offset)
{
	uint32_t *word = word_at(memory, offset, sizeof(*word));

	return word ? __atomic_load_n(word, __ATOMIC_ACQUIRE) : 0;
}

uint64_t shared_load_wide(const struct shared_memory *memory, uint64_t offset)
{
	uint64_t *word = word_at(memory, offset, sizeof(*word));

	return word ? __atomic_load_n(word, __ATOMIC_ACQUIRE) : 0;
}

void shared_store(const struct shared_memory *memory, uint64_t offset, uint32_t value)
{
	uint32_t *word = word_at(memory, offset, sizeof(*word));

	if (word) {
		__atomic_store_n(word, value, __ATOMIC_RELEASE);
	}
}

void shared_store_wide(const struct shared_memory *memory, uint64_t offset, uint64_t value)
{
	uint64_t *word = word_at(memory, offset, sizeof(*word));

	if (word) {
		__atomic_store_n(word, value, __ATOMIC_RELEASE);
	}
}

uint32_t shared_add(const struct shared_memory *memory, uint64_t offset, uint32_t value)
{
	uint32_t *word = word_at(memory, offset, sizeof(*word));

	return word ? __atomic_fetch_add(word, value, __ATOMIC_ACQ_REL) : 0;
}

uint32_t shared_clear(const struct shared_memory *memory, uint64_t offset, uint32_t bits)
{
	uint32_t *word = word_at(memory, offset, sizeof(*word));

	return word ? __atomic_fetch_and(word, ~bits, __ATOMIC_ACQ_REL) : 0;
}

uint32_t shared_swap(const struct shared_memory *memory, uint64_t offset, uint32_t value)
{
	uint32_t *word = word_at(memory, offset, sizeof(*word));

	return word ? __atomic_exchange_n(word, value, __ATOMIC_ACQ_REL) : 0;
}

uint8_t shared_swap_byte(const struct shared_memory *memory, uint64_t offset, uint8_t value)
{
	uint8_t *byte = word_at(memory, offset, sizeof(*byte));

	return byte ? __atomic_exchange_n(byte, value, __ATOMIC_ACQ_REL) : 0;
}
