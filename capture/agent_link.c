// SPDX-License-Identifier: MIT
/*
 * Messages to and from baton-agent; see agent_link.h.
 *
 * An agent obeys who has greeted it, and answers a greeting by its own. So one that has just
 * started, and greets without being asked, is greeted; what it says and is told counts from its
 * answer on. A greeting that an earlier agent left in the port costs one more exchange, and never
 * an endless one: of two answers only the one that was not waited for is greeted again.
 */
#include "capture/agent_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/text.h"

/* A guest gets so much of a turn of the loop. */
#define MESSAGES_A_TURN 32
/* Behind input and outputs, as the sources of pictures are. */
#define LINK_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

struct agent_link {
	int fd; /* -1: QEMU has closed it */
	sd_event_source *source;
	const struct agent_link_handlers *handlers;
	void *data;
	uint8_t in[AGENT_MESSAGE_SIZE];
	size_t in_size;
	uint8_t out[AGENT_MESSAGE_SIZE]; /* what is left of it is still to be sent */
	size_t out_left;
	bool hello_due; /* it is to be greeted */
	bool asked;     /* it was, and the next HELLO is its answer */
	/* What the agent has said since its answer. */
	bool greeted;
	uint32_t protocol, features;
	bool has_card;
	struct agent_slot slot; /* of the captured one */
	struct agent_card card;
	/* What it was told since then, and should know. */
	bool subscribed, wanted;
	uint32_t serial; /* of the last RELEASE */
	bool releasing;  /* it is not answered */
	char holder[144]; /* who has that card open; empty: nobody was named */
};

/* ---- out ---- */

static void link_close(struct agent_link *link)
{
	link->source = sd_event_source_disable_unref(link->source);
	if (link->fd >= 0) {
		close(link->fd);
		link->fd = -1;
	}
}

/* True when nothing is left. What QEMU does not take now goes when it does. */
static bool link_flush(struct agent_link *link)
{
	ssize_t n = 0;

	if (link->fd < 0) {
		return false;
	}
	if (link->out_left) {
		n = send(link->fd, link->out + sizeof(link->out) - link->out_left, link->out_left,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	if (n > 0) {
		link->out_left -= (size_t)n;
	}
	sd_event_source_set_io_events(link->source, link->out_left ? EPOLLIN | EPOLLOUT : EPOLLIN);
	return link->out_left == 0;
}

/* False: what was sent before is not gone yet. */
static bool link_send(struct agent_link *link, struct agent_message *message)
{
	if (!link_flush(link)) {
		return false;
	}
	message->magic = AGENT_MAGIC;
	memcpy(link->out, message, sizeof(*message));
	link->out_left = sizeof(*message);
	link_flush(link);
	return true;
}

static bool link_say(struct agent_link *link, enum agent_verb verb)
{
	struct agent_message message = { .verb = verb };

	if (verb == AGENT_HELLO) {
		message.hello.protocol = AGENT_PROTOCOL;
		snprintf(message.hello.program, sizeof(message.hello.program),
			 "baton " BATON_VERSION);
	}
	return link_send(link, &message);
}

static void link_tell(struct agent_link *link)
{
	if (link->hello_due && link_say(link, AGENT_HELLO)) {
		link->hello_due = false;
		link->asked = true;
	}
	if (agent_link_captures(link) && link->subscribed != link->wanted &&
	    link_say(link, link->wanted ? AGENT_SUBSCRIBE : AGENT_UNSUBSCRIBE)) {
		link->subscribed = link->wanted;
	}
}

/* ---- in ---- */

static void end_release(struct agent_link *link, int error, const char *text)
{
	if (link->releasing) {
		link->releasing = false;
		link->handlers->released(link->data, error, text);
	}
}

static void link_forget(struct agent_link *link)
{
	link->greeted = link->has_card = link->subscribed = false;
	link->features = 0;
	end_release(link, -ENOTCONN, "baton-agent in the guest has ended");
}

static void take_hello(struct agent_link *link, const struct agent_hello *hello)
{
	link_forget(link);
	link->greeted = link->asked;
	link->hello_due = !link->asked;
	link->asked = false;
	link->protocol = hello->protocol;
	link->features = hello->features;
	link_tell(link);
	link->handlers->changed(link->data);
}

static void take_card(struct agent_link *link, const struct agent_message *message)
{
	bool known = link->has_card && memcmp(&message->slot, &link->slot, sizeof(link->slot)) == 0;

	if (message->card.captured || known) {
		link->has_card = message->card.captured;
		link->slot = message->slot;
		link->card = message->card;
		link->handlers->changed(link->data);
	}
}

/* Of several the first is named. */
static void take_holder(struct agent_link *link, const struct agent_holder *holder)
{
	char command[sizeof(holder->command)], node[sizeof(holder->node)];

	if (!link->holder[0]) {
		text_copy_printable(command, sizeof(command), holder->command, sizeof(command));
		text_copy_printable(node, sizeof(node), holder->node, sizeof(node));
		snprintf(link->holder, sizeof(link->holder), "%s (process %d) has %s open", command,
			 holder->pid, node);
	}
}

static void take_done(struct agent_link *link, const struct agent_done *done)
{
	char text[sizeof(done->text)];

	text_copy_printable(text, sizeof(text), done->text, sizeof(text));
	end_release(link, done->error,
		    done->error == -EBUSY && link->holder[0] ? link->holder : text);
}

static void take_answer(struct agent_link *link, const struct agent_message *message)
{
	if (!link->releasing || message->serial != link->serial) {
		return;
	}
	if (message->verb == AGENT_HOLDER) {
		take_holder(link, &message->holder);
	} else {
		take_done(link, &message->done);
	}
}

static void take_message(struct agent_link *link, const struct agent_message *message)
{
	if (message->verb == AGENT_HELLO) {
		take_hello(link, &message->hello);
	} else if (!link->greeted || link->protocol != AGENT_PROTOCOL) {
		return;
	} else if (message->verb == AGENT_CARD) {
		take_card(link, message);
	} else if (message->verb == AGENT_RING) {
		link->handlers->rang(link->data);
	} else {
		take_answer(link, message);
	}
}

/* Bytes go until a legal message begins. True when there was one. */
static bool take_bytes(struct agent_link *link)
{
	struct agent_message message;

	while (link->in_size == sizeof(message)) {
		memcpy(&message, link->in, sizeof(message));
		if (agent_message_is_legal(&message, true)) {
			link->in_size = 0;
			take_message(link, &message);
			return true;
		}
		memmove(link->in, link->in + 1, --link->in_size);
	}
	return false;
}

/* Bytes that were read; 0: there are none now; -errno: nor will there be. */
static ssize_t read_bytes(struct agent_link *link)
{
	ssize_t n = recv(link->fd, link->in + link->in_size, sizeof(link->in) - link->in_size,
			 MSG_DONTWAIT);

	if (n < 0) {
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	}
	link->in_size += (size_t)n;
	return n == 0 ? -EPIPE : n;
}

static void link_end(struct agent_link *link)
{
	link_close(link);
	link_forget(link);
	link->handlers->changed(link->data);
}

static int handle_io(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct agent_link *link = data;

	(void)source, (void)fd;
	if (events & EPOLLOUT && link_flush(link)) {
		link_tell(link);
	}
	for (unsigned int i = 0; i < MESSAGES_A_TURN && link->fd >= 0; i++) {
		ssize_t n = read_bytes(link);

		if (n < 0) {
			link_end(link);
			return 0;
		}
		if (n == 0) {
			return 0;
		}
		take_bytes(link);
	}
	return 0;
}

/* ---- the interface ---- */

void agent_link_subscribe(struct agent_link *link, bool wanted)
{
	if (link && link->wanted != wanted) {
		link->wanted = wanted;
		link_tell(link);
	}
}

void agent_link_forget(struct agent_link *link)
{
	if (link && (link->greeted || link->asked)) {
		link->asked = false;
		link_forget(link);
		link->handlers->changed(link->data);
	}
}

bool agent_link_captures(const struct agent_link *link)
{
	return link && link->greeted && link->protocol == AGENT_PROTOCOL &&
	       link->features & AGENT_FEATURE_CAPTURE;
}

bool agent_link_releases(const struct agent_link *link)
{
	return link && link->greeted && link->protocol == AGENT_PROTOCOL &&
	       link->features & AGENT_FEATURE_RELEASE;
}

int agent_link_release(struct agent_link *link, struct agent_slot slot)
{
	struct agent_message message = { .verb = AGENT_RELEASE, .slot = slot };

	if (!agent_link_releases(link)) {
		return -ENOTCONN;
	}
	message.serial = link->serial + 1 ? link->serial + 1 : 1;
	if (link->releasing || !link_send(link, &message)) {
		return -EBUSY;
	}
	link->serial = message.serial;
	link->releasing = true;
	link->holder[0] = '\0';
	return 0;
}

void agent_link_cancel_release(struct agent_link *link)
{
	if (link) {
		link->releasing = false;
	}
}

const struct agent_card *agent_link_card(const struct agent_link *link)
{
	return link && link->has_card ? &link->card : NULL;
}

const char *agent_link_trouble(const struct agent_link *link)
{
	if (!link || !link->greeted || link->protocol == AGENT_PROTOCOL) {
		return NULL;
	}
	return link->protocol > AGENT_PROTOCOL
		       ? "baton-agent in the guest is too new: install the one of this Baton there"
		       : "baton-agent in the guest is too old: install the one of this Baton there";
}

void agent_link_destroy(struct agent_link *link)
{
	if (link) {
		link_close(link);
		free(link);
	}
}

int agent_link_create(sd_event *event, int fd, const struct agent_link_handlers *handlers,
		      void *data, struct agent_link **out)
{
	struct agent_link *link = calloc(1, sizeof(*link));
	int r;

	if (!link) {
		close(fd);
		return -ENOMEM;
	}
	link->fd = fd;
	link->handlers = handlers;
	link->data = data;
	r = sd_event_add_io(event, &link->source, fd, EPOLLIN, handle_io, link);
	r = r < 0 ? r : sd_event_source_set_priority(link->source, LINK_PRIORITY);
	if (r < 0) {
		agent_link_destroy(link);
		return r;
	}
	link->hello_due = true;
	link_tell(link);
	*out = link;
	return 0;
}
