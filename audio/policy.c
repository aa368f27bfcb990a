// SPDX-License-Identifier: MIT
/* Who is heard and who hears; see policy.h. */
#include "audio/policy.h"

static const char *const background_names[AUDIO_BACKGROUND_COUNT] = {
	[AUDIO_BACKGROUND_MUTE] = "mute",
	[AUDIO_BACKGROUND_DUCK] = "duck",
	[AUDIO_BACKGROUND_PLAY] = "play",
};

static const char *const microphone_names[AUDIO_MICROPHONE_COUNT] = {
	[AUDIO_MICROPHONE_DENY] = "deny",
	[AUDIO_MICROPHONE_ASK] = "ask",
	[AUDIO_MICROPHONE_ALLOW] = "allow",
};

const char *audio_background_name(enum audio_background background)
{
	return background < AUDIO_BACKGROUND_COUNT ? background_names[background] : "?";
}

const char *audio_microphone_name(enum audio_microphone microphone)
{
	return microphone < AUDIO_MICROPHONE_COUNT ? microphone_names[microphone] : "?";
}

float audio_policy_level(enum audio_background background, bool in_front, bool front_exclusive)
{
	if (in_front) {
		return 1.0f;
	}
	if (front_exclusive || background == AUDIO_BACKGROUND_MUTE) {
		return 0.0f;
	}
	return background == AUDIO_BACKGROUND_PLAY ? 1.0f : AUDIO_DUCKED;
}

bool audio_policy_hears(enum audio_microphone microphone, enum audio_answer answer, bool in_front)
{
	if (answer == AUDIO_ANSWER_NONE) {
		return in_front && microphone == AUDIO_MICROPHONE_ALLOW;
	}
	return in_front && answer == AUDIO_ANSWER_YES;
}

bool audio_policy_asks(enum audio_microphone microphone, enum audio_answer answer, bool in_front)
{
	return in_front && microphone == AUDIO_MICROPHONE_ASK && answer == AUDIO_ANSWER_NONE;
}

float audio_policy_gain(unsigned int percent)
{
	float share = (float)percent / 100.0f;

	return share * share * share;
}
