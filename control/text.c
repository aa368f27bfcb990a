// SPDX-License-Identifier: MIT
/* Makes words of unknown origin fit for a message and a terminal; see text.h. */
#include "control/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Bytes of a sequence by its first byte, and the least value that needs so many; RFC 3629. */
static size_t sequence_length(unsigned char first, uint32_t *value, uint32_t *least)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t least;
	} kinds[] = {
		{ 0x80, 0x00, 0 },
		{ 0xe0, 0xc0, 0x80 },
		{ 0xf0, 0xe0, 0x800 },
		{ 0xf8, 0xf0, 0x10000 },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if ((first & kinds[i].mask) == kinds[i].lead) {
			*value = first & (unsigned char)~kinds[i].mask;
			*least = kinds[i].least;
			return i + 1;
		}
	}
	return 0;
}

/* Bytes of the printable character at text, or 0 when there is none. */
static size_t character_length(const unsigned char *text)
{
	uint32_t value, least;
	size_t length = sequence_length(text[0], &value, &least);

	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80) {
			return 0;
		}
		value = value << 6 | (text[i] & 0x3f);
	}
	if (!length || value < least || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) {
		return 0;
	}
	return value < 0x20 || (value >= 0x7f && value < 0xa0) ? 0 : length;
}

void text_clean(const char *text, char *out, size_t size)
{
	size_t used = 0;

	while (*text && used + 1 < size) {
		size_t length = character_length((const unsigned char *)text);

		if (!length) {
			out[used++] = '?';
			text++;
			continue;
		}
		if (used + length >= size) {
			break;
		}
		memcpy(out + used, text, length);
		used += length;
		text += length;
	}
	out[used] = 0;
}
