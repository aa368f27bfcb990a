// SPDX-License-Identifier: MIT
/* Guests' sound: made with the seat, told who is in front, and its microphone shown on the screen. */
#include <errno.h>
#include <string.h>

#include "audio/audio.h"
#include "audio/pipewire.h"
#include "common/log.h"
#include "seat/seat.h"

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
	}
	return r;
}

/* config NULL: the defaults. */
int seat_add_sound(struct seat_guest *guest, const struct audio_config *config)
{
	struct audio_config defaults;

	audio_config_init(&defaults);
	return audio_add_guest(guest->seat->audio, guest->vm, config ? config : &defaults,
			       &guest->sound);
}

void seat_hear(struct seat *seat, struct seat_guest *guest)
{
	audio_set_front(seat->audio, guest ? guest->sound : NULL);
}
