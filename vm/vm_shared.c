// SPDX-License-Identifier: MIT
/*
 * The memory that a guest's programs share with the seat, a file in the guest's runtime folder:
 * made before QEMU starts, found by its name by the seat that comes next, and gone with QEMU. It is
 * a file of memory or there is none: nothing that reads it may wait for a disk.
 *
 * Where the host has the module kvmfr of Looking Glass, it may be a device of that module instead;
 * then there is a link to it in the runtime folder, so that it is found in the same way. Its memory
 * lives as long as the module, and what an earlier guest has left there is not believed, since its
 * heart does not beat.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "common/log.h"
#include "vm/command_line.h"
#include "vm/vm_private.h"

/* QEMU opens what it is handed once more, which takes a right of its own user. Nobody else can: the
 * folder is the seat's alone. */
static int allow_user(int fd, uid_t uid)
{
	struct {
		struct posix_acl_xattr_header head;
		struct posix_acl_xattr_entry entries[5];
	} acl = {
		.head = { POSIX_ACL_XATTR_VERSION },
		.entries = { { ACL_USER_OBJ, ACL_READ | ACL_WRITE, (__le32)ACL_UNDEFINED_ID },
			     { ACL_USER, ACL_READ | ACL_WRITE, uid },
			     { ACL_GROUP_OBJ, 0, (__le32)ACL_UNDEFINED_ID },
			     { ACL_MASK, ACL_READ | ACL_WRITE, (__le32)ACL_UNDEFINED_ID },
			     { ACL_OTHER, 0, (__le32)ACL_UNDEFINED_ID } },
	};

	return fsetxattr(fd, "system.posix_acl_access", &acl, sizeof(acl), 0) < 0 ? -errno : 0;
}

static int check_place(int fd, uint64_t size)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0) {
		return -errno;
	}
	if ((unsigned long)fs.f_type != TMPFS_MAGIC) {
		return -EMEDIUMTYPE;
	}
	return (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize < size ? -ENOSPC : 0;
}

static int create_file(const char *path, uint64_t size, const struct vm_account *account)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (unlink(path) < 0 && errno != ENOENT) {
		return -errno;
	}
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return -errno;
	}
	r = check_place(fd, size);
	if (r >= 0 && account) {
		r = allow_user(fd, account->uid);
	}
	return r < 0 ? r : ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

/* ---- a device ---- */

#define KVMFR_DMABUF_GETSIZE _IO('u', 0x44)

/* Opens it; its size in bytes. Never waits. */
static int open_node(const char *path, uint64_t *size)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	int bytes;

	if (fd < 0 || fstat(fd, &st) < 0) {
		return -errno;
	}
	bytes = S_ISCHR(st.st_mode) ? ioctl(fd, KVMFR_DMABUF_GETSIZE, 0) : -1;
	if (bytes <= 0) {
		return -ENOTTY;
	}
	*size = (uint64_t)bytes;
	return take_fd(fd);
}

/* PCI has no other sizes than powers of two. */
static int link_node(const char *path, const char *node, uint64_t *size)
{
	_cleanup_close_ int fd = open_node(node, size);

	if (fd < 0) {
		return fd;
	}
	if (*size < 1 << 20 || (*size & (*size - 1))) {
		return -EFBIG;
	}
	if (unlink(path) < 0 && errno != ENOENT) {
		return -errno;
	}
	return symlink(node, path) < 0 ? -errno : 0;
}

/* What the link in the runtime folder leads to: nothing but such a device is opened. */
static int open_linked(const char *path, uint64_t *size)
{
	char node[PATH_MAX];
	ssize_t length = readlink(path, node, sizeof(node) - 1);

	if (length < 0) {
		return -errno;
	}
	node[length] = '\0';
	return vm_shared_is_node(node) ? open_node(node, size) : -ELOOP;
}

/* ---- either ---- */

static const char *explain(int error)
{
	switch (error) {
	case -ENOTTY:
		return "the device is none of the module kvmfr: name another one in [capture], or "
		       "a size";
	case -EFBIG:
		return "the device's size is no power of two of at least 1M: load kvmfr with "
		       "another static_size_mb";
	case -EMEDIUMTYPE:
		return "the runtime folder is not in memory: name one that is, as in /run, with "
		       "--runtime";
	case -ENOSPC:
		return "there is not as much left: give less in [capture], or the file system more";
	default:
		return strerror(-error);
	}
}

uint64_t vm_shared_create(struct vm *vm, const struct vm_account *account)
{
	_cleanup_free_ char *path = vm_path(vm->run_dir, RUN_FILE_SHARED);
	const char *node = vm->config->shared.node;
	uint64_t size = vm_config_shared_mib(vm->config) << 20;
	int r = -ENOMEM;

	if (!vm_config_shares(vm->config)) {
		vm_shared_remove(vm);
		return 0;
	}
	if (path) {
		r = *node ? link_node(path, node, &size) : create_file(path, size, account);
	}
	if (r < 0) {
		vm_shared_remove(vm);
		log_warning("%s: what it draws with a card of its own will not be seen: no memory "
			    "can be shared with it (%s)",
			    vm->config->name, explain(r));
		return 0;
	}
	return size >> 20;
}

void vm_shared_remove(struct vm *vm)
{
	_cleanup_free_ char *path = vm_path(vm->run_dir, RUN_FILE_SHARED);

	if (path) {
		unlink(path);
	}
}

int vm_open_shared(const struct vm *vm, uint64_t *size)
{
	_cleanup_free_ char *path = vm_path(vm->run_dir, RUN_FILE_SHARED);
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (!path) {
		return -ENOMEM;
	}
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ELOOP) {
		return open_linked(path, size);
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		return -errno;
	}
	*size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
	return take_fd(fd);
}

uint64_t vm_shared_mib(const struct vm *vm)
{
	_cleanup_close_ int fd = -1;
	uint64_t size = 0;

	if (!*vm->config->shared.node) {
		return vm_config_shared_mib(vm->config);
	}
	fd = vm_open_shared(vm, &size);
	return fd < 0 ? 0 : size >> 20;
}

int vm_connect_agent(const struct vm *vm)
{
	_cleanup_free_ char *path = vm_path(vm->run_dir, RUN_FILE_AGENT);

	return path ? unix_connect_own(path) : -ENOMEM;
}
