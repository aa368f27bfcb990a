/* SPDX-License-Identifier: MIT */
/*
 * Brings what a card shows into shared memory: the screen's picture where it has changed, the
 * pointer, another mode. It has no clock and no descriptor: whoever owns it calls relay_look() once
 * in each of the screen's refresh intervals while somebody reads.
 *
 * The card is open only between relay_wake() and relay_sleep().
 */
#ifndef AGENT_RELAY_H
#define AGENT_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/card_ops.h"
#include "common/cleanup.h"

struct kvmfr_producer;
struct relay;

/* Ops, card and producer are the caller's and longer-lived. 0 or -ENOMEM. */
int relay_create(const struct card_ops *ops, void *card, struct kvmfr_producer *producer,
		 struct relay **out);
void relay_destroy(struct relay *relay);
DEFINE_CLEANUP(struct relay *, relay_destroy)

/* Opens the card, unless it is open. As struct card_ops says. */
int relay_wake(struct relay *relay);
void relay_sleep(struct relay *relay);
bool relay_is_awake(const struct relay *relay);

/*
 * Keeps the session alive, and writes what is new. now: milliseconds, as the producer's; paced: at
 * most one vertical blank has been since the last call. Returns 0, or -ENODEV when the card is
 * gone; *rung is what was written, of AGENT_RING_*.
 */
int relay_look(struct relay *relay, uint64_t now, bool paced, uint32_t *rung);

/* The screen as it was at the last look. */
const struct card_screen *relay_screen(const struct relay *relay);
uint32_t relay_serial(const struct relay *relay); /* pictures written */

struct relay_counts {
	uint64_t looks, reads; /* at the screen; of them those that read a picture */
	uint64_t pictures, pointers;
	uint64_t bytes_read, bytes_written; /* of pictures */
	uint64_t bytes_changed;             /* in tiles: the least that could be written */
};
const struct relay_counts *relay_counts(const struct relay *relay);

#endif
