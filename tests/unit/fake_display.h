/* SPDX-License-Identifier: MIT */
/*
 * QEMU's side of the D-Bus display, made up: a guest (fake_vm.h) with a console, a display source
 * on it, and what the source's observer was told. Include test.h first.
 */
#ifndef TESTS_UNIT_FAKE_DISPLAY_H
#define TESTS_UNIT_FAKE_DISPLAY_H

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "capture/frame_source.h"
#include "common/cleanup.h"
#include "tests/unit/fake_vm.h"

#define LISTENER "/org/qemu/Display1/Listener"
#define IFACE "org.qemu.Display1.Listener"
#define IFACE_MAP "org.qemu.Display1.Listener.Unix.Map"
#define DEADLINE_MS 5000

struct fake_display {
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

/* cmocka's: a watched source whose first registration is done; *fixture is the display. */
int fake_display_setup(void **fixture);
int fake_display_teardown(void **fixture);

/* The guest's peer connection comes up; fake_vm_disconnect() takes it down. */
void fake_display_connect(struct fake_display *qemu);
/* QEMU closes the listener. */
void fake_display_drop(struct fake_display *qemu);

/* Runs the loop until done(qemu), or fails the test after DEADLINE_MS. */
void fake_display_wait(struct fake_display *qemu, bool (*done)(void *data));
bool fake_display_is_registered(void *data);
bool fake_display_is_answered(void *data);
bool fake_display_is_closed(void *data);
/* Until everything sent before has been handled: the same connection answers in order. */
void fake_display_settle(struct fake_display *qemu);
/* The source closed the listener, says why, and does not come back. */
void fake_display_assert_cut_off(struct fake_display *qemu);

/* A memfd of this size, to be closed by the caller. */
int fake_display_memory(size_t size);
void fake_display_map(struct fake_display *qemu, int fd, uint32_t offset, uint32_t width,
		      uint32_t height, uint32_t stride, uint32_t format);
/* Scanout (width, height in head) or Update (x, y, width, height). */
void fake_display_bytes(struct fake_display *qemu, const char *member, const int32_t head[4],
			uint32_t stride, uint32_t format, size_t size);
void fake_display_cursor(struct fake_display *qemu, int32_t width, int32_t height, int32_t hot_x,
			 int32_t hot_y, size_t size);
/* Shows 64 x 32 pixels in honest memory; the descriptor is the caller's. */
int fake_display_show(struct fake_display *qemu);

/* A message without an answer, as QEMU sends all but ScanoutMap. */
#define FAKE_DISPLAY_SEND(qemu, interface, member, ...)                                            \
	do {                                                                                       \
		_cleanup_(sd_bus_message_unrefp) sd_bus_message *m_ = NULL;                        \
		assert_true(sd_bus_message_new_method_call((qemu)->bus, &m_, NULL, LISTENER,       \
							   interface, member) >= 0);               \
		assert_true(sd_bus_message_append(m_, __VA_ARGS__) >= 0);                          \
		sd_bus_message_set_expect_reply(m_, 0);                                            \
		assert_true(sd_bus_send((qemu)->bus, m_, NULL) >= 0);                              \
	} while (0)

#endif
