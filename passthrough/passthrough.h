/* SPDX-License-Identifier: MIT */
/*
 * Cards lent to guests: knows the cards through the broker, the guests through their vm, and moves
 * the one to the other on request, by focus, or back. Runs in the seat's loop, waits for nothing,
 * and touches neither sysfs, nor other processes' procfs, nor VFIO, nor a disk: the broker does.
 */
#ifndef PASSTHROUGH_PASSTHROUGH_H
#define PASSTHROUGH_PASSTHROUGH_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "passthrough/card_config.h"
#include "passthrough/handoff.h"
#include "vm/vm.h"

struct passthrough;

/* A card as it is told to others. Valid during the call. */
struct passthrough_card {
	const char *name;
	const char *address;  /* "0000:01:00" */
	enum card_state state;
	const char *owner;    /* a guest's name; NULL: the host or the pool */
	const char *target;   /* of the handoff under way; NULL: the host, or none is under way */
	bool moving;
	bool asking;          /* a guest does not let go: the person is asked */
	const char *stage;    /* of the handoff under way, or NULL */
	uint64_t stage_usec;  /* since when (CLOCK_MONOTONIC) */
	const char *text;     /* one sentence: what goes on, or went wrong; NULL: nothing to say */
	const struct broker_facts *facts; /* NULL while there is no broker */
};

/* None may destroy the passthrough, or add or remove guests. */
struct passthrough_handlers {
	/* A card's state, stage, sentence or facts changed. How long the stage takes is not told
	 * again and again: who shows it counts from stage_usec. */
	void (*changed)(void *data, const struct passthrough_card *card);
	/*
	 * The seat's own screens on this card (its PCI slot is card->address) must go, every
	 * descriptor of it; answered, now or later, by passthrough_screen_closed(). And: the card
	 * is back.
	 */
	void (*close_screen)(void *data, const struct passthrough_card *card);
	void (*open_screen)(void *data, const struct passthrough_card *card);
	/*
	 * A guest is about to lose the card in this slot of its own: a program of ours in it, if
	 * there is one, is asked to give it up first, so that its driver ends in good order and
	 * what keeps it is named. 0: passthrough_released() will tell; -errno: nobody was asked.
	 * cancel_release: nobody wants to know any more.
	 */
	bool (*can_release)(void *data, uint32_t guest);
	int (*release)(void *data, uint32_t guest, const struct broker_slot *slot);
	void (*cancel_release)(void *data, uint32_t guest);
};

/*
 * Takes the configurations, also on failure. A missing broker is no error: it is looked for again
 * until it is there, and meanwhile every request is refused with one sentence.
 */
int passthrough_create(sd_event *event, const char *broker_socket, struct card_config **cards,
		       size_t n, const struct passthrough_handlers *handlers, void *data,
		       struct passthrough **out);
/* Cards stay where they are. NULL is legal. */
void passthrough_destroy(struct passthrough *passthrough);

/* Guests that may get cards. The id is focus' and the compositor's. Wishes are copied. The vm must
 * live until the guest is removed. */
int passthrough_add_guest(struct passthrough *passthrough, uint32_t id, struct vm *vm,
			  const struct card_wishes *wishes);
void passthrough_remove_guest(struct passthrough *passthrough, uint32_t id);

/* Who is in front now (0: nobody): files the wishes of follow-focus, after their settle time. */
void passthrough_focus(struct passthrough *passthrough, uint32_t id);

/*
 * Gives a card to a guest, or to the host (0). Returns at once; changed() tells the rest. -errno
 * with a sentence in *why that lives until the next call.
 */
int passthrough_give(struct passthrough *passthrough, const char *card, uint32_t id,
		     const char **why);
int passthrough_answer(struct passthrough *passthrough, const char *card,
		       enum handoff_answer answer, const char **why);
/* Everything back to the host, as far as it goes, pinned or not. Without a broker as soon as it is
 * there; but the seat's screens on cards that the host has open at once. */
void passthrough_rescue(struct passthrough *passthrough);

void passthrough_screen_closed(struct passthrough *passthrough, const char *card, int error,
			       const char *text);
void passthrough_screen_opened(struct passthrough *passthrough, const char *card, int error,
			       const char *text);

/* The guest has given the card up (0), or has not, for a reason. */
void passthrough_released(struct passthrough *passthrough, uint32_t guest, int error,
			  const char *text);

void passthrough_each(struct passthrough *passthrough,
		      void (*each)(void *data, const struct passthrough_card *card), void *data);

/* The broker starts guests that have a user of their own: vm_set_starter() with the passthrough. */
extern const struct vm_starter_ops passthrough_starter_ops;

/* One sentence why nothing can be lent at the moment (no broker), or NULL. */
const char *passthrough_trouble(const struct passthrough *passthrough);

#endif
