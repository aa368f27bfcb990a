// SPDX-License-Identifier: MIT
/* Memory that is truncated under its reader: the reader reads zeros and lives. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/shm_guard.h"

#define SIZE (16u * 4096u)

static int memory(size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	for (size_t done = 0; done < size;) {
		char fill[4096];
		ssize_t n;

		memset(fill, 0x5a, sizeof(fill));
		n = pwrite(fd, fill, sizeof(fill), (off_t)done);
		assert_true(n > 0);
		done += (size_t)n;
	}
	return fd;
}

static void test_truncated_memory_reads_as_zeros(void **fixture)
{
	struct shm_map *map, *other;
	int fd = memory(SIZE), fd2 = memory(SIZE);

	(void)fixture;
	assert_int_equal(shm_map_create(fd, SIZE, &map), 0);
	assert_int_equal(shm_map_create(fd2, SIZE, &other), 0);
	assert_int_equal(map->address[SIZE - 1], 0x5a);

	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(map->address[SIZE - 1], 0);
	assert_int_equal(map->address[8192], 0);
	assert_int_equal(map->address[4095], 0x5a);
	assert_true(map->broken);
	assert_false(other->broken);
	assert_int_equal(other->address[SIZE - 1], 0x5a);

	/* And once more, all of it, while the other one is unmapped in between. */
	shm_map_unlock(other);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(map->address[0], 0);
	shm_map_unlock(map);
	close(fd);
	close(fd2);
}

static void test_what_is_no_memory_is_refused(void **fixture)
{
	struct shm_map *map;
	int fd = memory(4096), pipes[2];

	(void)fixture;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(shm_map_create(pipes[0], 1, &map), -EINVAL);
	assert_int_equal(shm_map_create(-1, 1, &map), -EBADF);
	assert_int_equal(shm_map_create(fd, 4097, &map), -ERANGE);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(shm_map_create(fd, 0, &map), -ERANGE);
	assert_int_equal(ftruncate(fd, (off_t)(SHM_MAP_MAX + 1)), 0);
	assert_int_equal(shm_map_create(fd, 1, &map), -ERANGE);
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
	/* A file of a file system that may keep us waiting, here this program; and huge pages. */
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_equal(shm_map_create(fd, 1, &map), -EINVAL);
	close(fd);
	fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
	if (fd >= 0) {
		assert_int_equal(ftruncate(fd, 2 << 20), 0);
		assert_int_equal(shm_map_create(fd, 1, &map), -EINVAL);
		close(fd);
	}
}

static void test_the_same_memory_is_recognised(void **fixture)
{
	int fd = memory(SIZE), fd2 = memory(SIZE), dup_fd = dup(fd);
	struct shm_map *map;

	(void)fixture;
	assert_int_equal(shm_map_create(fd, SIZE, &map), 0);
	assert_true(shm_map_is(map, dup_fd, SIZE));
	assert_false(shm_map_is(map, fd2, SIZE));
	assert_false(shm_map_is(map, fd, SIZE + 1));
	/* Another length is another mapping. */
	assert_int_equal(ftruncate(fd, SIZE * 2), 0);
	assert_false(shm_map_is(map, fd, SIZE));
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_false(shm_map_is(map, fd, 4096));
	shm_map_unlock(map);
	close(fd);
	close(fd2);
	close(dup_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truncated_memory_reads_as_zeros),
		cmocka_unit_test(test_what_is_no_memory_is_refused),
		cmocka_unit_test(test_the_same_memory_is_recognised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
