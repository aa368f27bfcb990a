// SPDX-License-Identifier: MIT
/* The seat's own screens on a card: they go with it, are waited for, and come back. */
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/cards_world.h"

static bool is_closed(void)
{
	return made->closed[0];
}

static void screens_go_with_the_card_and_come_back(void **state)
{
	struct fixture *f = *state;

	open_cards(f, false);
	screen.uses = screen.later = true; /* and there are other screens */
	move("work", "close-screen");
	close_screen();
	assert_int_equal(screen.releases, 1);
	assert_string_equal(made->closed, "");
	cards_screen_released(f->seat.cards, "0000:02:00", 0); /* not ours */
	cards_screen_released(f->seat.cards, "nonsense", 0);
	assert_string_equal(made->closed, "");
	cards_screen_released(f->seat.cards, "0000:01:00", 0);
	assert_string_equal(made->closed, "gpu 0 ");
	stop("work", NULL);
	move(NULL, "open-screen");
	open_screen();
	assert_int_equal(screen.regains, 1);
	assert_string_equal(made->opened, "");
	cards_screen_regained(f->seat.cards, "0000:01:00", 0);
	assert_string_equal(made->opened, "gpu 0 ");
	/* What nobody waits for is nothing to answer. */
	made->opened[0] = made->closed[0] = '\0';
	cards_screen_regained(f->seat.cards, "0000:01:00", 0);
	cards_screen_released(f->seat.cards, "0000:01:00", 0);
	assert_string_equal(made->opened, "");
	assert_string_equal(made->closed, "");
}

static void a_screen_that_stays_dark_is_told(void **state)
{
	struct fixture *f = *state;

	open_cards(f, false);
	screen.later = true;
	open_screen();
	cards_screen_regained(f->seat.cards, "0000:01:00", -EACCES);
	assert_non_null(strstr(made->opened, "the seat cannot use it"));
}

/* Undone before the screens had gone: their going is no answer any more, and nothing restarts. */
static void a_way_that_is_undone_early_answers_once(void **state)
{
	struct fixture *f = *state;

	open_cards(f, false);
	screen.later = true;
	move("work", "close-screen");
	close_screen();
	open_screen();
	cards_screen_released(f->seat.cards, "0000:01:00", -EBUSY);
	assert_string_equal(made->closed, "");
	assert_false(rest.quit);
	cards_screen_regained(f->seat.cards, "0000:01:00", 0);
	assert_string_equal(made->opened, "gpu 0 ");
}

/* A policy moves it by itself: the sentence stands for a while before the screen goes. */
static void a_policy_darkens_the_only_screen_with_a_warning(void **state)
{
	struct fixture *f = *state;

	open_cards(f, true);
	move("work", "close-screen");
	close_screen();
	assert_string_equal(made->closed, "");
	assert_string_equal(rest.line, "The screen goes dark while work has gpu; Right Ctrl + Esc "
				       "brings it back");
	run_until(f, is_closed);
	assert_string_equal(made->closed, "gpu 0 ");
	stop("work", NULL);
	made->closed[0] = '\0';
	screen.uses = true;
	assert_int_equal(give(f, true), 0); /* who said so needs no warning */
	move("work", "close-screen");
	close_screen();
	assert_string_equal(made->closed, "gpu 0 ");
}

/* Who was refused has not agreed to a way that comes later. */
static void a_refused_consent_counts_for_nothing(void **state)
{
	struct fixture *f = *state;

	open_cards(f, true);
	made->give_error = -ENOTCONN;
	assert_int_equal(give(f, true), -ENOTCONN);
	move("work", "close-screen");
	close_screen();
	assert_int_equal(screen.releases, 0);
	assert_non_null(strstr(rest.line, "The screen goes dark"));
}

/* Nor does it take back what the way that goes on was begun with. */
static void a_refusal_leaves_an_earlier_consent(void **state)
{
	struct fixture *f = *state;
	struct cards *cards = open_cards(f, true);
	const char *name = NULL, *why = NULL;

	assert_int_equal(give(f, true), 0);
	move("work", "prepare");
	made->give_error = -ENOTCONN;
	assert_int_equal(cards_give(cards, &name, NULL, false, &why), -ENOTCONN);
	close_screen();
	assert_int_equal(screen.releases, 1);
}

/* The way ended while the warning stood: the screen stays. */
static void a_way_that_ends_first_darkens_nothing(void **state)
{
	struct fixture *f = *state;

	open_cards(f, true);
	move("work", "close-screen");
	close_screen();
	open_screen();
	assert_string_equal(made->opened, "gpu 0 ");
	stop(NULL, "given up");
	assert_int_equal(screen.releases, 0);
	assert_null(f->seat.cards->list[0].warning);
}

/* As when the broker goes: nobody says that the screen may stay. */
static void a_way_that_just_ends_darkens_nothing(void **state)
{
	struct fixture *f = *state;

	open_cards(f, true);
	move("work", "close-screen");
	close_screen();
	stop(NULL, "The broker has ended");
	assert_null(f->seat.cards->list[0].warning);
	assert_non_null(strstr(rest.line, "The broker has ended"));
	assert_int_equal(screen.releases, 0);
}

/* Nor does the seat execute itself anew for it. */
static void a_way_that_ends_while_the_screen_closes(void **state)
{
	struct fixture *f = *state;

	open_cards(f, false);
	screen.later = true;
	move("work", "close-screen");
	close_screen();
	stop(NULL, "The broker has ended");
	cards_screen_released(f->seat.cards, "0000:01:00", -EBUSY);
	assert_false(rest.quit);
	assert_string_equal(made->closed, "");
}

static void a_library_that_holds_it_makes_the_seat_anew(void **state)
{
	struct fixture *f = *state;
	char *resume;

	open_cards(f, false);
	screen.uses = true;
	screen.release = -EBUSY;
	assert_int_equal(give(f, false), 0);
	move("work", "close-screen");
	assert_false(cards_restarts(f->seat.cards));
	close_screen();
	assert_true(rest.quit);
	assert_string_equal(made->closed, "");
	assert_true(cards_restarts(f->seat.cards));
	resume = cards_take_restart(f->seat.cards);
	assert_string_equal(resume, "0000:01:00");
	free(resume);
	/* A seat that ends anyway does not. */
	rest.quit = false;
	f->seat.phase = SEAT_DRAINING;
	close_screen();
	assert_false(rest.quit);
	assert_non_null(strstr(made->closed, "could not let go"));
}

static void assert_unopened(struct cards *cards, const char *expected)
{
	char *slot = cards_unopened(cards);

	if (expected) {
		assert_string_equal(slot, expected);
	} else {
		assert_null(slot);
	}
	free(slot);
}

/* passthrough/ goes on with the way that the journal tells of. */
static void the_seat_anew_leaves_the_card_alone(void **state)
{
	struct fixture *f = *state;

	setenv(CARDS_RESTARTED, "0000:01:00", 1);
	open_cards(f, false);
	assert_null(getenv(CARDS_RESTARTED)); /* guests get nothing of it */
	assert_unopened(f->seat.cards, "0000:01:00");
	/* Nothing is open this time; if something were, that would be told and not tried again. */
	screen.release = -EBUSY;
	move("work", "close-screen");
	close_screen();
	assert_false(rest.quit);
	assert_non_null(strstr(made->closed, "could not let go"));
	open_screen();
	assert_int_equal(screen.regains, 1);
	assert_unopened(f->seat.cards, NULL);
	assert_null(f->seat.cards->list[0].restarted);
}

static bool was_regained(void)
{
	return screen.regains > 0;
}

static bool has_waited(void)
{
	return !((struct seat_card *)made->data)->restarted;
}

static void a_way_that_does_not_go_on_gets_its_screen_back(void **state)
{
	struct fixture *f = *state;

	setenv(CARDS_RESTARTED, "0000:01:00", 1);
	open_cards(f, false);
	run_until(f, was_regained);
	assert_unopened(f->seat.cards, NULL);
}

static void a_way_that_goes_on_keeps_it(void **state)
{
	struct fixture *f = *state;

	setenv(CARDS_RESTARTED, "0000:01:00", 1);
	open_cards(f, false);
	made->data = &f->seat.cards->list[0];
	made->cards[0].state = CARD_STATE_GUEST;
	run_until(f, has_waited);
	made->data = f->seat.cards;
	assert_int_equal(screen.regains, 0);
	assert_unopened(f->seat.cards, "0000:01:00");
}

static void another_card_is_opened(void **state)
{
	struct fixture *f = *state;

	setenv(CARDS_RESTARTED, "0000:02:00", 1);
	open_cards(f, false);
	assert_unopened(f->seat.cards, NULL);
	assert_null(getenv(CARDS_RESTARTED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(screens_go_with_the_card_and_come_back),
		TEST(a_screen_that_stays_dark_is_told),
		TEST(a_way_that_is_undone_early_answers_once),
		TEST(a_policy_darkens_the_only_screen_with_a_warning),
		TEST(a_refused_consent_counts_for_nothing),
		TEST(a_refusal_leaves_an_earlier_consent),
		TEST(a_way_that_ends_first_darkens_nothing),
		TEST(a_way_that_just_ends_darkens_nothing),
		TEST(a_way_that_ends_while_the_screen_closes),
		TEST(a_library_that_holds_it_makes_the_seat_anew),
		TEST(the_seat_anew_leaves_the_card_alone),
		TEST(a_way_that_does_not_go_on_gets_its_screen_back),
		TEST(a_way_that_goes_on_keeps_it),
		TEST(another_card_is_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
