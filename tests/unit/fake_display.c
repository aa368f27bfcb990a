// SPDX-License-Identifier: MIT
#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/dbus_source.h"
#include "common/bus_pump.h"
#include "tests/unit/fake_display.h"
#include "tests/unit/loop.h"

/* ---- QEMU's side ---- */

static void handle_closed(void *data, int error)
{
	struct fake_display *qemu = data;

	(void)error;
	qemu->closed = true;
}

void fake_display_drop(struct fake_display *qemu)
{
	bus_pump_destroy(qemu->pump);
	qemu->pump = NULL;
	qemu->bus = sd_bus_unref(qemu->bus);
}

/* QEMU's first question; nothing else is sent before its answer is there. */
static int handle_interfaces(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct fake_display *qemu = data;

	(void)error;
	assert_false(sd_bus_message_is_method_error(m, NULL));
	qemu->registered = true;
	return 1;
}

static int handle_register(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct fake_display *qemu = data;
	sd_id128_t id;
	int fd;

	(void)error;
	fake_display_drop(qemu);
	assert_true(sd_bus_message_read(m, "h", &fd) >= 0);
	fd = dup(fd);
	assert_true(sd_bus_new(&qemu->bus) >= 0);
	assert_true(sd_bus_set_fd(qemu->bus, fd, fd) >= 0);
	assert_true(sd_bus_negotiate_fds(qemu->bus, 1) >= 0);
	sd_id128_randomize(&id);
	assert_true(sd_bus_set_server(qemu->bus, 1, id) >= 0);
	assert_true(sd_bus_start(qemu->bus) >= 0);
	assert_int_equal(
		bus_pump_create(qemu->bus, qemu->event, 0, handle_closed, qemu, &qemu->pump), 0);
	assert_true(sd_bus_call_method_async(qemu->bus, NULL, NULL, LISTENER,
					     "org.freedesktop.DBus.Properties", "GetAll",
					     handle_interfaces, qemu, "s", IFACE) >= 0);
	qemu->closed = qemu->registered = false;
	qemu->registrations++;
	return sd_bus_reply_method_return(m, NULL);
}

static int handle_ui_info(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct fake_display *qemu = data;

	(void)m, (void)error;
	qemu->resized++;
	return sd_bus_reply_method_return(m, NULL);
}

static const sd_bus_vtable console_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("RegisterListener", "h", "", handle_register, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("SetUIInfo", "qqiiuu", "", handle_ui_info, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

int fake_display_memory(size_t size)
{
	int fd = memfd_create("scanout", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static int handle_answer(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct fake_display *qemu = data;

	(void)error;
	qemu->answer = -sd_bus_message_get_errno(m);
	return 1;
}

void fake_display_map(struct fake_display *qemu, int fd, uint32_t offset, uint32_t width,
		      uint32_t height, uint32_t stride, uint32_t format)
{
	qemu->answer = 1;
	assert_true(sd_bus_call_method_async(qemu->bus, NULL, NULL, LISTENER, IFACE_MAP,
					     "ScanoutMap", handle_answer, qemu, "huuuuu", fd,
					     offset, width, height, stride, format) >= 0);
}

void fake_display_bytes(struct fake_display *qemu, const char *member, const int32_t head[4],
			uint32_t stride, uint32_t format, size_t size)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	void *bytes;

	assert_true(sd_bus_message_new_method_call(qemu->bus, &m, NULL, LISTENER, IFACE, member) >=
		    0);
	if (strcmp(member, "Scanout") == 0) {
		assert_true(sd_bus_message_append(m, "uu", head[0], head[1]) >= 0);
	} else {
		assert_true(sd_bus_message_append(m, "iiii", head[0], head[1], head[2], head[3]) >=
			    0);
	}
	assert_true(sd_bus_message_append(m, "uu", stride, format) >= 0);
	assert_true(sd_bus_message_append_array_space(m, 'y', size, &bytes) >= 0);
	memset(bytes, 0xab, size);
	sd_bus_message_set_expect_reply(m, 0);
	assert_true(sd_bus_send(qemu->bus, m, NULL) >= 0);
}

void fake_display_cursor(struct fake_display *qemu, int32_t width, int32_t height, int32_t hot_x,
			 int32_t hot_y, size_t size)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	void *bytes;

	assert_true(sd_bus_message_new_method_call(qemu->bus, &m, NULL, LISTENER, IFACE,
						   "CursorDefine") >= 0);
	assert_true(sd_bus_message_append(m, "iiii", width, height, hot_x, hot_y) >= 0);
	assert_true(sd_bus_message_append_array_space(m, 'y', size, &bytes) >= 0);
	memset(bytes, 0x80, size);
	sd_bus_message_set_expect_reply(m, 0);
	assert_true(sd_bus_send(qemu->bus, m, NULL) >= 0);
}

/* ---- our side ---- */

static void on_frame(struct frame_source *source, void *data)
{
	struct fake_display *qemu = data;

	(void)source;
	qemu->frames++;
}

static void on_damage(struct frame_source *source, const pixman_box32_t *damage, void *data)
{
	struct fake_display *qemu = data;

	(void)source;
	qemu->damages++;
	qemu->damage = *damage;
}

static void on_cursor(struct frame_source *source, void *data)
{
	struct fake_display *qemu = data;

	(void)source;
	qemu->cursors++;
}

static const struct frame_source_observer_ops observer_ops = {
	.frame_changed = on_frame,
	.damaged = on_damage,
	.cursor_changed = on_cursor,
};

bool fake_display_is_registered(void *data)
{
	return ((struct fake_display *)data)->registered;
}

bool fake_display_is_answered(void *data)
{
	return ((struct fake_display *)data)->answer != 1;
}

bool fake_display_is_closed(void *data)
{
	return ((struct fake_display *)data)->closed;
}

void fake_display_wait(struct fake_display *qemu, bool (*done)(void *data))
{
	assert_true(loop_until(qemu->event, done, qemu, DEADLINE_MS));
}

void fake_display_settle(struct fake_display *qemu)
{
	qemu->answer = 1;
	assert_true(sd_bus_call_method_async(qemu->bus, NULL, NULL, LISTENER,
					     "org.freedesktop.DBus.Peer", "Ping", handle_answer,
					     qemu, NULL) >= 0);
	fake_display_wait(qemu, fake_display_is_answered);
}

void fake_display_connect(struct fake_display *qemu)
{
	sd_bus *server = fake_vm_connect(qemu->vm);

	assert_true(sd_bus_add_object_vtable(server, NULL, "/org/qemu/Display1/Console_0",
					     "org.qemu.Display1.Console", console_vtable,
					     qemu) >= 0);
}

int fake_display_setup(void **fixture)
{
	struct fake_display *qemu = calloc(1, sizeof(*qemu));

	assert_non_null(qemu);
	assert_true(sd_event_new(&qemu->event) >= 0);
	qemu->vm = fake_vm_create(qemu->event, "guest");
	assert_int_equal(dbus_source_create(qemu->event, qemu->vm, &qemu->source), 0);
	qemu->observer.ops = &observer_ops;
	qemu->observer.data = qemu;
	frame_source_observe(qemu->source, &qemu->observer);
	assert_false(qemu->source->live);
	frame_source_set_watched(qemu->source, true);
	fake_display_connect(qemu);
	fake_display_wait(qemu, fake_display_is_registered);
	*fixture = qemu;
	return 0;
}

int fake_display_teardown(void **fixture)
{
	struct fake_display *qemu = *fixture;

	frame_source_unobserve(&qemu->observer);
	frame_source_destroy(qemu->source);
	fake_display_drop(qemu);
	fake_vm_destroy(qemu->vm);
	sd_event_unref(qemu->event);
	free(qemu);
	return 0;
}

int fake_display_show(struct fake_display *qemu)
{
	int fd = fake_display_memory(64 * 4 * 32);

	fake_display_map(qemu, fd, 0, 64, 32, 64 * 4, PIXMAN_x8r8g8b8);
	fake_display_wait(qemu, fake_display_is_answered);
	assert_int_equal(qemu->answer, 0);
	return fd;
}

void fake_display_assert_cut_off(struct fake_display *qemu)
{
	fake_display_wait(qemu, fake_display_is_closed);
	assert_false(qemu->source->live);
	assert_non_null(qemu->source->reason);
	assert_int_equal(qemu->registrations, 1);
}
