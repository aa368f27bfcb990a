// SPDX-License-Identifier: MIT
/*
 * What the broker does unasked, whenever a card has nothing under way: at the start, after a worker
 * that was thought lost, when a borrower has died, when the seat has gone. The kernel's state is
 * the truth; the journal says what was lent and which way a card was going.
 *
 *   lent, the borrower lives         stays; without a seat for 10 s only while it is open
 *   lent, the borrower is dead       is taken back
 *   between two drivers              goes to the host
 *   drained by a seat that has gone  is reopened
 *   in the pool, no seat for 10 s    goes to the host if it is the boot display, or was going there
 *
 * What fails is not tried again before a seat asks or something has changed; only when somebody
 * was in the way (-EBUSY) it is, after a while, and a borrower's end is seen at any time.
 */
#include "passthrough/broker/broker.h"

#include <sys/pidfd.h>

void card_watch(struct card *card)
{
	const struct loan *loan = &card->saved.loan;

	close_fd(&card->borrower);
	card->borrower = loan->pid ? pidfd_open(loan->pid, 0) : -1;
	if (process_start(loan->pid) != loan->start || is_readable(card->borrower)) {
		close_fd(&card->borrower);
	}
}

/* No state that anybody wants: some functions here and some there, none, or a stale override. A
 * seat that has drained a card may have unloaded its driver. */
static bool is_broken(const struct card *card)
{
	bool broken = false;

	function_for_each(card, f) {
		bool bare = !f->driver[0] && card->saved.functions[f->number].driver[0] > '-';

		broken |= !strcmp(f->driver, "vfio-pci") || !strcmp(f->override, "vfio-pci") ||
			  (bare && !(card->seat_drained && card->saved.drained));
	}
	return broken && !(card_flags(card) & CARD_POOLED);
}

static bool seat_stays_away(const struct broker *broker)
{
	return broker->seat_gone != NEVER &&
	       now_ms() >= broker->seat_gone + SEAT_GRACE_MS / broker->hurry;
}

static bool should_go_home(const struct card *card)
{
	const struct broker_stage *stage = &card->saved.stage;
	uint32_t flags = card_flags(card);

	return flags & CARD_POOLED && flags & BROKER_CARD_HAD_HOST &&
	       seat_stays_away(card->broker) &&
	       (flags & BROKER_CARD_BOOT_VGA || (stage->name[0] && !stage->to[0]));
}

/* The card is idle, so it is not refused. */
static void start(struct card *card, uint32_t verb, const char *why)
{
	int nobody = -1;

	if (why) {
		fprintf(stderr, "%s: %s\n", card->name, why);
		card->retry = NEVER;
	}
	operation_request(card, &(struct broker_request){ .verb = verb }, &nobody, NULL);
}

static void put_right(struct card *card)
{
	if (card->saved.loan.pid) {
		if (card->borrower < 0 || is_readable(card->borrower)) {
			start(card, BROKER_TAKE_BACK, "its borrower has ended: taken back");
		} else if (seat_stays_away(card->broker)) {
			card->retry = NEVER;
			start(card, BROKER_RECLAIM, NULL);
		}
	} else if (is_broken(card)) {
		start(card, BROKER_RETURN, "is between two drivers: goes to the host");
	} else if (should_go_home(card) && !card->clean && !card->reset_tried) {
		card->reset_tried = true;
		start(card, BROKER_SANITIZE, NULL);
	} else if (should_go_home(card)) {
		start(card, BROKER_RETURN, "nobody wants it: goes to the host");
	} else if (card->saved.drained && !card->seat_drained &&
		   !(card_flags(card) & CARD_POOLED)) {
		start(card, BROKER_UNDRAIN, "who drained it has gone: reopened");
	}
}

void card_settle(struct card *card)
{
	struct operation waiting = card->waiting;

	if (!card_idle(card)) {
		return;
	}
	if (card->saved.read > JOURNAL_LONG) {
		journal_rewrite(card);
	}
	card->waiting = (struct operation){ .borrower = -1 };
	if (waiting.request.verb) {
		operation_request(card, &waiting.request, &waiting.borrower, NULL);
	} else if (card->stale) {
		start(card, BROKER_LIST, NULL);
	} else if (now_ms() >= card->retry) {
		put_right(card);
	}
}
