// SPDX-License-Identifier: MIT
/* A made-up world around a handoff; see handoff_world.h. */
#include "tests/unit/test.h"

#include "tests/unit/handoff_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passthrough/handoff_table.h"

#define STEPS_MAX 2000

void world_fail(const struct world *world, const char *format, ...)
{
	char message[256];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	print_error("%s: %s\n  at %.1f s in %s, owner %d:%s\n", world->scene, message,
		    (double)world->now / 1e6, card_state_name(world->handoff.state),
		    (int)world->handoff.owner, world->log);
	fail();
	abort();
}

static void write_log(struct world *world, const char *word)
{
	size_t used = strlen(world->log);

	snprintf(world->log + used, sizeof(world->log) - used, " %s", word);
}

static bool is_guest(uint32_t owner)
{
	return owner >= 1 && owner <= GUESTS;
}

/* Why nobody could do this, or NULL. */
static const char *impossible(const struct world *world, enum handoff_stage stage, uint32_t from,
			      uint32_t to)
{
	bool pooled = world->drivers == DRIVERS_VFIO && !world->lent_to && !world->device[1] &&
		      !world->device[2];

	switch (stage) {
	case HANDOFF_PREPARE:
		return NULL;
	case HANDOFF_CLOSE_SCREEN:
		return world->drivers == DRIVERS_HOST ? NULL : "close-screen off the host";
	case HANDOFF_DRAIN:
		return world->drivers == DRIVERS_HOST && !world->screen_open
			       ? NULL
			       : "drain while the screen is open";
	case HANDOFF_DETACH:
		return world->drivers == DRIVERS_HOST && world->drained ? NULL : "detach undrained";
	case HANDOFF_EJECT:
		if (!is_guest(from) || !world->alive[from]) {
			return "eject from nobody";
		}
		return world->lent_to == from ? NULL : "eject from who has not got it";
	case HANDOFF_TAKE_BACK:
		if (is_guest(from) && world->device[from]) {
			return "take-back from who uses it";
		}
		return world->drivers == DRIVERS_VFIO ? NULL : "take-back off vfio";
	case HANDOFF_SANITIZE:
		return pooled ? NULL : "sanitize of a card in use";
	case HANDOFF_LEND:
		if (!is_guest(to) || !world->alive[to]) {
			return "lend to nobody";
		}
		return pooled && world->clean ? NULL : "lend of a card that is not clean";
	case HANDOFF_ATTACH:
		if (!is_guest(to) || !world->alive[to]) {
			return "attach to nobody";
		}
		return world->lent_to == to && !world->device[to] ? NULL
								  : "attach of what is not lent";
	case HANDOFF_CONFIRM:
		return is_guest(to) && world->device[to] ? NULL : "confirm of what is not attached";
	case HANDOFF_GIVE_BACK:
		if (world->drivers == DRIVERS_HALF) {
			return NULL;
		}
		if (!pooled) {
			return "give-back of a card in use";
		}
		return world->clean || world->user == HANDOFF_HOST || world->reset_failed
			       ? NULL
			       : "give-back of a guest's card without a reset";
	case HANDOFF_OPEN_SCREEN:
		return world->drivers == DRIVERS_HOST &&
				       (!world->drained ||
					(world->failed & HANDOFF_BIT(HANDOFF_UNDRAIN)))
			       ? NULL
			       : "open-screen too early";
	case HANDOFF_UNDRAIN:
		return world->drivers == DRIVERS_HOST ? NULL : "undrain off the host";
	default:
		return "no such stage";
	}
}

static void lose_device(struct world *world, uint32_t guest)
{
	if (is_guest(guest) && world->device[guest]) {
		world->device[guest] = false;
		world->owner_lost = true;
	}
}

static void set_user(struct world *world, uint32_t user)
{
	world->user = user;
	world->clean = world->reset_failed = world->resynced = false;
}

static void carry_out(struct world *world, enum handoff_stage stage, uint32_t from, uint32_t to)
{
	switch (stage) {
	case HANDOFF_CLOSE_SCREEN:
		world->screen_open = false;
		break;
	case HANDOFF_DRAIN:
		world->drained = true;
		break;
	case HANDOFF_DETACH:
		world->drivers = DRIVERS_VFIO;
		world->owner_lost = true;
		break;
	case HANDOFF_EJECT:
		lose_device(world, from);
		break;
	case HANDOFF_TAKE_BACK:
		world->lent_to = 0;
		break;
	case HANDOFF_SANITIZE:
		world->clean = true;
		break;
	case HANDOFF_LEND:
		world->lent_to = to;
		set_user(world, to);
		break;
	case HANDOFF_ATTACH:
		world->device[to] = world->alive[to];
		break;
	case HANDOFF_GIVE_BACK:
		world->drivers = DRIVERS_HOST;
		world->drained = false;
		set_user(world, HANDOFF_HOST);
		break;
	case HANDOFF_OPEN_SCREEN:
		world->screen_open = true;
		break;
	case HANDOFF_UNDRAIN:
		world->drained = false;
		break;
	default:
		break;
	}
}

/* The pool between two stages is not told; the machine itself asserts each single step. */
static bool may_be_seen(enum card_state from, enum card_state to)
{
	return from == to || card_state_may_become(from, to) ||
	       (card_state_may_become(from, CARD_STATE_POOL) &&
		card_state_may_become(CARD_STATE_POOL, to));
}

static void check_state(struct world *world)
{
	enum card_state state = world->handoff.state;

	if (!may_be_seen(world->seen, state)) {
		world_fail(world, "%s became %s", card_state_name(world->seen),
			   card_state_name(state));
	}
	world->seen = state;
}

/* One reset between two users: not a second one, not one for the same user. */
static void check_reset(const struct world *world, enum handoff_stage stage)
{
	if (stage == HANDOFF_SANITIZE && world->clean && !world->resynced && !world->unsure) {
		world_fail(world, "a second reset without a user between");
	}
}

/* What was asked for has ended, and the machine is told. */
static void deliver(struct world *world)
{
	enum handoff_stage stage = world->stage;
	struct handoff_result result = { .error = world->outcome.error };

	if (world->outcome.effect) {
		carry_out(world, stage, world->from, world->to);
	}
	if (result.error) {
		world->failed |= HANDOFF_BIT(stage);
		world->reset_failed |= stage == HANDOFF_SANITIZE;
		if (stage == HANDOFF_GIVE_BACK) {
			set_user(world, HANDOFF_HOST); /* its drivers may have been at it */
		}
		world->wedged |= result.error == -ETIMEDOUT && stage != HANDOFF_EJECT;
		world->lost |= result.error == -ENODEV;
	}
	world->last_error = result.error;
	world->busy = false;
	handoff_report(&world->handoff, stage, &result, world->now);
}

static void on_begin(void *data, enum handoff_stage stage, uint32_t from, uint32_t to)
{
	struct world *world = data;
	const char *why = impossible(world, stage, from, to);
	bool again = world->last_error == -EBUSY && stage == world->stage;

	if (world->busy) {
		world_fail(world, "%s begins before %s has ended", handoff_stage_name(stage),
			   handoff_stage_name(world->stage));
	}
	if (!world->broker) {
		world_fail(world, "%s without a broker", handoff_stage_name(stage));
	}
	check_state(world);
	check_reset(world, stage);
	write_log(world, again ? "+" : handoff_stage_name(stage));
	world->budget += again ? 0 : handoff_row(stage)->hard_usec;
	world->busy = true;
	world->begun++;
	world->stage = stage;
	world->from = from;
	world->to = to;
	world->outcome = (struct outcome){ .after_usec = 1000, .effect = true };
	if (world->plan) {
		world->plan(world, &world->outcome);
	}
	if (why) {
		if (!world->unsure && !(world->failed & HANDOFF_BIT(HANDOFF_TAKE_BACK))) {
			world_fail(world, "%s", why);
		}
		world->outcome = (struct outcome){ .after_usec = 1000, .error = -EINVAL };
	}
	world->answer_at =
		world->outcome.after_usec == NEVER ? NEVER : world->now + world->outcome.after_usec;
	if (world->at_once && world->outcome.after_usec <= 1000) {
		deliver(world);
	}
}

static void on_abandon(void *data, enum handoff_stage stage)
{
	struct world *world = data;

	if (!world->busy || stage != world->stage) {
		world_fail(world, "%s is abandoned, but not under way", handoff_stage_name(stage));
	}
	write_log(world, "-");
	world->busy = false;
	world->last_error = -ETIMEDOUT;
	world->failed |= HANDOFF_BIT(stage);
	world->abandoned++;
	if (handoff_row(stage)->flags & HANDOFF_ROW_KERNEL) {
		world->wedged = true;
	} else if (handoff_row(stage)->actor == HANDOFF_BROKER) {
		world->unsure = true;
	}
	/* Done, but nobody heard of it. */
	if (world->outcome.after_usec == NEVER && world->outcome.effect) {
		carry_out(world, stage, world->from, world->to);
	}
}

static void on_repeat(void *data, uint32_t guest)
{
	struct world *world = data;

	if (!world->busy || world->stage != HANDOFF_EJECT || guest != world->from) {
		world_fail(world, "device_del is repeated out of place");
	}
	write_log(world, "*");
	world->repeats++;
}

/* A reset completes the pending removal. */
static void on_reset(void *data, uint32_t guest)
{
	struct world *world = data;

	write_log(world, "reset");
	if (world->busy && world->stage == HANDOFF_EJECT && guest == world->from) {
		world->outcome = (struct outcome){ .after_usec = 50000, .effect = true };
		world->answer_at = world->now + 50000;
	}
}

static void on_kill(void *data, uint32_t guest)
{
	struct world *world = data;

	write_log(world, "kill");
	if (!is_guest(guest) || !world->alive[guest]) {
		world_fail(world, "somebody is killed who is not there");
	}
}

static void on_changed(void *data)
{
	struct world *world = data;

	check_state(world);
	if (world->handoff.asking && !world->asked) {
		write_log(world, "?");
		world->questions++;
	}
	world->asked = world->handoff.asking;
}

static void on_finished(void *data, int error)
{
	struct world *world = data;

	check_state(world);
	write_log(world, error ? "failed." : "done.");
	if (world->busy && handoff_row(world->stage)->actor == HANDOFF_SEAT) {
		world_fail(world, "finished while %s is under way",
			   handoff_stage_name(world->stage));
	}
	if (world->now > world->way_begun + world->budget) {
		world_fail(world, "took %.1f s, more than its deadlines",
			   (double)(world->now - world->way_begun) / 1e6);
	}
	world->finished++;
	world->error = error;
}

static const struct handoff_ops ops = {
	.begin = on_begin,
	.abandon = on_abandon,
	.repeat = on_repeat,
	.reset_guest = on_reset,
	.kill_guest = on_kill,
	.changed = on_changed,
	.finished = on_finished,
};

void world_init(struct world *world, uint32_t owner, uint32_t home)
{
	*world = (struct world){
		.now = 1000000,
		.drivers = owner == HANDOFF_HOST ? DRIVERS_HOST : DRIVERS_VFIO,
		.screen_open = owner == HANDOFF_HOST,
		.drained = owner != HANDOFF_HOST,
		.broker = true,
		.lent_to = is_guest(owner) ? owner : 0,
		.alive = { false, true, true },
		.user = owner == HANDOFF_POOL ? GUEST_A : owner,
		.answer_at = NEVER,
	};
	world->device[1] = owner == GUEST_A;
	world->device[2] = owner == GUEST_B;
	world->seen = owner == HANDOFF_HOST   ? CARD_STATE_HOST
		      : owner == HANDOFF_POOL ? CARD_STATE_POOL
					      : CARD_STATE_GUEST;
	handoff_init(&world->handoff, &ops, world, world->seen, owner, home);
}

static void way_begins(struct world *world)
{
	/* What was only warned of stays so until somebody does something about it. */
	uint32_t told =
		world->drivers == DRIVERS_HOST && world->drained ? HANDOFF_BIT(HANDOFF_UNDRAIN) : 0;

	world->way_begun = world->now;
	world->budget = 0;
	world->last_error = 0;
	world->finished = 0;
	world->failed &= told;
	world->owner_lost = false;
	world->asked = false;
}

void world_start(struct world *world, uint32_t to)
{
	int r;

	way_begins(world);
	r = handoff_start(&world->handoff, to, world->now);
	if (r != 0) {
		world_fail(world, "the way to %d was refused: %d", (int)to, r);
	}
}

static void give_answer(struct world *world)
{
	int answer = world->handoff.asking && world->answer ? world->answer(world) : -1;

	if (answer < 0) {
		return;
	}
	world->budget += handoff_row(world->handoff.stage)->hard_usec;
	if (handoff_answer(&world->handoff, (enum handoff_answer)answer, world->now) != 0) {
		world_fail(world, "the answer %d was refused", answer);
	}
	world->asked = world->handoff.asking;
	if (answer == HANDOFF_ANSWER_KILL) {
		world_kill(world, world->handoff.owner);
	}
}

bool world_step(struct world *world)
{
	uint64_t answer = world->busy ? world->answer_at : NEVER;
	uint64_t deadline = handoff_deadline(&world->handoff);

	if (answer == NEVER && deadline == NEVER) {
		return false;
	}
	if (answer <= deadline) {
		world->now = answer > world->now ? answer : world->now;
		deliver(world);
	} else {
		world->now = deadline > world->now ? deadline : world->now;
		handoff_tick(&world->handoff, world->now);
	}
	give_answer(world);
	return true;
}

void world_run(struct world *world)
{
	for (int i = 0; i < STEPS_MAX && world->handoff.active; i++) {
		if (!world_step(world)) {
			world_fail(world, "waits for nothing");
		}
	}
	if (world->handoff.active) {
		world_fail(world, "does not come to rest");
	}
	if (world->busy && handoff_row(world->stage)->actor == HANDOFF_SEAT) {
		world_fail(world, "rests while %s is under way", handoff_stage_name(world->stage));
	}
	world->busy = false;
}

void world_kill(struct world *world, uint32_t guest)
{
	if (!is_guest(guest) || !world->alive[guest]) {
		return;
	}
	write_log(world, guest == GUEST_A ? "A-dies" : "B-dies");
	if (!world->handoff.active && world->handoff.owner == guest) {
		way_begins(world);
	}
	world->alive[guest] = false;
	lose_device(world, guest);
	/* One more time for its descriptors to be closed. */
	world->budget += handoff_row(HANDOFF_TAKE_BACK)->hard_usec;
	handoff_guest_gone(&world->handoff, guest, world->now);
}

void world_broker_gone(struct world *world, bool effect)
{
	write_log(world, "broker-dies");
	world->broker = false;
	if (world->busy && handoff_row(world->stage)->actor == HANDOFF_BROKER) {
		if (effect && !impossible(world, world->stage, world->from, world->to)) {
			carry_out(world, world->stage, world->from, world->to);
		}
		world->busy = false;
	}
	world->outcome = (struct outcome){ NEVER, 0, effect };
	handoff_broker_gone(&world->handoff, world->now);
	if (world->handoff.active || world->busy) {
		world_fail(world, "goes on without a broker");
	}
}

enum card_state world_state(const struct world *world, uint32_t *owner)
{
	*owner = world->drivers == DRIVERS_HOST ? HANDOFF_HOST : HANDOFF_POOL;
	if (world->wedged) {
		return CARD_STATE_WEDGED;
	}
	if (world->lost) {
		return CARD_STATE_LOST;
	}
	if (world->drivers != DRIVERS_VFIO) {
		return world->drivers == DRIVERS_HALF ? CARD_STATE_DETACHING
		       : world->drained               ? CARD_STATE_DRAINING
						      : CARD_STATE_HOST;
	}
	if (!world->lent_to) {
		return CARD_STATE_POOL;
	}
	if (!world->alive[world->lent_to]) {
		return CARD_STATE_ATTACHING;
	}
	*owner = world->lent_to;
	return world->device[world->lent_to] ? CARD_STATE_GUEST : CARD_STATE_ATTACHING;
}

void world_resync(struct world *world)
{
	uint32_t owner;
	enum card_state state = world_state(world, &owner);

	write_log(world, card_state_name(state));
	world->broker = world->resynced = true;
	if (!world->handoff.active) {
		way_begins(world);
		world->seen = state;
	}
	handoff_resync(&world->handoff, state, owner, world->now);
}

void world_tell_released(struct world *world)
{
	uint32_t owner = world->handoff.owner;

	if (is_guest(owner) && world->alive[owner] && !world->device[owner]) {
		write_log(world, "released");
		if (!world->handoff.active) {
			way_begins(world);
		}
		handoff_guest_released(&world->handoff, owner, world->now);
	}
}

static void check_host(const struct world *world)
{
	bool closed = world->failed & HANDOFF_BIT(HANDOFF_OPEN_SCREEN);
	bool drained = world->failed & HANDOFF_BIT(HANDOFF_UNDRAIN);

	if (world->handoff.owner != HANDOFF_HOST || world->drivers != DRIVERS_HOST) {
		world_fail(world, "HOST without the host's drivers");
	}
	if ((world->drained && !drained) || (!world->screen_open && !closed)) {
		world_fail(world, "HOST with closed nodes or screens");
	}
}

static void check_pool(const struct world *world)
{
	bool borrowed = world->lent_to && !(world->failed & HANDOFF_BIT(HANDOFF_TAKE_BACK));

	if (world->handoff.owner != HANDOFF_POOL || world->drivers != DRIVERS_VFIO || borrowed ||
	    world->device[1] || world->device[2]) {
		world_fail(world, "POOL with somebody in it");
	}
}

static void check_guest(const struct world *world)
{
	uint32_t owner = world->handoff.owner;

	if (!is_guest(owner) || !world->alive[owner]) {
		world_fail(world, "GUEST that is dead");
	}
	if (world->lent_to != owner) {
		world_fail(world, "GUEST that has not borrowed it");
	}
	if (!world->device[owner] && !(world->failed & HANDOFF_BIT(HANDOFF_TAKE_BACK))) {
		world_fail(world, "GUEST that lost it");
	}
}

void world_check_rest(struct world *world)
{
	switch (world->handoff.state) {
	case CARD_STATE_HOST:
		check_host(world);
		break;
	case CARD_STATE_POOL:
		check_pool(world);
		break;
	case CARD_STATE_GUEST:
		check_guest(world);
		break;
	case CARD_STATE_WEDGED:
		if (!world->wedged) {
			world_fail(world, "WEDGED, but the kernel is well");
		}
		break;
	case CARD_STATE_LOST:
		if (!world->lost) {
			world_fail(world, "LOST, but the card is there");
		}
		break;
	default:
		world_fail(world, "does not rest");
	}
}
