/* SPDX-License-Identifier: MIT */
/* What the methods of the D-Bus API answer with: errors with a sentence, and entries of a{sv}. */
#ifndef CONTROL_BUS_REPLY_H
#define CONTROL_BUS_REPLY_H

#include <systemd/sd-bus.h>

/* Sets the error whose name goes with -errno, and the sentence; why NULL: the errno's own words.
 * Returns what a method's handler returns. */
int bus_fail(sd_bus_error *error, int r, const char *why);

/* The answer of every method that returns nothing. */
int bus_answer(sd_bus_message *call, sd_bus_error *error, int r, const char *why);

/* Appends one entry to an open a{sv}; the value is of one basic type. 0 or more, or -errno. */
int bus_append_entry(sd_bus_message *m, const char *key, const char *type, ...);

/* A text of any bytes, or NULL for none: sd-bus refuses a message with a byte that is no UTF-8,
 * and a guest's words may hold any. */
int bus_append_text(sd_bus_message *m, const char *key, const char *text);

#endif
