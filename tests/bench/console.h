/* SPDX-License-Identifier: MIT */
/* The test guest's console: lines to it and stamped lines from it; see tools/testcard. */
#ifndef BENCH_CONSOLE_H
#define BENCH_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

struct console {
	int fd;
	char buffer[4096];
	size_t length;
	uint64_t arrived_ns; /* of what is in the buffer */
};

/* Connects to QEMU's socket of the console. 0 or -errno, said on stderr. */
int console_open(struct console *console, const char *path);
void console_close(struct console *console);

/* One command, without its end of line. 0 or -errno. */
int console_tell(struct console *console, const char *command);

/*
 * Waits for a line that begins with the word and writes the number behind it to *value; other
 * lines are dropped. *arrived_ns, which may be NULL, is when the line was read. -ETIMEDOUT when
 * deadline_ns (CLOCK_MONOTONIC) passes first.
 */
int console_wait(struct console *console, const char *word, uint64_t deadline_ns, uint64_t *value,
		 uint64_t *arrived_ns);

#endif
