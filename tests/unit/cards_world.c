// SPDX-License-Identifier: MIT
/* Everything around the seat's cards; see cards_world.h. */
#include "tests/unit/test.h"

#include "tests/unit/cards_world.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "tests/unit/fake_vm.h"

#define WAIT_NS (20 * NSEC_PER_SEC)

/* ---- made up: time ---- */

/* In the place of libsystemd's. */
int sd_event_add_time_relative(sd_event *event, sd_event_source **source, clockid_t clock,
			       uint64_t usec, uint64_t accuracy, sd_event_time_handler_t handler,
			       void *data)
{
	return sd_event_add_time(event, source, clock,
				 clock_now_ns() / NSEC_PER_USEC + usec / 1000, 1, handler, data);
}

int sd_event_source_set_time_relative(sd_event_source *source, uint64_t usec)
{
	return sd_event_source_set_time(source, clock_now_ns() / NSEC_PER_USEC + usec / 1000);
}

/* ---- made up: passthrough/ ---- */

struct passthrough *made;

int passthrough_create(sd_event *event, const char *broker_socket, struct card_config **cards,
		       size_t n, const struct passthrough_handlers *handlers, void *data,
		       struct passthrough **out)
{
	made = calloc(1, sizeof(*made));
	assert_string_equal(broker_socket, "/made/up.sock");
	made->configs = cards;
	made->n = n;
	made->handlers = *handlers;
	made->data = data;
	for (size_t i = 0; i < n; i++) {
		made->cards[i] = (struct passthrough_card){ .name = cards[i]->name,
							    .address = "0000:01:00" };
	}
	*out = made;
	return 0;
}

void passthrough_destroy(struct passthrough *passthrough)
{
	for (size_t i = 0; passthrough && i < passthrough->n; i++) {
		card_config_destroy(passthrough->configs[i]);
	}
	if (passthrough) {
		free(passthrough->configs);
	}
	free(passthrough);
}

int passthrough_add_guest(struct passthrough *passthrough, uint32_t id, struct vm *vm,
			  const struct card_wishes *wishes)
{
	passthrough->guests++;
	return 0;
}

void passthrough_remove_guest(struct passthrough *passthrough, uint32_t id)
{
	passthrough->guests--;
}

void passthrough_focus(struct passthrough *passthrough, uint32_t id)
{
	passthrough->focus = id;
}

int passthrough_give(struct passthrough *passthrough, const char *card, uint32_t id,
		     const char **why)
{
	passthrough->gives++;
	snprintf(passthrough->asked, sizeof(passthrough->asked), "%s %u", card ? card : "any", id);
	passthrough->cards[0].text = NULL;
	*why = "made up refusal";
	return passthrough->give_error;
}

int passthrough_answer(struct passthrough *passthrough, const char *card,
		       enum handoff_answer answer, const char **why)
{
	snprintf(passthrough->answered, sizeof(passthrough->answered), "%s %d", card, answer);
	return 0;
}

void passthrough_rescue(struct passthrough *passthrough)
{
	passthrough->rescues++;
}

void passthrough_screen_closed(struct passthrough *passthrough, const char *card, int error,
			       const char *text)
{
	snprintf(passthrough->closed, sizeof(passthrough->closed), "%s %d %s", card, error,
		 text ? text : "");
}

void passthrough_screen_opened(struct passthrough *passthrough, const char *card, int error,
			       const char *text)
{
	snprintf(passthrough->opened, sizeof(passthrough->opened), "%s %d %s", card, error,
		 text ? text : "");
}

void passthrough_released(struct passthrough *passthrough, uint32_t id, int error, const char *text)
{
	snprintf(passthrough->released, sizeof(passthrough->released), "%u %d %s", id, error, text);
}

void passthrough_each(struct passthrough *passthrough,
		      void (*each)(void *data, const struct passthrough_card *card), void *data)
{
	for (size_t i = 0; i < passthrough->n; i++) {
		each(data, &passthrough->cards[i]);
	}
}

const char *passthrough_trouble(const struct passthrough *passthrough)
{
	return NULL;
}

/* ---- made up: the compositor ---- */

struct made_screen screen;

bool compositor_uses_card(const struct compositor *compositor, const char *slot, bool *only)
{
	assert_string_equal(slot, "0000:01:00");
	*only = screen.only;
	return screen.uses;
}

void compositor_release_card(struct compositor *compositor, const char *slot)
{
	screen.releases++;
	screen.uses = screen.release < 0 ? screen.uses : false;
	if (!screen.later) {
		cards_screen_released(made->data, slot, screen.release);
	}
}

void compositor_regain_card(struct compositor *compositor, const char *slot)
{
	screen.regains++;
	if (!screen.later) {
		cards_screen_regained(made->data, slot, 0);
	}
}

void compositor_each_output(const struct compositor *compositor,
			    void (*each)(void *data, const struct compositor_output *output),
			    void *data)
{
	for (size_t i = 0; i < screen.n_outputs; i++) {
		each(data, &screen.outputs[i]);
	}
}

bool compositor_switcher_open(const struct compositor *compositor)
{
	return screen.switcher;
}

struct made_agent agent;

bool guest_picture_can_release(const struct guest_picture *picture)
{
	return agent.there;
}

int guest_picture_release(struct guest_picture *picture, struct agent_slot slot,
			  void (*released)(void *data, int error, const char *text), void *data)
{
	agent.slot = slot;
	agent.released = released;
	agent.data = data;
	return agent.there ? 0 : -ENOTCONN;
}

void guest_picture_cancel_release(struct guest_picture *picture)
{
	agent.released = NULL;
}

enum source_kind guest_picture_shown(const struct guest_picture *picture)
{
	return screen.shown;
}

void compositor_toast(struct compositor *compositor, const char *text)
{
	snprintf(screen.toast, sizeof(screen.toast), "%s", text ? text : "");
}

/* ---- made up: input and the rest of the seat ---- */

struct made_seat rest;

struct seat_guest guest;

void input_set_asking(struct input *input, enum chord_question question, bool asking)
{
	assert_int_equal(question, CHORD_QUESTION_CARD);
	rest.asking = asking;
}

struct seat_guest *seat_find_guest(struct seat *seat, uint32_t id)
{
	return id == GUEST_ID ? &guest : NULL;
}

struct seat_guest *seat_front(struct seat *seat)
{
	return rest.front ? &guest : NULL;
}

void seat_update_notice(struct seat *seat)
{
	const char *line = cards_line(seat->cards);

	snprintf(rest.line, sizeof(rest.line), "%s", line ? line : "");
}

void seat_update_card_pictures(struct seat *seat)
{
	rest.pictures++;
}

void seat_tell_card(struct seat *seat, const struct passthrough_card *card)
{
	rest.told++;
}

void seat_quit(struct seat *seat, bool guests)
{
	assert_false(guests);
	rest.quit = true;
}

int seat_refuse(struct seat *seat, const char **why, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(seat->why, sizeof(seat->why), format, args);
	va_end(args);
	*why = seat->why;
	return error;
}

/* ---- the tests' own ---- */

void write_card(struct fixture *f, const char *name, const char *text)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

int remove_card(struct fixture *f, const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	return remove(path);
}

int cards_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	memset(&screen, 0, sizeof(screen));
	memset(&rest, 0, sizeof(rest));
	memset(&guest, 0, sizeof(guest));
	rest.front = true;
	strcpy(f->folder, "/tmp/baton-cards-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	f->report = ini_report_create();
	assert_true(sd_event_new(&f->seat.event) >= 0);
	chord_config_init(&f->seat.chords);
	f->seat.config.toasts = true;
	guest.seat = &f->seat;
	guest.id = GUEST_ID;
	guest.vm = fake_vm_create(f->seat.event, "work");
	setenv("BATON_BROKER", "/made/up.sock", 1);
	*state = f;
	return 0;
}

int cards_teardown(void **state)
{
	struct fixture *f = *state;
	char command[64];

	cards_destroy(f->seat.cards);
	card_wishes_finish(&guest.wishes);
	fake_vm_destroy(guest.vm);
	ini_report_destroy(f->report);
	sd_event_unref(f->seat.event);
	snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	free(f);
	return system(command);
}

struct cards *open_cards(struct fixture *f, bool only)
{
	screen.uses = screen.only = only;
	write_card(f, "gpu.ini", "[card]\naddress = 0000:01:00\n");
	assert_int_equal(cards_load(f->folder, f->report, &f->seat.cards), 0);
	assert_int_equal(cards_open(f->seat.cards, &f->seat), 0);
	return f->seat.cards;
}

void tell(void)
{
	made->handlers.changed(made->data, &made->cards[0]);
}

void move(const char *target, const char *stage)
{
	made->cards[0].moving = true;
	made->cards[0].target = target;
	made->cards[0].stage = stage;
	made->cards[0].stage_usec = clock_now_ns() / NSEC_PER_USEC;
	made->cards[0].text = NULL;
	tell();
}

void stop(const char *owner, const char *text)
{
	made->cards[0].moving = made->cards[0].asking = false;
	made->cards[0].target = made->cards[0].stage = NULL;
	made->cards[0].owner = owner;
	made->cards[0].text = text;
	tell();
}

void run_until(struct fixture *f, bool (*done)(void))
{
	uint64_t end = clock_now_ns() + WAIT_NS;

	while (!done()) {
		assert_true(clock_now_ns() < end);
		assert_true(sd_event_run(f->seat.event, 100000) >= 0);
	}
}

int give(struct fixture *f, bool dark)
{
	const char *name = NULL, *why = NULL;

	return cards_give(f->seat.cards, &name, &guest, dark, &why);
}

void close_screen(void)
{
	made->handlers.close_screen(made->data, &made->cards[0]);
}

void open_screen(void)
{
	made->handlers.open_screen(made->data, &made->cards[0]);
}
