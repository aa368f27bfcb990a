// SPDX-License-Identifier: MIT
/*
 * The one reset of a card between two users.
 *
 * VFIO resets a function by itself when its device is opened and again when it is closed, if the
 * kernel knows a reset for the function alone. Those do not count on their own: the one at close
 * fails silently, and at open a guest would find out too late. But each costs 100 ms or more. So:
 *
 * - One function with a reset of its own that is more than a change of its power state ("flr bus",
 *   "bus", …): the group is opened, which shows that nobody has the card and keeps it so, and the
 *   reset is asked of sysfs. No device is opened, so this is the only reset that happens. The
 *   kernel takes the first method of the list that works and says so.
 * - Else a hot reset of all functions together, through VFIO: it refuses to reset anything that is
 *   not ours. The devices must be opened for it, which resets nothing where functions have no reset
 *   of their own, as on most cards with several functions.
 * - Where there is no hot reset, but the kernel's own reset at open is proved for each function
 *   (VFIO_DEVICE_FLAGS_RESET says that it was done and worked), that was the reset.
 *
 * Afterwards the configuration space must be what it was with the host.
 */
#include "passthrough/broker/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define RESET_DEVICES_MAX 64

struct session {
	struct groups groups;
	int container;
	unsigned int n, numbers[BROKER_FUNCTIONS_MAX];
	int devices[BROKER_FUNCTIONS_MAX];
	bool reset_at_open; /* of every function */
};

static void session_close(struct session *session)
{
	for (unsigned int i = 0; i < session->n; i++) {
		close(session->devices[i]);
	}
	groups_close(&session->groups);
	if (session->container >= 0) {
		close(session->container);
	}
}

static int container_open(const struct card *card, struct session *session, char *text)
{
	session->container = node_open(O_RDWR, "/dev/vfio/vfio");
	for (unsigned int i = 0; i < session->groups.n && session->container >= 0; i++) {
		if (ioctl(session->groups.fds[i], VFIO_GROUP_SET_CONTAINER, &session->container) <
		    0) {
			return fail(text, -errno, "IOMMU group %d of %s cannot be used: %s",
				    session->groups.numbers[i], card->name, strerror(errno));
		}
	}
	if (session->container < 0 ||
	    ioctl(session->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0) {
		return fail(text, -errno,
			    "VFIO cannot use the IOMMU for %s: %s; the kernel's log "
			    "says why",
			    card->name, strerror(errno));
	}
	return 0;
}

static int device_open(const struct card *card, struct session *session, unsigned int number,
		       char *text)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	char name[24];
	int fd = -1;

	snprintf(name, sizeof(name), "%s.%u", card->name, number);
	for (unsigned int i = 0; i < session->groups.n && fd < 0; i++) {
		fd = ioctl(session->groups.fds[i], VFIO_GROUP_GET_DEVICE_FD, name);
	}
	if (fd < 0 || ioctl(fd, VFIO_DEVICE_GET_INFO, &info) < 0) {
		return fail(text, -errno, "%s cannot be opened: %s", name, strerror(errno));
	}
	session->reset_at_open &= (info.flags & VFIO_DEVICE_FLAGS_RESET) != 0;
	session->numbers[session->n] = number;
	session->devices[session->n++] = fd;
	return 0;
}

static bool is_ours(const struct card *card, const struct session *session,
		    const struct vfio_pci_dependent_device *device)
{
	bool open = false;

	for (unsigned int i = 0; i < session->n; i++) {
		open |= session->numbers[i] == (device->devfn & 7);
	}
	return open && device->segment == card->slot.domain && device->bus == card->slot.bus &&
	       device->devfn >> 3 == card->slot.device;
}

/* 0, -ENODEV: there is no hot reset; -EPERM: it would reset something else too. */
static int hot_reset_check(const struct card *card, const struct session *session,
			   struct report *report)
{
	union {
		struct vfio_pci_hot_reset_info info;
		char room[sizeof(struct vfio_pci_hot_reset_info) +
			  RESET_DEVICES_MAX * sizeof(struct vfio_pci_dependent_device)];
	} buffer = { .info.argsz = sizeof(buffer) };

	if (ioctl(session->devices[0], VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &buffer) < 0) {
		return -ENODEV;
	}
	report->reset_count = buffer.info.count;
	for (unsigned int i = 0; i < buffer.info.count && i < RESET_DEVICES_MAX; i++) {
		const struct vfio_pci_dependent_device *device = &buffer.info.devices[i];

		if (!is_ours(card, session, device)) {
			return fail(
				report->text, -EPERM,
				"a reset of %s would also reset %04x:%02x:%02x.%x, which is not "
				"on vfio-pci or no part of it",
				card->name, device->segment, device->bus, device->devfn >> 3,
				device->devfn & 7);
		}
	}
	return 0;
}

static int hot_reset(const struct session *session)
{
	union {
		struct vfio_pci_hot_reset reset;
		char room[sizeof(struct vfio_pci_hot_reset) +
			  BROKER_FUNCTIONS_MAX * sizeof(int32_t)];
	} buffer = { .reset.argsz = sizeof(buffer) };

	buffer.reset.count = session->groups.n;
	for (unsigned int i = 0; i < session->groups.n; i++) {
		buffer.reset.group_fds[i] = session->groups.fds[i];
	}
	return ioctl(session->devices[0], VFIO_DEVICE_PCI_HOT_RESET, &buffer) < 0 ? -errno : 0;
}

static int reset_together(struct card *card, struct session *session, struct report *report)
{
	int r = container_open(card, session, report->text);

	for (unsigned int i = 0; i < card->facts.function_count && r == 0; i++) {
		r = device_open(card, session, card->facts.functions[i].number, report->text);
	}
	r = r < 0 ? r : hot_reset_check(card, session, report);
	r = r < 0 ? r : journal_append(card, "@reset hot");
	r = r < 0 ? r : hot_reset(session);
	if (r < 0 && !report->text[0] && session->reset_at_open) {
		fail(report->text, 0, "reset by the kernel at open, %u functions", session->n);
		return 0;
	}
	if (r < 0) {
		return report->text[0] ? r
				       : fail(report->text, r, "%s cannot be reset: %s", card->name,
					      strerror(-r));
	}
	fail(report->text, 0, "hot reset, %u functions", report->reset_count);
	return 0;
}

/* Command, status and what the host's driver or the firmware may set differ: they are not looked
 * at. Identity, class, header type, base addresses and subsystem must be as they were. */
static int config_check(const struct card *card, unsigned int number, char *text)
{
	static const struct {
		uint8_t from, to;
	} parts[] = {
		{ 0x00, 0x04 }, { 0x08, 0x0c }, { 0x0e, 0x0f }, { 0x10, 0x28 }, { 0x2c, 0x30 }
	};
	const struct saved_function *saved = &card->saved.functions[number];
	uint8_t now[CONFIG_BYTES];
	int r = config_read(card, number, now);

	if (r < 0 || (now[0] == 0xff && now[1] == 0xff)) {
		return fail(text, -ENODEV,
			    "%s.%u does not answer after its reset: the machine must "
			    "be switched off and on",
			    card->name, number);
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && saved->known; i++) {
		if (memcmp(now + parts[i].from, saved->config + parts[i].from,
			   (size_t)(parts[i].to - parts[i].from)) != 0) {
			return fail(text, -ENODEV,
				    "%s.%u is not what it was before its reset (at "
				    "0x%02x of its configuration space): the machine must be "
				    "switched off and on",
				    card->name, number, parts[i].from);
		}
	}
	return 0;
}

static bool resets_alone(const struct card *card)
{
	const char *methods = card->facts.functions[0].reset;

	return card->facts.function_count == 1 && methods[0] && strncmp(methods, "pm", 2) != 0;
}

static int reset_alone(struct card *card, struct report *report)
{
	int r = attribute_write(card, "1", "/sys/bus/pci/devices/%s.%u/reset", card->name,
				card->facts.functions[0].number);

	report->reset_count = 1;
	return r < 0 ? fail(report->text, r, "%s cannot be reset: %s", card->name, strerror(-r))
		     : fail(report->text, 0, "reset of 1 function (%s)",
			    card->facts.functions[0].reset);
}

int reset_step(struct card *card, unsigned int number, struct report *report)
{
	struct session session = { .container = -1, .reset_at_open = true };
	int r = groups_open(card, &session.groups, report->text);

	if (r == 0) {
		r = resets_alone(card) ? reset_alone(card, report)
				       : reset_together(card, &session, report);
	}
	session_close(&session);
	for (unsigned int i = 0; i < card->facts.function_count && r == 0; i++) {
		r = config_check(card, card->facts.functions[i].number, report->text);
	}
	return r;
}
