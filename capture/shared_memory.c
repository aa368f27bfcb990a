// SPDX-License-Identifier: MIT
/* Mapping a guest's shared memory, and copying out of it; see shared_memory.h. */
#include "capture/shared_memory.h"

#include <errno.h>

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

int shared_read(const struct shared_memory *memory, uint64_t offset, void *to, size_t size)
{
	if (!shared_has(memory, offset, size)) {
		return -EFAULT;
	}
	shared_copy(to, memory->base + offset, size);
	return 0;
}
