/* SPDX-License-Identifier: MIT */
/*
 * Finds the broker's socket and connects to it, now or when it appears. While nobody listens the
 * folder of the socket is watched (or the nearest one above it that is there), so that a seat
 * without a broker has no timer. A timer runs only for what no watch tells: a socket that is there
 * and does not take the connection, or whose owner hangs up. That is tried again ever more slowly,
 * and given up after some attempts until the folder changes or somebody asks for it.
 */
#ifndef PASSTHROUGH_BROKER_CONNECTOR_H
#define PASSTHROUGH_BROKER_CONNECTOR_H

#include <systemd/sd-event.h>

struct broker_connector;

/* Before the next attempt: first_usec, twice as long each time, at most last_usec. */
struct broker_pauses {
	uint64_t first_usec, last_usec;
	unsigned int attempts;
};

/* Connected: the socket (SOCK_SEQPACKET, non-blocking, close-on-exec) is the callee's. The
 * connector rests until it is told to look again. The callee may not destroy it. */
typedef void (*broker_connector_fn)(void *data, int fd);

/* The path is copied. It looks at once, from the loop. 0 or -errno. */
int broker_connector_create(sd_event *event, const char *path, const struct broker_pauses *pauses,
			    broker_connector_fn connected, void *data,
			    struct broker_connector **out);
/* NULL is legal. */
void broker_connector_destroy(struct broker_connector *connector);

/* Looks at once (from the loop), with all attempts before it. */
void broker_connector_look(struct broker_connector *connector);

/* A connection has ended: looks after the pause that is next. */
void broker_connector_retry(struct broker_connector *connector);

/* The same, when whoever listens serves somebody else for now: it is not given up. */
void broker_connector_await(struct broker_connector *connector);

/* The connection has proved good: the pauses begin anew with the next loss. */
void broker_connector_settle(struct broker_connector *connector);

/* Why the last attempt failed: -errno, or 0. */
int broker_connector_error(const struct broker_connector *connector);

#endif
