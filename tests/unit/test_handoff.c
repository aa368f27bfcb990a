// SPDX-License-Identifier: MIT
/*
 * The handoff machine on a made-up world, exhaustively: every way from an owner to another, with
 * every kind of fault at every stage, and with every second fault after that. What must hold
 * always is in handoff_world.c (legal transitions, one stage at a time, nothing impossible is
 * asked for, one reset between two users, rest within the deadlines); here stands where each way
 * has to end.
 */
#include "tests/unit/test.h"

#include "tests/unit/handoff_world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "passthrough/handoff_table.h"

#define SEC 1000000ull

static const uint32_t owners[] = { HANDOFF_HOST, HANDOFF_POOL, GUEST_A, GUEST_B };
static const char *const owner_names[] = { "host", "pool", "A", "B" };

#define OWNERS 4

enum kind {
	KIND_FAIL,
	KIND_FAIL_HALF, /* where the table says that a failure may be done in half */
	KIND_DEAD,      /* the card does not answer: broker's stages */
	KIND_HUNG,      /* the broker says that the kernel hangs: kernel's stages */
	KIND_LATE,
	KIND_SILENT,
	KIND_SILENT_DONE, /* done, and nobody hears of it */
	KIND_BUSY,
	KIND_BUSY_ON,
	KIND_FROM_DIES,
	KIND_FROM_DIES_FAIL, /* and what is under way fails too */
	KIND_FROM_DIES_BUSY,
	KIND_TO_DIES,
	KIND_TO_DIES_FAIL,
	KIND_TO_DIES_BUSY,
	KIND_BROKER,
	KIND_BROKER_DONE,
	KIND_RELEASED,
	KIND_COUNT
};

static const char *const kind_names[KIND_COUNT] = {
	"fails",
	"fails in half",
	"card dead",
	"kernel hangs",
	"late",
	"silent",
	"silent, but done",
	"busy once",
	"busy",
	"donor dies",
	"donor dies, fails",
	"donor dies, busy",
	"receiver dies",
	"receiver dies, fails",
	"receiver dies, busy",
	"broker dies",
	"broker dies, done",
	"released",
};

enum script { ANSWER_NONE, ANSWER_WAIT, ANSWER_RESET, ANSWER_KILL, ANSWER_ABORT, ANSWERS };

struct fault {
	unsigned int at; /* the how manieth begin of a stage, from 1; 0: no fault */
	enum kind kind;
};

struct scenario {
	size_t from, to;
	uint32_t home;
	bool at_once;
	enum script script;
	struct fault faults[2];
	/* While it runs. */
	enum handoff_stage busy;
	bool event;
	enum kind event_kind;
	unsigned int waits;
};

static bool row_has(enum handoff_stage stage, unsigned int flag)
{
	return handoff_row(stage)->flags & flag;
}

/* The outcome of a stage with a fault; without one where the fault makes no sense. */
static void spoil(struct scenario *scenario, enum handoff_stage stage, enum kind kind,
		  struct outcome *outcome)
{
	bool broker = handoff_row(stage)->actor == HANDOFF_BROKER;

	switch (kind) {
	case KIND_FAIL:
		*outcome = (struct outcome){ 1000, -EIO, false };
		break;
	case KIND_FAIL_HALF:
		*outcome = (struct outcome){ 1000, -EIO, row_has(stage, HANDOFF_ROW_HALF) };
		break;
	case KIND_DEAD:
		*outcome = (struct outcome){ 1000, broker ? -ENODEV : -EIO, false };
		break;
	case KIND_HUNG:
		*outcome = (struct outcome){ 1000,
					     row_has(stage, HANDOFF_ROW_KERNEL) ? -ETIMEDOUT : -EIO,
					     false };
		break;
	case KIND_LATE:
		outcome->after_usec = handoff_row(stage)->soft_usec + SEC / 2;
		break;
	case KIND_SILENT:
	case KIND_SILENT_DONE:
		*outcome = (struct outcome){ NEVER, 0, kind == KIND_SILENT_DONE };
		break;
	case KIND_BUSY:
		*outcome = (struct outcome){ 1000, -EBUSY, false };
		break;
	case KIND_BUSY_ON:
		*outcome = (struct outcome){ 1000, -EBUSY, false };
		scenario->busy = stage;
		break;
	case KIND_FROM_DIES_FAIL:
	case KIND_TO_DIES_FAIL:
		*outcome = (struct outcome){ 2000, -EIO, false };
		break;
	case KIND_FROM_DIES_BUSY:
	case KIND_TO_DIES_BUSY:
		*outcome = (struct outcome){ 2000, -EBUSY, false };
		break;
	default:
		outcome->after_usec = 2000;
		break;
	}
	scenario->event = kind >= KIND_FROM_DIES;
	scenario->event_kind = kind;
}

static void plan(struct world *world, struct outcome *outcome)
{
	struct scenario *scenario = world->data;

	if (world->stage == scenario->busy) {
		*outcome = (struct outcome){ 1000, -EBUSY, false };
	} else {
		scenario->busy = HANDOFF_NONE;
	}
	for (size_t i = 0; i < 2; i++) {
		if (scenario->faults[i].at == world->begun) {
			spoil(scenario, world->stage, scenario->faults[i].kind, outcome);
		}
	}
}

static int answer(struct world *world)
{
	struct scenario *scenario = world->data;

	switch (scenario->script) {
	case ANSWER_WAIT:
		return scenario->waits++ == 0 ? HANDOFF_ANSWER_WAIT : -1;
	case ANSWER_RESET:
		return scenario->waits++ == 0 ? HANDOFF_ANSWER_RESET : HANDOFF_ANSWER_ABORT;
	case ANSWER_KILL:
		return HANDOFF_ANSWER_KILL;
	case ANSWER_ABORT:
		return HANDOFF_ANSWER_ABORT;
	default:
		return -1;
	}
}

/* Something happens while a stage is under way, and not at its end. */
static void fire_event(struct world *world, struct scenario *scenario)
{
	scenario->event = false;
	world->now += 500;
	switch (scenario->event_kind) {
	case KIND_FROM_DIES:
	case KIND_FROM_DIES_FAIL:
	case KIND_FROM_DIES_BUSY:
		world_kill(world, owners[scenario->from]);
		break;
	case KIND_TO_DIES:
	case KIND_TO_DIES_FAIL:
	case KIND_TO_DIES_BUSY:
		world_kill(world, owners[scenario->to]);
		break;
	case KIND_BROKER:
	case KIND_BROKER_DONE:
		world_broker_gone(world, scenario->event_kind == KIND_BROKER_DONE);
		world_resync(world);
		break;
	case KIND_RELEASED:
		if (world->handoff.owner == GUEST_A || world->handoff.owner == GUEST_B) {
			world->owner_lost |= world->device[world->handoff.owner];
			world->device[world->handoff.owner] = false;
			world_tell_released(world);
		}
		break;
	default:
		break;
	}
}

static void run_on(struct world *world, struct scenario *scenario)
{
	for (int i = 0; i < 2000 && (world->handoff.active || scenario->event); i++) {
		if (scenario->event) {
			fire_event(world, scenario);
		} else if (!world_step(world)) {
			world_fail(world, "waits for nothing");
		}
	}
	world_run(world);
}

static bool failed(const struct world *world, enum handoff_stage stage)
{
	return world->failed & HANDOFF_BIT(stage);
}

/* Where the card may rest after a way that failed; not asked after a restart of the broker. */
static void check_failure(const struct world *world, const struct scenario *scenario)
{
	uint32_t owner = world->handoff.owner, from = owners[scenario->from];
	bool letting_go = failed(world, HANDOFF_EJECT) || failed(world, HANDOFF_TAKE_BACK);

	if (owner == from && !world->owner_lost) {
		return;
	}
	if (owner == HANDOFF_POOL && failed(world, HANDOFF_GIVE_BACK)) {
		return;
	}
	if (owner != HANDOFF_HOST && owner != HANDOFF_POOL && letting_go) {
		return;
	}
	if (owner != scenario->home) {
		world_fail(world, "rests neither at home nor where it was");
	}
}

static void check_end(struct world *world, const struct scenario *scenario)
{
	if (world->finished != 1) {
		world_fail(world, "finished %u times", world->finished);
	}
	world_check_rest(world);
	if (world->handoff.state == CARD_STATE_WEDGED || world->handoff.state == CARD_STATE_LOST) {
		return;
	}
	if (world->error) {
		check_failure(world, scenario);
	} else if (world->handoff.owner != owners[scenario->to]) {
		world_fail(world, "no error, but not there");
	}
}

/* Whatever happened: with the truth told and all well again, the card goes where it is wanted. */
static void check_recovery(struct world *world)
{
	uint32_t to;

	world->plan = NULL;
	world->resynced |= world->unsure;
	world->unsure = world->wedged = world->lost = false;
	if (!world->alive[world->lent_to]) {
		world->lent_to = 0; /* the broker does it by itself */
	}
	world->alive[1] = world->alive[2] = true;
	/* Screens that did not come back at once come with the next hotplug. */
	world->screen_open |= world->handoff.state == CARD_STATE_HOST;
	world_tell_released(world);
	world_run(world);
	world_resync(world);
	world_run(world);
	world_check_rest(world);
	to = world->handoff.owner == GUEST_A ? GUEST_B : GUEST_A;
	for (int i = 0; i < 2; i++, to = HANDOFF_HOST) {
		world->error = -1;
		world_start(world, to);
		world_run(world);
		world_check_rest(world);
		if (world->error || world->handoff.owner != to) {
			world_fail(world, "does not move any more");
		}
	}
}

static void name_scene(struct world *world, const struct scenario *scenario)
{
	int n = snprintf(world->scene, sizeof(world->scene), "%s to %s, home %s, answers %d%s",
			 owner_names[scenario->from], owner_names[scenario->to],
			 scenario->home ? "pool" : "host", scenario->script,
			 scenario->at_once ? ", at once" : "");

	for (size_t i = 0; i < 2 && scenario->faults[i].at; i++) {
		n += snprintf(world->scene + n, sizeof(world->scene) - (size_t)n, ", %u: %s",
			      scenario->faults[i].at, kind_names[scenario->faults[i].kind]);
	}
}

static bool broker_dies(const struct scenario *scenario)
{
	bool dies = false;

	for (size_t i = 0; i < 2; i++) {
		enum kind kind = scenario->faults[i].kind;

		dies |= scenario->faults[i].at && (kind == KIND_BROKER || kind == KIND_BROKER_DONE);
	}
	return dies;
}

/* The guest let go after its eject had failed: DEVICE_DELETED tells of it too late. */
static void hear_late(struct world *world)
{
	uint32_t failures = world->failed;
	int error = world->error;

	if (world->handoff.state == CARD_STATE_GUEST && (failures & HANDOFF_BIT(HANDOFF_EJECT)) &&
	    !world->unsure) {
		world_tell_released(world);
		world_run(world);
		world->finished = 1;
		world->failed |= failures;
		world->owner_lost = true;
		world->error = error;
	}
}

/* How many stages were begun, of which one may go wrong. */
static unsigned int run_scenario(struct scenario *scenario)
{
	unsigned int begun;
	struct world world;

	world_init(&world, owners[scenario->from], scenario->home);
	name_scene(&world, scenario);
	scenario->busy = HANDOFF_NONE;
	scenario->waits = 0;
	scenario->event = false;
	world.plan = plan;
	world.answer = answer;
	world.data = scenario;
	world.at_once = scenario->at_once;
	world_start(&world, owners[scenario->to]);
	run_on(&world, scenario);
	begun = world.begun;
	hear_late(&world);
	if (!world.unsure && broker_dies(scenario)) {
		world_check_rest(&world);
	} else if (!world.unsure) {
		check_end(&world, scenario);
	}
	check_recovery(&world);
	return begun;
}

/* Calls run for each way, home, mode and script. */
static void each_way(void (*run)(struct scenario *scenario), bool scripts)
{
	for (size_t i = 0; i < (size_t)OWNERS * OWNERS * 4 * ANSWERS; i++) {
		struct scenario scenario = {
			.from = i % OWNERS,
			.to = i / OWNERS % OWNERS,
			.home = i / 16 % 2 ? HANDOFF_POOL : HANDOFF_HOST,
			.at_once = i / 32 % 2,
			.script = (enum script)(i / 64),
		};

		if (scenario.from != scenario.to && (scripts || scenario.script == ANSWER_NONE)) {
			run(&scenario);
		}
	}
}

static unsigned int runs;

static void run_one_fault(struct scenario *scenario)
{
	scenario->faults[0] = (struct fault){ 0 };
	unsigned int begun = run_scenario(scenario);

	for (unsigned int at = 1; at <= begun; at++) {
		for (int kind = 0; kind < KIND_COUNT; kind++, runs++) {
			scenario->faults[0] = (struct fault){ at, (enum kind)kind };
			run_scenario(scenario);
		}
	}
}

static void test_one_fault(void **state)
{
	runs = 0;
	each_way(run_one_fault, true);
	print_message("%u ways with one fault\n", runs);
	assert_true(runs > 5000);
}

static void run_second_faults(struct scenario *scenario, unsigned int begun)
{
	for (unsigned int at = scenario->faults[0].at + 1; at <= begun; at++) {
		for (int kind = 0; kind < KIND_COUNT; kind++, runs++) {
			scenario->faults[1] = (struct fault){ at, (enum kind)kind };
			run_scenario(scenario);
		}
	}
	scenario->faults[1] = (struct fault){ 0 };
}

static void run_two_faults(struct scenario *scenario)
{
	unsigned int begun = run_scenario(scenario);

	for (unsigned int at = 1; at <= begun; at++) {
		for (int kind = 0; kind < KIND_COUNT; kind++) {
			scenario->faults[0] = (struct fault){ at, (enum kind)kind };
			run_second_faults(scenario, run_scenario(scenario));
		}
	}
}

static void test_two_faults(void **state)
{
	runs = 0;
	each_way(run_two_faults, false);
	print_message("%u ways with two faults\n", runs);
	assert_true(runs > 50000);
}

/* What the broker may find when it comes back; the screens are the seat's and stay as they were. */
enum truth {
	TRUTH_HOST,
	TRUTH_DRAINED,
	TRUTH_HALF,
	TRUTH_POOL,
	TRUTH_LENT_A,
	TRUTH_LENT_B,
	TRUTH_LENT_DEAD,
	TRUTH_GUEST_A,
	TRUTH_GUEST_B,
	TRUTH_WEDGED,
	TRUTH_LOST,
	TRUTH_COUNT
};

static void force_truth(struct world *world, enum truth truth)
{
	bool lent = truth >= TRUTH_LENT_A && truth <= TRUTH_GUEST_B;
	bool b = truth == TRUTH_LENT_B || truth == TRUTH_GUEST_B;

	world->drivers = truth <= TRUTH_DRAINED ? DRIVERS_HOST
			 : truth == TRUTH_HALF  ? DRIVERS_HALF
						: DRIVERS_VFIO;
	world->drained = truth != TRUTH_HOST;
	world->screen_open &= truth == TRUTH_HOST;
	world->lent_to = !lent ? 0 : b ? GUEST_B : GUEST_A;
	world->alive[1] = truth != TRUTH_LENT_DEAD;
	world->alive[2] = true;
	world->device[1] = truth == TRUTH_GUEST_A;
	world->device[2] = truth == TRUTH_GUEST_B;
	world->wedged = truth == TRUTH_WEDGED;
	world->lost = truth == TRUTH_LOST;
	world->clean = false;
	world->user = lent ? world->lent_to : HANDOFF_HOST;
}

static void check_truth(struct world *world, enum truth truth)
{
	bool host = truth <= TRUTH_HALF;

	world_check_rest(world);
	if (truth == TRUTH_GUEST_A || truth == TRUTH_GUEST_B) {
		assert_int_equal(world->handoff.owner, world->lent_to);
	} else if (truth < TRUTH_WEDGED) {
		assert_int_equal(world->handoff.owner, host ? HANDOFF_HOST : world->handoff.home);
	} else {
		assert_int_equal(world->handoff.state,
				 truth == TRUTH_LOST ? CARD_STATE_LOST : CARD_STATE_WEDGED);
		assert_int_equal(handoff_start(&world->handoff, HANDOFF_POOL, world->now), -EIO);
	}
}

/* The broker ends in the at-th stage, and finds this when it is back. False: no such stage. */
static bool run_truth(const struct scenario *scenario, unsigned int at, enum truth truth)
{
	struct world world;

	world_init(&world, owners[scenario->from], scenario->home);
	name_scene(&world, scenario);
	world_start(&world, owners[scenario->to]);
	while (world.handoff.active && world.begun < at) {
		world_step(&world);
	}
	if (!world.handoff.active) {
		return false;
	}
	world_broker_gone(&world, false);
	assert_int_equal(world.error, -ENOTCONN);
	assert_true(handoff_deadline(&world.handoff) == NEVER);
	assert_int_equal(handoff_start(&world.handoff, HANDOFF_HOST, world.now), -ENOTCONN);
	force_truth(&world, truth);
	world_resync(&world);
	world_run(&world);
	check_truth(&world, truth);
	world.wedged = world.lost = false;
	world_resync(&world);
	world_run(&world);
	check_recovery(&world);
	return true;
}

static void run_truths(struct scenario *scenario)
{
	for (int truth = 0; truth < TRUTH_COUNT; truth++) {
		unsigned int at = 1;

		while (run_truth(scenario, at, (enum truth)truth)) {
			at++;
			runs++;
		}
	}
}

static void test_broker_finds_anything(void **state)
{
	runs = 0;
	each_way(run_truths, false);
	print_message("%u ways with a new broker\n", runs);
	assert_true(runs > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_broker_finds_anything),
		cmocka_unit_test(test_one_fault),
		cmocka_unit_test(test_two_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
