// SPDX-License-Identifier: MIT
/*
 * The character devices by which processes reach a card: DRM, ALSA, I2C, frame buffer and
 * NVIDIA's. All but the last are found below the card's functions in sysfs. What hangs on a USB
 * controller or is a jack's input device can be pulled out at any time, and is no reason to wait.
 */
#include "passthrough/broker/broker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define DEPTH_MAX 6 /* drm/card0/card0-DP-1/i2c-7/i2c-dev/i2c-7 */

struct finder {
	struct node *nodes;
	unsigned int n, max;
};

static void add(struct finder *finder, const char *path, dev_t device)
{
	for (unsigned int i = 0; i < finder->n; i++) {
		if (!strcmp(finder->nodes[i].path, path)) {
			return;
		}
	}
	if (finder->n < finder->max) {
		struct node *node = &finder->nodes[finder->n++];

		snprintf(node->path, sizeof(node->path), "%s", path);
		node->device = device;
	}
}

static void add_from(struct finder *finder, const char *folder)
{
	char dev[32], uevent[512], path[48], *name;
	unsigned int major, minor;

	text_read(dev, sizeof(dev), "%s/dev", folder);
	text_read(uevent, sizeof(uevent), "%s/uevent", folder);
	name = strstr(uevent, "DEVNAME=");
	if (sscanf(dev, "%u:%u", &major, &minor) == 2 && name) {
		snprintf(path, sizeof(path), "/dev/%.*s", (int)strcspn(name + 8, "\n"), name + 8);
		add(finder, path, makedev(major, minor));
	}
}

static void walk(struct finder *finder, const char *folder, unsigned int depth)
{
	_cleanup_closedir_ DIR *dir = dir_open("%s", folder);
	struct dirent *entry;
	char below[256];

	while (dir && (entry = dir_next(dir))) {
		if (entry->d_type != DT_DIR || !strncmp(entry->d_name, "usb", 3) ||
		    !strncmp(entry->d_name, "input", 5)) {
			continue;
		}
		if (snprintf(below, sizeof(below), "%s/%s", folder, entry->d_name) <
		    (int)sizeof(below)) {
			add_from(finder, below);
			if (depth < DEPTH_MAX) {
				walk(finder, below, depth + 1);
			}
		}
	}
}

static void add_named(struct finder *finder, const char *path)
{
	char full[256];
	struct stat st;

	path_format(full, "%s", path);
	if (lstat(full, &st) == 0 && S_ISCHR(st.st_mode)) {
		add(finder, path, st.st_rdev);
	}
}

/* Its nodes are no children of the card, and all but one serve every NVIDIA card together. */
static void add_nvidia(struct finder *finder, const struct card *card, unsigned int number)
{
	static const char *const common[] = { "/dev/nvidiactl", "/dev/nvidia-modeset",
					      "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools" };
	_cleanup_closedir_ DIR *dir = dir_open("/proc/driver/nvidia/gpus");
	char about[1024], path[48], *minor;
	unsigned int cards = 0;

	text_read(about, sizeof(about), "/proc/driver/nvidia/gpus/%s.%u/information", card->name,
		  number);
	minor = strstr(about, "Device Minor:");
	if (minor) {
		snprintf(path, sizeof(path), "/dev/nvidia%u",
			 (unsigned int)strtoul(minor + 13, NULL, 10));
		add_named(finder, path);
	}
	while (dir && dir_next(dir)) {
		cards++;
	}
	for (size_t i = 0; minor && cards == 1 && i < sizeof(common) / sizeof(common[0]); i++) {
		add_named(finder, common[i]);
	}
}

unsigned int nodes_find(const struct card *card, struct node *out, unsigned int max)
{
	struct finder finder = { .nodes = out, .max = max };
	char folder[64], driver[32];

	/* Those that were closed may be gone from sysfs while somebody still has them open. */
	for (unsigned int i = 0; i < card->saved.n_nodes; i++) {
		if (!card->saved.nodes[i].loan) {
			add(&finder, card->saved.nodes[i].path, card->saved.nodes[i].device);
		}
	}
	for (unsigned int n = 0; n < BROKER_FUNCTIONS_MAX; n++) {
		snprintf(folder, sizeof(folder), "/sys/bus/pci/devices/%s.%u", card->name, n);
		walk(&finder, folder, 1);
		if (link_read(driver, sizeof(driver), "%s/driver", folder) == 0 &&
		    !strcmp(driver, "nvidia")) {
			add_nvidia(&finder, card, n);
		}
	}
	return finder.n;
}

int node_change(struct card *card, bool loan, const char *path, mode_t mode, uid_t uid)
{
	char full[256];
	struct stat st;
	int r;

	path_format(full, "%s", path);
	if (lstat(full, &st) < 0) {
		return -errno;
	}
	if (!S_ISCHR(st.st_mode) && !system_root[0]) {
		return -ENOTTY;
	}
	r = journal_append(card, "@node %s %s %u:%u %o %u %u", loan ? "loan" : "drain", path,
			   major(st.st_rdev), minor(st.st_rdev), st.st_mode & 07777, st.st_uid,
			   st.st_gid);
	if (r == 0 &&
	    (chmod(full, mode) < 0 || (uid != (uid_t)-1 && chown(full, uid, (gid_t)-1) < 0))) {
		r = -errno;
	}
	return r;
}

/* A node that is another one by now, or that somebody opened again, stays as it is. */
static void node_restore(const struct saved_node *node)
{
	char full[256];
	struct stat st;

	path_format(full, "%s", node->path);
	if (lstat(full, &st) < 0 || st.st_rdev != node->device ||
	    (!node->loan && st.st_mode & 07777)) {
		return;
	}
	if (chown(full, node->uid, node->gid) < 0 || chmod(full, node->mode) < 0) {
		say("%s: its old owner and mode could not be given back: %s", node->path,
		    strerror(errno));
	}
}

int nodes_restore(struct card *card, bool loan)
{
	for (unsigned int i = 0; i < card->saved.n_nodes; i++) {
		if (card->saved.nodes[i].loan == loan) {
			node_restore(&card->saved.nodes[i]);
		}
	}
	return journal_append(card, loan ? "@taken-back" : "@reopened");
}

/* Mode 0 also takes away what access control lists gave: it is their mask. */
int close_step(struct card *card, unsigned int number, struct report *report)
{
	struct node nodes[SAVED_NODES_MAX];
	unsigned int n = nodes_find(card, nodes, SAVED_NODES_MAX);
	int r = journal_append(card, "@drained");

	for (unsigned int i = 0; i < n && r == 0; i++) {
		r = node_change(card, false, nodes[i].path, 0, (uid_t)-1);
		r = r == -ENOENT ? 0 : r;
	}
	return r < 0 ? fail(report->text, r, "the nodes of %s cannot be closed: %s", card->name,
			    strerror(-r))
		     : 0;
}

int reopen_step(struct card *card, unsigned int number, struct report *report)
{
	int r = nodes_restore(card, false);

	return r < 0 ? fail(report->text, r, "the journal cannot be written: %s", strerror(-r)) : 0;
}
