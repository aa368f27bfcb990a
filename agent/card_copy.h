/* SPDX-License-Identifier: MIT */
/*
 * Whether the processor reads a card's memory or the card copies it (gl_copy.h), and the copying.
 * The card copies what is in tiles, and whatever else the processor reads slowly, if it is faster
 * at it.
 */
#ifndef AGENT_CARD_COPY_H
#define AGENT_CARD_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/gl_copy.h"

enum copy_way { COPY_AUTO, COPY_PROCESSOR, COPY_CARD };

struct card_copy {
	enum copy_way way;
	int card; /* the caller's */
	void *module;
	const struct gl_copy_ops *ops;
	struct gl_copy *gl;
	bool failed;              /* the card cannot, or there is no module */
	uint64_t rate[2];         /* bytes a microsecond of processor and card; 0: not measured */
	unsigned int measured[2]; /* how often */
};

void card_copy_init(struct card_copy *copy, int card, enum copy_way way);
/* Closes what it has opened of the card. */
void card_copy_close(struct card_copy *copy);

/* Whether the card is to copy this; tiled: the processor cannot read it. */
bool card_copy_wanted(struct card_copy *copy, bool tiled);
/* 0 or -ENOTSUP, after which the card is not asked again. */
int card_copy_rows(struct card_copy *copy, const struct gl_copy_source *source, uint8_t *to);
/* So long has it taken to read so many bytes. */
void card_copy_note(struct card_copy *copy, bool by_card, uint64_t bytes, uint64_t ns);

#endif
