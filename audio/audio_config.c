// SPDX-License-Identifier: MIT
/* Reads [audio] of a guest's file; see audio_config.h. */
#include "audio/audio_config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int parse_background(const char *value, void *field, char *expected, size_t size)
{
	for (int i = 0; i < AUDIO_BACKGROUND_COUNT; i++) {
		if (strcmp(value, audio_background_name((enum audio_background)i)) == 0) {
			*(enum audio_background *)field = (enum audio_background)i;
			return 0;
		}
	}
	snprintf(expected, size, "mute, duck or play");
	return -EINVAL;
}

static int parse_microphone(const char *value, void *field, char *expected, size_t size)
{
	for (int i = 0; i < AUDIO_MICROPHONE_COUNT; i++) {
		if (strcmp(value, audio_microphone_name((enum audio_microphone)i)) == 0) {
			*(enum audio_microphone *)field = (enum audio_microphone)i;
			return 0;
		}
	}
	snprintf(expected, size, "deny, ask or allow");
	return -EINVAL;
}

static int parse_volume(const char *value, void *field, char *expected, size_t size)
{
	unsigned int percent;

	if (ini_parse_uint(value, &percent, expected, size) < 0 || percent > 100) {
		snprintf(expected, size, "a whole number from 0 to 100");
		return -EINVAL;
	}
	*(unsigned int *)field = percent;
	return 0;
}

static int parse_role(const char *value, void *field, char *expected, size_t size)
{
	static const struct {
		const char *value, *role;
	} roles[] = {
		{ "music", "Music" },
		{ "movie", "Movie" },
		{ "game", "Game" },
		{ "communication", "Communication" },
		{ "production", "Production" },
	};

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (strcmp(value, roles[i].value) == 0) {
			*(const char **)field = roles[i].role;
			return 0;
		}
	}
	snprintf(expected, size, "music, movie, game, communication or production");
	return -EINVAL;
}

#define KEY(name, field, parse) { "audio", name, offsetof(struct audio_config, field), parse }
static const struct ini_key keys[] = {
	KEY("background", background, parse_background),
	KEY("microphone", microphone, parse_microphone),
	KEY("exclusive", exclusive, ini_parse_bool),
	KEY("volume", volume, parse_volume),
	KEY("role", role, parse_role),
	{ .section = INI_OTHERS }, /* vm_config.c reads it too */
	{ 0 },
};

void audio_config_init(struct audio_config *config)
{
	*config = (struct audio_config){
		.background = AUDIO_BACKGROUND_MUTE,
		.microphone = AUDIO_MICROPHONE_DENY,
		.volume = 100,
		.role = "Music",
	};
}

int audio_config_load(const char *path, struct ini_report *report, struct audio_config *out)
{
	audio_config_init(out);
	return ini_load(path, keys, out, report);
}
