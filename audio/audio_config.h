/* SPDX-License-Identifier: MIT */
/* [audio] of a guest's file; see baton.conf(5). Plain data. */
#ifndef AUDIO_AUDIO_CONFIG_H
#define AUDIO_AUDIO_CONFIG_H

#include "audio/policy.h"
#include "common/ini.h"

struct audio_config {
	enum audio_background background;
	enum audio_microphone microphone;
	bool exclusive;      /* in front it is heard alone */
	unsigned int volume; /* percent */
	const char *role;    /* PipeWire's media.role; static */
};

/* The defaults. */
void audio_config_init(struct audio_config *config);

/* Sets *out in any case; keys with mistakes keep their defaults. 0, -EINVAL with mistakes in the
 * report, or -errno. */
int audio_config_load(const char *path, struct ini_report *report, struct audio_config *out);

#endif
