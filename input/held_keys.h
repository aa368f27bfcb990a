/* SPDX-License-Identifier: MIT */
/*
 * Which keys are down on which device: a small set of (device, code) pairs in the order of their
 * presses. A plain value without allocations; nobody holds more than HELD_KEYS_MAX keys.
 */
#ifndef INPUT_HELD_KEYS_H
#define INPUT_HELD_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HELD_KEYS_MAX 128

struct held_key {
	uint32_t device;
	uint16_t code; /* evdev: keys and buttons share one number space */
	bool button;
	bool live; /* the owner's: the press of this key was passed on */
};

struct held_keys {
	size_t n;
	struct held_key keys[HELD_KEYS_MAX];
};

/* NULL when this device does not hold the key. Valid until the next add or remove. */
struct held_key *held_keys_find(struct held_keys *held, uint32_t device, uint32_t code);

/* Adds a key that is not in the set, not live. NULL when the set is full. */
struct held_key *held_keys_add(struct held_keys *held, uint32_t device, uint32_t code);

void held_keys_remove(struct held_keys *held, struct held_key *key);

/* True when a device holds this key (with live_only: and its press was passed on). */
bool held_keys_any(const struct held_keys *held, uint32_t code, bool live_only);

#endif
