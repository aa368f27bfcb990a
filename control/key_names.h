/* SPDX-License-Identifier: MIT */
/* Names of keys as people write them: evdev's without KEY_, and the US layout for typing text. */
#ifndef CONTROL_KEY_NAMES_H
#define CONTROL_KEY_NAMES_H

#include <stdbool.h>

/* The evdev code of "RIGHTCTRL", "key_o", "F12" or a number such as "0x1d"; -1 when it is none. */
int key_by_name(const char *name);

/* The key that types c on a US keyboard, and whether with Shift; -1 when there is none. */
int key_by_character(char c, bool *shift);

#endif
