// SPDX-License-Identifier: MIT
/* Runs a program beside the loop; see program.h. */
#include "passthrough/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "common/cleanup.h"

#define OUTPUT_MAX 16384 /* ddcutil tells about 1 KiB of each monitor */

struct program {
	program_done_fn done; /* NULL: it was told */
	void *data;
	pid_t pid;
	int pidfd, pipe;
	bool ended;
	sd_event_source *output_source, *exit_source, *deadline;
	size_t used;
	char output[OUTPUT_MAX + 1];
};

/* ---- the child ---- */

/* In the child: what the seat has blocked and ignored is none of the program's business. */
__attribute__((noreturn)) static void child_run(const char *const argv[], pid_t parent, int pipe)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent && null >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
	    dup2(pipe, STDOUT_FILENO) >= 0 && dup2(null, STDERR_FILENO) >= 0) {
		signal(SIGPIPE, SIG_DFL);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execvp(argv[0], (char *const *)argv);
	}
	_exit(PROGRAM_MISSING);
}

static int fork_child(struct program *program, const char *const argv[])
{
	pid_t parent = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		return -errno;
	}
	program->pipe = ends[0];
	program->pid = fork();
	if (program->pid == 0) {
		/* Its own end waits when the pipe is full, as programs expect. */
		fcntl(ends[1], F_SETFL, 0);
		child_run(argv, parent, ends[1]);
	}
	close(ends[1]);
	if (program->pid < 0) {
		return -EAGAIN;
	}
	program->pidfd = pidfd_open(program->pid, 0);
	return program->pidfd < 0 ? -errno : 0;
}

/* ---- in the loop ---- */

static void tell(struct program *program, int status)
{
	program_done_fn done = program->done;

	program->done = NULL;
	program->deadline = sd_event_source_disable_unref(program->deadline);
	program->output_source = sd_event_source_disable_unref(program->output_source);
	program->output[program->used] = '\0';
	done(program->data, status, program->output);
}

/* What is there; more than fits is dropped. False: there will be no more. */
static bool read_output(struct program *program)
{
	char rest[4096];

	for (;;) {
		bool full = program->used == OUTPUT_MAX;
		ssize_t n = read(program->pipe, full ? rest : program->output + program->used,
				 full ? sizeof(rest) : OUTPUT_MAX - program->used);

		if (n <= 0) {
			return n < 0 && (errno == EAGAIN || errno == EINTR);
		}
		program->used += full ? 0 : (size_t)n;
		if (full) {
			return true; /* one that never stops does not keep the loop */
		}
	}
}

static int handle_output(sd_event_source *source, int fd, uint32_t events, void *data)
{
	(void)fd, (void)events;
	if (!read_output(data)) {
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	}
	return 0;
}

static int handle_exit(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct program *program = data;
	siginfo_t info = { 0 };

	(void)events;
	if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0) {
		return 0;
	}
	program->ended = true;
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	if (program->done) {
		read_output(program);
		tell(program, info.si_code == CLD_EXITED ? info.si_status : -ECHILD);
	}
	return 0;
}

static int handle_deadline(sd_event_source *source, uint64_t usec, void *data)
{
	struct program *program = data;

	(void)source, (void)usec;
	pidfd_send_signal(program->pidfd, SIGKILL, NULL, 0);
	tell(program, -ETIME);
	return 0;
}

static int watch(struct program *program, sd_event *event, uint64_t deadline_usec)
{
	int r = sd_event_add_io(event, &program->output_source, program->pipe, EPOLLIN,
				handle_output, program);

	if (r >= 0) {
		r = sd_event_add_io(event, &program->exit_source, program->pidfd, EPOLLIN,
				    handle_exit, program);
	}
	if (r >= 0) {
		r = sd_event_add_time_relative(event, &program->deadline, CLOCK_MONOTONIC,
					       deadline_usec, 0, handle_deadline, program);
	}
	return r < 0 ? r : 0;
}

DEFINE_CLEANUP(struct program *, program_destroy)

int program_start(sd_event *event, const char *const argv[], uint64_t deadline_usec,
		  program_done_fn done, void *data, struct program **out)
{
	_cleanup_(program_destroy_ptr) struct program *program = calloc(1, sizeof(*program));
	int r;

	if (!program) {
		return -ENOMEM;
	}
	program->pidfd = program->pipe = -1;
	program->done = done;
	program->data = data;
	r = fork_child(program, argv);
	if (r >= 0) {
		r = watch(program, event, deadline_usec);
	}
	if (r < 0) {
		return r;
	}
	*out = take_ptr(program);
	return 0;
}

bool program_has_ended(const struct program *program)
{
	return program->ended;
}

void program_destroy(struct program *program)
{
	if (!program) {
		return;
	}
	sd_event_source_disable_unref(program->output_source);
	sd_event_source_disable_unref(program->exit_source);
	sd_event_source_disable_unref(program->deadline);
	if (program->pid > 0 && !program->ended) {
		kill(program->pid, SIGKILL); /* not reaped yet, so the number is still its own */
		waitpid(program->pid, NULL, WNOHANG);
	}
	close_fd_ptr(&program->pidfd);
	close_fd_ptr(&program->pipe);
	free(program);
}
