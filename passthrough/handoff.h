/* SPDX-License-Identifier: MIT */
/*
 * A handoff: the way of one card from one owner to another, as a table of stages. This is a pure
 * machine: it does nothing itself, knows no clock and waits for nobody. It asks for one action at
 * a time through its ops, is told how that ended by handoff_report(), and is told the time by
 * handoff_tick(). So every path through it is tested in milliseconds on made-up worlds.
 *
 * Stages, in their order, with what undoes each:
 *
 *   stage         by      state        undo          on the way
 *   prepare       seat    (unchanged)  -             always: can it work at all?
 *   close-screen  seat    DRAINING     open-screen   from the host
 *   drain         broker  DRAINING     undrain       from the host
 *   detach        broker  DETACHING    give-back     from the host
 *   eject         seat    EJECTING     -             from a guest: device_del, DEVICE_DELETED
 *   take-back     broker  EJECTING     -             from a guest
 *   sanitize      broker  SANITIZING   -             always; exactly one reset between two users
 *   lend          broker  ATTACHING    take-back     to a guest
 *   attach        seat    ATTACHING    eject         to a guest: device_add, function 0 last
 *   confirm       seat    GUEST        -             to a guest; its failure is only a warning
 *   give-back     broker  RETURNING    -             to the host
 *   open-screen   seat    HOST         -             to the host
 *
 * The intent of each stage is in the broker's journal before it begins, and its result after.
 * A failed stage undoes those before it, latest first, and the card comes to rest: with its old
 * owner if that one never lost it, else in the pool, and from there home (card_config.home).
 * A stage that is past its soft deadline is reported, with the reason if one is known, and the
 * user is asked where the stage allows it; past its hard deadline it has failed. What only the
 * kernel can end (detach, sanitize, give-back) fails into WEDGED instead, and is not undone.
 */
#ifndef PASSTHROUGH_HANDOFF_H
#define PASSTHROUGH_HANDOFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "passthrough/card.h"

enum handoff_stage {
	HANDOFF_PREPARE,
	HANDOFF_CLOSE_SCREEN,
	HANDOFF_DRAIN,
	HANDOFF_DETACH,
	HANDOFF_EJECT,
	HANDOFF_TAKE_BACK,
	HANDOFF_SANITIZE,
	HANDOFF_LEND,
	HANDOFF_ATTACH,
	HANDOFF_CONFIRM,
	HANDOFF_GIVE_BACK,
	HANDOFF_OPEN_SCREEN,
	HANDOFF_UNDRAIN, /* only as an undo */
	HANDOFF_STAGE_COUNT
};

const char *handoff_stage_name(enum handoff_stage stage);

/* The host is owner 0, the pool is HANDOFF_POOL, guests are ids of the caller's choosing. */
#define HANDOFF_HOST 0u
#define HANDOFF_POOL UINT32_MAX

/* What a person may answer when a guest does not let go. */
enum handoff_answer {
	HANDOFF_ANSWER_WAIT,  /* go on asking the guest */
	HANDOFF_ANSWER_RESET, /* reset the guest: that completes a pending removal */
	HANDOFF_ANSWER_KILL,  /* end the guest's QEMU */
	HANDOFF_ANSWER_ABORT, /* leave the card where it is */
};

struct handoff_result {
	int error;        /* 0 or -errno; -EBUSY from drain: somebody holds the card */
	const char *text; /* one sentence, or NULL; copied */
};

struct handoff;

/* Each may call handoff_report() before it returns, but nothing else of the machine. */
struct handoff_ops {
	/* Journals the intent, carries the stage out for the guest (or the host) concerned, journals
	 * the result, and reports. */
	void (*begin)(void *data, enum handoff_stage stage, uint32_t from, uint32_t to);
	/* The stage failed by its deadline: what is under way must not report any more. Only for
	 * stages that the seat carries out. */
	void (*abandon)(void *data, enum handoff_stage stage);
	/* EJECT is not answered: device_del once more. */
	void (*repeat)(void *data, uint32_t guest);
	/* The person's answer about the guest that does not let go. */
	void (*reset_guest)(void *data, uint32_t guest);
	void (*kill_guest)(void *data, uint32_t guest);
	/* State, stage or sentence changed: show it. */
	void (*changed)(void *data);
	/* It is over; the card rests in handoff.state with handoff.owner. */
	void (*finished)(void *data, int error);
};

struct handoff {
	const struct handoff_ops *ops;
	void *data;
	enum card_state state;
	uint32_t owner;    /* who has the card now */
	uint32_t from, to; /* of the handoff under way */
	uint32_t home;     /* HANDOFF_HOST or HANDOFF_POOL: where it goes when nobody has it */
	bool active;
	bool undoing;
	bool asking; /* the person is asked: handoff_answer() is legal */
	enum handoff_stage stage;
	uint32_t done; /* bits of stages that were carried out and not undone */
	uint64_t stage_usec, started_usec; /* when the stage and the handoff began */
	unsigned int repeats;
	int error;      /* the first failure */
	char text[256]; /* what is going on or went wrong */
};

/* state and owner as derived from facts. */
void handoff_init(struct handoff *handoff, const struct handoff_ops *ops, void *data,
		  enum card_state state, uint32_t owner, uint32_t home);

/*
 * Begins the way to an owner. 0, -EBUSY while one is under way (the caller remembers the latest
 * wish and files it when that one has finished), -EALREADY when it has the card, -EIO for a card
 * that is WEDGED or LOST.
 */
int handoff_start(struct handoff *handoff, uint32_t to, uint64_t now_usec);

/* The stage under way has ended. Ignored when it is not the stage under way. */
void handoff_report(struct handoff *handoff, enum handoff_stage stage,
		    const struct handoff_result *result, uint64_t now_usec);

/* A guest's QEMU has ended: what waits for it need not wait, and if it had the card the card is
 * taken back. */
void handoff_guest_gone(struct handoff *handoff, uint32_t guest, uint64_t now_usec);

/* The broker went away, or came back with these facts: nothing that it was doing will be
 * answered. The handoff under way ends, and the card is brought to rest from what is true. */
void handoff_broker_gone(struct handoff *handoff, uint64_t now_usec);
void handoff_resync(struct handoff *handoff, enum card_state state, uint32_t owner,
		    uint64_t now_usec);

/* The person's answer; -EINVAL when nobody asked. */
int handoff_answer(struct handoff *handoff, enum handoff_answer answer, uint64_t now_usec);

/* The next time at which handoff_tick() has something to do; UINT64_MAX: never. */
uint64_t handoff_deadline(const struct handoff *handoff);
void handoff_tick(struct handoff *handoff, uint64_t now_usec);

#endif
