// SPDX-License-Identifier: MIT
/*
 * A request as a list of steps, each in a worker of its own. What needs fresh facts looks first;
 * then it is permitted or not, and the rest of the list is made. When a step of DETACH, RETURN or
 * LEND fails, the list is replaced by the way back, once.
 */
#include "passthrough/broker/broker.h"

#define BRIDGE_CLASS 0x06

static const struct {
	const char *stage; /* in the journal, when the seat names none; NULL: nothing is written */
	uint32_t need, refuse;
	uint8_t plan[8]; /* kinds of steps; what is permitted is asked after a first LOOK */
} verbs[BROKER_VERB_COUNT] = {
	[BROKER_LIST] = { .plan = { STEP_LOOK } },
	[BROKER_HOLDERS] = { .plan = { STEP_SCAN } },
	[BROKER_DRAIN] = { "drain",
			   BROKER_CARD_PRESENT,
			   CARD_ON_VFIO | CARD_BRIDGE,
			   { STEP_LOOK, STEP_SAVE, STEP_CLOSE, STEP_SCAN } },
	[BROKER_UNDRAIN] = { "undrain", 0, 0, { STEP_REOPEN } },
	[BROKER_DETACH] = { "detach",
			    BROKER_CARD_PRESENT | BROKER_CARD_VIABLE | BROKER_CARD_DRAINED,
			    CARD_BRIDGE,
			    { STEP_LOOK, STEP_SCAN, STEP_TAKE_ALL } },
	[BROKER_SANITIZE] = { "sanitize",
			      BROKER_CARD_PRESENT | CARD_POOLED,
			      BROKER_CARD_LENT,
			      { STEP_SAVE, STEP_RESET } },
	[BROKER_LEND] = { "lend",
			  CARD_POOLED | BROKER_CARD_CLEAN,
			  BROKER_CARD_LENT,
			  { STEP_LEND } },
	[BROKER_TAKE_BACK] = { "take-back", BROKER_CARD_LENT, 0, { STEP_RECLAIM } },
	[BROKER_RETURN] = { "give-back",
			    BROKER_CARD_PRESENT,
			    BROKER_CARD_LENT | CARD_BRIDGE,
			    { STEP_LOOK, STEP_GIVE_ALL } },
	[BROKER_UNLOAD] = { .refuse = BROKER_CARD_LENT,
			    .plan = { STEP_UNLOAD, STEP_UNLOAD, STEP_UNLOAD, STEP_UNLOAD } },
};

bool card_idle(const struct card *card)
{
	return !card->operation.request.verb && !card->stuck.pid;
}

uint32_t card_flags(const struct card *card)
{
	uint32_t flags = card->facts.flags | (card->facts.function_count ? CARD_POOLED : 0);

	flags |= card->saved.drained ? BROKER_CARD_DRAINED : 0;
	flags |= card->saved.loan.pid ? BROKER_CARD_LENT : 0;
	flags |= card->clean ? BROKER_CARD_CLEAN : 0;
	flags |= card->stuck.pid ? BROKER_CARD_WEDGED : 0;
	function_for_each(card, f) {
		bool vfio = !strcmp(f->driver, "vfio-pci");

		flags = vfio ? flags | CARD_ON_VFIO : flags & ~CARD_POOLED;
		flags |= f->class >> 16 == BRIDGE_CLASS ? CARD_BRIDGE : 0;
	}
	return flags;
}

static int permit(const struct card *card, char *text)
{
	static const struct {
		uint32_t flag;
		int error;
		const char *is;
	} sentences[] = {
		{ BROKER_CARD_PRESENT, -ENODEV, "on the bus" },
		{ CARD_BRIDGE, -EPERM, "a bridge" },
		{ BROKER_CARD_VIABLE, -EPERM, "ready for VFIO" },
		{ BROKER_CARD_LENT, -EBUSY, "lent" },
		{ CARD_ON_VFIO, -EINVAL, "on vfio-pci" },
		{ BROKER_CARD_DRAINED, -EINVAL, "drained" },
		{ CARD_POOLED, -EINVAL, "in the pool" },
		{ BROKER_CARD_CLEAN, -EINVAL, "sanitized" },
	};
	uint32_t verb = card->operation.request.verb, flags = card_flags(card);
	uint32_t wrong = (verbs[verb].need & ~flags) | (verbs[verb].refuse & flags);

	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
		if (wrong & sentences[i].flag) {
			return fail(text, sentences[i].error, "%s is %s%s%s%.180s", card->name,
				    flags & sentences[i].flag ? "" : "not ", sentences[i].is,
				    card->note[0] ? ": " : "", card->note);
		}
	}
	return 0;
}

/* ---- plans ---- */

static void add(struct operation *op, uint8_t kind, unsigned int number)
{
	if (op->n_steps < STEPS_MAX) {
		op->steps[op->n_steps++] = (struct step){ kind, (uint8_t)number };
	}
}

/* The display comes last to vfio-pci and first to the host: the others' drivers depend on its. */
static void add_each(struct card *card, bool display, const uint8_t kinds[3])
{
	for (int pass = 0; pass < 2; pass++, display = !display) {
		function_for_each(card, f) {
			bool now = (f->class >> 16 == DISPLAY_CLASS) == display;

			for (int i = 0; i < 3 && now; i++) {
				add(&card->operation, kinds[i], f->number);
			}
		}
	}
}

static void add_plan(struct card *card, const uint8_t *plan, size_t n)
{
	static const uint8_t take[3] = { STEP_CLAIM, STEP_UNBIND, STEP_TAKE };
	static const uint8_t give[3] = { STEP_RELEASE, STEP_DISCLAIM, STEP_GIVE };
	static const uint8_t after[] = { STEP_REOPEN, STEP_LOOK };

	for (unsigned int i = 0; i < n && plan[i]; i++) {
		if (plan[i] == STEP_TAKE_ALL) {
			add_each(card, false, take);
			add(&card->operation, STEP_LOOK, 0);
		} else if (plan[i] == STEP_GIVE_ALL) {
			add_each(card, true, give);
			add_plan(card, after, sizeof(after));
		} else {
			add(&card->operation, plan[i], i);
		}
	}
}

static void operation_fail(struct card *card, enum step_kind failed, int error, const char *text)
{
	struct operation *op = &card->operation;
	uint8_t back = STEP_NONE;

	if (op->error == 0) {
		op->error = error;
		fail(op->text, 0, "%s", text);
	}
	if (op->request.verb == BROKER_DETACH && failed >= STEP_CLAIM) {
		back = STEP_GIVE_ALL;
	} else if (op->request.verb == BROKER_RETURN && failed > STEP_RELEASE) {
		back = STEP_TAKE_ALL;
	} else if (op->request.verb == BROKER_LEND && card->saved.loan.pid) {
		back = STEP_RECLAIM;
	}
	op->n_steps = op->at = 0;
	if (!op->undoing) {
		add_plan(card, &back, 1);
	} else if (failed >= STEP_CLAIM) {
		add(op, STEP_LOOK, 0);
	}
	op->undoing = true;
}

/* ---- the way through the steps ---- */

static bool asked(const struct card *card)
{
	return card->operation.request.serial &&
	       card->operation.connection == card->broker->connection;
}

static void tell(struct card *card, struct broker_message *message)
{
	message->serial = card->operation.request.serial;
	message->slot = card->slot;
	message->took_usec = now_us() - card->operation.started_us;
	if (asked(card)) {
		seat_send(card->broker, message);
	}
}

static void operation_end(struct card *card)
{
	struct operation *op = &card->operation;
	struct broker_message done = { .kind = BROKER_DONE, .error = op->error };
	bool stage = verbs[op->request.verb].stage != NULL;

	if (op->error == 0 && op->request.verb == BROKER_RETURN) {
		journal_append(card, "@returned");
	}
	card->drainer = op->request.verb == BROKER_DRAIN ? op->connection : card->drainer;
	if (stage) {
		card->clean = op->request.verb == BROKER_SANITIZE && op->error == 0;
		journal_stage(card, &op->request.stage, op->error ? 2 : 1);
		fprintf(stderr, "%s: %s: %s (%u ms)\n", card->name, op->request.stage.name,
			op->text[0] ? op->text : "done",
			(unsigned int)((now_us() - op->started_us) / 1000));
	}
	journal_read(card);
	card_watch(card);
	if (stage || card->changed) {
		seat_facts(card, asked(card) ? op->request.serial : 0);
	}
	fail(done.text, 0, "%s", op->text);
	tell(card, &done);
	if (op->request.serial == 0 && op->error == -EBUSY) {
		card->retry = now_ms() + SEAT_GRACE_MS / card->broker->hurry;
	} else if (stage && op->error == 0) {
		card->retry = 0;
	}
	close_fd(&op->borrower);
	*op = (struct operation){ .borrower = -1 };
	card->changed = false;
}

/* Starts the next step, or ends the operation. */
static void operation_next(struct card *card)
{
	struct operation *op = &card->operation;
	const uint8_t *plan = verbs[op->request.verb].plan;
	bool looked = plan[0] == STEP_LOOK;
	char text[BROKER_TEXT_MAX];
	int r = 0;

	if (op->at == op->n_steps && !op->planned && op->error == 0) {
		op->planned = true;
		r = permit(card, text);
		if (r == 0) {
			add_plan(card, plan + looked, sizeof(verbs[0].plan) - looked);
		}
	}
	if (r == 0 && op->at < op->n_steps) {
		r = worker_start(card, op->steps[op->at]);
		if (r == 0) {
			return;
		}
		fail(text, r, "no worker can be started: %s", strerror(-r));
	}
	if (r < 0) {
		operation_fail(card, STEP_NONE, r, text);
	}
	operation_end(card);
}

static void take_facts(struct card *card, const struct report *report)
{
	struct broker_facts facts = report->facts;

	facts.hot_reset_count = card->facts.hot_reset_count;
	card->changed |= memcmp(&facts, &card->facts, sizeof(facts)) != 0;
	card->facts = facts;
	card->looked = true;
	fail(card->note, 0, "%s", report->text);
}

/* A scan for something else than HOLDERS found some: it cannot go on. */
static void take_holders(struct card *card, const struct report *report)
{
	struct broker_message message = { .kind = BROKER_HOLDER };
	const struct broker_holder *first = &report->holders[0];
	char text[BROKER_TEXT_MAX];

	for (unsigned int i = 0; i < report->n_holders && i < BROKER_HOLDERS_MAX; i++) {
		message.holder = report->holders[i];
		message.holder.more = i == BROKER_HOLDERS_MAX - 1 ? report->n_holders - i - 1 : 0;
		tell(card, &message);
	}
	if (report->n_holders && card->operation.request.verb != BROKER_HOLDERS) {
		fail(text, 0, "%s (%d)%s still has %s open: end it, or let it close that",
		     first->command, first->pid, report->n_holders > 1 ? " and others" : "",
		     first->node);
		operation_fail(card, STEP_SCAN, -EBUSY, text);
	}
}

void operation_worker(struct card *card, const struct report *report)
{
	struct operation *op = &card->operation;
	enum step_kind kind = op->steps[op->at++].kind;

	if (report->error < 0) {
		operation_fail(card, kind, report->error, report->text);
	} else if (kind == STEP_LOOK) {
		take_facts(card, report);
	} else if (kind == STEP_SCAN) {
		take_holders(card, report);
	} else if (kind == STEP_RESET) {
		card->facts.hot_reset_count = report->reset_count;
		fail(op->text, 0, "%s", report->text);
	}
	operation_next(card);
}

void operation_late(struct card *card, uint64_t now)
{
	struct operation *op = &card->operation;
	struct worker *worker = &op->worker;
	struct broker_message late = { .kind = BROKER_PROGRESS };
	char wchan[64];

	text_read(at("/proc/%d/wchan", worker->pid), wchan, sizeof(wchan));
	fail(late.text, 0, "\"%s\" of %s.%u does not come back%s%s: end what has the card open",
	     step_names[worker->step.kind], card->name, worker->step.number,
	     wchan[0] > '0' ? " from " : "", wchan[0] > '0' ? wchan : "");
	if (now < worker->hard) {
		worker->soft = NEVER;
		tell(card, &late);
		return;
	}
	fail(card->note, 0, "%s", late.text);
	card->stuck = *worker;
	worker->pid = 0;
	op->undoing = true;
	operation_fail(card, STEP_NONE, -ETIMEDOUT, card->note);
	operation_end(card);
}

/* ---- how one begins ---- */

static void operation_begin(struct card *card, const struct operation *new)
{
	struct operation *op = &card->operation;
	const char *stage = verbs[new->request.verb].stage;
	char *name = op->request.stage.name;
	int r;

	*op = *new;
	op->started_us = now_us();
	if (stage && !name[0]) {
		snprintf(name, sizeof(op->request.stage.name), "%s", stage);
	}
	r = stage ? journal_stage(card, &op->request.stage, 0) : 0;
	if (r < 0) {
		operation_fail(card, STEP_NONE, r, "the journal cannot be written");
	} else if (verbs[op->request.verb].plan[0] == STEP_LOOK) {
		card->stale = false;
		add(op, STEP_LOOK, 0);
	}
	operation_next(card);
}

/* Takes borrower. What comes while we do something unasked waits for its end. */
void operation_request(struct card *card, const struct broker_request *request, int borrower)
{
	const struct operation new = { .request = *request,
				       .borrower = borrower,
				       .connection = card->broker->connection };
	const struct operation *old = &card->operation;
	bool busy = old->request.verb != 0;

	if (card->stuck.pid && (busy || request->verb != BROKER_HOLDERS)) {
		seat_done(card->broker, request, -EIO, card->note);
	} else if (busy && (old->request.serial || card->waiting.request.verb)) {
		seat_done(card->broker, request, -EBUSY, "the card has a request under way");
	} else if (busy) {
		card->waiting = new;
		return;
	} else {
		card->retry = request->serial ? 0 : card->retry;
		operation_begin(card, &new);
		return;
	}
	close_fd(&borrower);
}
