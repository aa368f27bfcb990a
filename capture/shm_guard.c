// SPDX-License-Identifier: MIT
/*
 * Survives the truncation of mapped memory; see shm_guard.h.
 *
 * The handler runs in the thread that touched the page, so it only reads the registry, which is a
 * list that is changed with SIGBUS's readers in mind: an entry is linked in after it is complete
 * and unlinked before it is unmapped, by the one thread that also reads the mappings. mmap(2) is
 * not on POSIX's list of async-signal-safe functions, but on Linux it is a plain system call.
 */
#include "capture/shm_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/cleanup.h"

static struct shm_map *volatile registry;

static void handle_sigbus(int signal, siginfo_t *info, void *context)
{
	uintptr_t fault = (uintptr_t)info->si_addr;
	uintptr_t page = fault & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
	int saved = errno;

	(void)context;
	for (struct shm_map *map = registry; map; map = map->next) {
		uintptr_t start = (uintptr_t)map->address;

		if (fault < start || fault >= start + map->length) {
			continue;
		}
		if (mmap((void *)page, start + map->length - page, map->protection,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
			break;
		}
		map->broken = true;
		errno = saved;
		return;
	}
	/* Not one of ours: a bug, which deserves its core dump at the faulting instruction. */
	struct sigaction original = { .sa_handler = SIG_DFL };

	sigaction(signal, &original, NULL);
	errno = saved;
}

/* With each mapping anew: a library may have put its own handler there since the last one. */
static int install_handler(void)
{
	struct sigaction action = { .sa_sigaction = handle_sigbus, .sa_flags = SA_SIGINFO };

	return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}

/*
 * What a sender of evil passes may be a file on a network or a FUSE mount, for which even fstat(2)
 * may wait. Seals are asked of memory only, and answered at once. Huge pages cannot be replaced
 * one by one under the reader.
 */
static int check_memory(int fd)
{
	struct statfs fs;

	if (fcntl(fd, F_GET_SEALS) < 0 || fstatfs(fd, &fs) < 0) {
		return -errno;
	}
	return fs.f_type == TMPFS_MAGIC ? 0 : -EINVAL;
}

/* The file's size when it can be a picture's memory, or -errno. */
static int64_t usable_size(const struct stat *st, size_t min_length)
{
	if (!S_ISREG(st->st_mode)) {
		return -EINVAL;
	}
	if (st->st_size <= 0 || (uint64_t)st->st_size > SHM_MAP_MAX ||
	    (uint64_t)st->st_size < min_length) {
		return -ERANGE;
	}
	return st->st_size;
}

static struct shm_map *find_map(int fd, size_t min_length)
{
	struct shm_map *map = registry;

	while (map && (map->protection != PROT_READ || !shm_map_is(map, fd, min_length))) {
		map = map->next;
	}
	return map;
}

/* With the guard's handler in place. The mapping is the file's, st says which. */
static int map_file(int fd, size_t length, int protection, const struct stat *st,
		    struct shm_map **out)
{
	_cleanup_free_ struct shm_map *map = calloc(1, sizeof(*map));
	void *address;
	int r;

	if (!map) {
		return -ENOMEM;
	}
	r = install_handler();
	if (r < 0) {
		return r;
	}
	address = mmap(NULL, length, protection, MAP_SHARED, fd, 0);
	if (address == MAP_FAILED) {
		return -errno;
	}
	map->locks = 1;
	map->device = st->st_dev;
	map->inode = st->st_ino;
	map->address = address;
	map->length = length;
	map->protection = protection;
	map->next = registry;
	*out = map;
	registry = take_ptr(map);
	return 0;
}

int shm_map_create(int fd, size_t min_length, struct shm_map **out)
{
	struct shm_map *known = find_map(fd, min_length);
	struct stat st;
	int64_t size;
	int r;

	if (known) {
		*out = shm_map_lock(known);
		return 0;
	}
	r = check_memory(fd);
	if (r < 0) {
		return r;
	}
	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	size = usable_size(&st, min_length);
	return size < 0 ? (int)size : map_file(fd, (size_t)size, PROT_READ, &st, out);
}

int shm_map_create_writable(int fd, size_t length, struct shm_map **out)
{
	struct stat st;
	int64_t size;

	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	if (!S_ISCHR(st.st_mode)) {
		int r = check_memory(fd);

		if (r < 0) {
			return r;
		}
		size = usable_size(&st, length);
		if (size < 0) {
			return (int)size;
		}
	}
	return length == 0 ? -ERANGE : map_file(fd, length, PROT_READ | PROT_WRITE, &st, out);
}

bool shm_map_is(const struct shm_map *map, int fd, size_t min_length)
{
	struct stat st;

	return check_memory(fd) == 0 && fstat(fd, &st) == 0 && st.st_dev == map->device &&
	       st.st_ino == map->inode && !map->broken && min_length <= map->length &&
	       usable_size(&st, min_length) == (int64_t)map->length;
}

struct shm_map *shm_map_lock(struct shm_map *map)
{
	map->locks++;
	return map;
}

void shm_map_unlock(struct shm_map *map)
{
	struct shm_map *volatile *link = &registry;

	if (!map || --map->locks > 0) {
		return;
	}
	while (*link != map) {
		link = (struct shm_map *volatile *)&(*link)->next;
	}
	*link = map->next;
	munmap((void *)map->address, map->length);
	free(map);
}
