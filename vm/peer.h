/* SPDX-License-Identifier: MIT */
/*
 * The D-Bus connection to QEMU itself, without a bus: one end of a socket pair goes to QEMU over
 * QMP, and we are the client on the other end.
 */
#ifndef VM_PEER_H
#define VM_PEER_H

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "vm/qmp.h"

struct peer;

/* Each is called at most once; each may destroy the peer. */
struct peer_ops {
	/* QEMU's objects answer. */
	void (*up)(void *data);
	/* It never came up, has ended or is of no use. -EREMOTEIO: QEMU refused. text is a
	 * sentence. */
	void (*failed)(void *data, int error, const char *text);
};

/* Begins to connect over a ready QMP connection, which must outlive the peer. 0 or -errno. */
int peer_create(sd_event *event, struct qmp *qmp, const struct peer_ops *ops, void *data,
		struct peer **out);

/* Closes the connection. NULL is legal. */
void peer_destroy(struct peer *peer);

/* NULL before up() and after failed(). */
sd_bus *peer_bus(const struct peer *peer);

/* Asks anew whether QEMU's objects are there, since a call did not find one; failed() when not. */
void peer_check(struct peer *peer);

#endif
