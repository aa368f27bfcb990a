// SPDX-License-Identifier: MIT
/*
 * The character devices by which processes reach a card: DRM, ALSA, I2C, frame buffer and
 * NVIDIA's. All but the last are found below the card's functions in sysfs. What hangs on a USB
 * controller or is a jack's input device can be pulled out at any time, and is no reason to wait.
 */
#include "passthrough/broker/broker.h"

#include <sys/sysmacros.h>

#define DEPTH_MAX 6 /* drm/card0/card0-DP-1/i2c-7/i2c-dev/i2c-7 */

void node_add(struct nodes *nodes, const struct node *node)
{
	unsigned int i = 0;

	while (i < nodes->n && strcmp(nodes->all[i].path, node->path) != 0) {
		i++;
	}
	if (i == nodes->n && i < NODES_MAX) {
		nodes->all[nodes->n++] = *node;
	}
}

void node_find(struct nodes *nodes, const char *path, dev_t device)
{
	struct stat st = { .st_rdev = device };
	struct node node;

	/* One that is not there may still be open. */
	if (lstat(at("%s", path), &st) == 0 ? S_ISCHR(st.st_mode) || system_root[0] : device) {
		node = (struct node){ "", st.st_rdev, st.st_mode & 07777, st.st_uid, st.st_gid };
		snprintf(node.path, sizeof(node.path), "%s", path);
		node_add(nodes, &node);
	}
}

static void walk(struct nodes *nodes, const char *folder, int depth)
{
	DIR *dir = opendir(folder);
	char path[256], uevent[512], name[40];
	unsigned int major, minor;
	struct dirent *entry;

	snprintf(path, sizeof(path), "%.240s/uevent", folder);
	text_read(path, uevent, sizeof(uevent));
	if (sscanf(uevent, "MAJOR=%u MINOR=%u DEVNAME=%39s", &major, &minor, name) == 3) {
		snprintf(path, sizeof(path), "/dev/%s", name);
		node_find(nodes, path, makedev(major, minor));
	}
	while ((entry = dir_next(&dir))) {
		if (entry->d_type == DT_DIR && depth < DEPTH_MAX &&
		    strncmp(entry->d_name, "usb", 3) && strncmp(entry->d_name, "input", 5)) {
			snprintf(path, sizeof(path), "%.180s/%.60s", folder, entry->d_name);
			walk(nodes, path, depth + 1);
		}
	}
}

/* NVIDIA's nodes are no children of the card; all but nvidiaN serve every NVIDIA card together. */
static void add_nvidia(struct nodes *nodes, const struct card *card, unsigned int number)
{
	static const char *const shared[] = { "/dev/nvidiactl", "/dev/nvidia-modeset",
					      "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools" };
	DIR *gpus = opendir(at("/proc/driver/nvidia/gpus"));
	char about[1024], path[48], *minor;
	unsigned int cards = 0;

	while (dir_next(&gpus)) {
		cards++;
	}
	text_read(at("/proc/driver/nvidia/gpus/%s.%u/information", card->name, number), about,
		  sizeof(about));
	minor = strstr(about, "Device Minor:");
	for (int i = 0; minor && i < (cards == 1 ? 4 : 0); i++) {
		node_find(nodes, shared[i], 0);
	}
	if (minor) {
		snprintf(path, sizeof(path), "/dev/nvidia%ld", strtol(minor + 13, NULL, 10));
		node_find(nodes, path, 0);
	}
}

void nodes_find(const struct card *card, struct nodes *out)
{
	/* Those that were closed may be gone from sysfs while somebody still has them open. */
	*out = card->saved.nodes[DRAINED_NODES];
	function_for_each(card, f) {
		walk(out, at_function(card, f->number, ""), 0);
		if (!strcmp(f->driver, "nvidia")) {
			add_nvidia(out, card, f->number);
		}
	}
}

/* Journals what each was, first. uid -1: its owner stays. */
int nodes_change(struct card *card, enum changed_nodes kind, const struct nodes *nodes, mode_t mode,
		 uid_t uid)
{
	int r = 0;

	node_for_each(nodes, node)
	{
		const char *path;

		if (r < 0 || !node->mode) {
			continue; /* not there: what comes under its name has another mode */
		}
		r = journal_node(card, kind, node);
		path = at("%s", node->path);
		if (r == 0 && (chmod(path, mode) < 0 || chown(path, uid, (gid_t)-1) < 0)) {
			r = errno == ENOENT ? 0 : -errno;
		}
	}
	return r;
}

/* A node that is another one by now, or that somebody opened again, stays as it is. */
int reopen_step(struct card *card, unsigned int kind, struct report *report)
{
	node_for_each(&card->saved.nodes[kind], node)
	{
		const char *path = at("%s", node->path);
		struct stat st;

		if (lstat(path, &st) == 0 && st.st_rdev == node->device &&
		    (kind == LENT_NODES || !(st.st_mode & 07777)) &&
		    (chown(path, node->uid, node->gid) < 0 || chmod(path, node->mode) < 0)) {
			return -errno;
		}
	}
	return journal_append(card, kind == LENT_NODES ? "@reclaimed" : "@reopened");
}

/* Mode 0 also takes away what access control lists gave: it is their mask. */
int close_step(struct card *card, unsigned int unused, struct report *report)
{
	struct nodes nodes;

	nodes_find(card, &nodes);
	return journal_append(card, "@drained")
		       ?: nodes_change(card, DRAINED_NODES, &nodes, 0, (uid_t)-1);
}
