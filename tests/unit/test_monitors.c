// SPDX-License-Identifier: MIT
/* What monitors show while their card goes to a guest and back, and what the seat says of it. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/list.h"
#include "passthrough/monitor_input.h"
#include "seat/monitors.h"
#include "tests/unit/cards_world.h"

#define CARD "0000:01:00"
#define OTHER "0000:00:02"

static void light(const char *name, const char *slot)
{
	screen.outputs[screen.n_outputs++] =
		(struct compositor_output){ .name = name, .slot = slot, .width = 1920,
					    .height = 1080 };
	cards_update_monitors(guest.seat->cards);
}

static void darken(const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < screen.n_outputs; i++) {
		if (strcmp(screen.outputs[i].name, name) != 0) {
			screen.outputs[kept++] = screen.outputs[i];
		}
	}
	screen.n_outputs = kept;
	cards_update_monitors(guest.seat->cards);
}

static struct cards *open_with(struct fixture *f, const char *name, const char *text)
{
	struct cards *cards;

	write_card(f, "gpu.ini", "[card]\naddress = 0000:01:00\n");
	assert_int_equal(cards_load(f->folder, f->report, &f->seat.cards), 0);
	cards = f->seat.cards;
	assert_int_equal(remove_card(f, "gpu.ini"), 0);
	if (name) {
		write_card(f, name, text);
	}
	assert_int_equal(monitors_load(cards, f->folder, f->report), 0);
	assert_int_equal(cards_open(cards, &f->seat), 0);
	return cards;
}

static void says(struct cards *cards, const char *who, const char *expected)
{
	char line[200];

	monitors_describe(cards, who, line, sizeof(line));
	assert_string_equal(line, expected);
}

static void is_in(enum card_state state, bool moving, const char *owner)
{
	made->cards[0].state = state;
	made->cards[0].moving = moving;
	made->cards[0].target = moving ? "work" : NULL;
	made->cards[0].stage = moving ? "prepare" : NULL;
	made->cards[0].owner = owner;
	tell();
}

/* ---- made up: the input's switch ---- */

struct monitor_input {
	struct monitor_input_options options;
	struct monitor_input_ops ops;
	void *data;
	enum monitor_side wanted;
	bool lent, guest;
	unsigned int wants;
	const char *text;
};

static struct monitor_input *made_input;

int monitor_input_create(sd_event *event, const struct monitor_input_options *options,
			 const struct monitor_input_ops *ops, void *data,
			 struct monitor_input **out)
{
	*out = made_input = calloc(1, sizeof(*made_input));
	*made_input = (struct monitor_input){ .options = *options, .ops = *ops, .data = data };
	return 0;
}

void monitor_input_destroy(struct monitor_input *input)
{
	free(input);
	made_input = input ? NULL : made_input;
}

void monitor_input_want(struct monitor_input *input, enum monitor_side side, bool lent)
{
	input->wanted = side;
	input->lent = lent;
	input->wants++;
}

bool monitor_input_shows_guest(const struct monitor_input *input)
{
	return input->guest;
}

const char *monitor_input_text(const struct monitor_input *input)
{
	return input->text;
}

/* The monitor has come where it was wanted. */
static void follow(void)
{
	made_input->guest = made_input->wanted == MONITOR_GUEST;
	made_input->ops.changed(made_input->data);
}

/* ---- one cable ---- */

static void what_is_lit_on_the_card_is_known_without_a_file(void **state)
{
	struct cards *cards = open_with(*state, NULL, NULL);

	light("HDMI-A-2", CARD);
	light("eDP-1", OTHER);
	says(cards, "work", "HDMI-A-2 composited");
	says(cards, "play", "HDMI-A-2 composited");
	is_in(CARD_STATE_DRAINING, true, NULL);
	darken("HDMI-A-2");
	says(cards, "work", "HDMI-A-2 absent");
	is_in(CARD_STATE_GUEST, false, "work");
	says(cards, "work", "HDMI-A-2 owned");
	says(cards, "play", "HDMI-A-2 absent");
	assert_int_equal(cards->monitors.list[0]->width, 1920); /* the layout keeps it */
	is_in(CARD_STATE_EJECTING, true, "work");
	says(cards, "work", "HDMI-A-2 owned");
	is_in(CARD_STATE_RETURNING, true, NULL);
	says(cards, "work", "HDMI-A-2 absent");
	/* The driver calls it otherwise now. */
	light("HDMI-A-1", CARD);
	is_in(CARD_STATE_HOST, false, NULL);
	says(cards, "work", "HDMI-A-1 composited");
}

static void a_file_speaks_of_what_was_never_seen(void **state)
{
	struct cards *cards = open_with(*state, "DP-1.ini", "[monitor]\ncard = gpu\n");

	says(cards, "work", "DP-1 absent");
	is_in(CARD_STATE_GUEST, false, "work");
	says(cards, "work", "DP-1 owned");
	light("DP-1", OTHER); /* another one of that name is not it */
	says(cards, "work", "DP-1 owned");
	darken("DP-1");
	is_in(CARD_STATE_HOST, false, NULL);
	light("DP-1", CARD);
	says(cards, "work", "DP-1 composited");
	darken("DP-1"); /* switched off: it stays known */
	light("DP-2", CARD);
	says(cards, "work", "DP-1 absent, DP-2 composited");
}

static void a_card_that_is_stuck_shows_nothing(void **state)
{
	struct cards *cards = open_with(*state, "DP-1.ini", "[monitor]\ncard = gpu\n");

	is_in(CARD_STATE_GUEST, false, "work");
	is_in(CARD_STATE_WEDGED, false, "work");
	says(cards, "work", "DP-1 absent");
}

/* Screens are opened before cards are. */
static void what_was_lit_before_is_known(void **state)
{
	screen.outputs[screen.n_outputs++] =
		(struct compositor_output){ .name = "DP-1", .slot = CARD };
	says(open_with(*state, NULL, NULL), "work", "DP-1 composited");
}

/* ---- two cables ---- */

static void a_second_cable_keeps_the_hosts_picture(void **state)
{
	struct cards *cards = open_with(*state, "DP-1.ini", "[monitor]\ncard = gpu\ncable = also\n");

	light("DP-1", OTHER);
	says(cards, "work", "DP-1 composited");
	is_in(CARD_STATE_GUEST, false, "work");
	says(cards, "work", "DP-1 composited");
	assert_string_equal(rest.line, "");
	darken("DP-1");
	says(cards, "work", "DP-1 absent");
}

static const char two_inputs[] =
	"[monitor]\ncard = gpu\ncable = also\ninput-host = 15\ninput-guest = 17\n";

/* With a broker that has spoken, and a guest that has the card. */
static struct cards *open_switching(struct fixture *f)
{
	static const struct broker_facts facts;
	struct cards *cards;

	f->seat.runtime.state = f->folder;
	cards = open_with(f, "DP-1.ini", two_inputs);
	light("DP-1", OTHER);
	assert_int_equal(made_input->wants, 0); /* the seat before may have left it anywhere */
	made->cards[0].facts = &facts;
	is_in(CARD_STATE_HOST, false, NULL);
	assert_int_equal(made_input->wanted, MONITOR_HOST);
	assert_false(made_input->lent);
	is_in(CARD_STATE_GUEST, false, "work");
	assert_int_equal(made_input->wanted, MONITOR_GUEST);
	assert_true(made_input->lent);
	return cards;
}

static void an_input_follows_the_guest_in_front(void **state)
{
	struct cards *cards = open_switching(*state);

	says(cards, "work", "DP-1 composited"); /* until it has switched */
	follow();
	says(cards, "work", "DP-1 owned");
	says(cards, "play", "DP-1 composited");
	assert_string_equal(rest.line, "Monitor DP-1 shows work itself");
	darken("DP-1"); /* the host's cable may sleep then */
	says(cards, "work", "DP-1 owned");
	rest.front = false;
	cards_focus(cards, 0);
	assert_int_equal(made_input->wanted, MONITOR_HOST);
	assert_true(made_input->lent);
	follow();
	light("DP-1", OTHER);
	says(cards, "work", "DP-1 composited");
}

static void what_the_host_has_to_show_is_seen(void **state)
{
	struct cards *cards = open_switching(*state);

	follow();
	screen.switcher = true;
	cards_update_monitors(cards);
	assert_int_equal(made_input->wanted, MONITOR_HOST);
	screen.switcher = false;
	cards_update_monitors(cards);
	assert_int_equal(made_input->wanted, MONITOR_GUEST);
	/* A question about any card. */
	made->cards[0].asking = true;
	tell();
	assert_int_equal(made_input->wanted, MONITOR_HOST);
	made->cards[0].asking = false;
	tell();
	assert_int_equal(made_input->wanted, MONITOR_GUEST);
	/* And before anything happens to the card. */
	is_in(CARD_STATE_GUEST, true, "work");
	assert_int_equal(made_input->wanted, MONITOR_HOST);
	is_in(CARD_STATE_HOST, false, NULL);
	assert_false(made_input->lent);
}

static void copy_text(const struct control_monitor *monitor, void *data)
{
	*(const char **)data = monitor->text;
}

static bool is_kept(void)
{
	static const unsigned int inputs[MONITOR_SIDES] = { 15, 17 };
	struct fixture *f = container_of(guest.seat, struct fixture, seat);
	struct monitor_memory memory;
	char folder[80];

	snprintf(folder, sizeof(folder), "%s/monitors", f->folder);
	monitor_memory_load(folder, "DP-1", inputs, &memory);
	return memory.trust[MONITOR_GUEST] == MONITOR_FAILS;
}

static void what_is_learned_is_kept_and_what_fails_is_told(void **state)
{
	struct cards *cards = open_switching(*state);
	struct monitor_memory memory = made_input->options.known;
	const char *text = NULL;

	assert_int_equal(memory.inputs[MONITOR_GUEST], 17);
	assert_int_equal(memory.trust[MONITOR_GUEST], MONITOR_UNKNOWN);
	memory.trust[MONITOR_GUEST] = MONITOR_FAILS;
	made_input->ops.learned(made_input->data, &memory);
	run_until(*state, is_kept);
	made_input->text = "it did not go there";
	monitors_each(cards, copy_text, &text);
	assert_string_equal(text, "it did not go there");
}

/* ---- what is said ---- */

static void other_screens_say_what_a_monitor_shows(void **state)
{
	struct cards *cards = open_with(*state, "DP-1.ini", "[monitor]\ncard = gpu\n");

	is_in(CARD_STATE_ATTACHING, true, NULL);
	is_in(CARD_STATE_GUEST, false, "work");
	assert_string_equal(screen.toast,
			    "work has the graphics card. Monitor DP-1 shows work itself");
	assert_string_equal(rest.line, "Monitor DP-1 shows work itself");
	/* Where its picture is captured, each screen shows the same. */
	screen.shown = SOURCE_CARD;
	cards_picture_changed(cards, &guest);
	assert_string_equal(rest.line, "");
	screen.shown = SOURCE_VIRTIO;
	cards_picture_changed(cards, &guest);
	assert_string_equal(rest.line, "Monitor DP-1 shows work itself");
	/* Another guest in front is where it says to be. */
	rest.front = false;
	cards_focus(cards, 0);
	assert_string_equal(rest.line, "");
	rest.front = true;
	cards_focus(cards, GUEST_ID);
	assert_string_equal(rest.line, "Monitor DP-1 shows work itself");
	/* What goes wrong is more. */
	stop("work", "It failed.");
	assert_string_equal(rest.line, "gpu: It failed.");
	is_in(CARD_STATE_HOST, false, NULL);
	made->cards[0].text = NULL;
	tell();
	assert_string_equal(rest.line, "");
}

static void copy_monitor(const struct control_monitor *monitor, void *data)
{
	char *line = data;
	size_t used = strlen(line);

	snprintf(line + used, 300 - used, "%s %s %s %s %s %ux%u;", monitor->name, monitor->card,
		 monitor->cable, monitor->path, monitor->guest ? monitor->guest : "-",
		 monitor->width, monitor->height);
}

static void each_monitor_is_told(void **state)
{
	struct cards *cards = open_with(*state, "DP-1.ini", "[monitor]\ncard = gpu\n");
	char line[300] = "";

	monitors_each(NULL, copy_monitor, line);
	assert_string_equal(line, "");
	light("HDMI-A-1", CARD);
	monitors_each(cards, copy_monitor, line);
	assert_string_equal(line, "DP-1 gpu only absent - 0x0;"
				  "HDMI-A-1 gpu only composited - 1920x1080;");
	darken("HDMI-A-1");
	is_in(CARD_STATE_GUEST, false, "play");
	line[0] = '\0';
	monitors_each(cards, copy_monitor, line);
	assert_string_equal(line, "DP-1 gpu only owned play 0x0;"
				  "HDMI-A-1 gpu only owned play 1920x1080;");
}

static void files_without_a_card_are_mistakes(void **state)
{
	struct fixture *f = *state;

	write_card(f, "DP-1.ini", "[monitor]\ncard = gpu\n");
	assert_int_equal(monitors_load(NULL, f->folder, f->report), -EINVAL);
	assert_non_null(strstr(ini_report_line(f->report, 0), "there is no card \"gpu\""));
	says(NULL, "work", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_lit_on_the_card_is_known_without_a_file),
		TEST(a_file_speaks_of_what_was_never_seen),
		TEST(a_card_that_is_stuck_shows_nothing),
		TEST(what_was_lit_before_is_known),
		TEST(a_second_cable_keeps_the_hosts_picture),
		TEST(an_input_follows_the_guest_in_front),
		TEST(what_the_host_has_to_show_is_seen),
		TEST(what_is_learned_is_kept_and_what_fails_is_told),
		TEST(other_screens_say_what_a_monitor_shows),
		TEST(each_monitor_is_told),
		TEST(files_without_a_card_are_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
