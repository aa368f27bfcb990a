// SPDX-License-Identifier: MIT
/* The list of system calls that the broker lives under: what it needs works, what it does not
 * fails. */
#include "passthrough/broker/broker.h"
/* Has a fail() of its own, which hides the broker's. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BROKEN 100 /* exit status: the sandbox could not be entered */

/* The exit status of a child that does it in the sandbox. */
static int in_sandbox(int (*run)(void))
{
	char text[BROKER_TEXT_MAX];
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		_exit(sandbox_enter(text) < 0 ? BROKEN : run());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int refused(long result)
{
	return result < 0 && errno == EPERM ? 0 : 1;
}

static int run_program(void)
{
	return refused(execl("/bin/false", "false", (char *)NULL));
}

static int connect_elsewhere(void)
{
	return refused(socket(AF_INET, SOCK_STREAM, 0));
}

static int trace(void)
{
	return refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int mount_something(void)
{
	return refused(mount("none", "/nowhere", "tmpfs", 0, NULL));
}

static int become_another(void)
{
	return refused(setuid(12345));
}

static int work(void)
{
	char text[16];
	int fds[2], status;
	DIR *dir = opendir("/proc/self/fd");
	pid_t pid;

	if (text_read("/proc/self/comm", text, sizeof(text)) < 0 || !dir_next(&dir) ||
	    pipe2(fds, O_CLOEXEC) < 0 || is_readable(fds[0])) {
		return 1;
	}
	pid = fork();
	if (pid == 0) {
		_exit(write(fds[1], "!", 1) != 1);
	}
	return pid < 0 || waitpid(pid, &status, 0) != pid || status != 0 || !is_readable(fds[0]);
}

static void test_sandbox(void **state)
{
	assert_int_equal(in_sandbox(work), 0);
	assert_int_equal(in_sandbox(run_program), 0);
	assert_int_equal(in_sandbox(connect_elsewhere), 0);
	assert_int_equal(in_sandbox(trace), 0);
	assert_int_equal(in_sandbox(mount_something), 0);
	assert_int_equal(in_sandbox(become_another), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sandbox) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
