/* SPDX-License-Identifier: MIT */
/* What the files behind control/control.h share; nobody else includes this. */
#ifndef CONTROL_PRIVATE_H
#define CONTROL_PRIVATE_H

#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "common/bus_pump.h"
#include "common/list.h"
#include "control/control.h"
#include "control/worker.h"

struct control {
	sd_event *event;
	const struct control_actions *actions;
	void *data;
	char *socket_path;
	sd_event_source *listener;
	int spare_fd; /* given up for a moment to turn a client away when descriptors are out */
	struct list peers; /* peer::link */
	unsigned int n_clients;
	struct worker *worker; /* of screenshots */
	bool told_full;        /* the limit was logged and has not been left since */
};

/*
 * One connection: a client of the private socket, or a message bus. It is served as soon as its
 * greeting is over, and lives until it ends, breaks a limit or the control object goes.
 */
struct peer {
	struct list link; /* control::peers */
	struct control *control;
	sd_bus *bus;
	struct bus_pump *pump;
	sd_event_source *deadline; /* of a client's greeting */
	const char *bus_kind;      /* "session bus", "system bus"; NULL is a client */
	uint64_t window_start_ns;  /* of the count below */
	unsigned int window_count; /* messages that arrived in this window */
};

/* Puts the object with interface CONTROL_INTERFACE on a connection. 0 or -errno. */
int bus_api_add(sd_bus *bus, struct control *control);

/* Adds a connection to a message bus, if there is one that answers without waiting. */
void client_join_bus(struct control *control);
/* Adds a client of the private socket. Takes ownership of fd, also on failure. 0 or -errno. */
int client_accept(struct control *control, int fd);
/* Ends the connection; NULL is legal. Legal while one of its messages is being handled. */
void client_destroy(struct peer *peer);
/* True when a signal may be sent to it; a peer that has too much waiting is destroyed instead. */
bool client_wants_signal(struct peer *peer);

#endif
