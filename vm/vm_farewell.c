// SPDX-License-Identifier: MIT
/*
 * Keys and the ends of listeners, one after the other; vm.h says why: keys that are under way, and
 * sockets that we have closed on our side and QEMU not yet on its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "vm/vm_private.h"

struct farewell {
	struct list link; /* vm::farewells */
	struct vm *vm;
	int fd;
	sd_event_source *closed, *late;
};

static void farewell_destroy(struct farewell *farewell)
{
	list_remove(&farewell->link);
	sd_event_source_disable_unref(farewell->closed);
	sd_event_source_disable_unref(farewell->late);
	close(farewell->fd);
	free(farewell);
}

static void farewell_end(struct farewell *farewell)
{
	struct vm *vm = farewell->vm;
	struct vm_observer *observer, *next;

	farewell_destroy(farewell);
	if (!list_empty(&vm->farewells)) {
		return;
	}
	list_for_each_safe(observer, next, &vm->observers, link) {
		if (observer->ops->lifted) {
			observer->ops->lifted(vm, observer->data);
		}
	}
}

static int handle_closed(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	farewell_end(data);
	return 0;
}

static int handle_late(sd_event_source *source, uint64_t usec, void *data)
{
	farewell_end(data);
	return 0;
}

static int farewell_watch(struct farewell *farewell)
{
	sd_event *event = farewell->vm->event;
	/* No events asked for: a hang-up is told always, and data that still comes is nobody's. */
	int r = sd_event_add_io(event, &farewell->closed, farewell->fd, 0, handle_closed, farewell);

	if (r >= 0) {
		r = sd_event_add_time_relative(event, &farewell->late, CLOCK_MONOTONIC,
					       VM_FAREWELL_USEC, 0, handle_late, farewell);
	}
	return r;
}

void vm_see_off(struct vm *vm, int fd)
{
	struct farewell *farewell = calloc(1, sizeof(*farewell));
	int r;

	if (!farewell) {
		close(fd);
		return;
	}
	farewell->vm = vm;
	farewell->fd = fd;
	list_append(&vm->farewells, &farewell->link);
	r = farewell_watch(farewell);
	/* QEMU must see our end, or nobody would ever hear of its own. */
	if (r < 0 || shutdown(fd, SHUT_WR) < 0) {
		farewell_destroy(farewell);
	}
}

bool vm_lifts_keys(const struct vm *vm)
{
	return !list_empty(&vm->farewells);
}

void vm_set_keys_under_way(struct vm *vm, bool under_way)
{
	struct vm_observer *observer, *next;
	bool arrived = vm->keys_under_way && !under_way;

	vm->keys_under_way = under_way;
	if (!arrived) {
		return;
	}
	list_for_each_safe(observer, next, &vm->observers, link) {
		if (observer->ops->keys_arrived) {
			observer->ops->keys_arrived(vm, observer->data);
		}
	}
}

bool vm_keys_under_way(const struct vm *vm)
{
	return vm->keys_under_way;
}

void vm_farewells_drop(struct vm *vm)
{
	while (!list_empty(&vm->farewells)) {
		farewell_destroy(container_of(vm->farewells.next, struct farewell, link));
	}
}
