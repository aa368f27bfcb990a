// SPDX-License-Identifier: MIT
/* The seat's end of the broker's socket; see broker_client.h. */
#include "passthrough/broker_client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "passthrough/broker_connector.h"
#include "passthrough/broker_message.h"
#include "passthrough/broker_queue.h"
#include "passthrough/card.h"

/* Messages of one turn; the rest waits behind the other sources. */
#define TURN_MESSAGES 32

/* 13 s in all: as long as a service takes to start anew several times. */
static const struct broker_pauses pauses = {
	.first_usec = 100 * 1000,
	.last_usec = 2 * 1000 * 1000,
	.attempts = 10,
};

/*
 * DOWN     no connection; the connector looks for one
 * GREETED  HELLO was sent
 * LISTING  HELLO was answered, LIST was sent
 * UP       the cards are known
 */
enum client_state { CLIENT_DOWN, CLIENT_GREETED, CLIENT_LISTING, CLIENT_UP };

struct known_card {
	struct broker_slot slot;
	struct broker_facts facts;
	char note[BROKER_TEXT_MAX];
};

struct broker_client {
	sd_event *event;
	const struct broker_client_ops *ops;
	void *data;
	struct broker_connector *connector;
	enum client_state state;
	int fd;
	sd_event_source *io;
	struct broker_queue queue;
	struct known_card cards[BROKER_CARDS_MAX];
	size_t n_cards;
	struct broker_guest guests[BROKER_GUESTS_MAX]; /* of the last list */
	size_t n_guests;
	int refusal;                   /* what the broker ends the connection with, or 0 */
	char trouble[BROKER_TEXT_MAX]; /* why there is no connection, or none yet */
	bool told;                     /* trouble was logged since the cards were last known */
};

/* ---- The connection ---- */

/* Writes what can be written, and says what the loop has to wait for. 0 or -errno. */
static int client_flush(struct broker_client *client)
{
	int waits = broker_queue_write(&client->queue, client->fd);

	return waits < 0 ? waits
			 : sd_event_source_set_io_events(client->io,
							 waits ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static int client_send(struct broker_client *client, const struct broker_request *request, int fd,
		       broker_reply_fn reply, void *data)
{
	int r = broker_queue_add(&client->queue, request, fd, reply, data);

	if (r >= 0) {
		/* A connection that has broken is seen by the loop. */
		(void)client_flush(client);
	}
	return r;
}

int broker_client_request(struct broker_client *client, const struct broker_request *request,
			  int fd, broker_reply_fn reply, void *data)
{
	return client->state == CLIENT_UP ? client_send(client, request, fd, reply, data)
					  : -ENOTCONN;
}

void broker_client_cancel(struct broker_client *client, const void *data)
{
	if (client) {
		broker_queue_cancel(&client->queue, data);
	}
}

__attribute__((format(printf, 2, 3))) static void set_trouble(struct broker_client *client,
							      const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(client->trouble, sizeof(client->trouble), format, args);
	va_end(args);
}

static void client_disconnect(struct broker_client *client)
{
	client->state = CLIENT_DOWN;
	client->n_cards = 0;
	client->io = sd_event_source_disable_unref(client->io);
	if (client->fd >= 0) {
		close(take_fd(client->fd));
	}
}

static void client_lose(struct broker_client *client, int error)
{
	bool was_up = client->state == CLIENT_UP;

	if (error == -EPROTO) {
		set_trouble(client, "The broker breaks its protocol; install baton and "
				    "baton-broker of one version");
	} else if (client->refusal == 0) {
		set_trouble(client, "The broker has ended the connection; see "
				    "\"journalctl -u baton-broker\"");
	}
	if (!client->told) {
		log_warning("%s", client->trouble);
		client->told = true;
	}
	client_disconnect(client);
	broker_queue_fail(&client->queue, -ECONNRESET,
			  "The broker has gone; wait until it is back");
	if (was_up) {
		client->ops->down(client->data);
	}
	if (client->refusal == -EBUSY) {
		/* Another seat, or a doctor, has it: nothing tells us when that ends. */
		broker_connector_await(client->connector);
	} else {
		broker_connector_retry(client->connector);
	}
}

/* ---- What comes ---- */

static struct known_card *card_find(const struct broker_client *client,
				    const struct broker_slot *slot)
{
	for (size_t i = 0; i < client->n_cards; i++) {
		if (card_slot_equal(&client->cards[i].slot, slot)) {
			return (struct known_card *)&client->cards[i];
		}
	}
	return NULL;
}

static int card_keep(struct broker_client *client, const struct broker_message *message)
{
	struct known_card *card = card_find(client, &message->slot);

	if (!card && client->n_cards == BROKER_CARDS_MAX) {
		return -EPROTO;
	}
	if (!card) {
		card = &client->cards[client->n_cards++];
		card->slot = message->slot;
	}
	card->facts = message->facts;
	memcpy(card->note, message->text, sizeof(card->note));
	return 0;
}

static void take_news(struct broker_client *client, const struct broker_message *message)
{
	if (client->state == CLIENT_UP) {
		client->ops->news(client->data, message);
	}
}

/* The connection ends with this, and with the broker's own sentence. */
static void take_refusal(struct broker_client *client, const struct broker_message *message,
			 int error)
{
	client->refusal = error;
	if (message->text[0]) {
		set_trouble(client, "%s", message->text);
	} else {
		set_trouble(client, "The broker refuses the seat: %s", strerror(-error));
	}
}

/* What a request that was given up has changed yet is as new as what nobody asked for. */
static int take_answer(struct broker_client *client, const struct broker_message *message)
{
	int r = broker_queue_answer(&client->queue, message);

	if (r > 0 && message->kind == BROKER_CARD) {
		take_news(client, message);
	}
	return r < 0 ? r : 0;
}

/* Returns 0 or -EPROTO. */
static int take_message(struct broker_client *client, const struct broker_message *message)
{
	if (message->kind == BROKER_CARD && card_keep(client, message) < 0) {
		return -EPROTO;
	}
	if (message->serial != 0) {
		return take_answer(client, message);
	}
	if (message->kind == BROKER_DONE) {
		take_refusal(client, message, message->error);
	} else {
		take_news(client, message);
	}
	return 0;
}

/* 1: a message was taken; 0: there is none; -errno. */
static int client_read(struct broker_client *client)
{
	/* A longer packet is cut, and MSG_TRUNC tells how long it was. */
	struct broker_message message;
	ssize_t n = recv(client->fd, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);
	int r;

	if (n < 0) {
		/* What was said before a connection was closed in our face follows the error. */
		return errno == ECONNRESET ? 1 : errno == EAGAIN || errno == EINTR ? 0 : -errno;
	}
	if (n == 0) {
		return -ECONNRESET;
	}
	r = broker_message_check(&message, (size_t)n);
	if (r >= 0) {
		r = take_message(client, &message);
	}
	return r < 0 ? r : client->refusal < 0 ? client->refusal : 1;
}

static int handle_io(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct broker_client *client = data;
	int r = 1;

	for (int i = 0; i < TURN_MESSAGES && r > 0; i++) {
		r = client_read(client);
	}
	if (r >= 0) {
		r = client_flush(client);
	}
	if (r < 0) {
		client_lose(client, r == -EPIPE ? -ECONNRESET : r);
	}
	return 0;
}

/* ---- Greeting ---- */

static void take_list(void *data, const struct broker_message *message)
{
	struct broker_client *client = data;

	if (message->kind == BROKER_GUEST && message->guest.name[0] &&
	    client->n_guests < BROKER_GUESTS_MAX) {
		client->guests[client->n_guests++] = message->guest;
	}
	if (message->kind != BROKER_DONE || client->state != CLIENT_LISTING) {
		return;
	}
	if (message->error < 0) {
		take_refusal(client, message, message->error);
		return;
	}
	client->state = CLIENT_UP;
	client->told = false;
	broker_connector_settle(client->connector);
	log_debug("The broker lends %zu cards", client->n_cards);
	client->ops->up(client->data);
}

static void take_hello(void *data, const struct broker_message *message)
{
	const struct broker_request list = { .verb = BROKER_LIST };
	struct broker_client *client = data;
	int r = message->error;

	if (message->kind != BROKER_DONE || client->state != CLIENT_GREETED) {
		return;
	}
	if (r >= 0) {
		client->state = CLIENT_LISTING;
		client->n_guests = 0;
		r = client_send(client, &list, -1, take_list, client);
	}
	if (r < 0) {
		take_refusal(client, message, r);
	}
}

static int send_hello(struct broker_client *client)
{
	const struct broker_request hello = { .verb = BROKER_HELLO, .protocol = BROKER_PROTOCOL };

	client->state = CLIENT_GREETED;
	client->refusal = 0;
	set_trouble(client, "The broker has not answered yet; see "
			    "\"systemctl status baton-broker\" if this stays");
	return client_send(client, &hello, -1, take_hello, client);
}

/* From the connector. */
static void handle_connected(void *data, int fd)
{
	struct broker_client *client = data;
	int r;

	client->fd = fd;
	r = sd_event_add_io(client->event, &client->io, fd, EPOLLIN, handle_io, client);
	if (r >= 0) {
		r = send_hello(client);
	}
	if (r < 0) {
		client_lose(client, r);
	}
}

/* ---- For the caller ---- */

bool broker_client_is_up(const struct broker_client *client)
{
	return client->state == CLIENT_UP;
}

static const char *trouble_of_connector(int error)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
		return "The broker's socket is closed to this user; name the user in "
		       "/etc/baton/broker.conf and restart baton-broker";
	case -ECONNREFUSED:
		return "The broker has ended; see \"journalctl -u baton-broker\"";
	}
	return "No broker runs, so no card can be lent; install it and start it by "
	       "\"systemctl enable --now baton-broker\"";
}

const char *broker_client_trouble(const struct broker_client *client)
{
	int error = broker_connector_error(client->connector);

	if (client->state == CLIENT_UP) {
		return NULL;
	}
	if (error < 0 || client->trouble[0] == '\0') {
		return trouble_of_connector(error);
	}
	return client->trouble;
}

void broker_client_look(struct broker_client *client)
{
	if (client->state == CLIENT_DOWN) {
		broker_connector_look(client->connector);
	}
}

static const struct known_card *card_told(const struct broker_client *client,
					  const struct broker_slot *slot)
{
	return client->state == CLIENT_UP ? card_find(client, slot) : NULL;
}

const struct broker_facts *broker_client_facts(const struct broker_client *client,
					       const struct broker_slot *slot)
{
	const struct known_card *card = card_told(client, slot);

	return card ? &card->facts : NULL;
}

const char *broker_client_note(const struct broker_client *client, const struct broker_slot *slot)
{
	const struct known_card *card = card_told(client, slot);

	return card ? card->note : NULL;
}

/* Nobody listens, or it does not want us: for a seat before us it waits. */
static bool client_has_none(const struct broker_client *client)
{
	return client->state == CLIENT_DOWN &&
	       (broker_connector_error(client->connector) < 0 ||
		(client->refusal < 0 && client->refusal != -EBUSY));
}

int broker_client_guest(const struct broker_client *client, const char *name,
			struct broker_guest *out)
{
	if (client->state != CLIENT_UP && !client_has_none(client)) {
		return -EAGAIN;
	}
	for (size_t i = 0; i < client->n_guests; i++) {
		if (strcmp(client->guests[i].name, name) == 0) {
			*out = client->guests[i];
			return 1;
		}
	}
	return 0;
}

void broker_client_destroy(struct broker_client *client)
{
	if (!client) {
		return;
	}
	broker_queue_clear(&client->queue);
	client_disconnect(client);
	broker_connector_destroy(client->connector);
	sd_event_unref(client->event);
	free(client);
}

DEFINE_CLEANUP(struct broker_client *, broker_client_destroy)

int broker_client_create(sd_event *event, const char *path, const struct broker_client_ops *ops,
			 void *data, struct broker_client **out)
{
	_cleanup_(broker_client_destroy_ptr) struct broker_client *client =
		calloc(1, sizeof(*client));
	int r;

	if (!client) {
		return -ENOMEM;
	}
	broker_queue_init(&client->queue);
	client->fd = -1;
	client->event = sd_event_ref(event);
	client->ops = ops;
	client->data = data;
	r = broker_connector_create(event, path, &pauses, handle_connected, client,
				    &client->connector);
	if (r < 0) {
		return r;
	}
	*out = take_ptr(client);
	return 0;
}
