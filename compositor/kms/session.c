// SPDX-License-Identifier: MIT
/* The seat: libseat in the event loop, and the devices that were opened through it. */
#include "compositor/kms/session.h"

#include <errno.h>
#include <libseat.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/list.h"
#include "common/log.h"

/* How long a seat may take to become ours at the start. */
#define SESSION_START_NS (3 * NSEC_PER_SEC)

struct session_device {
	struct list link; /* session::devices */
	int id;           /* libseat's */
	int fd;
};

struct session {
	struct libseat *seat;
	const struct session_events *events;
	sd_event_source *io;
	sd_event_source *enabled; /* defers active(true) out of libseat's callback */
	struct list devices;
	bool active; /* as libseat says */
	bool told;   /* as our owner was told last */
};

static void handle_libseat_log(enum libseat_log_level level, const char *format, va_list args)
{
	char message[512];

	vsnprintf(message, sizeof(message), format, args);
	log_debug("libseat: %s", message);
}

static void session_tell(struct session *session, bool active)
{
	if (session->told != active) {
		session->told = active;
		session->events->active(active, session->events->data);
	}
}

static int handle_enabled(sd_event_source *source, void *data)
{
	struct session *session = data;

	if (session->active) {
		session_tell(session, true);
	}
	return 0;
}

/*
 * Devices may not be opened inside this callback (libseat would be entered twice), and at the
 * start nobody waits for the news yet: so only a note is taken.
 */
static void handle_enable(struct libseat *seat, void *data)
{
	struct session *session = data;

	session->active = true;
	if (session->enabled) {
		sd_event_source_set_enabled(session->enabled, SD_EVENT_ONESHOT);
	}
}

static void handle_disable(struct libseat *seat, void *data)
{
	struct session *session = data;

	session->active = false; /* from here on nothing is sent to a device */
	libseat_disable_seat(seat);
	if (session->enabled) {
		session_tell(session, false);
	}
}

static const struct libseat_seat_listener seat_listener = {
	.enable_seat = handle_enable,
	.disable_seat = handle_disable,
};

static int handle_io(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct session *session = data;

	if (libseat_dispatch(session->seat, 0) >= 0 && !(revents & (EPOLLHUP | EPOLLERR))) {
		return 0;
	}
	log_error("The connection to the seat manager broke: the picture stands still until "
		  "this program is started again");
	sd_event_source_set_enabled(session->io, SD_EVENT_OFF);
	session->active = false;
	session_tell(session, false);
	return 0;
}

static struct libseat *seat_try(struct session *session, const char *manager, int *error)
{
	struct libseat *seat;

	setenv("LIBSEAT_BACKEND", manager, 1);
	seat = libseat_open_seat(&seat_listener, session);
	if (!seat) {
		*error = errno ? -errno : -ENODEV;
	}
	unsetenv("LIBSEAT_BACKEND");
	return seat;
}

/*
 * One seat manager after the other, unless the user named one. Left to itself, libseat would in the
 * end start a manager of its own, which without root's rights opens nothing and says nothing.
 */
static int session_choose_manager(struct session *session)
{
	static const char *const managers[] = { "seatd", "logind", "builtin" };
	const size_t count = geteuid() == 0 ? 3 : 2;
	int first = 0, error = 0;

	if (getenv("LIBSEAT_BACKEND")) {
		session->seat = libseat_open_seat(&seat_listener, session);
		return session->seat ? 0 : errno ? -errno : -ENODEV;
	}
	for (size_t i = 0; i < count && !session->seat; i++) {
		session->seat = seat_try(session, managers[i], &error);
		/* A manager that is there and refuses says more than one that is not there. */
		first = first == 0 || first == -ENOENT ? error : first;
	}
	return session->seat ? 0 : first;
}

static int session_open(struct session *session)
{
	int r;

	libseat_set_log_handler(handle_libseat_log);
	libseat_set_log_level(LIBSEAT_LOG_LEVEL_INFO);
	r = session_choose_manager(session);
	if (r < 0) {
		log_error("No seat: neither seatd nor logind lets this program have the screen "
			  "(%s); start seatd and join the group of its socket, or log in on a text "
			  "console, and end any other program that has the screen",
			  strerror(-r));
	}
	return r;
}

static int session_await(struct session *session)
{
	uint64_t deadline = clock_now_ns() + SESSION_START_NS;

	while (!session->active) {
		uint64_t now = clock_now_ns();
		int timeout;

		if (now >= deadline) {
			log_error("The seat %s does not become active: go to the virtual terminal "
				  "of this login and start again there",
				  libseat_seat_name(session->seat));
			return -ETIMEDOUT;
		}
		timeout = (int)((deadline - now) / NSEC_PER_MSEC) + 1;
		if (libseat_dispatch(session->seat, timeout) < 0 && errno != EINTR) {
			int r = errno ? -errno : -EIO;

			log_error("The seat manager ended the session (%s): look into the log of "
				  "seatd or logind",
				  strerror(-r));
			return r;
		}
	}
	session->told = true;
	return 0;
}

static int session_attach(struct session *session, sd_event *event)
{
	int r = sd_event_add_io(event, &session->io, libseat_get_fd(session->seat), EPOLLIN,
				handle_io, session);

	if (r < 0) {
		return r;
	}
	r = sd_event_add_defer(event, &session->enabled, handle_enabled, session);
	if (r < 0) {
		return r;
	}
	sd_event_source_set_enabled(session->enabled, SD_EVENT_OFF);
	/* A key that switches terminals must get through when devices are busy. */
	return sd_event_source_set_priority(session->io, SD_EVENT_PRIORITY_IMPORTANT);
}

DEFINE_CLEANUP(struct session *, session_destroy)

int session_create(sd_event *event, const struct session_events *events, struct session **out)
{
	_cleanup_(session_destroy_ptr) struct session *session = calloc(1, sizeof(*session));
	int r;

	if (!session) {
		return -ENOMEM;
	}
	session->events = events;
	list_init(&session->devices);
	r = session_open(session);
	if (r < 0) {
		return r;
	}
	r = session_await(session);
	if (r < 0) {
		return r;
	}
	r = session_attach(session, event);
	if (r < 0) {
		return r;
	}
	*out = take_ptr(session);
	return 0;
}

/* libseat forgets the device but leaves the descriptor to us. */
static void device_leave(struct session *session, struct session_device *device)
{
	list_remove(&device->link);
	libseat_close_device(session->seat, device->id);
	free(device);
}

static void device_close(struct session *session, struct session_device *device)
{
	int fd = device->fd;

	device_leave(session, device);
	close(fd);
}

void session_destroy(struct session *session)
{
	struct session_device *device, *next;

	if (!session) {
		return;
	}
	list_for_each_safe(device, next, &session->devices, link) {
		device_close(session, device);
	}
	sd_event_source_disable_unref(session->io);
	sd_event_source_disable_unref(session->enabled);
	if (session->seat) {
		libseat_close_seat(session->seat);
	}
	free(session);
}

bool session_active(const struct session *session)
{
	return session->active;
}

const char *session_seat_name(struct session *session)
{
	return libseat_seat_name(session->seat);
}

int session_open_device(struct session *session, const char *path)
{
	struct session_device *device = calloc(1, sizeof(*device));
	int r;

	if (!device) {
		return -ENOMEM;
	}
	device->id = libseat_open_device(session->seat, path, &device->fd);
	if (device->id < 0) {
		r = errno ? -errno : -EIO;
		free(device);
		return r;
	}
	list_append(&session->devices, &device->link);
	return device->fd;
}

static struct session_device *find_device(const struct session *session, int fd)
{
	struct session_device *device;

	list_for_each(device, &session->devices, link) {
		if (device->fd == fd) {
			return device;
		}
	}
	return NULL;
}

void session_close_device(struct session *session, int fd)
{
	struct session_device *device = find_device(session, fd);

	if (device) {
		device_close(session, device);
	}
}

void session_leave_device(struct session *session, int fd)
{
	struct session_device *device = find_device(session, fd);

	if (device) {
		device_leave(session, device);
	}
}

int session_switch_vt(struct session *session, unsigned int vt)
{
	if (vt == 0 || vt > INT_MAX) {
		return -EINVAL;
	}
	return libseat_switch_session(session->seat, (int)vt) < 0 ? -errno : 0;
}
