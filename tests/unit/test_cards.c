// SPDX-License-Identifier: MIT
/* The seat's side of lent cards: who may ask for them and how, and what the screen says meanwhile. */
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

#include "common/strv.h"
#include "tests/unit/cards_world.h"

/* ---- configuration ---- */

static void no_card_is_no_object(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(cards_load(f->folder, f->report, &f->seat.cards), 0);
	assert_null(f->seat.cards);
	/* Whatever the seat does then, does nothing. */
	assert_int_equal(cards_open(NULL, &f->seat), 0);
	cards_add_guest(NULL, &guest);
	cards_focus(NULL, GUEST_ID);
	cards_toggle(NULL);
	cards_answer_chord(NULL, 0);
	cards_rescue(NULL);
	cards_screen_released(NULL, "0000:01:00", 0);
	cards_screen_regained(NULL, "0000:01:00", 0);
	assert_null(cards_line(NULL));
	assert_null(cards_unopened(NULL));
	assert_null(cards_take_restart(NULL));
}

static void guests_get_what_their_cards_need(void **state)
{
	struct fixture *f = *state;
	struct card_wishes wishes = { 0 };
	struct vm_config *config = vm_config_create("work");

	write_card(f, "b.ini", "[card]\naddress = 0000:02:00\nguest-port = 3\nwindow = 32G\n");
	open_cards(f, false);
	assert_false(cards_prepare_guest(f->seat.cards, &wishes, config));
	assert_false(config->lends);
	assert_int_equal(strv_append(&wishes.pinned, "b"), 0);
	assert_true(cards_prepare_guest(f->seat.cards, &wishes, config));
	assert_true(config->lends);
	assert_int_equal(config->ports[2].window_mib, 32768);
	assert_int_equal(config->ports[0].window_mib, 0);
	assert_int_equal(cards_check_wishes(f->seat.cards, &wishes, "x.ini", f->report), 0);
	assert_int_equal(strv_append(&wishes.on_request, "c"), 0);
	assert_int_equal(cards_check_wishes(f->seat.cards, &wishes, "x.ini", f->report), -EINVAL);
	assert_non_null(strstr(ini_report_line(f->report, 0), "there is no card \"c\""));
	assert_int_equal(cards_check_wishes(NULL, &wishes, "x.ini", f->report), -EINVAL);
	card_wishes_finish(&wishes);
	vm_config_destroy(config);
}

/* ---- requests ---- */

static void the_chord_gives_and_takes(void **state)
{
	struct fixture *f = *state;
	struct cards *cards = open_cards(f, false);

	cards_toggle(cards);
	assert_string_equal(made->asked, "gpu 7");
	move("work", "prepare");
	cards_toggle(cards); /* on its way already: no, after all */
	assert_string_equal(made->asked, "gpu 0");
	stop("work", NULL);
	cards_toggle(cards);
	assert_string_equal(made->asked, "gpu 0");
	assert_int_equal(made->gives, 3);
	stop("play", NULL); /* another guest has it: it comes over */
	screen.toast[0] = '\0';
	cards_toggle(cards);
	assert_string_equal(made->asked, "gpu 7");
	assert_string_equal(screen.toast, "");
	made->give_error = -EIO;
	cards_toggle(cards);
	assert_string_equal(screen.toast, "made up refusal");
	rest.front = false;
	cards_toggle(cards);
	assert_string_equal(screen.toast, "No guest is in front that could have a card");
	assert_int_equal(made->gives, 5);
}

static void of_two_cards_the_first_wish_is_meant(void **state)
{
	struct fixture *f = *state;
	struct cards *cards;
	const char *name = NULL, *why;

	write_card(f, "b.ini", "[card]\naddress = 0000:01:00\n");
	write_card(f, "c.ini", "[card]\naddress = 0000:02:00\n");
	assert_int_equal(cards_load(f->folder, f->report, &f->seat.cards), 0);
	cards = f->seat.cards;
	assert_int_equal(cards_open(cards, &f->seat), 0);
	assert_int_equal(cards_give(cards, &name, &guest, true, &why), -ENXIO);
	assert_non_null(strstr(why, "not clear which card"));
	assert_int_equal(strv_append(&guest.wishes.follow_focus, "b"), 0);
	assert_int_equal(cards_give(cards, &name, &guest, true, &why), 0);
	assert_string_equal(name, "b");
	name = NULL;
	assert_int_equal(cards_give(cards, &name, NULL, false, &why), -ENXIO);
	stop("work", NULL); /* b is the only one that is away */
	assert_int_equal(cards_give(cards, &name, NULL, false, &why), 0);
	assert_string_equal(made->asked, "b 0");
	name = "x";
	assert_int_equal(cards_give(cards, &name, NULL, false, &why), -ENXIO);
	assert_non_null(strstr(why, "no card \"x\""));
}

static void the_only_screen_goes_dark_on_demand_alone(void **state)
{
	struct fixture *f = *state;
	const char *name = NULL, *why = NULL;
	struct cards *cards = open_cards(f, true);

	assert_int_equal(give(f, false), -EBUSY);
	assert_int_equal(made->gives, 0);
	assert_int_equal(give(f, true), 0);
	assert_int_equal(cards_give(cards, &name, NULL, false, &why), 0); /* back needs nothing */
	screen.only = false;
	assert_int_equal(give(f, false), 0);
}

static bool offer_is_over(void)
{
	return rest.line[0] == '\0';
}

static void the_chord_for_it_comes_twice(void **state)
{
	struct fixture *f = *state;
	struct cards *cards = open_cards(f, true);

	cards_toggle(cards);
	assert_int_equal(made->gives, 0);
	assert_string_equal(rest.line, "The screen goes dark while work has gpu; Right Ctrl + Esc "
				       "brings it back. Right Ctrl + G again gives it");
	cards_toggle(cards);
	assert_int_equal(made->gives, 1);
	assert_string_equal(rest.line, "");
	/* Too late is once more the first time. */
	cards_toggle(cards);
	assert_int_equal(made->gives, 1);
	run_until(f, offer_is_over);
	cards_toggle(cards);
	assert_int_equal(made->gives, 1);
	/* And so is another guest, or a rescue in between. */
	cards_rescue(cards);
	assert_string_equal(rest.line, "");
	cards_toggle(cards);
	assert_int_equal(made->gives, 1);
	guest.id = GUEST_ID + 1;
	cards_toggle(cards);
	assert_int_equal(made->gives, 1);
}

static void answers_reach_the_card_that_asks(void **state)
{
	struct fixture *f = *state;
	struct cards *cards = open_cards(f, false);
	const char *why = NULL;

	cards_answer_chord(cards, CHORD_ANSWER_KILL);
	assert_string_equal(made->answered, "");
	made->cards[0].owner = "play";
	move("work", "eject");
	assert_false(rest.asking);
	made->cards[0].asking = true;
	tell();
	assert_true(rest.asking);
	assert_non_null(strstr(rest.line, "play does not let go of gpu. Right Ctrl + W: wait"));
	cards_answer_chord(cards, CHORD_ANSWER_KILL);
	assert_string_equal(made->answered, "gpu 2");
	cards_answer_chord(cards, CHORD_ANSWER_ABANDON);
	assert_string_equal(made->answered, "gpu 3");
	assert_int_equal(cards_answer(cards, "gpu", "reset", &why), 0);
	assert_string_equal(made->answered, "gpu 1");
	assert_int_equal(cards_answer(cards, "gpu", "wait", &why), 0);
	assert_string_equal(made->answered, "gpu 0");
	assert_int_equal(cards_answer(cards, "gpu", "shout", &why), -EINVAL);
	assert_int_equal(cards_answer(cards, "x", "wait", &why), -ENXIO);
	stop("work", NULL);
	assert_false(rest.asking);
}

/* ---- what the screen says ---- */

static bool a_second_is_over(void)
{
	return strcmp(rest.line, "gpu goes to work: detach, 1 s") == 0;
}

static bool two_seconds_are_over(void)
{
	return strcmp(rest.line, "gpu goes to work: detach, 2 s") == 0;
}

static bool next_stage_is_shown(void)
{
	return strcmp(rest.line, "gpu goes to work: detach") == 0;
}

static void the_way_is_on_the_screen(void **state)
{
	struct fixture *f = *state;
	struct cards *cards = open_cards(f, false);

	assert_int_equal(give(f, false), 0);
	move("work", "prepare");
	/* A stage that would be over before one could read it is not drawn. */
	move("work", "drain");
	move("work", "detach");
	assert_int_equal(give(f, false), 0); /* the first stages may come during the request */
	assert_string_equal(rest.line, "");
	run_until(f, next_stage_is_shown);
	assert_string_equal(rest.line, "gpu goes to work: detach");
	made->cards[0].stage_usec -= 1000000;
	run_until(f, a_second_is_over);
	made->cards[0].stage_usec -= 1000000;
	run_until(f, two_seconds_are_over);
	stop("work", NULL);
	assert_string_equal(rest.line, "");
	assert_string_equal(screen.toast, "work has the graphics card");
	assert_null(cards->second); /* no timer is left */
	assert_null(cards->soon);
	assert_int_equal(rest.told, 4);
	move(NULL, "eject");
	stop(NULL, NULL);
	assert_string_equal(screen.toast, "The host has the graphics card");
}

static void a_failure_stays_until_the_next_request(void **state)
{
	struct fixture *f = *state;
	struct cards *cards = open_cards(f, false);

	/* What nobody asked for is for batonctl alone. */
	stop(NULL, "The broker does not lend this card.");
	assert_string_equal(rest.line, "");
	move("work", "drain");
	stop(NULL, "Xorg (pid 7) has /dev/dri/card0 open.");
	assert_string_equal(rest.line, "gpu: Xorg (pid 7) has /dev/dri/card0 open.");
	assert_string_equal(screen.toast, "");
	tell();
	assert_string_equal(rest.line, "gpu: Xorg (pid 7) has /dev/dri/card0 open.");
	assert_int_equal(give(f, false), 0);
	assert_string_equal(rest.line, "");
	move("work", "drain");
	stop(NULL, "again");
	assert_string_equal(rest.line, "gpu: again");
	move("work", "attach");
	stop("play", NULL); /* back where it was */
	assert_string_equal(screen.toast, "");
	move("work", "confirm");
	stop("work", "No driver has taken the card up.");
	assert_string_equal(screen.toast, "");
	assert_string_equal(rest.line, "gpu: No driver has taken the card up.");
	cards_rescue(cards);
	assert_int_equal(made->rescues, 1);
	assert_string_equal(rest.line, "");
	made->cards[0].state = CARD_STATE_LOST;
	stop(NULL, "It is gone.");
	assert_string_equal(rest.line, "gpu: It is gone.");
}

/* A wish that has to wait says why. */
static void a_request_that_waits_says_so(void **state)
{
	struct fixture *f = *state;

	open_cards(f, false);
	assert_int_equal(give(f, false), 0);
	stop(NULL, "work gets the card when its QEMU can be told so.");
	assert_string_equal(rest.line, "gpu: work gets the card when its QEMU can be told so.");
}

/* What passthrough/ asks of a guest goes to the agent in that guest, and its answer back. */
static void the_agent_is_asked(void **state)
{
	struct fixture *f = *state;
	const struct broker_slot slot = { .bus = 5, .device = 1 };

	open_cards(f, false);
	agent = (struct made_agent){ .there = true };
	guest.id = GUEST_ID;
	guest.seat = &f->seat;
	assert_true(made->handlers.can_release(made->data, GUEST_ID));
	assert_false(made->handlers.can_release(made->data, GUEST_ID + 1));
	assert_int_equal(made->handlers.release(made->data, GUEST_ID + 1, &slot), -ESRCH);
	assert_int_equal(made->handlers.release(made->data, GUEST_ID, &slot), 0);
	assert_int_equal(agent.slot.bus, 5);
	assert_int_equal(agent.slot.device, 1);
	agent.released(agent.data, -EBUSY, "X has it open");
	assert_string_equal(made->released, "7 -16 X has it open");
	made->handlers.cancel_release(made->data, GUEST_ID + 1);
	assert_non_null(agent.released);
	made->handlers.cancel_release(made->data, GUEST_ID);
	assert_null(agent.released);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_card_is_no_object),
		TEST(guests_get_what_their_cards_need),
		TEST(the_chord_gives_and_takes),
		TEST(of_two_cards_the_first_wish_is_meant),
		TEST(the_only_screen_goes_dark_on_demand_alone),
		TEST(the_chord_for_it_comes_twice),
		TEST(answers_reach_the_card_that_asks),
		TEST(the_way_is_on_the_screen),
		TEST(a_failure_stays_until_the_next_request),
		TEST(a_request_that_waits_says_so),
		TEST(the_agent_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
