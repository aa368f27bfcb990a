// SPDX-License-Identifier: MIT
/*
 * What follows a switch of focus, in this order: first the old guest's keys are let go and the new
 * one gets the input, then the picture switches at the next vblank, then the rest of the world is
 * told.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "seat/cards.h"
#include "seat/seat.h"

static void input_commit(void *data, uint32_t from, uint32_t to)
{
	struct seat *seat = data;
	struct seat_guest *guest = seat_find_guest(seat, to);

	(void)from;
	input_set_sink(seat->input, guest ? guest->sink : NULL);
}

static void screen_commit(void *data, uint32_t from, uint32_t to)
{
	struct seat *seat = data;
	struct seat_guest *guest = seat_find_guest(seat, to);

	(void)from;
	compositor_show_guest(seat->compositor, to);
	if (guest && seat->config.toasts) {
		compositor_toast(seat->compositor, vm_name(guest->vm));
	}
	seat_update_transform(seat);
	seat_update_pointer(seat, false);
	seat_update_notice(seat);
}

/* Behind the picture: a fade takes longer than either. */
static void sound_commit(void *data, uint32_t from, uint32_t to)
{
	struct seat *seat = data;

	(void)from;
	seat_hear(seat, seat_find_guest(seat, to));
	seat_update_notice(seat);
}

static void control_commit(void *data, uint32_t from, uint32_t to)
{
	struct seat *seat = data;
	struct seat_guest *guest = seat_find_guest(seat, to);

	(void)from;
	if (seat->phase != SEAT_ENDING) {
		runtime_save_focus(&seat->runtime, guest ? vm_name(guest->vm) : NULL);
	}
	if (seat->control) {
		control_focus_changed(seat->control, guest ? vm_name(guest->vm) : NULL);
	}
}

/* Last: the picture is the new guest's at once, a card follows behind. */
static void cards_commit(void *data, uint32_t from, uint32_t to)
{
	struct seat *seat = data;

	(void)from;
	if (seat->phase != SEAT_ENDING) {
		cards_focus(seat->cards, to);
	}
}

void seat_add_participants(struct seat *seat)
{
	static const struct {
		const char *name;
		void (*commit)(void *data, uint32_t from, uint32_t to);
	} order[] = {
		{ "input", input_commit },
		{ "screen", screen_commit },
		{ "sound", sound_commit },
		{ "control", control_commit },
		{ "cards", cards_commit },
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		seat->followers[i] = (struct focus_participant){
			.name = order[i].name,
			.commit = order[i].commit,
			.data = seat,
		};
		focus_add_participant(&seat->focus, &seat->followers[i]);
	}
}

__attribute__((format(printf, 3, 4))) static void add_notice(char *line, size_t size,
							     const char *format, ...)
{
	size_t used = strlen(line);
	va_list args;

	if (used > 0) {
		used += (size_t)snprintf(line + used, size - used, " - ");
	}
	if (used < size) {
		va_start(args, format);
		vsnprintf(line + used, size - used, format, args);
		va_end(args);
	}
}

/* A line that stays while the guest in front hears the microphone or wants to, a card is on its
 * way, or the guest cannot take what is typed, or stands still. */
void seat_update_notice(struct seat *seat)
{
	struct seat_guest *guest = seat_front(seat);
	const char *card = cards_line(seat->cards);
	char line[700] = "", microphone[200];

	if (seat_microphone_line(seat, microphone, sizeof(microphone))) {
		add_notice(line, sizeof(line), "%s", microphone);
	}
	if (card) {
		add_notice(line, sizeof(line), "%s", card);
	}
	if (guest && guest->sink->dropping) {
		add_notice(line, sizeof(line), "%s does not answer: keys and pointer are dropped",
			   vm_name(guest->vm));
	}
	if (guest && vm_get_state(guest->vm) == VM_STATE_PAUSED && vm_reason(guest->vm)) {
		add_notice(line, sizeof(line), "%s: %s", vm_name(guest->vm), vm_reason(guest->vm));
	}
	compositor_notice(seat->compositor, *line ? line : NULL);
}

int seat_focus(struct seat *seat, uint32_t id)
{
	return focus_request(&seat->focus, &(struct focus_request){
						   .kind = FOCUS_REQUEST_GUEST,
						   .guest = id,
					   });
}

int seat_focus_next(struct seat *seat)
{
	uint32_t by_slot[FOCUS_GUESTS_MAX];
	struct seat_guest *guest;
	size_t n = 0;

	list_for_each(guest, &seat->guests, link) {
		if (n < FOCUS_GUESTS_MAX) {
			by_slot[n++] = guest->id;
		}
	}
	return focus_request(&seat->focus, &(struct focus_request){
						   .kind = FOCUS_REQUEST_NEXT,
						   .by_slot = by_slot,
					   });
}

/* Who was in front before a crash or an upgrade is in front again; else the lowest slot. */
void seat_restore_focus(struct seat *seat)
{
	_cleanup_free_ char *name = runtime_load_focus(&seat->runtime);
	struct seat_guest *guest = name ? seat_guest_by_name(seat, name) : NULL;

	if (!guest && !list_empty(&seat->guests)) {
		guest = container_of(seat->guests.next, struct seat_guest, link);
	}
	if (guest) {
		seat_focus(seat, guest->id);
	}
}
