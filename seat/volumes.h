/* SPDX-License-Identifier: MIT */
/*
 * Guests' volumes, remembered in the folder "sound" of the seat's state. A thread writes them: one
 * file at a time, and of what changes meanwhile the last state alone.
 */
#ifndef SEAT_VOLUMES_H
#define SEAT_VOLUMES_H

#include <systemd/sd-event.h>

#include "audio/audio_memory.h"

struct volumes;

/* Makes the folder. NULL, logged, where that cannot be done: then nothing is remembered. */
struct volumes *volumes_open(sd_event *event, const char *state_folder);
/* Writes what is left; waits for the disk. NULL is legal. */
void volumes_close(struct volumes *volumes);

/* Reads the disk: at a guest's birth. volumes may be NULL. */
struct audio_setting volumes_load(const struct volumes *volumes, const char *guest);
void volumes_save(struct volumes *volumes, const char *guest, const struct audio_setting *setting);

#endif
