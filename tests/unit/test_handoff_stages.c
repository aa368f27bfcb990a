// SPDX-License-Identifier: MIT
/*
 * The stages of a handoff one by one: the table, the order in which they are carried out and
 * undone, what happens at which time, what the person may answer, and what is said.
 */
#include "tests/unit/test.h"

#include "tests/unit/handoff_world.h"

#include <errno.h>
#include <string.h>

#include "passthrough/handoff_table.h"

#define SEC 1000000ull

/* What the table says of each stage, in the words of the design. */
static void test_table(void **state)
{
	static const struct {
		const char *name;
		enum handoff_actor actor;
		enum card_state state;
		const char *undo;
		bool kernel;
	} expected[HANDOFF_STAGE_COUNT] = {
		{ "prepare", HANDOFF_SEAT, CARD_STATE_COUNT, "?" },
		{ "close-screen", HANDOFF_SEAT, CARD_STATE_DRAINING, "open-screen" },
		{ "drain", HANDOFF_BROKER, CARD_STATE_DRAINING, "undrain" },
		{ "detach", HANDOFF_BROKER, CARD_STATE_DETACHING, "give-back", true },
		{ "eject", HANDOFF_SEAT, CARD_STATE_EJECTING, "?" },
		{ "take-back", HANDOFF_BROKER, CARD_STATE_EJECTING, "?" },
		{ "sanitize", HANDOFF_BROKER, CARD_STATE_SANITIZING, "?", true },
		{ "lend", HANDOFF_BROKER, CARD_STATE_ATTACHING, "take-back" },
		{ "attach", HANDOFF_SEAT, CARD_STATE_ATTACHING, "eject" },
		{ "confirm", HANDOFF_SEAT, CARD_STATE_GUEST, "?" },
		{ "give-back", HANDOFF_BROKER, CARD_STATE_RETURNING, "?", true },
		{ "open-screen", HANDOFF_SEAT, CARD_STATE_HOST, "?" },
		{ "undrain", HANDOFF_BROKER, CARD_STATE_DRAINING, "?" },
	};

	for (int i = 0; i < HANDOFF_STAGE_COUNT; i++) {
		const struct handoff_row *row = handoff_row((enum handoff_stage)i);

		assert_string_equal(handoff_stage_name((enum handoff_stage)i), expected[i].name);
		assert_int_equal(row->actor, expected[i].actor);
		assert_int_equal(row->state, expected[i].state);
		assert_string_equal(handoff_stage_name(row->undo), expected[i].undo);
		assert_true(row->soft_usec < row->hard_usec && row->late);
		assert_true(row->retry_usec < row->hard_usec && row->ask_usec < row->hard_usec);
		assert_true(row->undo == HANDOFF_NONE ||
			    (handoff_row(row->undo)->undoes & HANDOFF_BIT(i)));
		assert_int_equal((row->flags & HANDOFF_ROW_KERNEL) != 0, expected[i].kernel);
	}
	assert_string_equal(handoff_stage_name(HANDOFF_STAGE_COUNT), "?");
}

/* One stage that fails, by its name. */
static void plan_failure(struct world *world, struct outcome *outcome)
{
	const char *stage = world->data;

	if (stage && strcmp(handoff_stage_name(world->stage), stage) == 0) {
		*outcome = (struct outcome){ 1000, -EIO, false };
	}
}

/* The order of stages, whole and when one fails: undone latest first. */
static const struct {
	uint32_t from, to, home;
	const char *failing, *expected;
	enum card_state rest;
} orders[] = {
	{ HANDOFF_HOST, GUEST_A, HANDOFF_HOST, NULL,
	  "prepare close-screen drain detach sanitize lend attach confirm done.",
	  CARD_STATE_GUEST },
	{ HANDOFF_HOST, GUEST_A, HANDOFF_HOST, "prepare", "prepare failed.", CARD_STATE_HOST },
	{ HANDOFF_HOST, GUEST_A, HANDOFF_HOST, "close-screen",
	  "prepare close-screen open-screen failed.", CARD_STATE_HOST },
	{ HANDOFF_HOST, GUEST_A, HANDOFF_HOST, "drain",
	  "prepare close-screen drain undrain open-screen failed.", CARD_STATE_HOST },
	{ HANDOFF_HOST, GUEST_A, HANDOFF_HOST, "detach",
	  "prepare close-screen drain detach undrain open-screen failed.", CARD_STATE_HOST },
	{ HANDOFF_HOST, GUEST_A, HANDOFF_HOST, "sanitize",
	  "prepare close-screen drain detach sanitize give-back open-screen failed.",
	  CARD_STATE_HOST },
	{ HANDOFF_HOST, GUEST_A, HANDOFF_HOST, "lend",
	  "prepare close-screen drain detach sanitize lend give-back open-screen failed.",
	  CARD_STATE_HOST },
	{ HANDOFF_HOST, GUEST_A, HANDOFF_HOST, "attach",
	  "prepare close-screen drain detach sanitize lend attach "
	  "eject take-back sanitize give-back open-screen failed.",
	  CARD_STATE_HOST },
	{ HANDOFF_HOST, GUEST_A, HANDOFF_HOST, "confirm",
	  "prepare close-screen drain detach sanitize lend attach confirm done.",
	  CARD_STATE_GUEST },
	{ HANDOFF_HOST, GUEST_A, HANDOFF_POOL, "detach",
	  "prepare close-screen drain detach undrain open-screen failed.", CARD_STATE_HOST },
	{ HANDOFF_HOST, GUEST_A, HANDOFF_POOL, "sanitize",
	  "prepare close-screen drain detach sanitize failed.", CARD_STATE_POOL },
	{ HANDOFF_HOST, GUEST_A, HANDOFF_POOL, "lend",
	  "prepare close-screen drain detach sanitize lend failed.", CARD_STATE_POOL },
	{ HANDOFF_HOST, GUEST_A, HANDOFF_POOL, "attach",
	  "prepare close-screen drain detach sanitize lend attach eject take-back sanitize failed.",
	  CARD_STATE_POOL },
	{ HANDOFF_HOST, HANDOFF_POOL, HANDOFF_POOL, NULL,
	  "prepare close-screen drain detach sanitize done.", CARD_STATE_POOL },
	{ GUEST_A, GUEST_B, HANDOFF_HOST, NULL,
	  "prepare eject take-back sanitize lend attach confirm done.", CARD_STATE_GUEST },
	{ GUEST_A, GUEST_B, HANDOFF_HOST, "prepare", "prepare failed.", CARD_STATE_GUEST },
	{ GUEST_A, GUEST_B, HANDOFF_HOST, "eject", "prepare eject failed.", CARD_STATE_GUEST },
	{ GUEST_A, GUEST_B, HANDOFF_HOST, "take-back", "prepare eject take-back failed.",
	  CARD_STATE_GUEST },
	{ GUEST_A, GUEST_B, HANDOFF_HOST, "sanitize",
	  "prepare eject take-back sanitize give-back open-screen failed.", CARD_STATE_HOST },
	{ GUEST_A, GUEST_B, HANDOFF_HOST, "lend",
	  "prepare eject take-back sanitize lend give-back open-screen failed.", CARD_STATE_HOST },
	{ GUEST_A, GUEST_B, HANDOFF_POOL, "lend", "prepare eject take-back sanitize lend failed.",
	  CARD_STATE_POOL },
	{ GUEST_A, GUEST_B, HANDOFF_HOST, "attach",
	  "prepare eject take-back sanitize lend attach "
	  "eject take-back sanitize give-back open-screen failed.",
	  CARD_STATE_HOST },
	{ GUEST_A, HANDOFF_HOST, HANDOFF_HOST, NULL,
	  "prepare eject take-back sanitize give-back open-screen done.", CARD_STATE_HOST },
	{ GUEST_A, HANDOFF_HOST, HANDOFF_POOL, "sanitize",
	  "prepare eject take-back sanitize give-back open-screen done.", CARD_STATE_HOST },
	{ GUEST_A, HANDOFF_HOST, HANDOFF_HOST, "give-back",
	  "prepare eject take-back sanitize give-back failed.", CARD_STATE_POOL },
	{ GUEST_A, HANDOFF_HOST, HANDOFF_HOST, "open-screen",
	  "prepare eject take-back sanitize give-back open-screen done.", CARD_STATE_HOST },
	{ HANDOFF_POOL, GUEST_B, HANDOFF_HOST, NULL, "prepare sanitize lend attach confirm done.",
	  CARD_STATE_GUEST },
	{ HANDOFF_POOL, GUEST_B, HANDOFF_HOST, "prepare", "prepare failed.", CARD_STATE_POOL },
};

static void test_orders(void **state)
{
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		struct world world;

		world_init(&world, orders[i].from, orders[i].home);
		world.plan = plan_failure;
		world.data = (void *)orders[i].failing;
		world_start(&world, orders[i].to);
		world_run(&world);
		if (strcmp(world.log + 1, orders[i].expected) != 0 ||
		    world.handoff.state != orders[i].rest) {
			world_fail(&world, "not %s", orders[i].expected);
		}
	}
}

/* A clean card from the pool is not reset again, nor one that comes back to its last user's host.
 */
static void test_one_reset(void **state)
{
	struct world world;

	world_init(&world, GUEST_A, HANDOFF_POOL);
	world_start(&world, HANDOFF_POOL);
	world_run(&world);
	world_start(&world, GUEST_B);
	world_run(&world);
	assert_string_equal(world.log, " prepare eject take-back sanitize done."
				       " prepare lend attach confirm done.");
}

/* The guest does not let go. */
static void plan_stubborn(struct world *world, struct outcome *outcome)
{
	if (world->stage == HANDOFF_EJECT) {
		*outcome = (struct outcome){ NEVER, 0, false };
	}
}

static void run_until(struct world *world, uint64_t usec)
{
	while (handoff_deadline(&world->handoff) <= usec ||
	       (world->busy && world->answer_at <= usec)) {
		world_step(world);
	}
	world->now = usec;
}

static void test_eject_schedule(void **state)
{
	static const struct {
		uint64_t msec;
		unsigned int repeats;
		bool asking;
	} steps[] = { { 1999, 0, false },  { 2000, 1, false }, { 4999, 1, false },
		      { 5000, 2, false },  { 9999, 2, false }, { 10000, 3, false },
		      { 11999, 3, false }, { 12000, 3, true }, { 19999, 3, true },
		      { 20000, 4, true },  { 30000, 5, true }, { 119999, 13, true } };
	struct world world;
	uint64_t begun;

	world_init(&world, GUEST_A, HANDOFF_HOST);
	world.plan = plan_stubborn;
	world_start(&world, GUEST_B);
	world_step(&world);
	begun = world.handoff.stage_usec;
	assert_string_equal(world.handoff.text, "");
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		run_until(&world, begun + steps[i].msec * 1000);
		assert_int_equal(world.repeats, steps[i].repeats);
		assert_int_equal(world.handoff.asking, steps[i].asking);
	}
	assert_string_equal(world.handoff.text, "The guest has not let go of the card yet.");
	world_run(&world);
	assert_int_equal(world.now, begun + 120 * SEC);
	assert_int_equal(world.error, -ETIMEDOUT);
	assert_int_equal(world.handoff.owner, GUEST_A);
	assert_string_equal(world.handoff.text, "eject did not end within 120 s. The guest has not "
						"let go of the card yet.");
}

/* Each answer, to a guest that does not let go by itself. */
static void test_answers(void **state)
{
	static const struct {
		enum handoff_answer answer;
		const char *expected;
		uint32_t owner;
	} answers[] = {
		{ HANDOFF_ANSWER_WAIT, " prepare eject * * * ? * * * ? * * * * * * * * * * - failed.", GUEST_A },
		{ HANDOFF_ANSWER_RESET,
		  " prepare eject * * * ? reset take-back sanitize lend attach confirm done.",
		  GUEST_B },
		{ HANDOFF_ANSWER_KILL,
		  " prepare eject * * * ? kill A-dies - take-back sanitize lend attach confirm done.",
		  GUEST_B },
		{ HANDOFF_ANSWER_ABORT, " prepare eject * * * ? - failed.", GUEST_A },
	};

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct world world;

		world_init(&world, GUEST_A, HANDOFF_HOST);
		world.plan = plan_stubborn;
		world_start(&world, GUEST_B);
		assert_int_equal(handoff_answer(&world.handoff, answers[i].answer, world.now),
				 -EINVAL);
		run_until(&world, world.now + 20 * SEC);
		world.budget += 120 * SEC;
		assert_int_equal(handoff_answer(&world.handoff, answers[i].answer, world.now), 0);
		world.asked = world.handoff.asking;
		assert_int_equal(handoff_answer(&world.handoff, answers[i].answer, world.now),
				 -EINVAL);
		if (answers[i].answer == HANDOFF_ANSWER_KILL) {
			world_kill(&world, GUEST_A);
		}
		world_run(&world);
		assert_string_equal(world.log, answers[i].expected);
		assert_int_equal(world.handoff.owner, answers[i].owner);
	}
}

/* After the answer that it stays, the guest lets go nevertheless: the card goes home. */
static void test_late_release(void **state)
{
	struct world world;

	world_init(&world, GUEST_A, HANDOFF_HOST);
	handoff_guest_released(&world.handoff, GUEST_B, world.now);
	assert_false(world.handoff.active);
	world.device[1] = false;
	world_tell_released(&world);
	assert_true(world.handoff.undoing);
	world_run(&world);
	assert_false(world.handoff.undoing);
	assert_string_equal(world.log, " released take-back sanitize give-back open-screen done.");
	assert_int_equal(world.handoff.state, CARD_STATE_HOST);

	/* While it is being looked whether the card can move: there is nothing to eject then. */
	world_init(&world, GUEST_A, HANDOFF_HOST);
	world_start(&world, GUEST_B);
	world.device[1] = false;
	world_tell_released(&world);
	world_run(&world);
	assert_string_equal(world.log,
			    " prepare released take-back sanitize lend attach confirm done.");

	/* Without a broker nothing can be done; it will be seen from its facts. */
	world_broker_gone(&world, false);
	world.device[2] = false;
	world_tell_released(&world);
	assert_false(world.handoff.active);
	world_resync(&world);
	world_run(&world);
	assert_int_equal(world.handoff.state, CARD_STATE_HOST);
}

/* A seat that was stopped for a while asks the guest once more, not three times. */
static void test_late_tick(void **state)
{
	struct world world;

	world_init(&world, GUEST_A, HANDOFF_HOST);
	world.plan = plan_stubborn;
	world_start(&world, GUEST_B);
	world_step(&world);
	handoff_tick(&world.handoff, world.handoff.stage_usec + 11 * SEC);
	assert_int_equal(world.repeats, 1);
	assert_int_equal(world.handoff.schedule.repeats, 3);
	assert_true(handoff_deadline(&world.handoff) == world.handoff.stage_usec + 12 * SEC);
}

/* One stage that is never answered, whether it is done or not. */
static void plan_silence(struct world *world, struct outcome *outcome)
{
	const char *stage = world->data;

	if (strcmp(handoff_stage_name(world->stage), stage + 1) == 0) {
		*outcome = (struct outcome){ NEVER, 0, *stage == '+' };
	}
}

/* What is done by half is undone; what only the kernel can end is left alone. */
static void test_silence(void **state)
{
	static const struct {
		const char *silent, *expected;
		enum card_state rest;
	} cases[] = {
		{ "+close-screen", " prepare close-screen - open-screen failed.", CARD_STATE_HOST },
		{ "+drain", " prepare close-screen drain - undrain open-screen failed.",
		  CARD_STATE_HOST },
		{ "-detach", " prepare close-screen drain detach - failed.", CARD_STATE_WEDGED },
		{ "-sanitize", " prepare close-screen drain detach sanitize - failed.",
		  CARD_STATE_WEDGED },
		{ "+lend",
		  " prepare close-screen drain detach sanitize lend - take-back sanitize give-back "
		  "open-screen failed.",
		  CARD_STATE_HOST },
		{ "+attach",
		  " prepare close-screen drain detach sanitize lend attach - eject take-back "
		  "sanitize give-back open-screen failed.",
		  CARD_STATE_HOST },
		{ "-confirm",
		  " prepare close-screen drain detach sanitize lend attach confirm - done.",
		  CARD_STATE_GUEST },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world world;

		world_init(&world, HANDOFF_HOST, HANDOFF_HOST);
		world.plan = plan_silence;
		world.data = (void *)cases[i].silent;
		world_start(&world, GUEST_A);
		world_run(&world);
		assert_string_equal(world.log, cases[i].expected);
		assert_int_equal(world.handoff.state, cases[i].rest);
	}
}

/* Nobody waits for a guest that has ended: on its stage it is gone at once. */
static void test_dead_receiver(void **state)
{
	static const struct {
		const char *silent, *expected;
	} cases[] = {
		{ "-prepare", " prepare A-dies - failed." },
		{ "+close-screen", " prepare close-screen A-dies - open-screen failed." },
		{ "-attach",
		  " prepare close-screen drain detach sanitize lend attach A-dies - take-back "
		  "sanitize give-back open-screen failed." },
		{ "-confirm",
		  " prepare close-screen drain detach sanitize lend attach confirm A-dies - "
		  "take-back sanitize give-back open-screen failed." },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world world;

		world_init(&world, HANDOFF_HOST, HANDOFF_HOST);
		world.plan = plan_silence;
		world.data = (void *)cases[i].silent;
		world_start(&world, GUEST_A);
		while (world.answer_at != NEVER) {
			world_step(&world);
		}
		world_kill(&world, GUEST_A);
		world_run(&world);
		assert_string_equal(world.log, cases[i].expected);
		assert_int_equal(world.error, -ESRCH);
		assert_true(world.now - world.way_begun < SEC);
	}
}

static void plan_busy(struct world *world, struct outcome *outcome)
{
	if (strcmp(handoff_stage_name(world->stage), world->data) == 0) {
		*outcome = (struct outcome){ 0, -EBUSY, false };
	}
}

static unsigned int count_char(const char *text, char c)
{
	unsigned int n = 0;

	for (; *text; text++) {
		n += *text == c;
	}
	return n;
}

/* Tried again after 10, 20, 40, 80, 160, 320, 640 ms and then each second, for 15 s. */
static void test_busy(void **state)
{
	static const char *const stages[] = { "drain", "take-back", "give-back" };

	for (size_t i = 0; i < 3; i++) {
		struct world world;

		world_init(&world, i == 0 ? HANDOFF_HOST : GUEST_A, HANDOFF_HOST);
		world.plan = plan_busy;
		world.data = (void *)stages[i];
		world_start(&world, i == 0 ? GUEST_A : HANDOFF_HOST);
		world_run(&world);
		assert_int_equal(world.error, -EBUSY);
		assert_int_equal(count_char(world.log, '+'), 20);
		assert_true(world.now - world.way_begun > 14 * SEC);
		assert_true(world.now - world.way_begun <= 15 * SEC + 10000);
	}
}

/* Nobody waits for programs to close a card that nobody wants any more. */
static void test_drain_for_the_dead(void **state)
{
	for (int pausing = 0; pausing < 2; pausing++) {
		struct world world;

		world_init(&world, HANDOFF_HOST, HANDOFF_HOST);
		world.plan = plan_busy;
		world.data = "drain";
		world_start(&world, GUEST_A);
		while (world.handoff.stage != HANDOFF_DRAIN || world.busy == pausing) {
			world_step(&world);
		}
		world_kill(&world, GUEST_A);
		world_run(&world);
		assert_string_equal(world.log, " prepare close-screen drain A-dies undrain "
					       "open-screen failed.");
	}
}

/* A way whose take-back is busy, until the person is asked, with a retry under way or not. */
static void run_until_asked(struct world *world, bool pausing)
{
	world_init(world, GUEST_A, HANDOFF_HOST);
	world->plan = plan_busy;
	world->data = "take-back";
	world_start(world, GUEST_B);
	while (!world->handoff.asking || world->busy == pausing) {
		world_step(world);
	}
	*world->log = '\0';
}

static void test_take_back_abort(void **state)
{
	for (int pausing = 0; pausing < 2; pausing++) {
		struct world world;

		run_until_asked(&world, pausing);
		assert_int_equal(handoff_answer(&world.handoff, HANDOFF_ANSWER_ABORT, world.now),
				 0);
		assert_false(world.handoff.asking);
		world_run(&world);
		assert_string_equal(world.log, " failed.");
		assert_int_equal(world.error, -ECANCELED);
		assert_int_equal(world.handoff.owner, GUEST_A);
	}
}

/* The borrower dies: the question is void, and there is time for its descriptors once more. */
static void test_take_back_from_the_dead(void **state)
{
	for (int pausing = 0; pausing < 2; pausing++) {
		struct world world;

		run_until_asked(&world, pausing);
		if (!pausing) {
			handoff_answer(&world.handoff, HANDOFF_ANSWER_ABORT, world.now);
		}
		run_until(&world, world.handoff.schedule.base_usec + (pausing ? 14 * SEC : 0));
		*world.log = '\0';
		world_kill(&world, GUEST_A);
		assert_false(world.handoff.asking);
		assert_true(world.busy);
		run_until(&world, world.now + 4 * SEC);
		assert_int_equal(world.handoff.stage, HANDOFF_TAKE_BACK);
		assert_false(world.handoff.asking);
		world.plan = NULL;
		world_run(&world);
		assert_int_equal(world.error, 0);
		assert_int_equal(world.handoff.owner, GUEST_B);
	}
}

static void report(struct world *world, enum handoff_stage stage, int error, const char *text)
{
	struct handoff_result result = { error, text };

	world->busy &= stage != world->stage;
	handoff_report(&world->handoff, stage, &result, world->now);
}

/* Reports of stages that are not under way: too early, too late, of a retry that was not begun. */
static void test_stray_reports(void **state)
{
	struct world world;

	world_init(&world, HANDOFF_HOST, HANDOFF_HOST);
	report(&world, HANDOFF_PREPARE, 0, NULL);
	assert_int_equal(world.begun, 0);
	world_start(&world, GUEST_A);
	report(&world, HANDOFF_DRAIN, 0, NULL);
	assert_int_equal(world.begun, 1);
	report(&world, HANDOFF_PREPARE, 0, NULL);
	report(&world, HANDOFF_PREPARE, -EIO, "late");
	world_step(&world);
	report(&world, HANDOFF_DRAIN, -EBUSY, "kwin has it open.");
	assert_string_equal(world.handoff.text, "kwin has it open.");
	report(&world, HANDOFF_DRAIN, 0, NULL);
	assert_int_equal(world.handoff.stage, HANDOFF_DRAIN);
	assert_int_equal(world.begun, 3);
	world.busy = false;
	world_run(&world);
	assert_int_equal(world.error, 0);
}

static void test_refusals(void **state)
{
	struct world world;

	world_init(&world, GUEST_A, HANDOFF_HOST);
	assert_int_equal(handoff_start(&world.handoff, GUEST_A, world.now), -EALREADY);
	assert_int_equal(handoff_answer(&world.handoff, HANDOFF_ANSWER_KILL, world.now), -EINVAL);
	assert_true(handoff_deadline(&world.handoff) == NEVER);
	handoff_tick(&world.handoff, world.now);
	world_start(&world, GUEST_B);
	assert_int_equal(handoff_start(&world.handoff, HANDOFF_HOST, world.now), -EBUSY);
	world_run(&world);
	world_broker_gone(&world, false);
	assert_int_equal(handoff_start(&world.handoff, HANDOFF_HOST, world.now), -ENOTCONN);
	world.broker = true;
	handoff_resync(&world.handoff, CARD_STATE_GUEST, GUEST_B, world.now);
	assert_false(world.handoff.active);
	world_start(&world, HANDOFF_HOST);
	world_run(&world);
	assert_int_equal(world.error, 0);
}

/* A broker whose connection breaks is gone, whoever says it first. */
static void test_broken_connection(void **state)
{
	struct world world;

	world_init(&world, GUEST_A, HANDOFF_HOST);
	world_start(&world, GUEST_B);
	while (world.handoff.stage != HANDOFF_SANITIZE) {
		world_step(&world);
	}
	report(&world, HANDOFF_SANITIZE, -ECONNRESET, NULL);
	assert_int_equal(world.error, -ENOTCONN);
	assert_int_equal(handoff_start(&world.handoff, GUEST_B, world.now), -ENOTCONN);
	handoff_broker_gone(&world.handoff, world.now);
	assert_int_equal(world.finished, 1);
	world_resync(&world);
	world_run(&world);
	world_check_rest(&world);
	assert_int_equal(world.handoff.state, CARD_STATE_HOST);
}

static void test_sentences(void **state)
{
	struct world world;

	world_init(&world, HANDOFF_HOST, HANDOFF_HOST);
	world_start(&world, GUEST_A);
	handoff_progress(&world.handoff, HANDOFF_DRAIN, "not under way");
	assert_string_equal(world.handoff.text, "");
	handoff_progress(&world.handoff, HANDOFF_PREPARE, "thinking");
	assert_string_equal(world.handoff.text, "thinking");
	handoff_tick(&world.handoff, world.handoff.stage_usec + 2 * SEC);
	assert_true(world.handoff.schedule.late);
	assert_string_equal(world.handoff.text, "thinking");
	report(&world, HANDOFF_PREPARE, 0, NULL);
	report(&world, HANDOFF_CLOSE_SCREEN, -EPERM, NULL);
	assert_string_equal(world.handoff.text, "close-screen failed: Operation not permitted.");
	report(&world, HANDOFF_OPEN_SCREEN, -EIO, "The second failure.");
	assert_string_equal(world.handoff.text, "close-screen failed: Operation not permitted.");
	assert_int_equal(world.error, -EPERM);

	/* A warning stays to be read, and gives way to a failure. */
	world_start(&world, GUEST_A);
	assert_string_equal(world.handoff.text, "");
	while (world.handoff.stage != HANDOFF_CONFIRM) {
		world_step(&world);
	}
	report(&world, HANDOFF_CONFIRM, -EIO, "The guest has no driver for it.");
	assert_int_equal(world.error, 0);
	assert_string_equal(world.handoff.text, "The guest has no driver for it.");
	world_start(&world, HANDOFF_HOST);
	while (world.handoff.stage != HANDOFF_SANITIZE) {
		world_step(&world);
	}
	world.reset_failed = true;
	report(&world, HANDOFF_SANITIZE, -EIO, "It was not reset.");
	assert_string_equal(world.handoff.text, "It was not reset.");
	report(&world, HANDOFF_GIVE_BACK, -EIO, "No driver.");
	assert_int_equal(world.error, -EIO);
	assert_string_equal(world.handoff.text, "No driver.");
}

/* Facts of an idle card: nothing new does nothing, news are followed. */
static void test_news(void **state)
{
	struct world world;

	world_init(&world, GUEST_A, HANDOFF_POOL);
	handoff_resync(&world.handoff, CARD_STATE_GUEST, GUEST_A, world.now);
	assert_string_equal(world.log, "");
	world_start(&world, HANDOFF_POOL);
	handoff_resync(&world.handoff, CARD_STATE_HOST, HANDOFF_HOST, world.now);
	world_run(&world);
	handoff_resync(&world.handoff, CARD_STATE_POOL, HANDOFF_POOL, world.now);
	assert_string_equal(world.log, " prepare eject take-back sanitize done.");
	/* The broker returned it by itself: the screens come back. */
	world.drivers = DRIVERS_HOST;
	world.drained = false;
	world_resync(&world);
	world_run(&world);
	world_check_rest(&world);
	assert_true(world.screen_open);
	/* Another seat's doing: whoever has it has it. */
	world.drivers = DRIVERS_VFIO;
	world.lent_to = GUEST_A;
	world.device[1] = world.drained = true;
	world.screen_open = false;
	world_resync(&world);
	assert_int_equal(world.handoff.owner, GUEST_A);
	world.lent_to = GUEST_B;
	world.device[1] = false;
	world.device[2] = true;
	world_resync(&world);
	assert_int_equal(world.handoff.owner, GUEST_B);
	world_start(&world, HANDOFF_HOST);
	world_run(&world);
	/* The card is pulled out, at rest and on its way. */
	world.lost = true;
	world_resync(&world);
	assert_int_equal(world.handoff.state, CARD_STATE_LOST);
	world.lost = false;
	world_resync(&world);
	world_run(&world);
	assert_int_equal(world.handoff.state, CARD_STATE_HOST);
	world_start(&world, GUEST_A);
	world.lost = true;
	world_resync(&world);
	assert_int_equal(world.handoff.state, CARD_STATE_LOST);
	assert_int_equal(world.error, -EIO);
	assert_int_equal(world.abandoned, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_one_reset),
		cmocka_unit_test(test_eject_schedule),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_late_release),
		cmocka_unit_test(test_late_tick),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_dead_receiver),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_drain_for_the_dead),
		cmocka_unit_test(test_take_back_abort),
		cmocka_unit_test(test_take_back_from_the_dead),
		cmocka_unit_test(test_stray_reports),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_broken_connection),
		cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_news),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
