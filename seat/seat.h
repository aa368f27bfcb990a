/* SPDX-License-Identifier: MIT */
/*
 * The composition: the only place that sees every folder, and it holds no logic of its own. Each
 * file of this folder wires one part to the others:
 *
 *   config.c        what the files say
 *   guests.c        guests: from configuration to vm + picture + keys
 *   cards.h         cards that guests may have, in files of their own
 *   participants.c  what follows a switch of focus, and in which order
 *   sound.c         guests' sound, and who hears the microphone
 *   volumes.h       guests' volumes, remembered in files
 *   screen.c        the compositor's reports: window input, outputs, VT
 *   chords.c        chords to actions
 *   switcher.c      keys and pointer while the switcher is open
 *   actions.c       the control API's requests
 */
#ifndef SEAT_SEAT_H
#define SEAT_SEAT_H

#include <systemd/sd-event.h>

#include "capture/guest_picture.h"
#include "common/list.h"
#include "compositor/compositor.h"
#include "control/control.h"
#include "control/seat_config.h"
#include "focus/focus.h"
#include "input/input.h"
#include "passthrough/card_config.h"
#include "seat/options.h"
#include "seat/runtime.h"
#include "vm/vm.h"

struct audio;
struct audio_config;
struct audio_guest;
struct cards;
struct passthrough_card;
struct switcher;
struct volumes;

/* Where the host's key events come from, for input's per-device bookkeeping. */
enum { SEAT_DEVICE_CONTROL = 0, SEAT_DEVICE_WINDOW = 1 };
#define SEAT_DEVICES_OF_GUESTS (1u << 31) /* and a guest's id: what programs send to it */

struct seat_guest {
	struct list link; /* seat::guests, in slot order */
	struct seat *seat;
	uint32_t id; /* for focus and compositor */
	struct vm *vm;
	struct guest_picture *picture;
	struct frame_source *source; /* the picture's */
	struct input_sink *sink;
	struct audio_guest *sound;
	struct card_wishes wishes;
	struct vm_observer vm_observer;
	struct frame_source_observer source_observer, display_observer;
};

/*
 * SEAT_RUNNING   as long as nobody asked for an end.
 * SEAT_DRAINING  "quit --guests": ends when the last guest has ended.
 * SEAT_ENDING    the loop was told to end.
 */
enum seat_phase { SEAT_RUNNING, SEAT_DRAINING, SEAT_ENDING };

struct seat {
	sd_event *event;
	const struct seat_options *options;
	struct runtime runtime;
	struct seat_config config;
	struct chord_config chords;
	struct list guests;
	uint32_t last_id;
	struct compositor *compositor;
	enum compositor_backend backend;
	bool pointer_locked; /* into the window; see seat_update_pointer() */
	struct input *input;
	struct libinput_devices *devices; /* kms only */
	struct device_rules device_rules;
	struct focus focus;
	struct focus_participant followers[5];
	struct audio *audio;
	struct volumes *volumes; /* NULL: nothing is remembered */
	struct cards *cards; /* NULL: there are none to lend */
	struct switcher *switcher;
	struct control *control;
	enum seat_phase phase;
	char why[256]; /* the last refusal, for the control API */
};

/* Each fails with one logged sentence. */
int seat_create(const struct seat_options *options, struct seat **out);
int seat_run(struct seat *seat); /* the program's exit status */
/* After seat_run(): the value of CARDS_RESTARTED when the program is to execute itself anew once
 * the seat is destroyed, else NULL. The caller frees it. */
char *seat_take_restart(struct seat *seat);
void seat_destroy(struct seat *seat);
/* check-config: prints every mistake; the exit status. */
int seat_check_config(const struct seat_options *options);
void seat_quit(struct seat *seat, bool guests);

/* config.c */
struct guest_configs {
	struct vm_config **configs; /* one that was taken is NULL */
	struct card_wishes *wishes; /* of each; NULL: nobody has any */
	struct audio_config *sounds; /* of each; NULL: the defaults */
	size_t n;
};
int seat_load_config(struct seat *seat, struct ini_report *report);
int seat_load_guests(struct seat *seat, struct guest_configs *list, struct ini_report *report);
void guest_configs_finish(struct guest_configs *list);
bool guest_configs_have(const struct guest_configs *list, const char *name);
/* Logs it; -EINVAL. */
int seat_fail_with_report(const struct ini_report *report);

/* guests.c */
/* Ends the loop when the seat only waited for its guests and all of them are down. */
void seat_end_when_drained(struct seat *seat);
int seat_add_guests(struct seat *seat);
int seat_reload_guests(struct seat *seat);
void seat_remove_guest(struct seat_guest *guest);
struct seat_guest *seat_find_guest(struct seat *seat, uint32_t id);      /* may be NULL */
struct seat_guest *seat_guest_by_slot(struct seat *seat, unsigned int slot);
struct seat_guest *seat_guest_by_name(struct seat *seat, const char *name); /* or slot number */
const char *seat_guest_state(const struct seat_guest *guest);
struct seat_guest *seat_front(struct seat *seat); /* may be NULL */
/* Guests' pictures follow the screen's refresh rate, and who has which card. */
void seat_update_intervals(struct seat *seat);
void seat_update_card_pictures(struct seat *seat);

/* participants.c */
void seat_add_participants(struct seat *seat);
int seat_focus(struct seat *seat, uint32_t id);
int seat_focus_next(struct seat *seat);
void seat_restore_focus(struct seat *seat);
void seat_update_notice(struct seat *seat);

/* sound.c */
/* Logs why not. */
int seat_open_sound(struct seat *seat);
/* config NULL: the defaults. */
int seat_add_sound(struct seat_guest *guest, const struct audio_config *config);
/* This guest (NULL: none) is in front. */
void seat_hear(struct seat *seat, struct seat_guest *guest);
/* By a chord or the API; shown on the screen, and remembered. */
void seat_set_volume(struct seat_guest *guest, unsigned int percent, bool muted);
void seat_volume_chord(struct seat *seat, enum chord_action action);
void seat_answer_microphone(struct seat *seat, bool yes);
/* What is on the screen about the microphone; false: nothing. The keys of the answers are chords
 * while it is a question. */
bool seat_microphone_line(struct seat *seat, char *line, size_t size);

/* screen.c */
extern const struct compositor_handlers seat_screen_handlers;
int seat_open_screen(struct seat *seat);
int seat_open_devices(struct seat *seat);
void seat_update_transform(struct seat *seat);
void seat_update_pointer(struct seat *seat, bool clicked);

/* chords.c, switcher.c, actions.c */
extern const struct input_handlers seat_input_handlers;
int switcher_create(struct switcher **out);
void switcher_destroy(struct switcher *switcher);
void seat_show_switcher(struct seat *seat, bool open);
void seat_switcher_event(struct seat *seat, const struct input_event *event);
void seat_switcher_pointer(struct seat *seat, double x, double y);
extern const struct control_actions seat_actions;
/* Writes the sentence to seat->why and *why, and returns the error. */
__attribute__((format(printf, 4, 5))) int seat_refuse(struct seat *seat, const char **why,
						      int error, const char *format, ...);
void seat_tell_card(struct seat *seat, const struct passthrough_card *card);

#endif
