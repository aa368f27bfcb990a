/* SPDX-License-Identifier: MIT */
/*
 * How a guest's picture comes to a monitor. Each guest has one path to each monitor:
 *
 * ABSENT      none: nothing of this guest is on the monitor, nor can be.
 * COMPOSITED  the host draws it there: the guest's virtio picture, or the captured one.
 * OWNED       the guest's card drives the monitor itself. The host has no pixels there, and the
 *             monitor stays part of the seat: its guest is in front as any other, with the same
 *             keys and chords.
 *
 * A monitor whose ONLY cable goes to a card that is lent is dark while the card changes hands: from
 * COMPOSITED to OWNED and back it is ABSENT in between. The host's picture is the first that goes
 * on the way out (close-screen), and the last that comes on the way back (open-screen); the guest's
 * own is there from when the card rests with it until it has let go.
 *
 * A monitor that is ALSO cabled to a card which stays with the host is never dark for a handoff:
 * the host's picture is on its other cable all the time. It is OWNED only where its input was
 * switched, by a guest with the card at rest, and while that one is wanted. So it is the host's
 * again before anything happens to the card: a question about a guest that does not let go has to
 * be seen, and no monitor waits at an input without a picture, which many leave by themselves.
 *
 * Pure functions. Whether the host's picture is lit is the compositor's to say, where the card is
 * passthrough/'s: a path follows from these and is not remembered.
 */
#ifndef PASSTHROUGH_DISPLAY_PATH_H
#define PASSTHROUGH_DISPLAY_PATH_H

#include <stdbool.h>

#include "passthrough/card.h"

enum display_path {
	DISPLAY_PATH_ABSENT,
	DISPLAY_PATH_COMPOSITED,
	DISPLAY_PATH_OWNED,
	DISPLAY_PATH_COUNT
};

enum display_cable { DISPLAY_CABLE_ONLY, DISPLAY_CABLE_ALSO, DISPLAY_CABLE_COUNT };

/* Where the card is, as far as monitors are concerned. */
enum display_hold {
	DISPLAY_HOLD_NOBODY, /* with the host or with none; what is lit says the rest */
	DISPLAY_HOLD_GUEST,  /* rests with a guest */
	DISPLAY_HOLD_LEAVES, /* still with a guest, which was asked to let go */
	DISPLAY_HOLD_COUNT
};

const char *display_path_name(enum display_path path);    /* "composited" */
const char *display_cable_name(enum display_cable cable); /* as in the monitor's file */

/* moving: a handoff is under way. */
enum display_hold display_hold_of(enum card_state state, bool moving);

/* One guest and one monitor. */
struct display_view {
	enum display_cable cable;
	bool lit;      /* the host has a picture on the monitor, by whichever cable */
	bool switched; /* ALSO: it shows the input of the card's cable, where … */
	bool wanted; /* … it is to be: the guest that has the card is in front, and nothing of the
		      * host's own has to be seen */
	enum display_hold hold;
	bool holds; /* it is this guest that the card is held by */
};

enum display_path display_path_of(const struct display_view *view);

/* The one table of legal transitions. */
bool display_path_may_become(enum display_cable cable, enum display_path from,
			     enum display_path to);

/* The first step of the way from one path to another: the other one where that is legal, else the
 * one in between. So who looks seldom sees the same steps as who looks often. */
enum display_path display_path_step(enum display_cable cable, enum display_path from,
				    enum display_path to);

#endif
