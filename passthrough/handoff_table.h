/* SPDX-License-Identifier: MIT */
/* The stages of a handoff as a table; see handoff.h for what they do. Private to the machine. */
#ifndef PASSTHROUGH_HANDOFF_TABLE_H
#define PASSTHROUGH_HANDOFF_TABLE_H

#include "passthrough/handoff.h"

#define HANDOFF_NONE HANDOFF_STAGE_COUNT
#define HANDOFF_BIT(stage) (1u << (stage))

enum handoff_actor {
	HANDOFF_SEAT,
	HANDOFF_BROKER,
};

enum handoff_row_flag {
	/* Past the hard deadline the kernel hangs: WEDGED. */
	HANDOFF_ROW_KERNEL = 1 << 0,
	/* A failure leaves the card with who has it, if that one lives. */
	HANDOFF_ROW_STAYS = 1 << 1,
	/* A failure may have done it in half: it is undone too. */
	HANDOFF_ROW_HALF = 1 << 2,
	/* A failure is only told. */
	HANDOFF_ROW_WARNS = 1 << 3,
};

struct handoff_row {
	const char *name;
	enum handoff_actor actor;
	enum card_state state; /* while it is under way; CARD_STATE_COUNT: unchanged */
	enum card_state after; /* when it is done; the same */
	enum handoff_stage undo; /* HANDOFF_NONE: needs none */
	uint32_t undoes;         /* bits of the stages that it undoes */
	unsigned int flags;
	uint64_t soft_usec, hard_usec; /* from the begin of the stage */
	uint64_t retry_usec; /* so long -EBUSY is tried again; 0: it is a failure */
	uint64_t ask_usec;   /* then the person is asked; 0: never */
	const char *late;    /* the sentence at the soft deadline */
};

const struct handoff_row *handoff_row(enum handoff_stage stage);

/* What is said of a card that came to WEDGED or LOST. */
const char *handoff_end_text(enum card_state state);

/* When device_del is sent again, after n times more than the first; from the begin of the stage. */
uint64_t handoff_repeat_usec(unsigned int n);

/* Pauses between retries double between these two. */
#define HANDOFF_PAUSE_MIN_USEC 10000ull
#define HANDOFF_PAUSE_MAX_USEC 1000000ull

#endif
