// SPDX-License-Identifier: MIT
/*
 * The display source against a QEMU of the test's own: an honest one, a lying one, one that
 * truncates its memory, never draws, floods, or dies. Whatever comes, that guest loses its picture
 * at most.
 */
#include "tests/unit/test.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/dbus_source.h"
#include "common/bus_pump.h"
#include "common/cleanup.h"
#include "tests/unit/fake_vm.h"
#include "tests/unit/loop.h"

#define DEADLINE_MS 5000
#define LISTENER "/org/qemu/Display1/Listener"
#define IFACE "org.qemu.Display1.Listener"
#define IFACE_MAP "org.qemu.Display1.Listener.Unix.Map"

struct qemu {
	sd_event *event;
	struct vm *vm;
	struct frame_source *source;
	struct frame_source_observer observer;
	/* The listener's socket, seen from QEMU: of the last registration. */
	sd_bus *bus;
	struct bus_pump *pump;
	bool registered; /* the source told its interfaces */
	bool closed;     /* the source closed it */
	int registrations;
	int resized;
	/* What the observer was told. */
	int frames, damages, cursors;
	pixman_box32_t damage;
	/* The answer to the last ScanoutMap: 0 or -errno; 1 while it is awaited. */
	int answer;
};

/* ---- QEMU's side ---- */

static void handle_closed(void *data, int error)
{
	struct qemu *qemu = data;

	(void)error;
	qemu->closed = true;
}

static void drop_bus(struct qemu *qemu)
{
	bus_pump_destroy(qemu->pump);
	qemu->pump = NULL;
	qemu->bus = sd_bus_unref(qemu->bus);
}

/* QEMU's first question; nothing else is sent before its answer is there. */
static int handle_interfaces(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct qemu *qemu = data;

	(void)error;
	assert_false(sd_bus_message_is_method_error(m, NULL));
	qemu->registered = true;
	return 1;
}

static int handle_register(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct qemu *qemu = data;
	sd_id128_t id;
	int fd;

	(void)error;
	drop_bus(qemu);
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
	struct qemu *qemu = data;

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

static int memory(size_t size)
{
	int fd = memfd_create("scanout", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static int handle_answer(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct qemu *qemu = data;

	(void)error;
	qemu->answer = -sd_bus_message_get_errno(m);
	return 1;
}

static void send_map(struct qemu *qemu, int fd, uint32_t offset, uint32_t width, uint32_t height,
		     uint32_t stride, uint32_t format)
{
	qemu->answer = 1;
	assert_true(sd_bus_call_method_async(qemu->bus, NULL, NULL, LISTENER, IFACE_MAP,
					     "ScanoutMap", handle_answer, qemu, "huuuuu", fd, offset,
					     width, height, stride, format) >= 0);
}

/* A message without an answer, as QEMU sends all but ScanoutMap. */
#define SEND(qemu, interface, member, ...)                                                         \
	do {                                                                                       \
		_cleanup_(sd_bus_message_unrefp) sd_bus_message *m_ = NULL;                        \
		assert_true(sd_bus_message_new_method_call((qemu)->bus, &m_, NULL, LISTENER,       \
							   interface, member) >= 0);               \
		assert_true(sd_bus_message_append(m_, __VA_ARGS__) >= 0);                          \
		sd_bus_message_set_expect_reply(m_, 0);                                            \
		assert_true(sd_bus_send((qemu)->bus, m_, NULL) >= 0);                              \
	} while (0)

static void send_bytes(struct qemu *qemu, const char *member, const int32_t head[4],
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

/* ---- our side ---- */

static void on_frame(struct frame_source *source, void *data)
{
	struct qemu *qemu = data;

	(void)source;
	qemu->frames++;
}

static void on_damage(struct frame_source *source, const pixman_box32_t *damage, void *data)
{
	struct qemu *qemu = data;

	(void)source;
	qemu->damages++;
	qemu->damage = *damage;
}

static void on_cursor(struct frame_source *source, void *data)
{
	struct qemu *qemu = data;

	(void)source;
	qemu->cursors++;
}

static const struct frame_source_observer_ops observer_ops = {
	.frame_changed = on_frame,
	.damaged = on_damage,
	.cursor_changed = on_cursor,
};

static bool is_registered(void *data)
{
	return ((struct qemu *)data)->registered;
}

static bool is_answered(void *data)
{
	return ((struct qemu *)data)->answer != 1;
}

static bool is_closed(void *data)
{
	return ((struct qemu *)data)->closed;
}

static void wait_for(struct qemu *qemu, bool (*done)(void *data))
{
	assert_true(loop_until(qemu->event, done, qemu, DEADLINE_MS));
}

/* Until everything sent before has been handled: the same connection answers in order. */
static void settle(struct qemu *qemu)
{
	qemu->answer = 1;
	assert_true(sd_bus_call_method_async(qemu->bus, NULL, NULL, LISTENER,
					     "org.freedesktop.DBus.Peer", "Ping", handle_answer,
					     qemu, NULL) >= 0);
	wait_for(qemu, is_answered);
}

static void connect_vm(struct qemu *qemu)
{
	sd_bus *server = fake_vm_connect(qemu->vm);

	assert_true(sd_bus_add_object_vtable(server, NULL, "/org/qemu/Display1/Console_0",
					     "org.qemu.Display1.Console", console_vtable,
					     qemu) >= 0);
}

static int setup(void **fixture)
{
	struct qemu *qemu = calloc(1, sizeof(*qemu));

	assert_non_null(qemu);
	assert_true(sd_event_new(&qemu->event) >= 0);
	qemu->vm = fake_vm_create(qemu->event, "guest");
	assert_int_equal(dbus_source_create(qemu->event, qemu->vm, &qemu->source), 0);
	qemu->observer.ops = &observer_ops;
	qemu->observer.data = qemu;
	frame_source_observe(qemu->source, &qemu->observer);
	assert_false(qemu->source->live);
	frame_source_set_watched(qemu->source, true);
	connect_vm(qemu);
	wait_for(qemu, is_registered);
	*fixture = qemu;
	return 0;
}

static int teardown(void **fixture)
{
	struct qemu *qemu = *fixture;

	frame_source_unobserve(&qemu->observer);
	frame_source_destroy(qemu->source);
	drop_bus(qemu);
	fake_vm_destroy(qemu->vm);
	sd_event_unref(qemu->event);
	free(qemu);
	return 0;
}

/* 64 x 32 pixels in honest memory. */
static int show(struct qemu *qemu)
{
	int fd = memory(64 * 4 * 32);

	send_map(qemu, fd, 0, 64, 32, 64 * 4, PIXMAN_x8r8g8b8);
	wait_for(qemu, is_answered);
	assert_int_equal(qemu->answer, 0);
	return fd;
}

static void assert_cut_off(struct qemu *qemu)
{
	wait_for(qemu, is_closed);
	assert_false(qemu->source->live);
	assert_non_null(qemu->source->reason);
	assert_int_equal(qemu->registrations, 1);
}

/* ---- tests ---- */

static void test_shared_memory(void **fixture)
{
	struct qemu *qemu = *fixture;
	int fd = show(qemu);
	const struct frame *frame = qemu->source->frame;

	assert_int_equal(qemu->frames, 1);
	assert_true(qemu->source->live);
	assert_int_equal(frame->width, 64);
	assert_int_equal(frame->fourcc, DRM_FORMAT_XRGB8888);
	assert_int_equal(pwrite(fd, "\x42", 1, 64 * 4 + 8), 1);
	assert_int_equal(frame->pixels[64 * 4 + 8], 0x42);

	SEND(qemu, IFACE_MAP, "UpdateMap", "iiii", -5, 30, 10, 100);
	settle(qemu);
	assert_int_equal(qemu->damages, 1);
	assert_int_equal(qemu->damage.x1, 0);
	assert_int_equal(qemu->damage.x2, 5);
	assert_int_equal(qemu->damage.y1, 30);
	assert_int_equal(qemu->damage.y2, 32);

	/* Nothing of it is visible: nobody is told. */
	SEND(qemu, IFACE_MAP, "UpdateMap", "iiii", 64, 0, 10, 10);
	SEND(qemu, IFACE_MAP, "UpdateMap", "iiii", 0, 0, 0, 10);
	settle(qemu);
	assert_int_equal(qemu->damages, 1);
	close(fd);
}

static void test_page_flips_reuse_mappings(void **fixture)
{
	struct qemu *qemu = *fixture;
	int fds[3] = { memory(8192), memory(8192), memory(8192) };
	const uint8_t *pixels[3];

	for (int i = 0; i < 9; i++) {
		send_map(qemu, fds[i % 3], 0, 64, 32, 256, PIXMAN_x8r8g8b8);
		wait_for(qemu, is_answered);
		assert_int_equal(qemu->answer, 0);
		if (i < 3) {
			pixels[i] = qemu->source->frame->pixels;
		} else {
			assert_ptr_equal(qemu->source->frame->pixels, pixels[i % 3]);
		}
	}
	assert_int_equal(qemu->frames, 9);
	/* A sub-rectangle of the same memory is another frame. */
	send_map(qemu, fds[0], 128, 32, 32, 256, PIXMAN_x8r8g8b8);
	wait_for(qemu, is_answered);
	assert_ptr_equal(qemu->source->frame->pixels, pixels[0] + 128);
	for (int i = 0; i < 3; i++) {
		close(fds[i]);
	}
}

static void test_absurd_geometry_cuts_off(void **fixture)
{
	static const struct {
		uint32_t offset, width, height, stride;
	} lies[] = {
		{ 0, 0, 32, 256 },
		{ 0, 64, 0, 256 },
		{ 0, FRAME_SIDE_MAX + 1, 1, 1u << 20 },
		{ 0, 64, 33, 256 },
		{ 4, 64, 32, 256 },
		{ 0, 64, 32, 255 },
		{ 0, 64, 32, 128 },
		{ 0, 64, 16384, UINT32_MAX },
		{ UINT32_MAX - 3, 64, 32, 256 },
		{ 0, UINT32_MAX, UINT32_MAX, UINT32_MAX },
		{ 2, 16, 16, 64 },
		{ 0, 16, 1, UINT32_MAX - 63 },
	};
	int fd = memory(64 * 4 * 32);

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct qemu *qemu;

		if (i > 0) {
			teardown(fixture);
			setup(fixture);
		}
		qemu = *fixture;
		send_map(qemu, fd, lies[i].offset, lies[i].width, lies[i].height, lies[i].stride,
			 PIXMAN_x8r8g8b8);
		assert_cut_off(qemu);
		assert_null(qemu->source->frame);
	}
	close(fd);
}

static void test_what_cannot_be_mapped_is_refused_only(void **fixture)
{
	struct qemu *qemu = *fixture;
	int pipes[2], fd = memory(8192);

	assert_int_equal(pipe(pipes), 0);
	send_map(qemu, pipes[0], 0, 64, 32, 256, PIXMAN_x8r8g8b8);
	wait_for(qemu, is_answered);
	assert_int_equal(qemu->answer, -EINVAL);
	send_map(qemu, fd, 0, 16, 16, 256, PIXMAN_a8);
	wait_for(qemu, is_answered);
	assert_true(qemu->answer < 0);
	assert_false(qemu->closed);
	assert_true(qemu->source->live);

	/* QEMU then sends bytes. */
	send_bytes(qemu, "Scanout", (int32_t[4]){ 16, 16 }, 64, PIXMAN_x8r8g8b8, 64 * 16);
	settle(qemu);
	assert_int_equal(qemu->source->frame->width, 16);
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

static void test_truncated_memory(void **fixture)
{
	struct qemu *qemu = *fixture;
	int fd = memory(1 << 20);
	const struct frame *frame;
	unsigned int sum = 0;

	assert_int_equal(pwrite(fd, "\x42", 1, 0), 1);
	send_map(qemu, fd, 0, 512, 512, 2048, PIXMAN_x8r8g8b8);
	wait_for(qemu, is_answered);
	frame = qemu->source->frame;
	assert_int_equal(ftruncate(fd, 4096), 0);
	for (size_t i = 0; i < (size_t)frame->stride * frame->height; i++) {
		sum += frame->pixels[i];
	}
	assert_int_equal(sum, 0x42);
	close(fd);
}

static void test_bytes(void **fixture)
{
	struct qemu *qemu = *fixture;

	/* An update before any scan-out is legal and of no use. */
	send_bytes(qemu, "Update", (int32_t[4]){ 0, 0, 4, 4 }, 16, PIXMAN_x8r8g8b8, 64);
	settle(qemu);
	assert_null(qemu->source->frame);

	send_bytes(qemu, "Scanout", (int32_t[4]){ 30, 10 }, 32, PIXMAN_r5g6b5, 640);
	assert_cut_off(qemu); /* 30 pixels of two bytes do not fit into 32 */
}

static void test_bytes_of_every_format(void **fixture)
{
	static const uint32_t formats[] = { PIXMAN_x8r8g8b8, PIXMAN_a8r8g8b8, PIXMAN_x8b8g8r8,
					    PIXMAN_a8b8g8r8, PIXMAN_r5g6b5,   PIXMAN_x1r5g5b5,
					    PIXMAN_r8g8b8,   PIXMAN_b8g8r8,   PIXMAN_b8g8r8x8 };
	struct qemu *qemu = *fixture;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		send_bytes(qemu, "Scanout", (int32_t[4]){ 20, 10 }, 80, formats[i], 800);
		settle(qemu);
		assert_int_equal(qemu->frames, 1); /* the same size: the frame is drawn over */
		assert_int_equal(qemu->source->frame->fourcc, DRM_FORMAT_XRGB8888);
		assert_int_not_equal(qemu->source->frame->pixels[0], 0);
	}
	/* Partly outside, and a part that is larger than the picture. */
	send_bytes(qemu, "Update", (int32_t[4]){ -3, 5, 10, 100 }, 40, PIXMAN_x8r8g8b8, 4000);
	settle(qemu);
	assert_int_equal(qemu->damage.x2, 7);
	assert_int_equal(qemu->damage.y2, 10);
	send_bytes(qemu, "Update", (int32_t[4]){ 0, 0, 10, 10 }, 40, PIXMAN_x8r8g8b8, 399);
	assert_cut_off(qemu);
}

static void send_cursor(struct qemu *qemu, int32_t width, int32_t height, int32_t hot_x,
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

static void test_cursor(void **fixture)
{
	struct qemu *qemu = *fixture;
	const struct cursor_state *cursor = &qemu->source->cursor;

	SEND(qemu, IFACE, "MouseSet", "iii", 100, 50, 1);
	send_cursor(qemu, 16, 8, 3, 400, 16 * 8 * 4);
	settle(qemu);
	assert_true(cursor->visible);
	assert_int_equal(cursor->image->width, 16);
	assert_int_equal(cursor->image->hot_y, 7); /* clamped into the image */
	/* QEMU tells where the image is, we where its hot spot is. */
	assert_int_equal(cursor->x, 103);
	assert_int_equal(cursor->y, 57);
	SEND(qemu, IFACE, "MouseSet", "iii", INT32_MAX, INT32_MIN, 1);
	settle(qemu);
	assert_false(cursor->visible);
	send_cursor(qemu, 513, 1, 0, 0, 513 * 4);
	assert_cut_off(qemu);
}

static void test_short_cursor_cuts_off(void **fixture)
{
	struct qemu *qemu = *fixture;

	send_cursor(qemu, 16, 16, 0, 0, 16 * 16 * 4 - 1);
	assert_cut_off(qemu);
}

static void test_unwatched_keeps_the_frame_and_costs_nothing(void **fixture)
{
	struct qemu *qemu = *fixture;
	int fd = show(qemu);

	frame_source_set_watched(qemu->source, false);
	wait_for(qemu, is_closed);
	assert_non_null(qemu->source->frame);
	assert_true(qemu->source->live);
	/* The guest goes on drawing into what we still have mapped. */
	assert_int_equal(pwrite(fd, "\x17", 1, 0), 1);
	assert_int_equal(qemu->source->frame->pixels[0], 0x17);

	/* Nothing is left for the loop to do. */
	while (sd_event_run(qemu->event, 0) > 0) {
	}
	assert_int_equal(sd_event_run(qemu->event, 600000), 0);

	frame_source_set_watched(qemu->source, true);
	qemu->registered = false;
	wait_for(qemu, is_registered);
	assert_int_equal(qemu->registrations, 2);
	/* The same picture once more: damage, but no other frame and no other mapping. */
	send_map(qemu, fd, 0, 64, 32, 256, PIXMAN_x8r8g8b8);
	wait_for(qemu, is_answered);
	assert_int_equal(qemu->answer, 0);
	assert_int_equal(qemu->frames, 1);
	assert_int_equal(qemu->damages, 1);
	close(fd);
}

static void test_an_unwatched_guest_has_its_first_picture(void **fixture)
{
	struct qemu *qemu = *fixture;
	int fd = memory(8192);

	frame_source_set_watched(qemu->source, false);
	settle(qemu); /* it is still listened to */
	send_map(qemu, fd, 0, 64, 32, 256, PIXMAN_x8r8g8b8);
	wait_for(qemu, is_closed);
	assert_int_equal(qemu->source->frame->width, 64);
	assert_true(qemu->source->live);
	assert_int_equal(qemu->registrations, 1);
	close(fd);
}

static bool is_registered_twice(void *data)
{
	return ((struct qemu *)data)->registrations == 2;
}

static void test_a_lost_registration_is_repeated(void **fixture)
{
	struct qemu *qemu = *fixture;

	wait_for(qemu, is_registered_twice);
}

static void test_death_and_return(void **fixture)
{
	struct qemu *qemu = *fixture;
	int fd = show(qemu);

	drop_bus(qemu);
	qemu->registered = false;
	fake_vm_disconnect(qemu->vm);
	assert_false(qemu->source->live);
	assert_non_null(qemu->source->reason);
	assert_non_null(qemu->source->frame);
	connect_vm(qemu);
	wait_for(qemu, is_registered);
	assert_true(qemu->source->live);
	close(fd);
}

/* A reason lives until the next change only; the source's is still asked for while it changes. */
static void test_reasons_are_kept(void **fixture)
{
	struct qemu *qemu = *fixture;

	fake_vm_disconnect(qemu->vm);
	fake_vm_set_reason(qemu->vm, "it ended");
	assert_string_equal(qemu->source->reason, "it ended");
	fake_vm_set_reason(qemu->vm, "it does not start");
	assert_string_equal(qemu->source->reason, "it does not start");
	fake_vm_set_reason(qemu->vm, NULL);
	assert_string_equal(qemu->source->reason, "not running");
}

static bool is_not_live(void *data)
{
	return !((struct qemu *)data)->source->live;
}

static void test_a_closed_listener_is_said(void **fixture)
{
	struct qemu *qemu = *fixture;
	int fd = show(qemu);

	sd_bus_close(qemu->bus);
	wait_for(qemu, is_not_live);
	assert_string_equal(qemu->source->reason, "QEMU closed its display");
	assert_non_null(qemu->source->frame);

	/* The next that is heard of the guest is a reason to try again. */
	qemu->registered = false;
	fake_vm_set_hung(qemu->vm, false);
	wait_for(qemu, is_registered);
	assert_true(qemu->source->live);
	close(fd);
}

static void test_a_new_qemu_has_no_pointer_yet(void **fixture)
{
	struct qemu *qemu = *fixture;

	SEND(qemu, IFACE, "MouseSet", "iii", 100, 50, 1);
	send_cursor(qemu, 16, 8, 3, 4, 16 * 8 * 4);
	settle(qemu);
	assert_non_null(qemu->source->cursor.image);
	drop_bus(qemu);
	fake_vm_disconnect(qemu->vm);
	connect_vm(qemu);
	assert_null(qemu->source->cursor.image);
	assert_false(qemu->source->cursor.visible);
}

static void test_hung_is_old_and_keeps_its_listener(void **fixture)
{
	struct qemu *qemu = *fixture;
	int fd = show(qemu);

	fake_vm_set_hung(qemu->vm, true);
	assert_false(qemu->source->live);
	assert_string_equal(qemu->source->reason, "does not answer");
	fake_vm_set_hung(qemu->vm, false);
	assert_true(qemu->source->live);
	settle(qemu);
	assert_int_equal(qemu->registrations, 1);
	close(fd);
}

static bool is_resized(void *data)
{
	return ((struct qemu *)data)->resized == 1;
}

static void test_size_request(void **fixture)
{
	struct qemu *qemu = *fixture;

	frame_source_request_size(qemu->source, 1920, 1080);
	frame_source_request_size(qemu->source, 1920, 1080);
	wait_for(qemu, is_resized);
	settle(qemu);
	assert_int_equal(qemu->resized, 1);
}

/* 20,000 updates in one go: the loop still turns every few milliseconds. */
static void test_flood(void **fixture)
{
	struct qemu *qemu = *fixture;
	int fd = show(qemu);
	uint64_t worst = 0;

	for (int i = 0; i < 20000; i++) {
		SEND(qemu, IFACE_MAP, "UpdateMap", "iiii", 0, 0, 64, 32);
	}
	while (qemu->damages < 20000) {
		uint64_t start = clock_now_ns();

		assert_true(sd_event_run(qemu->event, DEADLINE_MS * 1000) >= 0);
		if (clock_now_ns() - start > worst) {
			worst = clock_now_ns() - start;
		}
	}
	print_message("longest turn %.1f ms\n", (double)worst / 1e6);
	assert_true(worst < 200 * NSEC_PER_MSEC);
	close(fd);
}

/* ---- random messages ---- */

static uint64_t random_state;

static uint32_t random_number(void)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(random_state >> 33);
}

/* Mostly sane, sometimes at an edge, sometimes anything. */
static int32_t random_value(void)
{
	static const uint32_t edges[] = { 0,	  1,	      UINT32_MAX, INT32_MAX,
					  0x80000000u, 16384, 16385,	  64,
					  256,	  0x20020888u, 4096,	  65536 };

	switch (random_number() % 512) {
	case 0:
		return (int32_t)edges[random_number() % (sizeof(edges) / sizeof(edges[0]))];
	case 1:
		return (int32_t)random_number();
	default:
		return (int32_t)(random_number() % 16 + 1);
	}
}

static void send_random(struct qemu *qemu, int fd)
{
	uint32_t honest = random_number() % 64;
	int32_t v[6];

	for (size_t i = 0; i < 6; i++) {
		v[i] = random_value();
	}
	if (honest) {
		v[4] = 64;
		v[5] = PIXMAN_x8r8g8b8;
	}
	switch (random_number() % 8) {
	case 0:
		send_map(qemu, fd, (uint32_t)v[0] & ~3u, (uint32_t)v[1], (uint32_t)v[2],
			 (uint32_t)v[4], (uint32_t)v[5]);
		break;
	case 1:
		SEND(qemu, IFACE_MAP, "UpdateMap", "iiii", v[0], v[1], v[2], v[3]);
		break;
	case 2:
		send_bytes(qemu, "Scanout", v, (uint32_t)v[4],
			   (uint32_t)v[5], honest ? 4096 : random_number() % 65536);
		break;
	case 3:
		send_bytes(qemu, "Update", v, (uint32_t)v[4],
			   (uint32_t)v[5], honest ? 4096 : random_number() % 65536);
		break;
	case 4:
		send_cursor(qemu, v[0], v[1], v[2], v[3],
			    honest ? (size_t)(uint32_t)v[0] * (uint32_t)v[1] * 4 % 65536
				   : random_number() % 65536);
		break;
	case 5:
		SEND(qemu, IFACE, "MouseSet", "iii", v[0], v[1], v[2]);
		break;
	case 6:
		send_map(qemu, fd, 0, 16, 16, 64, PIXMAN_x8r8g8b8);
		break;
	default:
		assert_int_equal(ftruncate(fd, 4096 + random_number() % 65536), 0);
		break;
	}
}

/* Reads every pixel as a renderer would. */
static void touch_picture(const struct frame_source *source)
{
	const struct frame *frame = source->frame;
	volatile uint8_t sum = 0;

	if (!frame) {
		return;
	}
	for (uint32_t y = 0; y < frame->height; y++) {
		const uint8_t *row = frame->pixels + (size_t)y * frame->stride;

		sum += row[0] + row[(size_t)frame->width * frame_format_bytes(frame->fourcc) - 1];
	}
}

static void test_random_messages(void **fixture)
{
	const char *given = getenv("BATON_TEST_SEED");
	struct qemu *qemu;
	int cut_off = 0;

	random_state = given ? strtoull(given, NULL, 0) : clock_now_ns();
	print_message("seed %llu\n", (unsigned long long)random_state);
	for (int round = 0; round < 300; round++) {
		int fd = memory(65536);

		if (round > 0) {
			teardown(fixture);
			setup(fixture);
		}
		qemu = *fixture;
		for (int i = 0; i < 40 && !qemu->closed; i++) {
			send_random(qemu, fd);
			while (sd_event_run(qemu->event, 0) > 0) {
			}
			touch_picture(qemu->source);
		}
		cut_off += qemu->closed;
		close(fd);
	}
	print_message("%d of 300 cut off\n", cut_off);
	/* Neither all honest nor all lies: both ways were gone. */
	assert_in_range(cut_off, 30, 299);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_shared_memory),
		TEST(test_page_flips_reuse_mappings),
		TEST(test_absurd_geometry_cuts_off),
		TEST(test_what_cannot_be_mapped_is_refused_only),
		TEST(test_truncated_memory),
		TEST(test_bytes),
		TEST(test_bytes_of_every_format),
		TEST(test_cursor),
		TEST(test_short_cursor_cuts_off),
		TEST(test_unwatched_keeps_the_frame_and_costs_nothing),
		TEST(test_an_unwatched_guest_has_its_first_picture),
		TEST(test_a_lost_registration_is_repeated),
		TEST(test_death_and_return),
		TEST(test_reasons_are_kept),
		TEST(test_a_closed_listener_is_said),
		TEST(test_a_new_qemu_has_no_pointer_yet),
		TEST(test_hung_is_old_and_keeps_its_listener),
		TEST(test_size_request),
		TEST(test_flood),
		TEST(test_random_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
