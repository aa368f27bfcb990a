// SPDX-License-Identifier: MIT
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/bus_pump.h"
#include "tests/unit/fake_vm.h"

struct vm {
	sd_event *event;
	const char *name;
	struct list observers;
	sd_bus *bus, *server;
	struct bus_pump *pump, *server_pump;
	enum vm_state state;
	char *reason;
	bool hung;
	int call_error;
	unsigned int notes, farewells;
	bool lifts, keys_under_way;
	const struct vm_config *config;
	bool commandable;
	int shared, agent, input;
	uint64_t shared_size;
	const char *asked;
	qmp_reply_fn reply;
	void *reply_data;
};

struct vm *fake_vm_create(sd_event *event, const char *name)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	assert_non_null(vm);
	vm->event = sd_event_ref(event);
	vm->name = name;
	vm->state = VM_STATE_STARTING;
	vm->shared = -1;
	vm->agent = -ENOENT;
	vm->input = -ENOENT;
	list_init(&vm->observers);
	return vm;
}

void fake_vm_destroy(struct vm *vm)
{
	fake_vm_disconnect(vm);
	assert_true(list_empty(&vm->observers));
	sd_event_unref(vm->event);
	free(vm->reason);
	free(vm);
}

static sd_bus *start_bus(int fd, bool server)
{
	sd_id128_t id;
	sd_bus *bus;

	assert_int_equal(sd_bus_new(&bus), 0);
	assert_true(sd_bus_set_fd(bus, fd, fd) >= 0);
	assert_true(sd_bus_negotiate_fds(bus, 1) >= 0);
	if (server) {
		assert_true(sd_id128_randomize(&id) >= 0);
		assert_true(sd_bus_set_server(bus, 1, id) >= 0);
	}
	assert_true(sd_bus_start(bus) >= 0);
	return bus;
}

sd_bus *fake_vm_connect(struct vm *vm)
{
	struct vm_observer *observer, *next;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	vm->bus = start_bus(pair[0], false);
	vm->server = start_bus(pair[1], true);
	assert_int_equal(bus_pump_create(vm->bus, vm->event, 0, NULL, NULL, &vm->pump), 0);
	assert_int_equal(bus_pump_create(vm->server, vm->event, 0, NULL, NULL, &vm->server_pump),
			 0);
	/* As vm/ does: a peer is up once it is authenticated, since calls with descriptors wait. */
	while (sd_bus_is_ready(vm->bus) == 0 || sd_bus_is_ready(vm->server) == 0) {
		assert_true(sd_event_run(vm->event, UINT64_MAX) >= 0);
	}
	vm->state = VM_STATE_RUNNING;
	list_for_each_safe(observer, next, &vm->observers, link) {
		if (observer->ops->peer_up) {
			observer->ops->peer_up(vm, observer->data);
		}
	}
	return vm->server;
}

void fake_vm_disconnect(struct vm *vm)
{
	struct vm_observer *observer, *next;
	bool connected = vm->bus != NULL;

	bus_pump_destroy(vm->pump);
	bus_pump_destroy(vm->server_pump);
	vm->pump = vm->server_pump = NULL;
	vm->bus = sd_bus_close_unref(vm->bus);
	vm->server = sd_bus_close_unref(vm->server);
	vm->state = VM_STATE_STOPPED;
	if (connected) {
		list_for_each_safe(observer, next, &vm->observers, link) {
			if (observer->ops->peer_down) {
				observer->ops->peer_down(vm, observer->data);
			}
		}
	}
}

static void notify_changed(struct vm *vm)
{
	struct vm_observer *observer, *next;

	list_for_each_safe(observer, next, &vm->observers, link) {
		if (observer->ops->changed) {
			observer->ops->changed(vm, observer->data);
		}
	}
}

void fake_vm_set_hung(struct vm *vm, bool hung)
{
	vm->hung = hung;
	notify_changed(vm);
}

void fake_vm_set_state(struct vm *vm, enum vm_state state)
{
	vm->state = state;
	notify_changed(vm);
}

void fake_vm_set_reason(struct vm *vm, const char *reason)
{
	free(vm->reason);
	vm->reason = reason ? strdup(reason) : NULL;
	notify_changed(vm);
}

void fake_vm_fail_calls(struct vm *vm, int error)
{
	vm->call_error = error;
}

unsigned int fake_vm_notes(const struct vm *vm)
{
	return vm->notes;
}

unsigned int fake_vm_farewells(const struct vm *vm)
{
	return vm->farewells;
}

void fake_vm_set_lifts(struct vm *vm, bool lifts)
{
	struct vm_observer *observer, *next;

	vm->lifts = lifts;
	list_for_each_safe(observer, next, &vm->observers, link) {
		if (!lifts && observer->ops->lifted) {
			observer->ops->lifted(vm, observer->data);
		}
	}
}

void fake_vm_set_config(struct vm *vm, const struct vm_config *config)
{
	vm->config = config;
}

void fake_vm_set_shared(struct vm *vm, int fd, uint64_t size)
{
	vm->shared = fd;
	vm->shared_size = size;
}

void fake_vm_set_agent(struct vm *vm, int fd)
{
	vm->agent = fd;
}

void fake_vm_set_commandable(struct vm *vm, bool commandable)
{
	struct vm_observer *observer, *next;

	vm->commandable = commandable;
	list_for_each_safe(observer, next, &vm->observers, link) {
		if (commandable && observer->ops->control_up) {
			observer->ops->control_up(vm, observer->data);
		} else if (!commandable && observer->ops->control_down) {
			observer->ops->control_down(vm, observer->data);
		}
	}
}

const char *fake_vm_asked(const struct vm *vm)
{
	return vm->asked;
}

void fake_vm_answer(struct vm *vm, int error, json_t *result)
{
	assert_non_null(vm->asked);
	vm->asked = NULL;
	vm->reply(vm->reply_data, error, result, NULL);
	json_decref(result);
}

void fake_vm_emit(struct vm *vm, const char *name, const json_t *args)
{
	struct vm_observer *observer, *next;

	list_for_each_safe(observer, next, &vm->observers, link) {
		if (observer->ops->event) {
			observer->ops->event(vm, observer->data, name, args);
		}
	}
}

/* ---- vm/vm.h ---- */

const struct vm_config *vm_get_config(const struct vm *vm)
{
	return vm->config;
}

int vm_command(struct vm *vm, const char *command, json_t *args, uint64_t usec, qmp_reply_fn reply,
	       void *data)
{
	json_decref(args);
	if (!vm->commandable) {
		return -ENOTCONN;
	}
	assert_null(vm->asked);
	vm->asked = command;
	vm->reply = reply;
	vm->reply_data = data;
	return 0;
}

void vm_command_cancel(struct vm *vm, const void *data)
{
	if (vm->reply_data == data) {
		vm->asked = NULL;
	}
}

bool vm_commandable(const struct vm *vm)
{
	return vm->commandable;
}

int vm_open_shared(const struct vm *vm, uint64_t *size)
{
	*size = vm->shared_size;
	return vm->shared < 0 ? -ENOENT : fcntl(vm->shared, F_DUPFD_CLOEXEC, 0);
}

void fake_vm_set_input(struct vm *vm, int fd)
{
	vm->input = fd;
}

int vm_connect_input(const struct vm *vm)
{
	return vm->input;
}

int vm_connect_agent(const struct vm *vm)
{
	return vm->agent;
}

void vm_add_observer(struct vm *vm, struct vm_observer *observer)
{
	list_append(&vm->observers, &observer->link);
}

void vm_remove_observer(struct vm_observer *observer)
{
	list_remove(&observer->link);
}

const char *vm_name(const struct vm *vm)
{
	return vm->name;
}

const char *vm_reason(const struct vm *vm)
{
	return vm->reason;
}

enum vm_state vm_get_state(const struct vm *vm)
{
	return vm->state;
}

const char *vm_state_name(enum vm_state state)
{
	return state == VM_STATE_RUNNING ? "running" : "not running";
}

sd_bus *vm_peer(const struct vm *vm)
{
	return vm->bus;
}

bool vm_is_hung(const struct vm *vm)
{
	return vm->hung;
}

void vm_note_alive(struct vm *vm)
{
	vm->notes++;
}

void vm_see_off(struct vm *vm, int fd)
{
	vm->farewells++;
	close(fd);
}

void vm_set_keys_under_way(struct vm *vm, bool under_way)
{
	struct vm_observer *observer, *next;
	bool arrived = vm->keys_under_way && !under_way;

	vm->keys_under_way = under_way;
	list_for_each_safe(observer, next, &vm->observers, link) {
		if (arrived && observer->ops->keys_arrived) {
			observer->ops->keys_arrived(vm, observer->data);
		}
	}
}

bool vm_keys_under_way(const struct vm *vm)
{
	return vm->keys_under_way;
}

bool vm_lifts_keys(const struct vm *vm)
{
	return vm->lifts;
}

static int check_call(const struct vm *vm)
{
	if (!vm->bus) {
		return -ENOTCONN;
	}
	return vm->call_error;
}

int vm_peer_call(struct vm *vm, sd_bus_message *call, sd_bus_message_handler_t callback, void *data,
		 sd_bus_slot **slot)
{
	int r = check_call(vm);

	return r < 0 ? r : sd_bus_call_async(vm->bus, slot, call, callback, data, UINT64_MAX);
}

int vm_peer_send(struct vm *vm, sd_bus_message *call)
{
	int r = check_call(vm);

	if (r >= 0) {
		r = sd_bus_message_set_expect_reply(call, 0);
	}
	return r < 0 ? r : sd_bus_send(vm->bus, call, NULL);
}
