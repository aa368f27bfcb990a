// SPDX-License-Identifier: MIT
/* Programs beside the loop: quick, slow, failing, absent, and one that never ends. */
#include "tests/unit/test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "passthrough/program.h"
#include "tests/unit/loop.h"

#define LONG_USEC (20 * 1000 * 1000) /* that only a failure reaches */
#define WAIT_MS 20000

static struct made {
	sd_event *event;
	struct program *program;
	unsigned int told;
	int status;
	size_t length;
	char output[200];
	bool destroy; /* in the call */
} made;

static int setup(void **state)
{
	(void)state;
	memset(&made, 0, sizeof(made));
	return sd_event_new(&made.event) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	program_destroy(made.program);
	sd_event_unref(made.event);
	/* Nobody is left behind: what was killed is gone in a moment. */
	while (waitpid(-1, NULL, 0) > 0) {
	}
	return 0;
}

static void done(void *data, int status, const char *output)
{
	assert_ptr_equal(data, &made);
	made.told++;
	made.status = status;
	made.length = strlen(output);
	snprintf(made.output, sizeof(made.output), "%s", output);
	if (made.destroy) {
		program_destroy(made.program);
		made.program = NULL;
	}
}

static bool was_told(void *data)
{
	return made.told > 0;
}

static bool has_ended(void *data)
{
	return program_has_ended(made.program);
}

static void run_script(const char *script, uint64_t deadline_usec)
{
	const char *const argv[] = { "sh", "-c", script, NULL };

	assert_int_equal(program_start(made.event, argv, deadline_usec, done, &made, &made.program), 0);
	assert_int_equal(made.told, 0);
	assert_true(loop_until(made.event, was_told, NULL, WAIT_MS));
	assert_int_equal(made.told, 1);
}

static void output_and_status_are_told(void **state)
{
	run_script("echo one; echo lost >&2; echo two; exit 3", LONG_USEC);
	assert_int_equal(made.status, 3);
	assert_string_equal(made.output, "one\ntwo\n");
	assert_true(program_has_ended(made.program));
}

static void the_callback_may_destroy_it(void **state)
{
	made.destroy = true;
	run_script("exit 0", LONG_USEC);
	assert_int_equal(made.status, 0);
	assert_null(made.program);
}

static void too_much_is_cut(void **state)
{
	run_script("head -c 100000 /dev/zero | tr '\\0' x", LONG_USEC);
	assert_int_equal(made.status, 0);
	assert_int_equal(made.length, 16384);
}

static void nothing_is_read_from_us(void **state)
{
	run_script("cat; echo end", LONG_USEC);
	assert_string_equal(made.output, "end\n");
}

static void signals_are_as_programs_expect(void **state)
{
	sigset_t term, old;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &old);
	run_script("kill -TERM $$; exit 0", LONG_USEC);
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(made.status, -ECHILD);
}

static void a_missing_program_is_told(void **state)
{
	const char *const argv[] = { "no-such-program-of-baton", NULL };

	assert_int_equal(program_start(made.event, argv, LONG_USEC, done, &made, &made.program), 0);
	assert_true(loop_until(made.event, was_told, NULL, WAIT_MS));
	assert_int_equal(made.status, PROGRAM_MISSING);
}

static void one_that_hangs_is_killed(void **state)
{
	run_script("echo begun; exec tail -f /dev/null", 300 * 1000);
	assert_int_equal(made.status, -ETIME);
	assert_true(loop_until(made.event, has_ended, NULL, WAIT_MS));
	assert_int_equal(made.told, 1);
}

/* Who was killed may have children that keep the pipe open: they are not waited for. */
static void a_pipe_that_stays_open_holds_nobody(void **state)
{
	run_script("tail -f /dev/null & echo $!; exit 0", LONG_USEC);
	assert_int_equal(made.status, 0);
	assert_true(strtol(made.output, NULL, 10) > 1);
	assert_int_equal(kill((pid_t)strtol(made.output, NULL, 10), SIGKILL), 0);
}

static void destroyed_while_it_runs_it_tells_nothing(void **state)
{
	const char *const argv[] = { "tail", "-f", "/dev/null", NULL };

	assert_int_equal(program_start(made.event, argv, LONG_USEC, done, &made, &made.program), 0);
	assert_false(program_has_ended(made.program));
	program_destroy(made.program);
	made.program = NULL;
	assert_int_equal(made.told, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(output_and_status_are_told),
		TEST(the_callback_may_destroy_it),
		TEST(too_much_is_cut),
		TEST(nothing_is_read_from_us),
		TEST(signals_are_as_programs_expect),
		TEST(a_missing_program_is_told),
		TEST(one_that_hangs_is_killed),
		TEST(a_pipe_that_stays_open_holds_nobody),
		TEST(destroyed_while_it_runs_it_tells_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
