/* SPDX-License-Identifier: MIT */
/*
 * The agent's end of the port to the seat (proto/agent.h): whole messages out, legal messages in.
 * Nothing waits: what the host does not take is refused, and what makes no sense is dropped.
 */
#ifndef AGENT_PORT_H
#define AGENT_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "proto/agent.h"

struct port;

/* Opens the virtio port of that name, found below `classes` ("/sys/class/virtio-ports"). Returns a
 * non-blocking descriptor or -errno: -ENODEV there is none, -EBUSY another program has it. */
int port_find(const char *classes, const char *name);

/* Takes the descriptor over. 0 or -ENOMEM. */
int port_create(int fd, struct port **out);
void port_destroy(struct port *port);
DEFINE_CLEANUP(struct port *, port_destroy)

int port_fd(const struct port *port);

/* Sends it with the magic. 0, -EAGAIN: the host takes nothing at the moment, or -errno. */
int port_send(struct port *port, struct agent_message *message);

/*
 * Takes the next legal message. 1: there is one, 0: there is none yet, -EPIPE: nobody is at the
 * other end, until there is something to read again.
 */
int port_receive(struct port *port, struct agent_message *message);

#endif
