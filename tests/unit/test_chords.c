// SPDX-License-Identifier: MIT
/*
 * The chord machine, exhaustively: every sequence up to DEPTH of presses, repeats, releases and
 * releases of nothing on two keyboards, with the host key, a walking key, a slot, an ordinary key,
 * a modifier and a key that answers while a question is asked; then long random walks with a printed seed. Checked against a model after every
 * step: what passes, which actions come, and that nothing is left once all keys are up.
 */
#include "tests/unit/test.h"

#include <linux/input-event-codes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "input/chords.h"
#include "input/keymap.h"

#define DEPTH 5
#define KEYBOARDS 2
#define KEYS 6
#define WALK 200000

enum { HOST, TAB, SLOT, ORDINARY, MODIFIER, ANSWER };
static const uint32_t codes[KEYS] = { KEY_RIGHTCTRL, KEY_TAB,	    KEY_3,
				      KEY_B,	     KEY_LEFTSHIFT, KEY_K };

struct model {
	bool held[KEYBOARDS][KEYS], passed[KEYBOARDS][KEYS];
	bool walking, help, asking;
	unsigned int walked;
};

struct step {
	enum { DOWN, UP, ELAPSE, ASK } type; /* ASK: a question comes or goes */
	unsigned int keyboard, key;
};

struct world {
	struct chords chords;
	struct model model;
	uint64_t now_ns;
};

static struct step trail[WALK];
static size_t trail_length;

static void fail_here(const char *why)
{
	size_t first = trail_length > 40 ? trail_length - 40 : 0;

	for (size_t i = first; i < trail_length; i++) {
		static const char *const types[] = { "down", "up", "elapse", "ask" };

		fprintf(stderr, "%s %u:%s, ", types[trail[i].type], trail[i].keyboard,
			keymap_name(codes[trail[i].key]));
	}
	fprintf(stderr, "\n");
	fail_msg("%s", why);
}

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fail_here(#condition);                                                     \
		}                                                                                  \
	} while (0)

static bool host_is_down(const struct model *m)
{
	return m->held[0][HOST] || m->held[1][HOST];
}

/* The actions must fit to the model and bring it on. */
static void check_actions(struct model *m, const struct chord_result *result)
{
	for (unsigned int i = 0; i < result->n; i++) {
		switch (result->actions[i].action) {
		case CHORD_RECENT:
			CHECK(result->actions[i].argument == m->walked + 1);
			m->walked++;
			m->walking = true;
			break;
		case CHORD_RECENT_END:
			CHECK(m->walking);
			m->walking = false;
			m->walked = 0;
			break;
		case CHORD_SLOT:
			CHECK(result->actions[i].argument == 3 && !m->walking);
			break;
		case CHORD_ANSWER:
			CHECK(result->actions[i].argument == CHORD_ANSWER_KILL && m->asking &&
			      !m->walking);
			break;
		case CHORD_HELP_SHOW:
			CHECK(!m->help && host_is_down(m));
			m->help = true;
			break;
		case CHORD_HELP_HIDE:
			CHECK(m->help);
			m->help = false;
			break;
		default:
			fail_here("an action that nobody asked for");
		}
	}
}

static bool has_action(const struct chord_result *result, enum chord_action action)
{
	for (unsigned int i = 0; i < result->n; i++) {
		if (result->actions[i].action == action) {
			return true;
		}
	}
	return false;
}

static void check_press(struct world *w, const struct step *step)
{
	struct model *m = &w->model;
	bool *held = &m->held[step->keyboard][step->key];
	bool *passed = &m->passed[step->keyboard][step->key];
	bool with_host = host_is_down(m);
	struct chord_result result =
		chords_key(&w->chords, step->keyboard, codes[step->key], true, w->now_ns);

	if (*held) {
		CHECK(result.pass == *passed && result.n == 0);
		return;
	}
	*held = true;
	*passed = result.pass;
	CHECK(result.pass == (!with_host && step->key != HOST));
	CHECK(has_action(&result, CHORD_SLOT) == (with_host && step->key == SLOT));
	CHECK(has_action(&result, CHORD_RECENT) == (with_host && step->key == TAB));
	CHECK(has_action(&result, CHORD_ANSWER) == (with_host && m->asking && step->key == ANSWER));
	check_actions(m, &result);
}

static void check_release(struct world *w, const struct step *step)
{
	struct model *m = &w->model;
	bool *held = &m->held[step->keyboard][step->key];
	bool *passed = &m->passed[step->keyboard][step->key];
	struct chord_result result =
		chords_key(&w->chords, step->keyboard, codes[step->key], false, w->now_ns);

	/* Each press that the guest saw gets exactly one release, and nothing else does. */
	CHECK(result.pass == (*held && *passed));
	*held = *passed = false;
	CHECK(has_action(&result, CHORD_RECENT_END) == (m->walking && !host_is_down(m)));
	check_actions(m, &result);
}

static void do_step(struct world *w, const struct step *step)
{
	trail[trail_length++] = *step;
	w->now_ns += 100 * 1000 * 1000;
	if (step->type == DOWN) {
		check_press(w, step);
	} else if (step->type == UP) {
		check_release(w, step);
	} else if (step->type == ASK) {
		w->model.asking = !w->model.asking;
		chords_ask(&w->chords, CHORD_QUESTION_CARD, w->model.asking);
	} else {
		struct chord_result result;

		w->now_ns += CHORD_HELP_HOLD_NS;
		result = chords_elapsed(&w->chords, w->now_ns);
		check_actions(&w->model, &result);
		CHECK(chords_deadline(&w->chords) == UINT64_MAX);
	}
	CHECK(host_is_down(&w->model) == (w->chords.state != CHORDS_IDLE));
	CHECK(host_is_down(&w->model) || (!w->model.walking && !w->model.help));
}

static void check_all_up(const struct world *start)
{
	struct world w = *start;
	size_t length = trail_length;

	for (unsigned int keyboard = 0; keyboard < KEYBOARDS; keyboard++) {
		for (unsigned int key = 0; key < KEYS; key++) {
			do_step(&w, &(struct step){ UP, keyboard, key });
		}
	}
	CHECK(w.chords.state == CHORDS_IDLE && w.chords.held.n == 0);
	CHECK(!w.model.walking && !w.model.help);
	trail_length = length;
}

static void world_init(struct world *w)
{
	struct chord_config config;

	chord_config_init(&config);
	memset(w, 0, sizeof(*w));
	chords_init(&w->chords, &config);
	trail_length = 0;
}

/* The second keyboard has no slot, modifier and answer: that would show nothing new. */
static bool is_in_alphabet(const struct step *step)
{
	return step->keyboard == 0 || step->key <= TAB || step->key == ORDINARY;
}

static uint64_t explore(const struct world *start, unsigned int depth)
{
	uint64_t sequences = 1;

	check_all_up(start);
	if (depth == 0) {
		return sequences;
	}
	for (unsigned int i = 0; i <= 2 * KEYBOARDS * KEYS + 1; i++) {
		struct step step = { i % 2 ? UP : DOWN, i / 2 % KEYBOARDS, i / 2 / KEYBOARDS };
		struct world w = *start;

		if (i >= 2 * KEYBOARDS * KEYS) {
			step = (struct step){ .type = i % 2 ? ASK : ELAPSE };
		} else if (!is_in_alphabet(&step)) {
			continue;
		}
		do_step(&w, &step);
		sequences += explore(&w, depth - 1);
		trail_length--;
	}
	return sequences;
}

static void test_every_sequence(void **state)
{
	struct world w;

	world_init(&w);
	print_message("%llu sequences\n", (unsigned long long)explore(&w, DEPTH));
}

static void test_random_walk(void **state)
{
	const char *given = getenv("SEED");
	unsigned int seed = given ? (unsigned int)atoi(given) : (unsigned int)time(NULL);
	struct world w;

	print_message("SEED=%u\n", seed);
	srandom(seed);
	world_init(&w);
	while (trail_length < WALK - 20) {
		long what = random() % 20;
		struct step step = { what == 0	    ? ELAPSE
				     : what == 1    ? ASK
				     : random() % 2 ? DOWN
						    : UP,
				     (unsigned int)random() % KEYBOARDS,
				     (unsigned int)random() % KEYS };

		do_step(&w, &step);
	}
	check_all_up(&w);
}

/* ---- single chords ---- */

static struct chord_result press(struct chords *c, uint32_t code)
{
	return chords_key(c, 1, code, true, 0);
}

static struct chord_result tap(struct chords *c, uint32_t code)
{
	struct chord_result result = press(c, code);

	assert_false(result.pass);
	assert_false(chords_key(c, 1, code, false, 0).pass);
	return result;
}

static void assert_action(struct chord_result result, enum chord_action action,
			  unsigned int argument)
{
	assert_int_equal(result.n, 1);
	assert_int_equal(result.actions[0].action, action);
	assert_int_equal(result.actions[0].argument, argument);
}

static void test_actions(void **state)
{
	struct chord_config config;
	struct chords c;

	chord_config_init(&config);
	chords_init(&c, &config);
	press(&c, KEY_RIGHTCTRL);
	for (unsigned int i = 1; i <= 9; i++) {
		assert_action(tap(&c, KEY_1 + i - 1), CHORD_SLOT, i);
	}
	for (unsigned int i = 1; i <= 10; i++) {
		assert_action(tap(&c, KEY_F1 + i - 1), CHORD_VT, i);
	}
	assert_action(tap(&c, KEY_F11), CHORD_VT, 11);
	assert_action(tap(&c, KEY_F12), CHORD_VT, 12);
	assert_action(tap(&c, KEY_GRAVE), CHORD_BACK, 0);
	assert_action(tap(&c, KEY_O), CHORD_SWITCHER, 0);
	assert_action(tap(&c, KEY_ESC), CHORD_RESCUE, 0);
	assert_action(tap(&c, KEY_BACKSPACE), CHORD_SEND_HOST_KEY, 0);
	assert_action(tap(&c, KEY_G), CHORD_CARD, 0);
	assert_action(tap(&c, KEY_UP), CHORD_LOUDER, 0);
	assert_action(tap(&c, KEY_DOWN), CHORD_SOFTER, 0);
	assert_action(tap(&c, KEY_M), CHORD_MUTE, 0);
	assert_int_equal(tap(&c, KEY_0).n, 0);
	assert_int_equal(tap(&c, KEY_LEFTCTRL).n, 0);
	assert_int_equal(press(&c, KEY_CNT).n, 0);
}

/* Its keys are chords while it is asked, and only with the host key; nothing at other times. */
static void test_answers(void **state)
{
	static const uint32_t answers[] = { KEY_W, KEY_R, KEY_K, KEY_A, KEY_ENTER, KEY_N };
	struct chord_config config;
	struct chords c;

	chord_config_init(&config);
	chords_init(&c, &config);
	/* Nothing, a card, the microphone, both. */
	for (unsigned int asking = 0; asking < 4; asking++) {
		chords_ask(&c, CHORD_QUESTION_CARD, asking & 1);
		chords_ask(&c, CHORD_QUESTION_MICROPHONE, asking & 2);
		for (unsigned int i = 0; i < 6; i++) {
			assert_true(press(&c, answers[i]).pass);
			assert_true(chords_key(&c, 1, answers[i], false, 0).pass);
		}
		press(&c, KEY_RIGHTCTRL);
		for (unsigned int i = 0; i < 6; i++) {
			struct chord_result result = tap(&c, answers[i]);
			bool counts = asking & (i < 4 ? 1 : 2);

			assert_int_equal(result.n, counts);
			if (counts) {
				assert_action(result, CHORD_ANSWER, CHORD_ANSWER_WAIT + i);
			}
		}
		assert_action(tap(&c, KEY_ESC), CHORD_RESCUE, 0);
		chords_key(&c, 1, KEY_RIGHTCTRL, false, 0);
	}
}

/* A seat without a card to give has no chord for it. */
static void test_no_card(void **state)
{
	struct chord_config config;
	struct chords c;
	char *help;

	chord_config_init(&config);
	config.card = KEY_RESERVED;
	chords_init(&c, &config);
	press(&c, KEY_RIGHTCTRL);
	assert_int_equal(tap(&c, KEY_G).n, 0);
	help = chord_help(&config);
	assert_null(strstr(help, "card"));
	free(help);
}

static void test_walk(void **state)
{
	struct chord_config config;
	struct chord_result result;
	struct chords c;

	chord_config_init(&config);
	chords_init(&c, &config);
	press(&c, KEY_RIGHTCTRL);
	assert_action(tap(&c, KEY_TAB), CHORD_RECENT, 1);
	assert_action(tap(&c, KEY_TAB), CHORD_RECENT, 2);
	result = tap(&c, KEY_2); /* another chord settles the walk first */
	assert_int_equal(result.n, 2);
	assert_int_equal(result.actions[0].action, CHORD_RECENT_END);
	assert_int_equal(result.actions[1].action, CHORD_SLOT);
	assert_action(tap(&c, KEY_TAB), CHORD_RECENT, 1);
	assert_action(chords_key(&c, 1, KEY_RIGHTCTRL, false, 0), CHORD_RECENT_END, 0);
	press(&c, KEY_RIGHTCTRL);
	assert_action(tap(&c, KEY_TAB), CHORD_RECENT, 1);
	assert_action(chords_device_gone(&c, 1), CHORD_RECENT_END, 0);
	press(&c, KEY_RIGHTCTRL);
	assert_action(tap(&c, KEY_TAB), CHORD_RECENT, 1);
	assert_action(chords_reset(&c), CHORD_RECENT_END, 0);
	assert_true(press(&c, KEY_A).pass);
	/* All keys are forgotten, the host key too: it may be pressed without a release. */
	press(&c, KEY_RIGHTCTRL);
	assert_int_equal(c.state, CHORDS_ARMED);
}

static void test_help(void **state)
{
	struct chord_config config;
	struct chord_result result;
	struct chords c;

	chord_config_init(&config);
	chords_init(&c, &config);
	assert_true(chords_deadline(&c) == UINT64_MAX);
	chords_key(&c, 1, KEY_RIGHTCTRL, true, 5000);
	assert_true(chords_deadline(&c) == 5000 + CHORD_HELP_HOLD_NS);
	assert_int_equal(chords_elapsed(&c, 4999 + CHORD_HELP_HOLD_NS).n, 0);
	assert_action(chords_elapsed(&c, 5000 + CHORD_HELP_HOLD_NS), CHORD_HELP_SHOW, 0);
	assert_int_equal(tap(&c, KEY_A).n, 0); /* who looks for the right key keeps the help */
	result = tap(&c, KEY_2);
	assert_int_equal(result.n, 2);
	assert_int_equal(result.actions[0].action, CHORD_HELP_HIDE);
	assert_true(chords_deadline(&c) == UINT64_MAX);
	chords_key(&c, 1, KEY_RIGHTCTRL, false, 0);
	/* A key in time means that no help is wanted. */
	chords_key(&c, 1, KEY_RIGHTCTRL, true, 0);
	tap(&c, KEY_A);
	assert_true(chords_deadline(&c) == UINT64_MAX);
}

static void test_config(void **state)
{
	struct chord_config config;
	char expected[200] = "";
	char *help;

	chord_config_init(&config);
	help = chord_help(&config);
	assert_non_null(strstr(help, "Right Ctrl + O\tAll guests\n"));
	assert_non_null(strstr(help, "Right Ctrl + G\tThe graphics card"));
	free(help);
	assert_int_equal(chord_parse_key("scrolllock", &config.host_key, expected, 200), 0);
	assert_int_equal(config.host_key, KEY_SCROLLLOCK);
	help = chord_label(&config, config.switcher);
	assert_string_equal(help, "Scroll Lock + O");
	free(help);
	assert_true(chord_parse_key("Hyper", &config.host_key, expected, 200) < 0);
	assert_non_null(strstr(expected, "RIGHTCTRL"));
}

/* More keys than anybody has fingers: refused, not remembered wrongly. */
static void test_full(void **state)
{
	struct chord_config config;
	struct chords c;

	chord_config_init(&config);
	chords_init(&c, &config);
	for (uint32_t device = 0; device < HELD_KEYS_MAX; device++) {
		assert_true(chords_key(&c, device, KEY_A, true, 0).pass);
	}
	assert_false(chords_key(&c, HELD_KEYS_MAX, KEY_A, true, 0).pass);
	assert_false(chords_key(&c, HELD_KEYS_MAX, KEY_A, false, 0).pass);
	assert_false(chords_key(&c, HELD_KEYS_MAX, KEY_RIGHTCTRL, true, 0).pass);
	assert_int_equal(c.state, CHORDS_IDLE);
	for (uint32_t device = 0; device < HELD_KEYS_MAX; device++) {
		assert_true(chords_key(&c, device, KEY_A, false, 0).pass);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_actions),     cmocka_unit_test(test_walk),
		cmocka_unit_test(test_help),        cmocka_unit_test(test_config),
		cmocka_unit_test(test_answers),     cmocka_unit_test(test_no_card),
		cmocka_unit_test(test_full),        cmocka_unit_test(test_every_sequence),
		cmocka_unit_test(test_random_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
