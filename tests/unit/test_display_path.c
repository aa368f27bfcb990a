// SPDX-License-Identifier: MIT
/* How guests' pictures come to monitors, in every situation that there is. */
#include "tests/unit/test.h"

#include <string.h>

#include "passthrough/display_path.h"

#define A DISPLAY_PATH_ABSENT
#define C DISPLAY_PATH_COMPOSITED
#define O DISPLAY_PATH_OWNED

#define CABLES 2
#define PATHS 3

static void the_table_is_what_the_rules_say(void **state)
{
	static const bool legal[CABLES][PATHS][PATHS] = {
		[DISPLAY_CABLE_ONLY] = { [A] = { [C] = true, [O] = true }, [C] = { [A] = true },
					 [O] = { [A] = true } },
		[DISPLAY_CABLE_ALSO] = { [A] = { [C] = true, [O] = true },
					 [C] = { [A] = true, [O] = true },
					 [O] = { [A] = true, [C] = true } },
	};

	(void)state;
	assert_int_equal(DISPLAY_CABLE_COUNT, CABLES);
	assert_int_equal(DISPLAY_PATH_COUNT, PATHS);
	for (unsigned int cable = 0; cable < CABLES; cable++) {
		for (unsigned int from = 0; from < PATHS; from++) {
			for (unsigned int to = 0; to < PATHS; to++) {
				assert_int_equal(display_path_may_become(cable, from, to),
						 legal[cable][from][to]);
			}
		}
	}
	assert_false(display_path_may_become(CABLES, A, C));
	assert_false(display_path_may_become(DISPLAY_CABLE_ALSO, PATHS, C));
	assert_false(display_path_may_become(DISPLAY_CABLE_ALSO, A, PATHS));
}

/* From everywhere to everywhere in at most two steps, each of them legal. */
static void every_way_has_legal_steps(void **state)
{
	(void)state;
	for (unsigned int cable = 0; cable < CABLES; cable++) {
		for (unsigned int from = 0; from < PATHS; from++) {
			for (unsigned int to = 0; to < PATHS; to++) {
				enum display_path at = from;
				unsigned int steps = 0;

				while (at != to) {
					enum display_path next = display_path_step(cable, at, to);

					assert_true(display_path_may_become(cable, at, next));
					assert_true(++steps <= 2);
					at = next;
				}
				assert_int_equal(display_path_step(cable, to, to), to);
			}
		}
	}
}

/* What the sentences of display_path.h say, for one situation. */
static enum display_path expected(const struct display_view *view)
{
	if (view->cable == DISPLAY_CABLE_ALSO) {
		bool guests = view->switched && view->wanted;

		guests = guests && view->holds && view->hold == DISPLAY_HOLD_GUEST;
		return guests ? O : view->lit ? C : A;
	}
	if (view->lit) {
		return C;
	}
	return view->holds && view->hold != DISPLAY_HOLD_NOBODY ? O : A;
}

static void every_situation_has_its_path(void **state)
{
	unsigned int owned = 0, composited = 0, n = 0;

	(void)state;
	for (unsigned int bits = 0; bits < 1 << 5; bits++) {
		for (unsigned int hold = 0; hold < DISPLAY_HOLD_COUNT; hold++, n++) {
			const struct display_view view = {
				.cable = bits & 1 ? DISPLAY_CABLE_ALSO : DISPLAY_CABLE_ONLY,
				.lit = bits & 2, .switched = bits & 4, .wanted = bits & 8,
				.holds = bits & 16, .hold = hold,
			};
			enum display_path path = display_path_of(&view);

			assert_int_equal(path, expected(&view));
			owned += path == O;
			composited += path == C;
		}
	}
	assert_int_equal(n, 96);
	assert_int_equal(owned, 2 + 8); /* ALSO: lit or not; ONLY: two holds, two bits without meaning */
	assert_int_equal(composited, 48 - 1);
}

static void who_does_not_hold_the_card_owns_nothing(void **state)
{
	(void)state;
	for (unsigned int bits = 0; bits < 1 << 4; bits++) {
		for (unsigned int hold = 0; hold < DISPLAY_HOLD_COUNT; hold++) {
			const struct display_view view = {
				.cable = bits & 1 ? DISPLAY_CABLE_ALSO : DISPLAY_CABLE_ONLY,
				.lit = bits & 2, .switched = bits & 4, .wanted = bits & 8,
				.hold = hold,
			};

			assert_int_not_equal(display_path_of(&view), O);
		}
	}
}

static void a_card_is_held_while_its_guest_has_it(void **state)
{
	(void)state;
	for (unsigned int at = 0; at < CARD_STATE_COUNT; at++) {
		enum display_hold rests = display_hold_of(at, false), moves = display_hold_of(at, true);

		if (at == CARD_STATE_GUEST) {
			assert_int_equal(rests, DISPLAY_HOLD_GUEST);
			assert_int_equal(moves, DISPLAY_HOLD_LEAVES);
		} else if (at == CARD_STATE_EJECTING) {
			assert_int_equal(rests, DISPLAY_HOLD_LEAVES);
			assert_int_equal(moves, DISPLAY_HOLD_LEAVES);
		} else {
			assert_int_equal(rests, DISPLAY_HOLD_NOBODY);
			assert_int_equal(moves, DISPLAY_HOLD_NOBODY);
		}
	}
}

/* ---- ways ---- */

/* One moment of a handoff as a guest that gets or had the card sees a monitor. */
struct moment {
	enum card_state state;
	bool moving, lit, holds, wanted;
	enum display_path only, also;
};

static void walk(const struct moment *moments, size_t n)
{
	enum display_path before[CABLES] = { A, A };

	for (size_t i = 0; i < n; i++) {
		for (unsigned int cable = 0; cable < CABLES; cable++) {
			const struct moment *m = &moments[i];
			const struct display_view view = {
				.cable = cable,
				/* The other cable's card stays. */
				.lit = m->lit || cable == DISPLAY_CABLE_ALSO,
				.switched = true, .wanted = m->wanted, .holds = m->holds,
				.hold = display_hold_of(m->state, m->moving),
			};
			enum display_path path = display_path_of(&view);

			assert_int_equal(path, cable == DISPLAY_CABLE_ONLY ? m->only : m->also);
			/* A handoff whose every stage is seen takes no step that is not legal. */
			assert_true(path == before[cable] ||
				    display_path_may_become(cable, before[cable], path));
			before[cable] = path;
		}
	}
}

#define WALK(moments) walk(moments, sizeof(moments) / sizeof((moments)[0]))

/* The host's picture goes before anything else happens to the card. */
static void on_the_way_out_the_host_goes_dark_first(void **state)
{
	static const struct moment way[] = {
		{ CARD_STATE_HOST, false, true, false, true, C, C },
		{ CARD_STATE_HOST, true, true, false, true, C, C },       /* prepare */
		{ CARD_STATE_DRAINING, true, true, false, true, C, C },   /* close-screen, begun */
		{ CARD_STATE_DRAINING, true, false, false, true, A, C },  /* … and done */
		{ CARD_STATE_DETACHING, true, false, false, true, A, C },
		{ CARD_STATE_SANITIZING, true, false, false, true, A, C },
		{ CARD_STATE_ATTACHING, true, false, false, true, A, C },
		{ CARD_STATE_GUEST, true, false, true, true, O, C },      /* confirm */
		{ CARD_STATE_GUEST, false, false, true, true, O, O },
		{ CARD_STATE_GUEST, false, false, true, false, O, C },    /* another one is in front */
		{ CARD_STATE_GUEST, false, false, true, true, O, O },
	};

	(void)state;
	WALK(way);
}

/* And it comes back after everything else; where it was on the other cable, before. */
static void on_the_way_back_the_host_is_lit_last(void **state)
{
	static const struct moment way[] = {
		{ CARD_STATE_GUEST, false, false, true, true, O, O },
		{ CARD_STATE_GUEST, true, false, true, true, O, C },      /* prepare */
		{ CARD_STATE_EJECTING, true, false, true, true, O, C },
		{ CARD_STATE_EJECTING, true, false, false, true, A, C },  /* it has let go */
		{ CARD_STATE_SANITIZING, true, false, false, true, A, C },
		{ CARD_STATE_RETURNING, true, false, false, true, A, C },
		{ CARD_STATE_HOST, true, false, false, true, A, C },      /* open-screen, begun */
		{ CARD_STATE_HOST, true, true, false, true, C, C },
		{ CARD_STATE_HOST, false, true, false, true, C, C },
	};

	(void)state;
	WALK(way);
}

/* Left with who has it: everything is as it was. */
static void a_way_that_is_given_up_ends_where_it_began(void **state)
{
	static const struct moment way[] = {
		{ CARD_STATE_GUEST, false, false, true, true, O, O },
		{ CARD_STATE_EJECTING, true, false, true, true, O, C },
		{ CARD_STATE_GUEST, false, false, true, true, O, O },
		{ CARD_STATE_EJECTING, true, false, true, true, O, C },
		{ CARD_STATE_WEDGED, false, false, false, true, A, C },
		{ CARD_STATE_LOST, false, false, false, true, A, C },
	};

	(void)state;
	WALK(way);
}

static void names_are_words(void **state)
{
	(void)state;
	assert_string_equal(display_path_name(A), "absent");
	assert_string_equal(display_path_name(C), "composited");
	assert_string_equal(display_path_name(O), "owned");
	assert_string_equal(display_path_name(PATHS), "?");
	assert_string_equal(display_cable_name(DISPLAY_CABLE_ONLY), "only");
	assert_string_equal(display_cable_name(DISPLAY_CABLE_ALSO), "also");
	assert_string_equal(display_cable_name(CABLES), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_what_the_rules_say),
		cmocka_unit_test(every_way_has_legal_steps),
		cmocka_unit_test(every_situation_has_its_path),
		cmocka_unit_test(who_does_not_hold_the_card_owns_nothing),
		cmocka_unit_test(a_card_is_held_while_its_guest_has_it),
		cmocka_unit_test(on_the_way_out_the_host_goes_dark_first),
		cmocka_unit_test(on_the_way_back_the_host_is_lit_last),
		cmocka_unit_test(a_way_that_is_given_up_ends_where_it_began),
		cmocka_unit_test(names_are_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
