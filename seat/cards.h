/* SPDX-License-Identifier: MIT */
/*
 * The seat's side of the cards that are lent to guests: who asks for them, what the screen says
 * about it, and the seat's own screens on them. Without a card in the configuration there is no
 * struct cards, and nothing here runs; unless there is a broker, which may have users for guests.
 *
 *   cards.c         life, configuration, what passthrough/ reports
 *   card_requests.c chords and the control API
 *   card_screens.c  the seat's own screens on a card that goes
 *   monitors.h      what each monitor shows then, in files of its own
 *   card_words.c    the sentences, pure
 */
#ifndef SEAT_CARDS_H
#define SEAT_CARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "common/ini.h"
#include "passthrough/card_config.h"
#include "passthrough/passthrough.h"

struct seat;
struct seat_monitor;
struct worker;
struct seat_guest;

/* A chord that makes the only screen dark counts when it is pressed twice within this time. */
#define CARDS_CONFIRM_USEC (5 * 1000 * 1000)

struct seat_card {
	struct cards *cards;
	struct card_config *config;
	bool moving;     /* as it was told last */
	char target[64]; /* of its last way; "": back */
	bool shown;      /* its remark is for the screen: until the next request for any card */
	bool consented;  /* to the dark screen that its way brings */
	bool closing;    /* its screens: passthrough/ waits for the answer */
	bool opening;
	bool unopened;   /* this seat has executed itself anew to be without it */
	sd_event_source *restarted; /* until its way should go on then */
	sd_event_source *warning; /* until the only screen goes dark */
};

/* See monitors.h. */
struct monitors {
	struct seat_monitor **list;
	size_t n;
	struct worker *worker; /* writes down what was learned; NULL: no input is switched */
	int folder;            /* where; 0: none */
};

struct cards {
	struct seat *seat;
	struct monitors monitors;
	struct passthrough *passthrough; /* NULL before cards_open() */
	struct seat_card *list;
	size_t n;
	sd_event_source *second; /* ticks while a card is on its way */
	sd_event_source *soon;   /* the line follows a card that goes from stage to stage */
	char *line;              /* what the screen says, or NULL */
	bool captured;           /* the picture of the guest in front, then */
	struct seat_card *offered; /* a chord asked for it, which would make the screen dark … */
	uint32_t offered_to;       /* … by this guest */
	sd_event_source *offer_end;
	char *restart; /* see cards_take_restart() */
};

/* ---- configuration ---- */

/* Every card of a folder. *out stays NULL when there is none. All mistakes go to the report. */
int cards_load(const char *folder, struct ini_report *report, struct cards **out);
/* NULL is legal. Cards stay where they are. */
void cards_destroy(struct cards *cards);
size_t cards_count(const struct cards *cards); /* cards may be NULL, as below */
/* Reports each card that is none of these. 0 or -EINVAL. */
int cards_check_wishes(const struct cards *cards, const struct card_wishes *wishes,
		       const char *file, struct ini_report *report);
/* What the guest's machine needs so that its cards can come. True when it may have any. */
bool cards_prepare_guest(const struct cards *cards, const struct card_wishes *wishes,
			 struct vm_config *config);

/* ---- life; each does nothing where cards is NULL ---- */

/* Where *cards is NULL and there is a broker, or will be one: makes one without cards, since the
 * broker may know users of guests. 0 or -ENOMEM. */
int cards_add_none(struct cards **cards);
/* Begins to look for the broker. 0 or -errno, logged. */
int cards_open(struct cards *cards, struct seat *seat);
/* Wishes are guest->wishes. */
void cards_add_guest(struct cards *cards, struct seat_guest *guest);
void cards_remove_guest(struct cards *cards, struct seat_guest *guest);
void cards_focus(struct cards *cards, uint32_t guest);

/* Outputs came or went, or the switcher opened or closed. */
void cards_update_monitors(struct cards *cards);
/* The guest in front has another picture, perhaps from elsewhere. Cheap to call often. */
void cards_picture_changed(struct cards *cards, struct seat_guest *front);

/* What the screen has to say about cards, or NULL. */
const char *cards_line(const struct cards *cards);
/* Finds out anew what that is. */
void cards_update_line(struct cards *cards);

struct seat_card *cards_find(struct cards *cards, const char *name); /* may be NULL */

/* ---- card_requests.c ---- */

/* As give_card() and answer_card() of control.h; guest NULL: back to the host. */
int cards_give(struct cards *cards, const char **name, struct seat_guest *guest, bool dark,
	       const char **why);
int cards_answer(struct cards *cards, const char *name, const char *answer, const char **why);
/* The chords: a card to the guest in front or back from it; an answer (enum chord_answer). */
void cards_toggle(struct cards *cards);
void cards_answer_chord(struct cards *cards, unsigned int answer);
/* Everything back to the host. */
void cards_rescue(struct cards *cards);
/* No chord is waited for any more. */
void cards_end_offer(struct cards *cards);

/* ---- card_screens.c ---- */

/* Whether the host has no picture while a guest has the card. */
bool cards_is_only_screen(const struct cards *cards, const struct seat_card *card);
/* passthrough_handlers of the same names. */
void cards_close_screen(void *data, const struct passthrough_card *card);
void cards_open_screen(void *data, const struct passthrough_card *card);
/* Nobody waits any more for the screens to close: what is lit stays so. */
void cards_end_way(struct seat_card *card);
/* compositor_handlers of these names; cards may be NULL. */
void cards_screen_released(struct cards *cards, const char *slot, int error);
void cards_screen_regained(struct cards *cards, const char *slot, int error);

/*
 * A graphics library may keep a card open that has to go; then the seat ends, keeps its guests
 * running, and executes itself anew without opening that card. The journal says where the card was
 * going, and passthrough/ goes on with that. What to set CARDS_RESTARTED to then; the caller frees
 * it. NULL: the seat just ends.
 */
#define CARDS_RESTARTED "BATON_RESTARTED_FOR"
char *cards_take_restart(struct cards *cards);
bool cards_restarts(const struct cards *cards);
/* The slot of the card that must not be opened at the start; allocated, NULL: none. */
char *cards_unopened(const struct cards *cards);
/* A way that does not go on after all gets its screen back. 0 or -errno. */
int cards_await_restarted(struct cards *cards);

#endif
