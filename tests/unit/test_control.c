// SPDX-License-Identifier: MIT
/*
 * The D-Bus API over a real private socket: a child process plays the seat, the test is its client.
 * Clients that behave badly are in test_control_clients.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <systemd/sd-bus.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "control/control.h"
#include "control/text.h"
#include "tests/unit/seat_client.h"

static int setup(void **state)
{
	static struct fake_seat_process seat;

	fake_seat_start(&seat);
	*state = &seat;
	return 0;
}

static int teardown(void **state)
{
	fake_seat_stop(*state);
	return 0;
}

static void expect_error(sd_bus *bus, const char *method, const char *guest, const char *name,
			 const char *words)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

	assert_true(call(bus, method, &error, NULL, "s", guest) < 0);
	assert_string_equal(error.name, name);
	assert_string_equal(error.message, words);
}

/* ---- every method ---- */

static void test_plain_methods(void **state)
{
	sd_bus *bus = client_open(*state);

	assert_true(call(bus, "Next", NULL, NULL, NULL) >= 0);
	expect_told(bus, "next", "");
	assert_true(call(bus, "Back", NULL, NULL, NULL) >= 0);
	expect_told(bus, "back", "");
	assert_true(call(bus, "Reload", NULL, NULL, NULL) >= 0);
	expect_told(bus, "reload", "");
	assert_true(call(bus, "Start", NULL, NULL, "s", "beta") >= 0);
	expect_told(bus, "start", "beta");
	assert_true(call(bus, "Reset", NULL, NULL, "s", "gamma") >= 0);
	expect_told(bus, "reset", "gamma");
	assert_true(call(bus, "Pause", NULL, NULL, "sb", "beta", 1) >= 0);
	expect_told(bus, "pause", "beta");
	assert_true(call(bus, "Pause", NULL, NULL, "sb", "beta", 0) >= 0);
	expect_told(bus, "resume", "beta");
	client_close(bus);
}

static void test_errors_have_names_and_words(void **state)
{
	sd_bus *bus = client_open(*state);

	expect_error(bus, "Focus", "delta", CONTROL_ERROR_NO_GUEST, "no such guest here");
	expect_error(bus, "Shutdown", "alpha", CONTROL_ERROR_WRONG_STATE,
		     "alpha is stopped already");
	expect_error(bus, "Kill", "alpha", CONTROL_ERROR_FAILED, strerror(EIO));
	expect_error(bus, "Status", "alpha", SD_BUS_ERROR_INVALID_ARGS,
		     "Invalid arguments 's' to call " CONTROL_INTERFACE ".Status(), expecting ''.");
	client_close(bus);
}

static void test_input(void **state)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus *bus = client_open(*state);

	assert_true(call(bus, "InjectKey", NULL, NULL, "ub", 30u, 1) >= 0);
	expect_told(bus, "key", "30 1");
	assert_true(call(bus, "InjectMotion", NULL, NULL, "dd", -1.5, 2.0) >= 0);
	expect_told(bus, "motion", "-1.5 2");
	assert_true(call(bus, "InjectAbsolute", NULL, NULL, "dd", 0.25, 1.0) >= 0);
	expect_told(bus, "absolute", "0.25 1");
	assert_true(call(bus, "InjectWheel", NULL, NULL, "ii", -120, 15) >= 0);
	expect_told(bus, "wheel", "-120 15");
	assert_true(call(bus, "InjectButton", &error, NULL, "ub", 0x110u, 1) < 0);
	assert_string_equal(error.name, CONTROL_ERROR_NOT_PERMITTED);
	client_close(bus);
}

static void test_positions_are_checked(void **state)
{
	const double bad[] = { 0.0 / 0.0, 1.0 / 0.0, 1.001, -1e300 };
	sd_bus *bus = client_open(*state);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

		assert_true(call(bus, "InjectAbsolute", &error, NULL, "dd", 0.5, bad[i]) < 0);
		assert_string_equal(error.name, CONTROL_ERROR_INVALID);
	}
	client_close(bus);
}

/* The value of one key of the dictionary that the message stands in. */
static void expect_entry(sd_bus_message *m, const char *key, const char *type, uint64_t number,
			 const char *text)
{
	union {
		const char *s;
		uint32_t u;
		uint64_t t;
	} value = { 0 };
	const char *got;

	assert_true(sd_bus_message_enter_container(m, 'e', "sv") > 0);
	assert_true(sd_bus_message_read(m, "s", &got) > 0);
	assert_string_equal(got, key);
	assert_true(sd_bus_message_read(m, "v", type, &value) > 0);
	assert_true(sd_bus_message_exit_container(m) >= 0);
	if (text) {
		assert_string_equal(value.s, text);
	} else {
		assert_int_equal(*type == 't' ? value.t : value.u, number);
	}
}

static void test_list_guests(void **state)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	sd_bus *bus = client_open(*state);

	assert_true(call(bus, "ListGuests", NULL, &m, NULL) >= 0);
	assert_true(sd_bus_message_enter_container(m, 'a', "a{sv}") > 0);
	for (unsigned int i = 0; i < 3; i++) {
		static const char *const names[] = { "alpha", "beta", "gamma" };

		assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
		expect_entry(m, "name", "s", 0, names[i]);
		expect_entry(m, "slot", "u", i + 1, NULL);
		expect_entry(m, "state", "s", 0, "running");
		/* What no message and no terminal may hold is masked, the rest is as it was. */
		expect_entry(m, "reason", "s", 0, i == 2 ? "bad ??[2J \xc3\xa4" : "");
		expect_entry(m, "focused", "b", i == 0, NULL);
		expect_entry(m, "pid", "i", 100 + i, NULL);
		expect_entry(m, "width", "u", 320, NULL);
		expect_entry(m, "height", "u", 200, NULL);
		expect_entry(m, "live", "b", true, NULL);
		expect_entry(m, "frames", "t", 1ull << 40, NULL);
		expect_entry(m, "keys_sent", "t", 7, NULL);
		expect_entry(m, "keys_dropped", "t", 2, NULL);
		expect_entry(m, "input", "s", 0, i == 0 ? "keyboard, pen" : "emulated");
		expect_entry(m, "source", "s", 0, i == 0 ? "card" : "virtio");
		expect_entry(m, "capture", "s", 0, i == 0 ? "" : "it ?[2J lies");
	expect_entry(m, "monitors", "s", 0, "");
		expect_entry(m, "sound", "s", 0, i == 1 ? "muted" : i ? "silent" : "plays");
		expect_entry(m, "underruns", "u", 3, NULL);
		expect_entry(m, "volume", "u", 60 + 20 * i, NULL);
		expect_entry(m, "muted", "b", i == 1, NULL);
		expect_entry(m, "microphone", "b", i == 0, NULL);
		expect_entry(m, "recording", "s", 0, i ? "nothing" : "microphone");
		assert_true(sd_bus_message_exit_container(m) >= 0);
	}
	assert_int_equal(sd_bus_message_at_end(m, false), 1);
	client_close(bus);
}

static void test_status(void **state)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	sd_bus *bus = client_open(*state);

	assert_true(call(bus, "Switcher", NULL, NULL, "b", 1) >= 0);
	assert_true(call(bus, "Status", NULL, &m, NULL) >= 0);
	assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
	expect_entry(m, "version", "s", 0, "9.9");
	expect_entry(m, "backend", "s", 0, "headless");
	expect_entry(m, "renderer", "s", 0, "pixman");
	expect_entry(m, "acceleration", "s", 0, "tcg");
	expect_entry(m, "width", "u", 640, NULL);
	expect_entry(m, "height", "u", 480, NULL);
	expect_entry(m, "refresh_mhz", "u", 60000, NULL);
	expect_entry(m, "switcher", "b", true, NULL);
	expect_entry(m, "focused", "s", 0, "alpha");
	expect_entry(m, "source", "s", 0, "card");
	expect_entry(m, "capture", "s", 0, "");
	expect_entry(m, "guests", "u", 3, NULL);
	expect_entry(m, "cards", "u", 1, NULL);
	expect_entry(m, "card_trouble", "s", 0, "");
	expect_entry(m, "sound", "s", 0, "loudspeaker");
	client_close(bus);
}

static void test_sound(void **state)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus *bus = client_open(*state);

	assert_true(call(bus, "SetVolume", NULL, NULL, "sub", "beta", 70u, 1) >= 0);
	expect_told(bus, "volume", "beta 70 1");
	assert_true(call(bus, "SetVolume", &error, NULL, "sub", "beta", 4000000000u, 0) < 0);
	assert_true(sd_bus_error_has_name(&error, CONTROL_ERROR_INVALID));
	assert_true(call(bus, "SetMicrophone", NULL, NULL, "ss", "alpha", "allow") >= 0);
	expect_told(bus, "microphone", "alpha allow");
	client_close(bus);
}

static void expect_card(sd_bus *bus, bool moving)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

	assert_true(call(bus, "ListCards", NULL, &m, NULL) >= 0);
	assert_true(sd_bus_message_enter_container(m, 'a', "a{sv}") > 0);
	assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
	expect_entry(m, "name", "s", 0, "gpu");
	expect_entry(m, "address", "s", 0, "0000:01:00");
	expect_entry(m, "state", "s", 0, moving ? "ejecting" : "host");
	expect_entry(m, "owner", "s", 0, moving ? "alpha" : "");
	expect_entry(m, "moving", "b", moving, NULL);
	expect_entry(m, "target", "s", 0, moving ? "beta" : "");
	expect_entry(m, "stage", "s", 0, moving ? "eject" : "");
	expect_entry(m, "stage_ms", "u", moving ? 2500 : 0, NULL);
	expect_entry(m, "asking", "b", moving, NULL);
	expect_entry(m, "drivers", "s", 0, "bochs-drm snd_hda_intel");
	expect_entry(m, "only_screen", "b", true, NULL);
	expect_entry(m, "sound", "b", true, NULL);
	expect_entry(m, "text", "s", 0, moving ? "alpha does not let go ?" : "");
	assert_true(sd_bus_message_exit_container(m) >= 0);
	assert_int_equal(sd_bus_message_at_end(m, false), 1);
}

static void expect_card_signal(sd_bus *bus, const char *state, const char *owner, const char *text)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = next_signal(bus);
	const char *fields[5];

	assert_string_equal(sd_bus_message_get_member(m), "CardChanged");
	assert_true(sd_bus_message_read(m, "sssss", &fields[0], &fields[1], &fields[2], &fields[3],
					&fields[4]) > 0);
	assert_string_equal(fields[0], "gpu");
	assert_string_equal(fields[1], state);
	assert_string_equal(fields[2], owner);
	assert_string_equal(fields[4], text);
}

static void test_cards(void **state)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	sd_bus *bus = client_open(*state);
	const char *card;

	expect_card(bus, false);
	assert_true(call(bus, "GiveCard", NULL, &m, "ssb", "", "beta", 1) >= 0);
	assert_true(sd_bus_message_read(m, "s", &card) > 0);
	assert_string_equal(card, "gpu");
	expect_card_signal(bus, "ejecting", "alpha", "alpha does not let go ?");
	expect_card(bus, true);
	assert_true(call(bus, "AnswerCard", NULL, NULL, "ss", "gpu", "wait") >= 0);
	expect_told(bus, "gpu", "wait");
	expect_card_signal(bus, "guest", "beta", "");
	client_close(bus);
}

static void expect_monitor(sd_bus_message *m, const char *name, const char *path, const char *guest,
			   const char *cable, uint32_t width, const char *text)
{
	assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
	expect_entry(m, "name", "s", 0, name);
	expect_entry(m, "card", "s", 0, "gpu");
	expect_entry(m, "cable", "s", 0, cable);
	expect_entry(m, "path", "s", 0, path);
	expect_entry(m, "guest", "s", 0, guest);
	expect_entry(m, "width", "u", width, NULL);
	expect_entry(m, "height", "u", width * 9 / 16, NULL);
	expect_entry(m, "text", "s", 0, text);
	assert_true(sd_bus_message_exit_container(m) >= 0);
}

static void test_monitors(void **state)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *none = NULL, *m = NULL;
	sd_bus *bus = client_open(*state);

	assert_true(call(bus, "ListMonitors", NULL, &none, NULL) >= 0);
	assert_true(sd_bus_message_enter_container(none, 'a', "a{sv}") >= 0);
	assert_int_equal(sd_bus_message_at_end(none, false), 1);
	assert_true(call(bus, "GiveCard", NULL, NULL, "ssb", "", "alpha", 1) >= 0);
	assert_true(call(bus, "ListMonitors", NULL, &m, NULL) >= 0);
	assert_true(sd_bus_message_enter_container(m, 'a', "a{sv}") > 0);
	expect_monitor(m, "DP-1", "owned", "alpha", "only", 1920, "");
	expect_monitor(m, "HDMI-A-2", "composited", "", "also", 0, "it ? lies");
	assert_int_equal(sd_bus_message_at_end(m, false), 1);
	client_close(bus);
}

static void test_cards_are_refused_with_names_and_words(void **state)
{
	static const struct {
		const char *card;
		int dark;
		const char *name, *words;
	} cases[] = {
		{ "fpga", 1, CONTROL_ERROR_NO_CARD, "no such card here" },
		{ "gpu", 0, CONTROL_ERROR_WRONG_STATE, "the screen goes dark" },
	};
	sd_bus *bus = client_open(*state);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

		assert_true(call(bus, "GiveCard", &error, NULL, "ssb", cases[i].card, "beta",
				 cases[i].dark) < 0);
		assert_string_equal(error.name, cases[i].name);
		assert_string_equal(error.message, cases[i].words);
	}
	client_close(bus);
}

static void expect_content(int fd, const char *content)
{
	char buffer[64] = "";

	assert_true(pread(fd, buffer, sizeof(buffer) - 1, 0) >= 0);
	assert_string_equal(buffer, content);
}

static void test_screenshot_goes_into_memory_alone(void **state)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_close_ int memory = memfd_create("picture", MFD_CLOEXEC);
	_cleanup_close_ int second = memfd_create("picture", MFD_CLOEXEC);
	sd_bus *bus = client_open(*state);
	int pipe_fds[2];

	assert_true(call(bus, "Screenshot", NULL, NULL, "sh", "beta", memory) >= 0);
	expect_content(memory, "PNG of beta");
	assert_true(call(bus, "Screenshot", NULL, NULL, "sh", "", second) >= 0);
	expect_content(second, "PNG of the screen");
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_true(call(bus, "Screenshot", &error, NULL, "sh", "beta", pipe_fds[1]) < 0);
	assert_string_equal(error.name, CONTROL_ERROR_INVALID);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	client_close(bus);
}

static void test_export_output(void **state)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	sd_bus *bus = client_open(*state);
	int fd;

	assert_true(call(bus, "ExportOutput", NULL, &m, NULL) >= 0);
	assert_true(sd_bus_message_read(m, "h", &fd) > 0);
	expect_content(fd, "pixels");
	client_close(bus);
}

static void test_quit_answers_and_removes_the_socket(void **state)
{
	struct fake_seat_process *seat = *state;
	sd_bus *bus = client_open(seat);

	assert_true(call(bus, "Quit", NULL, NULL, "b", 1) >= 0);
	expect_told(bus, "quit", "guests");
	assert_int_equal(fake_seat_wait(seat), FAKE_SEAT_QUIT_GUESTS);
	assert_int_equal(access(seat->socket, F_OK), -1);
	client_close(bus);
}

/* Nothing is asked of this seat. */
static const struct control_actions no_actions;

static void test_connections_end_after_the_socket(void **state)
{
	struct fake_seat_process *seat = *state;
	_cleanup_(sd_event_unrefp) sd_event *event = NULL;
	struct pollfd end = { .events = 0 }; /* POLLHUP alone */
	struct control *control;
	char path[256];

	snprintf(path, sizeof(path), "%s/second", seat->dir);
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(control_create(event, path, &no_actions, NULL, &control), 0);
	end.fd = socket_open(path);
	assert_true(sd_event_run(event, DEADLINE_MS * 1000ull) > 0);
	control_close(control);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(poll(&end, 1, 0), 0);
	control_destroy(control);
	assert_int_equal(poll(&end, 1, DEADLINE_MS), 1);
	close(end.fd);
}

/* ---- properties and introspection ---- */

static int get_all(sd_bus *bus, const char *path, const char *interface, const char *method,
		   sd_bus_message **reply, const char *argument)
{
	return sd_bus_call_method(bus, NULL, path, interface, method, NULL, reply,
				  argument ? "s" : NULL, argument);
}

static void test_introspection(void **state)
{
	static const char *const members[] = {
		"ListGuests",   "Status",       "Focus",          "Next",        "Back",
		"Switcher",     "Screenshot",   "Start",          "Shutdown",    "Kill",
		"Reset",        "Pause",        "Quit",           "Reload",      "InjectKey",
		"InjectButton", "InjectMotion", "InjectAbsolute", "InjectWheel", "ExportOutput",
		"FocusChanged", "GuestChanged", "Version",        "Backend",     "Focused"
	};
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	sd_bus *bus = client_open(*state);
	const char *xml;

	assert_true(get_all(bus, CONTROL_OBJECT, "org.freedesktop.DBus.Introspectable",
			    "Introspect", &m, NULL) >= 0);
	assert_true(sd_bus_message_read(m, "s", &xml) > 0);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		char quoted[64];

		snprintf(quoted, sizeof(quoted), " name=\"%s\"", members[i]);
		if (!strstr(xml, quoted)) {
			fail_msg("%s is not in the introspection", members[i]);
		}
	}
	client_close(bus);
}

static void test_properties(void **state)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	sd_bus *bus = client_open(*state);

	assert_true(get_all(bus, CONTROL_OBJECT, "org.freedesktop.DBus.Properties", "GetAll", &m,
			    CONTROL_INTERFACE) >= 0);
	assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
	expect_entry(m, "Version", "s", 0, "9.9");
	expect_entry(m, "Backend", "s", 0, "headless");
	expect_entry(m, "Focused", "s", 0, "alpha");
	client_close(bus);
}

static int note_property(sd_bus_message *m, void *data, sd_bus_error *error)
{
	const char *interface;

	assert_true(sd_bus_message_read(m, "s", &interface) > 0);
	assert_string_equal(interface, CONTROL_INTERFACE);
	assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
	expect_entry(m, "Focused", "s", 0, "gamma");
	*(bool *)data = true;
	return 0;
}

static void test_focus_is_signalled_to_everyone(void **state)
{
	sd_bus *watcher = client_open(*state), *actor = client_open(*state);
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	bool changed = false;
	const char *guest;

	assert_true(sd_bus_match_signal(watcher, NULL, NULL, CONTROL_OBJECT,
					"org.freedesktop.DBus.Properties", "PropertiesChanged",
					note_property, &changed) >= 0);
	assert_true(call(watcher, "Status", NULL, NULL, NULL) >= 0);
	assert_true(call(actor, "Focus", NULL, NULL, "s", "gamma") >= 0);
	m = next_signal(watcher);
	assert_string_equal(sd_bus_message_get_member(m), "FocusChanged");
	assert_true(sd_bus_message_read(m, "s", &guest) > 0);
	assert_string_equal(guest, "gamma");
	assert_true(call(actor, "Next", NULL, NULL, NULL) >= 0);
	expect_told(watcher, "next", ""); /* behind the change of the property */
	assert_true(changed);
	client_close(actor);
	client_close(watcher);
}

/* ---- text ---- */

static void test_text_clean(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain", "plain" },
		{ "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
		  "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "\x1b[31m", "?[31m" },
		{ "a\nb\x7f", "a?b?" },
		{ "\xc0\xaf", "??" },           /* overlong */
		{ "\xed\xa0\x80", "???" },      /* a surrogate */
		{ "\xf4\x90\x80\x80", "????" }, /* beyond the last */
		{ "\xc2\x9b", "??" },           /* a control character of two bytes */
		{ "cut \xe2\x82", "cut ??" },
	};
	char out[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		text_clean(cases[i].in, out, sizeof(out));
		assert_string_equal(out, cases[i].out);
	}
	text_clean("ab\xe2\x82\xac", out, 5);
	assert_string_equal(out, "ab");
}

#define SEAT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SEAT_TEST(test_plain_methods),
		SEAT_TEST(test_errors_have_names_and_words),
		SEAT_TEST(test_input),
		SEAT_TEST(test_positions_are_checked),
		SEAT_TEST(test_list_guests),
		SEAT_TEST(test_status),
		SEAT_TEST(test_sound),
		SEAT_TEST(test_cards),
		SEAT_TEST(test_monitors),
		SEAT_TEST(test_cards_are_refused_with_names_and_words),
		SEAT_TEST(test_screenshot_goes_into_memory_alone),
		SEAT_TEST(test_export_output),
		SEAT_TEST(test_quit_answers_and_removes_the_socket),
		SEAT_TEST(test_connections_end_after_the_socket),
		SEAT_TEST(test_introspection),
		SEAT_TEST(test_properties),
		SEAT_TEST(test_focus_is_signalled_to_everyone),
		cmocka_unit_test(test_text_clean),
	};

	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
