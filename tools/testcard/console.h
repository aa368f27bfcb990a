/* SPDX-License-Identifier: MIT */
/* The line protocol with the host over a virtio console. Works without one: lines then go nowhere.
 */
#ifndef TESTCARD_CONSOLE_H
#define TESTCARD_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	CONSOLE_LINE = 256,
	CONSOLE_QUEUE = 64 * 1024,
};

struct console {
	int fd; /* -1 until the device is there */
	char line[CONSOLE_LINE];
	size_t line_length;
	char queue[CONSOLE_QUEUE]; /* what the host has not taken yet */
	size_t queue_length;
};

void console_init(struct console *console);

/* Opens the device if it is there by now; cheap to call again. True when it is open. */
bool console_open(struct console *console);

/* Queues one line (the newline is added) and writes what the host takes; drops it when full. */
void console_print(struct console *console, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Writes queued bytes until the host takes no more. */
void console_flush(struct console *console);

/* Reads what is there and calls handle() for every whole line, without its newline. */
void console_read(struct console *console, void (*handle)(void *data, char *line), void *data);

#endif
