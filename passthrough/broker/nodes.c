// SPDX-License-Identifier: MIT
/*
 * The character devices by which processes reach a card: DRM, ALSA, I2C, frame buffer and
 * NVIDIA's. All but the last are found below the card's functions in sysfs. What hangs on a USB
 * controller or is a jack's input device can be pulled out at any time, and is no reason to wait.
 */
#include "passthrough/broker/broker.h"

#include <sys/sysmacros.h>

#define DEPTH_MAX 6 /* drm/card0/card0-DP-1/i2c-7/i2c-dev/i2c-7 */

static unsigned int add(struct node *nodes, unsigned int n, const char *path, dev_t device)
{
	unsigned int i = 0;

	while (i < n && strcmp(nodes[i].path, path) != 0) {
		i++;
	}
	if (i == n && n < NODES_MAX) {
		snprintf(nodes[n].path, sizeof(nodes[n].path), "%s", path);
		nodes[n++].device = device;
	}
	return n;
}

unsigned int node_add(struct node *nodes, unsigned int n, const char *path)
{
	struct stat st;

	return lstat(at("%s", path), &st) == 0 ? add(nodes, n, path, st.st_rdev) : n;
}

static unsigned int add_from(struct node *nodes, unsigned int n, const char *folder)
{
	char path[256], uevent[512], name[40];
	unsigned int major, minor;

	snprintf(path, sizeof(path), "%.240s/uevent", folder);
	text_read(path, uevent, sizeof(uevent));
	if (sscanf(uevent, "MAJOR=%u MINOR=%u DEVNAME=%39s", &major, &minor, name) == 3) {
		snprintf(path, sizeof(path), "/dev/%s", name);
		n = add(nodes, n, path, makedev(major, minor));
	}
	return n;
}

static unsigned int walk(struct node *nodes, unsigned int n, const char *folder, int depth)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	char below[256];

	while ((entry = dir_next(&dir))) {
		if (entry->d_type == DT_DIR && depth < DEPTH_MAX &&
		    strncmp(entry->d_name, "usb", 3) && strncmp(entry->d_name, "input", 5)) {
			snprintf(below, sizeof(below), "%.180s/%.60s", folder, entry->d_name);
			n = add_from(nodes, n, below);
			n = walk(nodes, n, below, depth + 1);
		}
	}
	return n;
}

/* NVIDIA's nodes are no children of the card; all but nvidiaN serve every NVIDIA card together. */
static unsigned int add_nvidia(struct node *nodes, unsigned int n, const struct card *card,
			       unsigned int number)
{
	static const char *const names[] = { "ctl", "-modeset", "-uvm", "-uvm-tools",
					     "0",   "1",        "2",    "3" };
	DIR *gpus = opendir(at("/proc/driver/nvidia/gpus"));
	char about[1024], path[48], *minor;
	unsigned int cards = 0;

	while (dir_next(&gpus)) {
		cards++;
	}
	text_read(at("/proc/driver/nvidia/gpus/%s.%u/information", card->name, number), about,
		  sizeof(about));
	minor = strstr(about, "Device Minor:");
	for (size_t i = 0; minor && i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "/dev/nvidia%s", names[i]);
		if (cards == 1 || strtol(minor + 13, NULL, 10) == (long)i - 4) {
			n = node_add(nodes, n, path);
		}
	}
	return n;
}

unsigned int nodes_find(const struct card *card, struct node out[NODES_MAX])
{
	const struct saved_node *closed = card->saved.nodes[DRAINED_NODES];
	unsigned int n = 0;

	/* Those that were closed may be gone from sysfs while somebody still has them open. */
	for (unsigned int i = 0; i < card->saved.n_nodes[DRAINED_NODES]; i++) {
		n = add(out, n, closed[i].path, closed[i].device);
	}
	function_for_each(card, f) {
		n = walk(out, n, at_function(card, f->number, ""), 0);
		n = strcmp(f->driver, "nvidia") ? n : add_nvidia(out, n, card, f->number);
	}
	return n;
}

/* Journals what it was, first. uid -1: its owner stays. */
int node_change(struct card *card, enum nodes kind, const char *path, mode_t mode, uid_t uid)
{
	const char *full = at("%s", path);
	struct stat st;
	int r;

	if (lstat(full, &st) < 0) {
		return -errno;
	}
	if (!S_ISCHR(st.st_mode) && !system_root[0]) {
		return -ENOTTY;
	}
	r = journal_append(card, "@node %u %s %u:%u %o %u %u", kind, path, major(st.st_rdev),
			   minor(st.st_rdev), st.st_mode & 07777, st.st_uid, st.st_gid);
	if (r == 0 && (chmod(full, mode) < 0 || chown(full, uid, (gid_t)-1) < 0)) {
		r = -errno;
	}
	return r;
}

/* A node that is another one by now, or that somebody opened again, stays as it is. */
int nodes_restore(struct card *card, enum nodes kind)
{
	for (unsigned int i = 0; i < card->saved.n_nodes[kind]; i++) {
		const struct saved_node *node = &card->saved.nodes[kind][i];
		const char *full = at("%s", node->path);
		struct stat st;

		if (lstat(full, &st) == 0 && st.st_rdev == node->device &&
		    (kind == LENT_NODES || !(st.st_mode & 07777)) &&
		    (chown(full, node->uid, node->gid) < 0 || chmod(full, node->mode) < 0)) {
			return -errno;
		}
	}
	return journal_append(card, kind == LENT_NODES ? "@reclaimed" : "@reopened");
}

/* Mode 0 also takes away what access control lists gave: it is their mask. */
int close_step(struct card *card, unsigned int unused, struct report *report)
{
	struct node nodes[NODES_MAX];
	unsigned int n = nodes_find(card, nodes);
	int r = journal_append(card, "@drained");

	for (unsigned int i = 0; i < n && r == 0; i++) {
		r = node_change(card, DRAINED_NODES, nodes[i].path, 0, (uid_t)-1);
		r = r == -ENOENT ? 0 : r;
	}
	return r;
}

int reopen_step(struct card *card, unsigned int unused, struct report *report)
{
	return nodes_restore(card, DRAINED_NODES);
}
