// SPDX-License-Identifier: MIT
/* Chooses KVM or TCG; see accel.h. */
#include "vm/accel.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "vm/kvm_probe.h"

static enum accel known_accel = ACCEL_UNKNOWN;

struct accel_probe {
	int pidfd;
	sd_event_source *exit;
	sd_event_source *deadline;
	accel_probe_fn done; /* NULL: nobody asks any more, the child is still to be reaped */
	void *data;
	struct huge_pages_free *pages; /* shared with the child */
};

enum accel accel_get(void)
{
	return known_accel;
}

const char *accel_name(enum accel accel)
{
	return accel == ACCEL_KVM ? "kvm" : "tcg";
}

static void probe_end(struct accel_probe *probe, enum kvm_probe found)
{
	sd_event_source_set_enabled(probe->exit, SD_EVENT_OFF);
	sd_event_source_set_enabled(probe->deadline, SD_EVENT_OFF);
	if (known_accel == ACCEL_UNKNOWN && found != KVM_PROBE_USABLE) {
		log_warning("guests run under TCG, in software and slowly: %s",
			    kvm_probe_text(found));
	}
	if (known_accel == ACCEL_UNKNOWN) {
		known_accel = found == KVM_PROBE_USABLE ? ACCEL_KVM : ACCEL_TCG;
	}
	probe->done(probe->data, known_accel);
}

static int handle_exit(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct accel_probe *probe = data;
	siginfo_t info = { 0 };
	enum kvm_probe found = KVM_PROBE_NO_RUN; /* also when it died of a signal */

	if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) == 0 &&
	    info.si_code == CLD_EXITED && info.si_status < KVM_PROBE_COUNT) {
		found = (enum kvm_probe)info.si_status;
	}
	if (!probe->done) {
		/* Nobody else holds the source: it ends, and the probe with it. */
		return sd_event_source_set_floating(source, 0);
	}
	probe_end(probe, found);
	return 0;
}

static int handle_deadline(sd_event_source *source, uint64_t usec, void *data)
{
	probe_end(data, KVM_PROBE_NO_ANSWER);
	return 0;
}

static void probe_free(void *data)
{
	struct accel_probe *probe = data;

	if (probe->pidfd >= 0) {
		close(probe->pidfd);
	}
	if (probe->pages) {
		munmap(probe->pages, sizeof(*probe->pages));
	}
	free(probe);
}

static bool probe_reap(const struct accel_probe *probe)
{
	siginfo_t info = { 0 };

	return probe->pidfd < 0 ||
	       waitid(P_PIDFD, (id_t)probe->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid;
}

/* A child that the kernel keeps is reaped by the loop when the kernel lets go of it. */
void accel_probe_destroy(struct accel_probe *probe)
{
	if (!probe) {
		return;
	}
	probe->deadline = sd_event_source_disable_unref(probe->deadline);
	if (probe->pidfd >= 0) {
		pidfd_send_signal(probe->pidfd, SIGKILL, NULL, 0);
	}
	if (probe_reap(probe) || !probe->exit) {
		sd_event_source_disable_unref(probe->exit);
		probe_free(probe);
		return;
	}
	probe->done = NULL;
	sd_event_source_set_enabled(probe->exit, SD_EVENT_ON);
	sd_event_source_set_destroy_callback(probe->exit, probe_free);
	sd_event_source_set_floating(probe->exit, 1);
	sd_event_source_unref(probe->exit);
}

/*
 * The child calls nothing but what is safe in a fork of a program with threads. It may hang for
 * ever, so it keeps nothing of ours open (the lock on the runtime folder, screens, clients) and
 * ends with us.
 */
static void child_run(struct huge_pages_free *pages, pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
	    close_range(STDERR_FILENO + 1, ~0u, 0) < 0) {
		_exit(KVM_PROBE_NO_VM);
	}
	huge_pages_count(HUGE_PAGES_FOLDER, pages);
	_exit(known_accel == ACCEL_UNKNOWN ? (int)kvm_probe() : KVM_PROBE_USABLE);
}

/* Zeros, until the child has counted. */
static int probe_map(struct accel_probe *probe)
{
	void *pages = mmap(NULL, sizeof(*probe->pages), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	probe->pages = pages == MAP_FAILED ? NULL : pages;
	return probe->pages ? 0 : -errno;
}

const struct huge_pages_free *accel_probe_pages(const struct accel_probe *probe)
{
	return probe->pages;
}

static int probe_fork(struct accel_probe *probe)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0) {
		return -errno;
	}
	if (pid == 0) {
		child_run(probe->pages, parent);
	}
	probe->pidfd = pidfd_open(pid, 0);
	return probe->pidfd < 0 ? -errno : 0;
}

DEFINE_CLEANUP(struct accel_probe *, accel_probe_destroy)

int accel_probe_create(sd_event *event, accel_probe_fn done, void *data, struct accel_probe **out)
{
	_cleanup_(accel_probe_destroy_ptr) struct accel_probe *probe = calloc(1, sizeof(*probe));
	int r;

	if (!probe) {
		return -ENOMEM;
	}
	probe->pidfd = -1;
	probe->done = done;
	probe->data = data;
	r = probe_map(probe);
	if (r >= 0) {
		r = probe_fork(probe);
	}
	if (r < 0) {
		return r;
	}
	r = sd_event_add_io(event, &probe->exit, probe->pidfd, EPOLLIN, handle_exit, probe);
	if (r < 0) {
		return r;
	}
	r = sd_event_add_time_relative(event, &probe->deadline, CLOCK_MONOTONIC,
				       ACCEL_PROBE_DEADLINE_USEC, 0, handle_deadline, probe);
	if (r < 0) {
		return r;
	}
	*out = take_ptr(probe);
	return 0;
}
