/* SPDX-License-Identifier: MIT */
/*
 * One registration as org.qemu.Display1.Listener with a QEMU console: decodes and checks what
 * arrives (QEMU is hostile) and hands on what is sound. Made to be thrown away: any violation of
 * the protocol ends it. Protocol: QEMU's ui/dbus-display1.xml.
 */
#ifndef CAPTURE_DBUS_LISTENER_H
#define CAPTURE_DBUS_LISTENER_H

#include <pixman.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "capture/frame_source.h"
#include "vm/vm.h"

struct dbus_listener;

struct dbus_listener_handlers {
	/* Pixels in memory that QEMU shares; the frame's lock passes to the callee. */
	void (*frame)(struct frame *frame, void *data);
	/* Pixels that were sent as bytes and converted to XRGB8888, valid during the call: the
	 * whole picture, of the size of the box (x1 = y1 = 0), or an update of a part of it. */
	void (*pixels)(bool whole, const pixman_box32_t *box, pixman_image_t *image, void *data);
	void (*damage)(const pixman_box32_t *box, void *data);
	void (*disabled)(void *data);
	void (*cursor)(struct cursor_image *image, int32_t hot_x, int32_t hot_y, void *data);
	void (*cursor_moved)(int32_t x, int32_t y, bool on, void *data);
	/* The listener is of no use any more: QEMU closed it (reason NULL), it never sent a
	 * picture (-ETIME), or it broke the protocol (reason says how). The callee destroys it. */
	void (*ended)(int error, const char *reason, void *data);
};

/*
 * Asks for registration; handlers are called from the loop afterwards. 0 or -errno; -ENOTCONN
 * while the guest has no peer connection.
 */
int dbus_listener_create(sd_event *event, struct vm *vm,
			 const struct dbus_listener_handlers *handlers, void *data,
			 struct dbus_listener **out);

/* Ends the registration: QEMU stops to send, and to scan for changes. NULL is legal. */
void dbus_listener_destroy(struct dbus_listener *listener);

/* A registration that brings no picture for this long was lost (see common/bus_pump.h). */
#define DBUS_LISTENER_PATIENCE_USEC (500 * 1000)

/* Behind input and outputs: a guest that floods delays only its own picture. */
#define DBUS_LISTENER_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

#endif
