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

static char *home_dir(const char *variable, const char *fallback)
{
	const char *xdg = getenv(variable), *home = getenv("HOME");
	char *path;
	int n;

	if (xdg && *xdg) {
		n = asprintf(&path, "%s/baton", xdg);
	} else {
		n = asprintf(&path, "%s/%s/baton", home && *home ? home : "/", fallback);
	}
	return n < 0 ? NULL : path;
}

char *config_dir(void)
{
	return home_dir("XDG_CONFIG_HOME", ".config");
}

char *state_dir(void)
{
	return home_dir("XDG_STATE_HOME", ".local/state");
}
