// SPDX-License-Identifier: MIT
/*
 * The disposable child. It has a copy of everything the broker knows, does one step, writes one
 * struct report into a pipe and ends. It is never waited for: its pidfd tells when it has ended.
 */
#include "passthrough/broker/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define DESCRIPTORS_MAX 128

/* A child that never ends must not keep the seat's socket alive after the broker. */
static void close_others(const struct card *card, int pipe)
{
	for (int fd = STDERR_FILENO + 1; fd < DESCRIPTORS_MAX; fd++) {
		if (fd != pipe && fd != card->operation.borrower && fd != card->loan_pidfd) {
			close(fd);
		}
	}
}

static _Noreturn void worker_main(struct card *card, struct step step, int pipe)
{
	struct report report = { 0 };

	close_others(card, pipe);
	prctl(PR_SET_NAME, step_types[step.kind].name);
	journal_read(card);
	report.error = step_types[step.kind].run(card, step.number, &report);
	_exit(write(pipe, &report, sizeof(report)) != (ssize_t)sizeof(report));
}

int worker_start(struct card *card, struct step step)
{
	const struct step_type *type = &step_types[step.kind];
	struct worker *worker = &card->operation.worker;
	uint64_t now = now_ms();
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		return -errno;
	}
	*worker = (struct worker){ .pipe = fds[0], .step = step };
	worker->pid = fork();
	if (worker->pid == 0) {
		worker_main(card, step, fds[1]);
	}
	r = worker->pid < 0 ? -errno : 0;
	close(fds[1]);
	worker->pidfd = r < 0 ? -1 : pidfd_open(worker->pid, 0);
	if (worker->pidfd < 0) {
		r = r < 0 ? r : -errno;
		close(fds[0]);
		*worker = (struct worker){ 0 };
		return r;
	}
	worker->soft = now + type->soft_s * 1000 / card->broker->hurry;
	worker->hard = now + type->hard_s * 1000 / card->broker->hurry;
	return 0;
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
		fail(report->text, 0, "the step \"%s\" of %s ended without a word",
		     step_types[worker->step.kind].name, card->name);
	}
	close(worker->pidfd);
	close(worker->pipe);
	*worker = (struct worker){ 0 };
	journal_read(card);
	return true;
}

/* "unbind of 0000:01:00.1, in snd_card_free": where it waits in the kernel. */
void worker_where(const struct card *card, const struct worker *worker, char *out, size_t size)
{
	char wchan[64];

	text_read(wchan, sizeof(wchan), "/proc/%d/wchan", worker->pid);
	snprintf(out, size, "\"%s\" of %s.%u%s%s", step_types[worker->step.kind].name, card->name,
		 worker->step.number, wchan[0] > '0' ? ", in " : "", wchan[0] > '0' ? wchan : "");
}
