// SPDX-License-Identifier: MIT
/* Guests' sound: made with the seat, told who is in front, how loud, and who hears the microphone;
 * and what of it is on the screen. */
#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <string.h>

#include "audio/audio.h"
#include "audio/pipewire.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "seat/seat.h"
#include "seat/volumes.h"

#define VOLUME_STEP 5 /* percent, of a chord */
#define BAR_STEPS 20  /* of the volume on the screen */

static void handle_changed(struct audio_guest *sound, void *data)
{
	struct seat *seat = data;
	struct seat_guest *front = seat_front(seat);

	if (front && front->sound == sound) {
		seat_update_notice(seat);
	}
}

static const struct audio_handlers sound_handlers = { .changed = handle_changed };

int seat_open_sound(struct seat *seat)
{
	struct audio_server *server = pipewire_create();
	int r = server ? audio_create(seat->event, server, &sound_handlers, seat, &seat->audio)
		       : -ENOMEM;

	if (r < 0) {
		log_error("No sound: %s.", strerror(-r));
		return r;
	}
	seat->volumes = volumes_open(seat->event, seat->runtime.state);
	return 0;
}

/* config NULL: the defaults. */
int seat_add_sound(struct seat_guest *guest, const struct audio_config *config)
{
	struct audio_setting setting = volumes_load(guest->seat->volumes, vm_name(guest->vm));
	struct audio_config defaults;
	int r;

	audio_config_init(&defaults);
	r = audio_add_guest(guest->seat->audio, guest->vm, config ? config : &defaults,
			    &guest->sound);
	if (r >= 0) {
		audio_guest_set(guest->sound, &setting);
	}
	return r;
}

void seat_hear(struct seat *seat, struct seat_guest *guest)
{
	audio_set_front(seat->audio, guest ? guest->sound : NULL);
}

/* ---- volume ---- */

static void show_volume(const struct seat_guest *guest, const struct audio_setting *setting)
{
	char bar[BAR_STEPS + 1], line[160];

	for (unsigned int i = 0; i < BAR_STEPS; i++) {
		bar[i] = i * AUDIO_VOLUME_MAX < setting->volume * BAR_STEPS ? '|' : '.';
	}
	bar[BAR_STEPS] = '\0';
	snprintf(line, sizeof(line), "%s: volume %s %u %%%s", vm_name(guest->vm), bar,
		 setting->volume, setting->muted ? ", muted" : "");
	compositor_toast(guest->seat->compositor, line);
}

void seat_set_volume(struct seat_guest *guest, unsigned int percent, bool muted)
{
	const struct audio_setting setting = { percent, muted };

	audio_guest_set(guest->sound, &setting);
	volumes_save(guest->seat->volumes, vm_name(guest->vm), &setting);
	show_volume(guest, &setting);
}

/* Who turns it up wants to hear it. */
void seat_volume_chord(struct seat *seat, enum chord_action action)
{
	struct seat_guest *guest = seat_front(seat);
	struct audio_setting setting;

	if (!guest) {
		return;
	}
	setting = audio_guest_setting(guest->sound);
	if (action == CHORD_MUTE) {
		setting.muted = !setting.muted;
	} else if (action == CHORD_LOUDER) {
		setting.volume += VOLUME_STEP;
		setting.muted = false;
	} else {
		setting.volume -= setting.volume < VOLUME_STEP ? setting.volume : VOLUME_STEP;
	}
	seat_set_volume(guest,
			setting.volume < AUDIO_VOLUME_MAX ? setting.volume : AUDIO_VOLUME_MAX,
			setting.muted);
}

/* ---- the microphone ---- */

void seat_answer_microphone(struct seat *seat, bool yes)
{
	struct seat_guest *guest = seat_front(seat);

	if (guest && audio_guest_asks(guest->sound)) {
		audio_guest_answer(guest->sound, yes ? AUDIO_ANSWER_YES : AUDIO_ANSWER_NO);
	}
}

bool seat_microphone_line(struct seat *seat, char *line, size_t size)
{
	_cleanup_free_ char *yes = chord_label(&seat->chords, KEY_ENTER);
	struct seat_guest *guest = seat_front(seat);
	bool asks = guest && guest->sound && audio_guest_asks(guest->sound);

	input_set_asking(seat->input, CHORD_QUESTION_MICROPHONE, asks);
	if (asks) {
		snprintf(line, size, "%s wants to hear the microphone. %s: yes, N: no",
			 vm_name(guest->vm), yes ? yes : "");
	} else if (guest && guest->sound && audio_guest_records(guest->sound)) {
		snprintf(line, size, "MICROPHONE ON: %s hears you", vm_name(guest->vm));
	} else {
		return false;
	}
	return true;
}
