// SPDX-License-Identifier: MIT
/* What a confined process can still reach, with the kernel that this runs on. */
#include "tests/unit/test.h"
#include "vm/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"

#define SIGNALS_HIDDEN 6

static char folder[] = "/tmp/baton-confine-XXXXXX";

static const char *in_folder(const char *name)
{
	static char paths[8][PATH_MAX];
	static unsigned int turn;
	char *path = paths[turn++ % 8];

	snprintf(path, PATH_MAX, "%s/%s", folder, name);
	return path;
}

static void put(const char *name)
{
	int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static int set_up(void **state)
{
	if (confine_version() == 0) {
		skip();
	}
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	assert_non_null(mkdtemp(folder));
	assert_int_equal(mkdir(in_folder("run"), 0700), 0);
	assert_int_equal(mkdir(in_folder("run/own"), 0700), 0);
	assert_int_equal(mkdir(in_folder("run/other"), 0700), 0);
	assert_int_equal(mkdir(in_folder("disks"), 0700), 0);
	put("run/own/file");
	put("run/other/file");
	put("run/disk");
	assert_int_equal(mkdir(in_folder("guests"), 0700), 0);
	put("disks/file");
	put("guests/file");
	assert_int_equal(mkdir(in_folder("guests/more"), 0700), 0);
	assert_int_equal(mkdir(in_folder("guests/more/hidden"), 0700), 0);
	put("guests/more/file");
	put("guests/more/hidden/file");
	assert_int_equal(symlink("run/other", in_folder("link")), 0);
	return 0;
}

static int tear_down(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static int try_open(const char *name, int flags)
{
	int fd = open(in_folder(name), flags | O_CLOEXEC, 0600);

	if (fd < 0) {
		return errno;
	}
	close(fd);
	return 0;
}

static bool is_only_read(void)
{
	return try_open("guests/file", O_RDONLY) == 0 &&
	       try_open("guests/file", O_WRONLY) == EACCES &&
	       try_open("guests/new", O_RDWR | O_CREAT) == EACCES &&
	       try_open("guests/more/file", O_RDONLY) == 0 &&
	       try_open("guests/more/file", O_WRONLY) == EACCES &&
	       try_open("guests/more/hidden/file", O_RDONLY) == EACCES &&
	       rename(in_folder("guests"), in_folder("disks/guests")) < 0;
}

/* Bits of what went otherwise than it should, as an exit status. */
static int look_around(void)
{
	int wrong = 0;

	wrong |= try_open("run/own/file", O_RDWR) == 0 ? 0 : 1;
	wrong |= try_open("run/own/new", O_RDWR | O_CREAT) == 0 ? 0 : 2;
	wrong |= try_open("run/other/file", O_RDONLY) == EACCES ? 0 : 4;
	wrong |= try_open("run/other/new", O_RDWR | O_CREAT) == EACCES ? 0 : 8;
	wrong |= try_open("link/file", O_RDONLY) == EACCES ? 0 : 16;
	wrong |= try_open("disks/file", O_RDWR) == 0 && try_open("run/disk", O_RDWR) == 0 ? 0 : 32;
	wrong |= is_only_read() ? 0 : 128;
	wrong |= open("/dev/null", O_RDWR | O_CLOEXEC) >= 0 &&
				 open("/proc/self/status", O_RDONLY | O_CLOEXEC) >= 0
			 ? 0
			 : 64;
	return wrong;
}

static int in_confinement(int (*run)(void))
{
	char *hidden[] = { (char *)in_folder("run"), (char *)in_folder("not-there"),
			   (char *)in_folder("guests/more/hidden"), NULL };
	char *readable[] = { (char *)in_folder("guests"), NULL };
	char *own[] = { (char *)in_folder("run/own"), (char *)in_folder("run/disk"), NULL };
	const struct confinement walls = { hidden, readable, own };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		_exit(confine_thread(&walls) < 0 ? 255 : run());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_files(void **state)
{
	assert_int_equal(in_confinement(look_around), 0);
}

/* The confined process waits until the other one has made the folder. */
static int made[2];

static int look_into_late(void)
{
	char c;

	return read(made[0], &c, 1) != 1 || try_open("late/file", O_RDONLY) != EACCES;
}

static void test_folder_that_comes_later(void **state)
{
	char *hidden[] = { (char *)in_folder("late"), NULL };
	const struct confinement walls = { hidden, NULL, NULL };
	pid_t pid;
	int status, confined[2];
	char c;

	assert_int_equal(pipe(made) | pipe(confined), 0);
	pid = fork();
	if (pid == 0) {
		_exit(confine_thread(&walls) < 0 || write(confined[1], "", 1) != 1
			      ? 255
			      : look_into_late());
	}
	assert_int_equal(read(confined[0], &c, 1), 1);
	assert_int_equal(mkdir(in_folder("late"), 0700), 0);
	put("late/file");
	assert_int_equal(write(made[1], "", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	for (int i = 0; i < 2; i++) {
		close(made[i]);
		close(confined[i]);
	}
}

/* As /home may be on a machine of several people. */
static int look_from_unlistable(void)
{
	int wrong = 0;

	wrong |= try_open("run/own/file", O_RDWR) == 0 ? 0 : 1;
	wrong |= try_open("run/other/file", O_RDONLY) == EACCES ? 0 : 2;
	wrong |= try_open("disks/file", O_RDWR) == EACCES ? 0 : 4;
	wrong |= open("/dev/null", O_RDWR | O_CLOEXEC) >= 0 ? 0 : 8;
	return wrong;
}

static void test_unlistable_folder(void **state)
{
	char *hidden[] = { (char *)in_folder("run/other"), NULL };
	const struct confinement walls = { hidden, NULL, NULL };
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { 0 };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		_exit(chmod(folder, 0300) < 0 || syscall(SYS_capset, &head, none) < 0 ||
				      confine_thread(&walls) < 0
			      ? 255
			      : look_from_unlistable());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(chmod(folder, 0700), 0);
	assert_int_equal(status, 0);
}

static int connect_other(void)
{
	int fd = unix_connect(in_folder("run/other/socket"));

	return fd >= 0 ? 0 : -fd;
}

static int signal_parent(void)
{
	return kill(getppid(), 0) == 0 ? 0 : errno;
}

static void test_sockets(void **state)
{
	int listener = unix_listen(in_folder("run/other/socket"), 1);

	assert_true(listener >= 0);
	assert_int_equal(in_confinement(connect_other),
			 confine_version() >= CONFINE_SOCKETS ? EACCES : 0);
	close(listener);
}

static void test_signals(void **state)
{
	assert_int_equal(in_confinement(signal_parent),
			 confine_version() >= SIGNALS_HIDDEN ? EPERM : 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_files),
		TEST(test_folder_that_comes_later),
		TEST(test_unlistable_folder),
		TEST(test_sockets),
		TEST(test_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
