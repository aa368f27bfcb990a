// SPDX-License-Identifier: MIT
/* Looking for open nodes in /proc/self; see leftovers.h. */
#include "compositor/kms/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "compositor/kms/nodes.h"

#define NVIDIA_NODES "/dev/nvidia"

/* The kernel gives a page at a time, unless it is asked for less. */
#define MAPS_BUFFER 4096

static void closedir_ptr(DIR **dir)
{
	if (*dir) {
		closedir(*dir);
	}
}

static bool is_nvidia(const struct drm_node *node)
{
	return strncmp(node->driver, "nvidia", 6) == 0;
}

/* The kernel marks what has no name any more. */
static bool is_node(const struct drm_node *node, const char *path)
{
	size_t length = strlen(node->path);

	return strncmp(path, node->path, length) == 0 &&
	       (path[length] == '\0' || strcmp(path + length, " (deleted)") == 0);
}

void leftovers_see(struct leftovers *leftovers, const char *path)
{
	const struct drm_node *node;

	if (strncmp(path, NVIDIA_NODES, strlen(NVIDIA_NODES)) == 0) {
		snprintf(leftovers->nvidia, sizeof(leftovers->nvidia), "%s", path);
		return;
	}
	list_for_each(node, leftovers->nodes, link) {
		if (!is_node(node, path)) {
			continue;
		}
		if (strcmp(node->slot, leftovers->slot) == 0) {
			snprintf(leftovers->own, sizeof(leftovers->own), "%s", path);
		} else if (is_nvidia(node)) {
			leftovers->other_nvidia = true;
		}
	}
}

static int see_descriptors(struct leftovers *leftovers)
{
	_cleanup_(closedir_ptr) DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	char path[PATH_MAX];

	if (!dir) {
		return -errno;
	}
	while ((entry = readdir(dir))) {
		ssize_t length = readlinkat(dirfd(dir), entry->d_name, path, sizeof(path) - 1);

		if (length > 0) {
			path[length] = '\0';
			leftovers_see(leftovers, path);
		}
	}
	return 0;
}

static int see_mappings(struct leftovers *leftovers)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/maps", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	if (!file) {
		return -errno;
	}
	setvbuf(file, NULL, _IOFBF, MAPS_BUFFER);
	while (getline(&line, &size, file) > 0) {
		char *path = strchr(line, '/');

		if (path) {
			path[strcspn(path, "\n")] = '\0';
			leftovers_see(leftovers, path);
		}
	}
	return 0;
}

static bool slot_is_nvidia(const struct list *nodes, const char *slot)
{
	const struct drm_node *node;

	list_for_each(node, nodes, link) {
		if (strcmp(node->slot, slot) == 0 && is_nvidia(node)) {
			return true;
		}
	}
	return false;
}

const char *leftovers_found(const struct leftovers *leftovers)
{
	if (leftovers->own[0]) {
		return leftovers->own;
	}
	return leftovers->nvidia[0] && !leftovers->other_nvidia &&
			       slot_is_nvidia(leftovers->nodes, leftovers->slot)
		       ? leftovers->nvidia
		       : NULL;
}

int leftovers_check(const struct list *nodes, const char *slot)
{
	struct leftovers leftovers = { .nodes = nodes, .slot = slot };
	const char *found;
	int r = see_descriptors(&leftovers);

	if (r == 0) {
		r = see_mappings(&leftovers);
	}
	if (r < 0) {
		return r;
	}
	found = leftovers_found(&leftovers);
	if (found) {
		log_warning("The card %s is not given away: a library keeps %s open until this "
			    "program starts anew",
			    slot, found);
	}
	return found ? -EBUSY : 0;
}
