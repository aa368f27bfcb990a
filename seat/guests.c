// SPDX-License-Identifier: MIT
/* Guests: from configuration to a vm, its picture and its keys, tied together. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audio/audio.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "seat/cards.h"
#include "seat/seat.h"

DEFINE_CLEANUP(struct ini_report *, ini_report_destroy)

/* ---- a guest's changes ---- */

const char *seat_guest_state(const struct seat_guest *guest)
{
	return vm_is_hung(guest->vm) ? "hung" : vm_state_name(vm_get_state(guest->vm));
}

static void show_guest(struct seat_guest *guest)
{
	const struct frame_source *source = guest->source;

	compositor_set_guest(guest->seat->compositor, guest->id,
			     &(struct scene_guest){
				     .name = vm_name(guest->vm),
				     .slot = vm_slot(guest->vm),
				     .source = guest->source,
				     .state = seat_guest_state(guest),
				     .reason = source->live ? NULL : source->reason,
			     });
}

void seat_end_when_drained(struct seat *seat)
{
	struct seat_guest *guest;

	if (seat->phase != SEAT_DRAINING) {
		return;
	}
	list_for_each(guest, &seat->guests, link) {
		enum vm_state state = vm_get_state(guest->vm);

		if (state != VM_STATE_STOPPED && state != VM_STATE_FAILED) {
			return;
		}
	}
	seat->phase = SEAT_ENDING;
	sd_event_exit(seat->event, 0);
}

static void handle_vm_changed(struct vm *vm, void *data)
{
	struct seat_guest *guest = data;

	(void)vm;
	show_guest(guest);
	if (guest->seat->control) {
		control_guest_changed(guest->seat->control, vm_name(guest->vm),
				      seat_guest_state(guest));
	}
	if (seat_front(guest->seat) == guest) {
		seat_update_notice(guest->seat);
	}
	seat_end_when_drained(guest->seat);
}

static void handle_source_state(struct frame_source *source, void *data)
{
	(void)source;
	show_guest(data);
}

static void handle_frame_changed(struct frame_source *source, void *data)
{
	struct seat_guest *guest = data;

	(void)source;
	if (seat_front(guest->seat) == guest) {
		seat_update_transform(guest->seat);
		cards_picture_changed(guest->seat->cards, guest);
	}
}

/*
 * A guest that hides its pointer, as games do, wants motion. When it shows it again, its pointer is
 * where the guest left it.
 */
static void handle_cursor_changed(struct frame_source *source, void *data)
{
	struct seat_guest *guest = data;
	bool hidden = source->cursor.image && !source->cursor.visible;

	if (hidden == guest->sink->pointer_hidden) {
		return;
	}
	guest->sink->pointer_hidden = hidden;
	if (!hidden && seat_front(guest->seat) == guest) {
		input_place_pointer(guest->seat->input, source->cursor.x, source->cursor.y);
	}
}

static const struct vm_observer_ops vm_ops = { .changed = handle_vm_changed };
static const struct frame_source_observer_ops source_ops = {
	.frame_changed = handle_frame_changed,
	.cursor_changed = handle_cursor_changed,
	.state_changed = handle_source_state,
};
/* Of QEMU's display, which may not be what is shown: the pointer's positions are its. */
static const struct frame_source_observer_ops display_ops = {
	.frame_changed = handle_frame_changed,
};

/* ---- where its picture comes from ---- */

static void update_interval(struct seat_guest *guest)
{
	uint32_t mhz = compositor_refresh_mhz(guest->seat->compositor);

	if (mhz) {
		/* Thousandths of Hz, microseconds. */
		guest_picture_set_interval(guest->picture, 1000ull * 1000 * 1000 / mhz);
	}
}

void seat_update_intervals(struct seat *seat)
{
	struct seat_guest *guest;

	list_for_each(guest, &seat->guests, link) {
		update_interval(guest);
	}
}

struct card_walk {
	const char *guest;
	bool has_card;
};

/* Until it is out of the guest: that one may not let go of it, and goes on drawing. */
static void walk_card(void *data, const struct passthrough_card *card)
{
	struct card_walk *walk = data;

	walk->has_card |= card->owner && strcmp(card->owner, walk->guest) == 0 &&
			  (card->state == CARD_STATE_GUEST || card->state == CARD_STATE_EJECTING);
}

static void update_card_picture(struct seat_guest *guest)
{
	struct card_walk walk = { .guest = vm_name(guest->vm) };

	if (guest->seat->cards) {
		passthrough_each(guest->seat->cards->passthrough, walk_card, &walk);
	}
	guest_picture_set_card(guest->picture, walk.has_card);
}

void seat_update_card_pictures(struct seat *seat)
{
	struct seat_guest *guest;

	list_for_each(guest, &seat->guests, link) {
		update_card_picture(guest);
	}
}

/* ---- birth and death ---- */

static void insert_by_slot(struct seat *seat, struct seat_guest *guest)
{
	unsigned int slot = vm_slot(guest->vm) ? vm_slot(guest->vm) : UINT32_MAX;
	struct seat_guest *other;

	list_for_each(other, &seat->guests, link) {
		if (vm_slot(other->vm) > slot || (vm_slot(other->vm) == 0 && slot != UINT32_MAX)) {
			list_append(&other->link, &guest->link);
			return;
		}
	}
	list_append(&seat->guests, &guest->link);
}

void seat_remove_guest(struct seat_guest *guest)
{
	struct seat *seat = guest->seat;

	focus_remove_guest(&seat->focus, guest->id);
	cards_remove_guest(seat->cards, guest);
	audio_remove_guest(take_ptr(guest->sound));
	if (guest->source) {
		compositor_remove_guest(seat->compositor, guest->id);
		frame_source_unobserve(&guest->source_observer);
		frame_source_unobserve(&guest->display_observer);
		guest_picture_destroy(guest->picture);
	}
	if (guest->sink && seat->input) {
		input_unpin_sink(seat->input, guest->sink);
	}
	input_sink_destroy(guest->sink);
	if (guest->vm) {
		vm_remove_observer(&guest->vm_observer);
		vm_destroy(guest->vm);
	}
	list_remove(&guest->link);
	card_wishes_finish(&guest->wishes);
	free(guest);
}

/* The wishes move out of the list. */
static void take_wishes(struct seat_guest *guest, struct guest_configs *list, size_t i)
{
	card_wishes_finish(&guest->wishes);
	if (list->wishes) {
		guest->wishes = list->wishes[i];
		list->wishes[i] = (struct card_wishes){ 0 };
	}
}

static const struct audio_config *sound_of(const struct guest_configs *list, size_t i)
{
	return list->sounds ? &list->sounds[i] : NULL;
}

/* Takes the configuration, also on failure. */
static int add_guest(struct seat *seat, struct vm_config *config,
		     const struct audio_config *sound, struct seat_guest **out)
{
	struct seat_guest *guest = calloc(1, sizeof(*guest));
	int r;

	if (!guest) {
		vm_config_destroy(config);
		return -ENOMEM;
	}
	guest->seat = seat;
	guest->id = ++seat->last_id;
	list_init(&guest->link);
	list_init(&guest->vm_observer.link);
	list_init(&guest->source_observer.link);
	list_init(&guest->display_observer.link);
	r = vm_create(seat->event, config, seat->runtime.dir, seat->runtime.state, &guest->vm);
	if (r >= 0) {
		r = vm_set_settings(guest->vm, seat->runtime.config);
	}
	if (r >= 0) {
		r = guest_picture_create(seat->event, guest->vm, &guest->picture);
	}
	if (r >= 0) {
		r = guest_sink_create(seat->event, guest->vm, &guest->sink);
	}
	if (r >= 0) {
		r = seat_add_sound(guest, sound);
	}
	if (r < 0) {
		seat_remove_guest(guest);
		return r;
	}
	if (seat->cards) {
		vm_set_starter(guest->vm, &passthrough_starter_ops, seat->cards->passthrough);
	}
	if (seat->devices) {
		vm_set_host_input(guest->vm, libinput_devices_kinds(seat->devices));
	}
	guest->source = guest_picture_source(guest->picture);
	update_interval(guest);
	guest->vm_observer.ops = &vm_ops;
	guest->vm_observer.data = guest;
	vm_add_observer(guest->vm, &guest->vm_observer);
	/* The compositor looks first: what follows a new frame here asks it where that is. */
	show_guest(guest);
	guest->source_observer.ops = &source_ops;
	guest->source_observer.data = guest;
	frame_source_observe(guest->source, &guest->source_observer);
	guest->display_observer.ops = &display_ops;
	guest->display_observer.data = guest;
	frame_source_observe(guest_picture_display(guest->picture), &guest->display_observer);
	insert_by_slot(seat, guest);
	focus_add_guest(&seat->focus, guest->id);
	if (seat->devices) {
		libinput_devices_tell_pins(seat->devices);
	}
	*out = guest;
	return 0;
}

/* One that runs already is taken over; one that cannot start is shown with the reason. */
static void bring_up(struct seat_guest *guest)
{
	cards_add_guest(guest->seat->cards, guest);
	update_card_picture(guest);
	/* A start that fails is logged by vm/, which knows the cause. */
	if (vm_adopt(guest->vm) == 0 && vm_get_config(guest->vm)->autostart) {
		vm_start(guest->vm);
	}
}

int seat_add_guests(struct seat *seat)
{
	_cleanup_(ini_report_destroy_ptr) struct ini_report *report = ini_report_create();
	struct guest_configs list = { 0 };
	int r;

	if (!report) {
		return -ENOMEM;
	}
	r = seat_load_guests(seat, &list, report);
	if (r < 0 || ini_report_count(report) > 0) {
		guest_configs_finish(&list);
		return seat_fail_with_report(report);
	}
	for (size_t i = 0; i < list.n && r >= 0; i++) {
		struct seat_guest *guest;

		r = add_guest(seat, take_ptr(list.configs[i]), sound_of(&list, i), &guest);
		if (r >= 0) {
			take_wishes(guest, &list, i);
			bring_up(guest);
		} else {
			log_error("A guest could not be made: %s.", strerror(-r));
		}
	}
	guest_configs_finish(&list);
	return r < 0 ? r : 0;
}

static struct seat_guest *guest_named(struct seat *seat, const char *name)
{
	struct seat_guest *guest;

	list_for_each(guest, &seat->guests, link) {
		if (strcmp(vm_name(guest->vm), name) == 0) {
			return guest;
		}
	}
	return NULL;
}

static void drop_unconfigured(struct seat *seat, const struct guest_configs *list)
{
	struct seat_guest *guest, *next;

	list_for_each_safe(guest, next, &seat->guests, link) {
		enum vm_state state = vm_get_state(guest->vm);

		if (!guest_configs_have(list, vm_name(guest->vm)) &&
		    (state == VM_STATE_STOPPED || state == VM_STATE_FAILED)) {
			seat_remove_guest(guest);
		}
	}
}

/* A guest that is not running takes what its file says now, slot and cards included. */
static void reconfigure(struct seat_guest *guest, struct guest_configs *list, size_t i)
{
	if (vm_set_config(guest->vm, take_ptr(list->configs[i])) == 0) {
		list_remove(&guest->link);
		insert_by_slot(guest->seat, guest);
		cards_remove_guest(guest->seat->cards, guest);
		take_wishes(guest, list, i);
		cards_add_guest(guest->seat->cards, guest);
	}
}

/*
 * New guests appear; those whose file is gone go when they are stopped; stopped ones start with
 * their new settings the next time. A running one stays as it was started; but how it is heard is
 * the host's business, and changes at once.
 */
int seat_reload_guests(struct seat *seat)
{
	_cleanup_(ini_report_destroy_ptr) struct ini_report *report = ini_report_create();
	struct guest_configs list = { 0 };
	int r;

	if (!report) {
		return -ENOMEM;
	}
	r = seat_load_guests(seat, &list, report);
	if (r < 0 || ini_report_count(report) > 0) {
		snprintf(seat->why, sizeof(seat->why), "%s",
			 ini_report_count(report) ? ini_report_line(report, 0) : strerror(-r));
		guest_configs_finish(&list);
		return -EINVAL;
	}
	drop_unconfigured(seat, &list);
	for (size_t i = 0; i < list.n; i++) {
		struct seat_guest *guest = guest_named(seat, list.configs[i]->name);

		if (guest) {
			reconfigure(guest, &list, i);
			if (list.sounds) {
				audio_configure_guest(guest->sound, &list.sounds[i]);
			}
		} else if (add_guest(seat, take_ptr(list.configs[i]), sound_of(&list, i),
				     &guest) >= 0) {
			take_wishes(guest, &list, i);
			bring_up(guest);
		}
	}
	guest_configs_finish(&list);
	return 0;
}

/* ---- looking up ---- */

struct seat_guest *seat_find_guest(struct seat *seat, uint32_t id)
{
	struct seat_guest *guest;

	list_for_each(guest, &seat->guests, link) {
		if (guest->id == id) {
			return guest;
		}
	}
	return NULL;
}

struct seat_guest *seat_guest_by_slot(struct seat *seat, unsigned int slot)
{
	struct seat_guest *guest;

	list_for_each(guest, &seat->guests, link) {
		if (slot > 0 && vm_slot(guest->vm) == slot) {
			return guest;
		}
	}
	return NULL;
}

struct seat_guest *seat_guest_by_name(struct seat *seat, const char *name)
{
	struct seat_guest *guest = guest_named(seat, name);

	if (!guest && name[0] >= '1' && name[0] <= '9' && name[1] == '\0') {
		guest = seat_guest_by_slot(seat, (unsigned int)(name[0] - '0'));
	}
	return guest;
}

struct seat_guest *seat_front(struct seat *seat)
{
	return seat_find_guest(seat, focus_current(&seat->focus));
}
