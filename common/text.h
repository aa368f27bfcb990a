/* SPDX-License-Identifier: MIT */
/* Text that comes from a guest, for logs, screens and D-Bus. */
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include <stddef.h>

/*
 * Copies at most length bytes up to the first zero, as printable ASCII: every other byte becomes a
 * question mark, since a guest may write anything. What does not fit is cut; to is terminated.
 */
static inline void text_copy_printable(char *to, size_t size, const void *from, size_t length)
{
	const unsigned char *byte = from;
	size_t n = 0;

	while (n < size - 1 && n < length && byte[n] != 0) {
		to[n] = byte[n] >= ' ' && byte[n] < 0x7f ? (char)byte[n] : '?';
		n++;
	}
	to[n] = 0;
}

#endif
