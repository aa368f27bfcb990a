// SPDX-License-Identifier: MIT
/* Does what may hang in a child; see child.h. */
#include "passthrough/doctor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "common/cleanup.h"
#include "common/clock.h"

struct child {
	pid_t pid;
	int pipe; /* what it writes */
	uint64_t deadline_ns;
};

/* Returns 0 twice, as fork() does: in the child pid is 0 and pipe is to be written. */
static int child_fork(struct child *child, unsigned int milliseconds)
{
	int pipe[2];

	if (pipe2(pipe, O_CLOEXEC) < 0) {
		return -errno;
	}
	child->deadline_ns = clock_now_ns() + milliseconds * NSEC_PER_MSEC;
	child->pid = fork();
	if (child->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	}
	child->pipe = pipe[child->pid == 0];
	close(pipe[child->pid != 0]);
	if (child->pid < 0) {
		close(child->pipe);
		return -EAGAIN;
	}
	return 0;
}

static int wait_readable(const struct child *child)
{
	struct pollfd fd = { .fd = child->pipe, .events = POLLIN };
	uint64_t now = clock_now_ns();
	int r = -1;

	if (now < child->deadline_ns) {
		r = poll(&fd, 1, (int)((child->deadline_ns - now) / NSEC_PER_MSEC) + 1);
	}
	return r > 0 ? 0 : r < 0 && errno == EINTR ? 0 : -ETIME;
}

/* Until it closes its end. What is more than size is read and dropped. The number of bytes. */
static ssize_t child_read(const struct child *child, char *out, size_t size)
{
	char rest[4096];
	size_t used = 0;
	ssize_t n = 1;

	while (n != 0) {
		bool full = used == size;

		if (wait_readable(child) < 0) {
			return -ETIME;
		}
		n = read(child->pipe, full ? rest : out + used, full ? sizeof(rest) : size - used);
		if (n < 0 && errno != EINTR) {
			return -errno;
		}
		used += full || n < 0 ? 0 : (size_t)n;
	}
	return (ssize_t)used;
}

/* Its exit status; one that is late is not waited for. */
static int child_end(struct child *child, ssize_t result)
{
	int status = 0;

	close(child->pipe);
	if (result < 0) {
		kill(child->pid, SIGKILL);
		waitpid(child->pid, &status, WNOHANG);
		return (int)result;
	}
	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}

int child_call(child_fn fn, const void *data, void *out, size_t size, unsigned int milliseconds)
{
	_cleanup_free_ char *copy = malloc(size);
	struct child child;
	ssize_t n;
	int r = copy ? child_fork(&child, milliseconds) : -ENOMEM;

	if (r < 0) {
		return r;
	}
	if (child.pid == 0) {
		fn(data, out);
		for (size_t done = 0; done < size; done += (size_t)n) {
			n = write(child.pipe, (char *)out + done, size - done);
			if (n < 0) {
				_exit(1);
			}
		}
		_exit(0);
	}
	n = child_read(&child, copy, size);
	r = child_end(&child, n);
	if (r == 0 && (size_t)n == size) {
		memcpy(out, copy, size);
		return 0;
	}
	return r < 0 ? r : -ECHILD;
}

int child_program(char *const argv[], char *out, size_t size, unsigned int milliseconds)
{
	struct child child;
	ssize_t n;
	int null, r = child_fork(&child, milliseconds);

	*out = '\0';
	if (r < 0) {
		return r;
	}
	if (child.pid == 0) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(null, STDIN_FILENO);
		dup2(child.pipe, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	n = child_read(&child, out, size - 1);
	out[n < 0 ? 0 : n] = '\0';
	return child_end(&child, n);
}
