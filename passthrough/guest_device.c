// SPDX-License-Identifier: MIT
/* A card as devices of one guest's QEMU; see guest_device.h. */
#include "passthrough/guest_device.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "passthrough/card.h"

/*
 * Questions have no deadline: one that a stopped QEMU answers when it goes on is what everything
 * waits for, and there is one at a time. device_del may be sent again and again, its answers are
 * not kept for long. In device_add QEMU pins all of the guest's memory.
 */
#define DELETE_USEC (10 * 1000 * 1000ull)
#define ADD_USEC (180 * 1000 * 1000ull)

#define PERIPHERAL "/machine/peripheral"

/*
 * IDLE        nothing is asked for
 * ATTACHING   device_add of one function after the other; done with the last one's answer
 * DETACHING   device_del of each function; done with the last one's event
 * CONFIRMING  QEMU is asked whether function 0 is realized
 *
 * What QEMU has must be known in the first two; until it is, its list is waited for. When the
 * connection to QEMU was lost, each begins anew from what is true then.
 */
enum device_state { DEVICE_IDLE, DEVICE_ATTACHING, DEVICE_DETACHING, DEVICE_CONFIRMING };

struct guest_device {
	struct vm *vm;
	struct vm_observer observer;
	char *prefix; /* of the ids: "card.NAME." */
	const struct guest_device_ops *ops;
	void *data;
	enum device_state state;
	bool known;            /* present is true */
	uint8_t present;       /* bits of the functions that QEMU has */
	unsigned int ports;    /* bits of its root ports */
	bool looking;          /* the answer to qom-list is not here yet */
	bool adding;           /* the answer to device_add is not here yet … */
	unsigned int function; /* … of this one */
	bool told;             /* the guest was asked to let go of what is present */
	struct guest_device_plan plan;
};

static void device_go_on(struct guest_device *device);
static int device_look(struct guest_device *device);

/* ---- What QEMU has ---- */

/* The bit of a root port, "rp1", or 0. */
static unsigned int id_port(const char *id)
{
	bool port = id && id[0] == 'r' && id[1] == 'p' && id[2] >= '1' && id[2] <= '9' && !id[3];

	return port ? 1u << (id[2] - '0') : 0;
}

static char *function_id(const struct guest_device *device, unsigned int function)
{
	char *id;

	return asprintf(&id, "%s%u", device->prefix, function) < 0 ? NULL : id;
}

/* Drops what is under way. A command without an answer may be carried out yet. */
static void device_reset(struct guest_device *device)
{
	vm_command_cancel(device->vm, device);
	device->known = device->known && !device->looking && !device->adding;
	device->looking = device->adding = device->told = false;
	device->state = DEVICE_IDLE;
}

/* The same, of what nobody waits for any more. Who asks next finds out what is true then. */
static void device_end(struct guest_device *device)
{
	device_reset(device);
	if (!device->known) {
		(void)device_look(device);
	}
}

static void device_finish(struct guest_device *device, int error, const char *text)
{
	device_end(device);
	device->ops->done(device->data, error, text);
}

static void take_list(void *data, int error, const json_t *result, const char *text)
{
	struct guest_device *device = data;
	const json_t *entry;
	size_t i;

	device->looking = false;
	if (error < 0) {
		log_debug("%s does not tell its devices: %s", vm_name(device->vm),
			  text ? text : strerror(-error));
		return;
	}
	device->present = 0;
	device->ports = 0;
	json_array_foreach(result, i, entry)
	{
		const char *id = json_string_value(json_object_get(entry, "name"));
		int function = guest_device_function(device, id);

		device->present |= function < 0 ? 0 : (uint8_t)(1u << function);
		device->ports |= id_port(id);
	}
	device->known = true;
	device_go_on(device);
}

static int device_look(struct guest_device *device)
{
	int r = 0;

	if (!device->looking) {
		r = vm_command(device->vm, "qom-list", json_pack("{s:s}", "path", PERIPHERAL),
			       QMP_WAIT_FOREVER, take_list, device);
		device->looking = r >= 0;
	}
	return r;
}

/* ---- Plugging in ---- */

static json_t *add_arguments(const struct guest_device *device, unsigned int function)
{
	const struct guest_device_plan *plan = &device->plan;
	_cleanup_free_ char *id = function_id(device, function);
	char slot[16], host[24], bus[16], address[8];
	json_t *args;

	card_slot_format(&plan->slot, slot, sizeof(slot));
	snprintf(host, sizeof(host), "%s.%u", slot, function);
	snprintf(bus, sizeof(bus), "rp%u", plan->port);
	snprintf(address, sizeof(address), "00.%u", function);
	args = id ? json_pack("{s:s, s:s, s:s, s:s, s:s}", "driver", "vfio-pci", "id", id, "host",
			      host, "bus", bus, "addr", address)
		  : NULL;
	if (args && plan->functions != 1) {
		json_object_set_new(args, "multifunction", json_true());
	}
	if (args && plan->rom && function == 0) {
		json_object_set_new(args, "romfile", json_string(plan->rom));
	}
	return args;
}

/* The function that is to be plugged in next: 0 comes last. */
static unsigned int next_function(const struct guest_device *device)
{
	unsigned int missing = device->plan.functions & ~(unsigned int)device->present;
	unsigned int others = missing & ~1u;

	return others ? (unsigned int)__builtin_ctz(others) : 0;
}

static void take_added(void *data, int error, const json_t *result, const char *text)
{
	struct guest_device *device = data;

	/* Without an answer nobody knows whether it was carried out. */
	device->adding = error < 0 && error != -EREMOTEIO;
	if (error < 0) {
		device_finish(device, error, text);
		return;
	}
	device->present |= (uint8_t)(1u << device->function);
	device_go_on(device);
}

static int send_add(struct guest_device *device)
{
	json_t *args;
	int r;

	device->function = next_function(device);
	args = add_arguments(device, device->function);
	r = args ? vm_command(device->vm, "device_add", args, ADD_USEC, take_added, device)
		 : -ENOMEM;
	device->adding = r >= 0;
	return r;
}

static int attach_step(struct guest_device *device)
{
	if (device->present == device->plan.functions) {
		device_finish(device, 0, NULL);
		return 0;
	}
	if (device->present & 1) {
		device_finish(device, -EEXIST,
			      "The guest has a part of the card that it has not "
			      "let go of; take the card away from it first");
		return 0;
	}
	return send_add(device);
}

/* ---- Unplugging ---- */

/* QEMU says that it does not know the function, or is already about to unplug it: which of the two
 * the list tells. Without an answer it will be asked again. */
static void take_deleted(void *data, int error, const json_t *result, const char *text)
{
	struct guest_device *device = data;

	if (error == -EREMOTEIO && device->state == DEVICE_DETACHING) {
		log_debug("%s: %s", vm_name(device->vm), text ? text : "device_del failed");
		(void)device_look(device);
	}
}

/* Every function: one without a device_del of its own may go without an event. */
static int send_deletes(struct guest_device *device)
{
	int r = 0;

	for (unsigned int i = 0; i < BROKER_FUNCTIONS_MAX && r >= 0; i++) {
		_cleanup_free_ char *id = function_id(device, i);

		if (!id) {
			r = -ENOMEM;
		} else if (device->present & (1u << i)) {
			r = vm_command(device->vm, "device_del", json_pack("{s:s}", "id", id),
				       DELETE_USEC, take_deleted, device);
		}
	}
	return r;
}

static int detach_step(struct guest_device *device)
{
	if (device->present == 0) {
		device_finish(device, 0, NULL);
		return 0;
	}
	if (device->told) {
		return 0; /* the events are waited for */
	}
	device->told = true;
	return send_deletes(device);
}

/* ---- Confirming ---- */

static void take_realized(void *data, int error, const json_t *result, const char *text)
{
	if (error == 0 && !json_is_true(result)) {
		error = -ENODEV;
		text = "QEMU has not realized the card";
	}
	device_finish(data, error, text);
}

static int confirm_step(struct guest_device *device)
{
	_cleanup_free_ char *id = function_id(device, 0);
	char path[160];

	if (!id) {
		return -ENOMEM;
	}
	snprintf(path, sizeof(path), PERIPHERAL "/%s", id);
	return vm_command(device->vm, "qom-get",
			  json_pack("{s:s, s:s}", "path", path, "property", "realized"),
			  QMP_WAIT_FOREVER, take_realized, device);
}

/* ---- From one step to the next ---- */

static int device_step(struct guest_device *device)
{
	switch (device->state) {
	case DEVICE_ATTACHING:
		return attach_step(device);
	case DEVICE_DETACHING:
		return detach_step(device);
	case DEVICE_CONFIRMING:
		return confirm_step(device);
	case DEVICE_IDLE:
		device->ops->seen(device->data);
		return 0;
	}
	return 0;
}

/* It is known what is there, so QEMU can be told something. */
static void device_go_on(struct guest_device *device)
{
	int r = device_step(device);

	if (r < 0) {
		device_finish(device, r, NULL);
	}
}

static void device_begin(struct guest_device *device, enum device_state state)
{
	device_reset(device);
	device->state = state;
	if (device->known) {
		device_go_on(device);
	} else {
		(void)device_look(device);
	}
}

/* ---- What the guest does ---- */

/* A guest lets go of all functions together; of one that nobody asked for QEMU may not tell. */
static void look_for_others(struct guest_device *device)
{
	if (device->state == DEVICE_IDLE && device->known && device->present) {
		(void)device_look(device);
	}
}

static void function_gone(struct guest_device *device)
{
	switch (device->state) {
	case DEVICE_DETACHING:
		device_go_on(device);
		break;
	case DEVICE_ATTACHING:
		device_finish(device, -ECANCELED, "The guest has thrown the card out");
		break;
	default:
		device->ops->seen(device->data);
		look_for_others(device);
	}
}

static void take_event(struct vm *vm, void *data, const char *name, const json_t *args)
{
	struct guest_device *device = data;
	int function = -1;

	if (strcmp(name, "DEVICE_DELETED") == 0) {
		function = guest_device_function(device, json_string_value(json_object_get(args, "device")));
	}
	if (function >= 0 && (device->present & (1u << function))) {
		device->present &= (uint8_t) ~(1u << function);
		function_gone(device);
	}
}

static void take_control_up(struct vm *vm, void *data)
{
	(void)device_look(data);
}

static void take_control_down(struct vm *vm, void *data)
{
	struct guest_device *device = data;

	device->known = device->looking = device->adding = device->told = false;
}

/* ---- For the caller ---- */

bool guest_device_is_there(const struct guest_device *device)
{
	return device->known && device->present != 0;
}

bool guest_device_is_whole(const struct guest_device *device)
{
	return device->known && (device->present & 1);
}

bool guest_device_is_known(const struct guest_device *device)
{
	return device->known;
}

int guest_device_function(const struct guest_device *device, const char *id)
{
	size_t length = strlen(device->prefix);

	if (!id || strncmp(id, device->prefix, length) != 0 || id[length] < '0' ||
	    id[length] > '7' || id[length + 1]) {
		return -1;
	}
	return id[length] - '0';
}

bool guest_device_has_port(const struct guest_device *device, unsigned int port)
{
	return device->known && port <= 9 && (device->ports & (1u << port));
}

void guest_device_attach(struct guest_device *device, const struct guest_device_plan *plan)
{
	device->plan = *plan;
	device_begin(device, DEVICE_ATTACHING);
}

void guest_device_detach(struct guest_device *device)
{
	device_begin(device, DEVICE_DETACHING);
}

void guest_device_repeat(struct guest_device *device)
{
	if (device->state == DEVICE_DETACHING && device->known) {
		device->told = false;
		device_go_on(device);
	}
}

void guest_device_confirm(struct guest_device *device)
{
	device_begin(device, DEVICE_CONFIRMING);
}

void guest_device_look(struct guest_device *device)
{
	(void)device_look(device);
}

void guest_device_cancel(struct guest_device *device)
{
	device_end(device);
}

void guest_device_destroy(struct guest_device *device)
{
	if (!device) {
		return;
	}
	vm_remove_observer(&device->observer);
	vm_command_cancel(device->vm, device);
	free(device->prefix);
	free(device);
}

int guest_device_create(struct vm *vm, const char *card, const struct guest_device_ops *ops,
			void *data, struct guest_device **out)
{
	static const struct vm_observer_ops observer_ops = {
		.control_up = take_control_up,
		.control_down = take_control_down,
		.event = take_event,
	};
	struct guest_device *device = calloc(1, sizeof(*device));

	if (!device || asprintf(&device->prefix, "card.%s.", card) < 0) {
		free(device);
		return -ENOMEM;
	}
	device->vm = vm;
	device->ops = ops;
	device->data = data;
	device->observer.ops = &observer_ops;
	device->observer.data = device;
	vm_add_observer(vm, &device->observer);
	(void)device_look(device);
	*out = device;
	return 0;
}
