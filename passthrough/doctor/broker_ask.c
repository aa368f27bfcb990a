// SPDX-License-Identifier: MIT
/* Asks the broker, waiting; see broker_ask.h. */
#include "passthrough/doctor/broker_ask.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "passthrough/card.h"

/* For each message: longer than the broker lets its own look at a card take. */
#define ANSWER_MS 25000

static int message_receive(int fd, struct broker_message *out)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&poll_fd, 1, ANSWER_MS) <= 0) {
		return -ETIME;
	}
	n = recv(fd, out, sizeof(*out), MSG_DONTWAIT);
	if (n < 0 && errno == ECONNRESET) {
		/* It closed with our greeting unread. That is told once, before what it said. */
		n = recv(fd, out, sizeof(*out), MSG_DONTWAIT);
	}
	if (n != sizeof(*out)) {
		return n < 0 ? -errno : -EPROTO;
	}
	out->text[sizeof(out->text) - 1] = '\0';
	return 0;
}

static void card_take(struct broker_answer *answer, const struct broker_message *message)
{
	struct broker_card_answer *card = &answer->cards[answer->n_cards];

	if (answer->n_cards < BROKER_CARDS_MAX) {
		*card = (struct broker_card_answer){ .slot = message->slot,
						     .facts = message->facts };
		memcpy(card->text, message->text, sizeof(card->text));
		answer->n_cards++;
	}
}

static void holder_take(struct broker_card_answer *card, const struct broker_message *message)
{
	if (card->n_holders < BROKER_HOLDERS_MAX) {
		card->holders[card->n_holders++] = message->holder;
		card->more = message->holder.more;
	}
}

/*
 * Sends and reads until DONE, whose error is returned and whose sentence goes to the answer. A
 * refused connection is told by a DONE of serial 0 before anything was asked.
 */
static int ask(int fd, const struct broker_request *request, struct broker_answer *answer,
	       struct broker_card_answer *card)
{
	struct broker_message message;
	int r;

	/* A broker that refuses us may have closed already; its sentence can still be read. */
	send(fd, request, sizeof(*request), MSG_NOSIGNAL);
	while ((r = message_receive(fd, &message)) == 0) {
		bool ours = message.serial == request->serial;

		if (message.kind == BROKER_DONE) {
			memcpy(answer->text, message.text, sizeof(answer->text));
			return message.error;
		}
		if (ours && message.kind == BROKER_CARD) {
			card_take(answer, &message);
		} else if (ours && message.kind == BROKER_HOLDER && card) {
			holder_take(card, &message);
		}
	}
	snprintf(answer->text, sizeof(answer->text), "%s", strerror(-r));
	return r;
}

static void ask_holders(int fd, struct broker_answer *answer)
{
	for (unsigned int i = 0; i < answer->n_cards; i++) {
		struct broker_card_answer *card = &answer->cards[i];
		struct broker_request request = { .verb = BROKER_HOLDERS,
						  .serial = 3 + i,
						  .slot = card->slot };

		if (!(card->facts.flags & BROKER_CARD_WEDGED)) {
			card->holders_known = ask(fd, &request, answer, card) == 0;
		}
	}
}

void broker_ask(const char *path, struct broker_answer *out)
{
	_cleanup_close_ int fd = unix_connect_packets(path);
	struct broker_request request = { .verb = BROKER_HELLO,
					  .serial = 1,
					  .protocol = BROKER_PROTOCOL };

	*out = (struct broker_answer){ .error = fd < 0 ? fd : 0 };
	if (fd < 0 || ask(fd, &request, out, NULL) < 0) {
		return;
	}
	request = (struct broker_request){ .verb = BROKER_LIST, .serial = 2 };
	out->greeted = ask(fd, &request, out, NULL) == 0;
	if (out->greeted) {
		ask_holders(fd, out);
	}
}

const struct broker_card_answer *broker_answer_find(const struct broker_answer *answer,
						    const struct broker_slot *slot)
{
	for (unsigned int i = 0; i < answer->n_cards; i++) {
		if (card_slot_equal(&answer->cards[i].slot, slot)) {
			return &answer->cards[i];
		}
	}
	return NULL;
}
