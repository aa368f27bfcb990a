// SPDX-License-Identifier: MIT
/*
 * Inputs of monitors on a made-up ddcutil, a script in PATH: willing, slow, failing, hanging and
 * absent; and on made-up monitors: obedient, silent on the other input, and of their own mind.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "passthrough/monitor_input.h"
#include "passthrough/program.h"
#include "tests/unit/loop.h"

#define WAIT_MS 20000
#define HOST 0x0f
#define GUEST 0x11

/*
 * The monitor on bus 5 shows the input in the file "input". The file "mode" has words: "mute"
 * answers at its host's input alone, "deaf" takes no commands, "stubborn" takes them and does
 * nothing, "stays" does not go back, "late" follows at the second command, "slow", "hang", "gone".
 */
static const char script[] =
	"#!/bin/sh\n"
	"cd \"$DDC_FOLDER\"\n"
	"echo \"$*\" >> calls\n"
	"read input < input; read mode < mode\n"
	"case \"$mode\" in *slow*) head -c 3000000 /dev/urandom | cksum > /dev/null ;; esac\n"
	"case \"$mode\" in *hang*) exec tail -f /dev/null ;; esac\n"
	"case \"$*\" in\n"
	"detect)\n"
	"	printf 'Display 1\\n   I2C bus:  /dev/i2c-3\\n   DRM connector:           card0-DP-12\\n'\n"
	"	case \"$mode\" in *gone*) exit 0 ;; esac\n"
	"	printf 'Display 2\\n   I2C bus:  /dev/i2c-5\\n   DRM connector:           card1-DP-1\\n' ;;\n"
	"'--bus 5 --noverify setvcp 60 '*)\n"
	"	case \"$mode\" in *deaf*) exit 1 ;; *stubborn*) exit 0 ;; esac\n"
	"	case \"$mode$6\" in *stays*0x0f) exit 0 ;; esac\n"
	"	case \"$mode\" in *late*) echo obedient > mode; exit 0 ;; esac\n"
	"	for value do :; done; echo $value > input ;;\n"
	"'--bus 5 --brief getvcp 60')\n"
	"	case \"$mode$input\" in *mute*0x11) exit 1 ;; esac\n"
	"	echo \"VCP 60 SNC x${input#0x}\" ;;\n"
	"*) exit 2 ;;\n"
	"esac\n";

static struct made {
	char folder[40];
	char *path; /* PATH as it was */
	sd_event *event;
	struct monitor_input *input;
	struct monitor_memory memory; /* as told last */
	unsigned int learned, changes;
	bool stuck; /* the kernel keeps what was killed */
} made;

bool __real_program_has_ended(const struct program *program);
bool __wrap_program_has_ended(const struct program *program);

bool __wrap_program_has_ended(const struct program *program)
{
	return !made.stuck && __real_program_has_ended(program);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", made.folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void read_text(const char *name, char *out, size_t size)
{
	char path[80];
	ssize_t n;
	int fd;

	*out = '\0';
	snprintf(path, sizeof(path), "%s/%s", made.folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, out, size - 1);
		out[n > 0 ? n : 0] = '\0';
		close(fd);
	}
}

/* ddcutil was run so many times since the last question. */
static unsigned int calls(void)
{
	char text[4000];
	unsigned int n = 0;

	read_text("calls", text, sizeof(text));
	for (const char *c = text; (c = strchr(c, '\n')); c++) {
		n++;
	}
	write_file("calls", "", 0600);
	return n;
}

static void shows(const char *expected)
{
	char text[40];

	read_text("input", text, sizeof(text));
	assert_int_equal(strtol(text, NULL, 0), strtol(expected, NULL, 0));
}

static void handle_changed(void *data)
{
	made.changes++;
}

static void handle_learned(void *data, const struct monitor_memory *memory)
{
	made.memory = *memory;
	made.learned++;
}

static void make_input(enum monitor_trust host, enum monitor_trust guest, uint64_t deadline_usec)
{
	static const struct monitor_input_ops ops = { handle_changed, handle_learned };
	const struct monitor_input_options options = {
		.monitor = "DP-1",
		.memory_file = "/state/DP-1.ini",
		.known = { .inputs = { HOST, GUEST }, .trust = { host, guest } },
		.deadline_usec = deadline_usec,
		.pause_usec = 1000,
	};

	monitor_input_destroy(made.input);
	assert_int_equal(monitor_input_create(made.event, &options, &ops, NULL, &made.input), 0);
}

static int setup(void **state)
{
	char path[200];

	memset(&made, 0, sizeof(made));
	strcpy(made.folder, "/tmp/baton-ddc-XXXXXX");
	assert_non_null(mkdtemp(made.folder));
	write_file("ddcutil", script, 0700);
	write_file("input", "0x0f\n", 0600);
	write_file("mode", "obedient\n", 0600);
	write_file("calls", "", 0600);
	made.path = strdup(getenv("PATH"));
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", made.folder);
	setenv("PATH", path, 1);
	setenv("DDC_FOLDER", made.folder, 1);
	assert_true(sd_event_new(&made.event) >= 0);
	make_input(MONITOR_UNKNOWN, MONITOR_UNKNOWN, 20 * 1000 * 1000);
	return 0;
}

static int teardown(void **state)
{
	char command[80];

	monitor_input_destroy(made.input);
	sd_event_unref(made.event);
	setenv("PATH", made.path, 1);
	free(made.path);
	while (waitpid(-1, NULL, 0) > 0) {
	}
	snprintf(command, sizeof(command), "rm -rf %s", made.folder);
	return system(command);
}

static bool has_changed(void *data)
{
	return made.changes > *(unsigned int *)data;
}

static void wait_change(void)
{
	unsigned int before = made.changes;

	assert_true(loop_until(made.event, has_changed, &before, WAIT_MS));
}

static void want(enum monitor_side side)
{
	monitor_input_want(made.input, side, true);
}

/* Wants it, and waits for how that ends. */
static void go(enum monitor_side side)
{
	unsigned int before = made.changes;

	want(side);
	assert_true(loop_until(made.event, has_changed, &before, WAIT_MS));
}

static void text_has(const char *words)
{
	const char *text = monitor_input_text(made.input);

	if (!text || !strstr(text, words)) {
		fail_msg("%s", text ? text : "nothing");
	}
}

/* ---- a monitor that does what it is told ---- */

static void it_goes_and_comes_back(void **state)
{
	go(MONITOR_GUEST);
	shows("0x11");
	assert_true(monitor_input_shows_guest(made.input));
	assert_int_equal(calls(), 3); /* detect, set, look */
	assert_int_equal(made.memory.trust[MONITOR_GUEST], MONITOR_WORKS);
	assert_int_equal(made.memory.trust[MONITOR_HOST], MONITOR_UNKNOWN);
	go(MONITOR_HOST);
	shows("0x0f");
	assert_false(monitor_input_shows_guest(made.input));
	assert_int_equal(calls(), 2); /* the bus is known */
	assert_int_equal(made.memory.trust[MONITOR_HOST], MONITOR_WORKS);
	assert_null(monitor_input_text(made.input));
	go(MONITOR_GUEST);
	assert_int_equal(made.learned, 2); /* nothing new */
}

static void what_is_so_already_is_not_asked_for(void **state)
{
	monitor_input_want(made.input, MONITOR_HOST, false);
	monitor_input_want(made.input, MONITOR_HOST, false);
	want(MONITOR_HOST); /* a guest has the card since: nobody has switched */
	assert_int_equal(sd_event_run(made.event, 0), 0);
	assert_int_equal(calls(), 0);
	go(MONITOR_GUEST);
	assert_int_equal(calls(), 3);
	want(MONITOR_GUEST);
	assert_int_equal(sd_event_run(made.event, 0), 0);
	assert_int_equal(calls(), 0);
}

/* A seat that was killed may have left the monitor at the guest's input. */
static void after_a_restart_it_is_told_once(void **state)
{
	write_file("input", "0x11\n", 0600);
	go(MONITOR_HOST);
	shows("0x0f");
	assert_int_equal(calls(), 3);
}

/* Buses get other numbers when a card moves. */
static void the_bus_is_looked_for_after_each_handoff(void **state)
{
	go(MONITOR_GUEST);
	go(MONITOR_HOST);
	assert_int_equal(calls(), 5);
	monitor_input_want(made.input, MONITOR_HOST, false);
	go(MONITOR_GUEST);
	assert_int_equal(calls(), 3);
}

static void a_wish_that_comes_meanwhile_is_taken_up(void **state)
{
	write_file("mode", "slow\n", 0600);
	want(MONITOR_GUEST);
	want(MONITOR_HOST);
	want(MONITOR_GUEST);
	want(MONITOR_HOST);
	wait_change(); /* it went … */
	wait_change(); /* … and came back */
	shows("0x0f");
	assert_false(monitor_input_shows_guest(made.input));
	assert_null(monitor_input_text(made.input));
}

/* ---- monitors ---- */

static void a_monitor_may_be_silent_at_the_other_input(void **state)
{
	write_file("mode", "mute\n", 0600);
	go(MONITOR_GUEST);
	assert_true(monitor_input_shows_guest(made.input));
	assert_int_equal(made.memory.trust[MONITOR_GUEST], MONITOR_WORKS);
	go(MONITOR_HOST); /* this one still takes commands there */
	assert_int_equal(made.memory.trust[MONITOR_HOST], MONITOR_WORKS);
}

static void a_late_monitor_is_told_again(void **state)
{
	write_file("mode", "late\n", 0600);
	go(MONITOR_GUEST);
	shows("0x11");
	assert_int_equal(calls(), 5); /* detect, and twice set and look */
	assert_null(monitor_input_text(made.input));
}

static void one_that_does_not_go_is_not_told_again(void **state)
{
	write_file("mode", "stubborn\n", 0600);
	go(MONITOR_GUEST);
	assert_false(monitor_input_shows_guest(made.input));
	assert_int_equal(calls(), 1 + 4 * 2);
	assert_int_equal(made.memory.trust[MONITOR_GUEST], MONITOR_FAILS);
	text_has("it does not go to input 0x11: look whether the cable and the number are right; it is "
		 "not tried again before /state/DP-1.ini is removed");
	want(MONITOR_HOST); /* where it is */
	go(MONITOR_GUEST);
	assert_int_equal(calls(), 0);
	text_has("it does not go");
	assert_int_equal(made.learned, 1);
}

static void one_that_does_not_come_back_is_not_sent_again(void **state)
{
	write_file("mode", "stays\n", 0600);
	go(MONITOR_GUEST);
	go(MONITOR_HOST);
	shows("0x11");
	assert_true(monitor_input_shows_guest(made.input));
	text_has("it does not come back to input 0x0f: press its own button");
	assert_int_equal(made.memory.trust[MONITOR_HOST], MONITOR_FAILS);
	/* Somebody pressed the button, and the seat was started anew. */
	write_file("input", "0x0f\n", 0600);
	make_input(MONITOR_FAILS, MONITOR_WORKS, 20 * 1000 * 1000);
	monitor_input_want(made.input, MONITOR_HOST, false);
	calls();
	go(MONITOR_GUEST);
	assert_int_equal(calls(), 0);
	assert_false(monitor_input_shows_guest(made.input));
	text_has("it does not come back to input 0x0f");
}

static void one_that_takes_no_commands_is_told_with_the_remedy(void **state)
{
	write_file("mode", "deaf\n", 0600);
	go(MONITOR_GUEST);
	text_has("turn DDC/CI on in the monitor's own menu");
	assert_int_equal(made.learned, 0);
	/* Which somebody did. */
	write_file("mode", "obedient\n", 0600);
	go(MONITOR_HOST); /* nobody knows what it shows */
	go(MONITOR_GUEST);
	assert_true(monitor_input_shows_guest(made.input));
	assert_null(monitor_input_text(made.input));
}

static void a_monitor_that_is_not_there_is_told(void **state)
{
	write_file("mode", "gone\n", 0600);
	go(MONITOR_GUEST);
	text_has("ddcutil finds no monitor there");
	assert_int_equal(calls(), 1);
	want(MONITOR_GUEST); /* not again for the same wish */
	assert_int_equal(calls(), 0);
	assert_int_equal(made.learned, 0);
}

/* ---- ddcutil ---- */

static void without_ddcutil_the_remedy_is_told(void **state)
{
	setenv("PATH", "/nowhere", 1);
	go(MONITOR_GUEST);
	setenv("PATH", made.path, 1);
	text_has("install the package ddcutil, or leave input-host and input-guest out");
	assert_false(monitor_input_shows_guest(made.input));
	assert_int_equal(made.learned, 0);
}

/* What comes next waits until the one that was killed is gone, and no longer. */
static void one_that_hangs_is_killed_and_counts_for_nothing(void **state)
{
	make_input(MONITOR_UNKNOWN, MONITOR_UNKNOWN, 300 * 1000);
	write_file("mode", "hang\n", 0600);
	go(MONITOR_GUEST);
	text_has("ddcutil did not answer and was killed");
	assert_int_equal(made.learned, 0);
	assert_false(monitor_input_shows_guest(made.input));
	make_input(MONITOR_UNKNOWN, MONITOR_UNKNOWN, 20 * 1000 * 1000);
	write_file("mode", "obedient\n", 0600);
	go(MONITOR_GUEST);
	assert_true(monitor_input_shows_guest(made.input));
}

static void one_that_cannot_be_killed_is_left_alone(void **state)
{
	go(MONITOR_GUEST);
	assert_int_equal(calls(), 3);
	made.stuck = true;
	go(MONITOR_HOST);
	text_has("an earlier ddcutil hangs in the kernel");
	assert_int_equal(calls(), 0);
	assert_true(monitor_input_shows_guest(made.input));
	assert_int_equal(made.learned, 1);
	made.stuck = false;
	monitor_input_want(made.input, MONITOR_HOST, false); /* the card has gone home */
	wait_change();
	assert_false(monitor_input_shows_guest(made.input));
	assert_null(monitor_input_text(made.input));
}

static bool is_there(void *data)
{
	return monitor_input_shows_guest(made.input);
}

/* What is wanted when one is killed is done when it is gone. */
static void a_wish_outlives_one_that_hangs(void **state)
{
	make_input(MONITOR_UNKNOWN, MONITOR_UNKNOWN, 500 * 1000);
	write_file("mode", "hang\n", 0600);
	want(MONITOR_GUEST);
	want(MONITOR_HOST);
	wait_change();
	write_file("mode", "obedient\n", 0600);
	want(MONITOR_GUEST);
	assert_true(loop_until(made.event, is_there, NULL, WAIT_MS));
	shows("0x11");
}

static void a_destroyed_input_tells_nothing(void **state)
{
	write_file("mode", "hang\n", 0600);
	want(MONITOR_GUEST);
	monitor_input_destroy(made.input);
	made.input = NULL;
	assert_int_equal(made.changes, 0);
}

/* ---- words ---- */

static void buses_are_found_by_connector(void **state)
{
	static const char text[] = "Display 1\n   I2C bus:  /dev/i2c-4\n"
				   "   DRM connector:           card0-HDMI-A-1\n"
				   "   EDID synopsis:\n      Mfg id:               DEL\n\n"
				   "Invalid display\n   I2C bus:             /dev/i2c-17\n"
				   "   DRM connector:           card12-DP-1   \n";

	(void)state;
	assert_int_equal(monitor_input_parse_bus(text, "HDMI-A-1"), 4);
	assert_int_equal(monitor_input_parse_bus(text, "DP-1"), 17);
	assert_int_equal(monitor_input_parse_bus(text, "DP-12"), -1);
	assert_int_equal(monitor_input_parse_bus(text, "A-1"), -1);
	assert_int_equal(monitor_input_parse_bus("", "DP-1"), -1);
	assert_int_equal(monitor_input_parse_bus("DRM connector: card0-DP-1\n", "DP-1"), -1);
	assert_int_equal(monitor_input_parse_bus("I2C bus: usb\nDRM connector: card0-DP-1", "DP-1"), -1);
	assert_int_equal(monitor_input_parse_bus("DRM connector:", "DP-1"), -1);
}

static void values_are_the_last_byte(void **state)
{
	(void)state;
	assert_int_equal(monitor_input_parse_value("VCP 60 SNC x11\n"), 0x11);
	assert_int_equal(monitor_input_parse_value("VCP 60 CNC x00 x12 x0f x0f \n"), 0x0f);
	assert_int_equal(monitor_input_parse_value("VCP 60 ERR\n"), -1);
	assert_int_equal(monitor_input_parse_value("VCP 60 "), -1);
	assert_int_equal(monitor_input_parse_value("VCP 10 C 50 100\n"), -1);
	assert_int_equal(monitor_input_parse_value(""), -1);
}

/* ---- what is remembered ---- */

static void what_is_saved_is_loaded(void **state)
{
	static const unsigned int inputs[MONITOR_SIDES] = { HOST, GUEST }, others[] = { HOST, 0x12 };
	const struct monitor_memory known = {
		.inputs = { HOST, GUEST }, .trust = { MONITOR_FAILS, MONITOR_WORKS },
	};
	int folder = open(made.folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct monitor_memory read;
	char path[80];
	struct stat st;

	monitor_memory_load(made.folder, "DP-1", inputs, &read);
	assert_int_equal(read.trust[MONITOR_HOST], MONITOR_UNKNOWN);
	assert_int_equal(read.inputs[MONITOR_GUEST], GUEST);
	assert_int_equal(monitor_memory_save(folder, "DP-1", &known), 0);
	monitor_memory_load(made.folder, "DP-1", inputs, &read);
	assert_memory_equal(&read, &known, sizeof(read));
	/* Other inputs are another matter. */
	monitor_memory_load(made.folder, "DP-1", others, &read);
	assert_int_equal(read.trust[MONITOR_HOST], MONITOR_UNKNOWN);
	assert_int_equal(read.inputs[MONITOR_GUEST], 0x12);
	write_file("DP-1.ini", "[monitor]\nto-host = perhaps\n", 0600);
	monitor_memory_load(made.folder, "DP-1", inputs, &read);
	assert_int_equal(read.trust[MONITOR_GUEST], MONITOR_UNKNOWN);
	snprintf(path, sizeof(path), "%s/.DP-1.new", made.folder);
	assert_int_equal(stat(path, &st), -1);
	close(folder);
	assert_int_equal(monitor_memory_save(-1, "DP-1", &known), -EBADF);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_goes_and_comes_back),
		TEST(what_is_so_already_is_not_asked_for),
		TEST(after_a_restart_it_is_told_once),
		TEST(the_bus_is_looked_for_after_each_handoff),
		TEST(a_wish_that_comes_meanwhile_is_taken_up),
		TEST(a_monitor_may_be_silent_at_the_other_input),
		TEST(a_late_monitor_is_told_again),
		TEST(one_that_does_not_go_is_not_told_again),
		TEST(one_that_does_not_come_back_is_not_sent_again),
		TEST(one_that_takes_no_commands_is_told_with_the_remedy),
		TEST(a_monitor_that_is_not_there_is_told),
		TEST(without_ddcutil_the_remedy_is_told),
		TEST(one_that_hangs_is_killed_and_counts_for_nothing),
		TEST(one_that_cannot_be_killed_is_left_alone),
		TEST(a_wish_outlives_one_that_hangs),
		TEST(a_destroyed_input_tells_nothing),
		cmocka_unit_test(buses_are_found_by_connector),
		cmocka_unit_test(values_are_the_last_byte),
		TEST(what_is_saved_is_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
