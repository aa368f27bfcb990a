// SPDX-License-Identifier: MIT
/*
 * Keys and pointer while the switcher is open: arrows, a slot's number, text to filter by, Enter,
 * a click. Text is read with the host's keyboard layout (XKB_DEFAULT_LAYOUT), since here a person
 * types a name; guests get scan codes.
 */
#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <string.h>
#include <xkbcommon/xkbcommon.h>

#include "seat/cards.h"
#include "seat/seat.h"

#define FILTER_MAX 64
#define EVDEV_TO_XKB 8 /* X11's key codes begin at 8 */

struct switcher {
	struct xkb_context *context;
	struct xkb_keymap *keymap;
	struct xkb_state *state; /* new each time it opens; may be NULL */
	char filter[FILTER_MAX]; /* UTF-8 */
};

int switcher_create(struct switcher **out)
{
	struct switcher *switcher = calloc(1, sizeof(*switcher));

	if (!switcher) {
		return -ENOMEM;
	}
	*out = switcher;
	/* Without a keymap there is no filter; the rest works. */
	switcher->context = xkb_context_new(XKB_CONTEXT_NO_FLAGS);
	if (switcher->context) {
		switcher->keymap = xkb_keymap_new_from_names(switcher->context, NULL,
							     XKB_KEYMAP_COMPILE_NO_FLAGS);
	}
	return 0;
}

/* A modifier that was held when it closed let go unseen: it would turn all text into others. */
static void forget_modifiers(struct switcher *switcher)
{
	xkb_state_unref(switcher->state);
	switcher->state = switcher->keymap ? xkb_state_new(switcher->keymap) : NULL;
}

void switcher_destroy(struct switcher *switcher)
{
	if (switcher) {
		xkb_state_unref(switcher->state);
		xkb_keymap_unref(switcher->keymap);
		xkb_context_unref(switcher->context);
		free(switcher);
	}
}

void seat_show_switcher(struct seat *seat, bool open)
{
	if (open == compositor_switcher_open(seat->compositor)) {
		return;
	}
	seat->switcher->filter[0] = '\0';
	forget_modifiers(seat->switcher);
	compositor_switcher_filter(seat->compositor, NULL);
	compositor_show_switcher(seat->compositor, open);
	input_set_grab(seat->input, open);
	seat_update_pointer(seat, false);
	cards_update_monitors(seat->cards);
	if (open && focus_current(&seat->focus)) {
		compositor_switcher_select(seat->compositor, focus_current(&seat->focus));
	}
}

static void choose(struct seat *seat, uint32_t id)
{
	if (id) {
		seat_show_switcher(seat, false);
		seat_focus(seat, id);
	}
}

static void set_filter(struct seat *seat)
{
	const char *text = seat->switcher->filter;

	compositor_switcher_filter(seat->compositor, *text ? text : NULL);
}

/* Takes away the last character, all of its bytes. */
static void filter_erase(struct seat *seat)
{
	char *text = seat->switcher->filter;
	size_t n = strlen(text);

	while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80) {
		n--;
	}
	text[n > 0 ? n - 1 : 0] = '\0';
	set_filter(seat);
}

static void filter_append(struct seat *seat, uint32_t code)
{
	struct switcher *switcher = seat->switcher;
	char text[8];
	int n;

	if (!switcher->state) {
		return;
	}
	n = xkb_state_key_get_utf8(switcher->state, code + EVDEV_TO_XKB, text, sizeof(text));
	if (n < 1 || n >= (int)sizeof(text) || (unsigned char)text[0] < 0x20 || text[0] == 0x7f ||
	    strlen(switcher->filter) + (size_t)n >= FILTER_MAX) {
		return;
	}
	memcpy(switcher->filter + strlen(switcher->filter), text, (size_t)n + 1);
	set_filter(seat);
}

/* Numbers are slots as long as no text is being typed. */
static bool try_slot(struct seat *seat, uint32_t code)
{
	struct seat_guest *guest;

	if (code < KEY_1 || code > KEY_9 || seat->switcher->filter[0]) {
		return false;
	}
	guest = seat_guest_by_slot(seat, code - KEY_1 + 1);
	choose(seat, guest ? guest->id : 0);
	return true;
}

static void press_key(struct seat *seat, uint32_t code)
{
	struct compositor *c = seat->compositor;

	switch (code) {
	case KEY_LEFT:
		compositor_switcher_move(c, -1, 0);
		break;
	case KEY_RIGHT:
	case KEY_TAB:
		compositor_switcher_move(c, 1, 0);
		break;
	case KEY_UP:
		compositor_switcher_move(c, 0, -1);
		break;
	case KEY_DOWN:
		compositor_switcher_move(c, 0, 1);
		break;
	case KEY_ENTER:
	case KEY_KPENTER:
		choose(seat, compositor_switcher_selected(c));
		break;
	case KEY_ESC:
		seat_show_switcher(seat, false);
		break;
	case KEY_BACKSPACE:
		filter_erase(seat);
		break;
	default:
		if (!try_slot(seat, code)) {
			filter_append(seat, code);
		}
		break;
	}
}

void seat_switcher_event(struct seat *seat, const struct input_event *event)
{
	if (event->type == INPUT_EVENT_KEY) {
		if (event->pressed) {
			press_key(seat, event->code);
		}
		if (seat->switcher->state) {
			xkb_state_update_key(seat->switcher->state, event->code + EVDEV_TO_XKB,
					     event->pressed ? XKB_KEY_DOWN : XKB_KEY_UP);
		}
	} else if (event->type == INPUT_EVENT_BUTTON && event->pressed &&
		   event->code == BTN_LEFT) {
		choose(seat, compositor_switcher_selected(seat->compositor));
	}
}

void seat_switcher_pointer(struct seat *seat, double x, double y)
{
	uint32_t id = compositor_switcher_pointer(seat->compositor, x, y);

	if (id) {
		compositor_switcher_select(seat->compositor, id);
	}
}
