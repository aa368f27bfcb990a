/* SPDX-License-Identifier: MIT */
/*
 * A broker without root: listens on a socket of the test's own in the test's loop, keeps a model of
 * its cards that each request changes as the real one changes the machine, and can be slow, fail,
 * say nonsense, hang, vanish and come back. What the real one refuses it refuses too. The
 * borrower's pid is what a LEND wants to lock beyond 3 GiB: see fake_guest.h.
 */
#ifndef TESTS_UNIT_FAKE_BROKER_H
#define TESTS_UNIT_FAKE_BROKER_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "proto/broker.h"

struct fake_broker;

/* Not listening yet. Each function fails the test when the system does. */
struct fake_broker *fake_broker_create(sd_event *event, const char *path);
/* Unlinks the socket. */
void fake_broker_destroy(struct fake_broker *broker);

void fake_broker_listen(struct fake_broker *broker);
/* Hangs up and unlinks its socket; what was held is forgotten, the cards are not. */
void fake_broker_vanish(struct fake_broker *broker);
/* Ends the connection alone. */
void fake_broker_hang_up(struct fake_broker *broker);
/* While it refuses, each connection is closed at once, with this sentence or (NULL) without. */
void fake_broker_refuse(struct fake_broker *broker, bool refuses, const char *why);
bool fake_broker_listens(const struct fake_broker *broker);
bool fake_broker_is_connected(const struct fake_broker *broker);
/* How many connections it has taken. */
unsigned int fake_broker_connections(const struct fake_broker *broker);
/* A hung broker reads nothing. */
void fake_broker_hang(struct fake_broker *broker, bool hangs);

/* A card on host drivers: function 0 is a display, the others audio. The facts are the model: the
 * test may change them, and fake_broker_tell() says so to the seat, unasked. */
struct broker_facts *fake_broker_add_card(struct fake_broker *broker, const char *slot,
					  unsigned int functions);
void fake_broker_tell(struct fake_broker *broker, const char *slot);
/* Somebody has its IOMMU group open, or nobody; the facts say so after the broker's next look: at
 * a LIST, and before fake_broker_tell(), but not when it lends. */
void fake_broker_set_open(struct fake_broker *broker, const char *slot, bool open);

/* The sentence that goes with its facts, or NULL. */
void fake_broker_set_note(struct fake_broker *broker, const char *slot, const char *note);

/* Requests of this verb are failed from now on (0: not any more). */
void fake_broker_fail(struct fake_broker *broker, enum broker_verb verb, int error,
		      const char *text);
/* Requests of this verb are held, undone, until they are released; RECORD only of stages. */
void fake_broker_hold(struct fake_broker *broker, enum broker_verb verb, bool holds);
/* A holder that HOLDERS and DRAIN tell of; DRAIN is -EBUSY then. NULL: none. */
void fake_broker_set_holder(struct fake_broker *broker, const char *command);
/* Says that the held request is late; with the serial 0 when none is held. */
void fake_broker_progress(struct fake_broker *broker, const char *slot, const char *text);

/* How many requests of this verb have come. */
unsigned int fake_broker_count(const struct fake_broker *broker, enum broker_verb verb);
/* How many of them came when the card was not so that they can be carried out. */
unsigned int fake_broker_refusals(const struct fake_broker *broker, enum broker_verb verb);
/* The last request of this verb; its count must not be 0. */
const struct broker_request *fake_broker_last(const struct fake_broker *broker,
					      enum broker_verb verb);
/* The descriptor that came with the last LEND, or -1; the broker's. */
int fake_broker_lent_fd(const struct fake_broker *broker);

/* The stages in the order in which they were begun and ended: "drain drain= detach …"; "=" is
 * done, "!" is failed. Since the last fake_broker_forget(). */
const char *fake_broker_journal(const struct fake_broker *broker);
void fake_broker_forget(struct fake_broker *broker);

/* Sends these bytes as they are. */
void fake_broker_send(struct fake_broker *broker, const void *bytes, size_t size);

#endif
