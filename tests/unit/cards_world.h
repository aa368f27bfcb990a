/* SPDX-License-Identifier: MIT */
/*
 * The world of the seat's cards, for tests of seat/cards.h: passthrough/, the compositor and the
 * rest of the seat are made up, and a second of the seat's timers is a millisecond.
 */
#ifndef TESTS_UNIT_CARDS_WORLD_H
#define TESTS_UNIT_CARDS_WORLD_H

#include "seat/cards.h"
#include "seat/seat.h"

#define GUEST_ID 7 /* of "work", which is in front */

/* What passthrough/ was asked, and what it says about the cards. */
struct passthrough {
	struct card_config **configs;
	size_t n;
	struct passthrough_handlers handlers;
	void *data;
	struct passthrough_card cards[2];
	char asked[128], answered[64], closed[200], opened[200], released[100];
	int give_error;
	unsigned int gives, rescues, guests;
	uint32_t focus;
};

extern struct passthrough *made;

/* The compositor: what it answers, what it was told. */
struct made_screen {
	bool uses, only;
	bool later; /* its answers do not come at once */
	int release;
	unsigned int releases, regains;
	char toast[200];
	struct compositor_output outputs[4]; /* beside what uses says */
	size_t n_outputs;
	bool switcher;
	enum source_kind shown; /* of the guest in front */
};

extern struct made_screen screen;

/* The rest of the seat. */
struct made_seat {
	bool asking, front, quit;
	unsigned int told, pictures; /* signals, looks at whose card is whose */
	char line[400];
};

/* baton-agent in the guest in front. */
struct made_agent {
	bool there;
	struct agent_slot slot; /* which it was asked to give up */
	void (*released)(void *data, int error, const char *text); /* NULL: it was not, any more */
	void *data;
};

extern struct made_agent agent;
extern struct made_seat rest;
extern struct seat_guest guest;

struct fixture {
	char folder[32];
	struct seat seat;
	struct ini_report *report;
};

int cards_setup(void **state);
int cards_teardown(void **state);

void write_card(struct fixture *f, const char *name, const char *text);
int remove_card(struct fixture *f, const char *name);
/* One card "gpu", which lights the only screen when that is so. */
struct cards *open_cards(struct fixture *f, bool only);

/* The handlers of passthrough/ are called with the first card as it is now. */
void tell(void);
void close_screen(void);
void open_screen(void);
/* It is on its way in this stage; target NULL: to the host. */
void move(const char *target, const char *stage);
/* It rests. */
void stop(const char *owner, const char *text);

/* Runs the loop; fails the test after a while. */
void run_until(struct fixture *f, bool (*done)(void));

/* Asks for the card for the guest. */
int give(struct fixture *f, bool dark);

#define TEST(name) cmocka_unit_test_setup_teardown(name, cards_setup, cards_teardown)

#endif
