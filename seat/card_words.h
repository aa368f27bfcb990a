/* SPDX-License-Identifier: MIT */
/* What the screen says about cards. Pure functions from what is known to a sentence. */
#ifndef SEAT_CARD_WORDS_H
#define SEAT_CARD_WORDS_H

#include <stddef.h>

#include "passthrough/passthrough.h"

/* How a chord with this key is written, "Right Ctrl + G". */
struct card_chords {
	const char *wait;   /* of the four answers only the first one is written out */
	const char *card, *rescue;
};

/*
 * Writes the line about a card: a question to the person, where it is on its way, or how that went
 * wrong. Returns how much it matters, the most important one first: 3, 2, 1; 0 when there is
 * nothing to say.
 */
unsigned int card_words_line(const struct passthrough_card *card, const struct card_chords *chords,
			     uint64_t now_usec, char *line, size_t size);

/* What is said before the host's only screen goes dark. again: the chord has to come once more. */
void card_words_dark(const char *card, const char *guest, const struct card_chords *chords,
		     bool again, char *line, size_t size);

/* Monitors that a guest's card drives, for the screens that it does not; n is at least 1. */
void card_words_owned(const char *const monitors[], size_t n, const char *guest, char *line,
		      size_t size);

/* A card has come to rest where it was to go. only: there is no other one. */
void card_words_arrived(const struct passthrough_card *card, bool only, char *line, size_t size);

#endif
