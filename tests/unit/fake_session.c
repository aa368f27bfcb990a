// SPDX-License-Identifier: MIT
/* Stand-ins for the functions of libseat and libudev that the kms back end calls. */
#include "tests/unit/test.h"

#include "tests/unit/fake_session.h"

#include <libseat.h>
#include <libudev.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/fake_kms.h"

static struct {
	int fd; /* readable while there is news */
	const struct libseat_seat_listener *listener;
	void *data;
	int news; /* 1: enabled, -1: disabled */
} seat;

static struct {
	int fd; /* readable while there is news */
	struct stat card;
} monitor;

void fake_session_reset(void)
{
	seat.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	seat.news = 0;
	monitor.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_int_equal(fstat(fake_kms_fd(), &monitor.card), 0);
}

void fake_session_finish(void)
{
	close(seat.fd);
	close(monitor.fd);
}

static void ring(int fd)
{
	assert_int_equal(eventfd_write(fd, 1), 0);
}

static void unring(int fd)
{
	eventfd_t value;

	eventfd_read(fd, &value);
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
	*fd = fake_kms_fd();
	return 1;
}

int libseat_close_device(struct libseat *s, int id)
{
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

/* ---- libudev ---- */

struct udev *udev_new(void)
{
	return (struct udev *)&monitor;
}

struct udev *udev_unref(struct udev *udev)
{
	return NULL;
}

struct udev_monitor *udev_monitor_new_from_netlink(struct udev *udev, const char *name)
{
	return (struct udev_monitor *)&monitor;
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
	return monitor.fd;
}

struct udev_device *udev_monitor_receive_device(struct udev_monitor *m)
{
	eventfd_t value;

	return eventfd_read(monitor.fd, &value) == 0 ? (struct udev_device *)&monitor : NULL;
}

struct udev_device *udev_device_unref(struct udev_device *device)
{
	return NULL;
}

dev_t udev_device_get_devnum(struct udev_device *device)
{
	return monitor.card.st_rdev;
}

const char *udev_device_get_property_value(struct udev_device *device, const char *key)
{
	return strcmp(key, "HOTPLUG") == 0 ? "1" : NULL;
}

void fake_kms_hotplug(void)
{
	ring(monitor.fd);
}
