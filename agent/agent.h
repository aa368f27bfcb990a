/* SPDX-License-Identifier: MIT */
/*
 * The agent's loop: who wants pictures, when the screen is looked at, what the seat asks. One
 * thread; it waits in agent_run() alone.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/card_ops.h"
#include "agent/relay.h"
#include "agent/release.h"
#include "common/cleanup.h"
#include "proto/agent.h"

struct agent;
struct kvmfr_producer;

struct agent_config {
	const struct card_ops *ops;
	void *card;
	/* NULL: there is no shared memory, and nothing is captured. */
	struct kvmfr_producer *producer;
	/* The virtio port or -1; taken over. Without it readers are looked for. */
	int port;
	/* Readers are looked for although there is a port: some may not use it. */
	bool look_for_readers;
	struct agent_slot slot; /* of the card */
	struct release_roots roots;
	/* Fills `cards` with what there is at most, and returns how many; without sizes of
	 * pictures. */
	unsigned int (*list)(struct agent_message *cards, unsigned int size, void *data);
	void *data;
};

/* 0 or -errno; the port is closed then. */
int agent_create(const struct agent_config *config, struct agent **out);
void agent_destroy(struct agent *agent);
DEFINE_CLEANUP(struct agent *, agent_destroy)

/* Waits for at most that many milliseconds (-1: without end) and does what is to be done. 0, or
 * what agent_run() returns when it is over. */
int agent_turn(struct agent *agent, int milliseconds);
/* Until the card is gone or agent_stop(). Returns 0 then, or -errno after a sentence about it. */
int agent_run(struct agent *agent);
/* At the end of this turn, but a release that is under way is answered first. */
void agent_stop(struct agent *agent);

/* Calls back when a descriptor is readable; the caller's, longer-lived than the agent. */
int agent_watch(struct agent *agent, int fd, void (*ready)(void *data), void *data);

/* Something about cards may have changed: the seat is told what has. */
void agent_look_at_cards(struct agent *agent);

/* Whether nothing will happen by itself. */
bool agent_is_asleep(const struct agent *agent);
const struct relay_counts *agent_counts(const struct agent *agent);

#endif
