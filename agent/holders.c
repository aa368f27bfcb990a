// SPDX-License-Identifier: MIT
/* Who has a card open; see holders.h. */
#include "agent/holders.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/sysfs.h"
#include "common/cleanup.h"

#define DEPTH_MAX 8 /* folders below a function's */

/* ---- nodes ---- */

static void node_add(struct nodes *nodes, const char *folder)
{
	unsigned int major, minor;
	char text[32];

	if (nodes->count < NODES_MAX && sysfs_read(folder, "dev", text, sizeof(text)) == 0 &&
	    sscanf(text, "%u:%u", &major, &minor) == 2) {
		nodes->numbers[nodes->count++] = makedev(major, minor);
	}
}

static void folder_walk(struct nodes *nodes, const char *folder, int depth)
{
	_cleanup_folder_ DIR *children = opendir(folder);
	char path[PATH_MAX];
	struct dirent *entry;

	node_add(nodes, folder);
	while (depth < DEPTH_MAX && children && (entry = readdir(children))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
		    strcmp(entry->d_name, "input") != 0 &&
		    sysfs_path(path, folder, entry->d_name) == 0) {
			folder_walk(nodes, path, depth + 1);
		}
	}
}

void nodes_add(struct nodes *nodes, const char *function)
{
	char path[PATH_MAX];

	/* The bus has links to the devices' folders. */
	if (realpath(function, path)) {
		folder_walk(nodes, path, 0);
	}
}

/* ---- processes ---- */

static bool is_node(const struct nodes *nodes, dev_t number)
{
	for (unsigned int i = 0; i < nodes->count; i++) {
		if (nodes->numbers[i] == number) {
			return true;
		}
	}
	return false;
}

/* Whether a descriptor is one of the nodes. Other files are not touched: they may be far away. */
static bool holds(const struct nodes *nodes, const char *path, char *node, size_t size)
{
	struct stat status;
	ssize_t n = readlink(path, node, size - 1);

	node[n > 0 ? n : 0] = '\0';
	return !strncmp(node, "/dev/", 5) && stat(path, &status) == 0 && S_ISCHR(status.st_mode) &&
	       is_node(nodes, status.st_rdev);
}

static bool process_holds(const char *process, const struct nodes *nodes, char *node, size_t size)
{
	_cleanup_folder_ DIR *descriptors = NULL;
	char folder[PATH_MAX], path[PATH_MAX];
	struct dirent *entry;

	descriptors = sysfs_path(folder, process, "fd") < 0 ? NULL : opendir(folder);
	while (descriptors && (entry = readdir(descriptors))) {
		if (entry->d_name[0] != '.' && sysfs_path(path, folder, entry->d_name) == 0 &&
		    holds(nodes, path, node, size)) {
			return true;
		}
	}
	return false;
}

static bool holder_fill(struct agent_holder *holder, const char *proc, const char *name,
			const struct nodes *nodes)
{
	char process[PATH_MAX];

	*holder = (struct agent_holder){ .pid = (int32_t)strtol(name, NULL, 10) };
	if (sysfs_path(process, proc, name) < 0 ||
	    !process_holds(process, nodes, holder->node, sizeof(holder->node))) {
		return false;
	}
	sysfs_read(process, "comm", holder->command, sizeof(holder->command));
	return true;
}

unsigned int holders_find(const char *proc, const struct nodes *nodes, pid_t except, holder_fn fn,
			  void *data)
{
	_cleanup_folder_ DIR *folder = opendir(proc);
	struct agent_holder last = { 0 }, holder;
	unsigned int count = 0;
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid <= 0 || pid == except || pid == getpid() ||
		    !holder_fill(&holder, proc, entry->d_name, nodes)) {
			continue;
		}
		/* One behind, since the last one says how many more there are. */
		if (count > 0 && count < AGENT_HOLDERS_MAX) {
			fn(&last, data);
		}
		if (count++ < AGENT_HOLDERS_MAX) {
			last = holder;
		}
	}
	if (count > 0) {
		last.more = count > AGENT_HOLDERS_MAX ? count - AGENT_HOLDERS_MAX : 0;
		fn(&last, data);
	}
	return count;
}
