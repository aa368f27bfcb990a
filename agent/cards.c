// SPDX-License-Identifier: MIT
/* Graphics cards of the guest; see cards.h. */
#include "agent/cards.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sysfs.h"
#include "common/cleanup.h"

#define CLASS_DISPLAY 0x03u

bool slot_equal(struct agent_slot a, struct agent_slot b)
{
	return a.domain == b.domain && a.bus == b.bus && a.device == b.device;
}

static int parse_slot(const char *text, struct agent_slot *slot, unsigned int *function)
{
	unsigned int domain, bus, device;
	int n = sscanf(text, "%4x:%2x:%2x.%1u", &domain, &bus, &device, function);

	if (n < 3) {
		return -1;
	}
	*slot = (struct agent_slot){ (uint16_t)domain, (uint8_t)bus, (uint8_t)device };
	return n;
}

/* The node "card1" among drm/card1, drm/renderD129. */
static void read_node(const char *folder, char *node, size_t size)
{
	_cleanup_folder_ DIR *drm = NULL;
	char path[PATH_MAX];
	struct dirent *entry;

	*node = '\0';
	drm = sysfs_path(path, folder, "drm") < 0 ? NULL : opendir(path);
	while (drm && (entry = readdir(drm))) {
		if (!strncmp(entry->d_name, "card", 4) && strlen(entry->d_name) < size) {
			memcpy(node, entry->d_name, strlen(entry->d_name) + 1);
		}
	}
}

/* A paravirtual card's node belongs to the virtio device below it. */
static void read_virtio_node(const char *folder, char *node, size_t size)
{
	_cleanup_folder_ DIR *children = opendir(folder);
	char path[PATH_MAX];
	struct dirent *entry;

	while (children && !*node && (entry = readdir(children))) {
		if (!strncmp(entry->d_name, "virtio", 6) &&
		    sysfs_path(path, folder, entry->d_name) == 0) {
			read_node(path, node, size);
		}
	}
}

static bool read_card(const char *devices, const char *name, struct pci_card *card)
{
	char folder[PATH_MAX];

	*card = (struct pci_card){ 0 };
	if (sysfs_path(folder, devices, name) < 0 ||
	    parse_slot(name, &card->slot, &card->function) != 4 ||
	    sysfs_read_number(folder, "class") >> 16 != CLASS_DISPLAY) {
		return false;
	}
	card->vendor = (uint16_t)sysfs_read_number(folder, "vendor");
	card->device = (uint16_t)sysfs_read_number(folder, "device");
	card->boot = sysfs_read_number(folder, "boot_vga") == 1;
	sysfs_read_link(folder, "driver", card->driver, sizeof(card->driver));
	read_node(folder, card->node, sizeof(card->node));
	if (!*card->node) {
		read_virtio_node(folder, card->node, sizeof(card->node));
	}
	return true;
}

unsigned int cards_list(const char *devices, struct pci_card cards[static CARDS_MAX])
{
	struct dirent **names = NULL;
	int n = scandir(devices, &names, NULL, alphasort);
	unsigned int count = 0;

	for (int i = 0; i < n; i++) {
		if (count < CARDS_MAX && read_card(devices, names[i]->d_name, &cards[count])) {
			count++;
		}
		free(names[i]);
	}
	free(names);
	return count;
}

static bool matches(const struct pci_card *card, const char *which)
{
	const char *last = which ? strrchr(which, '/') : NULL;
	struct agent_slot slot;
	unsigned int function;

	if (!which) {
		return *card->node && !card->boot;
	}
	if (parse_slot(which, &slot, &function) >= 3) {
		return slot_equal(slot, card->slot);
	}
	return *card->node && !strcmp(last ? last + 1 : which, card->node);
}

const struct pci_card *cards_choose(const struct pci_card *cards, unsigned int count,
				    const char *which)
{
	for (unsigned int i = 0; i < count; i++) {
		if (matches(&cards[i], which)) {
			return &cards[i];
		}
	}
	return NULL;
}
