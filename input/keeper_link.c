// SPDX-License-Identifier: MIT
/* The connection to baton-input; see keeper_link.h. */
#include "input/keeper_link.h"

#include <errno.h>
#include <linux/input.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/log.h"

/* In one turn; it says little. */
#define PACKETS_MAX 32

struct keeper_link {
	sd_event *event;
	struct vm *vm;
	struct vm_observer observer;
	keeper_link_changed_fn changed;
	void *data;
	int fd; /* -1: not connected */
	sd_event_source *io;
	bool greeted; /* it speaks our protocol */
	enum input_device_state states[INPUT_KINDS];
	uint32_t leds, lost;
	/* Its socket is full: */
	bool full;
	uint32_t release;        /* to be released when it is not any more */
	int32_t motion[REL_CNT]; /* of the pointer, to be told then */
};

/* ---- the connection ---- */

static void link_close(struct keeper_link *link)
{
	link->io = sd_event_source_disable_unref(link->io);
	close_fd_ptr(&link->fd);
	link->fd = -1;
	link->greeted = link->full = false;
	link->leds = link->release = 0;
	memset(link->states, 0, sizeof(link->states));
	memset(link->motion, 0, sizeof(link->motion));
}

static void link_lose(struct keeper_link *link, const char *why)
{
	if (why) {
		log_warning("%s: %s; its keyboard and pointer are the emulated ones now",
			    vm_name(link->vm), why);
	}
	link_close(link);
	link->changed(link->data);
}

/* ---- packets in ---- */

static int take_packet(struct keeper_link *link, const struct input_packet *packet)
{
	if (packet->type == INPUT_HELLO) {
		link->greeted = packet->value == INPUT_PROTOCOL;
		return link->greeted ? 0 : -EPROTONOSUPPORT;
	}
	if (!link->greeted || packet->kind >= INPUT_KINDS) {
		return -EPROTO;
	}
	if (packet->type == INPUT_STATE && packet->value <= INPUT_DEVICE_STALLED) {
		link->states[packet->kind] = (enum input_device_state)packet->value;
		return 0;
	}
	if (packet->type == INPUT_DROPPED) {
		link->lost += packet->value;
		return 0;
	}
	if (packet->type == INPUT_LEDS) {
		link->leds = packet->value;
		return 0;
	}
	return -EPROTO;
}

static void refuse(struct keeper_link *link, int error)
{
	link_lose(link, error == -EPROTONOSUPPORT
				? "its baton-input is of another version of Baton; start the guest "
				  "anew"
				: "its baton-input sent what makes no sense");
}

/* False: the link is lost. */
static bool receive(struct keeper_link *link)
{
	struct input_packet packet;
	int r;

	for (int i = 0; i < PACKETS_MAX; i++) {
		ssize_t n = recv(link->fd, &packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			break;
		}
		if (n <= 0) {
			link_lose(link, NULL);
			return false;
		}
		r = n == sizeof(packet) ? take_packet(link, &packet) : -EPROTO;
		if (r < 0) {
			refuse(link, r);
			return false;
		}
	}
	link->changed(link->data);
	return true;
}

/* ---- packets out ---- */

struct events_packet {
	struct input_packet head;
	struct input_wire_event events[INPUT_EVENTS_MAX];
};
_Static_assert(sizeof(struct events_packet) ==
		       sizeof(struct input_packet) +
			       INPUT_EVENTS_MAX * sizeof(struct input_wire_event),
	       "the events follow the head");

static int link_write(struct keeper_link *link, const void *packet, size_t size)
{
	if (send(link->fd, packet, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size) {
		return 0;
	}
	/* Its end is seen when it is read. */
	return -EAGAIN;
}

static int write_release(struct keeper_link *link, uint32_t kinds)
{
	const struct input_packet packet = { .type = INPUT_RELEASE, .value = kinds };

	return link_write(link, &packet, sizeof(packet));
}

static int write_events(struct keeper_link *link, enum input_kind kind,
			const struct input_wire_event *events, size_t n)
{
	struct events_packet packet = {
		.head = { .type = INPUT_EVENTS, .kind = (uint16_t)kind, .value = (uint32_t)n + 1 },
	};

	memcpy(packet.events, events, n * sizeof(*events));
	packet.events[n] = (struct input_wire_event){ EV_SYN, SYN_REPORT, 0 };
	return link_write(link, &packet,
			  sizeof(packet.head) + (n + 1) * sizeof(packet.events[0]));
}

static void set_full(struct keeper_link *link, bool full)
{
	if (link->full != full) {
		link->full = full;
		sd_event_source_set_io_events(link->io, full ? EPOLLIN | EPOLLOUT : EPOLLIN);
		link->changed(link->data);
	}
}

static int32_t add_clamped(int32_t a, int32_t b)
{
	int32_t sum;

	return __builtin_add_overflow(a, b, &sum) ? a : sum;
}

/* What is not lost although it cannot be told now. */
static void put_off(struct keeper_link *link, enum input_kind kind,
		    const struct input_wire_event *events, size_t n)
{
	link->release |= 1u << kind;
	for (size_t i = 0; kind == INPUT_KIND_POINTER && i < n; i++) {
		if (events[i].type == EV_REL && events[i].code < REL_CNT) {
			link->motion[events[i].code] =
				add_clamped(link->motion[events[i].code], events[i].value);
		}
	}
	set_full(link, true);
}

static int write_motion(struct keeper_link *link)
{
	struct input_wire_event events[REL_CNT];
	size_t n = 0;
	int r;

	for (uint16_t code = 0; code < REL_CNT; code++) {
		if (link->motion[code]) {
			events[n++] = (struct input_wire_event){ EV_REL, code, link->motion[code] };
		}
	}
	r = n > 0 ? write_events(link, INPUT_KIND_POINTER, events, n) : 0;
	if (r >= 0) {
		memset(link->motion, 0, sizeof(link->motion));
	}
	return r;
}

static void catch_up(struct keeper_link *link)
{
	if (write_motion(link) >= 0 && write_release(link, link->release) >= 0) {
		link->release = 0;
		set_full(link, false);
	}
}

int keeper_link_send(struct keeper_link *link, enum input_kind kind,
		     const struct input_wire_event *events, size_t n)
{
	int r;

	if (link->states[kind] != INPUT_DEVICE_READY || n >= INPUT_EVENTS_MAX) {
		return -EAGAIN;
	}
	r = link->full ? -EAGAIN : write_events(link, kind, events, n);
	if (r < 0) {
		put_off(link, kind, events, n);
	}
	return r;
}

void keeper_link_release(struct keeper_link *link, uint32_t kinds)
{
	if (!link->greeted) {
		return;
	}
	if (link->full || write_release(link, kinds) < 0) {
		link->release |= kinds;
		set_full(link, true);
	}
}

/* ---- life ---- */

static int handle_io(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct keeper_link *link = data;

	if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR) && !receive(link)) {
		return 0;
	}
	if (revents & EPOLLOUT && link->full) {
		catch_up(link);
	}
	return 0;
}

/* A QEMU without such devices has nobody there; that is no mistake. */
static void link_open(struct keeper_link *link)
{
	if (link->fd >= 0) {
		return;
	}
	link->fd = vm_connect_input(link->vm);
	if (link->fd < 0) {
		link->fd = -1;
		return;
	}
	if (sd_event_add_io(link->event, &link->io, link->fd, EPOLLIN, handle_io, link) < 0) {
		link_close(link);
	}
}

static void handle_control_up(struct vm *vm, void *data)
{
	link_open(data);
}

static const struct vm_observer_ops observer_ops = { .control_up = handle_control_up };

enum input_device_state keeper_link_state(const struct keeper_link *link, enum input_kind kind)
{
	return link->states[kind];
}

bool keeper_link_ready(const struct keeper_link *link, enum input_kind kind)
{
	return link->states[kind] >= INPUT_DEVICE_READY;
}

uint32_t keeper_link_leds(const struct keeper_link *link)
{
	return link->leds;
}

uint32_t keeper_link_take_lost(struct keeper_link *link)
{
	uint32_t lost = link->lost;

	link->lost = 0;
	return lost;
}

bool keeper_link_dropping(const struct keeper_link *link)
{
	bool stalled = link->full;

	for (int i = 0; i < INPUT_KINDS; i++) {
		stalled |= link->states[i] == INPUT_DEVICE_STALLED;
	}
	return stalled;
}

void keeper_link_destroy(struct keeper_link *link)
{
	if (!link) {
		return;
	}
	vm_remove_observer(&link->observer);
	link_close(link);
	sd_event_unref(link->event);
	free(link);
}

int keeper_link_create(sd_event *event, struct vm *vm, keeper_link_changed_fn changed, void *data,
		       struct keeper_link **out)
{
	struct keeper_link *link = calloc(1, sizeof(*link));

	if (!link) {
		return -ENOMEM;
	}
	link->event = sd_event_ref(event);
	link->vm = vm;
	link->changed = changed;
	link->data = data;
	link->fd = -1;
	link->observer.ops = &observer_ops;
	link->observer.data = link;
	vm_add_observer(vm, &link->observer);
	if (vm_commandable(vm)) {
		link_open(link);
	}
	*out = link;
	return 0;
}
