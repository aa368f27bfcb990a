// SPDX-License-Identifier: MIT
/* batonctl's commands about the seat and its guests. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "control/control.h"
#include "control/ctl.h"
#include "control/text.h"

#define QUIT_SEC 10        /* for the seat to end */
#define QUIT_GUESTS_SEC 90 /* for the guests to shut down before */

static json_int_t integer_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void print_guest(const json_t *guest)
{
	char size[32] = "-", slot[16] = "-", reason[256], capture[256];
	/* Paths are worth a word only where one is out of the ordinary. */
	const char *said = ctl_string(guest, "monitors"), *monitors = strstr(said, " owned") ? said : "";

	if (integer_of(guest, "slot")) {
		snprintf(slot, sizeof(slot), "%d", (int)integer_of(guest, "slot"));
	}
	if (integer_of(guest, "width")) {
		snprintf(size, sizeof(size), "%dx%d%s", (int)integer_of(guest, "width"),
			 (int)integer_of(guest, "height"), ctl_is_true(guest, "live") ? "" : " old");
	}
	text_clean(ctl_string(guest, "reason"), reason, sizeof(reason));
	text_clean(ctl_string(guest, "capture"), capture, sizeof(capture));
	printf("%c %-4s %-20s %-9s %-15s %-8s %s%s%s%s%s%s\n",
	       ctl_is_true(guest, "focused") ? '*' : ' ', slot, ctl_string(guest, "name"),
	       ctl_string(guest, "state"), size, ctl_string(guest, "source"), reason,
	       *reason && *capture ? "; " : "", *capture ? "card: " : "", capture,
	       *monitors && (*reason || *capture) ? "; " : "", monitors);
}

static enum ctl_status run_list(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_json_ json_t *guests = NULL;
	enum ctl_status status = ctl_get_guests(ctl, &guests);
	json_t *guest;
	size_t i;

	if (status != CTL_OK) {
		return status;
	}
	if (ctl->json) {
		return ctl_print_json(guests);
	}
	printf("  %-4s %-20s %-9s %-15s %-8s %s\n", "SLOT", "NAME", "STATE", "PICTURE", "FROM",
	       "REASON");
	json_array_foreach(guests, i, guest)
	{
		print_guest(guest);
	}
	return CTL_OK;
}

/* A seat without cards to lend says nothing about them. */
static void print_cards(const json_t *seat)
{
	const char *trouble = ctl_string(seat, "card_trouble");

	if (integer_of(seat, "cards") > 0) {
		printf("cards     %d%s%s\n", (int)integer_of(seat, "cards"),
		       *trouble ? ", none can be lent: " : "", trouble);
	}
}

/* Of the guest in front. */
static void print_picture(const json_t *seat)
{
	char capture[256];

	text_clean(ctl_string(seat, "capture"), capture, sizeof(capture));
	if (*ctl_string(seat, "source")) {
		printf("picture   %s%s%s\n", ctl_string(seat, "source"),
		       *capture ? ", and not from its card: " : "", capture);
	}
}

/* Where sound goes; and who is not silent. */
static void print_sound(const json_t *seat, const json_t *guests)
{
	const json_t *guest;
	size_t i;

	printf("sound     %s\n", ctl_string(seat, "sound"));
	json_array_foreach((json_t *)guests, i, guest)
	{
		const char *sound = ctl_string(guest, "sound");
		const char *recording = ctl_string(guest, "recording");
		bool records = strcmp(recording, "nothing") != 0;

		if (strcmp(sound, "silent") != 0 || records) {
			printf("          %s: %s at %d %%%s%s\n", ctl_string(guest, "name"), sound,
			       (int)integer_of(guest, "volume"), records ? ", records " : "",
			       records ? recording : "");
		}
	}
}

/* What a guest plays on a card of its own never comes here. */
static void print_own_sound(const json_t *cards)
{
	const json_t *card;
	size_t i;

	json_array_foreach((json_t *)cards, i, card)
	{
		const char *owner = ctl_string(card, "owner");

		if (ctl_is_true(card, "sound") && *owner && !ctl_is_true(card, "moving")) {
			printf("          %s: the sound of %s is its own\n", owner,
			       ctl_string(card, "name"));
		}
	}
}

/* Which devices take each guest's keys. */
static void print_input(const json_t *guests)
{
	const json_t *guest;
	size_t i;

	json_array_foreach((json_t *)guests, i, guest)
	{
		const char *input = ctl_string(guest, "input");

		if (*input) {
			printf("%s%s: %s\n", i == 0 ? "input     " : "          ",
			       ctl_string(guest, "name"), input);
		}
	}
}

static enum ctl_status run_status(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_json_ json_t *seat = NULL, *monitors = NULL, *guests = NULL, *cards = NULL;
	enum ctl_status status = ctl_get_status(ctl, &seat);
	const char *focused;

	if (status == CTL_OK) {
		status = ctl_get_monitors(ctl, &monitors);
	}
	if (status != CTL_OK) {
		return status;
	}
	if (ctl->json) {
		json_object_set(seat, "monitors", monitors);
		return ctl_print_json(seat);
	}
	status = ctl_get_guests(ctl, &guests);
	if (status == CTL_OK) {
		status = ctl_get_cards(ctl, &cards);
	}
	if (status != CTL_OK) {
		return status;
	}
	focused = ctl_string(seat, "focused");
	printf("version   %s\n", ctl_string(seat, "version"));
	printf("screen    %s, %s, %dx%d at %.3f Hz\n", ctl_string(seat, "backend"),
	       ctl_string(seat, "renderer"), (int)integer_of(seat, "width"),
	       (int)integer_of(seat, "height"), (double)integer_of(seat, "refresh_mhz") / 1000);
	printf("guests    %d, run by %s\n", (int)integer_of(seat, "guests"),
	       ctl_string(seat, "acceleration"));
	printf("in front  %s%s\n", *focused ? focused : "none",
	       ctl_is_true(seat, "switcher") ? " (the switcher is open)" : "");
	print_picture(seat);
	print_sound(seat, guests);
	print_own_sound(cards);
	print_input(guests);
	print_cards(seat);
	ctl_print_monitors_line(monitors);
	return CTL_OK;
}

/* ---- commands on one guest ---- */

static enum ctl_status call_on_guest(struct ctl *ctl, const char *word, const char *method)
{
	_cleanup_free_ char *guest = NULL;
	enum ctl_status status = ctl_find_guest(ctl, word, &guest);

	return status != CTL_OK ? status : ctl_call(ctl, NULL, method, "s", guest);
}

static enum ctl_status run_focus(struct ctl *ctl, int argc, char **argv)
{
	return call_on_guest(ctl, argv[0], "Focus");
}

static enum ctl_status run_start(struct ctl *ctl, int argc, char **argv)
{
	return call_on_guest(ctl, argv[0], "Start");
}

static enum ctl_status run_shutdown(struct ctl *ctl, int argc, char **argv)
{
	return call_on_guest(ctl, argv[0], "Shutdown");
}

static enum ctl_status run_kill(struct ctl *ctl, int argc, char **argv)
{
	return call_on_guest(ctl, argv[0], "Kill");
}

static enum ctl_status run_reset(struct ctl *ctl, int argc, char **argv)
{
	return call_on_guest(ctl, argv[0], "Reset");
}

static enum ctl_status call_pause(struct ctl *ctl, const char *word, bool paused)
{
	_cleanup_free_ char *guest = NULL;
	enum ctl_status status = ctl_find_guest(ctl, word, &guest);

	return status != CTL_OK ? status : ctl_call(ctl, NULL, "Pause", "sb", guest, paused);
}

static enum ctl_status run_pause(struct ctl *ctl, int argc, char **argv)
{
	return call_pause(ctl, argv[0], true);
}

static enum ctl_status run_resume(struct ctl *ctl, int argc, char **argv)
{
	return call_pause(ctl, argv[0], false);
}

/* ---- commands on the seat ---- */

static enum ctl_status run_next(struct ctl *ctl, int argc, char **argv)
{
	return ctl_call(ctl, NULL, "Next", NULL);
}

static enum ctl_status run_back(struct ctl *ctl, int argc, char **argv)
{
	return ctl_call(ctl, NULL, "Back", NULL);
}

static enum ctl_status run_reload(struct ctl *ctl, int argc, char **argv)
{
	return ctl_call(ctl, NULL, "Reload", NULL);
}

static enum ctl_status run_switcher(struct ctl *ctl, int argc, char **argv)
{
	const char *word = argc ? argv[0] : "toggle";
	_cleanup_json_ json_t *seat = NULL;
	enum ctl_status status;
	bool open = !strcmp(word, "on");

	if (!strcmp(word, "toggle")) {
		status = ctl_get_status(ctl, &seat);
		if (status != CTL_OK) {
			return status;
		}
		open = !ctl_is_true(seat, "switcher");
	} else if (!open && strcmp(word, "off")) {
		return ctl_fail(CTL_USAGE, "\"%s\" is not right; expected on, off or toggle", word);
	}
	return ctl_call(ctl, NULL, "Switcher", "b", open);
}

/* Waits until the seat has closed the connection, so that another one can be started. */
static enum ctl_status wait_for_end(struct ctl *ctl, unsigned int seconds)
{
	uint64_t end = clock_now_ns() + seconds * NSEC_PER_SEC, now;

	while ((now = clock_now_ns()) < end) {
		int r = sd_bus_process(ctl->bus, NULL);

		if (r < 0) {
			return CTL_OK;
		}
		if (r == 0 && sd_bus_wait(ctl->bus, (end - now) / NSEC_PER_USEC) < 0) {
			return CTL_OK;
		}
	}
	return ctl_fail(CTL_FAILED, "the seat was told to quit, but has not ended after %u s",
			seconds);
}

static enum ctl_status run_quit(struct ctl *ctl, int argc, char **argv)
{
	bool guests = ctl_take_flag(&argc, argv, "--guests");
	enum ctl_status status;

	if (argc) {
		return ctl_fail(CTL_USAGE, "quit takes nothing but --guests");
	}
	status = ctl_call(ctl, NULL, "Quit", "b", guests);
	return status != CTL_OK ? status : wait_for_end(ctl, guests ? QUIT_GUESTS_SEC : QUIT_SEC);
}

/* ---- screenshot ---- */

static int copy_all(int from, int to)
{
	char buffer[65536];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(from, buffer, sizeof(buffer), at)) > 0) {
		for (ssize_t done = 0, w; done < n; done += w) {
			w = write(to, buffer + done, (size_t)(n - done));
			if (w < 0) {
				return -errno;
			}
		}
		at += n;
	}
	return n < 0 ? -errno : 0;
}

/* The file is touched only when there is a picture for it. */
static enum ctl_status save_picture(int picture, const char *path)
{
	_cleanup_close_ int file = -1;
	int r;

	if (!strcmp(path, "-")) {
		r = copy_all(picture, STDOUT_FILENO);
		return r < 0 ? ctl_fail(CTL_FAILED, "standard output: %s", strerror(-r)) : CTL_OK;
	}
	file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	r = file < 0 ? -errno : copy_all(picture, file);
	return r < 0 ? ctl_fail(CTL_FAILED, "%s: %s", path, strerror(-r)) : CTL_OK;
}

static enum ctl_status run_screenshot(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_free_ char *guest = NULL;
	_cleanup_close_ int picture = -1;
	enum ctl_status status = CTL_OK;
	bool bad = false;
	const char *word = ctl_take_value(&argc, argv, "--guest", &bad);

	ctl_end_options(&argc, argv);
	if (bad || argc != 1) {
		return ctl_fail(CTL_USAGE, "usage: batonctl screenshot [--guest NAME] FILE|-");
	}
	if (!strcmp(argv[0], "-") && isatty(STDOUT_FILENO)) {
		return ctl_fail(CTL_USAGE, "a picture is nothing for a terminal; name a file");
	}
	if (word) {
		status = ctl_find_guest(ctl, word, &guest);
	}
	if (status != CTL_OK) {
		return status;
	}
	picture = memfd_create("screenshot", MFD_CLOEXEC);
	if (picture < 0) {
		return ctl_fail(CTL_FAILED, "no memory for the picture: %s", strerror(errno));
	}
	status = ctl_call(ctl, NULL, "Screenshot", "sh", guest ? guest : "", picture);
	return status != CTL_OK ? status : save_picture(picture, argv[0]);
}

/* ---- watch ---- */

static void print_event(struct ctl *ctl, const char *kind, const char *guest, const char *state)
{
	if (!ctl->json) {
		printf("%s %s%s%s\n", kind, *guest ? guest : "-", state ? " " : "",
		       state ? state : "");
	} else {
		_cleanup_json_ json_t *event =
			state ? json_pack("{ssssss}", "event", kind, "guest", guest, "state", state)
			      : json_pack("{ssss}", "event", kind, "guest", guest);

		json_dumpf(event, stdout, JSON_COMPACT);
		putchar('\n');
	}
	fflush(stdout);
}

static void print_card(struct ctl *ctl, const char *const fields[5])
{
	static const char *const keys[] = { "card", "state", "owner", "stage", "text" };

	if (!ctl->json) {
		printf("card %s %s %s%s%s%s%s\n", fields[0], fields[1],
		       *fields[2] ? fields[2] : "-", *fields[3] ? " " : "", fields[3],
		       *fields[4] ? ": " : "", fields[4]);
	} else {
		_cleanup_json_ json_t *event = json_pack("{ss}", "event", "card");

		for (size_t i = 0; i < 5; i++) {
			json_object_set_new(event, keys[i], json_string(fields[i]));
		}
		json_dumpf(event, stdout, JSON_COMPACT);
		putchar('\n');
	}
	fflush(stdout);
}

static void print_card_signal(struct ctl *ctl, sd_bus_message *m)
{
	const char *fields[5];

	if (sd_bus_message_read(m, "sssss", &fields[0], &fields[1], &fields[2], &fields[3],
				&fields[4]) > 0) {
		print_card(ctl, fields);
	}
}

static void print_signal(struct ctl *ctl, sd_bus_message *m)
{
	const char *guest, *state;

	if (sd_bus_message_is_signal(m, CONTROL_INTERFACE, "FocusChanged") > 0 &&
	    sd_bus_message_read(m, "s", &guest) > 0) {
		print_event(ctl, "focus", guest, NULL);
	} else if (sd_bus_message_is_signal(m, CONTROL_INTERFACE, "GuestChanged") > 0 &&
		   sd_bus_message_read(m, "ss", &guest, &state) > 0) {
		print_event(ctl, "guest", guest, state);
	} else if (sd_bus_message_is_signal(m, CONTROL_INTERFACE, "CardChanged") > 0) {
		print_card_signal(ctl, m);
	}
}

/* What holds at the start comes first, in the same words as what changes later. */
static enum ctl_status print_now(struct ctl *ctl)
{
	_cleanup_json_ json_t *guests = NULL, *cards = NULL, *seat = NULL;
	enum ctl_status status = ctl_get_status(ctl, &seat);
	json_t *guest, *card;
	size_t i;

	if (status == CTL_OK) {
		status = ctl_get_guests(ctl, &guests);
	}
	if (status == CTL_OK) {
		status = ctl_get_cards(ctl, &cards);
	}
	if (status != CTL_OK) {
		return status;
	}
	print_event(ctl, "focus", ctl_string(seat, "focused"), NULL);
	json_array_foreach(guests, i, guest)
	{
		print_event(ctl, "guest", ctl_string(guest, "name"), ctl_string(guest, "state"));
	}
	json_array_foreach(cards, i, card)
	{
		print_card(ctl, (const char *const[]){
					ctl_string(card, "name"), ctl_string(card, "state"),
					ctl_string(card, "owner"), ctl_string(card, "stage"),
					ctl_string(card, "text") });
	}
	return CTL_OK;
}

static enum ctl_status run_watch(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status = print_now(ctl);
	int r = 0;

	if (status != CTL_OK) {
		return status;
	}
	while (r >= 0) {
		_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

		r = sd_bus_process(ctl->bus, &m);
		if (m) {
			print_signal(ctl, m);
		}
		if (r == 0) {
			r = sd_bus_wait(ctl->bus, UINT64_MAX);
		}
	}
	return ctl_fail(CTL_NO_SEAT, "the seat has ended");
}

/* clang-format off */
const struct ctl_command ctl_seat_commands[] = {
	{ "list", 0, 0, run_list, "", "show all guests" },
	{ "status", 0, 0, run_status, "", "show what the seat runs on" },
	{ "watch", 0, 0, run_watch, "", "print focus and state, now and whenever they change" },
	{ "focus", 1, 1, run_focus, "NAME|SLOT", "put a guest in front" },
	{ "next", 0, 0, run_next, "", "put the guest of the next slot in front" },
	{ "back", 0, 0, run_back, "", "put the guest in front that was there before" },
	{ "switcher", 0, 1, run_switcher, "[on|off|toggle]", "open or close the switcher" },
	{ "screenshot", 1, 3, run_screenshot, "[--guest NAME] FILE|-",
	  "save the screen, or one guest's picture, as PNG" },
	{ "start", 1, 1, run_start, "NAME|SLOT", "start a guest" },
	{ "shutdown", 1, 1, run_shutdown, "NAME|SLOT", "ask a guest to shut down, then force it" },
	{ "kill", 1, 1, run_kill, "NAME|SLOT", "end a guest at once" },
	{ "reset", 1, 1, run_reset, "NAME|SLOT", "press a guest's reset button" },
	{ "pause", 1, 1, run_pause, "NAME|SLOT", "stop a guest's processors" },
	{ "resume", 1, 1, run_resume, "NAME|SLOT", "let them run again" },
	{ "quit", 0, 1, run_quit, "[--guests]", "end the seat; with --guests the guests too" },
	{ "reload", 0, 0, run_reload, "", "read the configuration again" },
	{ 0 }
};
/* clang-format on */
