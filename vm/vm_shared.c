// SPDX-License-Identifier: MIT
/*
 * The memory that a guest's programs share with the seat, a file in the guest's runtime folder:
 * made before QEMU starts, found by its name by the seat that comes next, and gone with QEMU. It is
 * a file of memory or there is none: nothing that reads it may wait for a disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>
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

static const char *explain(int error)
{
	switch (error) {
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
	uint64_t mib = vm_config_shared_mib(vm->config);
	int r = -ENOMEM;

	if (mib == 0) {
		vm_shared_remove(vm);
		return 0;
	}
	r = path ? create_file(path, mib << 20, account) : -ENOMEM;
	if (r < 0) {
		vm_shared_remove(vm);
		log_warning("%s: what it draws with a card of its own will not be seen: no memory "
			    "can be shared with it (%s)",
			    vm->config->name, explain(r));
		return 0;
	}
	return mib;
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
	if (fd < 0 || fstat(fd, &st) < 0) {
		return -errno;
	}
	*size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
	return take_fd(fd);
}

int vm_connect_agent(const struct vm *vm)
{
	_cleanup_free_ char *path = vm_path(vm->run_dir, RUN_FILE_AGENT);

	return path ? unix_connect_own(path) : -ENOMEM;
}
