// SPDX-License-Identifier: MIT
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/fake_guest.h"

#define DEVICES_MAX 16

struct fake_command {
	struct list link; /* vm::commands */
	char *name;
	json_t *args;
	qmp_reply_fn reply; /* NULL: cancelled */
	void *data;
};

struct fake_device {
	char id[64];
	bool asked; /* for a device_del */
};

struct vm {
	sd_event *event;
	const char *name;
	pid_t pid;
	int pidfd;
	struct list observers, commands;
	sd_event_source *turn;
	enum vm_state state;
	bool control, stopped, refuses, realized, hasty, no_ports;
	struct fake_device devices[DEVICES_MAX];
	unsigned int n_devices;
	const char *failing, *failing_text;
	char has[DEVICES_MAX * 64], log[8192];
	json_t *last_add;
	unsigned int resets, kills;
	void (*changed)(void *data, struct vm *vm);
	void *changed_data;
};

/* ---- The guest's side ---- */

static void note(struct vm *vm, const char *command, const char *argument)
{
	size_t length = strlen(vm->log);

	assert_true(length + 128 < sizeof(vm->log));
	snprintf(vm->log + length, sizeof(vm->log) - length, "%s%s%s%s", length ? "|" : "", command,
		 argument ? " " : "", argument ? argument : "");
}

static void tell_devices(struct vm *vm)
{
	if (vm->changed) {
		vm->changed(vm->changed_data, vm);
	}
}

void fake_guest_tell(struct vm *vm, const char *name, json_t *args)
{
	struct vm_observer *observer, *next;

	list_for_each_safe(observer, next, &vm->observers, link) {
		if (vm->control && observer->ops->event) {
			observer->ops->event(vm, observer->data, name, args);
		}
	}
	json_decref(args);
}

static struct fake_device *find_device(struct vm *vm, const char *id)
{
	for (unsigned int i = 0; i < vm->n_devices; i++) {
		if (strcmp(vm->devices[i].id, id) == 0) {
			return &vm->devices[i];
		}
	}
	return NULL;
}

static void add_device(struct vm *vm, const char *id)
{
	struct fake_device *device = &vm->devices[vm->n_devices++];

	assert_true(vm->n_devices <= DEVICES_MAX);
	snprintf(device->id, sizeof(device->id), "%s", id);
	device->asked = false;
	tell_devices(vm);
}

/* "card.gpu." of "card.gpu.1": what stands in one slot goes together. */
static bool same_slot(const char *a, const char *b)
{
	size_t length = strlen(a);

	return strlen(b) == length && strncmp(a, b, length - 1) == 0;
}

static void remove_device(struct vm *vm, unsigned int i, bool event)
{
	char id[64];

	snprintf(id, sizeof(id), "%s", vm->devices[i].id);
	vm->n_devices--;
	memmove(&vm->devices[i], &vm->devices[i + 1], (vm->n_devices - i) * sizeof(vm->devices[0]));
	tell_devices(vm);
	if (event) {
		fake_guest_tell(
			vm, "DEVICE_DELETED",
			json_pack("{s:s, s:s}", "device", id, "path", "/machine/peripheral/…"));
	}
}

static void remove_slot(struct vm *vm, const char *id, bool events)
{
	char slot[64];

	snprintf(slot, sizeof(slot), "%s", id);
	for (unsigned int i = 0; i < vm->n_devices;) {
		if (same_slot(vm->devices[i].id, slot)) {
			remove_device(vm, i, events || vm->devices[i].asked);
		} else {
			i++;
		}
	}
}

void fake_guest_let_go(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->n_devices;) {
		if (vm->devices[i].asked) {
			remove_slot(vm, vm->devices[i].id, false);
			i = 0;
		} else {
			i++;
		}
	}
}

void fake_guest_eject(struct vm *vm, bool events)
{
	while (vm->n_devices > 0) {
		remove_slot(vm, vm->devices[0].id, events);
	}
}

/* ---- Commands ---- */

static void answer(struct fake_command *command, int error, json_t *result, const char *text)
{
	qmp_reply_fn reply = command->reply;

	command->reply = NULL;
	if (reply) {
		reply(command->data, error, result, text);
	}
	json_decref(result);
}

static void run_list(struct vm *vm, struct fake_command *command)
{
	json_t *list = json_array();

	assert_string_equal(json_string_value(json_object_get(command->args, "path")),
			    "/machine/peripheral");
	json_array_append_new(list, json_pack("{s:s, s:s}", "name", "type", "type", "string"));
	for (char port[] = "rp1"; port[2] <= '4' && !vm->no_ports; port[2]++) {
		json_array_append_new(list, json_pack("{s:s, s:s}", "name", port, "type",
						      "child<pcie-root-port>"));
	}
	for (unsigned int i = 0; i < vm->n_devices; i++) {
		json_array_append_new(list, json_pack("{s:s, s:s}", "name", vm->devices[i].id,
						      "type", "child<vfio-pci>"));
	}
	answer(command, 0, list, NULL);
}

/* As q35 has it: what is in a root port is on the bus behind that. */
static void run_pci(struct vm *vm, struct fake_command *command)
{
	json_t *devices = json_array();

	for (unsigned int i = 0; i < vm->n_devices; i++) {
		json_array_append_new(devices, json_pack("{s:i, s:i, s:i, s:s}", "bus",
							 FAKE_GUEST_BUS, "slot", 0, "function", 0,
							 "qdev_id", vm->devices[i].id));
	}
	answer(command, 0,
	       json_pack("[{s:i, s:[{s:i, s:i, s:s}, {s:i, s:i, s:s, s:{s:o}}]}]", "bus", 0, "devices",
			 "bus", 0, "slot", 1, "qdev_id", "", "bus", 0, "slot", 3, "qdev_id", "rp2",
			 "pci_bridge", "devices", devices),
	       NULL);
}

static void run_add(struct vm *vm, struct fake_command *command, const char *id)
{
	json_decref(vm->last_add);
	vm->last_add = json_incref(command->args);
	if (vm->failing && strcmp(vm->failing, id) == 0) {
		answer(command, -EREMOTEIO, NULL, vm->failing_text);
		return;
	}
	if (find_device(vm, id)) {
		answer(command, -EREMOTEIO, NULL, "Duplicate device ID");
		return;
	}
	add_device(vm, id);
	answer(command, 0, json_object(), NULL);
}

/* The guest lets go when all device_dels that wait with this one were carried out. */
static bool more_deletes_wait(const struct vm *vm)
{
	struct fake_command *command;

	list_for_each(command, &vm->commands, link) {
		if (strcmp(command->name, "device_del") == 0) {
			return true;
		}
	}
	return false;
}

static void run_delete(struct vm *vm, struct fake_command *command, const char *id)
{
	struct fake_device *device = find_device(vm, id);

	if (!device) {
		answer(command, -EREMOTEIO, NULL, "Device not found");
		return;
	}
	device->asked = true;
	if (!vm->hasty) {
		answer(command, 0, json_object(), NULL);
	}
	if (!vm->refuses && !more_deletes_wait(vm)) {
		fake_guest_let_go(vm);
	}
	answer(command, 0, json_object(), NULL);
}

static void run_command(struct vm *vm, struct fake_command *command)
{
	const char *id = json_string_value(json_object_get(command->args, "id"));

	note(vm, command->name, id);
	if (strcmp(command->name, "qom-list") == 0) {
		run_list(vm, command);
	} else if (strcmp(command->name, "device_add") == 0) {
		run_add(vm, command, id);
	} else if (strcmp(command->name, "device_del") == 0) {
		run_delete(vm, command, id);
	} else if (strcmp(command->name, "query-pci") == 0) {
		run_pci(vm, command);
	} else {
		assert_string_equal(command->name, "qom-get");
		answer(command, 0, json_boolean(vm->realized), NULL);
	}
}

static void command_free(struct fake_command *command)
{
	list_remove(&command->link);
	json_decref(command->args);
	free(command->name);
	free(command);
}

static void drop_commands(struct vm *vm)
{
	while (!list_empty(&vm->commands)) {
		command_free(container_of(vm->commands.next, struct fake_command, link));
	}
}

static void plan_turn(struct vm *vm)
{
	bool wanted = !list_empty(&vm->commands) && !vm->stopped && vm->control;

	assert_true(sd_event_source_set_enabled(vm->turn, wanted ? SD_EVENT_ON : SD_EVENT_OFF) >=
		    0);
}

static int handle_turn(sd_event_source *source, void *data)
{
	struct vm *vm = data;
	struct fake_command *command;

	if (!list_empty(&vm->commands)) {
		command = container_of(vm->commands.next, struct fake_command, link);
		list_remove(&command->link);
		run_command(vm, command);
		command_free(command);
	}
	plan_turn(vm);
	return 0;
}

int vm_command(struct vm *vm, const char *name, json_t *args, uint64_t usec, qmp_reply_fn reply,
	       void *data)
{
	struct fake_command *command;

	if (!vm->control) {
		json_decref(args);
		return -ENOTCONN;
	}
	command = calloc(1, sizeof(*command));
	assert_non_null(command);
	command->name = strdup(name);
	command->args = args;
	command->reply = reply;
	command->data = data;
	list_append(&vm->commands, &command->link);
	plan_turn(vm);
	return 0;
}

void vm_command_cancel(struct vm *vm, const void *data)
{
	struct fake_command *command;

	list_for_each(command, &vm->commands, link) {
		if (command->data == data) {
			command->reply = NULL;
		}
	}
}

/* ---- vm/vm.h ---- */

bool vm_commandable(const struct vm *vm)
{
	return vm->control;
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

enum vm_state vm_get_state(const struct vm *vm)
{
	return vm->state;
}

pid_t vm_pid(const struct vm *vm)
{
	return vm->state == VM_STATE_STOPPED ? 0 : vm->pid;
}

int vm_pidfd(const struct vm *vm)
{
	return vm->state == VM_STATE_STOPPED ? -1 : vm->pidfd;
}

uint64_t vm_lockable_bytes(const struct vm *vm)
{
	return (3ull << 30) + (uint64_t)vm->pid;
}

int vm_reset(struct vm *vm)
{
	vm->resets++;
	fake_guest_let_go(vm);
	return 0;
}

int vm_kill(struct vm *vm)
{
	vm->kills++;
	return 0;
}

/* ---- For the test ---- */

static void tell_control(struct vm *vm, bool up)
{
	struct vm_observer *observer, *next;

	list_for_each_safe(observer, next, &vm->observers, link) {
		void (*call)(struct vm *, void *) =
			up ? observer->ops->control_up : observer->ops->control_down;

		if (call) {
			call(vm, observer->data);
		}
	}
}

static void tell_changed(struct vm *vm)
{
	struct vm_observer *observer, *next;

	list_for_each_safe(observer, next, &vm->observers, link) {
		if (observer->ops->changed) {
			observer->ops->changed(vm, observer->data);
		}
	}
}

void fake_guest_set_control(struct vm *vm, bool up)
{
	if (vm->control == up) {
		return;
	}
	vm->control = up;
	drop_commands(vm);
	tell_control(vm, up);
	plan_turn(vm);
}

void fake_guest_end(struct vm *vm)
{
	fake_guest_set_control(vm, false);
	vm->stopped = false;
	while (vm->n_devices > 0) {
		remove_device(vm, 0, false);
	}
	vm->state = VM_STATE_STOPPED;
	tell_changed(vm);
}

void fake_guest_start(struct vm *vm)
{
	vm->state = VM_STATE_RUNNING;
	tell_changed(vm);
	fake_guest_set_control(vm, true);
}

void fake_guest_stop(struct vm *vm, bool stopped)
{
	vm->stopped = stopped;
	plan_turn(vm);
}

void fake_guest_refuse(struct vm *vm, bool refuses)
{
	vm->refuses = refuses;
}

void fake_guest_fail_add(struct vm *vm, const char *id, const char *text)
{
	vm->failing = id;
	vm->failing_text = text;
}

void fake_guest_set_devices(struct vm *vm, const char *ids)
{
	char *copy = strdup(ids), *rest = copy, *id;

	vm->n_devices = 0;
	while ((id = strsep(&rest, " "))) {
		if (*id) {
			add_device(vm, id);
		}
	}
	free(copy);
	tell_devices(vm);
}

void fake_guest_set_ports(struct vm *vm, bool ports)
{
	vm->no_ports = !ports;
}

void fake_guest_set_realized(struct vm *vm, bool realized)
{
	vm->realized = realized;
}

void fake_guest_set_hasty(struct vm *vm, bool hasty)
{
	vm->hasty = hasty;
}

const char *fake_guest_devices(const struct vm *vm)
{
	struct vm *own = (struct vm *)vm;
	size_t length = 0;

	own->has[0] = '\0';
	for (unsigned int i = 0; i < vm->n_devices; i++) {
		length += (size_t)snprintf(own->has + length, sizeof(own->has) - length, "%s%s",
					   i ? " " : "", vm->devices[i].id);
	}
	return vm->has;
}

const char *fake_guest_commands(const struct vm *vm)
{
	return vm->log;
}

void fake_guest_forget(struct vm *vm)
{
	vm->log[0] = '\0';
}

const json_t *fake_guest_last_add(const struct vm *vm)
{
	return vm->last_add;
}

unsigned int fake_guest_resets(const struct vm *vm)
{
	return vm->resets;
}

unsigned int fake_guest_kills(const struct vm *vm)
{
	return vm->kills;
}

void fake_guest_on_devices(struct vm *vm, void (*changed)(void *data, struct vm *vm), void *data)
{
	vm->changed = changed;
	vm->changed_data = data;
}

struct vm *fake_guest_create(sd_event *event, const char *name, pid_t pid)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	assert_non_null(vm);
	vm->event = sd_event_ref(event);
	vm->name = name;
	vm->pid = pid;
	vm->pidfd = dup(STDERR_FILENO);
	vm->state = VM_STATE_RUNNING;
	vm->control = vm->realized = true;
	list_init(&vm->observers);
	list_init(&vm->commands);
	assert_true(sd_event_add_defer(event, &vm->turn, handle_turn, vm) >= 0);
	plan_turn(vm);
	return vm;
}

void fake_guest_destroy(struct vm *vm)
{
	drop_commands(vm);
	assert_true(list_empty(&vm->observers));
	sd_event_source_disable_unref(vm->turn);
	json_decref(vm->last_add);
	close(vm->pidfd);
	sd_event_unref(vm->event);
	free(vm);
}
