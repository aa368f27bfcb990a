/* SPDX-License-Identifier: MIT */
/*
 * Mappings of memory that somebody else owns and may truncate under us. Touching a page that is not
 * there any more raises SIGBUS; the guard's handler then puts zero pages under the rest of that one
 * mapping and the access goes on. So a hostile sender loses its picture, and no reader needs to
 * know.
 */
#ifndef CAPTURE_SHM_GUARD_H
#define CAPTURE_SHM_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct shm_map {
	unsigned int locks;
	dev_t device; /* which file: tells whether two descriptors are the same memory */
	ino_t inode;
	const uint8_t *address;
	size_t length;        /* bytes */
	int protection;       /* of mmap(2): read-only, but for shm_map_create_writable() */
	volatile bool broken; /* SIGBUS happened: parts read as zeros from now on */
	struct shm_map *next; /* the guard's registry */
};

/*
 * Maps the whole of a memfd of at least min_length bytes, at most SHM_MAP_MAX. Memory that is
 * mapped already, say by an earlier listener's frame, is not mapped twice. The descriptor stays
 * the caller's and may be closed. Returns 0; -EINVAL when it is no memory, -ERANGE when it is too
 * small or too large, or -errno of mmap(2). Must be called from one thread only.
 */
int shm_map_create(int fd, size_t min_length, struct shm_map **out);

/*
 * Maps `length` bytes of memory that both sides write: a file of a tmpfs, or a character device
 * that is memory. Each call makes a mapping of its own. Returns 0; -EINVAL when it is neither (a
 * disk would make readers wait), -ERANGE when it is smaller, or -errno of mmap(2). Threads as
 * above.
 */
int shm_map_create_writable(int fd, size_t length, struct shm_map **out);

/* Whether the descriptor is the file that is mapped, at its mapped length. */
bool shm_map_is(const struct shm_map *map, int fd, size_t min_length);

struct shm_map *shm_map_lock(struct shm_map *map);
void shm_map_unlock(struct shm_map *map); /* NULL is legal; the last one unmaps */

/* 16384 x 16384 pixels of four bytes. */
#define SHM_MAP_MAX (1ull << 30)

#endif
