// SPDX-License-Identifier: MIT
/* The agent's end of the port; see port.h. */
#include "agent/port.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/sysfs.h"

struct port {
	int fd;
	uint8_t bytes[AGENT_MESSAGE_SIZE]; /* of the message that is coming */
	size_t filled;
	bool connected;                         /* the host was seen to be there */
	struct agent_message queue[PORT_QUEUE]; /* waits to be sent, the first one first */
	unsigned int queued;
};

int port_find(const char *classes, const char *name)
{
	_cleanup_folder_ DIR *folder = opendir(classes);
	char path[PATH_MAX], text[64];
	struct dirent *entry;
	int fd;

	while (folder && (entry = readdir(folder))) {
		if (entry->d_name[0] == '.' || sysfs_path(path, classes, entry->d_name) < 0 ||
		    sysfs_read(path, "name", text, sizeof(text)) < 0 || strcmp(text, name)) {
			continue;
		}
		fd = sysfs_path(path, "/dev", entry->d_name) < 0
			     ? -1
			     : open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		return fd < 0 ? -errno : fd;
	}
	return -ENODEV;
}

int port_create(int fd, struct port **out)
{
	struct port *port = calloc(1, sizeof(*port));

	if (!port) {
		close(fd);
		return -ENOMEM;
	}
	port->fd = fd;
	*out = port;
	return 0;
}

void port_destroy(struct port *port)
{
	if (port) {
		close(port->fd);
		free(port);
	}
}

int port_fd(const struct port *port)
{
	return port->fd;
}

/* The kernel's driver takes a message whole or not at all. */
static int write_message(struct port *port, const struct agent_message *message)
{
	ssize_t n = write(port->fd, message, sizeof(*message));

	if (n < 0) {
		return -errno;
	}
	port->connected = true;
	return n == sizeof(*message) ? 0 : -EIO;
}

int port_try(struct port *port, struct agent_message *message)
{
	message->magic = AGENT_MAGIC;
	return port->queued ? -EAGAIN : write_message(port, message);
}

void port_send(struct port *port, struct agent_message *message)
{
	port_flush(port);
	if (port_try(port, message) == -EAGAIN && port->queued < PORT_QUEUE) {
		port->queue[port->queued++] = *message;
	}
}

void port_flush(struct port *port)
{
	unsigned int sent = 0;

	while (sent < port->queued && write_message(port, &port->queue[sent]) != -EAGAIN) {
		sent++;
	}
	port->queued -= sent;
	memmove(port->queue, port->queue + sent, port->queued * sizeof(*port->queue));
}

void port_forget(struct port *port)
{
	port->queued = 0;
}

/* Nobody is there (any more). */
static int hung_up(struct port *port)
{
	bool was = port->connected;

	port->connected = false;
	port->filled = 0;
	return was ? -EPIPE : 0;
}

/* Fills the message that is coming. 1: it is complete, 0: not yet, -EPIPE. */
static int fill(struct port *port)
{
	while (port->filled < sizeof(port->bytes)) {
		ssize_t n = read(port->fd, port->bytes + port->filled,
				 sizeof(port->bytes) - port->filled);

		if (n < 0 && errno == EAGAIN) {
			port->connected = true;
			return 0;
		}
		if (n == 0 || (n < 0 && errno != EINTR)) {
			return hung_up(port);
		}
		port->filled += n > 0 ? (size_t)n : 0;
	}
	return 1;
}

/* What began there was no message: the next one may begin at any byte after. */
static void drop_byte(struct port *port)
{
	uint32_t magic = AGENT_MAGIC;
	const uint8_t *next = port->bytes + 1;
	size_t left = port->filled - 1;

	while (left > 0 && memcmp(next, &magic, left < sizeof(magic) ? left : sizeof(magic))) {
		next++;
		left--;
	}
	memmove(port->bytes, next, left);
	port->filled = left;
}

int port_receive(struct port *port, struct agent_message *message)
{
	int r;

	while ((r = fill(port)) == 1) {
		memcpy(message, port->bytes, sizeof(*message));
		if (agent_message_is_legal(message, false)) {
			port->filled = 0;
			return 1;
		}
		drop_byte(port);
	}
	return r;
}
