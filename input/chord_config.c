// SPDX-License-Identifier: MIT
/* Which keys the chords are on: defaults, configuration, and the help that is made of it. */
#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <stdlib.h>

#include "input/chords.h"
#include "input/keymap.h"

/* The chords with a key of their own. */
static const struct {
	size_t offset;
	const char *meaning;
} entries[] = {
	{ offsetof(struct chord_config, recent),
	  "The guest before this one; again, while the host key is held: further back" },
	{ offsetof(struct chord_config, back), "Back to the last guest" },
	{ offsetof(struct chord_config, switcher), "All guests" },
	{ offsetof(struct chord_config, card),
	  "The graphics card to the guest in front, or back from it" },
	{ offsetof(struct chord_config, louder), "The guest in front louder" },
	{ offsetof(struct chord_config, softer), "The guest in front softer" },
	{ offsetof(struct chord_config, mute), "The guest in front silent, or heard again" },
	{ offsetof(struct chord_config, rescue), "Release every key and show all guests" },
	{ offsetof(struct chord_config, send_host_key), "Send the host key itself to the guest" },
};

#define ENTRIES (sizeof(entries) / sizeof(entries[0]))

static unsigned int entry_code(const struct chord_config *config, size_t i)
{
	return *(const unsigned int *)((const char *)config + entries[i].offset);
}

void chord_config_init(struct chord_config *config)
{
	*config = (struct chord_config){
		.host_key = KEY_RIGHTCTRL,
		.recent = KEY_TAB,
		.back = KEY_GRAVE,
		.switcher = KEY_O,
		.rescue = KEY_ESC,
		.card = KEY_G,
		.louder = KEY_UP,
		.softer = KEY_DOWN,
		.mute = KEY_M,
		.send_host_key = KEY_BACKSPACE,
	};
}

int chord_parse_key(const char *value, void *field, char *expected, size_t size)
{
	uint32_t code = keymap_code(value);

	if (code == 0) {
		snprintf(expected, size, "the name of a key, such as RIGHTCTRL, TAB or F12");
		return -EINVAL;
	}
	*(unsigned int *)field = code;
	return 0;
}

static void write_help(FILE *f, const struct chord_config *config)
{
	const char *host = keymap_label(config->host_key);

	fprintf(f, "%s + 1 to 9\tThe guest in this slot\n", host);
	for (size_t i = 0; i < ENTRIES; i++) {
		if (entry_code(config, i) != KEY_RESERVED) {
			fprintf(f, "%s + %s\t%s\n", host, keymap_label(entry_code(config, i)),
				entries[i].meaning);
		}
	}
	fprintf(f, "%s + F1 to F12\tVirtual terminal\n", host);
}

char *chord_help(const struct chord_config *config)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f) {
		return NULL;
	}
	write_help(f, config);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

char *chord_label(const struct chord_config *config, unsigned int key)
{
	char *text;

	return asprintf(&text, "%s + %s", keymap_label(config->host_key), keymap_label(key)) < 0
		       ? NULL
		       : text;
}
