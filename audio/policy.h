/* SPDX-License-Identifier: MIT */
/* Who is heard and who hears, as [audio] of the guests' files wants it: pure functions of it and
 * of who is in front. */
#ifndef AUDIO_POLICY_H
#define AUDIO_POLICY_H

#include <stdbool.h>

/*
 * What a guest's sound does while another one is in front.
 * MUTE  nobody hears it; its time goes on.
 * DUCK  it is heard softly.
 * PLAY  as if it were in front: a call, music.
 */
enum audio_background {
	AUDIO_BACKGROUND_MUTE,
	AUDIO_BACKGROUND_DUCK,
	AUDIO_BACKGROUND_PLAY,
	AUDIO_BACKGROUND_COUNT
};

/*
 * DENY   it records silence.
 * ASK    while it is in front and somebody said yes, it hears the microphone.
 * ALLOW  while it is in front, it hears the microphone.
 */
enum audio_microphone {
	AUDIO_MICROPHONE_DENY,
	AUDIO_MICROPHONE_ASK,
	AUDIO_MICROPHONE_ALLOW,
	AUDIO_MICROPHONE_COUNT
};

/* What somebody at the seat said of the microphone; counts more than the guest's file. */
enum audio_answer { AUDIO_ANSWER_NONE, AUDIO_ANSWER_YES, AUDIO_ANSWER_NO, AUDIO_ANSWER_COUNT };

const char *audio_background_name(enum audio_background background);
const char *audio_microphone_name(enum audio_microphone microphone);

#define AUDIO_DUCKED 0.2f /* a gain; -14 dB */

/* How loud a guest is (0 to 1, before its volume). front_exclusive: the guest in front is to be
 * heard alone. */
float audio_policy_level(enum audio_background background, bool in_front, bool front_exclusive);

/* Whether what a guest records is the microphone's; else it is silence. */
bool audio_policy_hears(enum audio_microphone microphone, enum audio_answer answer, bool in_front);

/* Whether a guest that records is to be asked about. */
bool audio_policy_asks(enum audio_microphone microphone, enum audio_answer answer, bool in_front);

/* The gain of a volume in percent: its cube, as with every volume that PipeWire's tools show. */
float audio_policy_gain(unsigned int percent);

#endif
