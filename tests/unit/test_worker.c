// SPDX-License-Identifier: MIT
/*
 * The thread behind Screenshot, with jobs that block until the test lets them go. That the loop of
 * a whole seat goes on meanwhile is shown by test_control_screenshot.c.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/list.h"
#include "control/worker.h"
#include "tests/unit/loop.h"

#define DEADLINE_MS 60000
#define PENDING 1 /* no result of a job */

struct gated_job {
	struct control_job base;
	int gate;         /* -1: open. Else '?' goes out, then a byte is waited for */
	int opens_at_end; /* -1, or where destroy sends a byte: the other side of a gate */
	int end;          /* gets a byte from destroy */
	int result;
};

static int write_gated(struct control_job *base, int fd)
{
	struct gated_job *job = container_of(base, struct gated_job, base);
	char byte;

	if (job->gate >= 0 && (write(job->gate, "?", 1) != 1 || read(job->gate, &byte, 1) != 1)) {
		return -EPIPE;
	}
	return write(fd, "picture", 7) == 7 ? job->result : -errno;
}

static void destroy_gated(struct control_job *base)
{
	struct gated_job *job = container_of(base, struct gated_job, base);
	int end = job->end;

	if (job->opens_at_end >= 0 && write(job->opens_at_end, "!", 1) != 1) {
		abort();
	}
	free(job);
	if (write(end, "!", 1) != 1) {
		abort();
	}
	close(end);
}

/* ---- the stage ---- */

static struct stage {
	sd_event *event;
	struct worker *worker;
	int file;
	int gate[2];                   /* the test's side and the jobs' */
	int ends[WORKER_JOBS_MAX + 1]; /* get a byte when the job is destroyed */
	int results[WORKER_JOBS_MAX + 1];
	unsigned int n_jobs, n_told;
} stage;

static int set_up(void **state)
{
	stage = (struct stage){ .file = memfd_create("picture", MFD_CLOEXEC) };
	assert_true(stage.file >= 0);
	assert_true(sd_event_new(&stage.event) >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stage.gate), 0);
	assert_int_equal(worker_create(stage.event, &stage.worker), 0);
	return 0;
}

static int tear_down(void **state)
{
	worker_destroy(stage.worker);
	sd_event_unref(stage.event);
	close(stage.file);
	close(stage.gate[0]);
	close(stage.gate[1]);
	for (unsigned int i = 0; i < stage.n_jobs; i++) {
		close(stage.ends[i]);
	}
	return 0;
}

static void handle_done(void *data, int result)
{
	int *slot = data;

	assert_int_equal(*slot, PENDING); /* once */
	*slot = result;
	stage.n_told++;
}

/* The job stays the test's to look at only until it is submitted. */
static struct gated_job *job_create(bool gated, int result)
{
	struct gated_job *job = calloc(1, sizeof(*job));
	int pipe_fds[2];

	assert_non_null(job);
	assert_int_equal(pipe(pipe_fds), 0);
	stage.ends[stage.n_jobs] = pipe_fds[0];
	stage.results[stage.n_jobs++] = PENDING;
	job->base = (struct control_job){ write_gated, destroy_gated };
	job->end = pipe_fds[1];
	job->gate = gated ? stage.gate[1] : -1;
	job->opens_at_end = -1;
	job->result = result;
	return job;
}

static int submit(struct gated_job *job)
{
	return worker_submit(stage.worker, &job->base, stage.file, handle_done,
			     &stage.results[stage.n_jobs - 1]);
}

static void submit_gated(void)
{
	assert_int_equal(submit(job_create(true, 0)), 0);
}

static void wait_for_knock(void)
{
	struct pollfd p = { .fd = stage.gate[0], .events = POLLIN };
	char byte;

	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
	assert_int_equal(read(stage.gate[0], &byte, 1), 1);
}

static void open_gate(void)
{
	assert_int_equal(write(stage.gate[0], "!", 1), 1);
}

static void expect_destroyed(unsigned int i)
{
	struct pollfd p = { .fd = stage.ends[i], .events = POLLIN };
	char byte;

	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
	assert_int_equal(read(stage.ends[i], &byte, 1), 1);
}

static bool all_are_told(void *data)
{
	return stage.n_told == stage.n_jobs;
}

static void wait_for_results(void)
{
	assert_true(loop_until(stage.event, all_are_told, NULL, DEADLINE_MS));
}

/* ---- tests ---- */

static void a_job_is_done_and_told(void **state)
{
	assert_int_equal(submit(job_create(false, 0)), 0);
	wait_for_results();
	assert_int_equal(stage.results[0], 0);
	expect_destroyed(0);
	assert_int_equal(lseek(stage.file, 0, SEEK_END), 7);
	/* The thread has ended; another one comes. */
	assert_int_equal(submit(job_create(false, -ENOSPC)), 0);
	wait_for_results();
	assert_int_equal(stage.results[1], -ENOSPC);
	assert_int_equal(lseek(stage.file, 0, SEEK_END), 14);
}

static void jobs_run_in_order_one_at_a_time(void **state)
{
	submit_gated();
	submit_gated();
	wait_for_knock();
	/* The second does not knock while the first one runs. */
	assert_int_equal(recv(stage.gate[0], &(char){ 0 }, 1, MSG_DONTWAIT), -1);
	assert_int_equal(stage.n_told, 0);
	open_gate();
	wait_for_knock();
	expect_destroyed(0);
	open_gate();
	wait_for_results();
	assert_int_equal(stage.results[0], 0);
	assert_int_equal(stage.results[1], 0);
}

static void room_is_bounded(void **state)
{
	struct gated_job *late;

	for (unsigned int i = 0; i < WORKER_JOBS_MAX; i++) {
		assert_true(worker_has_room(stage.worker));
		submit_gated();
	}
	assert_false(worker_has_room(stage.worker));
	late = job_create(false, 0);
	assert_int_equal(submit(late), -EBUSY);
	late->base.destroy(&late->base); /* it stayed the caller's */
	stage.n_told++;
	for (unsigned int i = 0; i < WORKER_JOBS_MAX; i++) {
		wait_for_knock();
		open_gate();
	}
	wait_for_results();
	assert_int_equal(stage.results[WORKER_JOBS_MAX], PENDING);
	assert_true(worker_has_room(stage.worker));
}

static void a_bad_descriptor_is_refused(void **state)
{
	struct gated_job *job = job_create(false, 0);

	assert_int_equal(worker_submit(stage.worker, &job->base, -1, handle_done, NULL), -EBADF);
	assert_true(worker_has_room(stage.worker));
	job->base.destroy(&job->base);
}

/* The caller may close its descriptor as soon as the job is submitted. */
static void the_file_is_held(void **state)
{
	int file = dup(stage.file);
	struct gated_job *job = job_create(true, 0);

	assert_int_equal(
		worker_submit(stage.worker, &job->base, file, handle_done, &stage.results[0]), 0);
	wait_for_knock();
	close(file);
	open_gate();
	wait_for_results();
	assert_int_equal(stage.results[0], 0);
	assert_int_equal(lseek(stage.file, 0, SEEK_END), 7);
}

/* The one that runs is let go by the end of one that waits: so that is forgotten first, and the
 * other one is waited for. */
static void destruction_waits_for_the_job_that_runs(void **state)
{
	struct gated_job *waiting;

	submit_gated();
	wait_for_knock();
	waiting = job_create(false, 0);
	waiting->opens_at_end = stage.gate[0];
	assert_int_equal(submit(waiting), 0);
	worker_destroy(stage.worker);
	stage.worker = NULL;
	assert_int_equal(stage.n_told, 2);
	assert_int_equal(stage.results[0], 0);
	assert_int_equal(stage.results[1], -ECANCELED);
	expect_destroyed(0);
	expect_destroyed(1);
	assert_int_equal(lseek(stage.file, 0, SEEK_END), 7);
}

static void destruction_leaves_a_job_that_hangs(void **state)
{
	uint64_t start = clock_now_ns();

	submit_gated();
	submit_gated();
	wait_for_knock();
	worker_destroy(stage.worker);
	stage.worker = NULL;
	assert_true(clock_now_ns() - start < DEADLINE_MS * NSEC_PER_MSEC);
	assert_int_equal(stage.results[0], -ECANCELED);
	assert_int_equal(stage.results[1], -ECANCELED);
	expect_destroyed(1);
	assert_int_equal(poll(&(struct pollfd){ .fd = stage.ends[0] }, 1, 0), 0);
	/* It ends after all, on nothing but what is its own. */
	open_gate();
	expect_destroyed(0);
	assert_int_equal(lseek(stage.file, 0, SEEK_END), 7);
}

/* Over, but the loop had no turn since: the result is told all the same. */
static void destruction_tells_what_is_over(void **state)
{
	submit_gated();
	wait_for_knock();
	open_gate();
	expect_destroyed(0);
	assert_int_equal(stage.n_told, 0);
	worker_destroy(stage.worker);
	stage.worker = NULL;
	assert_int_equal(stage.results[0], 0);
}

static void destruction_of_nothing(void **state)
{
	worker_destroy(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_job_is_done_and_told),
		TEST(jobs_run_in_order_one_at_a_time),
		TEST(room_is_bounded),
		TEST(a_bad_descriptor_is_refused),
		TEST(the_file_is_held),
		TEST(destruction_waits_for_the_job_that_runs),
		TEST(destruction_leaves_a_job_that_hangs),
		TEST(destruction_tells_what_is_over),
		TEST(destruction_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
