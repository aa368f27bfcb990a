// SPDX-License-Identifier: MIT
/* Raw, non-blocking lines over /dev/hvc0. */
#include "console.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

void console_init(struct console *console)
{
	console->fd = -1;
	console->line_length = 0;
	console->queue_length = 0;
}

bool console_open(struct console *console)
{
	struct termios raw;

	if (console->fd >= 0) {
		return true;
	}
	console->fd = open("/dev/hvc0", O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (console->fd < 0) {
		return false;
	}
	if (tcgetattr(console->fd, &raw) == 0) {
		cfmakeraw(&raw);
		tcsetattr(console->fd, TCSANOW, &raw);
	}
	console_flush(console);
	return true;
}

void console_flush(struct console *console)
{
	while (console->fd >= 0 && console->queue_length > 0) {
		ssize_t done = write(console->fd, console->queue, console->queue_length);

		if (done <= 0) {
			return;
		}
		console->queue_length -= (size_t)done;
		memmove(console->queue, console->queue + done, console->queue_length);
	}
}

void console_print(struct console *console, const char *format, ...)
{
	char line[CONSOLE_LINE];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (length < 0) {
		return;
	}
	if (length > (int)sizeof(line) - 2) {
		length = sizeof(line) - 2;
	}
	line[length++] = '\n';
	if (console->queue_length + (size_t)length > sizeof(console->queue)) {
		return;
	}
	memcpy(console->queue + console->queue_length, line, (size_t)length);
	console->queue_length += (size_t)length;
	console_flush(console);
}

void console_read(struct console *console, void (*handle)(void *data, char *line), void *data)
{
	char bytes[256];
	ssize_t count;

	while ((count = read(console->fd, bytes, sizeof(bytes))) > 0) {
		for (ssize_t i = 0; i < count; i++) {
			if (bytes[i] == '\n' || bytes[i] == '\r') {
				console->line[console->line_length] = '\0';
				if (console->line_length > 0) {
					handle(data, console->line);
				}
				console->line_length = 0;
			} else if (console->line_length < sizeof(console->line) - 1) {
				console->line[console->line_length++] = bytes[i];
			}
		}
	}
}
