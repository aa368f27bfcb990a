// SPDX-License-Identifier: MIT
/* The real batonctl, run against a made-up seat: its words, its exit statuses, its errors. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "tests/unit/fake_seat.h"

#define DEADLINE_MS 60000
#define WORDS_MAX 16

/* ---- running it ---- */

struct program {
	pid_t pid;
	FILE *out, *err;
};

static struct fake_seat_process seat;

/* Beside this test in the build folder. */
static const char *program_path(void)
{
	static char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);

	assert_true(n > 0);
	path[n] = 0;
	*strstr(path, "/tests/unit/") = 0;
	return strcat(path, "/control/batonctl");
}

/* words end with a NULL. */
static struct program program_start(const char *const words[])
{
	char *argv[WORDS_MAX + 4] = { "batonctl", "--socket", seat.socket };
	struct program program;
	int out[2], err[2];

	for (size_t i = 0; words[i]; i++) {
		assert_true(i < WORDS_MAX);
		argv[3 + i] = (char *)words[i];
	}
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	program.pid = fork();
	if (program.pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		execv(program_path(), argv);
		_exit(127);
	}
	close(out[1]);
	close(err[1]);
	program.out = fdopen(out[0], "r");
	program.err = fdopen(err[0], "r");
	return program;
}

static int program_wait(struct program *program)
{
	int status;

	fclose(program->out);
	fclose(program->err);
	assert_int_equal(waitpid(program->pid, &status, 0), program->pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

struct result {
	int status;
	char out[8192], err[2048];
};

/* What it prints is less than a pipe holds, so one stream can be read after the other. */
static struct result run(const char *const words[])
{
	struct program program = program_start(words);
	struct result result;

	result.out[fread(result.out, 1, sizeof(result.out) - 1, program.out)] = 0;
	result.err[fread(result.err, 1, sizeof(result.err) - 1, program.err)] = 0;
	result.status = program_wait(&program);
	return result;
}

#define batonctl(...) run((const char *const[]){ __VA_ARGS__, NULL })

/* One sentence on stderr that says this, nothing on stdout. */
static void expect_failure(struct result result, int status, const char *words)
{
	if (result.status != status || !strstr(result.err, words)) {
		print_message("status %d, said: %s", result.status, result.err);
	}
	assert_int_equal(result.status, status);
	assert_non_null(strstr(result.err, words));
	assert_ptr_equal(strchr(result.err, '\n'), result.err + strlen(result.err) - 1);
	assert_string_equal(result.out, "");
}

static void expect_silence(struct result result)
{
	assert_string_equal(result.err, "");
	assert_string_equal(result.out, "");
	assert_int_equal(result.status, 0);
}

/* ---- what a seat was asked, seen by a watching batonctl ---- */

static struct program watch_start(void)
{
	struct program watch = program_start((const char *const[]){ "watch", NULL });
	char line[256];

	/* The five lines of what holds now; from then on it listens. */
	for (int i = 0; i < 5; i++) {
		assert_non_null(fgets(line, sizeof(line), watch.out));
	}
	return watch;
}

static void expect_line(struct program *watch, const char *expected)
{
	char line[256];

	assert_non_null(fgets(line, sizeof(line), watch->out));
	assert_int_equal(line[strlen(line) - 1], '\n');
	line[strlen(line) - 1] = 0;
	assert_string_equal(line, expected);
}

static void watch_end(struct program *watch)
{
	kill(watch->pid, SIGKILL);
	fclose(watch->out);
	fclose(watch->err);
	waitpid(watch->pid, NULL, 0);
}

/* ---- tests ---- */

static int setup(void **state)
{
	alarm(DEADLINE_MS / 1000); /* for a read that never ends */
	fake_seat_start(&seat);
	return 0;
}

static int teardown(void **state)
{
	fake_seat_stop(&seat);
	return 0;
}

static void test_list(void **state)
{
	struct result result = batonctl("list");

	assert_int_equal(result.status, 0);
	assert_string_equal(
		result.out,
		"  SLOT NAME                 STATE     PICTURE         FROM     REASON\n"
		"* 1    alpha                running   320x200         card     \n"
		"  2    beta                 running   320x200         virtio   card: it ?[2J lies\n"
		"  3    gamma                running   320x200         virtio   bad ??[2J \xc3\xa4; "
		"card: it ?[2J lies\n");
}

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *json = json_loads(text, 0, &error);

	if (!json) {
		fail_msg("%s in %s", error.text, text);
	}
	return json;
}

static void test_list_json(void **state)
{
	struct result result = batonctl("list", "--json");
	json_t *guests = parse(result.out), *guest = json_array_get(guests, 0);

	assert_int_equal(json_array_size(guests), 3);
	assert_string_equal(json_string_value(json_object_get(guest, "name")), "alpha");
	assert_int_equal(json_integer_value(json_object_get(guest, "slot")), 1);
	assert_true(json_is_true(json_object_get(guest, "focused")));
	assert_true(json_is_false(json_object_get(json_array_get(guests, 1), "focused")));
	assert_int_equal(json_integer_value(json_object_get(guest, "frames")), 1ll << 40);
	assert_int_equal(json_integer_value(json_object_get(guest, "pid")), 100);
	json_decref(guests);
}

static void test_status(void **state)
{
	struct result result = batonctl("status");
	json_t *status;

	assert_int_equal(result.status, 0);
	assert_string_equal(result.out, "version   9.9\n"
					"screen    headless, pixman, 640x480 at 60.000 Hz\n"
					"guests    3, run by tcg\n"
					"in front  alpha\n"
					"picture   card\n"
					"sound     loudspeaker\n"
					"          alpha: plays at 60 %, records microphone\n"
					"          beta: muted at 80 %\n"
					"input     alpha: keyboard, pen\n"
					"          beta: emulated\n"
					"          gamma: emulated\n"
					"cards     1\n");
	result = batonctl("--json", "status");
	status = parse(result.out);
	assert_string_equal(json_string_value(json_object_get(status, "backend")), "headless");
	assert_int_equal(json_integer_value(json_object_get(status, "refresh_mhz")), 60000);
	assert_string_equal(json_string_value(json_object_get(status, "source")), "card");
	json_decref(status);
	expect_silence(batonctl("focus", "beta"));
	result = batonctl("status");
	assert_non_null(strstr(result.out, "\npicture   virtio, and not from its card: it ?[2J lies\n"));
}

static void test_guests_by_name_and_slot(void **state)
{
	struct program watch = watch_start();

	expect_silence(batonctl("focus", "beta"));
	expect_line(&watch, "focus beta");
	expect_silence(batonctl("focus", "3"));
	expect_line(&watch, "focus gamma");
	expect_silence(batonctl("start", "1"));
	expect_line(&watch, "guest start alpha");
	expect_silence(batonctl("reset", "beta"));
	expect_line(&watch, "guest reset beta");
	expect_silence(batonctl("pause", "beta"));
	expect_line(&watch, "guest pause beta");
	expect_silence(batonctl("resume", "2"));
	expect_line(&watch, "guest resume beta");
	watch_end(&watch);
}

static void test_errors(void **state)
{
	expect_failure(batonctl("focus", "delta"), 4,
		       "no guest has the name or slot \"delta\"; there are alpha, beta, gamma");
	expect_failure(batonctl("shutdown", "alpha"), 1, "alpha is stopped already");
	expect_failure(batonctl("kill", "alpha"), 1, strerror(EIO));
	expect_failure(batonctl("click"), 1, "only on headless and window");
	expect_failure(batonctl("focus"), 2, "usage: batonctl focus NAME|SLOT");
	expect_failure(batonctl("list", "all"), 2, "usage: batonctl list");
	expect_failure(batonctl("dance"), 2, "\"dance\" is no command");
	expect_failure(batonctl("switcher", "maybe"), 2, "expected on, off or toggle");
	expect_failure(batonctl("key", "--hold"), 2, "--hold wants a value");
}

static void test_no_seat(void **state)
{
	fake_seat_stop(&seat);
	seat.pid = 0;
	expect_failure(batonctl("list"), 3, "start one with \"baton run\"");
}

static void test_switcher(void **state)
{
	expect_silence(batonctl("switcher", "on"));
	assert_non_null(strstr(batonctl("status").out, "the switcher is open"));
	expect_silence(batonctl("switcher"));
	assert_null(strstr(batonctl("status").out, "the switcher is open"));
	expect_silence(batonctl("switcher", "toggle"));
	expect_silence(batonctl("switcher", "off"));
	assert_null(strstr(batonctl("status").out, "the switcher is open"));
}

static void test_plain_commands(void **state)
{
	struct program watch = watch_start();

	expect_silence(batonctl("next"));
	expect_line(&watch, "guest next ");
	expect_silence(batonctl("back"));
	expect_line(&watch, "guest back ");
	expect_silence(batonctl("reload"));
	expect_line(&watch, "guest reload ");
	watch_end(&watch);
}

static void test_screenshot(void **state)
{
	struct result result = batonctl("screenshot", "-");
	char path[128], content[64] = "";
	int fd;

	assert_int_equal(result.status, 0);
	assert_string_equal(result.out, "PNG of the screen");
	snprintf(path, sizeof(path), "%s/picture.png", seat.dir);
	expect_silence(batonctl("screenshot", "--guest", "2", path));
	fd = open(path, O_RDONLY);
	assert_true(read(fd, content, sizeof(content) - 1) > 0);
	close(fd);
	assert_string_equal(content, "PNG of beta");
	expect_failure(batonctl("screenshot", "--guest=nobody", path), 4, "no guest");
	assert_int_equal(unlink(path), 0);
	expect_failure(batonctl("screenshot", "/nowhere/picture.png"), 1, strerror(ENOENT));
	expect_failure(batonctl("screenshot", "--guest", "beta"), 2, "usage");
}

static void test_sound(void **state)
{
	struct program watch = watch_start();

	assert_string_equal(batonctl("volume", "1").out, "60\n");
	assert_string_equal(batonctl("volume", "beta").out, "80 muted\n");
	expect_silence(batonctl("volume", "alpha", "35"));
	expect_line(&watch, "guest volume alpha 35 0");
	expect_silence(batonctl("volume", "1", "+5"));
	expect_line(&watch, "guest volume alpha 65 0");
	expect_silence(batonctl("volume", "2", "-30"));
	expect_line(&watch, "guest volume beta 50 1");
	expect_silence(batonctl("volume", "2", "+100"));
	expect_line(&watch, "guest volume beta 100 1");
	expect_silence(batonctl("volume", "2", "-100"));
	expect_line(&watch, "guest volume beta 0 1");
	expect_silence(batonctl("volume", "alpha", "mute"));
	expect_line(&watch, "guest volume alpha 60 1");
	expect_silence(batonctl("volume", "beta", "unmute"));
	expect_line(&watch, "guest volume beta 80 0");
	expect_failure(batonctl("volume", "alpha", "101"), 2, "\"101\" is no volume");
	expect_failure(batonctl("volume", "alpha", "loud"), 2, "\"loud\" is no volume");
	expect_failure(batonctl("volume", "nobody", "5"), 4, "no guest");
	expect_silence(batonctl("microphone", "2", "allow"));
	expect_line(&watch, "guest microphone beta allow");
	expect_failure(batonctl("microphone", "2", "perhaps"), 1, "no such answer here");
	expect_failure(batonctl("microphone", "2"), 2, "usage");
	watch_end(&watch);
}

#define GPU_HEADER                                                                                 \
	"CARD         ADDRESS        STATE       GUEST                STAGE              REMARK\n"

static void test_gpu(void **state)
{
	struct program watch = watch_start();

	assert_string_equal(batonctl("gpu", "list").out,
			    GPU_HEADER "gpu          0000:01:00     host        -                    "
				       "-                  \n");
	expect_failure(batonctl("gpu", "give", "1"), 1, "the screen goes dark");
	expect_silence(batonctl("gpu", "give", "1", "--dark"));
	expect_line(&watch, "card gpu guest alpha");
	assert_non_null(strstr(batonctl("status").out, "          alpha: the sound of gpu is its own\n"));
	expect_silence(batonctl("gpu", "give", "--dark", "2", "gpu"));
	expect_line(&watch, "card gpu ejecting alpha eject: alpha does not let go ?");
	assert_string_equal(batonctl("gpu", "list").out,
			    GPU_HEADER "gpu          0000:01:00     ejecting    alpha                "
				       "eject 2.5 s        alpha does not let go ?\n");
	assert_non_null(strstr(batonctl("status").out,
			       "cards     1, none can be lent: no broker\n"));
	expect_silence(batonctl("gpu", "answer", "gpu", "kill"));
	expect_line(&watch, "guest gpu kill");
	expect_line(&watch, "card gpu guest beta");
	expect_failure(batonctl("gpu", "answer", "gpu", "wait"), 1, "nobody asks");
	expect_silence(batonctl("gpu", "take"));
	expect_line(&watch, "card gpu host -");
	watch_end(&watch);
}

static void test_no_gpu(void **state)
{
	struct result result;

	fake_seat_stop(&seat);
	seat.without_card = true;
	fake_seat_start(&seat);
	seat.without_card = false;
	result = batonctl("gpu", "list");
	assert_int_equal(result.status, 0);
	assert_string_equal(result.out, GPU_HEADER);
	assert_non_null(strstr(result.err, "no card is configured to be lent"));
	assert_string_equal(batonctl("gpu", "list", "--json").out, "[]\n");
}

static void test_gpu_json(void **state)
{
	struct result result = batonctl("gpu", "list", "--json");
	json_t *cards = parse(result.out), *card = json_array_get(cards, 0);

	assert_int_equal(json_array_size(cards), 1);
	assert_string_equal(json_string_value(json_object_get(card, "name")), "gpu");
	assert_string_equal(json_string_value(json_object_get(card, "drivers")),
			    "bochs-drm snd_hda_intel");
	assert_true(json_is_true(json_object_get(card, "only_screen")));
	json_decref(cards);
}

static void test_monitors(void **state)
{
	json_t *json, *monitors;

	assert_null(strstr(batonctl("status").out, "monitors"));
	expect_silence(batonctl("gpu", "give", "1", "--dark"));
	assert_non_null(strstr(batonctl("status").out,
			       "\nmonitors  DP-1 owned by alpha, HDMI-A-2 composited\n"));
	assert_non_null(strstr(batonctl("list").out, " card     DP-1 owned\n"));
	assert_null(strstr(batonctl("list").out, "DP-1 absent"));
	assert_non_null(strstr(
		batonctl("gpu", "list").out,
		"\nMONITOR      CARD           PATH        GUEST                CABLE              REMARK\n"
		"DP-1         gpu            owned       alpha                only               \n"
		"HDMI-A-2     gpu            composited  -                    also               it ? lies\n"));
	json = parse(batonctl("--json", "status").out);
	assert_int_equal(json_array_size(json_object_get(json, "monitors")), 2);
	json_decref(json);
	json = parse(batonctl("--json", "list").out);
	assert_string_equal(json_string_value(json_object_get(json_array_get(json, 1), "monitors")),
			    "DP-1 absent");
	json_decref(json);
	json = parse(batonctl("--json", "gpu", "list").out);
	monitors = json_object_get(json_array_get(json, 0), "monitors");
	assert_int_equal(json_array_size(monitors), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(monitors, 0), "guest")),
			    "alpha");
	json_decref(json);
}

static void test_gpu_usage(void **state)
{
	expect_failure(batonctl("gpu"), 2, "usage");
	expect_failure(batonctl("gpu", "lend"), 2, "usage");
	expect_failure(batonctl("gpu", "list", "all"), 2, "usage");
	expect_failure(batonctl("gpu", "give"), 2, "usage");
	expect_failure(batonctl("gpu", "give", "--dark"), 2, "usage");
	expect_failure(batonctl("gpu", "take", "--dark", "gpu"), 2, "usage");
	expect_failure(batonctl("gpu", "answer", "gpu"), 2, "usage");
	expect_failure(batonctl("gpu", "give", "nobody"), 4, "no guest");
	expect_failure(batonctl("gpu", "take", "fpga"), 4, "no such card here");
}

/* --wait returns when the card rests; what it needs a person for, it says. */
static void test_gpu_wait(void **state)
{
	struct program give;
	char line[256];

	expect_silence(batonctl("gpu", "give", "1", "--dark", "--wait"));
	give = program_start((const char *const[]){ "gpu", "give", "2", "--dark", "--wait", NULL });
	assert_non_null(fgets(line, sizeof(line), give.err));
	assert_non_null(strstr(line, "alpha does not let go ?; answer with: batonctl gpu answer gpu"));
	expect_silence(batonctl("gpu", "answer", "gpu", "reset"));
	assert_int_equal(program_wait(&give), 0);
	give = program_start((const char *const[]){ "gpu", "give", "2", "--dark", "--wait", NULL });
	assert_non_null(fgets(line, sizeof(line), give.err));
	expect_silence(batonctl("gpu", "answer", "gpu", "abort"));
	assert_non_null(fgets(line, sizeof(line), give.err));
	assert_non_null(strstr(line, "gpu is now guest alpha\n"));
	assert_int_equal(program_wait(&give), 1);
}

static void test_key_presses_in_order_and_releases_in_reverse(void **state)
{
	struct program watch = watch_start();

	expect_silence(batonctl("key", "--delay", "0", "RIGHTCTRL+2", "a"));
	expect_line(&watch, "guest key 97 1");
	expect_line(&watch, "guest key 3 1");
	expect_line(&watch, "guest key 3 0");
	expect_line(&watch, "guest key 97 0");
	expect_line(&watch, "guest key 30 1");
	expect_line(&watch, "guest key 30 0");
	expect_silence(batonctl("key", "--press", "--delay=0", "leftalt"));
	expect_silence(batonctl("key", "--release", "--delay=0", "KEY_LEFTALT"));
	expect_line(&watch, "guest key 56 1");
	expect_line(&watch, "guest key 56 0");
	/* A mistake anywhere: nothing is pressed. */
	expect_failure(batonctl("key", "b", "NOKEY"), 2, "\"NOKEY\" in \"NOKEY\" is no key");
	expect_failure(batonctl("key", "--delay", "soon", "b"), 2, "expected milliseconds");
	expect_silence(batonctl("next"));
	expect_line(&watch, "guest next ");
	watch_end(&watch);
}

static void test_type(void **state)
{
	struct program watch = watch_start();

	expect_silence(batonctl("type", "--delay", "0", "--", "-A\n"));
	expect_line(&watch, "guest key 12 1");
	expect_line(&watch, "guest key 12 0");
	expect_line(&watch, "guest key 42 1");
	expect_line(&watch, "guest key 30 1");
	expect_line(&watch, "guest key 30 0");
	expect_line(&watch, "guest key 42 0");
	expect_line(&watch, "guest key 28 1");
	expect_line(&watch, "guest key 28 0");
	expect_failure(batonctl("type", "na\xc3\xafve"), 2, "byte 3 of the text");
	watch_end(&watch);
}

static void test_pointer(void **state)
{
	struct program watch = watch_start();

	expect_silence(batonctl("move", "-5", "2.5"));
	expect_line(&watch, "guest motion -5 2.5");
	expect_silence(batonctl("move", "--to", "0", "239.5"));
	expect_line(&watch, "guest absolute 0.00078125 0.5");
	expect_failure(batonctl("move", "--to", "640", "0"), 2, "outside of the screen");
	expect_failure(batonctl("move", "far", "0"), 2, "\"far\" is not a number");
	expect_silence(batonctl("wheel", "-1", "0.125"));
	expect_line(&watch, "guest wheel -120 15");
	expect_failure(batonctl("wheel", "inf"), 2, "not a number");
	expect_failure(batonctl("click", "thumb"), 2, "a button is one of");
	watch_end(&watch);
}

/* Into a guest that is not in front; gamma is one that refuses. */
static void test_into_a_guest(void **state)
{
	struct program watch = watch_start();

	expect_silence(batonctl("key", "--guest", "beta", "A"));
	expect_line(&watch, "guest into beta key 30 1");
	expect_line(&watch, "guest into beta key 30 0");
	expect_silence(batonctl("click", "--guest=2", "right"));
	expect_line(&watch, "guest into beta button 273 1");
	expect_line(&watch, "guest into beta button 273 0");
	expect_silence(batonctl("move", "--guest", "beta", "-5", "1"));
	expect_line(&watch, "guest into beta motion -5 1");
	expect_silence(batonctl("wheel", "--guest", "beta", "-1"));
	expect_line(&watch, "guest into beta wheel 0 -120");
	expect_failure(batonctl("type", "--guest", "gamma", "a"), 1, "may not type");
	expect_failure(batonctl("type", "--guest", "none", "a"), 4, "none");
	expect_failure(batonctl("move", "--guest", "beta", "--to", "1", "1"), 2, "--to");
	watch_end(&watch);
}

static void test_record_and_replay(void **state)
{
	static const char path[] = "/tmp/baton-test-record";
	struct program watch = watch_start();
	struct result result = batonctl("record", "-");

	assert_int_equal(result.status, 0);
	assert_string_equal(result.out, "0.000 key 30 1\n12.500 wheel 0 -120\n");
	expect_silence(batonctl("record", path));
	expect_silence(batonctl("replay", path));
	expect_line(&watch, "guest key 30 1");
	expect_line(&watch, "guest wheel -120 0");
	expect_silence(batonctl("replay", "--guest", "beta", path));
	expect_line(&watch, "guest into beta key 30 1");
	expect_line(&watch, "guest into beta wheel 0 -120");
	unlink(path);
	expect_failure(batonctl("replay", path), 1, "cannot be read");
	watch_end(&watch);
}

static void test_watch_ends_with_the_seat(void **state)
{
	struct program watch = program_start((const char *const[]){ "watch", "--json", NULL });

	expect_line(&watch, "{\"event\":\"focus\",\"guest\":\"alpha\"}");
	expect_line(&watch, "{\"event\":\"guest\",\"guest\":\"alpha\",\"state\":\"running\"}");
	expect_line(&watch, "{\"event\":\"guest\",\"guest\":\"beta\",\"state\":\"running\"}");
	expect_line(&watch, "{\"event\":\"guest\",\"guest\":\"gamma\",\"state\":\"running\"}");
	expect_line(&watch, "{\"event\":\"card\",\"card\":\"gpu\",\"state\":\"host\",\"owner\":\"\","
			    "\"stage\":\"\",\"text\":\"\"}");
	expect_silence(batonctl("quit", "--guests"));
	assert_int_equal(fake_seat_wait(&seat), FAKE_SEAT_QUIT_GUESTS);
	expect_line(&watch, "{\"event\":\"guest\",\"guest\":\"quit\",\"state\":\"guests\"}");
	assert_int_equal(program_wait(&watch), 3);
}

/* When quit returns, the seat is gone. */
static void test_quit(void **state)
{
	expect_silence(batonctl("quit"));
	assert_int_equal(access(seat.socket, F_OK), -1);
	assert_int_equal(fake_seat_wait(&seat), 0);
}

static void test_help_and_version(void **state)
{
	struct result result = batonctl("--help");

	assert_int_equal(result.status, 0);
	assert_non_null(strstr(result.out, "screenshot [--guest NAME] FILE|-"));
	result = batonctl("--version");
	assert_int_equal(result.status, 0);
	assert_string_equal(result.out, "batonctl " BATON_VERSION "\n");
}

#define SEAT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* It needs no seat, and its exit statuses are its own. */
static void test_doctor(void **state)
{
	struct result result = batonctl("doctor", "--config=/nowhere", "--broker=/nowhere");

	assert_in_range(result.status, 0, 2);
	assert_ptr_equal(strstr(result.out, "This machine\n"), result.out);
	assert_string_equal(result.err, "");
	result = batonctl("--json", "doctor", "--config=/nowhere", "--broker=/nowhere");
	assert_in_range(result.status, 0, 2);
	assert_ptr_equal(strstr(result.out, "[\n"), result.out);
	expect_failure(batonctl("doctor", "--nonsense"), 3, "--nonsense");
	expect_failure(batonctl("doctor", "now"), 3, "\"now\" is too much");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SEAT_TEST(test_list),
		SEAT_TEST(test_list_json),
		SEAT_TEST(test_status),
		SEAT_TEST(test_guests_by_name_and_slot),
		SEAT_TEST(test_errors),
		SEAT_TEST(test_no_seat),
		SEAT_TEST(test_switcher),
		SEAT_TEST(test_plain_commands),
		SEAT_TEST(test_screenshot),
		SEAT_TEST(test_key_presses_in_order_and_releases_in_reverse),
		SEAT_TEST(test_type),
		SEAT_TEST(test_pointer),
		SEAT_TEST(test_into_a_guest),
		SEAT_TEST(test_record_and_replay),
		SEAT_TEST(test_watch_ends_with_the_seat),
		SEAT_TEST(test_doctor),
		SEAT_TEST(test_sound),
		SEAT_TEST(test_gpu),
		SEAT_TEST(test_no_gpu),
		SEAT_TEST(test_gpu_json),
		SEAT_TEST(test_monitors),
		SEAT_TEST(test_gpu_usage),
		SEAT_TEST(test_gpu_wait),
		SEAT_TEST(test_quit),
		SEAT_TEST(test_help_and_version),
	};

	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
