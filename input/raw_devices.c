// SPDX-License-Identifier: MIT
/* Pens and gamepads of the seat; see raw_devices.h. */
#include "input/raw_devices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/list.h"
#include "common/log.h"
#include "input/raw_reader.h"

struct raw_device {
	struct list link;
	struct raw_devices *devices;
	char *path;
	int fd; /* by the opener */
	uint32_t id;
	enum input_kind kind;
	struct raw_reader *reader;
	sd_event_source *io;
};

struct raw_devices {
	sd_event *event;
	struct udev *udev;
	char *seat;
	struct input_node_opener opener;
	struct input *input;
	uint32_t *last_id;
	void (*changed)(void *data);
	void *data;
	struct udev_monitor *monitor;
	sd_event_source *io;
	struct list list;
};

/* ---- which ---- */

static bool is_set(struct udev_device *device, const char *property)
{
	const char *value = udev_device_get_property_value(device, property);

	return value && strcmp(value, "1") == 0;
}

/* The kind of a device of this seat, or -1. */
static int kind_of(const struct raw_devices *devices, struct udev_device *device)
{
	const char *seat = udev_device_get_property_value(device, "ID_SEAT");
	const char *node = udev_device_get_devnode(device);

	if (!node || !strstr(node, "/event") || is_set(device, "LIBINPUT_IGNORE_DEVICE") ||
	    strcmp(seat ? seat : "seat0", devices->seat) != 0) {
		return -1;
	}
	if (is_set(device, "ID_INPUT_TABLET") && !is_set(device, "ID_INPUT_TABLET_PAD")) {
		return INPUT_KIND_PEN;
	}
	return is_set(device, "ID_INPUT_JOYSTICK") && !is_set(device, "ID_INPUT_MOUSE") &&
			       !is_set(device, "ID_INPUT_KEYBOARD")
		       ? INPUT_KIND_GAMEPAD
		       : -1;
}

bool raw_devices_claim(const struct raw_devices *devices, const char *path)
{
	struct udev_device *device;
	struct stat st;
	bool claimed;

	if (stat(path, &st) < 0 || !S_ISCHR(st.st_mode)) {
		return false;
	}
	device = udev_device_new_from_devnum(devices->udev, 'c', st.st_rdev);
	claimed = device && kind_of(devices, device) >= 0;
	udev_device_unref(device);
	return claimed;
}

uint32_t raw_devices_kinds(const struct raw_devices *devices)
{
	const struct raw_device *device;
	uint32_t kinds = 0;

	list_for_each(device, &devices->list, link) {
		kinds |= 1u << device->kind;
	}
	return kinds;
}

void raw_devices_each(const struct raw_devices *devices,
		      void (*each)(void *data, uint32_t id, const char *name, uint32_t vendor,
				   uint32_t product),
		      void *data)
{
	const struct raw_device *device;

	list_for_each(device, &devices->list, link) {
		uint32_t vendor, product;
		const char *name = raw_reader_identity(device->reader, &vendor, &product);

		each(data, device->id, name, vendor, product);
	}
}

static void tell_changed(struct raw_devices *devices)
{
	if (devices->changed) {
		devices->changed(devices->data);
	}
}

/* ---- one ---- */

static void handle_frame(void *data, const struct input_wire_event *events, size_t n,
			 uint64_t time_ns)
{
	const struct raw_device *device = data;

	input_feed_frame(device->devices->input, &(struct input_frame){
							 .kind = device->kind,
							 .device = device->id,
							 .time_ns = time_ns,
							 .events = events,
							 .n = n,
						 });
}

static void device_free(struct raw_device *device)
{
	list_remove(&device->link);
	sd_event_source_disable_unref(device->io);
	raw_reader_destroy(device->reader);
	if (device->fd >= 0) {
		device->devices->opener.close(device->devices->opener.data, device->fd);
	}
	free(device->path);
	free(device);
}

/* Whatever is down on it is let go. */
static void device_remove(struct raw_device *device)
{
	raw_reader_release(device->reader, handle_frame, device);
	input_device_gone(device->devices->input, device->id);
	device_free(device);
}

static int handle_io(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct raw_device *device = data;
	struct raw_devices *devices = device->devices;

	if (raw_reader_read(device->reader, handle_frame, device) < 0) {
		device_remove(device);
		tell_changed(devices);
	}
	return 0;
}

static int device_open(struct raw_device *device)
{
	struct raw_devices *devices = device->devices;
	int r;

	device->fd = devices->opener.open(devices->opener.data, device->path);
	if (device->fd < 0) {
		return device->fd;
	}
	r = raw_reader_create(device->fd, device->kind, &device->reader);
	if (r < 0) {
		return r;
	}
	return sd_event_add_io(devices->event, &device->io, device->fd, EPOLLIN, handle_io, device);
}

static struct raw_device *find(const struct raw_devices *devices, const char *path)
{
	struct raw_device *device;

	list_for_each(device, &devices->list, link) {
		if (strcmp(device->path, path) == 0) {
			return device;
		}
	}
	return NULL;
}

static void device_add(struct raw_devices *devices, const char *path, enum input_kind kind)
{
	struct raw_device *device = find(devices, path) ? NULL : calloc(1, sizeof(*device));
	int r;

	if (!device) {
		return;
	}
	device->devices = devices;
	device->kind = kind;
	device->fd = -1;
	device->id = ++*devices->last_id;
	device->path = strdup(path);
	list_append(&devices->list, &device->link);
	r = device->path ? device_open(device) : -ENOMEM;
	if (r >= 0) {
		log_debug("Input device %u: %s, read raw", device->id, path);
		return;
	}
	/* A device may go before it was opened; that is nobody's fault. */
	if (r != -ENOENT && r != -ENODEV) {
		log_warning("The %s at %s is ignored: %s", kind == INPUT_KIND_PEN ? "pen" : "gamepad",
			    path,
			    r == -ENOTSUP ? "what it says of its keys and axes makes no sense"
					  : strerror(-r));
	}
	device_free(device);
}

/* ---- coming and going ---- */

static void look_at(struct raw_devices *devices, struct udev_device *device)
{
	const char *action = udev_device_get_action(device), *node = udev_device_get_devnode(device);
	struct raw_device *known = node ? find(devices, node) : NULL;
	int kind = kind_of(devices, device);

	if (known && action && strcmp(action, "remove") == 0) {
		device_remove(known);
	} else if (kind >= 0 && (!action || strcmp(action, "remove") != 0)) {
		device_add(devices, node, (enum input_kind)kind);
	}
}

static int handle_monitor(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct raw_devices *devices = data;
	struct udev_device *device;

	while ((device = udev_monitor_receive_device(devices->monitor))) {
		look_at(devices, device);
		udev_device_unref(device);
	}
	tell_changed(devices);
	return 0;
}

static void enumerate(struct raw_devices *devices)
{
	struct udev_enumerate *found = udev_enumerate_new(devices->udev);
	struct udev_list_entry *entry;

	if (!found) {
		return;
	}
	udev_enumerate_add_match_subsystem(found, "input");
	udev_enumerate_scan_devices(found);
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(found)) {
		struct udev_device *device = udev_device_new_from_syspath(
			devices->udev, udev_list_entry_get_name(entry));

		if (device) {
			look_at(devices, device);
		}
		udev_device_unref(device);
	}
	udev_enumerate_unref(found);
}

/* ---- life ---- */

void raw_devices_suspend(struct raw_devices *devices)
{
	struct raw_device *device, *next;

	list_for_each_safe(device, next, &devices->list, link) {
		device_remove(device);
	}
}

void raw_devices_resume(struct raw_devices *devices)
{
	enumerate(devices);
	tell_changed(devices);
}

void raw_devices_destroy(struct raw_devices *devices)
{
	if (!devices) {
		return;
	}
	devices->changed = NULL;
	raw_devices_suspend(devices);
	sd_event_source_disable_unref(devices->io);
	udev_monitor_unref(devices->monitor);
	udev_unref(devices->udev);
	sd_event_unref(devices->event);
	free(devices->seat);
	free(devices);
}

DEFINE_CLEANUP(struct raw_devices *, raw_devices_destroy)

static int watch(struct raw_devices *devices)
{
	devices->monitor = udev_monitor_new_from_netlink(devices->udev, "udev");
	if (!devices->monitor ||
	    udev_monitor_filter_add_match_subsystem_devtype(devices->monitor, "input", NULL) < 0 ||
	    udev_monitor_enable_receiving(devices->monitor) < 0) {
		return -EIO;
	}
	return sd_event_add_io(devices->event, &devices->io,
			       udev_monitor_get_fd(devices->monitor), EPOLLIN, handle_monitor,
			       devices);
}

int raw_devices_create(sd_event *event, struct udev *udev, const char *seat,
		       const struct input_node_opener *opener, struct input *input,
		       uint32_t *last_id, void (*changed)(void *data), void *data,
		       struct raw_devices **out)
{
	_cleanup_(raw_devices_destroy_ptr) struct raw_devices *devices =
		calloc(1, sizeof(*devices));
	int r;

	if (!devices) {
		return -ENOMEM;
	}
	list_init(&devices->list);
	devices->event = sd_event_ref(event);
	devices->udev = udev_ref(udev);
	devices->opener = *opener;
	devices->input = input;
	devices->last_id = last_id;
	devices->changed = changed;
	devices->data = data;
	devices->seat = strdup(seat);
	r = devices->seat ? watch(devices) : -ENOMEM;
	if (r < 0) {
		return r;
	}
	enumerate(devices);
	*out = take_ptr(devices);
	return 0;
}
