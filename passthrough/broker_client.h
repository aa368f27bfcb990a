/* SPDX-License-Identifier: MIT */
/*
 * The seat's end of the broker's socket: finds the broker, greets it, keeps the facts of each of
 * its cards, and carries requests and answers. It connects again when the connection is lost. All
 * of it runs in the seat's loop and waits for nobody: a broker that hangs is one whose answers do
 * not come, and it is the caller who has the deadlines.
 */
#ifndef PASSTHROUGH_BROKER_CLIENT_H
#define PASSTHROUGH_BROKER_CLIENT_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "proto/broker.h"

struct broker_client;

/* Requests without an answer, written or not; a card has one at a time. */
#define BROKER_CLIENT_REQUESTS_MAX 32

/* None may destroy the client; each may send and cancel requests. */
struct broker_client_ops {
	/* The broker is there and has told its cards: requests are legal. */
	void (*up)(void *data);
	/* It is gone. Open requests were answered before, the facts are forgotten. */
	void (*down)(void *data);
	/* Nobody asked: BROKER_CARD (the facts are kept already) or BROKER_PROGRESS. Also the
	 * BROKER_CARD of a request that was cancelled. */
	void (*news)(void *data, const struct broker_message *message);
};

/*
 * What belongs to a request: any number of other messages, then exactly one BROKER_DONE, with
 * -ECONNRESET when the connection was lost before the answer. The message lives during the call.
 */
typedef void (*broker_reply_fn)(void *data, const struct broker_message *message);

/* The path is copied. A broker that is not there is no failure. 0 or -errno. */
int broker_client_create(sd_event *event, const char *path, const struct broker_client_ops *ops,
			 void *data, struct broker_client **out);
/* Open requests are dropped without an answer. NULL is legal. */
void broker_client_destroy(struct broker_client *client);

bool broker_client_is_up(const struct broker_client *client);

/* One sentence with cause and remedy while it is not up, else NULL. Lives until the next turn. */
const char *broker_client_trouble(const struct broker_client *client);

/* Looks for a broker now, if there is none: for a request of a person who has just mended it. */
void broker_client_look(struct broker_client *client);

/* What the broker has told last about a card of its list, or NULL. Lives until the next turn. */
const struct broker_facts *broker_client_facts(const struct broker_client *client,
					       const struct broker_slot *slot);

/*
 * Whether the guest has a user of its own: 1, with both; 0: it has none, or there is no broker that
 * serves us; -EAGAIN: a broker may be there, and has not said. What it said once counts also when it
 * has gone: a guest does not come by more rights when the broker ends.
 */
int broker_client_guest(const struct broker_client *client, const char *name,
			struct broker_guest *out);

/* What it said besides of that card: why it cannot be lent, or what hangs. May be empty; NULL as
 * above. */
const char *broker_client_note(const struct broker_client *client, const struct broker_slot *slot);

/*
 * Sends a request; its serial is chosen here. fd (or -1) goes with it and stays the caller's. reply
 * may be NULL; it is never called from inside of this function. 0, -ENOTCONN while it is not up,
 * -ENOBUFS when too many are open, -ENOMEM, or why the descriptor cannot be copied.
 */
int broker_client_request(struct broker_client *client, const struct broker_request *request,
			  int fd, broker_reply_fn reply, void *data);

/* Drops the callbacks of all open requests that were made with this data: what they asked for
 * goes on, and what it does to the card is news. NULL client is legal. */
void broker_client_cancel(struct broker_client *client, const void *data);

#endif
