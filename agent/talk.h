/* SPDX-License-Identifier: MIT */
/*
 * The conversation with the seat (proto/agent.h): whether it wants pictures, what it is told of
 * cards, and cards that it wants released. Without a port it is silent.
 */
#ifndef AGENT_TALK_H
#define AGENT_TALK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/agent.h"

struct talk;

/* The agent, as far as the conversation needs it. */
struct talk_host {
	int loop;
	/* Subscribed or not, releasing or not: something of it has changed. */
	void (*changed)(void *data);
	/* What is on the captured card's screen now. */
	void (*screen)(struct card_screen *out, void *data);
	void *data;
};

/* Takes the port over. 0 or -errno. */
int talk_create(const struct agent_config *config, const struct talk_host *host, struct talk **out);
void talk_destroy(struct talk *talk);
DEFINE_CLEANUP(struct talk *, talk_destroy)

bool talk_is_subscribed(const struct talk *talk);
/* The captured card is to be closed: it is being given up. */
bool talk_is_releasing(const struct talk *talk);
/* It was given up. */
bool talk_has_released(const struct talk *talk);
/* A release is under way, of any card. */
bool talk_is_busy(const struct talk *talk);

/* Something was written (AGENT_RING_*); told now or, when the host takes nothing, with the next. */
void talk_ring(struct talk *talk, uint32_t what, uint32_t serial);
/* Tells what has become of cards. False: the captured one is not there any more. */
bool talk_look_at_cards(struct talk *talk);

#endif
