// SPDX-License-Identifier: MIT
/* Watches QEMU processes; see process.h. */
#include "vm/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "common/cleanup.h"

struct process {
	pid_t pid;
	int pidfd;
	sd_event_source *io;
	process_exited_fn exited;
	void *data;
};

void process_destroy(struct process *process)
{
	if (!process) {
		return;
	}
	sd_event_source_disable_unref(process->io);
	if (process->pidfd >= 0) {
		close(process->pidfd);
	}
	free(process);
}
DEFINE_CLEANUP(struct process *, process_destroy)

pid_t process_pid(const struct process *process)
{
	return process ? process->pid : 0;
}

int process_pidfd(const struct process *process)
{
	return process ? process->pidfd : -1;
}

int process_kill(const struct process *process)
{
	return pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0) < 0 ? -errno : 0;
}

static int handle_exit(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct process *process = data;
	struct process_end end = { 0 };
	siginfo_t info = { 0 };

	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0) {
		end.known = true;
		end.by_signal = info.si_code != CLD_EXITED;
		end.number = info.si_status;
	}
	process->exited(process->data, &end);
	return 0;
}

int process_watch(sd_event *event, pid_t pid, process_exited_fn exited, void *data,
		  struct process **out)
{
	_cleanup_(process_destroy_ptr) struct process *process = calloc(1, sizeof(*process));
	int r;

	if (!process) {
		return -ENOMEM;
	}
	process->pid = pid;
	process->exited = exited;
	process->data = data;
	process->pidfd = pidfd_open(pid, 0);
	if (process->pidfd < 0) {
		return -errno;
	}
	r = sd_event_add_io(event, &process->io, process->pidfd, EPOLLIN, handle_exit, process);
	if (r < 0) {
		return r;
	}
	/* After what it wrote to its sockets before it ended. */
	sd_event_source_set_priority(process->io, SD_EVENT_PRIORITY_NORMAL + 10);
	*out = take_ptr(process);
	return 0;
}

pid_t process_find(const char *pid_file)
{
	_cleanup_close_ int fd = open(pid_file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK) {
		return 0;
	}
	return lock.l_pid > 0 ? lock.l_pid : 0;
}
