// SPDX-License-Identifier: MIT
/* Listing and watching the nodes of graphics cards through libudev. */
#include "compositor/kms/nodes.h"

#include <ctype.h>
#include <errno.h>
#include <libudev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/cleanup.h"

/* Those beyond share a rank. */
#define SLOTS_MAX 32

struct nodes {
	struct udev *udev;
	struct udev_monitor *monitor;
	sd_event_source *io;
	struct list all;    /* drm_node::link */
	char boot_slot[16]; /* of the card that the machine booted on, or "" */
	char slots[SLOTS_MAX][16];
	unsigned int slot_count;
	char seat[64];
	const struct node_events *events;
};

DEFINE_CLEANUP(struct nodes *, nodes_destroy)

/* ---- slots ---- */

static bool are_hex(const char *text, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!isxdigit((unsigned char)text[i])) {
			return false;
		}
	}
	return true;
}

/* "0000:01:00.0"; a domain may have more than four digits. */
static bool is_pci_address(const char *text, size_t length)
{
	const char *tail; /* ":01:00.0" */

	if (length < 12) {
		return false;
	}
	tail = text + length - 8;
	return are_hex(text, length - 8) && tail[0] == ':' && are_hex(tail + 1, 2) &&
	       tail[3] == ':' && are_hex(tail + 4, 2) && tail[6] == '.' && are_hex(tail + 7, 1);
}

void slot_from_devpath(const char *devpath, char *slot, size_t size)
{
	const char *end;

	slot[0] = '\0';
	for (const char *at = devpath; at; at = *end ? end + 1 : NULL) {
		end = at + strcspn(at, "/");
		if (is_pci_address(at, (size_t)(end - at)) && (size_t)(end - at) - 2 < size) {
			snprintf(slot, size, "%.*s", (int)(end - at) - 2, at);
		}
	}
}

/* The place of a slot among those that were ever seen, from 1 on; so a card keeps its rank while it
 * is away. */
static unsigned int nodes_rank(struct nodes *nodes, const char *slot)
{
	unsigned int i = 0;

	while (i < nodes->slot_count && strcmp(nodes->slots[i], slot) != 0) {
		i++;
	}
	if (i == nodes->slot_count && i < SLOTS_MAX) {
		snprintf(nodes->slots[nodes->slot_count++], sizeof(nodes->slots[0]), "%s", slot);
	}
	return 1 + i;
}

/* ---- the list ---- */

struct list *nodes_list(struct nodes *nodes)
{
	return &nodes->all;
}

struct drm_node *nodes_find(struct nodes *nodes, dev_t devnum)
{
	struct drm_node *node;

	list_for_each(node, &nodes->all, link) {
		if (node->devnum == devnum) {
			return node;
		}
	}
	return NULL;
}

struct drm_node *nodes_find_card(struct nodes *nodes, const char *slot)
{
	struct drm_node *node;

	list_for_each(node, &nodes->all, link) {
		if (node->card && strcmp(node->slot, slot) == 0) {
			return node;
		}
	}
	return NULL;
}

static void node_destroy(struct drm_node *node)
{
	list_remove(&node->link);
	free(node);
}

static bool is_card_of_seat(struct udev_device *device, const char *seat)
{
	const char *name = udev_device_get_sysname(device);
	const char *owner = udev_device_get_property_value(device, "ID_SEAT");

	/* The subsystem also lists connectors ("card0-HDMI-A-1") and render nodes. */
	return strncmp(name, "card", 4) == 0 && !strchr(name, '-') &&
	       strcmp(owner ? owner : "seat0", seat) == 0;
}

/* Asks sysfs. */
static bool is_boot_card(struct udev_device *device)
{
	struct udev_device *pci =
		udev_device_get_parent_with_subsystem_devtype(device, "pci", NULL);
	const char *boot = pci ? udev_device_get_sysattr_value(pci, "boot_vga") : NULL;

	return boot && strcmp(boot, "1") == 0;
}

/* NULL: it is no node, or there is no memory. One that is known already is that one. */
static struct drm_node *nodes_add(struct nodes *nodes, struct udev_device *device)
{
	const char *path = udev_device_get_devnode(device);
	struct drm_node *node = nodes_find(nodes, udev_device_get_devnum(device));

	if (!path || strlen(path) >= sizeof(node->path)) {
		return NULL;
	}
	if (!node) {
		node = calloc(1, sizeof(*node));
		if (!node) {
			return NULL;
		}
		list_append(&nodes->all, &node->link);
	}
	snprintf(node->path, sizeof(node->path), "%s", path);
	slot_from_devpath(udev_device_get_devpath(device), node->slot, sizeof(node->slot));
	node->devnum = udev_device_get_devnum(device);
	node->rank = nodes->boot_slot[0] && strcmp(node->slot, nodes->boot_slot) == 0
			     ? 0
			     : nodes_rank(nodes, node->slot);
	node->card = is_card_of_seat(device, nodes->seat);
	node->news = true;
	return node;
}

static void nodes_add_listed(struct nodes *nodes, struct udev_device *device)
{
	struct drm_node *node = nodes_add(nodes, device);

	if (node && is_boot_card(device)) {
		memcpy(nodes->boot_slot, node->slot, sizeof(nodes->boot_slot));
		node->rank = 0;
	}
}

static int nodes_enumerate(struct nodes *nodes)
{
	struct udev_enumerate *all = udev_enumerate_new(nodes->udev);
	struct udev_list_entry *entry;
	int r = all ? udev_enumerate_add_match_subsystem(all, "drm") : -ENOMEM;

	if (r >= 0) {
		r = udev_enumerate_scan_devices(all);
	}
	for (entry = r < 0 ? NULL : udev_enumerate_get_list_entry(all); entry;
	     entry = udev_list_entry_get_next(entry)) {
		struct udev_device *device =
			udev_device_new_from_syspath(nodes->udev, udev_list_entry_get_name(entry));

		if (device) {
			nodes_add_listed(nodes, device);
		}
		udev_device_unref(device);
	}
	udev_enumerate_unref(all);
	return r < 0 ? r : 0;
}

/* ---- news ---- */

static void note_news(struct nodes *nodes, struct udev_device *device)
{
	const char *action = udev_device_get_action(device);
	const char *hot = udev_device_get_property_value(device, "HOTPLUG");
	struct drm_node *node = nodes_find(nodes, udev_device_get_devnum(device));

	if (!action) {
		return;
	}
	if (strcmp(action, "add") == 0) {
		nodes_add(nodes, device);
	} else if (strcmp(action, "remove") == 0 && node) {
		nodes->events->removed(node, nodes->events->data);
		node_destroy(node);
	} else if (strcmp(action, "change") == 0 && node && hot && strcmp(hot, "1") == 0) {
		node->news = true;
	}
}

static int handle_io(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct nodes *nodes = data;
	struct udev_device *device;
	struct drm_node *node;
	bool news = false;

	while ((device = udev_monitor_receive_device(nodes->monitor))) {
		note_news(nodes, device);
		udev_device_unref(device);
	}
	list_for_each(node, &nodes->all, link) {
		news = news || (node->card && node->news);
	}
	if (news) {
		nodes->events->news(nodes->events->data);
	}
	return 0;
}

static int nodes_watch(struct nodes *nodes, sd_event *event)
{
	/* Where no udev runs (a chroot, a small system) the kernel's own messages say the same. */
	const char *from = access("/run/udev/control", F_OK) == 0 ? "udev" : "kernel";
	int r;

	nodes->monitor = udev_monitor_new_from_netlink(nodes->udev, from);
	if (!nodes->monitor) {
		return -errno;
	}
	r = udev_monitor_filter_add_match_subsystem_devtype(nodes->monitor, "drm", NULL);
	if (r < 0) {
		return r;
	}
	r = udev_monitor_enable_receiving(nodes->monitor);
	if (r < 0) {
		return r;
	}
	return sd_event_add_io(event, &nodes->io, udev_monitor_get_fd(nodes->monitor), EPOLLIN,
			       handle_io, nodes);
}

int nodes_create(sd_event *event, const char *seat, const struct node_events *events,
		 struct nodes **out)
{
	_cleanup_(nodes_destroy_ptr) struct nodes *nodes = calloc(1, sizeof(*nodes));
	int r;

	if (!nodes) {
		return -ENOMEM;
	}
	list_init(&nodes->all);
	nodes->events = events;
	snprintf(nodes->seat, sizeof(nodes->seat), "%s", seat);
	nodes->udev = udev_new();
	if (!nodes->udev) {
		return -ENOMEM;
	}
	/* In this order, so that nothing comes unseen in between. */
	r = nodes_watch(nodes, event);
	if (r >= 0) {
		r = nodes_enumerate(nodes);
	}
	if (r < 0) {
		return r;
	}
	*out = take_ptr(nodes);
	return 0;
}

void nodes_destroy(struct nodes *nodes)
{
	struct drm_node *node, *next;

	if (!nodes) {
		return;
	}
	sd_event_source_disable_unref(nodes->io);
	list_for_each_safe(node, next, &nodes->all, link) {
		node_destroy(node);
	}
	udev_monitor_unref(nodes->monitor);
	udev_unref(nodes->udev);
	free(nodes);
}
