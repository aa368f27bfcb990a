// SPDX-License-Identifier: MIT
/* The seat's life: made in one order, taken apart in the other; see seat.h. */
#include "seat/seat.h"
#include "seat/volumes.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#include "audio/audio.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "seat/cards.h"

static int handle_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
	(void)source, (void)info;
	seat_quit(data, false);
	return 0;
}

static int open_loop(struct seat *seat)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t mask;
	int r;

	sigemptyset(&mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaddset(&mask, signals[i]);
	}
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	r = sd_event_default(&seat->event);
	for (size_t i = 0; r >= 0 && i < sizeof(signals) / sizeof(signals[0]); i++) {
		r = sd_event_add_signal(seat->event, NULL, signals[i], handle_signal, seat);
	}
	if (r < 0) {
		log_error("No event loop: %s.", strerror(-r));
	}
	/* WatchdogSec= of the unit, when there is one. */
	sd_event_set_watchdog(seat->event, true);
	return r < 0 ? r : 0;
}

static int open_input(struct seat *seat)
{
	int r = input_create(seat->event, &seat->chords, &seat_input_handlers, seat, &seat->input);

	if (r >= 0) {
		r = switcher_create(&seat->switcher);
	}
	if (r < 0) {
		log_error("No input: %s.", strerror(-r));
	}
	return r;
}

/* Everything that can refuse comes before the first guest is started. */
static int seat_open(struct seat *seat)
{
	int r = open_loop(seat);

	if (r >= 0) {
		r = runtime_open(&seat->runtime, seat->options->runtime_dir,
				 seat->options->config_dir);
	}
	if (r >= 0) {
		r = seat_load_config(seat, NULL);
	}
	if (r >= 0) {
		r = open_input(seat);
	}
	if (r >= 0) {
		r = seat_open_screen(seat);
	}
	if (r >= 0) {
		r = seat_open_sound(seat);
	}
	if (r >= 0) {
		r = control_create(seat->event, seat->runtime.socket, &seat_actions, seat,
				   &seat->control);
	}
	if (r < 0) {
		return r;
	}
	seat_add_participants(seat);
	r = cards_add_none(&seat->cards);
	if (r >= 0) {
		r = cards_open(seat->cards, seat);
	}
	if (r >= 0) {
		r = seat_open_devices(seat);
	}
	if (r >= 0) {
		r = seat_add_guests(seat);
	}
	if (r >= 0) {
		seat_restore_focus(seat);
	}
	return r;
}

int seat_create(const struct seat_options *options, struct seat **out)
{
	struct seat *seat = calloc(1, sizeof(*seat));
	int r;

	if (!seat) {
		return -ENOMEM;
	}
	seat->options = options;
	seat->runtime.lock = -1;
	list_init(&seat->guests);
	focus_init(&seat->focus);
	seat_config_init(&seat->config);
	chord_config_init(&seat->chords);
	r = seat_open(seat);
	if (r < 0) {
		seat_destroy(seat);
		return r;
	}
	*out = seat;
	return 0;
}

int seat_run(struct seat *seat)
{
	int r;

	sd_notify(false, "READY=1");
	r = sd_event_loop(seat->event);
	if (!cards_restarts(seat->cards)) {
		sd_notify(false, "STOPPING=1");
	}
	if (r < 0) {
		log_error("The event loop failed: %s.", strerror(-r));
	}
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

char *seat_take_restart(struct seat *seat)
{
	return cards_take_restart(seat->cards);
}

void seat_quit(struct seat *seat, bool guests)
{
	struct seat_guest *guest;

	if (!guests) {
		seat->phase = SEAT_ENDING;
		sd_event_exit(seat->event, 0);
		return;
	}
	/* First: one that was about to be started is down before vm_shutdown() returns. */
	seat->phase = SEAT_DRAINING;
	list_for_each(guest, &seat->guests, link) {
		vm_shutdown(guest->vm);
	}
	seat_end_when_drained(seat);
}

void seat_destroy(struct seat *seat)
{
	struct seat_guest *guest, *next;
	struct control *control;

	if (!seat) {
		return;
	}
	seat->phase = SEAT_ENDING;
	control = take_ptr(seat->control);
	control_close(control);
	list_for_each(guest, &seat->guests, link) {
		vm_set_starter(guest->vm, NULL, NULL);
	}
	cards_destroy(take_ptr(seat->cards));
	if (seat->input) {
		/* Nothing stays pressed in a guest that goes on without us. */
		input_release_all(seat->input);
	}
	list_for_each_safe(guest, next, &seat->guests, link) {
		seat_remove_guest(guest);
	}
	audio_destroy(seat->audio);
	volumes_close(take_ptr(seat->volumes));
	libinput_devices_destroy(seat->devices);
	input_destroy(seat->input);
	switcher_destroy(seat->switcher);
	compositor_destroy(seat->compositor);
	device_rules_finish(&seat->device_rules);
	seat_config_finish(&seat->config);
	runtime_close(&seat->runtime);
	control_destroy(control); /* last: who waits for our end starts the next seat then */
	sd_event_unref(seat->event);
	free(seat);
}
