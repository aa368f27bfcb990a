// SPDX-License-Identifier: MIT
/* Writes log lines; see log.h. */
#include "common/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

static enum log_level max_level = LOG_LEVEL_INFO;

static const struct {
	const char *journal; /* syslog priorities 3, 4, 6, 7 */
	const char *terminal;
} prefixes[] = {
	[LOG_LEVEL_ERROR] = { "<3>", "error: " },
	[LOG_LEVEL_WARNING] = { "<4>", "warning: " },
	[LOG_LEVEL_INFO] = { "<6>", "" },
	[LOG_LEVEL_DEBUG] = { "<7>", "debug: " },
};

void log_set_level(enum log_level level)
{
	max_level = level;
}

/* Names from guests end up here; none of their bytes may steer a terminal. */
static void mask_control_characters(char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f) {
			*s = '?';
		}
	}
}

/*
 * Nobody waits for a pager in front of its first page: what a full pipe does not take is lost. Not
 * O_NONBLOCK, which would be the terminal's, hence the shell's, too.
 */
static bool stderr_takes_a_line(void)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&out, 1, 0) > 0;
}

void log_write(enum log_level level, const char *format, ...)
{
	char message[2048], line[2200];
	int saved = errno, length;
	va_list args;

	if (level > max_level) {
		return;
	}
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	mask_control_characters(message);
	if (getenv("JOURNAL_STREAM")) {
		length = snprintf(line, sizeof(line), "%s%s\n", prefixes[level].journal, message);
	} else {
		uint64_t ms = clock_now_ns() / 1000000;

		length = snprintf(line, sizeof(line), "[%6llu.%03llu] %s%s\n",
				  (unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000),
				  prefixes[level].terminal, message);
	}
	/* One write per line keeps lines of several processes apart. */
	if (stderr_takes_a_line() && write(STDERR_FILENO, line, (size_t)length) < 0) {
		/* There is nowhere left to say it. */
	}
	errno = saved;
}
