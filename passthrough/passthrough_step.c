// SPDX-License-Identifier: MIT
/*
 * The stages of a handoff, carried out. A stage of the broker's is one request, which carries its
 * line of the journal with it. One of the seat's own goes to a guest's QEMU or to the seat's
 * screens between two requests that only write: the intent is on disk before it begins, the result
 * before the next stage does, as the broker obeys in order.
 *
 * When the connection to the broker is lost, the requests that it does not answer any more end
 * here without a word: handoff_broker_gone() comes right after them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "passthrough/passthrough_private.h"

/* In the journal, where no guest can be called so. */
#define POOL_NAME "(pool)"

/* ---- Words and answers ---- */

const char *step_owner_name(const struct managed_card *card, uint32_t owner)
{
	const struct managed_guest *guest;

	if (owner == HANDOFF_POOL) {
		return POOL_NAME;
	}
	guest = passthrough_guest(card->passthrough, owner);
	return guest ? vm_name(guest->vm) : "";
}

static struct broker_stage journal_line(const struct managed_card *card, uint32_t finished)
{
	const struct step *step = &card->step;
	const char mark[] = { card->resumed ? PASSTHROUGH_RESUMED : '\0', '\0' };
	struct broker_stage line = { .finished = finished };

	snprintf(line.name, sizeof(line.name), "%s%s", handoff_stage_name(step->stage), mark);
	snprintf(line.from, sizeof(line.from), "%s", step_owner_name(card, step->from));
	snprintf(line.to, sizeof(line.to), "%s", step_owner_name(card, step->to));
	return line;
}

static void step_report(struct managed_card *card)
{
	struct step step = card->step;
	const struct handoff_result result = {
		.error = step.error,
		.text = step.text[0] ? step.text : NULL,
	};

	card->step.phase = STEP_NONE;
	handoff_report(&card->handoff, step.stage, &result, passthrough_now());
}

static void set_result(struct step *step, int error, const char *text)
{
	step->error = error;
	snprintf(step->text, sizeof(step->text), "%s", text ? text : "");
}

/* The broker is not there: it will be said that it has gone, and that ends everything. */
static bool is_lost(int error)
{
	return error == -ECONNRESET || error == -ENOTCONN;
}

/* ---- The journal of the seat's own stages ---- */

static int send_record(struct managed_card *card, uint32_t finished, broker_reply_fn reply)
{
	const struct broker_request request = {
		.verb = BROKER_RECORD,
		.slot = card->config->slot,
		.stage = journal_line(card, finished),
	};

	return broker_client_request(card->passthrough->broker, &request, -1, reply, card);
}

static void take_intent_recorded(void *data, const struct broker_message *message)
{
	struct managed_card *card = data;

	if (message->kind != BROKER_DONE || is_lost(message->error)) {
		return;
	}
	if (message->error < 0) {
		set_result(&card->step, message->error, message->text);
		step_report(card);
		return;
	}
	card->step.phase = STEP_ACTION;
	step_act(card);
}

void step_done(struct managed_card *card, enum handoff_stage stage, int error, const char *text)
{
	int r;

	if (card->step.phase != STEP_ACTION || card->step.stage != stage) {
		return;
	}
	set_result(&card->step, error, text);
	/* Nobody waits for the answer: without its result the journal says less than is true, and
	 * that is no reason to undo it. */
	r = send_record(card, error < 0 ? 2 : 1, NULL);
	if (!is_lost(r)) {
		step_report(card);
	}
}

static void begin_own(struct managed_card *card)
{
	bool waits = card->step.stage != HANDOFF_OPEN_SCREEN;
	int r = send_record(card, 0, waits ? take_intent_recorded : NULL);

	/* Whatever the journal says, a person needs a picture. */
	if (!waits) {
		card->step.phase = STEP_ACTION;
		step_act(card);
		return;
	}
	card->step.phase = STEP_INTENT;
	if (r < 0 && !is_lost(r)) {
		set_result(&card->step, r, NULL);
		step_report(card);
	}
}

/* ---- The broker's stages ---- */

/* The broker's verb for a stage; BROKER_RECORD: the stage is the seat's own. */
static enum broker_verb stage_verb(enum handoff_stage stage)
{
	switch (stage) {
	case HANDOFF_DRAIN:
		return BROKER_DRAIN;
	case HANDOFF_UNDRAIN:
		return BROKER_UNDRAIN;
	case HANDOFF_DETACH:
		return BROKER_DETACH;
	case HANDOFF_TAKE_BACK:
		return BROKER_TAKE_BACK;
	case HANDOFF_SANITIZE:
		return BROKER_SANITIZE;
	case HANDOFF_LEND:
		return BROKER_LEND;
	case HANDOFF_GIVE_BACK:
		return BROKER_RETURN;
	default:
		return BROKER_RECORD;
	}
}

/* What was to be reached is so already, by whoever did it. The facts come with each answer but with
 * -EBUSY. */
static bool is_reached(const struct managed_card *card)
{
	const struct broker_facts *facts = passthrough_facts(card);

	if (!facts) {
		return false;
	}
	switch (card->step.stage) {
	case HANDOFF_TAKE_BACK:
		return !(facts->flags & BROKER_CARD_LENT);
	case HANDOFF_GIVE_BACK:
		return card_state_from_facts(facts, false) == CARD_STATE_HOST;
	default:
		return false;
	}
}

static int send_stage(struct managed_card *card);

static void take_stage(void *data, const struct broker_message *message)
{
	struct managed_card *card = data;
	int error = message->error;

	if (message->kind == BROKER_PROGRESS) {
		handoff_progress(&card->handoff, card->step.stage, message->text);
	}
	if (message->kind != BROKER_DONE || is_lost(error)) {
		return;
	}
	if (error < 0 && error != -EBUSY && is_reached(card)) {
		error = 0;
	}
	if (error == 0 && card->step.unloading) {
		card->step.unloading = false;
		error = send_stage(card);
		if (error == 0 || is_lost(error)) {
			return;
		}
	}
	set_result(&card->step, error, error < 0 ? message->text : NULL);
	step_report(card);
}

/* The borrower's process, or -1. */
static int borrower_fd(const struct managed_card *card, struct broker_request *request)
{
	const struct guest_card *own = passthrough_guest_card(card, card->step.to);

	if (!own) {
		return -1;
	}
	request->memory_bytes = vm_lockable_bytes(own->guest->vm);
	return vm_pidfd(own->guest->vm);
}

static int send_stage(struct managed_card *card)
{
	struct broker_request request = {
		.verb = stage_verb(card->step.stage),
		.slot = card->config->slot,
		.stage = journal_line(card, 0),
	};
	int fd = -1;

	if (card->step.unloading) {
		request.verb = BROKER_UNLOAD;
	}
	if (request.verb == BROKER_LEND) {
		fd = borrower_fd(card, &request);
		if (fd < 0) {
			return -ESRCH;
		}
	}
	return broker_client_request(card->passthrough->broker, &request, fd, take_stage, card);
}

/*
 * NVIDIA's driver may wait for ever in an unbind, for users that nobody can see. Its modules refuse
 * to go while they have some; so they go first, and while they cannot the card stays.
 */
static bool has_nvidia_driver(const struct managed_card *card)
{
	const struct broker_facts *facts = passthrough_facts(card);

	for (uint32_t i = 0; facts && i < facts->function_count; i++) {
		if (strcmp(facts->functions[i].driver, "nvidia") == 0) {
			return true;
		}
	}
	return false;
}

static void begin_brokers(struct managed_card *card)
{
	int r;

	card->step.phase = STEP_ACTION;
	card->step.unloading = card->step.stage == HANDOFF_DETACH && has_nvidia_driver(card);
	r = send_stage(card);
	if (r < 0 && !is_lost(r)) {
		set_result(&card->step, r, r == -ESRCH ? "The guest is not there any more." : NULL);
		step_report(card);
	}
}

/* ---- handoff_ops ---- */

static void op_begin(void *data, enum handoff_stage stage, uint32_t from, uint32_t to)
{
	struct managed_card *card = data;

	card->step = (struct step){ .stage = stage, .from = from, .to = to };
	log_debug("%s: %s", card->config->name, handoff_stage_name(stage));
	if (stage_verb(stage) == BROKER_RECORD) {
		begin_own(card);
	} else {
		begin_brokers(card);
	}
}

/* The guest whose QEMU the stage speaks to, or NULL. */
static struct guest_card *step_guest(const struct managed_card *card)
{
	switch (card->step.stage) {
	case HANDOFF_EJECT:
		return passthrough_guest_card(card, card->step.from);
	case HANDOFF_ATTACH:
	case HANDOFF_CONFIRM:
		return passthrough_guest_card(card, card->step.to);
	default:
		return NULL;
	}
}

static void op_abandon(void *data, enum handoff_stage stage)
{
	struct managed_card *card = data;
	struct guest_card *own = step_guest(card);
	bool own_stage = stage_verb(stage) == BROKER_RECORD;

	broker_client_cancel(card->passthrough->broker, card);
	if (own && card->step.phase == STEP_ACTION) {
		release_cancel(own);
	}
	if (own_stage && card->step.phase != STEP_NONE) {
		(void)send_record(card, 2, NULL);
	}
	card->step.phase = STEP_NONE;
}

static void op_repeat(void *data, uint32_t guest)
{
	struct guest_card *own = passthrough_guest_card(data, guest);

	if (own) {
		release_repeat(own);
	}
}

static void op_reset_guest(void *data, uint32_t guest)
{
	struct guest_card *own = passthrough_guest_card(data, guest);
	int r = own ? vm_reset(own->guest->vm) : -ESRCH;

	if (r < 0) {
		log_warning("The guest could not be reset: %s", strerror(-r));
	}
}

static void op_kill_guest(void *data, uint32_t guest)
{
	struct guest_card *own = passthrough_guest_card(data, guest);
	int r = own ? vm_kill(own->guest->vm) : -ESRCH;

	if (r < 0) {
		log_warning("The guest could not be ended: %s", strerror(-r));
	}
}

static void op_changed(void *data)
{
	struct managed_card *card = data;

	passthrough_tell(card);
	passthrough_wake(card->passthrough); /* its deadlines, or what may begin, are others */
}

static void log_end(const struct managed_card *card, int error)
{
	const struct handoff *handoff = &card->handoff;
	unsigned long long ms = (passthrough_now() - handoff->started_usec) / 1000;

	if (error < 0) {
		log_warning("%s: %s (it is %s now)", card->config->name, handoff->text,
			    card_state_name(handoff->state));
	} else {
		log_info("%s: %s after %llu ms%s%s", card->config->name,
			 card_state_name(handoff->state), ms, handoff->text[0] ? ": " : "",
			 handoff->text);
	}
}

static void op_finished(void *data, int error)
{
	struct managed_card *card = data;

	log_end(card, error);
	wish_finished(card);
}

const struct handoff_ops step_ops = {
	.begin = op_begin,
	.abandon = op_abandon,
	.repeat = op_repeat,
	.reset_guest = op_reset_guest,
	.kill_guest = op_kill_guest,
	.changed = op_changed,
	.finished = op_finished,
};
