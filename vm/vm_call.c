// SPDX-License-Identifier: MIT
/* Method calls on a guest's peer connection, counted and watched. */
#include <errno.h>

#include "common/cleanup.h"
#include "vm/vm_private.h"

struct peer_call {
	struct list link; /* vm_link::calls */
	struct vm *vm;	  /* NULL after the connection went down: no callback any more */
	struct ticket ticket;
	sd_bus_message_handler_t callback;
	void *data;
};

static void call_detach(struct peer_call *call)
{
	if (call->vm) {
		answers_close(&call->vm->answers, &call->ticket);
		list_remove(&call->link);
		call->vm->link.n_calls--;
		call->vm = NULL;
	}
}

/* The slot owns the call: it goes when the answer has come, or when its owner drops the slot. */
static void call_free(void *data)
{
	struct peer_call *call = data;

	call_detach(call);
	free(call);
}

static int handle_reply(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct peer_call *call = data;
	struct vm *vm = call->vm;

	if (!vm) {
		return 0;
	}
	call_detach(call);
	answers_alive(&vm->answers);
	if (sd_bus_message_is_method_error(reply, SD_BUS_ERROR_UNKNOWN_METHOD) ||
	    sd_bus_message_is_method_error(reply, SD_BUS_ERROR_UNKNOWN_OBJECT)) {
		peer_check(vm->link.peer);
	}
	return call->callback ? call->callback(reply, call->data, error) : 0;
}

void vm_calls_drop(struct vm *vm)
{
	while (!list_empty(&vm->link.calls)) {
		call_detach(container_of(vm->link.calls.next, struct peer_call, link));
	}
}

/* -ENOTCONN, or -ENOBUFS when QEMU does not read what we write. */
static int check_queue(struct vm *vm)
{
	sd_bus *bus = vm_peer(vm);
	uint64_t queued = 0;
	int r;

	if (!bus) {
		return -ENOTCONN;
	}
	r = sd_bus_get_n_queued_write(bus, &queued);
	if (r < 0) {
		return r;
	}
	return queued >= VM_PEER_QUEUE_MAX ? -ENOBUFS : 0;
}

int vm_peer_call(struct vm *vm, sd_bus_message *call, sd_bus_message_handler_t callback,
		 void *data, sd_bus_slot **slot)
{
	struct peer_call *entry;
	sd_bus_slot *own = NULL;
	int r = check_queue(vm);

	if (r < 0) {
		return r;
	}
	if (vm->link.n_calls >= VM_PEER_CALLS_MAX) {
		return -ENOBUFS;
	}
	entry = calloc(1, sizeof(*entry));
	if (!entry) {
		return -ENOMEM;
	}
	r = sd_bus_call_async(vm_peer(vm), &own, call, handle_reply, entry, UINT64_MAX);
	if (r < 0) {
		free(entry);
		return r;
	}
	entry->vm = vm;
	entry->callback = callback;
	entry->data = data;
	list_append(&vm->link.calls, &entry->link);
	vm->link.n_calls++;
	answers_open(&vm->answers, &entry->ticket, VM_HUNG_AFTER_USEC);
	sd_bus_slot_set_destroy_callback(own, call_free);
	if (slot) {
		*slot = own;
	} else {
		sd_bus_slot_set_floating(own, 1);
		sd_bus_slot_unref(own);
	}
	return 0;
}

int vm_peer_send(struct vm *vm, sd_bus_message *call)
{
	int r = check_queue(vm);

	if (r >= 0) {
		r = sd_bus_message_set_expect_reply(call, 0);
	}
	return r < 0 ? r : sd_bus_send(vm_peer(vm), call, NULL);
}
