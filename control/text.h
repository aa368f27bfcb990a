/* SPDX-License-Identifier: MIT */
/* Words of unknown origin, made fit for a D-Bus message and for a terminal. */
#ifndef CONTROL_TEXT_H
#define CONTROL_TEXT_H

#include <stddef.h>

/*
 * Copies text as valid UTF-8 without control characters; each byte that is neither becomes '?'.
 * Cut at a character's end so that it fits into size bytes, the terminating 0 included.
 */
void text_clean(const char *text, char *out, size_t size);

#endif
