// SPDX-License-Identifier: MIT
/* Stand-ins for the functions of libseat and libudev that the kms back end calls. */
#include "tests/unit/test.h"

#include "tests/unit/fake_session.h"

#include <errno.h>
#include <fcntl.h>
#include <libseat.h>
#include <libudev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/unit/fake_kms.h"

#define MESSAGES_MAX 64
#define RENDER 128 /* is added to a card's number for its render node's */

static struct {
	int fd; /* readable while there is news */
	const struct libseat_seat_listener *listener;
	void *data;
	int news; /* 1: enabled, -1: disabled */
} seat;

/* The cards' nodes. */
static struct {
	bool plugged;
	unsigned int number; /* card0, … */
	char path[64], render[64];
} slots[FAKE_CARDS];

/* A node as udev shows it, alone or in a message. */
struct udev_device {
	unsigned int card;
	unsigned int number; /* RENDER and more: a render node */
	const char *action;
	bool hotplug;
	char name[16], path[64], devpath[96];
};

static struct {
	int fd; /* readable while there is news */
	struct udev_device *messages[MESSAGES_MAX];
	unsigned int first, count;
	unsigned int next_number;
	char folder[32];
	char names[2 * FAKE_CARDS][16]; /* of all that is listed: "card0", … */
	unsigned int listed;
} udev;

static void ring(int fd)
{
	assert_int_equal(eventfd_write(fd, 1), 0);
}

static void unring(int fd)
{
	eventfd_t value;

	eventfd_read(fd, &value);
}

/* ---- the slots ---- */

const char *fake_card_slot(unsigned int card)
{
	static const char *const names[FAKE_CARDS] = { "0000:01:00", "0000:02:00", "0000:03:00" };

	return names[card];
}

const char *fake_card_path(unsigned int card)
{
	return slots[card].path;
}

const char *fake_card_render_path(unsigned int card)
{
	return slots[card].render;
}

static void make_file(const char *path)
{
	int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	close(fd);
}

static void plug(unsigned int card)
{
	unsigned int number = udev.next_number++;

	slots[card].plugged = true;
	slots[card].number = number;
	snprintf(slots[card].path, sizeof(slots[card].path), "%s/card%u", udev.folder, number);
	snprintf(slots[card].render, sizeof(slots[card].render), "%s/renderD%u", udev.folder,
		 number + RENDER);
	make_file(slots[card].path);
	make_file(slots[card].render);
}

static void unplug(unsigned int card)
{
	slots[card].plugged = false;
	unlink(slots[card].path);
	unlink(slots[card].render);
}

void fake_session_reset(void)
{
	memset(&udev, 0, sizeof(udev));
	memset(slots, 0, sizeof(slots));
	snprintf(udev.folder, sizeof(udev.folder), "/tmp/baton-cards-XXXXXX");
	assert_non_null(mkdtemp(udev.folder));
	seat.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	seat.news = 0;
	udev.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	plug(0);
}

void fake_session_finish(void)
{
	for (unsigned int i = 0; i < FAKE_CARDS; i++) {
		if (slots[i].plugged) {
			unplug(i);
		}
	}
	assert_int_equal(rmdir(udev.folder), 0);
	while (udev.first < udev.count) {
		free(udev.messages[udev.first++]);
	}
	close(seat.fd);
	close(udev.fd);
}

/* ---- libseat ---- */

struct libseat *libseat_open_seat(const struct libseat_seat_listener *listener, void *data)
{
	seat.listener = listener;
	seat.data = data;
	seat.news = 1;
	return (struct libseat *)&seat;
}

int libseat_close_seat(struct libseat *s)
{
	return 0;
}

/* From here on somebody else shows a picture on the card. */
int libseat_disable_seat(struct libseat *s)
{
	fake_kms.acknowledged = true;
	fake_kms_take_over();
	return 0;
}

int libseat_open_device(struct libseat *s, const char *path, int *fd)
{
	for (unsigned int i = 0; i < FAKE_CARDS; i++) {
		if (slots[i].plugged && strcmp(slots[i].path, path) == 0) {
			*fd = fake_card_open(i);
			return (int)i + 1;
		}
	}
	errno = ENOENT;
	return -1;
}

int libseat_close_device(struct libseat *s, int id)
{
	fake_card_close((unsigned int)id - 1);
	return 0;
}

const char *libseat_seat_name(struct libseat *s)
{
	return "seat0";
}

int libseat_switch_session(struct libseat *s, int session)
{
	return 0;
}

int libseat_get_fd(struct libseat *s)
{
	return seat.fd;
}

int libseat_dispatch(struct libseat *s, int timeout)
{
	int news = seat.news;

	unring(seat.fd);
	seat.news = 0;
	if (news > 0) {
		fake_kms_hand_back();
		seat.listener->enable_seat(s, seat.data);
	} else if (news < 0) {
		seat.listener->disable_seat(s, seat.data);
	}
	return news != 0;
}

void libseat_set_log_handler(libseat_log_func handler)
{
}

void libseat_set_log_level(enum libseat_log_level level)
{
}

void fake_seat_disable(void)
{
	fake_kms.acknowledged = false;
	seat.news = -1;
	ring(seat.fd);
}

void fake_seat_enable(void)
{
	seat.news = 1;
	ring(seat.fd);
}

/* ---- libudev: a node ---- */

static struct udev_device *device_create(unsigned int card, bool render, const char *action)
{
	struct udev_device *device = calloc(1, sizeof(*device));

	assert_non_null(device);
	device->card = card;
	device->number = slots[card].number + (render ? RENDER : 0);
	device->action = action;
	snprintf(device->name, sizeof(device->name), "%s%u", render ? "renderD" : "card",
		 device->number);
	snprintf(device->path, sizeof(device->path), "%s",
		 render ? slots[card].render : slots[card].path);
	snprintf(device->devpath, sizeof(device->devpath),
		 "/devices/pci0000:00/0000:00:0%u.0/%s.0/drm/%s", card + 1, fake_card_slot(card),
		 device->name);
	return device;
}

struct udev_device *udev_device_unref(struct udev_device *device)
{
	free(device);
	return NULL;
}

dev_t udev_device_get_devnum(struct udev_device *device)
{
	return makedev(226, device->number);
}

const char *udev_device_get_devnode(struct udev_device *device)
{
	return device->path;
}

const char *udev_device_get_devpath(struct udev_device *device)
{
	return device->devpath;
}

const char *udev_device_get_sysname(struct udev_device *device)
{
	return device->name;
}

const char *udev_device_get_action(struct udev_device *device)
{
	return device->action;
}

const char *udev_device_get_property_value(struct udev_device *device, const char *key)
{
	return device->hotplug && strcmp(key, "HOTPLUG") == 0 ? "1" : NULL;
}

/* Its PCI device is itself. */
struct udev_device *udev_device_get_parent_with_subsystem_devtype(struct udev_device *device,
								  const char *subsystem,
								  const char *devtype)
{
	return device;
}

const char *udev_device_get_sysattr_value(struct udev_device *device, const char *name)
{
	return strcmp(name, "boot_vga") == 0 && fake_cards[device->card].boot ? "1" : "0";
}

/* ---- libudev: the list ---- */

struct udev *udev_new(void)
{
	return (struct udev *)&udev;
}

struct udev *udev_unref(struct udev *u)
{
	return NULL;
}

struct udev_enumerate *udev_enumerate_new(struct udev *u)
{
	return (struct udev_enumerate *)&udev;
}

struct udev_enumerate *udev_enumerate_unref(struct udev_enumerate *all)
{
	return NULL;
}

int udev_enumerate_add_match_subsystem(struct udev_enumerate *all, const char *subsystem)
{
	return 0;
}

int udev_enumerate_scan_devices(struct udev_enumerate *all)
{
	udev.listed = 0;
	for (unsigned int i = 0; i < FAKE_CARDS; i++) {
		for (unsigned int render = 0; slots[i].plugged && render < 2; render++) {
			snprintf(udev.names[udev.listed++], sizeof(udev.names[0]), "%u %u", i,
				 render);
		}
	}
	return 0;
}

/* An entry of the list is its name. */
struct udev_list_entry *udev_enumerate_get_list_entry(struct udev_enumerate *all)
{
	return udev.listed > 0 ? (struct udev_list_entry *)udev.names[0] : NULL;
}

struct udev_list_entry *udev_list_entry_get_next(struct udev_list_entry *entry)
{
	char(*next)[16] = (char(*)[16])entry + 1;

	return next < &udev.names[udev.listed] ? (struct udev_list_entry *)next : NULL;
}

const char *udev_list_entry_get_name(struct udev_list_entry *entry)
{
	return (const char *)entry;
}

struct udev_device *udev_device_new_from_syspath(struct udev *u, const char *name)
{
	unsigned int card, render;

	assert_int_equal(sscanf(name, "%u %u", &card, &render), 2);
	return device_create(card, render, NULL);
}

/* ---- libudev: news ---- */

struct udev_monitor *udev_monitor_new_from_netlink(struct udev *u, const char *name)
{
	return (struct udev_monitor *)&udev;
}

struct udev_monitor *udev_monitor_unref(struct udev_monitor *m)
{
	return NULL;
}

int udev_monitor_filter_add_match_subsystem_devtype(struct udev_monitor *m, const char *subsystem,
						    const char *devtype)
{
	return 0;
}

int udev_monitor_enable_receiving(struct udev_monitor *m)
{
	return 0;
}

int udev_monitor_get_fd(struct udev_monitor *m)
{
	return udev.fd;
}

struct udev_device *udev_monitor_receive_device(struct udev_monitor *m)
{
	unring(udev.fd);
	return udev.first < udev.count ? udev.messages[udev.first++] : NULL;
}

static void tell(struct udev_device *message, bool hotplug)
{
	assert_true(udev.count < MESSAGES_MAX);
	message->hotplug = hotplug;
	udev.messages[udev.count++] = message;
	ring(udev.fd);
}

void fake_card_hotplug(unsigned int card)
{
	tell(device_create(card, false, "change"), true);
}

void fake_kms_hotplug(void)
{
	fake_card_hotplug(0);
}

void fake_card_appear(unsigned int card)
{
	fake_card_plug(card);
	plug(card);
	tell(device_create(card, true, "add"), false);
	tell(device_create(card, false, "add"), false);
}

void fake_card_vanish(unsigned int card)
{
	fake_cards[card].dead = true;
	tell(device_create(card, false, "remove"), false);
	tell(device_create(card, true, "remove"), false);
	unplug(card);
}
