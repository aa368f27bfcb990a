// SPDX-License-Identifier: MIT
/* Small files of the kernel, times and sentences. */
#include "passthrough/broker/broker.h"

#include <stdarg.h>
#include <time.h>

const char *system_root = "";

const char *at(const char *format, ...)
{
	static char paths[4][256];
	static unsigned int turn;
	char *path = paths[turn++ % 4];
	int n = snprintf(path, sizeof(paths[0]), "%s", system_root);
	va_list args;

	va_start(args, format);
	vsnprintf(path + n, sizeof(paths[0]) - (size_t)n, format, args);
	va_end(args);
	return path;
}

const char *at_function(const struct card *card, unsigned int number, const char *attribute)
{
	return at("/sys/bus/pci/devices/%s.%u/%s", card->name, number, attribute);
}

int text_read(const char *path, char *out, size_t size)
{
	_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);

	n -= n > 0 && out[n - 1] == '\n';
	out[n < 0 ? 0 : n] = '\0';
	return n < 0 ? -errno : 0;
}

uint64_t number_read(const char *path, const char *after)
{
	char text[2048], *found;

	text_read(path, text, sizeof(text));
	found = strstr(text, after);
	return found ? strtoull(found + strlen(after), NULL, 0) : 0;
}

void link_read(const char *path, char *out, size_t size)
{
	char target[256];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	target[n < 0 ? 0 : n] = '\0';
	snprintf(out, size, "%s", basename(target));
}

struct dirent *dir_next(DIR **dir)
{
	struct dirent *entry = *dir ? readdir(*dir) : NULL;

	while (entry && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))) {
		entry = readdir(*dir);
	}
	if (!entry && *dir) {
		closedir(*dir);
		*dir = NULL;
	}
	return entry;
}

int kernel_write(const char *path, const char *value)
{
	_cleanup_(close_fd) int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 || write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t now_ms(void)
{
	return now_us() / 1000;
}

bool is_readable(int fd)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) != 0;
}

void close_fd(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
	*fd = -1;
}

void close_file(FILE **file)
{
	if (*file) {
		fclose(*file);
	}
}

int fail(char *text, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(text, BROKER_TEXT_MAX, format, args);
	va_end(args);
	return error;
}
