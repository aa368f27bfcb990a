// SPDX-License-Identifier: MIT
/* See console.h. */
#include "tests/bench/console.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"

int console_open(struct console *console, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*console = (struct console){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (console->fd < 0 ||
	    connect(console->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int r = -errno;

		fprintf(stderr, "%s: %s\n", path, strerror(-r));
		return r;
	}
	return 0;
}

void console_close(struct console *console)
{
	if (console->fd >= 0) {
		close(console->fd);
		console->fd = -1;
	}
}

int console_tell(struct console *console, const char *command)
{
	char line[128];
	int length = snprintf(line, sizeof(line), "%s\n", command);

	return write(console->fd, line, (size_t)length) == length ? 0 : -EIO;
}

/* Reads more; -ETIMEDOUT at the deadline. */
static int console_fill(struct console *console, uint64_t deadline_ns)
{
	struct pollfd poll_fd = { .fd = console->fd, .events = POLLIN };
	uint64_t now = clock_now_ns();
	ssize_t n;

	if (now >= deadline_ns) {
		return -ETIMEDOUT;
	}
	if (poll(&poll_fd, 1, (int)((deadline_ns - now) / NSEC_PER_MSEC + 1)) <= 0) {
		return -ETIMEDOUT;
	}
	console->arrived_ns = clock_now_ns();
	n = read(console->fd, console->buffer + console->length,
		 sizeof(console->buffer) - 1 - console->length);
	if (n <= 0) {
		return n < 0 ? -errno : -ECONNRESET;
	}
	console->length += (size_t)n;
	return 0;
}

/* Takes the first line out of the buffer, if there is a whole one. */
static int take_line(struct console *console, char *line, size_t size)
{
	char *end = memchr(console->buffer, '\n', console->length);
	size_t length;

	if (!end) {
		/* Longer than any line of ours: the guest's kernel talks. */
		if (console->length == sizeof(console->buffer) - 1) {
			console->length = 0;
		}
		return -EAGAIN;
	}
	length = (size_t)(end - console->buffer);
	snprintf(line, size, "%.*s", (int)length, console->buffer);
	console->length -= length + 1;
	memmove(console->buffer, end + 1, console->length);
	return 0;
}

int console_wait(struct console *console, const char *word, uint64_t deadline_ns, uint64_t *value,
		 uint64_t *arrived_ns)
{
	size_t n = strlen(word);
	char line[256];
	int r;

	for (;;) {
		while (take_line(console, line, sizeof(line)) == 0) {
			if (strncmp(line, word, n) == 0 && line[n] == ' ') {
				*value = strtoull(line + n, NULL, 10);
				if (arrived_ns) {
					*arrived_ns = console->arrived_ns;
				}
				return 0;
			}
		}
		r = console_fill(console, deadline_ns);
		if (r < 0) {
			return r;
		}
	}
}
