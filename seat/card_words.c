// SPDX-License-Identifier: MIT
/* Sentences about cards; see card_words.h. */
#include "seat/card_words.h"

#include <inttypes.h>
#include <stdio.h>

enum { NOTHING, REMARK, PROGRESS, QUESTION };

static void write_progress(const struct passthrough_card *card, uint64_t now_usec, char *line,
			   size_t size)
{
	uint64_t seconds = now_usec > card->stage_usec ? (now_usec - card->stage_usec) / 1000000 : 0;
	char elapsed[32] = "";

	if (seconds > 0) {
		snprintf(elapsed, sizeof(elapsed), ", %" PRIu64 " s", seconds);
	}
	snprintf(line, size, "%s goes to %s: %s%s%s%s", card->name,
		 card->target ? card->target : "the host", card->stage ? card->stage : "prepare",
		 elapsed, card->text ? ". " : "", card->text ? card->text : "");
}

unsigned int card_words_line(const struct passthrough_card *card, const struct card_chords *chords,
			     uint64_t now_usec, char *line, size_t size)
{
	if (card->moving && card->asking) {
		const char *guest = card->owner ? card->owner : "The guest";

		snprintf(line, size,
			 "%s does not let go of %s. %s: wait, R: reset %s, K: kill %s, A: leave it",
			 guest, card->name, chords->wait, guest, guest);
		return QUESTION;
	}
	if (card->moving) {
		write_progress(card, now_usec, line, size);
		return PROGRESS;
	}
	if (card->text) {
		snprintf(line, size, "%s: %s", card->name, card->text);
		return REMARK;
	}
	return NOTHING;
}

void card_words_dark(const char *card, const char *guest, const struct card_chords *chords,
		     bool again, char *line, size_t size)
{
	snprintf(line, size, "The screen goes dark while %s has %s; %s brings it back%s%s%s", guest,
		 card, chords->rescue, again ? ". " : "", again ? chords->card : "",
		 again ? " again gives it" : "");
}

void card_words_owned(const char *const monitors[], size_t n, const char *guest, char *line,
		      size_t size)
{
	size_t used = (size_t)snprintf(line, size, n > 1 ? "Monitors" : "Monitor");

	for (size_t i = 0; i < n && used < size; i++) {
		const char *before = i == 0 ? " " : i + 1 < n ? ", " : " and ";

		used += (size_t)snprintf(line + used, size - used, "%s%s", before, monitors[i]);
	}
	if (used < size) {
		snprintf(line + used, size - used, " show%s %s itself", n > 1 ? "" : "s", guest);
	}
}

void card_words_arrived(const struct passthrough_card *card, bool only, char *line, size_t size)
{
	const char *name = only ? "the graphics card" : card->name;

	if (card->owner) {
		snprintf(line, size, "%s has %s", card->owner, name);
	} else if (card->state == CARD_STATE_HOST) {
		snprintf(line, size, "The host has %s", name);
	} else {
		snprintf(line, size, "No guest has %s", name);
	}
}
