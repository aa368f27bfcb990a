/* SPDX-License-Identifier: MIT */
/*
 * A handoff: the way of one card from one owner to another, as a table of stages. This is a pure
 * machine: it does nothing itself, knows no clock and waits for nobody. It asks for one action at
 * a time through its ops, is told how that ended by handoff_report(), and is told the time by
 * handoff_tick(). So every path through it is tested in milliseconds on made-up worlds.
 *
 * Stages, in their order, with what undoes each:
 *
 *   stage         by      for    state        undo          on the way
 *   prepare       seat    both   (unchanged)  -             always: can it work at all?
 *   close-screen  seat    host   DRAINING     open-screen   from the host
 *   drain         broker  host   DRAINING     undrain       from the host
 *   detach        broker  host   DETACHING    give-back     from the host
 *   eject         seat    from   EJECTING     -             from a guest: asked, device_del, all gone
 *   take-back     broker  from   EJECTING     -             from a guest
 *   sanitize      broker  -      SANITIZING   -             exactly one reset between two users
 *   lend          broker  to     ATTACHING    take-back     to a guest
 *   attach        seat    to     ATTACHING    eject         to a guest: device_add, function 0 last
 *   confirm       seat    to     GUEST        -             to a guest; its failure only warns
 *   give-back     broker  host   RETURNING    -             to the host
 *   open-screen   seat    host   HOST         -             to the host; its failure only warns
 *   undrain       broker  host   DRAINING     -             only as an undo; its failure only warns
 *
 * What is done and not undone is the card's place on one line: screen closed, drained, detached,
 * lent, attached. A way goes back along it (that is: undoes, latest first) as far as the new owner
 * wants, is sanitized when somebody else was the last user, and goes forward to the new owner. So
 * undoing after a failure is just another way, with from = who has the card and to = where it goes
 * instead:
 *   - the host, when it never lost the card;
 *   - who has it, when prepare, eject or take-back failed and that guest lives;
 *   - else home, by way of the pool.
 * Towards the host a failed sanitize only warns: the host trusts no card's memory, and without it
 * there might be no way back to a picture. To a guest goes nothing that was not sanitized.
 *
 * The intent of each stage is in the broker's journal before it begins, and its result after.
 * A stage that is past its soft deadline is reported, with the reason if one is known, and the
 * person is asked where the stage allows it; past its hard deadline it has failed. What only the
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

/*
 * How a stage ended. A stage whose end is so already has succeeded: take-back of a card that is
 * not lent, give-back of one on the host's drivers, eject of a device that is not there. Errors
 * that mean something:
 *   -EBUSY       drain: somebody holds the card; take-back: the borrower has the group open;
 *                give-back: the broker is at it already. Tried again for a while.
 *   -ENODEV      of a stage of the broker: the card does not answer any more. It is LOST.
 *   -ETIMEDOUT   of detach, sanitize, give-back: a kernel write did not come back. It is WEDGED.
 *   -ECONNRESET, -ENOTCONN  of a stage of the broker: as handoff_broker_gone().
 */
struct handoff_result {
	int error;        /* 0 or -errno */
	const char *text; /* one sentence, or NULL; copied */
};

struct handoff;

/* begin() and repeat() may call handoff_report() before they return, and finished() may call
 * handoff_start(); besides that none calls anything of the machine. */
struct handoff_ops {
	/*
	 * Journals the intent, carries the stage out for the guest (or the host) concerned, journals
	 * the result, and reports. from and to are those of the way that the card is on now: while
	 * undoing, from is who has to give the card back. The same stage begins again after it has
	 * been reported as -EBUSY.
	 */
	void (*begin)(void *data, enum handoff_stage stage, uint32_t from, uint32_t to);
	/* The stage is over without a report, by its deadline or since its guest has ended: what is
	 * under way must not report any more, an answer of the broker that comes yet is dropped. */
	void (*abandon)(void *data, enum handoff_stage stage);
	/* EJECT is not answered: device_del once more. */
	void (*repeat)(void *data, uint32_t guest);
	/* The person's answer about the guest that does not let go. */
	void (*reset_guest)(void *data, uint32_t guest);
	void (*kill_guest)(void *data, uint32_t guest);
	/* State, stage or sentence changed: show it. */
	void (*changed)(void *data);
	/* It is over; the card rests in handoff.state with handoff.owner (but when the broker has
	 * gone: then it stays as it is until handoff_resync()). Also after a way that nobody asked
	 * for, to bring the card to rest. */
	void (*finished)(void *data, int error);
};

/* The times of the stage under way. */
struct handoff_schedule {
	uint64_t base_usec;  /* deadlines count from here: its begin, or the last answer */
	uint64_t retry_usec; /* when to begin it again; 0: it is under way */
	uint64_t pause_usec; /* before the next retry */
	unsigned int repeats;
	bool late; /* past its soft deadline, and that was told */
	bool last; /* no retry any more */
};

struct handoff {
	const struct handoff_ops *ops;
	void *data;
	enum card_state state;
	uint32_t owner;    /* who has the card now, or to whom it is lent */
	uint32_t from, to; /* of the way under way */
	uint32_t home;     /* HANDOFF_HOST or HANDOFF_POOL: where it goes when nobody has it */
	bool active;
	bool undoing; /* not on the way that was asked for, but on one back to rest */
	bool asking;  /* the person is asked: handoff_answer() is legal */
	enum handoff_stage stage; /* under way; HANDOFF_STAGE_COUNT: none */
	uint32_t done;  /* bits of stages that were carried out and not undone */
	uint32_t user;  /* who used it since its last reset; HANDOFF_POOL: nobody, it is clean */
	uint32_t flags; /* private */
	struct handoff_schedule schedule;
	uint64_t stage_usec, started_usec; /* when the stage and the handoff began */
	struct {
		int error; /* the first; 0 with a text: only a warning */
		char text[256];
	} failure;
	char text[256]; /* what is going on or went wrong; may be empty */
};

/*
 * state and owner as derived from facts. Does nothing with a card that does not rest: call
 * handoff_resync() for that. Before the broker is there: HOST, and handoff_broker_gone().
 */
void handoff_init(struct handoff *handoff, const struct handoff_ops *ops, void *data,
		  enum card_state state, uint32_t owner, uint32_t home);

/*
 * Begins the way to an owner. 0, -EBUSY while one is under way (the caller remembers the latest
 * wish and files it when that one has finished; confirm may be cut short by reporting it),
 * -EALREADY when it has the card, -EIO for a card that is WEDGED or LOST, -ENOTCONN without a
 * broker.
 */
int handoff_start(struct handoff *handoff, uint32_t to, uint64_t now_usec);

/* The stage under way has ended. Ignored when it is not the stage under way. */
void handoff_report(struct handoff *handoff, enum handoff_stage stage,
		    const struct handoff_result *result, uint64_t now_usec);

/* Why the stage under way takes so long: a sentence to be shown (copied). */
void handoff_progress(struct handoff *handoff, enum handoff_stage stage, const char *text);

/* A guest's QEMU has ended: what waits for it need not wait, and if it had the card the card is
 * taken back. */
void handoff_guest_gone(struct handoff *handoff, uint32_t guest, uint64_t now_usec);

/* The guest has let go of all functions without an eject under way: by itself, or late, after the
 * person had answered that the card stays. It is taken back, and goes home. */
void handoff_guest_released(struct handoff *handoff, uint32_t guest, uint64_t now_usec);

/* The broker went away: nothing that it was doing will be answered. The handoff under way ends. */
void handoff_broker_gone(struct handoff *handoff, uint64_t now_usec);

/* Whether the host has the card, but not its screens: a way was broken off. They may be opened
 * without a broker; handoff_resync() does so otherwise. */
bool handoff_is_dark(const struct handoff *handoff);

/*
 * The broker is back, or has told something new: these are the facts, and from them the card is
 * brought to rest (a pooled card goes home). owner is the guest to whom it is lent, or
 * HANDOFF_POOL when that is none that lives. Ignored while a handoff is under way, but for WEDGED
 * and LOST, which end it; does nothing when there is nothing new.
 */
void handoff_resync(struct handoff *handoff, enum card_state state, uint32_t owner,
		    uint64_t now_usec);

/* The person's answer; -EINVAL when nobody asked. ABORT of a take-back takes effect when the
 * broker has answered. */
int handoff_answer(struct handoff *handoff, enum handoff_answer answer, uint64_t now_usec);

/* The next time at which handoff_tick() has something to do; UINT64_MAX: never. */
uint64_t handoff_deadline(const struct handoff *handoff);
void handoff_tick(struct handoff *handoff, uint64_t now_usec);

#endif
