// SPDX-License-Identifier: MIT
/*
 * Who has a card's nodes open or mapped. A link below /proc/PID/fd is not followed into a file
 * system that may not answer: AT_STATX_DONT_SYNC takes what the kernel knows already.
 */
#include "passthrough/broker/broker.h"

#include <ctype.h>
#include <sys/sysmacros.h>

const struct node *node_open_in(const char *folder, const struct nodes *nodes)
{
	const struct node *found = NULL;
	DIR *dir = opendir(folder);
	struct dirent *entry;
	struct statx stx;

	while ((entry = dir_next(&dir))) {
		if (statx(dirfd(dir), entry->d_name, AT_STATX_DONT_SYNC, STATX_TYPE, &stx) < 0) {
			continue;
		}
		node_for_each(nodes, node)
		{
			if (S_ISCHR(stx.stx_mode) &&
			    makedev(stx.stx_rdev_major, stx.stx_rdev_minor) == node->device) {
				found = node;
			}
		}
	}
	return found;
}

/* A mapping outlives its descriptor. */
static const struct node *by_mapping(int32_t pid, const struct nodes *nodes)
{
	_cleanup_(close_file) FILE *maps = fopen(at("/proc/%d/maps", pid), "re");
	const struct node *found = NULL;
	char line[512], *name;

	while (maps && fgets(line, sizeof(line), maps)) {
		name = strstr(line, " /dev/");
		node_for_each(nodes, node)
		{
			size_t length = strlen(node->path);

			if (name && !strncmp(name + 1, node->path, length) &&
			    isspace((unsigned char)name[1 + length])) {
				found = node;
			}
		}
	}
	return found;
}

int scan_step(struct card *card, unsigned int unused, struct report *report)
{
	struct nodes nodes;
	DIR *proc = opendir(at("/proc"));
	struct dirent *entry;

	nodes_find(card, &nodes);
	groups_find(card, &nodes);
	while ((entry = dir_next(&proc))) {
		int32_t pid = (int32_t)strtol(entry->d_name, NULL, 10);
		const struct node *node = NULL;

		if (pid > 0 && pid != getpid()) {
			node = node_open_in(at("/proc/%d/fd", pid), &nodes)
				       ?: by_mapping(pid, &nodes);
		}
		if (node && report->n_holders++ < BROKER_HOLDERS_MAX) {
			struct broker_holder *holder = &report->holders[report->n_holders - 1];

			holder->pid = pid;
			text_read(at("/proc/%d/comm", pid), holder->command,
				  sizeof(holder->command));
			snprintf(holder->node, sizeof(holder->node), "%s", node->path);
		}
	}
	return 0;
}
