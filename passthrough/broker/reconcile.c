// SPDX-License-Identifier: MIT
/*
 * What the broker does unasked, whenever a card has nothing under way: at the start, after a worker
 * that was thought lost, when a borrower has died, when the seat has gone. The kernel's state is
 * the truth; the journal says what was lent and which way a card was going.
 *
 *   lent, the borrower lives         stays
 *   lent, the borrower is dead       is taken back
 *   between two drivers              goes to the host
 *   drained, and no seat             is reopened
 *   in the pool, no seat for 10 s    goes to the host if it is the boot display, or was going there
 */
#include "passthrough/broker/broker.h"

#include <errno.h>
#include <string.h>
#include <sys/pidfd.h>

bool card_pooled(const struct card *card)
{
	const struct broker_facts *facts = &card->facts;
	unsigned int n = 0;

	for (unsigned int i = 0; i < facts->function_count; i++) {
		n += !strcmp(facts->functions[i].driver, "vfio-pci");
	}
	return n > 0 && n == facts->function_count;
}

/* A pidfd of a process that ended meanwhile, or of another one with its pid, is of no use. */
void card_watch_borrower(struct card *card)
{
	const struct loan *loan = &card->saved.loan;
	uint64_t start;

	if (card->loan_pidfd >= 0) {
		close(card->loan_pidfd);
	}
	card->loan_pidfd = loan->pid ? pidfd_open(loan->pid, 0) : -1;
	if (card->loan_pidfd >= 0 &&
	    (process_start(loan->pid, &start) < 0 || start != loan->start)) {
		close(card->loan_pidfd);
		card->loan_pidfd = -1;
	}
}

static bool borrower_lives(const struct card *card)
{
	struct pollfd poll_fd = { .fd = card->loan_pidfd, .events = POLLIN };

	return card->loan_pidfd >= 0 && poll(&poll_fd, 1, 0) == 0;
}

/* No state that anybody wants: some functions here and some there, none, or a stale override. */
static bool card_broken(const struct card *card)
{
	const struct broker_facts *facts = &card->facts;
	bool pooled = card_pooled(card);

	for (unsigned int i = 0; i < facts->function_count; i++) {
		const struct broker_function *f = &facts->functions[i];

		if (!pooled &&
		    (!strcmp(f->driver, "vfio-pci") || !strcmp(f->override, "vfio-pci") ||
		     (!f->driver[0] && card->saved.functions[f->number].driver[0]))) {
			return true;
		}
	}
	return false;
}

static bool should_go_home(const struct card *card)
{
	const struct broker *broker = card->broker;
	const struct broker_stage *stage = &card->saved.stage;

	return card_pooled(card) && card->facts.flags & BROKER_CARD_HAD_HOST &&
	       now_ms() >= broker->seat_gone + SEAT_GRACE_MS / broker->hurry &&
	       broker->seat_gone != NEVER &&
	       (card->facts.flags & BROKER_CARD_BOOT_VGA || (stage->name[0] && !stage->to[0]));
}

/* What failed once is tried again after a while only when somebody else was in the way. */
static void start_once(struct card *card, uint32_t verb, const char *why)
{
	card->retry = NEVER;
	operation_start(card, verb, why);
}

static void put_right(struct card *card)
{
	if (card->saved.loan.pid) {
		if (!borrower_lives(card)) {
			start_once(card, BROKER_TAKE_BACK, "its borrower has ended: taken back");
		}
	} else if (card_broken(card)) {
		start_once(card, BROKER_RETURN, "is between two drivers: goes to the host");
	} else if (should_go_home(card) && !card->clean && !card->reset_tried) {
		card->reset_tried = true;
		operation_start(card, BROKER_SANITIZE, "nobody wants it: reset");
	} else if (should_go_home(card)) {
		start_once(card, BROKER_RETURN, "nobody wants it: goes to the host");
	} else if (card->saved.drained && !card_pooled(card) && card->broker->seat < 0) {
		start_once(card, BROKER_UNDRAIN, "the seat has gone: reopened");
	}
}

void card_settle(struct card *card)
{
	if (!card_idle(card)) {
		return;
	}
	if (card->waiting.verb) {
		const struct broker_request request = card->waiting;

		card->waiting.verb = 0;
		operation_request(card, &request, card->waiting_borrower);
		return;
	}
	if (!card->looked || card->stale) {
		operation_start(card, BROKER_LIST, NULL);
	} else if (card->facts.flags & BROKER_CARD_PRESENT && now_ms() >= card->retry) {
		journal_compact(card);
		put_right(card);
	}
}
