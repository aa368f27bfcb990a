// SPDX-License-Identifier: MIT
/*
 * Who should have a card: stories of guests, focus and requests, each step with what must follow;
 * then every small world, with what must hold in each.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "passthrough/policy.h"

#define A 1u
#define B 2u
#define C 3u
#define SETTLE_MS 1500
#define MSEC 1000ull
#define SEC (1000 * MSEC)

#define NEVER CARD_POLICY_NEVER
#define REQUEST CARD_POLICY_ON_REQUEST
#define FOLLOW CARD_POLICY_FOLLOW_FOCUS
#define PINNED CARD_POLICY_PINNED

/* A card and three guests; whatever is decided is done at once. */
struct world {
	struct policy_guest guests[3];
	struct policy_view view;
	struct policy_state state;
	uint64_t now, again;
	unsigned int moves;
};

static void decide(struct world *w)
{
	struct policy_decision decision = policy_decide(&w->view, &w->state, w->now);

	w->state = decision.state;
	w->again = decision.again_usec;
	if (decision.owner != w->view.owner) {
		w->view.owner = decision.owner;
		w->moves++;
		policy_finished(&w->state, decision.owner, decision.owner);
	}
}

static void world_init(struct world *w, enum card_policy a, enum card_policy b, enum card_policy c)
{
	*w = (struct world){
		.guests = { { A, "a", a, true }, { B, "b", b, true }, { C, "c", c, true } },
		.view = { .card = "gpu", .settle_ms = SETTLE_MS, .guest_count = 3 },
		.now = 100 * SEC,
	};
	w->view.guests = w->guests;
	w->state = policy_start(&w->view, w->now);
	decide(w);
}

static void focus(struct world *w, uint32_t guest)
{
	w->now += 10 * MSEC;
	w->view.front = guest;
	w->view.front_usec = w->now;
	decide(w);
}

static void wait_ms(struct world *w, unsigned int ms)
{
	uint64_t end = w->now + ms * MSEC;

	while (w->again <= end) {
		assert_true(w->again > w->now);
		w->now = w->again;
		decide(w);
	}
	w->now = end;
}

static int request(struct world *w, uint32_t to)
{
	char why[128] = "";
	int r;

	w->now += 10 * MSEC;
	r = policy_request(&w->view, to, w->now, &w->state, why, sizeof(why));
	assert_int_equal(r < 0, *why != '\0');
	decide(w);
	return r;
}

static void set_alive(struct world *w, uint32_t guest, bool alive)
{
	w->now += 10 * MSEC;
	w->guests[guest - 1].alive = alive;
	if (!alive && w->view.owner == guest) {
		w->view.owner = w->view.home; /* the machine brings it home by itself */
		policy_finished(&w->state, w->state.wanted, w->view.owner);
	}
	decide(w);
}

static void test_follows_after_settling(void **state)
{
	struct world w;

	world_init(&w, FOLLOW, FOLLOW, NEVER);
	assert_int_equal(w.view.owner, HANDOFF_HOST);
	focus(&w, A);
	wait_ms(&w, SETTLE_MS - 1);
	assert_int_equal(w.view.owner, HANDOFF_HOST);
	wait_ms(&w, 1);
	assert_int_equal(w.view.owner, A);
	focus(&w, B);
	wait_ms(&w, SETTLE_MS);
	assert_int_equal(w.view.owner, B);
	assert_int_equal(w.moves, 2);
}

static void test_a_walk_moves_nothing(void **state)
{
	struct world w;

	world_init(&w, FOLLOW, FOLLOW, FOLLOW);
	focus(&w, A);
	wait_ms(&w, SETTLE_MS);
	for (int i = 0; i < 20; i++) {
		focus(&w, 1 + (unsigned int)i % 3);
		wait_ms(&w, SETTLE_MS - 1);
	}
	focus(&w, A);
	wait_ms(&w, 10 * SETTLE_MS);
	assert_int_equal(w.moves, 1);
}

/* Who has it keeps it when the focus goes to one that does not want it. */
static void test_stays_when_nobody_wants_it(void **state)
{
	struct world w;

	world_init(&w, FOLLOW, REQUEST, NEVER);
	focus(&w, A);
	wait_ms(&w, SETTLE_MS);
	focus(&w, B);
	wait_ms(&w, 10 * SETTLE_MS);
	focus(&w, C);
	wait_ms(&w, 10 * SETTLE_MS);
	focus(&w, 0);
	wait_ms(&w, 10 * SETTLE_MS);
	focus(&w, 77);
	wait_ms(&w, 10 * SETTLE_MS);
	assert_int_equal(w.view.owner, A);
	assert_int_equal(w.moves, 1);
}

static void test_a_request_holds_until_the_next_focus(void **state)
{
	struct world w;

	world_init(&w, FOLLOW, REQUEST, FOLLOW);
	focus(&w, A);
	wait_ms(&w, SETTLE_MS);
	assert_int_equal(request(&w, B), 0);
	assert_int_equal(w.view.owner, B);
	wait_ms(&w, 10 * SETTLE_MS);
	assert_int_equal(w.view.owner, B);
	focus(&w, B);
	wait_ms(&w, 10 * SETTLE_MS);
	assert_int_equal(w.view.owner, B);
	focus(&w, C);
	wait_ms(&w, SETTLE_MS);
	assert_int_equal(w.view.owner, C);
	assert_int_equal(request(&w, HANDOFF_HOST), 0);
	wait_ms(&w, 10 * SETTLE_MS);
	assert_int_equal(w.view.owner, HANDOFF_HOST);
	focus(&w, B);
	focus(&w, C);
	wait_ms(&w, SETTLE_MS);
	assert_int_equal(w.view.owner, C);
}

/* The person gives it away before the guest in front has settled. */
static void test_a_request_beats_an_older_focus(void **state)
{
	struct world w;

	world_init(&w, FOLLOW, REQUEST, NEVER);
	focus(&w, A);
	assert_int_equal(request(&w, B), 0);
	wait_ms(&w, 10 * SETTLE_MS);
	assert_int_equal(w.view.owner, B);
	assert_int_equal(w.moves, 1);
}

static void test_pinned_from_start_to_end(void **state)
{
	struct world w;

	world_init(&w, FOLLOW, PINNED, REQUEST);
	assert_int_equal(w.view.owner, B);
	focus(&w, A);
	wait_ms(&w, 10 * SETTLE_MS);
	assert_int_equal(request(&w, C), -EBUSY);
	assert_int_equal(request(&w, HANDOFF_HOST), -EBUSY);
	assert_int_equal(request(&w, B), 0);
	assert_int_equal(w.view.owner, B);
	assert_int_equal(w.moves, 1);
	set_alive(&w, B, false);
	assert_int_equal(w.view.owner, A); /* it has been in front all the time */
	assert_int_equal(request(&w, C), 0);
	set_alive(&w, B, true);
	assert_int_equal(w.view.owner, B);
}

/* Its file is read anew while it runs, and does not pin the card any more. */
static void test_no_longer_pinned(void **state)
{
	struct world w;

	world_init(&w, FOLLOW, PINNED, NEVER);
	set_alive(&w, B, false);
	focus(&w, A);
	wait_ms(&w, SETTLE_MS);
	set_alive(&w, B, true);
	assert_int_equal(w.view.owner, B);
	w.guests[B - 1].policy = REQUEST;
	decide(&w);
	wait_ms(&w, 10 * SETTLE_MS);
	assert_int_equal(w.view.owner, B);
	focus(&w, B);
	focus(&w, A);
	wait_ms(&w, SETTLE_MS);
	assert_int_equal(w.view.owner, A);
}

static void test_two_pinned(void **state)
{
	struct world w;

	world_init(&w, PINNED, PINNED, NEVER);
	assert_int_equal(w.view.owner, A);
	set_alive(&w, A, false);
	assert_int_equal(w.view.owner, B);
	set_alive(&w, A, true);
	assert_int_equal(w.view.owner, B);
	assert_int_equal(request(&w, A), -EBUSY);
}

static void test_goes_home_with_its_guest(void **state)
{
	struct world w;

	world_init(&w, NEVER, REQUEST, NEVER);
	assert_int_equal(request(&w, B), 0);
	set_alive(&w, B, false);
	assert_int_equal(w.view.owner, HANDOFF_HOST);
	set_alive(&w, B, true);
	wait_ms(&w, 10 * SETTLE_MS);
	assert_int_equal(w.view.owner, HANDOFF_HOST);
	assert_int_equal(request(&w, B), 0);
	w.guests[B - 1].policy = NEVER; /* its file was changed */
	decide(&w);
	assert_int_equal(w.view.owner, HANDOFF_HOST);
}

static void test_restarted_in_front(void **state)
{
	struct world w;

	world_init(&w, FOLLOW, NEVER, NEVER);
	focus(&w, A);
	wait_ms(&w, SETTLE_MS);
	set_alive(&w, A, false);
	assert_int_equal(w.view.owner, HANDOFF_HOST);
	set_alive(&w, A, true);
	assert_int_equal(w.view.owner, A);
}

static void test_home_pool(void **state)
{
	struct world w;

	world_init(&w, REQUEST, NEVER, NEVER);
	w.view.home = HANDOFF_POOL;
	w.state = policy_start(&w.view, w.now);
	decide(&w);
	assert_int_equal(w.view.owner, HANDOFF_POOL);
	assert_int_equal(request(&w, A), 0);
	set_alive(&w, A, false);
	assert_int_equal(w.view.owner, HANDOFF_POOL);
	assert_int_equal(request(&w, HANDOFF_HOST), 0);
	wait_ms(&w, 10 * SETTLE_MS);
	assert_int_equal(w.view.owner, HANDOFF_HOST);
}

/* A seat that was restarted finds the card with a guest. */
static void test_start_with_a_guest(void **state)
{
	struct world w;

	world_init(&w, FOLLOW, REQUEST, NEVER);
	w.view.owner = B;
	w.view.front = A;
	w.view.front_usec = w.now;
	w.state = policy_start(&w.view, w.now);
	decide(&w);
	wait_ms(&w, 10 * SETTLE_MS);
	assert_int_equal(w.view.owner, B);
	focus(&w, B);
	focus(&w, A);
	wait_ms(&w, SETTLE_MS);
	assert_int_equal(w.view.owner, A);
}

static void test_refusals(void **state)
{
	struct world w;
	char why[128];

	world_init(&w, NEVER, REQUEST, PINNED);
	set_alive(&w, C, false);
	set_alive(&w, B, false);
	assert_int_equal(policy_request(&w.view, A, w.now, &w.state, why, sizeof(why)), -EPERM);
	assert_string_equal(why, "a may not have the card gpu; name it in [cards] of its file.");
	assert_int_equal(policy_request(&w.view, B, w.now, &w.state, why, sizeof(why)), -ESRCH);
	assert_string_equal(why, "b does not run; start it first.");
	assert_int_equal(policy_request(&w.view, 9, w.now, &w.state, why, sizeof(why)), -ENOENT);
	assert_int_equal(policy_request(&w.view, HANDOFF_POOL, w.now, &w.state, why, sizeof(why)),
			 -ENOENT);
	set_alive(&w, C, true);
	assert_int_equal(policy_request(&w.view, HANDOFF_HOST, w.now, &w.state, why, sizeof(why)),
			 -EBUSY);
	assert_string_equal(why, "The card gpu is pinned to c as long as that runs; end it first.");
	assert_int_equal(w.view.owner, C);
}

static void fail_way(struct world *w)
{
	policy_finished(&w->state, w->state.wanted, w->view.owner);
}

/* A way that failed is tried again when somebody wants it anew, and only then. */
static void test_failed_ways(void **state)
{
	struct world w;
	char why[128];

	world_init(&w, FOLLOW, REQUEST, NEVER);
	w.view.front = A;
	w.view.front_usec = w.now;
	w.now += 2 * SEC;
	w.state = policy_decide(&w.view, &w.state, w.now).state;
	assert_int_equal(w.state.wanted, A);
	fail_way(&w);
	decide(&w);
	wait_ms(&w, 100000);
	assert_int_equal(w.view.owner, HANDOFF_HOST);
	focus(&w, B);
	focus(&w, A);
	wait_ms(&w, SETTLE_MS);
	assert_int_equal(w.view.owner, A);

	assert_int_equal(policy_request(&w.view, B, ++w.now, &w.state, why, sizeof(why)), 0);
	fail_way(&w);
	decide(&w);
	assert_int_equal(w.view.owner, A);
	assert_int_equal(request(&w, B), 0);
	assert_int_equal(w.view.owner, B);
}

static void test_failed_pinned(void **state)
{
	struct world w;

	world_init(&w, NEVER, NEVER, NEVER);
	w.guests[A - 1].policy = PINNED;
	w.state = policy_decide(&w.view, &w.state, w.now).state;
	fail_way(&w);
	decide(&w);
	assert_int_equal(w.view.owner, HANDOFF_HOST);
	set_alive(&w, A, false);
	set_alive(&w, A, true);
	assert_int_equal(w.view.owner, A);
}

/* While the card is on its way to one, another comes to the front: that way's end is no failure
 * of the other's. */
static void test_wish_during_a_way(void **state)
{
	struct world w;

	world_init(&w, FOLLOW, FOLLOW, NEVER);
	focus(&w, A);
	w.now += 2 * SEC;
	w.state = policy_decide(&w.view, &w.state, w.now).state;
	w.view.front = B;
	w.view.front_usec = w.now;
	w.now += 2 * SEC;
	w.state = policy_decide(&w.view, &w.state, w.now).state;
	w.view.owner = A;
	policy_finished(&w.state, A, A);
	decide(&w);
	assert_int_equal(w.view.owner, B);
}

struct small {
	struct policy_guest guests[2];
	struct policy_view view;
	struct policy_state state;
	uint64_t now;
};

static uint32_t pick_owner(unsigned int i)
{
	static const uint32_t owners[] = { HANDOFF_HOST, HANDOFF_POOL, A, B };

	return owners[i % 4];
}

/* The i-th of all worlds with two guests. */
#define SMALL_WORLDS (64u * 4 * 3 * 2 * 4 * 2 * 4 * 2)
static void small_init(struct small *s, unsigned int i)
{
	static const uint64_t since[] = { 9 * SEC, 10 * SEC, 11 * SEC };

	*s = (struct small){
		.guests = { { A, "a", (enum card_policy)(i % 4), i / 4 % 2 },
			    { B, "b", (enum card_policy)(i / 8 % 4), i / 32 % 2 } },
		.view = { .card = "gpu", .settle_ms = SETTLE_MS, .guest_count = 2 },
	};
	s->view.guests = s->guests;
	i /= 64;
	s->view.front = i % 4;
	i /= 4;
	s->view.front_usec = since[i % 3];
	i /= 3;
	s->now = s->view.front_usec + (i % 2 ? SETTLE_MS : SETTLE_MS - 1) * MSEC;
	i /= 2;
	s->view.owner = pick_owner(i);
	i /= 4;
	s->view.home = i % 2 ? HANDOFF_POOL : HANDOFF_HOST;
	i /= 2;
	s->state = (struct policy_state){ pick_owner(i), 10 * SEC, i / 4 % 2 };
}

static const struct policy_guest *small_guest(const struct small *s, uint32_t id)
{
	return id == A || id == B ? &s->guests[id - 1] : NULL;
}

static void check_small(const struct small *s)
{
	struct policy_decision d = policy_decide(&s->view, &s->state, s->now), again;
	const struct policy_guest *wanted = small_guest(s, d.state.wanted);
	const struct policy_guest *front = small_guest(s, s->view.front);
	bool pinned = false;

	for (int i = 0; i < 2; i++) {
		pinned |= s->guests[i].alive && s->guests[i].policy == PINNED;
	}
	assert_true(!wanted || (wanted->alive && wanted->policy != NEVER));
	assert_true(!pinned || (wanted && wanted->policy == PINNED));
	assert_true(d.owner == d.state.wanted || (d.state.failed && d.owner == s->view.owner));
	/* A change has a reason. */
	if (d.state.wanted != s->state.wanted && d.state.wanted != s->view.home && !pinned) {
		assert_ptr_equal(wanted, front);
		assert_int_equal(front->policy, FOLLOW);
		assert_true(s->now >= s->view.front_usec + SETTLE_MS * MSEC);
	}
	/* Deciding again changes nothing; at the time that was named it does. */
	again = policy_decide(&s->view, &d.state, s->now);
	assert_int_equal(again.state.wanted, d.state.wanted);
	assert_int_equal(again.owner, d.owner);
	assert_true(again.again_usec == d.again_usec && d.again_usec > s->now);
	if (d.again_usec != UINT64_MAX) {
		again = policy_decide(&s->view, &d.state, d.again_usec);
		assert_int_equal(again.state.wanted, s->view.front);
		assert_false(again.state.failed);
		assert_true(again.again_usec == UINT64_MAX);
	}
}

static void test_every_small_world(void **state)
{
	for (unsigned int i = 0; i < SMALL_WORLDS; i++) {
		struct small s;

		small_init(&s, i);
		check_small(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_follows_after_settling),
		cmocka_unit_test(test_a_walk_moves_nothing),
		cmocka_unit_test(test_stays_when_nobody_wants_it),
		cmocka_unit_test(test_a_request_holds_until_the_next_focus),
		cmocka_unit_test(test_a_request_beats_an_older_focus),
		cmocka_unit_test(test_pinned_from_start_to_end),
		cmocka_unit_test(test_no_longer_pinned),
		cmocka_unit_test(test_two_pinned),
		cmocka_unit_test(test_goes_home_with_its_guest),
		cmocka_unit_test(test_restarted_in_front),
		cmocka_unit_test(test_home_pool),
		cmocka_unit_test(test_start_with_a_guest),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_failed_ways),
		cmocka_unit_test(test_failed_pinned),
		cmocka_unit_test(test_wish_during_a_way),
		cmocka_unit_test(test_every_small_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
