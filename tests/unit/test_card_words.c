// SPDX-License-Identifier: MIT
/* What the screen says about cards. */
#include "tests/unit/test.h"

#include <string.h>

#include "seat/card_words.h"

static const struct card_chords chords = {
	.wait = "Right Ctrl + W",
	.card = "Right Ctrl + G",
	.rescue = "Right Ctrl + Esc",
};

static char line[400];

static unsigned int say(const struct passthrough_card *card, uint64_t now_usec)
{
	line[0] = '\0';
	return card_words_line(card, &chords, now_usec, line, sizeof(line));
}

static void a_card_at_rest_is_no_news(void **state)
{
	assert_int_equal(say(&(struct passthrough_card){ .name = "gpu", .owner = "work" }, 0), 0);
	assert_string_equal(line, "");
}

static void its_way_has_a_stage_a_time_and_a_reason(void **state)
{
	struct passthrough_card card = { .name = "gpu",
					 .target = "work",
					 .moving = true,
					 .stage = "detach",
					 .stage_usec = 5000000 };
	unsigned int rank = say(&card, 5900000);

	assert_string_equal(line, "gpu goes to work: detach");
	card.text = "The host's driver has not let go of the card yet.";
	assert_int_equal(say(&card, 17000000), rank);
	assert_string_equal(line, "gpu goes to work: detach, 12 s. The host's driver has not let go "
				  "of the card yet.");
	card.target = NULL;
	card.text = NULL;
	/* A clock that was read before the stage began. */
	say(&card, 4000000);
	assert_string_equal(line, "gpu goes to the host: detach");
}

static void a_failure_is_told_after_it(void **state)
{
	struct passthrough_card card = { .name = "gpu", .text = "No broker answers." };

	assert_true(say(&card, 0) > 0);
	assert_string_equal(line, "gpu: No broker answers.");
}

static void a_question_names_its_answers_and_matters_most(void **state)
{
	struct passthrough_card card = { .name = "gpu",
					 .owner = "play",
					 .target = "work",
					 .moving = true,
					 .stage = "eject",
					 .text = "The guest has not let go of the card yet." };
	unsigned int way = say(&card, 0), question, failure;

	card.asking = true;
	question = say(&card, 0);
	assert_string_equal(line, "play does not let go of gpu. Right Ctrl + W: wait, R: reset play, "
				  "K: kill play, A: leave it");
	card.moving = card.asking = false;
	failure = say(&card, 0);
	assert_true(question > way && way > failure && failure > 0);
}

static void a_dark_screen_is_told_before(void **state)
{
	card_words_dark("gpu", "work", &chords, false, line, sizeof(line));
	assert_string_equal(line, "The screen goes dark while work has gpu; Right Ctrl + Esc brings "
				  "it back");
	card_words_dark("gpu", "work", &chords, true, line, sizeof(line));
	assert_string_equal(line, "The screen goes dark while work has gpu; Right Ctrl + Esc brings "
				  "it back. Right Ctrl + G again gives it");
}

static void an_arrival_names_who_has_it(void **state)
{
	struct passthrough_card card = { .name = "gpu", .owner = "work" };

	card_words_arrived(&card, true, line, sizeof(line));
	assert_string_equal(line, "work has the graphics card");
	card_words_arrived(&card, false, line, sizeof(line));
	assert_string_equal(line, "work has gpu");
	card.owner = NULL;
	card.state = CARD_STATE_HOST;
	card_words_arrived(&card, true, line, sizeof(line));
	assert_string_equal(line, "The host has the graphics card");
	card.state = CARD_STATE_POOL;
	card_words_arrived(&card, false, line, sizeof(line));
	assert_string_equal(line, "No guest has gpu");
}

static void monitors_are_counted(void **state)
{
	static const char *const names[] = { "DP-1", "DP-2", "HDMI-A-1" };
	char line[80], small[12];

	(void)state;
	card_words_owned(names, 1, "work", line, sizeof(line));
	assert_string_equal(line, "Monitor DP-1 shows work itself");
	card_words_owned(names, 2, "work", line, sizeof(line));
	assert_string_equal(line, "Monitors DP-1 and DP-2 show work itself");
	card_words_owned(names, 3, "work", line, sizeof(line));
	assert_string_equal(line, "Monitors DP-1, DP-2 and HDMI-A-1 show work itself");
	card_words_owned(names, 3, "work", small, sizeof(small));
	assert_string_equal(small, "Monitors DP");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_card_at_rest_is_no_news),
		cmocka_unit_test(its_way_has_a_stage_a_time_and_a_reason),
		cmocka_unit_test(a_failure_is_told_after_it),
		cmocka_unit_test(a_question_names_its_answers_and_matters_most),
		cmocka_unit_test(a_dark_screen_is_told_before),
		cmocka_unit_test(an_arrival_names_who_has_it),
		cmocka_unit_test(monitors_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
