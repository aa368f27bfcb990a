// SPDX-License-Identifier: MIT
/*
 * A guest lets go of a card. Where baton-agent is in it (proto/agent.h), it is asked first: it
 * takes the card from its driver, or says which program keeps it. Whatever it says, or does not,
 * device_del follows: only the guest's kernel decides.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "passthrough/passthrough_private.h"

/* QEMU's buses behind buses; more than there are in a guest of ours. */
#define DEPTH_MAX 8

static void device_del(struct guest_card *own)
{
	own->release = RELEASE_NONE;
	guest_device_detach(own->device);
}

/* ---- Where the guest sees it ---- */

static bool find_function(const struct guest_card *own, const json_t *devices, int depth,
			  struct broker_slot *slot);

static bool take_slot(const json_t *device, struct broker_slot *slot)
{
	json_int_t bus = json_integer_value(json_object_get(device, "bus"));
	json_int_t number = json_integer_value(json_object_get(device, "slot"));

	*slot = (struct broker_slot){ .bus = (uint8_t)bus, .device = (uint8_t)number };
	return bus >= 0 && bus <= UINT8_MAX && number >= 0 && number < 32;
}

static bool find_behind(const struct guest_card *own, const json_t *device, int depth,
			struct broker_slot *slot)
{
	const json_t *bridge = json_object_get(device, "pci_bridge");

	return find_function(own, json_object_get(bridge, "devices"), depth - 1, slot);
}

static bool find_function(const struct guest_card *own, const json_t *devices, int depth,
			  struct broker_slot *slot)
{
	const json_t *device;
	size_t i;

	if (depth == 0) {
		return false;
	}
	json_array_foreach(devices, i, device)
	{
		const char *id = json_string_value(json_object_get(device, "qdev_id"));

		if (guest_device_function(own->device, id) == 0) {
			return take_slot(device, slot);
		}
		if (find_behind(own, device, depth, slot)) {
			return true;
		}
	}
	return false;
}

/* The answer to query-pci. Numbers of buses are what the guest has given them. */
static void take_buses(void *data, int error, const json_t *result, const char *text)
{
	struct guest_card *own = data;
	const struct passthrough *passthrough = own->guest->passthrough;
	struct broker_slot slot;
	const json_t *bus;
	bool found = false;
	size_t i;

	json_array_foreach(result, i, bus)
	{
		found = found || find_function(own, json_object_get(bus, "devices"), DEPTH_MAX, &slot);
	}
	if (error < 0 || !found ||
	    passthrough->handlers->release(passthrough->data, own->guest->id, &slot) < 0) {
		device_del(own);
		return;
	}
	own->release = RELEASE_ASKED;
}

/* ---- What it answers ---- */

static struct guest_card *find_asked(const struct managed_guest *guest)
{
	for (size_t i = 0; i < guest->passthrough->n; i++) {
		if (guest->cards[i].release == RELEASE_ASKED) {
			return &guest->cards[i];
		}
	}
	return NULL;
}

void passthrough_released(struct passthrough *passthrough, uint32_t id, int error, const char *text)
{
	struct managed_guest *guest = passthrough_guest(passthrough, id);
	struct guest_card *own = guest ? find_asked(guest) : NULL;

	if (!own) {
		return;
	}
	if (error < 0) {
		log_debug("%s: %s does not give it up: %s", own->card->config->name,
			  vm_name(guest->vm), text ? text : strerror(-error));
	}
	if (error == -EBUSY && text) {
		snprintf(own->keeper, sizeof(own->keeper), "In %s, %s.", vm_name(guest->vm), text);
	}
	device_del(own);
}

/* ---- For the stage of the handoff ---- */

void release_begin(struct guest_card *own)
{
	const struct passthrough *passthrough = own->guest->passthrough;

	own->keeper[0] = '\0';
	if (guest_device_is_whole(own->device) &&
	    passthrough->handlers->can_release(passthrough->data, own->guest->id) &&
	    vm_command(own->guest->vm, "query-pci", NULL, QMP_WAIT_FOREVER, take_buses, own) >= 0) {
		own->release = RELEASE_LOCATING;
	} else {
		device_del(own);
	}
}

void release_stop(struct guest_card *own)
{
	const struct passthrough *passthrough = own->guest->passthrough;

	vm_command_cancel(own->guest->vm, own);
	if (own->release == RELEASE_ASKED) {
		passthrough->handlers->cancel_release(passthrough->data, own->guest->id);
	}
	own->release = RELEASE_NONE;
}

void release_repeat(struct guest_card *own)
{
	if (own->release != RELEASE_NONE) {
		release_stop(own);
		device_del(own);
	} else {
		guest_device_repeat(own->device);
	}
	if (own->keeper[0]) {
		handoff_progress(&own->card->handoff, HANDOFF_EJECT, own->keeper);
	}
}

void release_cancel(struct guest_card *own)
{
	release_stop(own);
	guest_device_cancel(own->device);
}
