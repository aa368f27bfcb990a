// SPDX-License-Identifier: MIT
/* Executes the program anew; see restart.h. */
#include "seat/restart.h"

#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "seat/cards.h"

#define SELF "/proc/self/exe"

void restart_execute(char **argv, const char *slot)
{
	char program[PATH_MAX];
	ssize_t n = readlink(SELF, program, sizeof(program) - 1);

	program[n > 0 ? n : 0] = '\0';
	if (setenv(CARDS_RESTARTED, slot, 1) < 0) {
		log_error("The seat cannot execute itself anew: %s.", strerror(errno));
		return;
	}
	/* A library's descriptors need not close by themselves, and they are what this is about. */
	close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	/* By its path, so that it keeps its name; one that was replaced or removed is still there. */
	execv(program, argv);
	execv(SELF, argv);
	log_error("%s cannot be executed anew: %s.", program, strerror(errno));
}
