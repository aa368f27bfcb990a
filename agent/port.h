/* SPDX-License-Identifier: MIT */
/*
 * The agent's end of the port to the seat (proto/agent.h): whole messages out, legal messages in.
 * Nothing waits, and what makes no sense is dropped.
 *
 * A virtio port's data may overtake the news that its host has come: then there is something to
 * read, and after it the port is said to have no host. So a host counts as gone only when it was
 * seen to be there.
 */
#ifndef AGENT_PORT_H
#define AGENT_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "proto/agent.h"

#define PORT_QUEUE 32

struct port;

/* Opens the virtio port of that name, found below `classes` ("/sys/class/virtio-ports"). Returns a
 * non-blocking descriptor or -errno: -ENODEV there is none, -EBUSY another program has it. */
int port_find(const char *classes, const char *name);

/* Takes the descriptor over. 0 or -ENOMEM. */
int port_create(int fd, struct port **out);
void port_destroy(struct port *port);
DEFINE_CLEANUP(struct port *, port_destroy)

int port_fd(const struct port *port);

/* Sends it with the magic; what the host does not take at the moment waits in order, up to
 * PORT_QUEUE messages, and more are dropped. */
void port_send(struct port *port, struct agent_message *message);
/* The same for what is not worth waiting: -EAGAIN when the host does not take it at once. */
int port_try(struct port *port, struct agent_message *message);
/* When the port may have become ready: sends what waits. */
void port_flush(struct port *port);
/* Drops what waits: it was for somebody else. */
void port_forget(struct port *port);

/*
 * Takes the next legal message. 1: there is one, 0: there is none yet, -EPIPE: whoever was at the
 * other end has gone, until there is something to read again.
 */
int port_receive(struct port *port, struct agent_message *message);

#endif
