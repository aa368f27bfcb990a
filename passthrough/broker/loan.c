// SPDX-License-Identifier: MIT
/*
 * Lending: the node of the card's IOMMU group goes to the borrower's user, and the borrower may
 * lock the guest's memory, which VFIO pins. Only one process can have a group open, and while one
 * has a device of it open the group is open too. So whoever opens the group knows that nobody
 * uses the card, and as long as it is open nobody can begin to.
 *
 * Group numbers are looked up each time: the kernel may give another one after a rescan.
 */
#include "passthrough/broker/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#define CLOSING_MS 10000 /* for the kernel to close what a dead borrower had open */
#define CLOSING_LOOK_MS 20

void groups_find(const struct card *card, struct groups *out)
{
	char name[16];

	out->n = 0;
	for (unsigned int f = 0; f < BROKER_FUNCTIONS_MAX; f++) {
		unsigned int i = 0;
		int number;

		if (link_read(name, sizeof(name), "/sys/bus/pci/devices/%s.%u/iommu_group",
			      card->name, f) < 0) {
			continue;
		}
		number = (int)strtol(name, NULL, 10);
		while (i < out->n && out->numbers[i] != number) {
			i++;
		}
		out->numbers[i] = number;
		out->fds[i] = -1;
		out->n += i == out->n;
	}
}

int groups_open(const struct card *card, struct groups *out, char *text)
{
	groups_find(card, out);
	for (unsigned int i = 0; i < out->n; i++) {
		out->fds[i] = node_open(O_RDWR, "/dev/vfio/%d", out->numbers[i]);
		if (out->fds[i] == -EBUSY) {
			return fail(text, -EBUSY, "somebody has IOMMU group %d of %s open",
				    out->numbers[i], card->name);
		}
		if (out->fds[i] < 0) {
			return fail(text, out->fds[i], "/dev/vfio/%d of %s cannot be opened: %s",
				    out->numbers[i], card->name, strerror(-out->fds[i]));
		}
	}
	return 0;
}

void groups_close(struct groups *groups)
{
	for (unsigned int i = 0; i < groups->n; i++) {
		if (groups->fds[i] >= 0) {
			close(groups->fds[i]);
		}
	}
}

/* Before vfio-pci gives up a function: with a user it would wait for it, for ever. */
int free_step(struct card *card, unsigned int number, struct report *report)
{
	struct groups groups;
	int r = groups_open(card, &groups, report->text);

	groups_close(&groups);
	return r == -EBUSY ? r : 0;
}

pid_t pidfd_pid(int pidfd)
{
	char about[512], *line;

	text_read(about, sizeof(about), "/proc/self/fdinfo/%d", pidfd);
	line = strstr(about, "\nPid:");
	return line ? (pid_t)strtol(line + 5, NULL, 10) : -1;
}

int process_start(pid_t pid, uint64_t *out)
{
	char stat[1024], *rest;
	int r = text_read(stat, sizeof(stat), "/proc/%d/stat", pid);

	/* The 22nd field; the second is a name that may contain anything. */
	rest = r < 0 ? NULL : strrchr(stat, ')');
	for (int field = 2; rest && field < 22; field++) {
		rest = strchr(rest + 1, ' ');
	}
	*out = rest ? strtoull(rest, NULL, 10) : 0;
	return r < 0 ? r : rest ? 0 : -EINVAL;
}

static int process_user(pid_t pid, uid_t *out)
{
	char status[1024], *line;
	int r = text_read(status, sizeof(status), "/proc/%d/status", pid);

	line = r < 0 ? NULL : strstr(status, "\nUid:");
	*out = line ? (uid_t)strtoul(line + 5, NULL, 10) : 0;
	return r < 0 ? r : line ? 0 : -EINVAL;
}

static bool has_ended(int pidfd)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) != 0;
}

static rlim_t raised(rlim_t limit, uint64_t bytes)
{
	return limit == RLIM_INFINITY || limit + bytes < limit ? RLIM_INFINITY : limit + bytes;
}

/* By how much each limit is raised goes to the journal, not the old value: a second card may be
 * lent to the same process, and given back in any order. */
static int limits_raise(struct card *card, pid_t pid, uint64_t start)
{
	uint64_t bytes = card->operation.memory_bytes;
	struct rlimit old, new;
	int r;

	if (prlimit(pid, RLIMIT_MEMLOCK, NULL, &old) < 0) {
		return -errno;
	}
	new = (struct rlimit){ raised(old.rlim_cur, bytes), raised(old.rlim_max, bytes) };
	r = journal_append(card, "@lent %d %" PRIu64 " %" PRIu64 " %" PRIu64, pid, start,
			   (uint64_t)(new.rlim_cur - old.rlim_cur),
			   (uint64_t)(new.rlim_max - old.rlim_max));
	return r < 0 ? r : prlimit(pid, RLIMIT_MEMLOCK, &new, NULL) < 0 ? -errno : 0;
}

static rlim_t lowered(rlim_t limit, uint64_t bytes)
{
	return limit == RLIM_INFINITY || limit < bytes ? limit : limit - bytes;
}

static void limits_lower(const struct loan *loan)
{
	struct rlimit limit;
	uint64_t start;

	if (process_start(loan->pid, &start) == 0 && start == loan->start &&
	    prlimit(loan->pid, RLIMIT_MEMLOCK, NULL, &limit) == 0) {
		limit.rlim_cur = lowered(limit.rlim_cur, loan->soft);
		limit.rlim_max = lowered(limit.rlim_max, loan->hard);
		prlimit(loan->pid, RLIMIT_MEMLOCK, &limit, NULL);
	}
}

static bool user_allowed(const struct broker *broker, uid_t uid)
{
	for (unsigned int i = 0; i < broker->n_users; i++) {
		if (broker->users[i] == uid) {
			return true;
		}
	}
	return false;
}

static int borrower_check(const struct card *card, pid_t pid, uid_t *uid, uint64_t *start,
			  char *text)
{
	struct sysinfo info;

	if (pid <= 0 || process_user(pid, uid) < 0 || process_start(pid, start) < 0 ||
	    has_ended(card->operation.borrower)) {
		return fail(text, -ESRCH, "the guest's QEMU has ended");
	}
	if (!user_allowed(card->broker, *uid)) {
		return fail(text, -EPERM, "the borrower's user is not in broker.conf");
	}
	sysinfo(&info);
	if (card->operation.memory_bytes > (uint64_t)info.totalram * info.mem_unit) {
		return fail(text, -ERANGE, "the guest wants to lock more memory than there is");
	}
	return 0;
}

int lend_step(struct card *card, unsigned int number, struct report *report)
{
	pid_t pid = pidfd_pid(card->operation.borrower);
	struct groups groups;
	uint64_t start;
	char path[48];
	uid_t uid = 0;
	int r = borrower_check(card, pid, &uid, &start, report->text);

	if (r < 0) {
		return r;
	}
	r = limits_raise(card, pid, start);
	groups_find(card, &groups);
	for (unsigned int i = 0; i < groups.n && r == 0; i++) {
		snprintf(path, sizeof(path), "/dev/vfio/%d", groups.numbers[i]);
		r = node_change(card, true, path, 0600, uid);
	}
	return r < 0 ? fail(report->text, r, "%s cannot be lent: %s", card->name, strerror(-r)) : 0;
}

/* When the borrower is dead the kernel still has to close what it had open. */
int take_back_step(struct card *card, unsigned int number, struct report *report)
{
	bool dead = card->loan_pidfd < 0 || has_ended(card->loan_pidfd);
	uint64_t end = now_ms() + (dead ? CLOSING_MS : 0);
	struct groups groups;
	int r;

	while ((r = groups_open(card, &groups, report->text)) == -EBUSY && now_ms() < end) {
		groups_close(&groups);
		poll(NULL, 0, CLOSING_LOOK_MS);
	}
	if (r != -EBUSY) {
		limits_lower(&card->saved.loan);
		r = nodes_restore(card, true);
	}
	groups_close(&groups);
	return r < 0 ? fail(report->text, r, "%s is still open in process %d", card->name,
			    card->saved.loan.pid)
		     : 0;
}
