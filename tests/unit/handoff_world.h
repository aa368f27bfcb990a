/* SPDX-License-Identifier: MIT */
/*
 * A made-up world around a handoff: the host's drivers, the broker, two guests and a person, with
 * a clock driven by hand. It carries out what the machine asks for as a plan says (at once, late,
 * never, with an error), keeps the truth apart from what the machine believes, and fails the test
 * when the machine asks for what nobody may do.
 */
#ifndef TESTS_UNIT_HANDOFF_WORLD_H
#define TESTS_UNIT_HANDOFF_WORLD_H

#include "passthrough/handoff.h"

#define NEVER UINT64_MAX
#define GUESTS 2
#define GUEST_A 1u
#define GUEST_B 2u

enum drivers { DRIVERS_HOST, DRIVERS_HALF, DRIVERS_VFIO };

/* How a stage goes: when the answer comes, what it is, and whether it was done nevertheless. */
struct outcome {
	uint64_t after_usec; /* NEVER: no answer */
	int error;
	bool effect;
};

struct world {
	struct handoff handoff;
	uint64_t now;
	/* The truth. */
	enum drivers drivers;
	bool screen_open, drained, wedged, lost, broker;
	uint32_t lent_to; /* 0: nobody */
	bool alive[GUESTS + 1], device[GUESTS + 1];
	uint32_t user; /* the last one */
	bool clean;    /* no user since the last reset */
	bool reset_failed;
	/* Excuses: what failed on the way, so that the rest may be less than perfect. */
	bool unsure;     /* somebody never answered: requests may be impossible */
	bool resynced;   /* the machine cannot know of resets before */
	bool owner_lost; /* somebody lost the card on the present way, or the host did */
	uint32_t failed; /* bits of stages that failed on the present way */
	/* Under way. */
	bool busy;
	enum handoff_stage stage;
	uint32_t from, to;
	uint64_t answer_at;
	struct outcome outcome;
	int last_error; /* of the stage before */
	/* What was seen. */
	enum card_state seen;
	unsigned int finished, begun, repeats, abandoned, questions;
	bool asked;
	int error;
	uint64_t way_begun, budget; /* the sum of the hard deadlines of what was begun */
	char log[1024];
	char scene[256];                                            /* for messages */
	void (*plan)(struct world *world, struct outcome *outcome); /* NULL: all goes well */
	int (*answer)(struct world *world); /* an enum handoff_answer, or -1 */
	bool at_once;                       /* reports from inside of begin() where it can */
	void *data;
};

/* A world at rest whose card belongs to the host, a guest or HANDOFF_POOL; both guests live. */
void world_init(struct world *world, uint32_t owner, uint32_t home);

/* Asks for a way, which must be accepted. */
void world_start(struct world *world, uint32_t to);

/* Lets time pass until the next thing happens. False: nothing ever will. */
bool world_step(struct world *world);

/* Until the handoff has come to rest; fails when it does not. */
void world_run(struct world *world);

void world_kill(struct world *world, uint32_t guest);
/* Ends the broker; effect: what it was doing is done nevertheless. */
void world_broker_gone(struct world *world, bool effect);
/* The broker is there again, and the machine is told the truth. */
void world_resync(struct world *world);
/* The truth as the broker's facts and QMP tell it. */
enum card_state world_state(const struct world *world, uint32_t *owner);
/* What DEVICE_DELETED would tell: an owner without a device. */
void world_tell_released(struct world *world);

/* The card rests, as the machine says, where it says, with nothing left behind. */
void world_check_rest(struct world *world);

__attribute__((format(printf, 2, 3), noreturn)) void world_fail(const struct world *world,
								const char *format, ...);

#endif
