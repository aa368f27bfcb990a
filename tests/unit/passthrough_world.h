/* SPDX-License-Identifier: MIT */
/*
 * passthrough between a broker and two guests that are made up, with a time of its own: the loop
 * runs until nothing is left to do, and deadlines come when the test says so. Link with
 * -Wl,--wrap=passthrough_now.
 */
#ifndef TESTS_UNIT_PASSTHROUGH_WORLD_H
#define TESTS_UNIT_PASSTHROUGH_WORLD_H

#include "passthrough/passthrough.h"
#include "tests/unit/fake_broker.h"
#include "tests/unit/fake_guest.h"

#define GPU "0000:01:00"
#define AUX "0000:02:00"
#define GUEST_A 1u
#define GUEST_B 2u
#define SECOND 1000000ull

/* All stages of a way, as fake_broker_journal() has them. */
#define DONE(stage) stage " " stage "="
#define HOST_TO_GUEST                                                                              \
	DONE("prepare") " " DONE("close-screen") " " DONE("drain") " " DONE("detach") " "          \
	DONE("sanitize") " " DONE("lend") " " DONE("attach") " " DONE("confirm")
#define GUEST_TO_GUEST                                                                             \
	DONE("prepare") " " DONE("eject") " " DONE("take-back") " " DONE("sanitize") " "           \
	DONE("lend") " " DONE("attach") " " DONE("confirm")
#define GUEST_TO_HOST                                                                              \
	DONE("prepare") " " DONE("eject") " " DONE("take-back") " " DONE("sanitize") " "           \
	DONE("give-back") " " DONE("open-screen")

struct world {
	sd_event *event;
	char folder[32], path[64];
	struct fake_broker *broker;
	struct broker_facts *facts; /* the broker's, of the card */
	struct vm *a, *b;
	struct passthrough *passthrough;
	/* How the world is, before world_start(). */
	bool home_pool;
	bool second; /* there is a card "aux" of one function too, at AUX */
	const char *on_request[2], *follow_focus[2], *pinned[2]; /* of A, of B; NULL: none */
	bool broker_hangs; /* no connection is to be waited for */
	/* The seat's screens. */
	bool screens_wait;
	int screens_error;
	unsigned int closed, opened; /* how often they were asked to */
	bool dark;		     /* the last time to close */
	/* baton-agent, in this guest (0: in none): asked, and with no answer yet; or it cannot be. */
	uint32_t agent;
	int agent_error;
	unsigned int releases;
	bool releasing;
	/* What was told last. */
	unsigned int changes;
	enum card_state state;
	char owner[32], target[32], stage[32], text[256];
	bool moving, asking;
	const char *why; /* of the last refusal */
};

/* A running broker with a card of two functions on the host's drivers, and two running guests that
 * may have it on request. Nothing is connected yet. */
int world_setup(void **state);
int world_teardown(void **state);

/* The seat begins, and comes to rest. */
void world_start(struct world *world);
/* And ends, as if it were killed. */
void world_end(struct world *world);

/* Runs the loop until nothing is left to do. */
void world_settle(struct world *world);
/* Time passes, and what is due happens. */
void world_pass(struct world *world, uint64_t usec);
/* Time passes in steps until the card rests; at most some minutes. */
void world_rest(struct world *world);

/* Must be accepted. */
void world_give(struct world *world, uint32_t id);
/* The error of a request that must be refused; why is in the world. */
int world_refusal(struct world *world, uint32_t id);

/* The card is there, with whom the world's truth says; owner NULL: the host or the pool. */
void world_expect(struct world *world, enum card_state state, const char *owner);

/* The same for a guest or HANDOFF_HOST, and nothing goes on any more. */
void world_expect_at(struct world *world, uint32_t owner);

struct world_way {
	uint32_t from, to;
	const char *stages; /* as the journal has them when all goes well */
};

/* Begins a new seat, and this way, and stops when the stage stands in the journal. Of those of the
 * broker, that does them at once, the result is there already, and the seat does not know yet. */
void world_reach(struct world *world, const struct world_way *way, const char *stage);
/* Whether the last line of the journal is of this stage, and it has not failed. */
bool world_is_at(const struct world *world, const char *stage);
/* The broker ends, the seat notices, and the broker is there again. */
void world_restart_broker(struct world *world);

#endif
