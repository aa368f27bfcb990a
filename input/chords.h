/* SPDX-License-Identifier: MIT */
/*
 * Chords: what the host key and a second key do together, as a pure state machine over the keys
 * of all keyboards. Public for the seat: the actions and the configuration; the machine itself
 * runs inside struct input.
 */
#ifndef INPUT_CHORDS_H
#define INPUT_CHORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "input/held_keys.h"

enum chord_action {
	CHORD_NONE,
	CHORD_SLOT,       /* argument: 1..9 */
	CHORD_RECENT,     /* argument: how far back to walk, +1 per further Tab while held */
	CHORD_RECENT_END, /* the host key was let go after CHORD_RECENT: settle there */
	CHORD_BACK,
	CHORD_SWITCHER,
	CHORD_VT, /* argument: 1..12 */
	CHORD_RESCUE,
	CHORD_CARD,   /* the graphics card to the guest in front, or back from it */
	CHORD_LOUDER, /* the guest in front */
	CHORD_SOFTER,
	CHORD_MUTE,
	CHORD_ANSWER, /* only after chords_ask(); argument: enum chord_answer */
	CHORD_SEND_HOST_KEY, /* the guest in front got a press and a release of the host key */
	CHORD_HELP_SHOW,     /* the host key has been held for CHORD_HELP_HOLD_NS */
	CHORD_HELP_HIDE,
	CHORD_COUNT
};

/*
 * What the screen asks.
 * CARD        a guest does not let go of a card: W, R, K or A.
 * MICROPHONE  the guest in front wants to hear it: Enter or N.
 */
enum chord_question { CHORD_QUESTION_CARD, CHORD_QUESTION_MICROPHONE, CHORD_QUESTIONS };

enum chord_answer {
	CHORD_ANSWER_WAIT,
	CHORD_ANSWER_RESET,
	CHORD_ANSWER_KILL,
	CHORD_ANSWER_ABANDON, /* leave it to the guest */
	CHORD_ANSWER_YES,     /* CHORD_QUESTION_MICROPHONE */
	CHORD_ANSWER_NO,
};

#define CHORD_HELP_HOLD_NS (600ull * 1000 * 1000)

/* What the keys are: "[chords]" of the seat's configuration. evdev codes. */
struct chord_config {
	unsigned int host_key;      /* default KEY_RIGHTCTRL */
	unsigned int recent;        /* KEY_TAB */
	unsigned int back;          /* KEY_GRAVE */
	unsigned int switcher;      /* KEY_O */
	unsigned int rescue;        /* KEY_ESC */
	unsigned int card;          /* KEY_G; 0: there is none to give */
	unsigned int louder;        /* KEY_UP */
	unsigned int softer;        /* KEY_DOWN */
	unsigned int mute;          /* KEY_M */
	unsigned int send_host_key; /* KEY_BACKSPACE */
};

/* The defaults. */
void chord_config_init(struct chord_config *config);

/* ini_parse_fn into an unsigned int: a key by its evdev name, with or without KEY_ and in any
 * case ("RIGHTCTRL", "o", "F12"). */
int chord_parse_key(const char *value, void *field, char *expected, size_t size);

/* Lines "keys\tmeaning\n" for the help overlay; allocated, NULL without memory. */
char *chord_help(const struct chord_config *config);

/* One chord as the help has it, "Right Ctrl + O"; allocated, NULL without memory. */
char *chord_label(const struct chord_config *config, unsigned int key);

/* ---- the machine ---- */

/*
 * IDLE     no host key is down. Every key passes.
 * ARMED    a host key is down and no other key was pressed since: help is shown at the deadline.
 * HELP     as ARMED, past the deadline: help is shown until a chord or the host key's release.
 * USED     another key was pressed with the host key: no help until the next time.
 * WALKING  the recent key was pressed: further presses walk on, any other chord or the host
 *          key's release settles.
 * In all but IDLE, keys that go down are swallowed. How a key's press was treated decides over
 * its release and its repeats, in whatever state they come.
 */
enum chords_state {
	CHORDS_IDLE,
	CHORDS_ARMED,
	CHORDS_HELP,
	CHORDS_USED,
	CHORDS_WALKING,
};

struct chords {
	struct chord_config config;
	enum chords_state state;
	uint64_t help_ns;      /* ARMED: when to show help */
	unsigned int walked;   /* WALKING: how far */
	bool asking[CHORD_QUESTIONS]; /* keys of answers are chords */
	struct held_keys held; /* live: its press passed */
};

/* What one call led to: whether the key is for the guest, and actions in their order. */
struct chord_result {
	bool pass;
	unsigned int n;
	struct {
		enum chord_action action;
		unsigned int argument;
	} actions[2];
};

void chords_init(struct chords *chords, const struct chord_config *config);

/*
 * A question is on the screen, or no more. Its answers are chords too, never bare keys, and mean
 * nothing else at other times: who types when the question comes up answers nothing by chance.
 */
void chords_ask(struct chords *chords, enum chord_question question, bool asking);

/* A key of a device went down or up, at a time on CLOCK_MONOTONIC. */
struct chord_result chords_key(struct chords *chords, uint32_t device, uint32_t code, bool pressed,
			       uint64_t time_ns);

/* The device is gone and its keys with it. */
struct chord_result chords_device_gone(struct chords *chords, uint32_t device);

/* All keys are forgotten; what was going on is settled. */
struct chord_result chords_reset(struct chords *chords);

/* When chords_elapsed() wants to be called, or UINT64_MAX. */
uint64_t chords_deadline(const struct chords *chords);
struct chord_result chords_elapsed(struct chords *chords, uint64_t now_ns);

#endif
