// SPDX-License-Identifier: MIT
/*
 * The state machine of the host key; chords.h has its rules. Nothing here knows what a chord does:
 * it tells keys of guests from keys of chords, and says which chord was completed.
 */
#include "input/chords.h"

#include <linux/input-event-codes.h>

static void result_add(struct chord_result *result, enum chord_action action, unsigned int argument)
{
	result->actions[result->n].action = action;
	result->actions[result->n].argument = argument;
	result->n++;
}

void chords_init(struct chords *chords, const struct chord_config *config)
{
	*chords = (struct chords){ .config = *config };
}

void chords_ask(struct chords *chords, enum chord_question question, bool asking)
{
	chords->asking[question] = asking;
}

static enum chord_action find_answer(const struct chords *chords, uint32_t code,
				     unsigned int *argument)
{
	static const struct {
		uint32_t key;
		enum chord_question question;
	} answers[] = {
		[CHORD_ANSWER_WAIT] = { KEY_W, CHORD_QUESTION_CARD },
		[CHORD_ANSWER_RESET] = { KEY_R, CHORD_QUESTION_CARD },
		[CHORD_ANSWER_KILL] = { KEY_K, CHORD_QUESTION_CARD },
		[CHORD_ANSWER_ABANDON] = { KEY_A, CHORD_QUESTION_CARD },
		[CHORD_ANSWER_YES] = { KEY_ENTER, CHORD_QUESTION_MICROPHONE },
		[CHORD_ANSWER_NO] = { KEY_N, CHORD_QUESTION_MICROPHONE },
	};

	for (unsigned int i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		if (answers[i].key == code && chords->asking[answers[i].question]) {
			*argument = i;
			return CHORD_ANSWER;
		}
	}
	return CHORD_NONE;
}

static enum chord_action find_function_key(uint32_t code, unsigned int *argument)
{
	if (code >= KEY_F1 && code <= KEY_F10) {
		*argument = code - KEY_F1 + 1;
		return CHORD_VT;
	}
	if (code == KEY_F11 || code == KEY_F12) {
		*argument = code - KEY_F11 + 11;
		return CHORD_VT;
	}
	return CHORD_NONE;
}

static enum chord_action find_action(const struct chords *chords, uint32_t code,
				     unsigned int *argument)
{
	const struct chord_config *config = &chords->config;

	*argument = 0;
	if (code == config->recent) {
		return CHORD_RECENT;
	}
	if (code == config->back) {
		return CHORD_BACK;
	}
	if (code == config->switcher) {
		return CHORD_SWITCHER;
	}
	if (code == config->rescue) {
		return CHORD_RESCUE;
	}
	if (code == config->send_host_key) {
		return CHORD_SEND_HOST_KEY;
	}
	if (code == config->card) {
		return CHORD_CARD;
	}
	if (code == config->louder) {
		return CHORD_LOUDER;
	}
	if (code == config->softer) {
		return CHORD_SOFTER;
	}
	if (code == config->mute) {
		return CHORD_MUTE;
	}
	if (find_answer(chords, code, argument) != CHORD_NONE) {
		return CHORD_ANSWER;
	}
	if (code >= KEY_1 && code <= KEY_9) {
		*argument = code - KEY_1 + 1;
		return CHORD_SLOT;
	}
	return find_function_key(code, argument);
}

/* Leaves HELP or WALKING in good order. */
static void settle(struct chords *chords, struct chord_result *result)
{
	if (chords->state == CHORDS_HELP) {
		result_add(result, CHORD_HELP_HIDE, 0);
	} else if (chords->state == CHORDS_WALKING) {
		result_add(result, CHORD_RECENT_END, 0);
	}
}

static void press_host(struct chords *chords, uint64_t time_ns)
{
	if (chords->state == CHORDS_IDLE) {
		chords->state = CHORDS_ARMED;
		chords->help_ns = time_ns + CHORD_HELP_HOLD_NS;
	}
}

static void release_host(struct chords *chords, struct chord_result *result)
{
	if (!held_keys_any(&chords->held, chords->config.host_key, false)) {
		settle(chords, result);
		chords->state = CHORDS_IDLE;
	}
}

static void press_with_host(struct chords *chords, uint32_t code, struct chord_result *result)
{
	unsigned int argument;
	enum chord_action action = find_action(chords, code, &argument);

	if (action == CHORD_NONE) {
		/* Help stays for who is looking for the right key, a walk for who slipped. */
		if (chords->state == CHORDS_ARMED) {
			chords->state = CHORDS_USED;
		}
		return;
	}
	if (action == CHORD_RECENT && chords->state == CHORDS_WALKING) {
		result_add(result, CHORD_RECENT, ++chords->walked);
		return;
	}
	settle(chords, result);
	chords->state = CHORDS_USED;
	if (action == CHORD_RECENT) {
		chords->state = CHORDS_WALKING;
		argument = chords->walked = 1;
	}
	result_add(result, action, argument);
}

static struct chord_result press(struct chords *chords, uint32_t device, uint32_t code,
				 uint64_t time_ns)
{
	struct chord_result result = { 0 };
	struct held_key *key = held_keys_find(&chords->held, device, code);

	if (key) {
		result.pass = key->live;
		return result;
	}
	key = held_keys_add(&chords->held, device, code);
	if (!key) {
		return result;
	}
	if (code == chords->config.host_key) {
		press_host(chords, time_ns);
	} else if (chords->state == CHORDS_IDLE) {
		result.pass = key->live = true;
	} else {
		press_with_host(chords, code, &result);
	}
	return result;
}

static struct chord_result release(struct chords *chords, uint32_t device, uint32_t code)
{
	struct chord_result result = { 0 };
	struct held_key *key = held_keys_find(&chords->held, device, code);

	if (!key) {
		return result;
	}
	result.pass = key->live;
	held_keys_remove(&chords->held, key);
	if (code == chords->config.host_key) {
		release_host(chords, &result);
	}
	return result;
}

struct chord_result chords_key(struct chords *chords, uint32_t device, uint32_t code, bool pressed,
			       uint64_t time_ns)
{
	if (code == KEY_RESERVED || code >= KEY_CNT) {
		return (struct chord_result){ 0 };
	}
	return pressed ? press(chords, device, code, time_ns) : release(chords, device, code);
}

struct chord_result chords_device_gone(struct chords *chords, uint32_t device)
{
	struct chord_result result = { 0 };
	bool host = false;

	for (size_t i = chords->held.n; i-- > 0;) {
		struct held_key *key = &chords->held.keys[i];

		if (key->device == device) {
			host |= key->code == chords->config.host_key;
			held_keys_remove(&chords->held, key);
		}
	}
	if (host) {
		release_host(chords, &result);
	}
	return result;
}

struct chord_result chords_reset(struct chords *chords)
{
	struct chord_result result = { 0 };

	settle(chords, &result);
	chords->state = CHORDS_IDLE;
	chords->held.n = 0;
	return result;
}

uint64_t chords_deadline(const struct chords *chords)
{
	return chords->state == CHORDS_ARMED ? chords->help_ns : UINT64_MAX;
}

struct chord_result chords_elapsed(struct chords *chords, uint64_t now_ns)
{
	struct chord_result result = { 0 };

	if (chords->state == CHORDS_ARMED && now_ns >= chords->help_ns) {
		chords->state = CHORDS_HELP;
		result_add(&result, CHORD_HELP_SHOW, 0);
	}
	return result;
}
