// SPDX-License-Identifier: MIT
/* The kernel's events by netlink; see uevents.h. */
#include "agent/uevents.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"

#define KERNEL_GROUP 1

int uevents_open(void)
{
	_cleanup_close_ int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		return -errno;
	}
	return take_fd(fd);
}

/* Strings with their zeros; the event is about whatever its SUBSYSTEM is. */
static bool is_about_cards(const char *event, size_t size)
{
	for (size_t at = 0; at < size; at += strnlen(event + at, size - at) + 1) {
		if (!strcmp(event + at, "SUBSYSTEM=drm") || !strcmp(event + at, "SUBSYSTEM=pci")) {
			return true;
		}
	}
	return false;
}

bool uevents_drain(int fd)
{
	bool about = false;
	char event[8192];
	ssize_t n;

	/* Events that were lost may have been about anything. */
	while ((n = recv(fd, event, sizeof(event) - 1, 0)) > 0 || (n < 0 && errno == ENOBUFS)) {
		if (n < 0) {
			about = true;
			continue;
		}
		event[n] = '\0';
		about = is_about_cards(event, (size_t)n) || about;
	}
	return about;
}
