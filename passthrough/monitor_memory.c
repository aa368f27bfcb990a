// SPDX-License-Identifier: MIT
/* Files of what was learned of monitors; see monitor_memory.h. */
#include "passthrough/monitor_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/ini.h"

static const char *const trust_names[MONITOR_TRUSTS] = {
	[MONITOR_UNKNOWN] = "unknown",
	[MONITOR_WORKS] = "works",
	[MONITOR_FAILS] = "fails",
};

static int parse_trust(const char *value, void *field, char *expected, size_t size)
{
	for (int i = 0; i < MONITOR_TRUSTS; i++) {
		if (strcmp(value, trust_names[i]) == 0) {
			*(enum monitor_trust *)field = (enum monitor_trust)i;
			return 0;
		}
	}
	snprintf(expected, size, "unknown, works or fails");
	return -EINVAL;
}

#define KEY(name, field, parse)                                                                    \
	{                                                                                          \
		"monitor", name, offsetof(struct monitor_memory, field), parse                     \
	}
static const struct ini_key keys[] = {
	KEY("input-host", inputs[MONITOR_HOST], ini_parse_uint),
	KEY("input-guest", inputs[MONITOR_GUEST], ini_parse_uint),
	KEY("to-host", trust[MONITOR_HOST], parse_trust),
	KEY("to-guest", trust[MONITOR_GUEST], parse_trust),
	{ 0 },
};

DEFINE_CLEANUP(struct ini_report *, ini_report_destroy)

void monitor_memory_load(const char *folder, const char *monitor,
			 const unsigned int inputs[MONITOR_SIDES], struct monitor_memory *out)
{
	/* It is nobody's to write but ours: a mistake in it is told to nobody, and forgotten. */
	_cleanup_(ini_report_destroy_ptr) struct ini_report *unread = ini_report_create();
	struct monitor_memory read = { 0 };
	_cleanup_free_ char *path = NULL;
	int r = -ENOMEM;

	*out = (struct monitor_memory){ 0 };
	memcpy(out->inputs, inputs, sizeof(out->inputs));
	if (asprintf(&path, "%s/%s.ini", folder, monitor) < 0) {
		path = NULL;
	}
	if (unread && path) {
		r = ini_load(path, keys, &read, unread);
	}
	if (r >= 0 && memcmp(read.inputs, out->inputs, sizeof(read.inputs)) == 0) {
		*out = read;
	}
}

static int write_text(int fd, const struct monitor_memory *memory)
{
	int n = dprintf(
		fd,
		"# What Baton has learned of this monitor. Remove the file to have it tried again.\n"
		"[monitor]\ninput-host = %u\ninput-guest = %u\nto-host = %s\nto-guest = %s\n",
		memory->inputs[MONITOR_HOST], memory->inputs[MONITOR_GUEST],
		trust_names[memory->trust[MONITOR_HOST]],
		trust_names[memory->trust[MONITOR_GUEST]]);

	/* What is renamed before its text is on the disk may be empty after a power cut. */
	return n < 0 || fsync(fd) < 0 ? -errno : 0;
}

int monitor_memory_save(int folder, const char *monitor, const struct monitor_memory *memory)
{
	_cleanup_close_ int fd = -1;
	char name[64], draft[64];
	int r;

	snprintf(name, sizeof(name), "%s.ini", monitor);
	snprintf(draft, sizeof(draft), ".%s.new", monitor);
	fd = openat(folder, draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return -errno;
	}
	r = write_text(fd, memory);
	if (r >= 0 && renameat(folder, draft, folder, name) < 0) {
		r = -errno;
	}
	if (r < 0) {
		unlinkat(folder, draft, 0);
	}
	return r;
}
