// SPDX-License-Identifier: MIT
/* batonctl doctor: becomes baton-doctor, a program of its own, which needs no seat. */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "common/strv.h"
#include "control/ctl.h"

#define DOCTOR "baton-doctor"
/* As baton-doctor's own exit status when it cannot run: 1 and 2 are findings. */
#define NOT_RUN ((enum ctl_status)3)

/* Beside us, where both were built, or where it was installed; allocated. */
static char *find_doctor(void)
{
	static const char *const places[] = { "", "../passthrough/doctor/" };
	char program[PATH_MAX], *folder, *path;
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

	program[n < 0 ? 0 : n] = '\0';
	folder = dirname(program);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (asprintf(&path, "%s/%s" DOCTOR, folder, places[i]) < 0) {
			return NULL;
		}
		if (access(path, X_OK) == 0) {
			return path;
		}
		free(path);
	}
	return strdup(BATON_LIBEXECDIR "/" DOCTOR);
}

/* The words go on as they are: baton-doctor knows its own options. */
static enum ctl_status run_doctor(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_free_ char *path = find_doctor();
	_cleanup_strv_ char **words = NULL;
	int r = path ? strv_append(&words, DOCTOR) : -ENOMEM;

	if (r == 0 && ctl->json) {
		r = strv_append(&words, "--json");
	}
	for (int i = 0; i < argc && r == 0; i++) {
		r = strv_append(&words, argv[i]);
	}
	if (r < 0) {
		return ctl_fail(NOT_RUN, "out of memory");
	}
	execv(path, words);
	return ctl_fail(NOT_RUN, "%s: %s; install all of Baton", path, strerror(errno));
}

/* clang-format off */
const struct ctl_command ctl_doctor_commands[] = {
	{ "doctor", 0, 16, run_doctor, "[--config DIR]",
	  "say what Baton needs and what of it is there", .offline = true },
	{ 0 }
};
/* clang-format on */
