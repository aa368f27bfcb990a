/* SPDX-License-Identifier: MIT */
/* What a guest's input devices are: their names, numbers, keys and axes, as virtio-input has a
 * driver ask for them. Constant data. */
#ifndef INPUT_KEEPER_DEVICES_H
#define INPUT_KEEPER_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/input.h"

#define DEVICE_CONFIG_MAX 128 /* bytes of an answer */

/* The answer to a question of virtio_input_config; its size, 0: there is none. */
size_t device_config(enum input_kind kind, uint8_t select, uint8_t subselect,
		     uint8_t out[DEVICE_CONFIG_MAX]);

/* Whether the kind sends such events. */
bool device_has(enum input_kind kind, uint16_t type, uint16_t code);

/* The value of an axis that nobody touches, where it goes back to by itself; false: it has none. */
bool device_neutral(enum input_kind kind, uint16_t code, int32_t *value);

#endif
