// SPDX-License-Identifier: MIT
/* The loop between QEMU and the seat; see keeper.h. */
#include "input/keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <linux/virtio_input.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"

_Static_assert(sizeof(struct input_wire_event) == sizeof(struct virtio_input_event),
	       "events go through as they are");

#define POLLS_MAX (2 + INPUT_KINDS * (1 + VHOST_QUEUES))
/* Events that the guest may have and not have read. Its ring has 4 to 64 places; but what is in it
 * cannot be taken back, and comes as a burst when a guest that stood still goes on. */
#define WINDOW 8
/* Packets of the seat in one turn: QEMU waits for us, too. */
#define PACKETS_MAX 64

/* ---- to the seat ---- */

static void drop_seat(struct keeper *keeper, const char *why)
{
	uint64_t now = clock_now_ns();

	if (keeper->seat < 0) {
		return;
	}
	if (why) {
		log_warning("The seat's connection is ended: %s", why);
	}
	close_fd_ptr(&keeper->seat);
	keeper->seat = -1;
	for (int i = 0; i < INPUT_KINDS; i++) {
		guest_queue_release(&keeper->devices[i].queue, now);
	}
}

static void tell_seat(struct keeper *keeper, enum input_packet_type type, int kind, uint32_t value)
{
	struct input_packet packet = { .type = (uint16_t)type, .kind = (uint16_t)kind,
				       .value = value };

	if (keeper->seat >= 0 && send(keeper->seat, &packet, sizeof(packet),
				      MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(packet)) {
		drop_seat(keeper, "it does not read");
	}
}

static enum input_device_state state_of(const struct keeper_device *device)
{
	if (!device->present) {
		return INPUT_DEVICE_ABSENT;
	}
	if (!vring_queue_runs(&device->vhost.rings[VHOST_QUEUE_EVENTS])) {
		return INPUT_DEVICE_IDLE;
	}
	return device->queue.stalled ? INPUT_DEVICE_STALLED : INPUT_DEVICE_READY;
}

static void tell_state(struct keeper *keeper, int kind)
{
	struct keeper_device *device = &keeper->devices[kind];
	enum input_device_state state = state_of(device);

	if (device->queue.lost) {
		tell_seat(keeper, INPUT_DROPPED, kind, device->queue.lost);
		device->queue.lost = 0;
	}
	if (state != device->told) {
		if (state <= INPUT_DEVICE_IDLE) {
			guest_queue_reset(&device->queue);
		}
		device->told = state;
		tell_seat(keeper, INPUT_STATE, kind, state);
	}
}

/* ---- to the guest ---- */

/* Gives the guest what it has room for. 1: it got something. */
static int fill(struct keeper_device *device, uint64_t now_ns)
{
	struct vring_queue *ring = &device->vhost.rings[VHOST_QUEUE_EVENTS];
	const struct input_wire_event *event;
	uint16_t head;
	void *data;
	int some = 0;

	if (device->queue.stalled && vring_queue_has_room(ring, WINDOW)) {
		guest_queue_wake(&device->queue);
	}
	while ((event = guest_queue_peek(&device->queue)) && vring_queue_has_room(ring, WINDOW) &&
	       vring_queue_pop(ring, &device->vhost.memory, true, sizeof(*event), &head, &data) >
		       0) {
		memcpy(data, event, sizeof(*event));
		vring_queue_push(ring, head, sizeof(*event));
		guest_queue_take(&device->queue, now_ns);
		some = 1;
	}
	return some;
}

static void flush(struct keeper *keeper, int kind, uint64_t now_ns)
{
	struct keeper_device *device = &keeper->devices[kind];
	struct vring_queue *ring = &device->vhost.rings[VHOST_QUEUE_EVENTS];
	bool waits;

	do {
		int some = fill(device, now_ns);

		/* A kick costs the guest an exit: only when something waits for it. */
		waits = guest_queue_peek(&device->queue) || device->queue.stalled;
		vring_queue_want_kicks(ring, waits);
		if (some) {
			vring_queue_notify(ring);
		}
	} while (waits && vring_queue_has_room(ring, WINDOW));
	tell_state(keeper, kind);
}

/* ---- from the guest ---- */

static void handle_led(struct keeper *keeper, const struct input_wire_event *event)
{
	uint32_t bit = event->code < 32 ? 1u << event->code : 0, leds;

	if (event->type != EV_LED) {
		return;
	}
	leds = event->value ? keeper->leds | bit : keeper->leds & ~bit;
	if (leds != keeper->leds) {
		keeper->leds = leds;
		tell_seat(keeper, INPUT_LEDS, INPUT_KIND_KEYBOARD, leds);
	}
}

/* At most a ring of them: a guest that never stops has to wait for its turn. */
static void read_status(struct keeper *keeper, struct keeper_device *device)
{
	struct vring_queue *ring = &device->vhost.rings[VHOST_QUEUE_STATUS];
	struct input_wire_event event;
	unsigned int n = 0;
	uint16_t head;
	void *data;

	while (n < ring->size && vring_queue_pop(ring, &device->vhost.memory, false, sizeof(event),
						 &head, &data) > 0) {
		memcpy(&event, data, sizeof(event));
		vring_queue_push(ring, head, 0);
		if (device->vhost.kind == INPUT_KIND_KEYBOARD) {
			handle_led(keeper, &event);
		}
		n++;
	}
	if (n > 0) {
		vring_queue_notify(ring);
	}
}

static void read_kick(struct vring_queue *ring)
{
	uint64_t count;

	if (ring->kick_fd >= 0 && read(ring->kick_fd, &count, sizeof(count)) < 0 &&
	    errno != EAGAIN) {
		ring->broken = true;
	}
}

/* ---- from QEMU ---- */

static void drop_device(struct keeper *keeper, int kind, int error)
{
	struct keeper_device *device = &keeper->devices[kind];

	if (error != -ENOTCONN && error != -ECONNRESET) {
		log_warning("Device %d is lost to the guest: QEMU broke the protocol (%s)", kind,
			    strerror(-error));
	}
	vhost_finish(&device->vhost);
	device->present = false;
	tell_state(keeper, kind);
}

static void serve_qemu(struct keeper *keeper, int kind)
{
	struct keeper_device *device = &keeper->devices[kind];
	int r = vhost_receive(&device->vhost);

	if (r < 0) {
		drop_device(keeper, kind, r);
		return;
	}
	/* The ring may have begun, with buffers in it and no kick to come. */
	read_status(keeper, device);
	flush(keeper, kind, clock_now_ns());
}

static void serve_ring(struct keeper *keeper, int kind, int index)
{
	struct keeper_device *device = &keeper->devices[kind];

	read_kick(&device->vhost.rings[index]);
	if (index == VHOST_QUEUE_STATUS) {
		read_status(keeper, device);
	} else {
		flush(keeper, kind, clock_now_ns());
	}
}

/* ---- from the seat ---- */

static int take_events(struct keeper *keeper, const struct input_packet *packet, size_t size)
{
	uint64_t now = clock_now_ns();
	struct keeper_device *device;
	int r;

	if (packet->kind >= INPUT_KINDS || packet->value > INPUT_EVENTS_MAX ||
	    size != sizeof(*packet) + packet->value * sizeof(packet->events[0])) {
		return -EPROTO;
	}
	device = &keeper->devices[packet->kind];
	if (state_of(device) <= INPUT_DEVICE_IDLE) {
		return 0; /* it has just ended, and the seat does not know yet */
	}
	r = guest_queue_add(&device->queue, packet->events, packet->value, now);
	flush(keeper, packet->kind, now);
	return r;
}

static void take_release(struct keeper *keeper, uint32_t kinds)
{
	uint64_t now = clock_now_ns();

	for (int i = 0; i < INPUT_KINDS; i++) {
		if (kinds >> i & 1) {
			guest_queue_release(&keeper->devices[i].queue, now);
			flush(keeper, i, now);
		}
	}
}

static int take_packet(struct keeper *keeper, const struct input_packet *packet, size_t size)
{
	if (size < sizeof(*packet)) {
		return -EPROTO;
	}
	switch (packet->type) {
	case INPUT_EVENTS:
		return take_events(keeper, packet, size);
	case INPUT_RELEASE:
		take_release(keeper, packet->value);
		return 0;
	default:
		return -EPROTO;
	}
}

static void serve_seat(struct keeper *keeper)
{
	_Alignas(8) char buffer[sizeof(struct input_packet) +
				INPUT_EVENTS_MAX * sizeof(struct input_wire_event) + 1];

	for (int i = 0; i < PACKETS_MAX && keeper->seat >= 0; i++) {
		ssize_t n = recv(keeper->seat, buffer, sizeof(buffer), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			return;
		}
		if (n <= 0) {
			drop_seat(keeper, NULL);
		} else if (take_packet(keeper, (const struct input_packet *)buffer, (size_t)n) < 0) {
			drop_seat(keeper, "it sent what makes no sense");
		}
	}
}

static void accept_seat(struct keeper *keeper)
{
	int fd = accept4(keeper->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		return;
	}
	drop_seat(keeper, keeper->seat >= 0 ? "another one came" : NULL);
	keeper->seat = fd;
	tell_seat(keeper, INPUT_HELLO, 0, INPUT_PROTOCOL);
	tell_seat(keeper, INPUT_LEDS, INPUT_KIND_KEYBOARD, keeper->leds);
	for (int i = 0; i < INPUT_KINDS; i++) {
		tell_seat(keeper, INPUT_STATE, i, state_of(&keeper->devices[i]));
	}
}

/* ---- life ---- */

void keeper_init(struct keeper *keeper, int listener)
{
	*keeper = (struct keeper){ .listener = listener, .seat = -1 };
	for (int i = 0; i < INPUT_KINDS; i++) {
		vhost_init(&keeper->devices[i].vhost, -1, (enum input_kind)i);
		guest_queue_init(&keeper->devices[i].queue, (enum input_kind)i);
	}
}

void keeper_finish(struct keeper *keeper)
{
	for (int i = 0; i < INPUT_KINDS; i++) {
		vhost_finish(&keeper->devices[i].vhost);
	}
	close_fd_ptr(&keeper->seat);
	close_fd_ptr(&keeper->listener);
	keeper->seat = keeper->listener = -1;
}

int keeper_add(struct keeper *keeper, enum input_kind kind, int fd)
{
	struct keeper_device *device = &keeper->devices[kind];

	if (device->present || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		int error = device->present ? EEXIST : errno;

		close(fd);
		return -error;
	}
	vhost_init(&device->vhost, fd, kind);
	device->present = true;
	device->told = INPUT_DEVICE_IDLE;
	return 0;
}

struct watch {
	struct pollfd polls[POLLS_MAX];
	size_t n;
	/* Whose: a kind, and QEMU (-1) or a ring of it. */
	struct {
		int kind, ring;
	} owners[POLLS_MAX];
};

static void watch_add(struct watch *watch, int fd, int kind, int ring)
{
	if (fd >= 0) {
		watch->owners[watch->n].kind = kind;
		watch->owners[watch->n].ring = ring;
		watch->polls[watch->n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
}

static void watch_devices(const struct keeper *keeper, struct watch *watch)
{
	for (int kind = 0; kind < INPUT_KINDS; kind++) {
		const struct vhost *vhost = &keeper->devices[kind].vhost;

		if (!keeper->devices[kind].present) {
			continue;
		}
		watch_add(watch, vhost->fd, kind, -1);
		for (int i = 0; i < VHOST_QUEUES; i++) {
			watch_add(watch, vring_queue_runs(&vhost->rings[i])
						 ? vhost->rings[i].kick_fd
						 : -1, kind, i);
		}
	}
}

/* Kicks first: they cost the guest time. A device may end meanwhile, and then has no ring. */
static void serve(struct keeper *keeper, const struct watch *watch)
{
	for (size_t i = 0; i < watch->n; i++) {
		int kind = watch->owners[i].kind, ring = watch->owners[i].ring;

		if (!watch->polls[i].revents) {
			continue;
		}
		if (watch->polls[i].fd == keeper->listener) {
			accept_seat(keeper);
		} else if (kind < 0) {
			serve_seat(keeper);
		} else if (!keeper->devices[kind].present) {
			continue;
		} else if (ring < 0) {
			serve_qemu(keeper, kind);
		} else {
			serve_ring(keeper, kind, ring);
		}
	}
}

static bool has_devices(const struct keeper *keeper)
{
	for (int i = 0; i < INPUT_KINDS; i++) {
		if (keeper->devices[i].present) {
			return true;
		}
	}
	return false;
}

static int handle_deadlines(struct keeper *keeper, int timeout_ms)
{
	uint64_t now = clock_now_ns(), next = UINT64_MAX;

	for (int i = 0; i < INPUT_KINDS; i++) {
		uint64_t deadline;

		guest_queue_elapsed(&keeper->devices[i].queue, now);
		flush(keeper, i, now);
		deadline = guest_queue_deadline(&keeper->devices[i].queue);
		next = deadline < next ? deadline : next;
	}
	if (next == UINT64_MAX) {
		return timeout_ms;
	}
	next = (next - now) / NSEC_PER_MSEC + 1;
	return timeout_ms < 0 || next < (uint64_t)timeout_ms ? (int)next : timeout_ms;
}

int keeper_turn(struct keeper *keeper, int timeout_ms)
{
	struct watch watch = { .n = 0 };

	if (!has_devices(keeper)) {
		return -ENOTCONN;
	}
	timeout_ms = handle_deadlines(keeper, timeout_ms);
	watch_devices(keeper, &watch);
	watch_add(&watch, keeper->listener, -1, 0);
	watch_add(&watch, keeper->seat, -1, 0);
	if (poll(watch.polls, watch.n, timeout_ms) < 0) {
		return errno == EINTR ? 0 : -errno;
	}
	serve(keeper, &watch);
	return 0;
}

int keeper_run(struct keeper *keeper)
{
	int r;

	do {
		r = keeper_turn(keeper, -1);
	} while (r >= 0);
	return r == -ENOTCONN ? 0 : r;
}
