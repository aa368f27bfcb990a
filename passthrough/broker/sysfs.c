// SPDX-License-Identifier: MIT
/* Small files of the kernel, times and sentences; see broker.h. */
#include "passthrough/broker/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *system_root = "";

static void path_build(char out[256], const char *format, va_list args)
{
	int n = snprintf(out, 256, "%s", system_root);

	vsnprintf(out + n, (size_t)(256 - n), format, args);
}

#define PATH_FROM_ARGS(path, format)                                                               \
	char path[256];                                                                            \
	va_list args;                                                                              \
	va_start(args, format);                                                                    \
	path_build(path, format, args);                                                            \
	va_end(args)

void path_format(char out[256], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	path_build(out, format, args);
	va_end(args);
}

int text_read(char *out, size_t size, const char *format, ...)
{
	PATH_FROM_ARGS(path, format);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);

	n -= n > 0 && out[n - 1] == '\n';
	out[n < 0 ? 0 : n] = '\0';
	return n < 0 ? -errno : 0;
}

int link_read(char *out, size_t size, const char *format, ...)
{
	PATH_FROM_ARGS(path, format);
	char target[256];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	const char *slash;

	out[0] = '\0';
	if (n < 0) {
		return -errno;
	}
	target[n] = '\0';
	slash = strrchr(target, '/');
	snprintf(out, size, "%s", slash ? slash + 1 : target);
	return 0;
}

int node_open(int flags, const char *format, ...)
{
	PATH_FROM_ARGS(path, format);
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

DIR *dir_open(const char *format, ...)
{
	PATH_FROM_ARGS(path, format);
	return opendir(path);
}

struct dirent *dir_next(DIR *dir)
{
	struct dirent *entry;

	do {
		entry = readdir(dir);
	} while (entry && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
	return entry;
}

int kernel_write(const char *path, const char *value)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t n = strlen(value);

	return fd < 0 || write(fd, value, n) != (ssize_t)n ? -errno : 0;
}

int attribute_write(struct card *card, const char *value, const char *format, ...)
{
	PATH_FROM_ARGS(path, format);
	int r = journal_append(card, "@write %s %s", path, value[0] == '\n' ? "" : value);

	return r < 0 ? r : kernel_write(path, value);
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

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vdprintf(STDERR_FILENO, format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "\n");
}

int fail(char *text, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(text, BROKER_TEXT_MAX, format, args);
	va_end(args);
	return error;
}
