// SPDX-License-Identifier: MIT
/*
 * QEMU's display listener; see dbus_listener.h.
 *
 * ScanoutMap is a call for which QEMU's main loop, hence the guest, waits: it is answered from
 * inside the handler, after an mmap(2) at most. All other methods carry no reply.
 *
 * Every number in a message is the guest's: it is read once, into a local, and checked with
 * 64-bit arithmetic before it is used.
 */
#include "capture/dbus_listener.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include "capture/shm_guard.h"
#include "common/bus_pump.h"
#include "common/cleanup.h"
#include "common/log.h"

#define LISTENER_PATH "/org/qemu/Display1/Listener"
#define CURSOR_SIDE_MAX 512
/* Bytes; renderers count it with a sign. A picture of one line could have any. */
#define STRIDE_MAX (16 * FRAME_SIDE_MAX)
/* A page-flipping guest shows two or three buffers in turn; one more for a mode change. */
#define MAP_CACHE_SIZE 4

struct dbus_listener {
	struct vm *vm;
	const struct dbus_listener_handlers *handlers;
	void *data;
	sd_bus *bus;
	struct bus_pump *pump;
	sd_bus_slot *registration; /* the RegisterListener call */
	sd_event *event;
	sd_event_source *patience; /* from the registration's answer to the first picture */
	bool pictured;             /* the first picture came */
	struct shm_map *maps[MAP_CACHE_SIZE]; /* most recently used first; may be NULL */
	bool ending;               /* handlers->ended was called: nothing more is handed on */
};

static void listener_end(struct dbus_listener *listener, int error, const char *reason)
{
	if (!listener->ending) {
		listener->ending = true;
		listener->handlers->ended(error, reason, listener->data);
	}
}

/* A message that breaks the protocol: this guest loses its picture. */
static int violation(struct dbus_listener *listener, const char *what)
{
	log_warning("%s: its display is cut off: %s", vm_name(listener->vm), what);
	listener_end(listener, -EPROTO, what);
	return -EPROTO;
}

static void note_picture(struct dbus_listener *listener)
{
	listener->pictured = true;
	listener->patience = sd_event_source_disable_unref(listener->patience);
	vm_note_alive(listener->vm);
}

/* ---- shared memory ---- */

struct shm_frame {
	struct frame base;
	struct shm_map *map;
};

static void shm_frame_release(struct frame *frame)
{
	struct shm_frame *shm = container_of(frame, struct shm_frame, base);

	shm_map_unlock(shm->map);
	free(shm);
}

/* The formats in which pixels may lie in shared memory: what the renderers read directly. */
static uint32_t fourcc_of_pixman(uint32_t format)
{
	switch (format) {
	case PIXMAN_x8r8g8b8:
		return DRM_FORMAT_XRGB8888;
	case PIXMAN_a8r8g8b8:
		return DRM_FORMAT_ARGB8888;
	case PIXMAN_x8b8g8r8:
		return DRM_FORMAT_XBGR8888;
	case PIXMAN_a8b8g8r8:
		return DRM_FORMAT_ABGR8888;
	case PIXMAN_r5g6b5:
		return DRM_FORMAT_RGB565;
	default:
		return 0;
	}
}

static bool size_is_sane(uint32_t width, uint32_t height)
{
	return width > 0 && height > 0 && width <= FRAME_SIDE_MAX && height <= FRAME_SIDE_MAX;
}

/* The mapping of this memory, from the cache or new; the cache keeps the lock. */
static int listener_map(struct dbus_listener *listener, int fd, size_t end, struct shm_map **out)
{
	struct shm_map *map = NULL;
	size_t i;
	int r;

	for (i = 0; i < MAP_CACHE_SIZE - 1; i++) {
		if (listener->maps[i] && shm_map_is(listener->maps[i], fd, end)) {
			map = listener->maps[i];
			break;
		}
	}
	if (!map) {
		r = shm_map_create(fd, end, &map);
		if (r < 0) {
			return r;
		}
		shm_map_unlock(listener->maps[i]);
	}
	memmove(&listener->maps[1], &listener->maps[0], i * sizeof(listener->maps[0]));
	listener->maps[0] = map;
	*out = map;
	return 0;
}

static int listener_show_map(struct dbus_listener *listener, int fd, uint32_t offset,
			     uint32_t width, uint32_t height, uint32_t stride, uint32_t fourcc)
{
	uint64_t row = (uint64_t)width * frame_format_bytes(fourcc);
	uint64_t end = offset + (uint64_t)stride * (height - 1) + row;
	struct shm_frame *frame;
	struct shm_map *map;
	int r;

	/* QEMU's own pictures are pixman's, whose rows begin on 32 bits. */
	if (stride < row || stride > STRIDE_MAX || stride % 4 || offset % 4 || end > SHM_MAP_MAX) {
		return -ERANGE;
	}
	r = listener_map(listener, fd, (size_t)end, &map);
	if (r < 0) {
		return r;
	}
	frame = calloc(1, sizeof(*frame));
	if (!frame) {
		return -ENOMEM;
	}
	frame->base = (struct frame){
		.kind = FRAME_SHM,
		.width = width,
		.height = height,
		.fourcc = fourcc,
		.stride = stride,
		.pixels = map->address + offset,
		.locks = 1,
		.release = shm_frame_release,
	};
	frame->map = shm_map_lock(map);
	listener->handlers->frame(&frame->base, listener->data);
	return 0;
}

static int handle_scanout_map(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct dbus_listener *listener = data;
	uint32_t offset, width, height, stride, format, fourcc;
	int fd, r;

	r = sd_bus_message_read(m, "huuuuu", &fd, &offset, &width, &height, &stride, &format);
	if (r < 0) {
		return violation(listener, "unreadable ScanoutMap");
	}
	fourcc = fourcc_of_pixman(format);
	if (!size_is_sane(width, height)) {
		return violation(listener, "a picture of absurd size");
	}
	/* Refused, QEMU sends bytes instead: a format we do not read, or (QEMU 10.0 with blob
	 * resources) a descriptor that is no memory at all. */
	if (!fourcc) {
		return sd_bus_reply_method_errno(m, -EOPNOTSUPP, error);
	}
	r = listener_show_map(listener, fd, offset, width, height, stride, fourcc);
	if (r == -ERANGE) {
		return violation(listener, "a picture outside of its memory");
	}
	if (r < 0) {
		return sd_bus_reply_method_errno(m, r, error);
	}
	note_picture(listener);
	return sd_bus_reply_method_return(m, NULL);
}

static int read_box(sd_bus_message *m, pixman_box32_t *box)
{
	int32_t x, y, width, height;
	int r = sd_bus_message_read(m, "iiii", &x, &y, &width, &height);

	if (r < 0) {
		return r;
	}
	if (width < 0 || height < 0 || x > INT32_MAX - width || y > INT32_MAX - height) {
		return -ERANGE;
	}
	*box = (pixman_box32_t){ .x1 = x, .y1 = y, .x2 = x + width, .y2 = y + height };
	return 0;
}

static int handle_update_map(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct dbus_listener *listener = data;
	pixman_box32_t box;

	(void)error;
	if (read_box(m, &box) < 0) {
		return violation(listener, "an absurd update");
	}
	vm_note_alive(listener->vm);
	listener->handlers->damage(&box, listener->data);
	return 1;
}

/* ---- bytes in the message ---- */

/* What a guest may send as bytes; converted on arrival, so more than in shared memory. */
static bool byte_format_is_known(uint32_t format)
{
	return fourcc_of_pixman(format) || format == PIXMAN_r8g8b8 || format == PIXMAN_b8g8r8 ||
	       format == PIXMAN_x1r5g5b5 || format == PIXMAN_b8g8r8x8 || format == PIXMAN_b8g8r8a8;
}

/* Hands on the rest of a message, "uuay": stride, format, bytes of a box. */
static int read_pixels(struct dbus_listener *listener, sd_bus_message *m, uint32_t stride,
		       uint32_t format, const pixman_box32_t *box, bool whole)
{
	uint64_t width = (uint64_t)(box->x2 - box->x1), height = (uint64_t)(box->y2 - box->y1);
	pixman_image_t *image;
	const void *bytes;
	uint64_t row;
	size_t size;

	if (sd_bus_message_read_array(m, 'y', &bytes, &size) < 0) {
		return violation(listener, "unreadable pixels");
	}
	if (!byte_format_is_known(format)) {
		return violation(listener, "pixels of an unknown format");
	}
	row = width * PIXMAN_FORMAT_BPP(format) / 8;
	if (stride < row || stride % 4 || stride > STRIDE_MAX || (uint64_t)stride * (height - 1) + row > size) {
		return violation(listener, "fewer pixels than announced");
	}
	/* Read only: pixman does not write to the source of a composite. */
	image = pixman_image_create_bits_no_clear((pixman_format_code_t)format, (int)width,
						  (int)height, (uint32_t *)bytes, (int)stride);
	if (!image) {
		return -ENOMEM;
	}
	listener->handlers->pixels(whole, box, image, listener->data);
	pixman_image_unref(image);
	return 1;
}

static int handle_scanout(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct dbus_listener *listener = data;
	uint32_t width, height, stride, format;
	pixman_box32_t box = { 0 };

	(void)error;
	if (sd_bus_message_read(m, "uuuu", &width, &height, &stride, &format) < 0) {
		return violation(listener, "unreadable Scanout");
	}
	if (!size_is_sane(width, height)) {
		return violation(listener, "a picture of absurd size");
	}
	note_picture(listener);
	box.x2 = (int32_t)width;
	box.y2 = (int32_t)height;
	return read_pixels(listener, m, stride, format, &box, true);
}

static int handle_update(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct dbus_listener *listener = data;
	uint32_t stride, format;
	pixman_box32_t box;

	(void)error;
	if (read_box(m, &box) < 0 || sd_bus_message_read(m, "uu", &stride, &format) < 0 ||
	    !size_is_sane((uint32_t)(box.x2 - box.x1), (uint32_t)(box.y2 - box.y1))) {
		return violation(listener, "an absurd update");
	}
	vm_note_alive(listener->vm);
	return read_pixels(listener, m, stride, format, &box, false);
}

/* ---- the rest of the protocol ---- */

static int handle_disable(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct dbus_listener *listener = data;

	(void)m, (void)error;
	note_picture(listener);
	listener->handlers->disabled(listener->data);
	return 1;
}

static int handle_mouse_set(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct dbus_listener *listener = data;
	int32_t x, y, on;

	(void)error;
	if (sd_bus_message_read(m, "iii", &x, &y, &on) < 0) {
		return violation(listener, "unreadable MouseSet");
	}
	listener->handlers->cursor_moved(x, y, on != 0, listener->data);
	return 1;
}

static int handle_cursor_define(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct dbus_listener *listener = data;
	int32_t width, height, hot_x, hot_y;
	struct cursor_image *image;
	const void *bytes;
	size_t size;

	(void)error;
	if (sd_bus_message_read(m, "iiii", &width, &height, &hot_x, &hot_y) < 0 ||
	    sd_bus_message_read_array(m, 'y', &bytes, &size) < 0) {
		return violation(listener, "unreadable CursorDefine");
	}
	if (width < 1 || height < 1 || width > CURSOR_SIDE_MAX || height > CURSOR_SIDE_MAX ||
	    size != (size_t)width * (size_t)height * 4) {
		return violation(listener, "a pointer image of absurd size");
	}
	image = cursor_image_create((uint32_t)width, (uint32_t)height);
	if (!image) {
		return -ENOMEM;
	}
	memcpy(image->pixels, bytes, size);
	image->hot_x = hot_x < 0 ? 0 : hot_x >= width ? width - 1 : hot_x;
	image->hot_y = hot_y < 0 ? 0 : hot_y >= height ? height - 1 : hot_y;
	listener->handlers->cursor(image, image->hot_x, image->hot_y, listener->data);
	return 1;
}

/* A dma-buf needs gl=on, which this seat never asks for. */
static int handle_dmabuf(sd_bus_message *m, void *data, sd_bus_error *error)
{
	(void)m, (void)error;
	return violation(data, "a dma-buf that nobody asked for");
}

static int get_interfaces(sd_bus *bus, const char *path, const char *interface,
			  const char *property, sd_bus_message *reply, void *data,
			  sd_bus_error *error)
{
	(void)bus, (void)path, (void)interface, (void)property, (void)data, (void)error;
	return sd_bus_message_append(reply, "as", 1, "org.qemu.Display1.Listener.Unix.Map");
}

#define METHOD(name, signature, handler)                                                           \
	SD_BUS_METHOD(name, signature, "", handler, SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable listener_vtable[] = {
	SD_BUS_VTABLE_START(0),
	METHOD("Scanout", "uuuuay", handle_scanout),
	METHOD("Update", "iiiiuuay", handle_update),
	METHOD("ScanoutDMABUF", "huuuutb", handle_dmabuf),
	METHOD("UpdateDMABUF", "iiii", handle_dmabuf),
	METHOD("Disable", "", handle_disable),
	METHOD("MouseSet", "iii", handle_mouse_set),
	METHOD("CursorDefine", "iiiiay", handle_cursor_define),
	SD_BUS_PROPERTY("Interfaces", "as", get_interfaces, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable map_vtable[] = {
	SD_BUS_VTABLE_START(0),
	METHOD("ScanoutMap", "huuuuu", handle_scanout_map),
	METHOD("UpdateMap", "iiii", handle_update_map),
	SD_BUS_VTABLE_END,
};

static void handle_closed(void *data, int error)
{
	if (error == -ENOBUFS) {
		violation(data, "it asks and does not read the answers");
		return;
	}
	listener_end(data, error, NULL);
}

static int handle_patience(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source, (void)usec;
	listener_end(data, -ETIME, NULL);
	return 0;
}

static int handle_registered(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct dbus_listener *listener = data;

	(void)error;
	if (sd_bus_message_is_method_error(m, NULL)) {
		log_warning("%s: its display cannot be watched: %s", vm_name(listener->vm),
			    sd_bus_message_get_error(m)->message);
		listener_end(listener, -sd_bus_message_get_errno(m), NULL);
		return 1;
	}
	/* Only now: a guest that is merely slow to answer is not asked twice. */
	if (!listener->pictured) {
		return sd_event_add_time_relative(listener->event, &listener->patience,
						  CLOCK_MONOTONIC, DBUS_LISTENER_PATIENCE_USEC, 0,
						  handle_patience, listener);
	}
	return 1;
}

/* Our end must serve the object before QEMU's first question arrives on it. */
static int listener_open(struct dbus_listener *listener, sd_event *event, int fd)
{
	int r = sd_bus_new(&listener->bus);

	if (r >= 0) {
		r = sd_bus_set_fd(listener->bus, fd, fd);
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	r = sd_bus_negotiate_fds(listener->bus, 1);
	if (r >= 0) {
		r = sd_bus_add_object_vtable(listener->bus, NULL, LISTENER_PATH,
					     "org.qemu.Display1.Listener", listener_vtable,
					     listener);
	}
	if (r >= 0) {
		r = sd_bus_add_object_vtable(listener->bus, NULL, LISTENER_PATH,
					     "org.qemu.Display1.Listener.Unix.Map", map_vtable,
					     listener);
	}
	if (r >= 0) {
		r = sd_bus_start(listener->bus);
	}
	if (r >= 0) {
		r = bus_pump_create(listener->bus, event, DBUS_LISTENER_PRIORITY, handle_closed,
				    listener, &listener->pump);
	}
	return r;
}

static int listener_register(struct dbus_listener *listener, int fd)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	int r;

	r = sd_bus_message_new_method_call(vm_peer(listener->vm), &call, NULL,
					   "/org/qemu/Display1/Console_0",
					   "org.qemu.Display1.Console", "RegisterListener");
	if (r >= 0) {
		r = sd_bus_message_append(call, "h", fd);
	}
	if (r < 0) {
		return r;
	}
	return vm_peer_call(listener->vm, call, handle_registered, listener,
			    &listener->registration);
}

DEFINE_CLEANUP(struct dbus_listener *, dbus_listener_destroy)

int dbus_listener_create(sd_event *event, struct vm *vm,
			 const struct dbus_listener_handlers *handlers, void *data,
			 struct dbus_listener **out)
{
	_cleanup_(dbus_listener_destroy_ptr) struct dbus_listener *listener = NULL;
	_cleanup_close_ int theirs = -1;
	int sockets[2], r;

	if (!vm_peer(vm)) {
		return -ENOTCONN;
	}
	listener = calloc(1, sizeof(*listener));
	if (!listener) {
		return -ENOMEM;
	}
	listener->event = sd_event_ref(event);
	listener->vm = vm;
	listener->handlers = handlers;
	listener->data = data;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) < 0) {
		return -errno;
	}
	theirs = sockets[1];
	r = listener_open(listener, event, sockets[0]);
	if (r >= 0) {
		r = listener_register(listener, theirs);
	}
	if (r < 0) {
		return r;
	}
	*out = take_ptr(listener);
	return 0;
}

/* What comes on the socket from now on is nobody's; its end in QEMU is waited for. */
static void listener_see_off(struct dbus_listener *listener)
{
	int fd = listener->pump ? sd_bus_get_fd(listener->bus) : -1;

	if (fd >= 0) {
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	}
	if (fd >= 0) {
		vm_see_off(listener->vm, fd);
	}
}

void dbus_listener_destroy(struct dbus_listener *listener)
{
	if (!listener) {
		return;
	}
	listener->ending = true;
	listener_see_off(listener);
	sd_bus_slot_unref(listener->registration);
	sd_event_source_disable_unref(listener->patience);
	bus_pump_destroy(listener->pump);
	sd_bus_unref(listener->bus);
	sd_event_unref(listener->event);
	for (size_t i = 0; i < MAP_CACHE_SIZE; i++) {
		shm_map_unlock(listener->maps[i]);
	}
	free(listener);
}
