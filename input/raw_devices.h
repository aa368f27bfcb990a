/* SPDX-License-Identifier: MIT */
/*
 * The pens and gamepads of a seat, found by udev and read by raw_reader.h: libinput ignores
 * gamepads, and would have it that pens are its own.
 */
#ifndef INPUT_RAW_DEVICES_H
#define INPUT_RAW_DEVICES_H

#include <libudev.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "input/input.h"

struct raw_devices;

/* last_id: the number of the last device of the seat, counted up here too; it outlives them. changed,
 * which may be NULL: there is one more or one less. 0 or -errno. */
int raw_devices_create(sd_event *event, struct udev *udev, const char *seat,
		       const struct input_node_opener *opener, struct input *input,
		       uint32_t *last_id, void (*changed)(void *data), void *data,
		       struct raw_devices **out);
void raw_devices_destroy(struct raw_devices *devices); /* NULL is legal */

/* Whether the device node is, or is to be, one of these. */
bool raw_devices_claim(const struct raw_devices *devices, const char *path);
/* Calls each for every one. */
void raw_devices_each(const struct raw_devices *devices,
		      void (*each)(void *data, uint32_t id, const char *name, uint32_t vendor,
				   uint32_t product),
		      void *data);
/* A bit for each enum input_kind that there is. */
uint32_t raw_devices_kinds(const struct raw_devices *devices);

/* VT away: all are closed; back: opened again. */
void raw_devices_suspend(struct raw_devices *devices);
void raw_devices_resume(struct raw_devices *devices);

#endif
