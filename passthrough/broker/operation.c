// SPDX-License-Identifier: MIT
/*
 * A request as a list of steps, each in a worker of its own. What needs fresh facts looks first;
 * then it is permitted or not, and the rest of the list is made. When a step of DETACH, RETURN or
 * LEND fails, the list is replaced by the way back, once.
 */
#include "passthrough/broker/broker.h"

#include <signal.h>

#define BRIDGE_CLASS 0x06

#define PLAN_MAX 4
/* What follows the steps of a plan: each function to vfio-pci, or to its host driver. */
enum way { WAY_NONE, WAY_TAKE, WAY_GIVE };

/* clang-format off */
#define DO(name) { name##_step, #name, 0 } /* reopen: DRAINED_NODES */
enum { PRESENT = BROKER_CARD_PRESENT, CLEAN = BROKER_CARD_CLEAN, LENT = BROKER_CARD_LENT,
       READY = PRESENT | BROKER_CARD_VIABLE | BROKER_CARD_DRAINED,
       ON_VFIO = CARD_ON_VFIO | CARD_BRIDGE };
static const struct {
	const char *stage; /* in the journal, when the seat names none; NULL: nothing is written */
	uint32_t need, refuse;
	struct step plan[PLAN_MAX]; /* what is permitted is asked after a first look */
	enum way way;
} verbs[BROKER_RECLAIM + 1] = {
	[BROKER_LIST] = { .plan = { DO(look) } },
	[BROKER_HOLDERS] = { .plan = { DO(scan) } },
	[BROKER_DRAIN] = { "drain", PRESENT, ON_VFIO, { DO(look), DO(save), DO(close), DO(scan) } },
	[BROKER_UNDRAIN] = { "undrain", 0, 0, { DO(reopen) } },
	[BROKER_DETACH] = { "detach", READY, CARD_BRIDGE, { DO(look), DO(scan) }, WAY_TAKE },
	[BROKER_SANITIZE] = { "sanitize", PRESENT | CARD_POOLED, LENT, { DO(reset) } },
	[BROKER_LEND] = { "lend", CARD_POOLED | CLEAN, LENT, { DO(lend) } },
	[BROKER_TAKE_BACK] = { "take-back", 0, 0, { DO(reclaim) } },
	[BROKER_RETURN] = { "give-back", PRESENT, LENT | CARD_BRIDGE, { DO(look) }, WAY_GIVE },
	[BROKER_UNLOAD] = { NULL, 0, LENT, { DO(unload) } },
	[BROKER_RECLAIM] = { .plan = { DO(reclaim) } },
};
/* clang-format on */

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
		{ CARD_POOLED, -EINVAL, "on vfio-pci with all its functions" },
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

static void add(struct operation *op, struct step step, unsigned int number)
{
	op->steps[op->n_steps] = step;
	op->steps[op->n_steps++].number = number;
}

/* The display comes last to vfio-pci and first to the host: the others' drivers depend on its. */
static void add_way(struct card *card, enum way way)
{
	static const struct step take[] = { DO(claim), DO(unbind), DO(take) };
	static const struct step give[] = { DO(release), DO(disclaim), DO(give) };
	struct operation *op = &card->operation;
	bool display = way == WAY_GIVE;

	op->way = op->n_steps;
	for (int pass = 0; pass < 2; pass++, display = !display) {
		function_for_each(card, f) {
			for (int i = 0; i < 3 && (f->class >> 16 == DISPLAY_CLASS) == display;
			     i++) {
				add(op, way == WAY_GIVE ? give[i] : take[i], f->number);
			}
		}
	}
	if (way == WAY_GIVE) {
		add(op, (struct step)DO(reopen), DRAINED_NODES);
	}
	add(op, (struct step)DO(look), 0);
}

/* Its rest is the way back, once. */
static void operation_fail(struct card *card, int error, const char *text)
{
	struct operation *op = &card->operation;
	enum way way = verbs[op->request.verb].way;
	bool moved = op->at > op->way && error != -EBUSY;

	if (op->error == 0) {
		op->error = error;
		fail(op->text, 0, "%s", text);
	}
	card->stale |= op->request.verb == BROKER_LIST;
	op->n_steps = op->at = 0;
	if (!op->undoing && moved) {
		add_way(card, way == WAY_TAKE ? WAY_GIVE : WAY_TAKE);
	} else if (!op->undoing && op->request.verb == BROKER_LEND && card->saved.loan.pid) {
		add(op, (struct step)DO(reclaim), 0);
	} else if (moved) {
		add(op, (struct step)DO(look), 0);
	}
	op->undoing = true;
}

/* ---- the way through the steps ---- */

static void tell(struct card *card, struct broker_message *message)
{
	message->serial = card->operation.request.serial;
	message->slot = card->slot;
	if (card->operation.asked) {
		seat_send(card->broker, message);
	}
}

static void operation_end(struct card *card)
{
	struct operation *op = &card->operation;
	bool stage = verbs[op->request.verb].stage != NULL;
	bool changes = stage || op->request.verb == BROKER_RECLAIM;

	if (op->error == 0 && op->request.verb == BROKER_RETURN) {
		journal_append(card, "@returned");
	}
	card->seat_drained = op->request.verb == BROKER_DRAIN ? op->asked : card->seat_drained;
	if (stage) {
		card->clean = op->request.verb == BROKER_SANITIZE && op->error == 0;
		journal_stage(card, &op->request.stage, op->error ? 2 : 1);
	}
	journal_read(card);
	card_watch(card);
	if (changes || card->changed) {
		seat_facts(card, op->asked ? op->request.serial : 0);
	}
	if (op->asked) {
		seat_done(card->broker, &op->request, op->error, op->text);
	}
	if (stage) {
		fprintf(stderr, "%s: %s: %s\n", card->name, op->request.stage.name,
			op->text[0] ? op->text : "done");
	}
	if (op->request.serial == 0 && op->error == -EBUSY) {
		card->retry = now_ms() + SEAT_GRACE_MS / card->broker->hurry;
	} else if (changes && op->error == 0) {
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
	const struct step *plan = verbs[op->request.verb].plan;
	bool looked = plan[0].run == look_step;
	char text[BROKER_TEXT_MAX];
	int r = 0;

	if (op->at == op->n_steps && !op->planned && op->error == 0) {
		op->planned = true;
		r = permit(card, text);
		for (unsigned int i = looked; r == 0 && i < PLAN_MAX && plan[i].run; i++) {
			add(op, plan[i], 0);
		}
		if (r == 0 && verbs[op->request.verb].way) {
			add_way(card, verbs[op->request.verb].way);
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
		operation_fail(card, r, text);
	}
	operation_end(card);
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
		operation_fail(card, -EBUSY, text);
	}
}

void operation_worker(struct card *card, const struct report *report)
{
	struct operation *op = &card->operation;
	step_fn *run = op->steps[op->at++].run;

	if (report->error < 0) {
		operation_fail(card, report->error, report->text);
	} else if (run == look_step) {
		card->changed |= memcmp(&report->facts, &card->facts, sizeof(card->facts)) != 0;
		card->facts = report->facts;
		fail(card->note, 0, "%s", report->text);
	} else if (run == scan_step) {
		take_holders(card, report);
	} else if (run == reset_step) {
		card->facts.hot_reset_count = report->reset_count;
		fail(op->text, 0, "%s", report->text);
	}
	/* We had the group, so nobody else has. */
	if (report->error == 0 && (run == reset_step || run == reclaim_step)) {
		card->facts.flags &= ~(uint32_t)BROKER_CARD_OPEN;
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
	fail(late.text, 0, "\"%s\" of %s.%u has not come back%s%s%s", worker->step.name, card->name,
	     worker->step.number, wchan[0] > '0' ? " from " : "", wchan[0] > '0' ? wchan : "",
	     now < worker->hard ? " yet" : ": end what has the card open");
	if (now < worker->hard) {
		worker->soft = NEVER;
		tell(card, &late);
	} else if (worker->step.run == scan_step) {
		/* Only a process' memory map can hold it up, and that can be killed. */
		fail(op->text, 0, "%s", late.text);
		op->error = -EIO;
		kill(worker->pid, SIGKILL);
		worker->hard = NEVER;
	} else {
		fail(card->note, 0, "%s", late.text);
		card->stuck = *worker;
		worker->pid = 0;
		op->undoing = true;
		operation_fail(card, -ETIMEDOUT, card->note);
		operation_end(card);
	}
}

/* What comes while we do something unasked waits for its end. */
int operation_request(struct card *card, const struct broker_request *request, int *borrower,
		      char *text)
{
	struct operation *op = &card->operation;
	const char *stage = verbs[request->verb].stage;
	int r;

	if (card->stuck.pid && (op->request.verb || request->verb != BROKER_HOLDERS)) {
		return fail(text, -EIO, "%s", card->note);
	}
	if (op->request.verb && (op->request.serial || card->waiting.request.verb)) {
		return fail(text, -EBUSY, "the card has a request under way");
	}
	op = op->request.verb ? &card->waiting : op;
	*op = (struct operation){ .request = *request, .borrower = *borrower, .way = STEPS_MAX };
	*borrower = -1;
	op->asked = request->serial != 0;
	if (stage && !op->request.stage.name[0]) {
		snprintf(op->request.stage.name, sizeof(op->request.stage.name), "%s", stage);
	}
	if (op == &card->waiting) {
		return 0;
	}
	card->retry = request->serial ? 0 : card->retry;
	r = stage ? journal_stage(card, &op->request.stage, 0) : 0;
	if (r < 0) {
		operation_fail(card, r, "the journal cannot be written");
	} else if (verbs[request->verb].plan[0].run == look_step) {
		card->stale = false;
		add(op, verbs[request->verb].plan[0], 0);
	}
	operation_next(card);
	return 0;
}
