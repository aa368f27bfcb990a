// SPDX-License-Identifier: MIT
/*
 * The disposable child. It has a copy of everything the broker knows, does one step, writes one
 * struct report into a pipe and ends. It is never waited for: its pidfd tells when it has ended.
 */
#include "passthrough/broker/broker.h"

#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define DESCRIPTORS_MAX 128
#define SOFT_S 5
#define LOOK_S 10 /* for what changes nothing; the seat gives a drain up after 20 s */
#define HARD_S 75 /* the kernel itself waits up to 60 s for a device after a reset */

/* One that never ends must not keep the seat's socket open after the broker. */
static _Noreturn void worker_main(struct card *card, struct step step, int pipe)
{
	struct report report = { 0 };

	for (int fd = STDERR_FILENO + 1; fd < DESCRIPTORS_MAX; fd++) {
		if (fd != pipe && fd != card->operation.borrower) {
			close(fd);
		}
	}
	prctl(PR_SET_NAME, step.name);
	if (!card->stuck.pid) {
		journal_lock(card);
	}
	report.error = step.run(card, step.number, &report);
	if (report.error < 0 && !report.text[0]) {
		fail(report.text, 0, "\"%s\" of %s.%u failed (%s): the kernel's log may say why",
		     step.name, card->name, step.number, strerror(-report.error));
	}
	_exit(write(pipe, &report, sizeof(report)) != (ssize_t)sizeof(report));
}

int worker_start(struct card *card, struct step step)
{
	struct worker *worker = &card->operation.worker;
	bool looks = step.run == look_step || step.run == scan_step;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		return -errno;
	}
	*worker = (struct worker){ .pipe = fds[0], .step = step };
	worker->soft = now_ms() + SOFT_S * 1000 / card->broker->hurry;
	worker->hard = now_ms() + (looks ? LOOK_S : HARD_S) * 1000 / card->broker->hurry;
	worker->pid = fork();
	if (worker->pid == 0) {
		worker_main(card, step, fds[1]);
	}
	worker->pidfd = worker->pid < 0 ? -1 : pidfd_open(worker->pid, 0);
	r = worker->pidfd < 0 ? -errno : 0;
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		worker->pid = 0;
	}
	return r;
}

/* Its pidfd is readable: true when it has ended, with what it reported. */
bool worker_finish(struct card *card, struct worker *worker, struct report *report)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)worker->pidfd, &info, WEXITED | WNOHANG) == 0 && !info.si_pid) {
		return false;
	}
	if (read(worker->pipe, report, sizeof(*report)) != (ssize_t)sizeof(*report)) {
		*report = (struct report){ .error = -EIO };
		fail(report->text, 0, "\"%s\" has not told how it ended: see the kernel's log",
		     worker->step.name);
	}
	close_fd(&worker->pidfd);
	close_fd(&worker->pipe);
	worker->pid = 0;
	journal_read(card);
	return true;
}
