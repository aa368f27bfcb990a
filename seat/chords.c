// SPDX-License-Identifier: MIT
/* Chords to actions, and what else input reports. */
#include <stdlib.h>

#include "common/cleanup.h"
#include "seat/cards.h"
#include "seat/seat.h"

static void show_help(struct seat *seat, bool show)
{
	_cleanup_free_ char *lines = show ? chord_help(&seat->chords) : NULL;

	compositor_help(seat->compositor, lines);
}

/* The way out of everything: nothing is held anywhere, the guests are there to choose from, and
 * the host has its cards. */
static void rescue(struct seat *seat)
{
	input_release_all(seat->input);
	seat_show_switcher(seat, true);
	cards_rescue(seat->cards);
}

static void go_to_slot(struct seat *seat, unsigned int slot)
{
	struct seat_guest *guest = seat_guest_by_slot(seat, slot);

	if (guest) {
		seat_show_switcher(seat, false);
		seat_focus(seat, guest->id);
	}
}

static void request(struct seat *seat, enum focus_request_kind kind)
{
	seat_show_switcher(seat, false);
	focus_request(&seat->focus, &(struct focus_request){ .kind = kind });
}

static void handle_chord(void *data, enum chord_action action, unsigned int argument)
{
	struct seat *seat = data;

	switch (action) {
	case CHORD_SLOT:
		go_to_slot(seat, argument);
		break;
	case CHORD_RECENT:
		request(seat, FOCUS_REQUEST_RECENT);
		break;
	case CHORD_RECENT_END:
		request(seat, FOCUS_REQUEST_SETTLE);
		break;
	case CHORD_BACK:
		request(seat, FOCUS_REQUEST_BACK);
		break;
	case CHORD_SWITCHER:
		seat_show_switcher(seat, !compositor_switcher_open(seat->compositor));
		break;
	case CHORD_VT:
		compositor_switch_vt(seat->compositor, argument);
		break;
	case CHORD_RESCUE:
		rescue(seat);
		break;
	case CHORD_CARD:
		cards_toggle(seat->cards);
		break;
	case CHORD_LOUDER:
	case CHORD_SOFTER:
	case CHORD_MUTE:
		seat_volume_chord(seat, action);
		break;
	case CHORD_ANSWER:
		if (argument == CHORD_ANSWER_YES || argument == CHORD_ANSWER_NO) {
			seat_answer_microphone(seat, argument == CHORD_ANSWER_YES);
		} else {
			cards_answer_chord(seat->cards, argument);
		}
		break;
	case CHORD_HELP_SHOW:
	case CHORD_HELP_HIDE:
		show_help(seat, action == CHORD_HELP_SHOW);
		break;
	case CHORD_SEND_HOST_KEY: /* input sent it */
	case CHORD_NONE:
	case CHORD_COUNT:
		break;
	}
}

static void handle_grabbed(void *data, const struct input_event *event)
{
	seat_switcher_event(data, event);
}

static void handle_pointer(void *data, double x, double y)
{
	seat_switcher_pointer(data, x, y);
}

static void handle_dropping(void *data, bool dropping)
{
	(void)dropping;
	seat_update_notice(data);
}

const struct input_handlers seat_input_handlers = {
	.chord = handle_chord,
	.grabbed = handle_grabbed,
	.pointer = handle_pointer,
	.dropping = handle_dropping,
};
