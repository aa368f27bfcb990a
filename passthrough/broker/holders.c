// SPDX-License-Identifier: MIT
/*
 * Who has a card's nodes open or mapped. A link below /proc/PID/fd is not followed into a file
 * system that may not answer: AT_STATX_DONT_SYNC takes what the kernel knows already.
 */
#include "passthrough/broker/broker.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const struct node *by_descriptor(int pid, const struct node *nodes, unsigned int n)
{
	_cleanup_closedir_ DIR *dir = dir_open("/proc/%d/fd", pid);
	struct dirent *entry;
	struct statx stx;

	while (dir && (entry = dir_next(dir))) {
		if (statx(dirfd(dir), entry->d_name, AT_STATX_DONT_SYNC, STATX_TYPE, &stx) < 0) {
			continue;
		}
		for (unsigned int i = 0; i < n && S_ISCHR(stx.stx_mode); i++) {
			if (makedev(stx.stx_rdev_major, stx.stx_rdev_minor) == nodes[i].device) {
				return &nodes[i];
			}
		}
	}
	return NULL;
}

/* A mapping outlives its descriptor. */
static const struct node *by_mapping(int pid, const struct node *nodes, unsigned int n)
{
	const struct node *found = NULL;
	char path[256], line[512], *name;
	FILE *maps;

	path_format(path, "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && !found && fgets(line, sizeof(line), maps)) {
		name = strstr(line, " /dev/");
		for (unsigned int i = 0; name && i < n && !found; i++) {
			size_t length = strlen(nodes[i].path);

			if (!strncmp(name + 1, nodes[i].path, length) &&
			    isspace((unsigned char)name[1 + length])) {
				found = &nodes[i];
			}
		}
	}
	if (maps) {
		fclose(maps);
	}
	return found;
}

static void add_holder(struct report *report, int pid, const struct node *node)
{
	struct broker_holder *holder = &report->holders[report->n_holders];

	if (report->n_holders++ < BROKER_HOLDERS_MAX) {
		holder->pid = pid;
		text_read(holder->command, sizeof(holder->command), "/proc/%d/comm", pid);
		snprintf(holder->node, sizeof(holder->node), "%s", node->path);
	}
}

static unsigned int add_groups(const struct card *card, struct node *nodes, unsigned int n,
			       unsigned int max)
{
	struct groups groups;

	groups_find(card, &groups);
	for (unsigned int i = 0; i < groups.n && n < max; i++) {
		struct stat st;
		char full[256];

		snprintf(nodes[n].path, sizeof(nodes[n].path), "/dev/vfio/%d", groups.numbers[i]);
		path_format(full, "%s", nodes[n].path);
		if (stat(full, &st) == 0 && S_ISCHR(st.st_mode)) {
			nodes[n++].device = st.st_rdev;
		}
	}
	return n;
}

bool process_has_group(pid_t pid, const struct card *card)
{
	struct node nodes[BROKER_FUNCTIONS_MAX];
	unsigned int n = add_groups(card, nodes, 0, BROKER_FUNCTIONS_MAX);

	return by_descriptor(pid, nodes, n);
}

int list_step(struct card *card, unsigned int number, struct report *report)
{
	struct node nodes[SAVED_NODES_MAX + BROKER_FUNCTIONS_MAX];
	unsigned int n = nodes_find(card, nodes, SAVED_NODES_MAX);
	_cleanup_closedir_ DIR *proc = dir_open("/proc");
	struct dirent *entry;

	n = add_groups(card, nodes, n, sizeof(nodes) / sizeof(nodes[0]));
	while (proc && (entry = dir_next(proc))) {
		int pid = (int)strtol(entry->d_name, NULL, 10);
		const struct node *node;

		if (pid <= 0 || pid == getpid() || pid == getppid()) {
			continue;
		}
		node = by_descriptor(pid, nodes, n);
		node = node ? node : by_mapping(pid, nodes, n);
		if (node) {
			add_holder(report, pid, node);
		}
	}
	return 0;
}

int scan_step(struct card *card, unsigned int number, struct report *report)
{
	const struct broker_holder *first = &report->holders[0];

	list_step(card, number, report);
	if (report->n_holders == 0) {
		return 0;
	}
	return fail(report->text, -EBUSY,
		    "%s (%d)%s still has %s open: end it, or let it close that", first->command,
		    first->pid, report->n_holders > 1 ? " and others" : "", first->node);
}
