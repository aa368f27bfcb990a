/* SPDX-License-Identifier: MIT */
/*
 * The seat's connection to a guest's baton-input (proto/input.h). It follows the guest's QEMU:
 * connected while the control connection is there, and for as long as baton-input keeps it.
 *
 * Nothing here waits. When baton-input does not read for a while its socket fills: then motion is
 * summed, everything else is dropped, and once it reads again the guest first gets the sum and has
 * all released.
 */
#ifndef INPUT_KEEPER_LINK_H
#define INPUT_KEEPER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "proto/input.h"
#include "vm/vm.h"

struct keeper_link;

/* A device's state, the LEDs or whether events are dropped may be others than before. */
typedef void (*keeper_link_changed_fn)(void *data);

int keeper_link_create(sd_event *event, struct vm *vm, keeper_link_changed_fn changed, void *data,
		       struct keeper_link **out);
void keeper_link_destroy(struct keeper_link *link); /* NULL is legal */

enum input_device_state keeper_link_state(const struct keeper_link *link, enum input_kind kind);
/* True when the guest has a driver for the device. */
bool keeper_link_ready(const struct keeper_link *link, enum input_kind kind);
uint32_t keeper_link_leds(const struct keeper_link *link); /* 1 << LED_* */
/* The guest, or baton-input, does not read: events are dropped. */
bool keeper_link_dropping(const struct keeper_link *link);

/* How many events that were sent the guest did not get, since this was asked last. */
uint32_t keeper_link_take_lost(struct keeper_link *link);

/* A batch without its SYN_REPORT, at most INPUT_EVENTS_MAX - 1 events, to a device that is ready and reads. 0, or
 * -EAGAIN: it was dropped. */
int keeper_link_send(struct keeper_link *link, enum input_kind kind,
		     const struct input_wire_event *events, size_t n);

/* Ends all that is pressed and touched on these devices, a bit for each kind. */
void keeper_link_release(struct keeper_link *link, uint32_t kinds);

#endif
