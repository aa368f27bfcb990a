// SPDX-License-Identifier: MIT
/* The file that a guest's machine shares with the seat: whose it is, where it may lie, its end. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "vm/command_line.h"
#include "vm/vm_private.h"

#include "capture/kvmfr_source.h"

#define MIB (1ull << 20)
#define NODE "/dev/kvmfr3"
#define OTHER_UID 12345

/*
 * The module kvmfr is in no distribution's kernel: its device is one that is memory as well, and
 * answers as the module does. Opened by any other name it stays what it is.
 */
static int node_size; /* bytes */
static int node_fd = -1;

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_open64(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	if (strcmp(path, NODE) != 0) {
		return __real_open64(path, flags, mode);
	}
	node_fd = __real_open64("/dev/zero", flags);
	return node_fd;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	if (fd == node_fd && request == _IO('u', 0x44)) {
		return node_size;
	}
	errno = ENOTTY;
	return -1;
}

struct fixture {
	char folder[64], path[128];
	sd_event *event;
	struct vm *vm;
};

static void make_vm(struct fixture *f, const char *template)
{
	struct vm_config *config = vm_config_create("guest");

	config->shared = (struct vm_shared_config){ .set = true, .mib = 16 };
	snprintf(f->folder, sizeof(f->folder), "%s", template);
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/guest/" RUN_FILE_SHARED, f->folder);
	assert_int_equal(vm_create(f->event, config, f->folder, f->folder, &f->vm), 0);
}

static void drop_vm(struct fixture *f)
{
	char command[96];

	vm_destroy(f->vm);
	f->vm = NULL;
	snprintf(command, sizeof(command), "rm -rf '%s'", f->folder);
	assert_int_equal(system(command), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_true(sd_event_new(&f->event) >= 0);
	make_vm(f, "/dev/shm/baton-shared-XXXXXX");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	drop_vm(f);
	sd_event_unref(f->event);
	free(f);
	return 0;
}

static void test_nobody_else_may_open_it(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(vm_shared_create(f->vm, NULL), 16);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_size, 16 * MIB);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(getxattr(f->path, "system.posix_acl_access", NULL, 0), -1);
}

/* The user of the guest and, beside the seat's own, nobody. */
static void test_the_guests_user_may(void **state)
{
	struct fixture *f = *state;
	const struct vm_account account = { .user = "guest", .uid = OTHER_UID };
	struct {
		struct posix_acl_xattr_header head;
		struct posix_acl_xattr_entry entries[5];
	} acl = { 0 };

	assert_int_equal(vm_shared_create(f->vm, &account), 16);
	assert_int_equal(getxattr(f->path, "system.posix_acl_access", &acl, sizeof(acl)),
			 sizeof(acl));
	for (int i = 0; i < 5; i++) {
		const struct posix_acl_xattr_entry *entry = &acl.entries[i];
		bool may = entry->e_tag == ACL_USER_OBJ || entry->e_tag == ACL_USER ||
			   entry->e_tag == ACL_MASK;

		assert_int_equal(entry->e_perm, may ? ACL_READ | ACL_WRITE : 0);
		assert_true(entry->e_tag != ACL_USER || entry->e_id == OTHER_UID);
	}
}

/* What an earlier QEMU may still have mapped is not what the next one gets. */
static void test_each_start_has_a_file_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct stat old, new;
	uint64_t size;
	int fd;

	vm_shared_create(f->vm, NULL);
	fd = vm_open_shared(f->vm, &size);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &old), 0);
	assert_int_equal(vm_shared_create(f->vm, NULL), 16);
	assert_int_equal(stat(f->path, &new), 0);
	assert_true(old.st_ino != new.st_ino);
	close(fd);
}

static void test_a_link_is_not_followed(void **state)
{
	struct fixture *f = *state;
	uint64_t size;

	assert_int_equal(symlink("/dev/zero", f->path), 0);
	assert_int_equal(vm_open_shared(f->vm, &size), -ELOOP);
	assert_int_equal(vm_shared_create(f->vm, NULL), 16);
	assert_true(vm_open_shared(f->vm, &size) >= 0);
}

static void test_without_it_there_is_none(void **state)
{
	struct fixture *f = *state;
	uint64_t size;

	vm_shared_create(f->vm, NULL);
	f->vm->config->shared.mib = 0;
	assert_int_equal(vm_shared_create(f->vm, NULL), 0);
	assert_int_equal(vm_open_shared(f->vm, &size), -ENOENT);
}

static void test_it_lies_in_memory_or_nowhere(void **state)
{
	struct fixture *f = *state;
	struct statfs fs;

	drop_vm(f);
	make_vm(f, "./baton-shared-XXXXXX");
	assert_int_equal(statfs(f->folder, &fs), 0);
	assert_int_equal(vm_shared_create(f->vm, NULL), fs.f_type == TMPFS_MAGIC ? 16 : 0);
	assert_int_equal(access(f->path, F_OK), fs.f_type == TMPFS_MAGIC ? 0 : -1);
}

static void use_node(struct fixture *f, int size)
{
	snprintf(f->vm->config->shared.node, sizeof(f->vm->config->shared.node), NODE);
	f->vm->config->shared.mib = 0;
	node_size = size;
}

/* QEMU opens the same path as ever, and so does the seat that comes next. */
static void test_it_may_be_a_device(void **state)
{
	struct fixture *f = *state;
	struct frame_source *source;
	char target[32] = "";
	uint64_t size;
	int fd;

	use_node(f, 32 << 20);
	assert_int_equal(vm_shared_create(f->vm, NULL), 32);
	assert_int_equal(readlink(f->path, target, sizeof(target) - 1), strlen(NODE));
	assert_string_equal(target, NODE);
	fd = vm_open_shared(f->vm, &size);
	assert_true(fd >= 0);
	assert_int_equal(size, 32 * MIB);
	assert_int_equal(vm_lockable_bytes(f->vm) - 32 * MIB,
			 (f->vm->config->memory_mib + VM_LOCKABLE_SLACK_MIB) * MIB);
	/* It is mapped as a file is. */
	assert_int_equal(kvmfr_source_create(f->event, "guest", fd, size, &source), 0);
	frame_source_destroy(source);
	close(fd);
	vm_shared_remove(f->vm);
	assert_int_equal(access(f->path, F_OK), -1);
	/* And back. */
	f->vm->config->shared = (struct vm_shared_config){ .set = true, .mib = 16 };
	assert_int_equal(vm_shared_create(f->vm, NULL), 16);
}

static void test_devices_that_will_not_do(void **state)
{
	struct fixture *f = *state;
	uint64_t size;

	use_node(f, 33 << 20);
	assert_int_equal(vm_shared_create(f->vm, NULL), 0);
	use_node(f, -1);
	assert_int_equal(vm_shared_create(f->vm, NULL), 0);
	assert_int_equal(vm_open_shared(f->vm, &size), -ENOENT);
	assert_int_equal(vm_lockable_bytes(f->vm),
			 (f->vm->config->memory_mib + VM_LOCKABLE_SLACK_MIB) * MIB);
}

static void test_there_must_be_room_for_it(void **state)
{
	struct fixture *f = *state;

	f->vm->config->shared.mib = 1 << 30;
	assert_int_equal(vm_shared_create(f->vm, NULL), 0);
	assert_int_equal(access(f->path, F_OK), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_nobody_else_may_open_it),
		TEST(test_the_guests_user_may),
		TEST(test_each_start_has_a_file_of_its_own),
		TEST(test_a_link_is_not_followed),
		TEST(test_without_it_there_is_none),
		TEST(test_it_lies_in_memory_or_nowhere),
		TEST(test_it_may_be_a_device),
		TEST(test_devices_that_will_not_do),
		TEST(test_there_must_be_room_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
