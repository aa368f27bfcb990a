// SPDX-License-Identifier: MIT
/*
 * A request as a list of steps, each in a worker of its own. The list is made when the request is
 * permitted; when a step of DETACH or RETURN fails it is replaced by the way back, once.
 */
#include "passthrough/broker/broker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct step_type step_types[STEP_KIND_COUNT] = {
	[STEP_LOOK] = { "look", look_step, 2, 20 },
	[STEP_SAVE] = { "save", save_step, 2, 20 },
	[STEP_SCAN] = { "scan", scan_step, 5, 30 },
	[STEP_LIST] = { "list", list_step, 5, 30 },
	[STEP_CLOSE] = { "close", close_step, 2, 20 },
	[STEP_REOPEN] = { "reopen", reopen_step, 2, 20 },
	[STEP_POWER] = { "power", power_step, 5, 70 },
	[STEP_UNPOWER] = { "unpower", unpower_step, 5, 70 },
	[STEP_OVERRIDE] = { "override", override_step, 5, 70 },
	[STEP_CLEAR] = { "clear", clear_step, 5, 70 },
	[STEP_UNBIND] = { "unbind", unbind_step, 5, 70 },
	[STEP_RELEASE] = { "release", release_step, 5, 70 },
	[STEP_TAKE] = { "take", take_step, 5, 70 },
	[STEP_GIVE] = { "give", give_step, 15, 90 },
	[STEP_FREE] = { "free", free_step, 2, 20 },
	[STEP_RESET] = { "reset", reset_step, 5, 75 },
	[STEP_LEND] = { "lend", lend_step, 2, 20 },
	[STEP_TAKE_BACK] = { "take-back", take_back_step, 12, 30 },
	[STEP_UNLOAD] = { "unload", unload_step, 5, 70 },
};

/* What stands in the journal when the seat names no stage; NULL: nothing does. */
static const char *const verb_stages[BROKER_VERB_COUNT] = {
	[BROKER_DRAIN] = "drain",      [BROKER_UNDRAIN] = "undrain",
	[BROKER_DETACH] = "detach",    [BROKER_SANITIZE] = "sanitize",
	[BROKER_LEND] = "lend",        [BROKER_TAKE_BACK] = "take-back",
	[BROKER_RETURN] = "give-back",
};

bool card_idle(const struct card *card)
{
	return card->operation.verb == 0 && card->stuck.pid == 0;
}

/* ---- plans ---- */

static void add(struct operation *op, enum step_kind kind, unsigned int number)
{
	if (op->n_steps < STEPS_MAX) {
		op->steps[op->n_steps++] = (struct step){ (uint8_t)kind, (uint8_t)number };
	}
}

static bool is_display(const struct broker_function *function)
{
	return function->class >> 16 == DISPLAY_CLASS;
}

/* The kinds (up to 0) for each function: the display last, or first. The driver of the display is
 * what the others depend on. */
static void add_each(struct card *card, bool display_first, const enum step_kind *kinds)
{
	const struct broker_facts *facts = &card->facts;

	for (int pass = 0; pass < 2; pass++) {
		for (unsigned int i = 0; i < facts->function_count; i++) {
			const struct broker_function *f = &facts->functions[i];

			for (const enum step_kind *kind = kinds;
			     *kind && is_display(f) == (display_first == (pass == 0)); kind++) {
				add(&card->operation, *kind, f->number);
			}
		}
	}
}

static void plan_take(struct card *card)
{
	static const enum step_kind power[] = { STEP_POWER, 0 };
	static const enum step_kind take[] = { STEP_OVERRIDE, STEP_UNBIND, STEP_TAKE, 0 };

	add_each(card, false, power);
	add_each(card, false, take);
	add(&card->operation, STEP_LOOK, 0);
}

static void plan_give(struct card *card)
{
	static const enum step_kind give[] = { STEP_RELEASE, STEP_CLEAR, STEP_GIVE, 0 };
	static const enum step_kind unpower[] = { STEP_UNPOWER, 0 };

	add(&card->operation, STEP_FREE, 0);
	add_each(card, true, give);
	add_each(card, true, unpower);
	add(&card->operation, STEP_REOPEN, 0);
	add(&card->operation, STEP_LOOK, 0);
}

static void plan(struct card *card)
{
	struct operation *op = &card->operation;

	switch (op->verb) {
	case BROKER_HOLDERS:
		add(op, STEP_LIST, 0);
		break;
	case BROKER_DRAIN:
		add(op, STEP_SAVE, 0);
		add(op, STEP_CLOSE, 0);
		add(op, STEP_SCAN, 0);
		break;
	case BROKER_UNDRAIN:
		add(op, STEP_REOPEN, 0);
		break;
	case BROKER_DETACH:
		add(op, STEP_SAVE, 0);
		add(op, STEP_SCAN, 0);
		plan_take(card);
		break;
	case BROKER_SANITIZE:
		add(op, STEP_SAVE, 0);
		add(op, STEP_RESET, 0);
		break;
	case BROKER_LEND:
		add(op, STEP_LEND, 0);
		break;
	case BROKER_TAKE_BACK:
		add(op, STEP_TAKE_BACK, 0);
		break;
	case BROKER_RETURN:
		plan_give(card);
		break;
	case BROKER_UNLOAD:
		for (unsigned int i = 0; i < 4; i++) {
			add(op, STEP_UNLOAD, i);
		}
		break;
	default:
		break;
	}
}

/* ---- what is permitted ---- */

static bool has_bridge(const struct broker_facts *facts)
{
	for (unsigned int i = 0; i < facts->function_count; i++) {
		if (facts->functions[i].class >> 16 == 0x06) {
			return true;
		}
	}
	return false;
}

static bool anything_on_vfio(const struct broker_facts *facts)
{
	for (unsigned int i = 0; i < facts->function_count; i++) {
		if (!strcmp(facts->functions[i].driver, "vfio-pci")) {
			return true;
		}
	}
	return false;
}

static int permit_detach(struct card *card, char *text)
{
	_cleanup_closedir_ DIR *driver = dir_open("/sys/bus/pci/drivers/vfio-pci");

	if (!driver) {
		return fail(text, -ENODEV, "the kernel has no vfio-pci: modprobe vfio-pci");
	}
	if (!(card->facts.flags & BROKER_CARD_VIABLE)) {
		return fail(text, -EPERM, "%s", card->note);
	}
	return card->saved.drained ? 0 : fail(text, -EINVAL, "%s is not drained", card->name);
}

static int permit(struct card *card, char *text)
{
	const struct broker_facts *facts = &card->facts;
	bool pooled = card_pooled(card), lent = card->saved.loan.pid != 0;

	if (card->operation.verb == BROKER_HOLDERS || card->operation.verb == BROKER_UNDRAIN ||
	    card->operation.verb == BROKER_LIST) {
		return 0;
	}
	if (!(facts->flags & BROKER_CARD_PRESENT)) {
		return fail(text, -ENODEV, "%s", card->note);
	}
	if (has_bridge(facts)) {
		return fail(text, -EPERM, "%s is a bridge, no card", card->name);
	}
	switch (card->operation.verb) {
	case BROKER_DRAIN:
		return anything_on_vfio(facts)
			       ? fail(text, -EINVAL, "%s is not with the host", card->name)
			       : 0;
	case BROKER_DETACH:
		return permit_detach(card, text);
	case BROKER_SANITIZE:
		return pooled && !lent ? 0
				       : fail(text, -EINVAL, "%s is not in the pool", card->name);
	case BROKER_LEND:
		return pooled && !lent && card->clean && card->operation.borrower >= 0
			       ? 0
			       : fail(text, -EINVAL, "%s is not ready to be lent", card->name);
	case BROKER_TAKE_BACK:
		return lent ? 0 : fail(text, -EINVAL, "%s is not lent", card->name);
	case BROKER_RETURN:
		return lent ? fail(text, -EBUSY, "%s is lent", card->name) : 0;
	default:
		return 0;
	}
}

/* ---- the way through the steps ---- */

static bool asked(const struct card *card)
{
	return card->operation.serial != 0 &&
	       card->operation.connection == card->broker->connection;
}

static void answer(struct card *card, uint32_t kind, int error, const char *text)
{
	struct broker_message message = { .kind = kind,
					  .serial = card->operation.serial,
					  .slot = card->slot,
					  .error = error,
					  .took_usec = now_us() - card->operation.started_us };

	snprintf(message.text, sizeof(message.text), "%s", text);
	if (asked(card)) {
		seat_send(card->broker, &message);
	}
}

static void take_notice(struct card *card)
{
	switch (card->operation.verb) {
	case BROKER_SANITIZE:
		card->clean = true;
		break;
	case BROKER_RETURN:
		journal_append(card, "@returned");
		journal_read(card);
		card->clean = false;
		break;
	case BROKER_DETACH:
	case BROKER_LEND:
		card->clean = false;
		card_watch_borrower(card);
		break;
	case BROKER_TAKE_BACK:
		card_watch_borrower(card);
		break;
	default:
		break;
	}
}

static void operation_end(struct card *card)
{
	struct operation *op = &card->operation;
	bool stage = verb_stages[op->verb] != NULL;

	if (stage) {
		journal_stage(card, &op->stage, op->error ? 2 : 1);
		journal_read(card);
	}
	if (op->error == 0) {
		take_notice(card);
	}
	if (stage) {
		say("%s: %s%s%s (%" PRIu64 " ms)", card->name, op->stage.name,
		    op->text[0] ? ": " : "", op->text, (now_us() - op->started_us) / 1000);
	}
	if (stage || card->changed) {
		seat_facts(card, asked(card) ? op->serial : 0);
	}
	answer(card, BROKER_DONE, op->error, op->text);
	if (op->serial == 0 && op->error == -EBUSY) {
		card->retry = now_ms() + SEAT_GRACE_MS / card->broker->hurry;
	}
	if (op->borrower >= 0) {
		close(op->borrower);
	}
	card->operation = (struct operation){ .borrower = -1 };
	card->changed = false;
}

static void operation_failed(struct card *card, const struct step *step, int error,
			     const char *text)
{
	struct operation *op = &card->operation;
	bool changed = step && step->kind >= STEP_POWER && step->kind <= STEP_GIVE;

	if (op->error == 0) {
		op->error = error;
		snprintf(op->text, sizeof(op->text), "%s", text);
	}
	op->n_steps = op->at = 0;
	if (op->undoing || (!changed && op->verb != BROKER_LEND)) {
		return;
	}
	op->undoing = true;
	if (op->verb == BROKER_DETACH) {
		plan_give(card);
	} else if (op->verb == BROKER_RETURN) {
		plan_take(card);
	} else if (card->saved.loan.pid) {
		add(op, STEP_TAKE_BACK, 0);
	}
}

/* Starts the next step, or ends the operation. */
static void operation_next(struct card *card)
{
	struct operation *op = &card->operation;
	char text[BROKER_TEXT_MAX] = "";
	int r = 0;

	if (op->at == op->n_steps && !op->permitted) {
		r = permit(card, text);
		op->permitted = true;
		if (r == 0) {
			plan(card);
		}
	}
	if (r == 0 && op->at < op->n_steps) {
		r = worker_start(card, op->steps[op->at]);
		if (r == 0) {
			return;
		}
		fail(text, 0, "no worker can be started: %s", strerror(-r));
	}
	if (r < 0) {
		op->error = op->error ? op->error : r;
		snprintf(op->text, sizeof(op->text), "%s", text);
	}
	operation_end(card);
}

static void send_holders(struct card *card, const struct report *report)
{
	struct broker_message message = { .kind = BROKER_HOLDER,
					  .serial = card->operation.serial,
					  .slot = card->slot };

	for (unsigned int i = 0; i < report->n_holders && i < BROKER_HOLDERS_MAX; i++) {
		message.holder = report->holders[i];
		message.holder.more = i == BROKER_HOLDERS_MAX - 1 ? report->n_holders - i - 1 : 0;
		if (asked(card)) {
			seat_send(card->broker, &message);
		}
	}
}

static void take_facts(struct card *card, const struct report *report)
{
	struct broker_facts facts = report->facts;

	facts.hot_reset_count = card->reset_count;
	card->changed |= memcmp(&facts, &card->facts, sizeof(facts)) != 0;
	card->facts = facts;
	card->looked = true;
	snprintf(card->note, sizeof(card->note), "%s", report->text);
}

/* The worker of the step under way has ended. */
void operation_worker(struct card *card, const struct report *report)
{
	struct operation *op = &card->operation;
	const struct step step = op->steps[op->at++];

	send_holders(card, report);
	if (step.kind == STEP_LOOK && report->error == 0) {
		take_facts(card, report);
	}
	if (step.kind == STEP_RESET) {
		card->reset_count = card->facts.hot_reset_count = report->reset_count;
		snprintf(op->text, sizeof(op->text), "%s", report->text);
	}
	if (report->error < 0) {
		operation_failed(card, &step, report->error, report->text);
	}
	operation_next(card);
}

/* A deadline of the step under way has passed. */
void operation_late(struct card *card, uint64_t now)
{
	struct operation *op = &card->operation;
	struct worker *worker = &op->worker;
	char where[128], text[BROKER_TEXT_MAX];

	worker_where(card, worker, where, sizeof(where));
	if (now >= worker->hard) {
		fail(card->note, 0,
		     "%s does not come back: end what has the card open; the machine "
		     "may not switch off by itself",
		     where);
		say("%s: %s", card->name, card->note);
		card->stuck = *worker;
		card->stuck.soft = card->stuck.hard = NEVER;
		*worker = (struct worker){ 0 };
		op->undoing = true;
		operation_failed(card, NULL, -ETIMEDOUT, card->note);
		operation_end(card);
	} else {
		worker->soft = NEVER;
		fail(text, 0, "still waiting for %s", where);
		answer(card, BROKER_PROGRESS, 0, text);
	}
}

/* ---- how one begins ---- */

static void operation_begin(struct card *card)
{
	struct operation *op = &card->operation;
	const char *stage = verb_stages[op->verb];
	int r = 0;

	op->started_us = now_us();
	if (!op->stage.name[0]) {
		snprintf(op->stage.name, sizeof(op->stage.name), "%s", stage ? stage : "look");
	}
	if (stage) {
		r = journal_stage(card, &op->stage, 0);
		journal_read(card);
	}
	if (r < 0) {
		op->error = r;
		fail(op->text, 0, "the journal cannot be written: %s", strerror(-r));
		operation_end(card);
		return;
	}
	if (op->verb == BROKER_LIST || op->verb == BROKER_DRAIN || op->verb == BROKER_DETACH ||
	    op->verb == BROKER_RETURN) {
		card->stale = false;
		add(op, STEP_LOOK, 0);
	}
	operation_next(card);
}

/* The seat's; borrower is taken. */
void operation_request(struct card *card, const struct broker_request *request, int borrower)
{
	struct broker *broker = card->broker;
	const char *why = card->stuck.pid && request->verb != BROKER_HOLDERS ? card->note : NULL;
	int error = -EIO;

	if (!why && card->operation.verb && card->operation.serial == 0 && !card->waiting.verb) {
		card->waiting = *request;
		card->waiting_borrower = borrower;
		return;
	}
	if (!why && card->operation.verb) {
		why = "the card has a request under way";
		error = -EBUSY;
	}
	if (why) {
		if (borrower >= 0) {
			close(borrower);
		}
		seat_answer(broker, request, error, why);
		return;
	}
	card->retry = 0;
	card->operation = (struct operation){ .verb = request->verb,
					      .serial = request->serial,
					      .connection = broker->connection,
					      .memory_bytes = request->memory_bytes,
					      .borrower = borrower,
					      .stage = request->stage };
	operation_begin(card);
}

/* Our own. */
void operation_start(struct card *card, uint32_t verb, const char *why)
{
	if (why) {
		say("%s: %s", card->name, why);
	}
	card->operation = (struct operation){ .verb = verb, .borrower = -1 };
	operation_begin(card);
}
