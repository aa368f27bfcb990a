/* SPDX-License-Identifier: MIT */
/*
 * Guests' sound: what each plays and records over QEMU's D-Bus audio becomes streams of the sound
 * server, as loud as the policy wants it with this guest in front. All calls belong to the event
 * loop's thread, and none waits. A guest that breaks the protocol loses its sound and nothing else.
 */
#ifndef AUDIO_AUDIO_H
#define AUDIO_AUDIO_H

#include <systemd/sd-event.h>

#include "audio/audio_config.h"
#include "audio/audio_memory.h"
#include "audio/server.h"
#include "vm/vm.h"

struct audio;
struct audio_guest;

struct audio_handlers {
	/* What audio_guest_text(), audio_guest_records() or audio_guest_asks() of a guest says has
	 * changed. */
	void (*changed)(struct audio_guest *guest, void *data);
};

/* Takes the server, also on failure. 0 or -errno. */
int audio_create(sd_event *event, struct audio_server *server,
		 const struct audio_handlers *handlers, void *data, struct audio **out);
/* After its guests were removed. NULL is legal. */
void audio_destroy(struct audio *audio);

int audio_add_guest(struct audio *audio, struct vm *vm, const struct audio_config *config,
		    struct audio_guest **out);
void audio_remove_guest(struct audio_guest *guest); /* NULL is legal */
void audio_configure_guest(struct audio_guest *guest, const struct audio_config *config);

/* NULL: nobody is in front. What was in front falls silent in FADE_MS; a microphone at once. */
void audio_set_front(struct audio *audio, struct audio_guest *guest);

/* Beside what its file says and what the guest itself does; at first AUDIO_SETTING_DEFAULT. */
void audio_guest_set(struct audio_guest *guest, const struct audio_setting *setting);
struct audio_setting audio_guest_setting(const struct audio_guest *guest);

/* Whether the guest hears the microphone now. */
bool audio_guest_records(const struct audio_guest *guest);
/* It records, and somebody has to say whether it may hear. */
bool audio_guest_asks(const struct audio_guest *guest);
/* Until the end of the guest's QEMU; AUDIO_ANSWER_NONE: what its file says counts again. */
void audio_guest_answer(struct audio_guest *guest, enum audio_answer answer);
/* What it records: "nothing", "silence", "microphone", … ; static. */
const char *audio_guest_recording_text(const struct audio_guest *guest);
/* What it does: "plays", "is muted", … ; static. */
const char *audio_guest_text(const struct audio_guest *guest);
/* Times that samples of the guest came too late. */
unsigned int audio_guest_underruns(const struct audio_guest *guest);
/* Where the sound goes: a few words, or a sentence with the remedy; static. */
const char *audio_text(const struct audio *audio);

#endif
