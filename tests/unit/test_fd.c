// SPDX-License-Identifier: MIT
/* Small files and sockets in a folder in which somebody hostile has been. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"

#define DEADLINE_SEC 30 /* for an open() that waits */

static char folder[] = "/tmp/baton-fd-XXXXXX";
static char file[64], beside[64];

static int set_up(void **state)
{
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/file", folder);
	snprintf(beside, sizeof(beside), "%s/file.new", folder);
	alarm(DEADLINE_SEC);
	return 0;
}

static int tear_down(void **state)
{
	alarm(0);
	unlink(file);
	unlink(beside);
	return rmdir(folder);
}

static void expect_content(const char *expected)
{
	char text[16];

	assert_int_equal(file_read_tail(file, text, sizeof(text)), strlen(expected));
	assert_string_equal(text, expected);
}

static void test_written_as_a_whole(void **state)
{
	struct stat st;

	assert_int_equal(file_write(file, "one", 3), 0);
	assert_int_equal(file_write(file, "two", 3), 0);
	expect_content("two");
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(access(beside, F_OK), -1);
}

static void test_what_lies_in_the_way(void **state)
{
	assert_int_equal(mkfifo(beside, 0600), 0);
	assert_int_equal(file_write(file, "one", 3), 0);
	assert_int_equal(symlink("/dev/null", beside), 0);
	assert_int_equal(file_write(file, "two", 3), 0);
	expect_content("two");
	assert_int_equal(mkdir(beside, 0700), 0);
	assert_int_equal(file_write(file, "three", 5), -EEXIST);
	expect_content("two");
	assert_int_equal(rmdir(beside), 0);
}

static void test_what_is_no_file(void **state)
{
	char text[16];

	assert_int_equal(mkfifo(file, 0600), 0);
	assert_true(file_read_tail(file, text, sizeof(text)) < 0);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(symlink("/proc/version", file), 0);
	assert_int_equal(file_read_tail(file, text, sizeof(text)), -ELOOP);
	assert_string_equal(text, "");
}

static void test_a_link_is_no_socket_of_ours(void **state)
{
	int listener = unix_listen(file, 1), fd = unix_connect_own(file);

	assert_true(listener >= 0 && fd >= 0);
	close(fd);
	assert_int_equal(symlink(file, beside), 0);
	assert_int_equal(unix_connect_own(beside), -ECONNREFUSED);
	fd = unix_connect(beside);
	assert_true(fd >= 0);
	close(fd);
	close(listener);
	assert_int_equal(unix_connect_own(file), -ECONNREFUSED);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(unix_connect_own(file), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_written_as_a_whole),
		TEST(test_what_lies_in_the_way),
		TEST(test_what_is_no_file),
		TEST(test_a_link_is_no_socket_of_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
