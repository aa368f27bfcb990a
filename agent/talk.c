// SPDX-License-Identifier: MIT
/* The conversation with the seat; see talk.h. */
#include "agent/talk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/cards.h"
#include "agent/loop.h"
#include "agent/port.h"
#include "common/clock.h"
#include "common/log.h"

/* A driver that has not gone by then goes when it likes. */
#define RELEASE_DEADLINE (10 * NSEC_PER_SEC)
/* A host that takes nothing for so long is gone. */
#define DEAF_LIMIT (10 * NSEC_PER_SEC)

struct release {
	struct loop_source pipe;  /* its fd is -1: none is under way */
	struct loop_source timer; /* the deadline */
	pid_t pid;
	uint32_t serial;
	struct agent_slot slot;
	bool captured; /* it is the card that is captured */
	bool released; /* that is gone */
};

struct talk {
	const struct agent_config *config; /* a copy, freed with the talk */
	struct talk_host host;
	struct port *port; /* NULL: none */
	struct loop_source source;
	bool foreign; /* the seat speaks another protocol */
	bool subscribed;
	uint64_t deaf_since;                   /* ns; 0: the host takes what it is told */
	uint32_t unrung;                       /* AGENT_RING_* that the host has not taken */
	struct agent_message cards[CARDS_MAX]; /* as they were told */
	unsigned int card_count;
	struct release release;
};

static void send_message(struct talk *talk, struct agent_message *message, enum agent_verb verb)
{
	message->verb = verb;
	if (talk->port) {
		port_send(talk->port, message);
	}
}

/* ---- cards ---- */

static void add_screen(struct talk *talk, struct agent_message *card)
{
	struct card_screen screen = { 0 };

	talk->host.screen(&screen, talk->host.data);
	if (screen.crtc) {
		card->card.state = AGENT_CARD_LIT;
		card->card.width = (uint16_t)screen.width;
		card->card.height = (uint16_t)screen.height;
		card->card.refresh = screen.refresh;
	}
}

static unsigned int list_cards(struct talk *talk, struct agent_message cards[static CARDS_MAX])
{
	unsigned int count;

	memset(cards, 0, CARDS_MAX * sizeof(*cards));
	count = talk->config->list(cards, CARDS_MAX, talk->config->data);
	for (unsigned int i = 0; i < count; i++) {
		if (slot_equal(cards[i].slot, talk->config->slot)) {
			cards[i].card.captured = 1;
			if (cards[i].card.state == AGENT_CARD_DARK) {
				add_screen(talk, &cards[i]);
			}
		}
	}
	return count;
}

static const struct agent_message *find_card(const struct agent_message *cards, unsigned int count,
					     struct agent_slot slot)
{
	for (unsigned int i = 0; i < count; i++) {
		if (slot_equal(cards[i].slot, slot)) {
			return &cards[i];
		}
	}
	return NULL;
}

static void tell_gone(struct talk *talk, const struct agent_message *cards, unsigned int count)
{
	for (unsigned int i = 0; i < talk->card_count; i++) {
		struct agent_message gone = { .slot = talk->cards[i].slot };

		if (!find_card(cards, count, gone.slot)) {
			gone.card.state = AGENT_CARD_GONE;
			gone.card.captured = talk->cards[i].card.captured;
			send_message(talk, &gone, AGENT_CARD);
		}
	}
}

static bool same_card(const struct agent_message *a, const struct agent_message *b)
{
	return a && memcmp(&a->card, &b->card, sizeof(a->card)) == 0;
}

bool talk_look_at_cards(struct talk *talk)
{
	struct agent_message cards[CARDS_MAX];
	unsigned int count = list_cards(talk, cards);
	const struct agent_message *captured = find_card(cards, count, talk->config->slot);

	tell_gone(talk, cards, count);
	for (unsigned int i = 0; i < count; i++) {
		if (!same_card(find_card(talk->cards, talk->card_count, cards[i].slot),
			       &cards[i])) {
			send_message(talk, &cards[i], AGENT_CARD);
		}
	}
	memcpy(talk->cards, cards, sizeof(cards));
	talk->card_count = count;
	return captured && *captured->card.node;
}

/* ---- release ---- */

static void send_done(struct talk *talk, uint32_t serial, struct agent_slot slot, int error,
		      const char *text)
{
	struct agent_message message = { .serial = serial, .slot = slot };

	message.done.error = error;
	snprintf(message.done.text, sizeof(message.done.text), "%s", text);
	send_message(talk, &message, AGENT_DONE);
}

/* The child's end, or its deadline. */
static void release_end(struct talk *talk)
{
	struct release *release = &talk->release;

	loop_remove(talk->host.loop, &release->pipe);
	close(release->pipe.fd);
	release->pipe.fd = -1;
	timer_set(release->timer.fd, 0);
	talk->host.changed(talk->host.data);
}

static void release_forward(struct talk *talk, struct agent_message *message)
{
	send_message(talk, message, message->verb);
	if (message->verb == AGENT_DONE) {
		talk->release.released = talk->release.captured && message->done.error == 0;
		log_info("release of the card in slot %02x:%02x: %s", message->slot.bus,
			 message->slot.device,
			 message->done.error ? message->done.text : "the driver has let go");
		talk->release.serial = 0;
	}
}

static void release_ready(void *data)
{
	struct talk *talk = data;
	struct release *release = &talk->release;
	struct agent_message message;
	ssize_t n;

	while ((n = read(release->pipe.fd, &message, sizeof(message))) == sizeof(message)) {
		release_forward(talk, &message);
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (release->serial) {
		send_done(talk, release->serial, release->slot, -EIO,
			  "the attempt ended without a result; try again");
	}
	release_end(talk);
	waitpid(release->pid, NULL, 0);
}

static void release_late(void *data)
{
	struct talk *talk = data;

	timer_drain(talk->release.timer.fd);
	if (talk->release.pipe.fd >= 0) {
		send_done(talk, talk->release.serial, talk->release.slot, -ETIMEDOUT,
			  "the guest's driver does not let go of the card");
		release_end(talk);
	}
}

static int release_begin(struct talk *talk, struct agent_slot slot, uint32_t serial)
{
	struct release *release = &talk->release;
	int fd = release_start(&talk->config->roots, slot, serial, &release->pid);
	int r;

	if (fd < 0) {
		return fd;
	}
	release->pipe.fd = fd;
	r = loop_add(talk->host.loop, &release->pipe, false);
	if (r < 0) {
		close(fd); /* the child ends when it has something to say */
		release->pipe.fd = -1;
		return r;
	}
	timer_set(release->timer.fd, RELEASE_DEADLINE);
	return 0;
}

static void release_ask(struct talk *talk, struct agent_slot slot, uint32_t serial)
{
	struct release *release = &talk->release;
	int r;

	if (slot.device == AGENT_DEVICE_CAPTURED) {
		slot = talk->config->slot;
	}
	if (talk_is_busy(talk)) {
		send_done(talk, serial, slot, -EALREADY, "a card is being released already");
		return;
	}
	release->slot = slot;
	release->serial = serial;
	release->captured = slot_equal(slot, talk->config->slot);
	release->pipe.fd = 0; /* from now on it is busy: the agent closes the card */
	talk->host.changed(talk->host.data);
	release->pipe.fd = -1;
	r = release_begin(talk, slot, serial);
	if (r < 0) {
		release->serial = 0;
		send_done(talk, serial, slot, r, "the agent has no process left for that");
		talk->host.changed(talk->host.data);
	}
}

/* ---- messages ---- */

static void answer_hello(struct talk *talk, const struct agent_message *hello)
{
	struct agent_message answer = { 0 };

	talk->foreign = hello->hello.protocol != AGENT_PROTOCOL;
	if (talk->foreign) {
		log_warning(
			"%s speaks version %u of the agent's protocol, and not %u; bring both to "
			"the same version of Baton",
			hello->hello.program, hello->hello.protocol, AGENT_PROTOCOL);
	}
	answer.hello.protocol = AGENT_PROTOCOL;
	answer.hello.features =
		AGENT_FEATURE_RELEASE | (talk->config->producer ? AGENT_FEATURE_CAPTURE : 0u);
	snprintf(answer.hello.program, sizeof(answer.hello.program), "baton-agent %s",
		 BATON_VERSION);
	send_message(talk, &answer, AGENT_HELLO);
}

static void take_hello(struct talk *talk, const struct agent_message *message)
{
	talk->subscribed = false;
	talk->unrung = 0;
	port_forget(talk->port);
	answer_hello(talk, message);
	talk->card_count = 0; /* nothing was told to this one */
	talk_look_at_cards(talk);
}

static void take_message(struct talk *talk, const struct agent_message *message)
{
	if (message->verb == AGENT_HELLO) {
		take_hello(talk, message);
	} else if (talk->foreign) {
		return;
	} else if (message->verb == AGENT_RELEASE) {
		release_ask(talk, message->slot, message->serial);
	} else {
		talk->subscribed = message->verb == AGENT_SUBSCRIBE;
		talk->unrung = 0;
	}
}

static void talk_ready(void *data)
{
	struct talk *talk = data;
	struct agent_message message;
	int r;

	port_flush(talk->port);
	while ((r = port_receive(talk->port, &message)) == 1) {
		take_message(talk, &message);
	}
	if (r == -EPIPE) {
		talk->subscribed = talk->foreign = false;
	}
	talk->host.changed(talk->host.data);
}

/* Its end may have been missed; whoever is there yet is told that nothing is subscribed. */
static void unsubscribe_deaf(struct talk *talk)
{
	struct agent_message hello = { .hello = { .protocol = AGENT_PROTOCOL } };

	log_warning(
		"the host has taken no message for %llu s: it gets no pictures until it asks again",
		(unsigned long long)(DEAF_LIMIT / NSEC_PER_SEC));
	talk->subscribed = false;
	talk->deaf_since = 0;
	port_forget(talk->port);
	answer_hello(talk, &hello);
	talk->host.changed(talk->host.data);
}

void talk_ring(struct talk *talk, uint32_t what, uint32_t serial)
{
	struct agent_message message = { .verb = AGENT_RING };

	talk->unrung |= what;
	if (!talk->subscribed || !talk->unrung) {
		return;
	}
	message.ring.what = talk->unrung;
	message.ring.serial = serial;
	if (port_try(talk->port, &message) != -EAGAIN) {
		talk->unrung = 0;
		talk->deaf_since = 0;
	} else if (!talk->deaf_since) {
		talk->deaf_since = clock_now_ns();
	} else if (clock_now_ns() - talk->deaf_since > DEAF_LIMIT) {
		unsubscribe_deaf(talk);
	}
}

/* ---- life ---- */

bool talk_is_subscribed(const struct talk *talk)
{
	return talk->subscribed;
}

bool talk_is_busy(const struct talk *talk)
{
	return talk->release.pipe.fd >= 0;
}

bool talk_is_releasing(const struct talk *talk)
{
	return talk_is_busy(talk) && talk->release.captured;
}

bool talk_has_released(const struct talk *talk)
{
	return talk->release.released;
}

static int open_port(struct talk *talk)
{
	struct agent_message hello = { .hello = { .protocol = AGENT_PROTOCOL } };
	int r = port_create(talk->config->port, &talk->port);

	if (r < 0) {
		return r;
	}
	talk->source = (struct loop_source){ port_fd(talk->port), talk_ready, talk };
	/* Without the edge, a port whose host has gone would be ready for ever. */
	r = loop_add(talk->host.loop, &talk->source, true);
	if (r == 0) {
		/* A seat that was there before this agent says nothing by itself. */
		answer_hello(talk, &hello);
		talk_look_at_cards(talk);
	}
	return r;
}

static int open_release(struct talk *talk)
{
	talk->release.pipe = (struct loop_source){ -1, release_ready, talk };
	talk->release.timer = (struct loop_source){ timer_open(), release_late, talk };
	return talk->release.timer.fd < 0 ? talk->release.timer.fd
					  : loop_add(talk->host.loop, &talk->release.timer, false);
}

static int talk_allocate(const struct agent_config *config, struct talk **out)
{
	struct agent_config *copy = malloc(sizeof(*copy));

	*out = copy ? calloc(1, sizeof(**out)) : NULL;
	if (!*out) {
		free(copy);
		return -ENOMEM;
	}
	*copy = *config;
	(*out)->config = copy;
	return 0;
}

int talk_create(const struct agent_config *config, const struct talk_host *host, struct talk **out)
{
	_cleanup_(talk_destroy_ptr) struct talk *talk = NULL;
	int r = talk_allocate(config, &talk);

	if (r < 0) {
		close_fd_ptr(&(int){ config->port });
		return r;
	}
	talk->host = *host;
	r = config->port >= 0 ? open_port(talk) : 0;
	r = r < 0 ? r : open_release(talk);
	if (r == 0) {
		*out = take_ptr(talk);
	}
	return r;
}

void talk_destroy(struct talk *talk)
{
	if (talk) {
		port_destroy(talk->port);
		close_fd_ptr(&talk->release.pipe.fd);
		close_fd_ptr(&talk->release.timer.fd);
		free((void *)talk->config);
		free(talk);
	}
}
