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

#include <inttypes.h>
#include <sys/resource.h>

/* Each group once; a card's functions may be in several. */
unsigned int groups_find(const struct card *card, struct node out[BROKER_FUNCTIONS_MAX])
{
	char group[16], path[48];
	unsigned int n = 0;

	function_for_each(card, f) {
		link_read(at_function(card, f->number, "iommu_group"), group, sizeof(group));
		snprintf(path, sizeof(path), "/dev/vfio/%s", group);
		n = group[0] ? node_add(out, n, path) : n;
	}
	return n;
}

int groups_open(const struct card *card, struct groups *out, char *text)
{
	struct node nodes[BROKER_FUNCTIONS_MAX];
	unsigned int n = groups_find(card, nodes);

	for (out->n = 0; out->n < n; out->n++) {
		out->fds[out->n] =
			open(at("%s", nodes[out->n].path), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (out->fds[out->n] < 0) {
			return fail(text, -errno, "%s: %s; end the process that has it open",
				    nodes[out->n].path, strerror(errno));
		}
	}
	return 0;
}

void groups_close(struct groups *groups)
{
	while (groups->n > 0) {
		close(groups->fds[--groups->n]);
	}
}

/* The number behind a word in a file of procfs; 0: there is none. */
static uint64_t proc_number(const char *path, const char *word)
{
	char text[2048], *found;

	text_read(path, text, sizeof(text));
	found = strstr(text, word);
	return found ? strtoull(found + strlen(word), NULL, 10) : 0;
}

pid_t pidfd_pid(int pidfd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	return (pid_t)proc_number(path, "\nPid:");
}

uint64_t process_start(pid_t pid)
{
	char stat[1024], *field;

	text_read(at("/proc/%d/stat", pid), stat, sizeof(stat));
	/* The 22nd field; the second is a name that may contain anything. */
	field = strrchr(stat, ')');
	for (int i = 2; field && i < 22; i++) {
		field = strchr(field + 1, ' ');
	}
	return field ? strtoull(field, NULL, 10) : 0;
}

/* Not raised where there is none. By how much each limit is raised goes to the journal, not the old
 * value: a second card may be lent to the same process, and they come back in any order. */
static int limits_raise(struct card *card, pid_t pid, uint64_t start)
{
	uint64_t bytes = card->operation.request.memory_bytes, soft, hard;
	struct rlimit limit;
	int r;

	if (prlimit(pid, RLIMIT_MEMLOCK, NULL, &limit) < 0) {
		return -errno;
	}
	soft = limit.rlim_cur > RLIM_INFINITY - bytes ? 0 : bytes;
	hard = limit.rlim_max > RLIM_INFINITY - bytes ? 0 : bytes;
	r = journal_append(card, "@lent %d %" PRIu64 " %" PRIu64 " %" PRIu64, pid, start, soft,
			   hard);
	limit.rlim_cur += soft;
	limit.rlim_max += hard;
	return r < 0 ? r : prlimit(pid, RLIMIT_MEMLOCK, &limit, NULL) < 0 ? -errno : 0;
}

/* All that is there, if the process has lowered the limits itself. */
static int limits_lower(const struct loan *loan, char *text)
{
	struct rlimit limit;

	if (process_start(loan->pid) != loan->start ||
	    prlimit(loan->pid, RLIMIT_MEMLOCK, NULL, &limit) < 0) {
		return 0;
	}
	limit.rlim_cur -= MIN(loan->soft, limit.rlim_cur);
	limit.rlim_max -= MIN(loan->hard, limit.rlim_max);
	return prlimit(loan->pid, RLIMIT_MEMLOCK, &limit, NULL) == 0 || errno == ESRCH
		       ? 0
		       : fail(text, -errno, "QEMU may still lock memory: %s", strerror(errno));
}

int lend_step(struct card *card, unsigned int unused, struct report *report)
{
	pid_t pid = pidfd_pid(card->operation.borrower);
	uid_t uid = (uid_t)proc_number(at("/proc/%d/status", pid), "\nUid:");
	struct node nodes[BROKER_FUNCTIONS_MAX];
	unsigned int n = groups_find(card, nodes);
	const char *to = card->operation.request.stage.to;
	uint64_t start = process_start(pid);
	int r;

	/* The pidfd says last that all this was about its process. */
	if (pid <= 0 || !start || is_readable(card->operation.borrower)) {
		return fail(report->text, -ESRCH, "the guest's QEMU has ended");
	}
	if (!account_find(card->broker, account_find(card->broker, to, NULL) ? to : "", &uid)) {
		return fail(report->text, -EPERM, "user %u of QEMU is not in broker.conf", uid);
	}
	/* No machine has 64 TiB, and a limit that is higher is none. */
	if (card->operation.request.memory_bytes >> 46) {
		return fail(report->text, -ERANGE, "QEMU wants to lock more memory than there is");
	}
	r = limits_raise(card, pid, start);
	for (unsigned int i = 0; i < n && r == 0; i++) {
		r = node_change(card, LENT_NODES, nodes[i].path, 0600, uid);
	}
	return r;
}

int reclaim_step(struct card *card, unsigned int unused, struct report *report)
{
	struct groups groups;
	int r = groups_open(card, &groups, report->text);

	if (r != -EBUSY) {
		r = limits_lower(&card->saved.loan, report->text)
			    ?: nodes_restore(card, LENT_NODES);
	}
	groups_close(&groups);
	return r;
}
