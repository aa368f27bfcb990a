// SPDX-License-Identifier: MIT
/* Where a seat and those who talk to it find each other; see paths.h. */
#include "control/paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *environment_path(const char *name)
{
	const char *value = getenv(name);

	return value && *value == '/' ? value : NULL;
}

char *runtime_dir(void)
{
	const char *base = environment_path("BATON_RUNTIME_DIR");
	char user[64], *path;
	int n;

	if (base) {
		return strdup(base);
	}
	base = environment_path("XDG_RUNTIME_DIR");
	snprintf(user, sizeof(user), "/run/user/%u", geteuid());
	if (!base && access(user, W_OK) == 0) {
		base = user;
	}
	n = base ? asprintf(&path, "%s/baton", base) : asprintf(&path, "/tmp/baton-%u", geteuid());
	return n < 0 ? NULL : path;
}
