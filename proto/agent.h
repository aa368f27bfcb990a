/* SPDX-License-Identifier: MIT */
/*
 * What the seat and baton-agent, inside a guest, say to each other through the virtio-serial port
 * AGENT_PORT: messages of one size, little-endian, unused bytes zero. The pictures go another way,
 * through shared memory (proto/kvmfr.h). Data only, and the one rule that says what is legal.
 *
 * Either end may come, go and be killed at any time, and bytes that nobody takes are lost. So each
 * end drops bytes until a legal message begins, and neither believes anything that the other one
 * said before its last HELLO. Both ends are hostile to each other: a message is legal when
 * agent_message_is_legal() says so, and is dropped otherwise; its words are for people only.
 *
 * The seat   HELLO       when it has connected, and again when it pleases; answered by HELLO and a
 *                        CARD for each graphics card. Ends what was subscribed.
 *            SUBSCRIBE   the seat wants pictures. The agent sleeps otherwise: nothing is captured,
 *                        and the heartbeat in shared memory stands still.
 *            UNSUBSCRIBE
 *            RELEASE     give up the card in that slot: answered by HOLDER for each process that
 *                        has it open, then DONE, with the request's serial. DONE is 0 when no
 *                        driver is bound to it any more, -EBUSY while somebody holds it, -ENODEV
 *                        when there is no such card, another -errno when the driver did not go.
 *                        One at a time: another one meanwhile gets DONE with -EALREADY.
 * The agent  HELLO       when it has opened the port, with a CARD for each, and as an answer.
 *                        Nothing is subscribed then; a seat that has greeted before need not do so
 *                        again.
 *            CARD        what became of a card: when asked by HELLO, and when that changes.
 *            RING        look into the shared memory: a picture or the pointer was written, or
 *                        nobody has subscribed there, as after the start of a session. No more
 *                        often than the card's screen is refreshed; only while subscribed here.
 */
#ifndef PROTO_AGENT_H
#define PROTO_AGENT_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define AGENT_PORT "org.baton.agent"
#define AGENT_PROTOCOL 1
#define AGENT_MAGIC 0x31414742u /* "BGA1" */
#define AGENT_MESSAGE_SIZE 128
#define AGENT_HOLDERS_MAX 16 /* told; more are only counted */

enum agent_verb {
	/* either end */
	AGENT_HELLO = 1,
	/* the seat */
	AGENT_SUBSCRIBE = 16,
	AGENT_UNSUBSCRIBE,
	AGENT_RELEASE,
	/* the agent */
	AGENT_CARD = 32,
	AGENT_RING,
	AGENT_HOLDER,
	AGENT_DONE,
};

/* A PCI slot as the guest sees it; all its functions are one card. */
struct agent_slot {
	uint16_t domain;
	uint8_t bus;
	uint8_t device; /* AGENT_DEVICE_CAPTURED: the card whose picture is captured */
};
#define AGENT_DEVICE_CAPTURED 0xff

enum agent_feature {
	AGENT_FEATURE_CAPTURE = 1 << 0, /* it writes pictures: there is shared memory */
	AGENT_FEATURE_RELEASE = 1 << 1, /* it may release cards */
};

struct agent_hello {
	uint32_t protocol; /* AGENT_PROTOCOL; with another one, no message but HELLO is looked at */
	uint32_t features; /* the agent's; the seat has none */
	char program[64];  /* and its version, for people */
};

enum agent_card_state {
	AGENT_CARD_GONE = 1,  /* not on the bus any more */
	AGENT_CARD_NO_DRIVER, /* on the bus */
	AGENT_CARD_DARK,      /* has a driver; no screen is lit, or that is not known */
	AGENT_CARD_LIT,       /* shows a picture of width x height */
};

struct agent_card {
	uint32_t state;
	uint16_t vendor, device; /* PCI's; 0: not known */
	uint16_t width, height;  /* pixels; 0: dark */
	uint32_t refresh;        /* mHz; 0: not known or dark */
	uint32_t captured;       /* 1: this is the card whose picture is captured, 0: not */
	char driver[32];
	char node[32]; /* "card1"; empty: none */
};

#define AGENT_RING_FRAME 0x1u
#define AGENT_RING_CURSOR 0x2u
#define AGENT_RING_UNREAD 0x4u /* nobody reads; at once after SUBSCRIBE, and once a second */
#define AGENT_RING_ALL (AGENT_RING_FRAME | AGENT_RING_CURSOR | AGENT_RING_UNREAD)

struct agent_ring {
	uint32_t what;   /* AGENT_RING_*, at least one */
	uint32_t serial; /* of the last frame in shared memory; only to compare */
};

struct agent_holder {
	int32_t pid;
	uint32_t more; /* how many more there are than are told; in the last message */
	char command[32];
	char node[64];
};

struct agent_done {
	int32_t error;  /* 0 or -errno */
	char text[104]; /* one sentence with cause and remedy, or empty */
};

struct agent_message {
	uint32_t magic;
	uint32_t verb;
	uint32_t serial;        /* RELEASE: not 0, chosen by the seat; HOLDER, DONE: of the request */
	struct agent_slot slot; /* RELEASE, CARD, HOLDER, DONE */
	union {
		struct agent_hello hello;
		struct agent_card card;
		struct agent_ring ring;
		struct agent_holder holder;
		struct agent_done done;
		uint8_t bytes[112];
	};
};

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "messages are sent as they lie in memory");
static_assert(sizeof(struct agent_slot) == 4, "");
static_assert(sizeof(struct agent_hello) == 72, "");
static_assert(sizeof(struct agent_card) == 84, "");
static_assert(sizeof(struct agent_ring) == 8, "");
static_assert(sizeof(struct agent_holder) == 104, "");
static_assert(sizeof(struct agent_done) == 108, "");
static_assert(sizeof(struct agent_message) == AGENT_MESSAGE_SIZE, "");

static inline bool agent_text_ends(const char *text, size_t size)
{
	return memchr(text, 0, size) != NULL;
}

static inline bool agent_card_is_legal(const struct agent_card *card)
{
	return card->state >= AGENT_CARD_GONE && card->state <= AGENT_CARD_LIT &&
	       card->captured <= 1 && (card->state == AGENT_CARD_LIT) == (card->width != 0) &&
	       (card->width != 0) == (card->height != 0) &&
	       agent_text_ends(card->driver, sizeof(card->driver)) &&
	       agent_text_ends(card->node, sizeof(card->node));
}

/* Whether a whole message may come from the agent (else from the seat). Look at a copy. */
static inline bool agent_message_is_legal(const struct agent_message *message, bool from_agent)
{
	if (message->magic != AGENT_MAGIC ||
	    (message->verb != AGENT_HELLO && (message->verb >= AGENT_CARD) != from_agent)) {
		return false;
	}
	switch (message->verb) {
	case AGENT_HELLO:
		return agent_text_ends(message->hello.program, sizeof(message->hello.program));
	case AGENT_SUBSCRIBE:
	case AGENT_UNSUBSCRIBE:
		return true;
	case AGENT_RELEASE:
		return message->serial != 0;
	case AGENT_CARD:
		return agent_card_is_legal(&message->card);
	case AGENT_RING:
		return message->ring.what != 0 && (message->ring.what & ~AGENT_RING_ALL) == 0;
	case AGENT_HOLDER:
		return message->serial != 0 && message->holder.pid > 0 &&
		       agent_text_ends(message->holder.command, sizeof(message->holder.command)) &&
		       agent_text_ends(message->holder.node, sizeof(message->holder.node));
	case AGENT_DONE:
		return message->serial != 0 && message->done.error <= 0 &&
		       message->done.error > -4096 &&
		       agent_text_ends(message->done.text, sizeof(message->done.text));
	default:
		return false;
	}
}

#endif
