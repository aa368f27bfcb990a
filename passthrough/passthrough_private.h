/* SPDX-License-Identifier: MIT */
/*
 * What the parts of passthrough share:
 *
 *   passthrough.c           life, guests, the loop
 *   passthrough_request.c   what others ask, and what they are told
 *   passthrough_truth.c     what the broker and the guests say, and what follows from it
 *   passthrough_wish.c      who should have a card, and when
 *   passthrough_step.c      the stages of a handoff, carried out by the broker …
 *   passthrough_own.c       … or by the seat itself
 *   passthrough_release.c   … which asks the guest first to give the card up
 *   passthrough_starter.c   guests that have a user of their own
 */
#ifndef PASSTHROUGH_PASSTHROUGH_PRIVATE_H
#define PASSTHROUGH_PASSTHROUGH_PRIVATE_H

#include "common/list.h"
#include "passthrough/broker_client.h"
#include "passthrough/guest_device.h"
#include "passthrough/passthrough.h"
#include "passthrough/policy.h"

/* Stands in the journal after the names of the stages of a way that was taken up again. */
#define PASSTHROUGH_RESUMED '+'

/* How long a guest that runs may take to say what it has, before a borrower has the card. */
#define PASSTHROUGH_GRACE_USEC (1000 * 1000)

struct managed_card;
struct managed_guest;

/*
 * What comes before device_del where a program of ours is in the guest. None of it is waited for
 * beyond the first repetition of device_del, and no answer keeps device_del from being sent.
 * NONE      nothing is asked, or it was answered
 * LOCATING  QEMU is asked in which slot the guest sees the card
 * ASKED     the guest is to give it up
 */
enum release_phase { RELEASE_NONE, RELEASE_LOCATING, RELEASE_ASKED };

/* One card in one guest. */
struct guest_card {
	struct managed_card *card;
	struct managed_guest *guest;
	struct guest_device *device;
	enum release_phase release;
	char keeper[BROKER_TEXT_MAX]; /* who keeps it there, as the guest says; empty: unknown */
};

struct managed_guest {
	struct list link; /* passthrough::guests */
	struct passthrough *passthrough;
	uint32_t id;
	struct vm *vm;
	struct vm_observer observer;
	struct card_wishes wishes;
	bool living;              /* its QEMU runs, as far as is known */
	struct guest_card *cards; /* as passthrough::cards */
};

/*
 * The stage of a handoff that is being carried out.
 * NONE    nothing is
 * INTENT  a stage of the seat's: the journal gets its intent
 * ACTION  it is carried out, by the broker, a guest's QEMU or the seat's screens
 */
enum step_phase { STEP_NONE, STEP_INTENT, STEP_ACTION };

struct step {
	enum step_phase phase;
	enum handoff_stage stage;
	uint32_t from, to;
	bool unloading; /* of detach: NVIDIA's modules come first */
	int error;
	char text[BROKER_TEXT_MAX];
};

struct managed_card {
	struct passthrough *passthrough;
	struct card_config *config;
	char address[16]; /* "0000:01:00" */
	struct handoff handoff;
	struct step step;
	struct policy_state policy;
	bool started;    /* policy is valid */
	bool synced;     /* handoff knows the truth; false without a broker */
	bool asked;      /* the way under way was begun for … */
	uint32_t aim;    /* … this owner */
	bool rescued;    /* the host's: also against a pin, until somebody is given it; or it was
			    rescued while not synced, and nothing is filed yet */
	bool resumed;    /* an interrupted way was taken up again, and has not come to its end */
	bool resuming;   /* after the next way it goes on to …; a guest may have it already */
	uint32_t resume; /* … this owner */
	char held[160];  /* why a wish waits, or empty */
	sd_event_source *timer; /* of the handoff and of the policy */
};

struct passthrough {
	sd_event *event;
	const struct passthrough_handlers *handlers;
	void *data;
	struct broker_client *broker;
	struct card_config **configs;
	struct managed_card *cards;
	size_t n;
	struct list guests;
	uint32_t front;
	uint64_t front_usec, up_usec; /* since when a guest is in front, the broker there */
	sd_event_source *wake;        /* decides about all cards, in the next turn */
	sd_event_source *grace;       /* see PASSTHROUGH_GRACE_USEC */
	char why[256];
};

/* CLOCK_MONOTONIC. */
uint64_t passthrough_now(void);

struct managed_guest *passthrough_guest(const struct passthrough *passthrough, uint32_t id);
/* The guest's side of the card, or NULL for the host, the pool and who is not there. */
struct guest_card *passthrough_guest_card(const struct managed_card *card, uint32_t id);
const struct broker_facts *passthrough_facts(const struct managed_card *card);
/* As the card is told to others; lives until the next turn. */
void passthrough_describe(const struct managed_card *card, struct passthrough_card *out);
void passthrough_tell(struct managed_card *card);
/* Every card is decided about in the next turn. */
void passthrough_wake(struct passthrough *passthrough);
/* What the timer of every card does when it goes off. */
void passthrough_tick(struct passthrough *passthrough);

/* ---- passthrough_truth.c ---- */

extern const struct broker_client_ops truth_broker_ops;
extern const struct guest_device_ops truth_device_ops; /* data is a struct guest_card */
/* Brings all cards to what is true that are not yet, if that is known by now. */
void truth_sync(struct passthrough *passthrough);
/* A guest's QEMU is there, or has ended. */
void truth_guest_changed(struct managed_guest *guest);
/* It has ended, or nobody knows it any more. */
void truth_guest_gone(struct managed_guest *guest);

/* ---- passthrough_step.c ---- */

extern const struct handoff_ops step_ops; /* data is a struct managed_card */
/* The seat's screens or a guest's QEMU have done what they were asked for. */
void step_done(struct managed_card *card, enum handoff_stage stage, int error, const char *text);
/* How an owner stands in the journal, and who that is; HANDOFF_HOST for nobody known. */
const char *step_owner_name(const struct managed_card *card, uint32_t owner);

/* ---- passthrough_own.c ---- */

/* Carries the seat's own stage out; its intent is in the journal. */
void step_act(struct managed_card *card);
/* A guest has told what it has: that may be what the stage waits for. */
void step_look(struct managed_card *card);

/* ---- passthrough_release.c ---- */

/* The guest lets go of the card: by itself, if it can be asked, and by device_del. */
void release_begin(struct guest_card *own);
/* It has not in time: device_del is sent once more, or now. */
void release_repeat(struct guest_card *own);
/* The guest's answer, if one is outstanding, is not waited for … */
void release_stop(struct guest_card *own);
/* … nor is device_del's. */
void release_cancel(struct guest_card *own);

/* ---- passthrough_wish.c ---- */

/* Begins the way that should be begun now, if any, and arms the card's timer. */
void wish_decide(struct managed_card *card);
/* As policy_request(). */
int wish_request(struct managed_card *card, uint32_t to, char *why, size_t size);
/* At the first time that the truth is known; owner is who has it. */
void wish_start(struct managed_card *card, uint32_t owner);
/* Back to the host, against a pin too. The card must be synced. */
void wish_rescue(struct managed_card *card);
/* The card rests: the way that was broken off goes on. */
void wish_resume(struct managed_card *card);
/* Begins a way now; the handoff must be at rest. */
int wish_begin(struct managed_card *card, uint32_t to);
/* The way has ended. */
void wish_finished(struct managed_card *card);

#endif
