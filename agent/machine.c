// SPDX-License-Identifier: MIT
/* The virtual machine's identity; see machine.h. */
#include "agent/machine.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sysfs.h"
#include "common/cleanup.h"

#define NAME_KEY "PRETTY_NAME="

static bool parse_uuid(const char *text, uint8_t uuid[static 16])
{
	unsigned int digits = 0;

	for (; *text; text++) {
		char digit[2] = { *text };

		if (*text == '-') {
			continue;
		}
		if (!isxdigit((unsigned char)*text) || digits == 32) {
			return false;
		}
		uuid[digits / 2] = (uint8_t)(uuid[digits / 2] << 4 | strtoul(digit, NULL, 16));
		digits++;
	}
	return digits == 32;
}

static void read_system(char *system, size_t size)
{
	_cleanup_fclose_ FILE *file = fopen("/etc/os-release", "re");
	char line[256];

	snprintf(system, size, "Linux");
	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, NAME_KEY, strlen(NAME_KEY))) {
			const char *name = line + strlen(NAME_KEY);

			name += *name == '"';
			snprintf(system, size, "%.*s", (int)strcspn(name, "\"\n"), name);
			return;
		}
	}
}

void machine_read(struct machine *machine)
{
	char text[64];

	*machine = (struct machine){ 0 };
	machine->has_uuid =
		sysfs_read("/sys/class/dmi/id", "product_uuid", text, sizeof(text)) == 0 &&
		parse_uuid(text, machine->uuid);
	read_system(machine->system, sizeof(machine->system));
}
