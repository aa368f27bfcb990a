// SPDX-License-Identifier: MIT
/* Shared memory of the virtual machine; see region.h. */
#include "agent/region.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/sysfs.h"
#include "common/cleanup.h"
#include "common/log.h"

#define KVMFR_NODE "/dev/kvmfr0"
#define KVMFR_GET_SIZE _IO('u', 0x44)
#define IVSHMEM_VENDOR 0x1af4
#define IVSHMEM_DEVICE 0x1110
#define SIZE_MIN ((size_t)1 << 20)

static int map_size(int fd, const char *path, size_t size, struct region *out)
{
	void *memory;

	if (size < SIZE_MIN) {
		log_error("%s: %zu bytes are too few to share pictures; give the guest a larger "
			  "shared memory",
			  path, size);
		return -ENOSPC;
	}
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		int r = -errno;

		log_error("%s: %s; is the kernel locked down, or the memory another program's?",
			  path, strerror(-r));
		return r;
	}
	*out = (struct region){ .memory = memory, .size = size, .fd = -1 };
	return 0;
}

static int map_file(const char *path, bool is_kvmfr, struct region *out)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat status;
	int size, r;

	if (fd < 0 || fstat(fd, &status) < 0) {
		r = -errno;
		log_error("%s: %s", path, strerror(-r));
		return r;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		return -EBUSY;
	}
	size = is_kvmfr ? ioctl(fd, KVMFR_GET_SIZE, 0) : 0;
	r = map_size(fd, path, is_kvmfr ? (size_t)(size < 0 ? 0 : size) : (size_t)status.st_size,
		     out);
	if (r == 0) {
		out->fd = take_fd(fd);
	}
	return r;
}

/* ---- the PCI device ---- */

static void enable(const char *folder)
{
	int r = sysfs_read_number(folder, "enable") > 0 ? 0 : sysfs_write(folder, "enable", "1");

	/* The memory may then read as ones alone; mapping it is tried all the same. */
	if (r < 0) {
		log_warning("%s/enable: %s", folder, strerror(-r));
	}
}

/* Where writes are gathered when the device has such a mapping: uncached ones are far slower. */
static int map_device(const char *folder, struct region *out)
{
	char path[PATH_MAX];

	enable(folder);
	if (sysfs_path(path, folder, "resource2_wc") < 0 || access(path, F_OK) < 0) {
		sysfs_path(path, folder, "resource2");
	}
	return map_file(path, false, out);
}

static bool is_ivshmem(const char *folder)
{
	return sysfs_read_number(folder, "vendor") == IVSHMEM_VENDOR &&
	       sysfs_read_number(folder, "device") == IVSHMEM_DEVICE;
}

/* The one with the lowest address. -ENODEV: there is none. */
static int find_device(const char *devices, char found[static PATH_MAX])
{
	_cleanup_folder_ DIR *folder = opendir(devices);
	char path[PATH_MAX];
	struct dirent *entry;

	*found = '\0';
	while (folder && (entry = readdir(folder))) {
		if (entry->d_name[0] != '.' && sysfs_path(path, devices, entry->d_name) == 0 &&
		    (!*found || strcmp(path, found) < 0) && is_ivshmem(path)) {
			memcpy(found, path, sizeof(path));
		}
	}
	return *found ? 0 : -ENODEV;
}

int region_open(const char *path, const char *devices, struct region *out)
{
	char folder[PATH_MAX];

	if (path) {
		return map_file(path, false, out);
	}
	if (access(KVMFR_NODE, F_OK) == 0) {
		return map_file(KVMFR_NODE, true, out);
	}
	if (find_device(devices, folder) < 0) {
		return -ENODEV;
	}
	return map_device(folder, out);
}

void region_close(struct region *region)
{
	if (region->memory) {
		munmap(region->memory, region->size);
		close(region->fd);
	}
	*region = (struct region){ 0 };
}
