// SPDX-License-Identifier: MIT
/* Watching a card through libudev. */
#include "compositor/kms/hotplug.h"

#include <errno.h>
#include <libudev.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/cleanup.h"

struct hotplug {
	struct udev *udev;
	struct udev_monitor *monitor;
	sd_event_source *io;
	dev_t card;
	void (*changed)(void *data);
	void *data;
};

DEFINE_CLEANUP(struct hotplug *, hotplug_destroy)

static bool is_news(const struct hotplug *hotplug, struct udev_device *device)
{
	const char *hot = udev_device_get_property_value(device, "HOTPLUG");

	return udev_device_get_devnum(device) == hotplug->card && hot && strcmp(hot, "1") == 0;
}

static int handle_io(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct hotplug *hotplug = data;
	struct udev_device *device;
	bool news = false;

	while ((device = udev_monitor_receive_device(hotplug->monitor))) {
		news = news || is_news(hotplug, device);
		udev_device_unref(device);
	}
	if (news) {
		hotplug->changed(hotplug->data);
	}
	return 0;
}

int hotplug_create(sd_event *event, dev_t card, void (*changed)(void *data), void *data,
		   struct hotplug **out)
{
	_cleanup_(hotplug_destroy_ptr) struct hotplug *hotplug = calloc(1, sizeof(*hotplug));
	/* Where no udev runs (a chroot, a small system) the kernel's own messages say the same. */
	const char *from = access("/run/udev/control", F_OK) == 0 ? "udev" : "kernel";
	int r;

	if (!hotplug) {
		return -ENOMEM;
	}
	hotplug->card = card;
	hotplug->changed = changed;
	hotplug->data = data;
	hotplug->udev = udev_new();
	hotplug->monitor = udev_monitor_new_from_netlink(hotplug->udev, from);
	if (!hotplug->monitor) {
		return -errno;
	}
	r = udev_monitor_filter_add_match_subsystem_devtype(hotplug->monitor, "drm", NULL);
	if (r < 0) {
		return r;
	}
	r = udev_monitor_enable_receiving(hotplug->monitor);
	if (r < 0) {
		return r;
	}
	r = sd_event_add_io(event, &hotplug->io, udev_monitor_get_fd(hotplug->monitor), EPOLLIN,
			    handle_io, hotplug);
	if (r < 0) {
		return r;
	}
	*out = take_ptr(hotplug);
	return 0;
}

void hotplug_destroy(struct hotplug *hotplug)
{
	if (!hotplug) {
		return;
	}
	sd_event_source_disable_unref(hotplug->io);
	udev_monitor_unref(hotplug->monitor);
	udev_unref(hotplug->udev);
	free(hotplug);
}
