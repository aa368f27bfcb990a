// SPDX-License-Identifier: MIT
/*
 * The one reset of a card between two users.
 *
 * VFIO resets a function by itself when its device is opened and again when it is closed, if the
 * kernel knows a reset for the function alone. Those do not count: the one at close fails
 * silently, and the one at open comes when a guest has the card already, which gets it even if the
 * reset fails (vfio_pci_core_enable()). But each costs 100 ms or more, and a second with a bus
 * reset. So:
 *
 * - One function that can be reset alone, by more than a change of its power state ("flr pm bus",
 *   "bus", …): the group is opened, which shows that nobody has the card and keeps it so, and the
 *   reset is asked of sysfs. No device is opened, so this is the only one that happens. The kernel
 *   takes the first method that works, and says when none did. That it worked once is no reason to
 *   leave it out the next time: a guest may bring its card into a state that nothing resets.
 * - Several: a hot reset of all of them together through VFIO, which refuses to reset what is not
 *   ours. The devices must be opened for it; that resets nothing where no function can be reset
 *   alone, as with most cards of several functions.
 *
 * Afterwards the configuration space must say what it said with the host.
 */
#include "passthrough/broker/broker.h"

#include <linux/vfio.h>
#include <sys/ioctl.h>

struct session {
	struct groups groups;
	int container;
	unsigned int n;
	int devices[BROKER_FUNCTIONS_MAX]; /* in the order of the card's functions */
};

static int session_open(const struct card *card, struct session *session, char *text)
{
	int *groups = session->groups.fds;
	char name[24];
	bool works;

	session->container = open(at("/dev/vfio/vfio"), O_RDWR | O_CLOEXEC);
	works = session->container >= 0;
	for (unsigned int i = 0; i < session->groups.n && works; i++) {
		works = ioctl(groups[i], VFIO_GROUP_SET_CONTAINER, &session->container) == 0;
	}
	if (!works || ioctl(session->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0) {
		return fail(text, -EIO, "/dev/vfio/vfio: %s; modprobe vfio_iommu_type1",
			    strerror(errno));
	}
	function_for_each(card, f) {
		int fd = -1;

		snprintf(name, sizeof(name), "%s.%u", card->name, f->number);
		for (unsigned int i = 0; i < session->groups.n && fd < 0; i++) {
			fd = ioctl(groups[i], VFIO_GROUP_GET_DEVICE_FD, name);
		}
		if (fd < 0) {
			return fail(text, -EIO, "VFIO does not open %s: %s", name, strerror(errno));
		}
		session->devices[session->n++] = fd;
	}
	return 0;
}

static void session_close(struct session *session)
{
	while (session->n > 0) {
		close(session->devices[--session->n]);
	}
	groups_close(&session->groups);
	close_fd(&session->container);
}

static bool is_ours(const struct card *card, const struct vfio_pci_dependent_device *device)
{
	return device->segment == card->slot.domain && device->bus == card->slot.bus &&
	       device->devfn >> 3 == card->slot.device;
}

/* -EOPNOTSUPP: there is none; -EPERM: it would reset something else too. */
static int hot_reset(struct card *card, const struct session *session, struct report *report)
{
	union {
		struct vfio_pci_hot_reset_info info;
		struct vfio_pci_hot_reset reset;
		char room[1024];
	} u = { .info.argsz = sizeof(u) };

	if (ioctl(session->devices[0], VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &u) < 0) {
		return fail(report->text, -EOPNOTSUPP, "the kernel knows no reset of %s",
			    card->name);
	}
	report->reset_count = u.info.count;
	for (unsigned int i = 0; i < report->reset_count; i++) {
		const struct vfio_pci_dependent_device *d = &u.info.devices[i];

		if (!is_ours(card, d)) {
			return fail(report->text, -EPERM,
				    "a reset of %s would also reset %04x:%02x:%02x.%x, not its own",
				    card->name, d->segment, d->bus, d->devfn >> 3, d->devfn & 7);
		}
	}
	u.reset = (struct vfio_pci_hot_reset){ .argsz = sizeof(u), .count = session->groups.n };
	memcpy(u.reset.group_fds, session->groups.fds, sizeof(session->groups.fds));
	journal_append(card, "@reset hot %u", report->reset_count);
	return ioctl(session->devices[0], VFIO_DEVICE_PCI_HOT_RESET, &u) < 0 ? -errno : 0;
}

int reset_step(struct card *card, unsigned int unused, struct report *report)
{
	const char *methods = card->facts.functions[0].reset;
	bool alone = card->facts.function_count == 1 && methods[0] && strncmp(methods, "pm", 2);
	struct session session = { .container = -1 };
	int r = save_step(card, 0, report) ?: groups_open(card, &session.groups, report->text);

	journal_read(card);
	if (r == 0 && alone) {
		report->reset_count = 1;
		r = attribute_write(card, 0, "reset", "1");
	} else if (r == 0) {
		r = session_open(card, &session, report->text) ?: hot_reset(card, &session, report);
	}
	session_close(&session);
	function_for_each(card, f) {
		const struct saved_function *saved = &card->saved.functions[f->number];
		uint64_t identity;

		if (r == 0 && (identity_read(card, f->number, &identity) < 0 ||
			       identity != saved->identity)) {
			r = fail(report->text, -ENODEV,
				 "%s.%u is another after its reset: switch the machine off and on",
				 card->name, f->number);
		}
	}
	return r < 0 ? r
		     : fail(report->text, 0, "%s reset, %u functions", alone ? "own" : "hot",
			    report->reset_count);
}
