// SPDX-License-Identifier: MIT
/* The compositor and what it reports: the window's input, outputs that come and go, the VT. */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "seat/cards.h"
#include "seat/seat.h"

/* ---- input of the window back end ---- */

static bool takes_motion(struct seat *seat)
{
	struct seat_guest *front = seat_front(seat);

	return front && !compositor_switcher_open(seat->compositor) &&
	       !front->sink->ops->is_absolute(front->sink);
}

static void tell_way_out(struct seat *seat)
{
	_cleanup_free_ char *chord = chord_label(&seat->chords, seat->chords.switcher);
	char line[160];

	if (chord && seat->config.toasts) {
		snprintf(line, sizeof(line), "The pointer is locked; %s lets it go", chord);
		compositor_toast(seat->compositor, line);
	}
}

static void lock_pointer(struct seat *seat, bool lock)
{
	if (lock == seat->pointer_locked) {
		return;
	}
	seat->pointer_locked = lock;
	compositor_lock_pointer(seat->compositor, lock);
	if (lock) {
		tell_way_out(seat);
	}
}

/* A click into a guest that takes motion locks the pointer, until none of those is in front. */
void seat_update_pointer(struct seat *seat, bool clicked)
{
	lock_pointer(seat, (clicked || seat->pointer_locked) && takes_motion(seat) &&
				   seat_front(seat)->source->live);
}

static void handle_key(void *data, uint32_t code, bool pressed, uint64_t time_ns)
{
	struct seat *seat = data;

	input_feed(seat->input, &(struct input_event){ .type = INPUT_EVENT_KEY,
						       .device = SEAT_DEVICE_WINDOW,
						       .time_ns = time_ns,
						       .code = code,
						       .pressed = pressed });
}

static void handle_button(void *data, uint32_t code, bool pressed, uint64_t time_ns)
{
	struct seat *seat = data;

	seat_update_pointer(seat, pressed);
	input_feed(seat->input, &(struct input_event){ .type = INPUT_EVENT_BUTTON,
						       .device = SEAT_DEVICE_WINDOW,
						       .time_ns = time_ns,
						       .code = code,
						       .pressed = pressed });
}

/* A guest that takes positions gets the window's pointer, one that takes motion its motion. */
static void handle_motion(void *data, double x, double y, double dx, double dy, uint64_t time_ns)
{
	struct seat *seat = data;
	struct input_event event = { .device = SEAT_DEVICE_WINDOW, .time_ns = time_ns };
	uint32_t width, height;

	/* Its driver may have found a tablet since. */
	seat_update_pointer(seat, false);
	compositor_output_size(seat->compositor, &width, &height);
	if (takes_motion(seat)) {
		event.type = INPUT_EVENT_MOTION;
		event.dx = dx;
		event.dy = dy;
	} else {
		event.type = INPUT_EVENT_ABSOLUTE;
		event.x = x / width;
		event.y = y / height;
	}
	input_feed(seat->input, &event);
}

static void handle_wheel(void *data, int32_t vertical, int32_t horizontal, uint64_t time_ns)
{
	struct seat *seat = data;

	input_feed(seat->input, &(struct input_event){ .type = INPUT_EVENT_WHEEL,
						       .device = SEAT_DEVICE_WINDOW,
						       .time_ns = time_ns,
						       .dx = horizontal,
						       .dy = vertical });
}

static void handle_keyboard_lost(void *data)
{
	struct seat *seat = data;

	lock_pointer(seat, false);
	input_device_gone(seat->input, SEAT_DEVICE_WINDOW);
}

static void handle_close_requested(void *data)
{
	seat_quit(data, false);
}

/* ---- outputs and session ---- */

void seat_update_transform(struct seat *seat)
{
	struct compositor_placement at = { 0 };
	struct pointer_transform transform = { 0 };
	struct seat_guest *front = seat_front(seat);
	const struct frame *display = front ? guest_picture_display(front->picture)->frame : NULL;

	compositor_output_size(seat->compositor, &transform.output_width,
			       &transform.output_height);
	if (compositor_placement(seat->compositor, &at)) {
		transform.x = at.x;
		transform.y = at.y;
		transform.width = at.width;
		transform.height = at.height;
		transform.frame_width = at.frame_width;
		transform.frame_height = at.frame_height;
	}
	if (display) {
		transform.target_width = display->width;
		transform.target_height = display->height;
	}
	input_set_transform(seat->input, &transform);
}

static void handle_outputs_changed(void *data)
{
	struct seat *seat = data;

	if (seat->compositor) {
		seat_update_transform(seat);
		seat_update_intervals(seat);
		cards_update_monitors(seat->cards);
	}
}

static void handle_card_released(void *data, const char *slot, int error)
{
	struct seat *seat = data;

	cards_screen_released(seat->cards, slot, error);
}

static void handle_card_regained(void *data, const char *slot, int error)
{
	struct seat *seat = data;

	cards_screen_regained(seat->cards, slot, error);
}

static void handle_active(void *data, bool active)
{
	struct seat *seat = data;

	if (active && seat->devices) {
		libinput_devices_resume(seat->devices);
	} else if (!active) {
		input_release_all(seat->input);
		if (seat->devices) {
			libinput_devices_suspend(seat->devices);
		}
	}
}

const struct compositor_handlers seat_screen_handlers = {
	.key = handle_key,
	.button = handle_button,
	.motion = handle_motion,
	.wheel = handle_wheel,
	.keyboard_lost = handle_keyboard_lost,
	.close_requested = handle_close_requested,
	.active = handle_active,
	.outputs_changed = handle_outputs_changed,
	.card_released = handle_card_released,
	.card_regained = handle_card_regained,
};

/* ---- which back end ---- */

static const char *const backend_names[] = {
	[COMPOSITOR_BACKEND_KMS] = "kms",
	[COMPOSITOR_BACKEND_WINDOW] = "window",
	[COMPOSITOR_BACKEND_HEADLESS] = "headless",
};
_Static_assert(sizeof(backend_names) / sizeof(backend_names[0]) == COMPOSITOR_BACKEND_COUNT,
	       "names");

static bool has_card(void)
{
	glob_t found;
	bool any = glob("/dev/dri/card*", GLOB_NOSORT, NULL, &found) == 0;

	globfree(&found);
	return any;
}

/* On a desktop a window, on a console its graphics card. */
static int choose_backend(const struct seat *seat, const char *name,
			  enum compositor_backend *backend)
{
	for (unsigned int i = 0; i < COMPOSITOR_BACKEND_COUNT; i++) {
		if (name && strcmp(name, backend_names[i]) == 0) {
			*backend = i;
			return 0;
		}
	}
	if (name && strcmp(name, "auto") != 0) {
		log_error("There is no back end \"%s\"; it is kms, window or headless.", name);
		return -EINVAL;
	}
	if (getenv("WAYLAND_DISPLAY") || getenv("DISPLAY")) {
		*backend = COMPOSITOR_BACKEND_WINDOW;
		return 0;
	}
	/* The only one may be with a guest. */
	if (has_card() || seat->cards) {
		*backend = COMPOSITOR_BACKEND_KMS;
		return 0;
	}
	log_error("There is no screen here: no desktop (DISPLAY, WAYLAND_DISPLAY) and no graphics "
		  "card (/dev/dri); --backend=headless runs without one.");
	return -ENODEV;
}

static int parse_size(const char *text, struct compositor_options *options)
{
	char end;

	if (!text) {
		return 0;
	}
	if (sscanf(text, "%5ux%5u%c", &options->width, &options->height, &end) != 2 ||
	    options->width == 0 || options->height == 0 || options->width > FRAME_SIDE_MAX ||
	    options->height > FRAME_SIDE_MAX) {
		log_error("\"%s\" is no size; it is WIDTHxHEIGHT, at most %ux%u, e.g. 1280x800.",
			  text, FRAME_SIDE_MAX, FRAME_SIDE_MAX);
		return -EINVAL;
	}
	return 0;
}

static int parse_refresh(const char *text, unsigned int configured, uint32_t *mhz)
{
	unsigned int hz = configured;
	char end;

	if (text && (sscanf(text, "%4u%c", &hz, &end) != 1 || hz == 0)) {
		log_error("\"%s\" is no refresh rate; it is a number of Hz from 1 to 9999.", text);
		return -EINVAL;
	}
	*mhz = hz * 1000;
	return 0;
}

#define OVER(option, configured) ((option) ? (option) : (configured))

int seat_open_screen(struct seat *seat)
{
	const struct seat_options *said = seat->options;
	const struct seat_config *config = &seat->config;
	struct compositor_options options = {
		.renderer = OVER(said->renderer, config->renderer),
		.card = OVER(said->card, config->card),
		.software_cursor = said->software_cursor || config->software_cursor,
		.allow_no_card = seat->cards != NULL,
	};
	_cleanup_free_ char *unopened = cards_unopened(seat->cards);
	char hint[PATH_MAX + 160];
	int r = choose_backend(seat, OVER(said->backend, config->backend), &options.backend);

	if (OVER(said->guests, config->guests)) {
		snprintf(hint, sizeof(hint), "New guests are ini files in %s",
			 OVER(said->guests, config->guests));
	} else {
		snprintf(hint, sizeof(hint), "New guests are ini files in %s/guests",
			 seat->runtime.config);
	}
	options.desk_hint = hint;
	options.released_cards = unopened;
	if (r >= 0) {
		r = parse_size(OVER(said->size, config->size), &options);
	}
	if (r >= 0) {
		r = parse_refresh(said->refresh, config->refresh, &options.refresh_mhz);
	}
	if (r < 0) {
		return r;
	}
	if (said->no_toasts) {
		seat->config.toasts = false;
	}
	seat->backend = options.backend;
	return compositor_create(seat->event, &options, &seat_screen_handlers, seat,
				 &seat->compositor);
}

/* ---- host devices ---- */

static int open_node(void *data, const char *path)
{
	struct seat *seat = data;

	return compositor_open_device(seat->compositor, path);
}

static void close_node(void *data, int fd)
{
	struct seat *seat = data;

	compositor_close_device(seat->compositor, fd);
}

static void show_leds(void *data, uint32_t mask)
{
	struct seat *seat = data;

	if (seat->devices) {
		libinput_devices_set_leds(seat->devices, mask);
	}
}

static void show_kinds(void *data, uint32_t kinds)
{
	struct seat *seat = data;
	struct seat_guest *guest;

	list_for_each(guest, &seat->guests, link) {
		vm_set_host_input(guest->vm, kinds);
	}
}

/* A guest that is not there yet is told of again when it comes. */
static void pin_device(void *data, uint32_t device, const char *name)
{
	struct seat *seat = data;
	struct seat_guest *guest = seat_guest_by_name(seat, name);

	if (guest && input_pin(seat->input, device, guest->sink) < 0) {
		log_error("Out of memory: device %u goes to whoever is in front", device);
	}
}

int seat_open_devices(struct seat *seat)
{
	const struct input_node_opener opener = {
		.open = open_node,
		.close = close_node,
		.data = seat,
	};
	int r;

	if (seat->backend != COMPOSITOR_BACKEND_KMS) {
		return 0;
	}
	input_set_led_handler(seat->input, show_leds, seat);
	r = libinput_devices_create(seat->event, compositor_seat_name(seat->compositor), &opener,
				    &seat->device_rules, seat->input, &seat->devices);
	if (r >= 0) {
		libinput_devices_set_kinds_handler(seat->devices, show_kinds, seat);
		libinput_devices_set_pin_handler(seat->devices, pin_device, seat);
	}
	return r;
}
