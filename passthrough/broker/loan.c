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

/* A card's functions may be in several. */
void groups_find(const struct card *card, struct nodes *out)
{
	char group[16], path[48];

	function_for_each(card, f) {
		link_read(at_function(card, f->number, "iommu_group"), group, sizeof(group));
		snprintf(path, sizeof(path), "/dev/vfio/%s", group);
		if (group[0]) {
			node_find(out, path, 0);
		}
	}
}

int groups_open(const struct card *card, struct groups *out, char *text)
{
	struct nodes nodes = { 0 };

	groups_find(card, &nodes);
	for (out->n = 0; out->n < nodes.n; out->n++) {
		const char *path = nodes.all[out->n].path;

		out->fds[out->n] = open(at("%s", path), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (out->fds[out->n] < 0) {
			return fail(text, -errno, "%s: %s; end the process that has it open", path,
				    strerror(errno));
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

bool groups_are_open(const struct card *card, char *text)
{
	_cleanup_(groups_close) struct groups groups = { 0 };

	return groups_open(card, &groups, text) == -EBUSY;
}

pid_t pidfd_pid(int pidfd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	return (pid_t)number_read(path, "\nPid:");
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

/* By how much the limits are raised is in the journal, not what they were: a second card may be
 * lent to the same process, and they come back in any order. A limit that is none stays so; one
 * that the process has lowered itself loses what is there. */
static int limits_change(const struct loan *loan, bool raise)
{
	struct rlimit limit;
	rlim_t *const both[] = { &limit.rlim_cur, &limit.rlim_max };

	if (prlimit(loan->pid, RLIMIT_MEMLOCK, NULL, &limit) < 0) {
		return -errno;
	}
	for (int i = 0; i < 2; i++) {
		if (*both[i] <= RLIM_INFINITY - loan->bytes) {
			*both[i] += raise ? loan->bytes : -MIN(loan->bytes, *both[i]);
		}
	}
	return prlimit(loan->pid, RLIMIT_MEMLOCK, &limit, NULL) < 0 ? -errno : 0;
}

int lend_step(struct card *card, unsigned int unused, struct report *report)
{
	pid_t pid = pidfd_pid(card->operation.borrower);
	uid_t uid = (uid_t)number_read(at("/proc/%d/status", pid), "\nUid:");
	const struct broker_request *request = &card->operation.request;
	struct loan loan = { pid, process_start(pid), request->memory_bytes };
	const char *to = request->stage.to;
	struct nodes nodes = { 0 };
	int r;

	/* The pidfd says last that all this was about its process. */
	if (pid <= 0 || !loan.start || is_readable(card->operation.borrower)) {
		return fail(report->text, -ESRCH, "the guest's QEMU has ended");
	}
	if (!account_find(card->broker, account_find(card->broker, to, NULL) ? to : "", &uid)) {
		return fail(report->text, -EPERM, "user %u of QEMU is not in broker.conf", uid);
	}
	/* No machine has 64 TiB, and a limit that is higher is none. */
	if (loan.bytes >> 46) {
		return fail(report->text, -ERANGE, "QEMU wants to lock more memory than there is");
	}
	r = journal_loan(card, &loan) ?: limits_change(&loan, true);
	if (r < 0) {
		loan.bytes = 0; /* the way back is to lower nothing */
		journal_loan(card, &loan);
		return r;
	}
	groups_find(card, &nodes);
	return nodes_change(card, LENT_NODES, &nodes, 0600, uid);
}

int reclaim_step(struct card *card, unsigned int unused, struct report *report)
{
	const struct loan *loan = &card->saved.loan;
	_cleanup_(groups_close) struct groups groups = { 0 };
	int r = groups_open(card, &groups, report->text);

	if (r == -EBUSY) {
		return r;
	}
	r = loan->bytes && process_start(loan->pid) == loan->start ? limits_change(loan, false) : 0;
	if (r < 0 && r != -ESRCH) {
		return fail(report->text, r, "QEMU may still lock memory: %s", strerror(-r));
	}
	return reopen_step(card, LENT_NODES, report);
}
