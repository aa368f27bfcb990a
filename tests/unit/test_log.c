// SPDX-License-Identifier: MIT
/* Log lines: what steers a terminal is masked, and a reader that sleeps keeps nobody waiting. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

/* Runs log(n) with stderr on a pipe that nobody reads meanwhile; what is in it then, in text. */
static size_t capture(void (*log)(unsigned int n), unsigned int n, char *text, size_t size)
{
	int saved = dup(STDERR_FILENO), pipes[2];
	ssize_t got;

	assert_int_equal(pipe(pipes), 0);
	assert_true(dup2(pipes[1], STDERR_FILENO) >= 0);
	log(n);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	close(pipes[1]);
	got = read(pipes[0], text, size - 1);
	assert_true(got >= 0);
	text[got] = '\0';
	close(pipes[0]);
	return (size_t)got;
}

static void log_steering(unsigned int n)
{
	log_warning("%s", "one\x1b[2Jtwo\nthree");
	log_debug("%u: not at this level", n);
}

static void test_control_characters_are_masked(void **fixture)
{
	char text[256];

	capture(log_steering, 1, text, sizeof(text));
	assert_non_null(strstr(text, "warning: one?[2Jtwo?three\n"));
	assert_null(strstr(text, "level"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void log_much(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		log_info("line %u, and some more so that it does not take too many of them", i);
	}
}

/* A pager in front of its first page: the loop goes on, and the lines that came are whole. */
static void test_a_full_pipe_loses_lines(void **fixture)
{
	static char text[1 << 20];
	size_t n;

	alarm(20);
	n = capture(log_much, 20000, text, sizeof(text));
	alarm(0);
	assert_non_null(strstr(text, "line 0,"));
	assert_null(strstr(text, "line 19999,"));
	assert_int_equal(text[n - 1], '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_control_characters_are_masked),
		cmocka_unit_test(test_a_full_pipe_loses_lines),
	};

	unsetenv("JOURNAL_STREAM");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
