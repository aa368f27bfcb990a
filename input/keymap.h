/* SPDX-License-Identifier: MIT */
/*
 * Keys by position: the kernel's codes (evdev), their names for configuration files, and the
 * numbers that QEMU knows them by.
 */
#ifndef INPUT_KEYMAP_H
#define INPUT_KEYMAP_H

#include <stdint.h>

/*
 * QEMU's key number ("qnum") for a KEY_* code: a byte of scan code set 1, with bit 7 set for keys
 * that have the prefix E0. 0 when QEMU has no such key.
 */
uint8_t keymap_qnum(uint32_t code);

/* The kernel's name without "KEY_" ("RIGHTCTRL"), or NULL for a code without a name here. */
const char *keymap_name(uint32_t code);

/* What a person calls the key ("Right Ctrl"); keymap_name() where nothing nicer is known, "?"
 * for a code without a name. */
const char *keymap_label(uint32_t code);

/* The code of a name, in any case and with or without "KEY_"; 0 when there is none. */
uint32_t keymap_code(const char *name);

#endif
