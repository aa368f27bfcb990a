/* SPDX-License-Identifier: MIT */
/* How loud somebody at the seat wants a guest, kept in NAME.ini of a folder of the seat's state. */
#ifndef AUDIO_AUDIO_MEMORY_H
#define AUDIO_AUDIO_MEMORY_H

#include <stdbool.h>

#define AUDIO_VOLUME_MAX 100 /* percent */

struct audio_setting {
	unsigned int volume; /* percent */
	bool muted;
};

#define AUDIO_SETTING_DEFAULT ((struct audio_setting){ .volume = AUDIO_VOLUME_MAX })

/* The default where there is no such file, or no sense in it. Reads a disk: not for the loop. */
struct audio_setting audio_memory_load(const char *folder, const char *guest);

/* Replaces the file at once or not at all; folder is a descriptor. 0 or -errno. In any thread but
 * the loop's: waits for the disk. */
int audio_memory_save(int folder, const char *guest, const struct audio_setting *setting);

#endif
