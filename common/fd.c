// SPDX-License-Identifier: MIT
/* File descriptors and small files; see fd.h. */
#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/cleanup.h"

/* A socket, or -errno, and the address of that path. */
static int unix_socket(const char *path, int type, struct sockaddr_un *address)
{
	int fd;

	if (strlen(path) >= sizeof(address->sun_path)) {
		return -ENAMETOOLONG;
	}
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address->sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd < 0 ? -errno : fd;
}

static int connect_to(const char *path, int type)
{
	struct sockaddr_un address;
	_cleanup_close_ int fd = unix_socket(path, type, &address);

	if (fd < 0) {
		return fd;
	}
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		return -errno;
	}
	return take_fd(fd);
}

int unix_connect(const char *path)
{
	return connect_to(path, SOCK_STREAM);
}

static int connect_to_own(const char *path, int type)
{
	_cleanup_close_ int there = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	char itself[32];

	if (there < 0) {
		return -errno;
	}
	snprintf(itself, sizeof(itself), "/proc/self/fd/%d", there);
	return connect_to(itself, type);
}

int unix_connect_own(const char *path)
{
	return connect_to_own(path, SOCK_STREAM);
}

int unix_connect_own_packets(const char *path)
{
	return connect_to_own(path, SOCK_SEQPACKET);
}

int unix_connect_packets(const char *path)
{
	return connect_to(path, SOCK_SEQPACKET);
}

static int listen_at(const char *path, int type, int backlog)
{
	struct sockaddr_un address;
	_cleanup_close_ int fd = unix_socket(path, type, &address);

	if (fd < 0) {
		return fd;
	}
	if (unlink(path) < 0 && errno != ENOENT) {
		return -errno;
	}
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0600) < 0 ||
	    listen(fd, backlog) < 0) {
		return -errno;
	}
	return take_fd(fd);
}

int unix_listen(const char *path, int backlog)
{
	return listen_at(path, SOCK_STREAM, backlog);
}

int unix_listen_packets(const char *path, int backlog)
{
	return listen_at(path, SOCK_SEQPACKET, backlog);
}

int mkdir_private(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		return -errno;
	}
	if (lstat(path, &st) < 0) {
		return -errno;
	}
	if (!S_ISDIR(st.st_mode)) {
		return -ENOTDIR;
	}
	if (st.st_uid != geteuid()) {
		return -EPERM;
	}
	return (st.st_mode & 077) && chmod(path, 0700) < 0 ? -errno : 0;
}

ssize_t file_read_tail(const char *path, char *buffer, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	struct stat st;
	off_t start;
	ssize_t n;

	buffer[0] = '\0';
	if (fd < 0 || fstat(fd, &st) < 0) {
		return -errno;
	}
	start = st.st_size > (off_t)size - 1 ? st.st_size - (off_t)size + 1 : 0;
	n = pread(fd, buffer, size - 1, start);
	if (n < 0) {
		return -errno;
	}
	buffer[n] = '\0';
	return n;
}

int file_write(const char *path, const char *content, size_t size)
{
	_cleanup_free_ char *temporary = NULL;
	_cleanup_close_ int fd = -1;

	if (asprintf(&temporary, "%s.new", path) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	/* What lies there may be a FIFO, which would keep us waiting. */
	(void)unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return -errno;
	}
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, content + done, size - done);

		if (n < 0) {
			return -errno;
		}
		done += (size_t)n;
	}
	return rename(temporary, path) < 0 ? -errno : 0;
}
