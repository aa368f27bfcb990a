// SPDX-License-Identifier: MIT
/* See attach.h. */
#include "tests/bench/attach.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"

#define DEADLINE_NS (2 * NSEC_PER_SEC)
#define LISTENER_PATH "/org/qemu/Display1/Listener"
#define MAP_INTERFACE "org.qemu.Display1.Listener.Unix.Map"

struct attach {
	uint64_t picture_ns; /* 0: not yet */
	int error;
};

static int handle_scanout_map(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct attach *attach = data;

	(void)error;
	attach->picture_ns = clock_now_ns();
	return sd_bus_reply_method_return(call, NULL);
}

static int handle_update_map(sd_bus_message *call, void *data, sd_bus_error *error)
{
	(void)data, (void)error;
	return sd_bus_reply_method_return(call, NULL);
}

static int handle_bytes(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct attach *attach = data;

	(void)error;
	attach->error = -EOPNOTSUPP;
	return sd_bus_reply_method_return(call, NULL);
}

static int handle_ignored(sd_bus_message *call, void *data, sd_bus_error *error)
{
	(void)data, (void)error;
	return sd_bus_reply_method_return(call, NULL);
}

static int handle_registered(sd_bus_message *answer, void *data, sd_bus_error *error)
{
	struct attach *attach = data;

	(void)error;
	if (sd_bus_message_is_method_error(answer, NULL)) {
		attach->error = -sd_bus_message_get_errno(answer);
	}
	return 0;
}

static int get_interfaces(sd_bus *bus, const char *path, const char *interface,
			  const char *property, sd_bus_message *reply, void *data,
			  sd_bus_error *error)
{
	(void)bus, (void)path, (void)interface, (void)property, (void)data, (void)error;
	return sd_bus_message_append(reply, "as", 1, MAP_INTERFACE);
}

#define ANYONE SD_BUS_VTABLE_UNPRIVILEGED

static const sd_bus_vtable listener_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Interfaces", "as", get_interfaces, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_METHOD("Scanout", "uuuuay", "", handle_bytes, ANYONE),
	SD_BUS_METHOD("Update", "iiiiuuay", "", handle_bytes, ANYONE),
	SD_BUS_METHOD("Disable", "", "", handle_ignored, ANYONE),
	SD_BUS_METHOD("MouseSet", "iii", "", handle_ignored, ANYONE),
	SD_BUS_METHOD("CursorDefine", "iiiiay", "", handle_ignored, ANYONE),
	SD_BUS_VTABLE_END
};

static const sd_bus_vtable map_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("ScanoutMap", "huuuuu", "", handle_scanout_map, ANYONE),
	SD_BUS_METHOD("UpdateMap", "iiii", "", handle_update_map, ANYONE),
	SD_BUS_VTABLE_END
};

/* Takes the descriptor. */
static int start_bus(int fd, sd_bus **out)
{
	_cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);

	if (r >= 0) {
		r = sd_bus_set_fd(bus, fd, fd);
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	if ((r = sd_bus_negotiate_fds(bus, true)) < 0) {
		return r;
	}
	*out = take_ptr(bus);
	return 0;
}

int attach_connect(int fd, sd_bus **out)
{
	int r = start_bus(fd, out);

	return r < 0 ? r : sd_bus_start(*out);
}

static int listen_on(int fd, struct attach *attach, sd_bus **out)
{
	int r = start_bus(fd, out);

	if (r < 0 ||
	    (r = sd_bus_add_object_vtable(*out, NULL, LISTENER_PATH, "org.qemu.Display1.Listener",
					  listener_vtable, attach)) < 0 ||
	    (r = sd_bus_add_object_vtable(*out, NULL, LISTENER_PATH, MAP_INTERFACE, map_vtable,
					  attach)) < 0) {
		return r;
	}
	return sd_bus_start(*out);
}

static int register_listener(sd_bus *display, int fd, struct attach *attach)
{
	int r = sd_bus_call_method_async(display, NULL, NULL, "/org/qemu/Display1/Console_0",
					 "org.qemu.Display1.Console", "RegisterListener",
					 handle_registered, attach, "h", fd);

	return r < 0 ? r : sd_bus_flush(display);
}

static int wait_for_picture(sd_bus *display, sd_bus *listener, struct attach *attach)
{
	uint64_t deadline = clock_now_ns() + DEADLINE_NS;
	int r;

	while (!attach->picture_ns && !attach->error) {
		do {
			r = sd_bus_process(listener, NULL);
		} while (r > 0 && !attach->picture_ns);
		if (r >= 0) {
			r = sd_bus_process(display, NULL);
		}
		if (r < 0) {
			return r;
		}
		if (clock_now_ns() > deadline) {
			return -ETIMEDOUT;
		}
		if (!attach->picture_ns) {
			sd_bus_wait(listener, 1000);
		}
	}
	return attach->error;
}

int attach_measure(sd_bus *display, uint64_t *ns)
{
	_cleanup_(sd_bus_flush_close_unrefp) sd_bus *listener = NULL;
	_cleanup_close_ int theirs = -1;
	struct attach attach = { 0 };
	uint64_t start = clock_now_ns();
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		return -errno;
	}
	theirs = pair[1];
	r = register_listener(display, theirs, &attach);
	if (r < 0) {
		close(pair[0]);
		return r;
	}
	r = listen_on(pair[0], &attach, &listener);
	if (r >= 0) {
		r = wait_for_picture(display, listener, &attach);
	}
	*ns = attach.picture_ns - start;
	return r;
}
