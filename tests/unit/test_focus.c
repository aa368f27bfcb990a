// SPDX-License-Identifier: MIT
/*
 * The plan, exhaustively: every sequence of requests up to a length over three guests, against a
 * model that is written differently (a list of names with the walk's start remembered). Then the
 * transaction: order, rollback, refusal of a request from inside.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "focus/focus.h"

#define GUESTS 3
#define DEPTH 6

static const uint32_t by_slot[GUESTS] = { 1, 2, 3 };

/* The model: the order of use as digits; the walk as the digits in the order at its start. */
struct model {
	uint32_t order[GUESTS]; /* most recently used first */
	uint32_t current;       /* 0: none */
};

static void model_use(struct model *m, uint32_t guest)
{
	uint32_t rest[GUESTS];
	size_t n = 0;

	for (size_t i = 0; i < GUESTS; i++) {
		if (m->order[i] != guest) {
			rest[n++] = m->order[i];
		}
	}
	m->order[0] = guest;
	memcpy(&m->order[1], rest, sizeof(rest[0]) * (GUESTS - 1));
}

static uint32_t model_after(const struct model *m, uint32_t guest)
{
	for (size_t i = 0; i < GUESTS; i++) {
		if (m->order[i] == guest) {
			return m->order[(i + 1) % GUESTS];
		}
	}
	return m->order[0];
}

static void model_apply(struct model *m, const struct focus_request *request)
{
	/* Whatever is no step of a walk ends it: where one is counts as used. */
	if (request->kind != FOCUS_REQUEST_RECENT && m->current) {
		model_use(m, m->current);
	}
	switch (request->kind) {
	case FOCUS_REQUEST_GUEST:
		m->current = request->guest <= GUESTS ? request->guest : m->current;
		break;
	case FOCUS_REQUEST_RECENT:
		m->current = m->current ? model_after(m, m->current) : m->order[0];
		return;
	case FOCUS_REQUEST_SETTLE:
		break;
	case FOCUS_REQUEST_BACK:
		m->current = m->current ? m->order[1] : m->order[0];
		break;
	case FOCUS_REQUEST_NEXT:
		m->current = m->current % GUESTS + 1;
		break;
	case FOCUS_REQUEST_NONE:
		m->current = 0;
		break;
	}
	if (m->current) {
		model_use(m, m->current);
	}
}

static const struct focus_request alphabet[] = {
	{ .kind = FOCUS_REQUEST_GUEST, .guest = 1 },
	{ .kind = FOCUS_REQUEST_GUEST, .guest = 3 },
	{ .kind = FOCUS_REQUEST_GUEST, .guest = 99 },
	{ .kind = FOCUS_REQUEST_RECENT },
	{ .kind = FOCUS_REQUEST_SETTLE },
	{ .kind = FOCUS_REQUEST_BACK },
	{ .kind = FOCUS_REQUEST_NEXT, .by_slot = by_slot },
	{ .kind = FOCUS_REQUEST_NONE },
};
#define LETTERS (sizeof(alphabet) / sizeof(alphabet[0]))

static unsigned long walked;

static void walk(const struct focus_state *state, const struct model *model, int depth)
{
	for (size_t i = 0; i < LETTERS; i++) {
		struct focus_plan plan = focus_plan(state, &alphabet[i]);
		struct model m = *model;

		model_apply(&m, &alphabet[i]);
		walked++;
		assert_int_equal(plan.from, focus_state_current(state));
		assert_int_equal(plan.to, m.current);
		assert_int_equal(plan.change, plan.from != plan.to);
		assert_int_equal(plan.after.count, GUESTS);
		if (depth > 1) {
			walk(&plan.after, &m, depth - 1);
		}
	}
}

static void test_plan_all_sequences(void **fixture)
{
	struct focus_state state = { 0 };
	struct model model = { .order = { 1, 2, 3 } };

	(void)fixture;
	for (uint32_t guest = 1; guest <= GUESTS; guest++) {
		focus_state_add(&state, guest);
	}
	walk(&state, &model, DEPTH);
	print_message("%lu requests\n", walked);
}

static void test_plan_without_guests(void **fixture)
{
	struct focus_state state = { 0 };

	(void)fixture;
	for (size_t i = 0; i < LETTERS; i++) {
		struct focus_plan plan = focus_plan(&state, &alphabet[i]);

		assert_false(plan.change);
		assert_int_equal(plan.to, 0);
	}
}

static void test_remove_ends_the_walk_and_the_focus(void **fixture)
{
	struct focus_state state = { 0 };

	(void)fixture;
	for (uint32_t guest = 1; guest <= GUESTS; guest++) {
		focus_state_add(&state, guest);
	}
	state = focus_plan(&state, &alphabet[0]).after; /* guest 1 */
	state = focus_plan(&state, &alphabet[3]).after; /* walk to 2 */
	focus_state_remove(&state, 2);
	assert_int_equal(focus_state_current(&state), 0);
	assert_int_equal(state.count, 2);
	focus_state_remove(&state, 7);
	assert_int_equal(state.count, 2);
	focus_state_add(&state, 3);
	assert_int_equal(state.count, 2);
}

static void test_state_is_bounded(void **fixture)
{
	struct focus_state state = { 0 };

	(void)fixture;
	for (uint32_t guest = 1; guest <= FOCUS_GUESTS_MAX + 5; guest++) {
		focus_state_add(&state, guest);
	}
	assert_int_equal(state.count, FOCUS_GUESTS_MAX);
}

/* ---- the transaction ---- */

static char journal[256];
static int refusing = -1; /* which participant's prepare fails */
static struct focus *inside;

static void note(const char *what, int who)
{
	size_t n = strlen(journal);

	snprintf(journal + n, sizeof(journal) - n, "%s%d ", what, who);
}

static int prepare(void *data, uint32_t from, uint32_t to)
{
	int who = (int)(intptr_t)data;

	(void)from, (void)to;
	note("p", who);
	return who == refusing ? -EIO : 0;
}

static void commit(void *data, uint32_t from, uint32_t to)
{
	(void)from, (void)to;
	note("c", (int)(intptr_t)data);
	if (inside) {
		assert_int_equal(focus_request(inside, &alphabet[0]), -EBUSY);
	}
}

static void rollback(void *data, uint32_t from, uint32_t to)
{
	(void)from, (void)to;
	note("r", (int)(intptr_t)data);
}

static void make_focus(struct focus *focus, struct focus_participant *participants, size_t n)
{
	focus_init(focus);
	for (size_t i = 0; i < n; i++) {
		participants[i] = (struct focus_participant){
			.name = "test",
			.prepare = prepare,
			.commit = commit,
			.rollback = rollback,
			.data = (void *)(intptr_t)i,
		};
		focus_add_participant(focus, &participants[i]);
	}
	for (uint32_t guest = 1; guest <= GUESTS; guest++) {
		focus_add_guest(focus, guest);
	}
	journal[0] = '\0';
	refusing = -1;
	inside = NULL;
}

static void test_transaction(void **fixture)
{
	struct focus_participant participants[3];
	struct focus focus;

	(void)fixture;
	make_focus(&focus, participants, 3);
	assert_int_equal(focus_request(&focus, &alphabet[0]), 1);
	assert_string_equal(journal, "p0 p1 p2 c0 c1 c2 ");
	assert_int_equal(focus_current(&focus), 1);

	journal[0] = '\0';
	assert_int_equal(focus_request(&focus, &alphabet[0]), 0);
	assert_string_equal(journal, "");
}

static void test_transaction_rolls_back(void **fixture)
{
	struct focus_participant participants[3];
	struct focus focus;

	(void)fixture;
	make_focus(&focus, participants, 3);
	refusing = 2;
	assert_int_equal(focus_request(&focus, &alphabet[0]), -EIO);
	assert_string_equal(journal, "p0 p1 p2 r1 r0 ");
	assert_int_equal(focus_current(&focus), 0);
}

static void test_transaction_refuses_nesting(void **fixture)
{
	struct focus_participant participants[1];
	struct focus focus;

	(void)fixture;
	make_focus(&focus, participants, 1);
	inside = &focus;
	assert_int_equal(focus_request(&focus, &alphabet[1]), 1);
	assert_int_equal(focus_current(&focus), 3);
}

static void test_removing_the_guest_in_front(void **fixture)
{
	struct focus_participant participants[1];
	struct focus focus;

	(void)fixture;
	make_focus(&focus, participants, 1);
	focus_request(&focus, &alphabet[0]);
	journal[0] = '\0';
	focus_remove_guest(&focus, 1);
	assert_string_equal(journal, "p0 c0 ");
	assert_int_equal(focus_current(&focus), 0);
	/* Back leads to the most recent of those that are left. */
	assert_int_equal(focus_request(&focus, &alphabet[5]), 1);
	assert_int_equal(focus_current(&focus), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan_all_sequences),
		cmocka_unit_test(test_plan_without_guests),
		cmocka_unit_test(test_remove_ends_the_walk_and_the_focus),
		cmocka_unit_test(test_state_is_bounded),
		cmocka_unit_test(test_transaction),
		cmocka_unit_test(test_transaction_rolls_back),
		cmocka_unit_test(test_transaction_refuses_nesting),
		cmocka_unit_test(test_removing_the_guest_in_front),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
