// SPDX-License-Identifier: MIT
/*
 * batonctl's commands that press keys and move the pointer as a device of the host would. One
 * event every few milliseconds: the emulated keyboards hold 16 events and lose the rest.
 */
#include <errno.h>
#include <linux/input-event-codes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "control/ctl.h"
#include "control/key_names.h"

#define DELAY_MS 10 /* between two events, unless --delay says otherwise */
#define CHORD_KEYS_MAX 8

struct input_options {
	unsigned int delay_ms, hold_ms;
	bool press_only, release_only;
	char *guest; /* who gets it; NULL: who is in front */
};

static void options_finish(struct input_options *options)
{
	free(options->guest);
}
#define _cleanup_options_ _cleanup_(options_finish)

/* What the seat's methods call it, into one guest. */
static enum ctl_status send_to(struct ctl *ctl, const struct input_options *options,
			       const char *what, double a, double b)
{
	return ctl_call(ctl, NULL, "InjectTo", "ssdd", options->guest, what, a, b);
}

static enum ctl_status take_guest(struct ctl *ctl, const char *word, struct input_options *options)
{
	return word ? ctl_find_guest(ctl, word, &options->guest) : CTL_OK;
}

static void pass_ms(unsigned int ms)
{
	struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000 * 1000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
	}
}

static enum ctl_status parse_ms(const char *text, const char *option, unsigned int *out)
{
	unsigned long value;
	char *end;

	if (!text) {
		return CTL_OK;
	}
	value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || value > 60000) {
		return ctl_fail(CTL_USAGE,
				"%s \"%s\" is not right; expected milliseconds up to 60000", option,
				text);
	}
	*out = (unsigned int)value;
	return CTL_OK;
}

static enum ctl_status take_options(struct ctl *ctl, int *argc, char **argv,
				    struct input_options *options)
{
	bool bad = false;
	const char *guest = ctl_take_value(argc, argv, "--guest", &bad);
	const char *delay = ctl_take_value(argc, argv, "--delay", &bad);
	const char *hold = ctl_take_value(argc, argv, "--hold", &bad);

	*options = (struct input_options){ .delay_ms = DELAY_MS };
	options->press_only = ctl_take_flag(argc, argv, "--press");
	options->release_only = ctl_take_flag(argc, argv, "--release");
	ctl_end_options(argc, argv);
	if (bad || parse_ms(delay, "--delay", &options->delay_ms) != CTL_OK ||
	    parse_ms(hold, "--hold", &options->hold_ms) != CTL_OK) {
		return CTL_USAGE;
	}
	return take_guest(ctl, guest, options);
}

/* ---- keys ---- */

/* Keys that go down in this order and up in the reverse one. */
struct chord {
	int codes[CHORD_KEYS_MAX];
	int n;
};

static enum ctl_status send_key(struct ctl *ctl, int code, bool pressed,
				const struct input_options *options)
{
	enum ctl_status status =
		options->guest ? send_to(ctl, options, "key", code, pressed)
			       : ctl_call(ctl, NULL, "InjectKey", "ub", (uint32_t)code, pressed);

	pass_ms(options->delay_ms);
	return status;
}

static enum ctl_status send_chord(struct ctl *ctl, const struct chord *chord,
				  const struct input_options *options)
{
	enum ctl_status status = CTL_OK;

	for (int i = 0; i < chord->n && status == CTL_OK && !options->release_only; i++) {
		status = send_key(ctl, chord->codes[i], true, options);
	}
	pass_ms(options->hold_ms);
	for (int i = chord->n; i-- > 0 && status == CTL_OK && !options->press_only;) {
		status = send_key(ctl, chord->codes[i], false, options);
	}
	return status;
}

static enum ctl_status parse_chord(const char *text, struct chord *out)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *name;

	*out = (struct chord){ 0 };
	while (copy && (name = strsep(&rest, "+"))) {
		int code = key_by_name(name);

		if (code < 0) {
			return ctl_fail(
				CTL_USAGE,
				"\"%s\" in \"%s\" is no key; expected names as in "
				"linux/input-event-codes.h without KEY_, joined by +, such as "
				"RIGHTCTRL+2",
				name, text);
		}
		if (out->n == CHORD_KEYS_MAX) {
			return ctl_fail(CTL_USAGE, "\"%s\" has more than %d keys", text,
					CHORD_KEYS_MAX);
		}
		out->codes[out->n++] = code;
	}
	return CTL_OK;
}

/* All words are checked before the first key goes down. */
static enum ctl_status run_key(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_options_ struct input_options options = { 0 };
	enum ctl_status status = take_options(ctl, &argc, argv, &options);
	struct chord chord;

	if (status == CTL_OK && !argc) {
		return ctl_fail(CTL_USAGE, "no key is named");
	}
	for (int i = 0; i < argc && status == CTL_OK; i++) {
		status = parse_chord(argv[i], &chord);
	}
	for (int i = 0; i < argc && status == CTL_OK; i++) {
		parse_chord(argv[i], &chord);
		status = send_chord(ctl, &chord, &options);
	}
	return status;
}

static enum ctl_status check_text(const char *text)
{
	bool shift;

	for (const char *c = text; *c; c++) {
		if (key_by_character(*c, &shift) < 0) {
			return ctl_fail(CTL_USAGE,
					"byte %td of the text is on no key of a US keyboard",
					c - text + 1);
		}
	}
	return CTL_OK;
}

static enum ctl_status run_type(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_options_ struct input_options options = { 0 };
	enum ctl_status status = take_options(ctl, &argc, argv, &options);

	if (status != CTL_OK) {
		return status;
	}
	if (argc != 1) {
		return ctl_fail(CTL_USAGE, "usage: batonctl type [--delay MS] TEXT");
	}
	status = check_text(argv[0]);
	for (const char *c = argv[0]; *c && status == CTL_OK; c++) {
		struct chord chord = { .n = 1 };
		bool shift;
		int code = key_by_character(*c, &shift);

		if (shift) {
			chord = (struct chord){ .codes = { KEY_LEFTSHIFT, code }, .n = 2 };
		} else {
			chord.codes[0] = code;
		}
		status = send_chord(ctl, &chord, &options);
	}
	return status;
}

/* ---- pointer ---- */

static int button_by_name(const char *name)
{
	static const struct {
		const char *name;
		int code;
	} buttons[] = {
		{ "left", BTN_LEFT }, { "right", BTN_RIGHT }, { "middle", BTN_MIDDLE },
		{ "side", BTN_SIDE }, { "extra", BTN_EXTRA },
	};

	for (size_t i = 0; i < sizeof(buttons) / sizeof(buttons[0]); i++) {
		if (!strcmp(buttons[i].name, name)) {
			return buttons[i].code;
		}
	}
	return -1;
}

static enum ctl_status send_button(struct ctl *ctl, int code, bool pressed,
				   const struct input_options *options)
{
	return options->guest ? send_to(ctl, options, "button", code, pressed)
			      : ctl_call(ctl, NULL, "InjectButton", "ub", (uint32_t)code, pressed);
}

static enum ctl_status run_click(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_options_ struct input_options options = { 0 };
	enum ctl_status status = take_options(ctl, &argc, argv, &options);
	int code = button_by_name(argc ? argv[0] : "left");

	if (status != CTL_OK) {
		return status;
	}
	if (code < 0 || argc > 1) {
		return ctl_fail(CTL_USAGE, "a button is one of left, right, middle, side, extra");
	}
	if (!options.release_only) {
		status = send_button(ctl, code, true, &options);
		pass_ms(options.hold_ms ? options.hold_ms : options.delay_ms);
	}
	if (status == CTL_OK && !options.press_only) {
		status = send_button(ctl, code, false, &options);
	}
	return status;
}

static enum ctl_status parse_number(const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	if (!*text || *end || !isfinite(*out)) {
		return ctl_fail(CTL_USAGE, "\"%s\" is not a number", text);
	}
	return CTL_OK;
}

/* A position in pixels of the screen becomes one in 0..1, in the middle of its pixel. */
static enum ctl_status move_to(struct ctl *ctl, double x, double y)
{
	_cleanup_json_ json_t *seat = NULL;
	enum ctl_status status = ctl_get_status(ctl, &seat);
	double width, height;

	if (status != CTL_OK) {
		return status;
	}
	width = json_number_value(json_object_get(seat, "width"));
	height = json_number_value(json_object_get(seat, "height"));
	if (x < 0 || y < 0 || x >= width || y >= height) {
		return ctl_fail(CTL_USAGE, "%g %g is outside of the screen, which has %gx%g pixels",
				x, y, width, height);
	}
	return ctl_call(ctl, NULL, "InjectAbsolute", "dd", fmin((x + 0.5) / width, 1),
			fmin((y + 0.5) / height, 1));
}

static enum ctl_status run_move(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_options_ struct input_options options = { 0 };
	bool to = ctl_take_flag(&argc, argv, "--to");
	enum ctl_status status = take_options(ctl, &argc, argv, &options);
	double x, y;

	if (status != CTL_OK) {
		return status;
	}
	if (argc != 2) {
		return ctl_fail(CTL_USAGE, "usage: batonctl move DX DY, or batonctl move --to X Y");
	}
	if (parse_number(argv[0], &x) != CTL_OK || parse_number(argv[1], &y) != CTL_OK) {
		return CTL_USAGE;
	}
	if (options.guest) {
		return to ? ctl_fail(CTL_USAGE, "--to is a place on the screen, which is not a guest's")
			  : send_to(ctl, &options, "motion", x, y);
	}
	return to ? move_to(ctl, x, y) : ctl_call(ctl, NULL, "InjectMotion", "dd", x, y);
}

static enum ctl_status run_wheel(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_options_ struct input_options options = { 0 };
	bool bad = false;
	const char *guest = ctl_take_value(&argc, argv, "--guest", &bad);
	enum ctl_status status = bad ? CTL_USAGE : take_guest(ctl, guest, &options);
	double vertical, horizontal = 0;

	if (status != CTL_OK) {
		return status;
	}
	if (argc < 1 || argc > 2) {
		return ctl_fail(CTL_USAGE, "usage: batonctl wheel [--guest NAME] DOWN [RIGHT]");
	}
	if (parse_number(argv[0], &vertical) != CTL_OK ||
	    (argc > 1 && parse_number(argv[1], &horizontal) != CTL_OK)) {
		return CTL_USAGE;
	}
	if (fabs(vertical) > 1000 || fabs(horizontal) > 1000) {
		return ctl_fail(CTL_USAGE, "more than 1000 clicks of a wheel at once");
	}
	if (options.guest) {
		return send_to(ctl, &options, "wheel", round(horizontal * 120),
			       round(vertical * 120));
	}
	return ctl_call(ctl, NULL, "InjectWheel", "ii", (int32_t)lround(vertical * 120),
			(int32_t)lround(horizontal * 120));
}

/* ---- records ---- */

/* Until it is interrupted, or the seat ends: both end the connection. */
static enum ctl_status copy_record(int from, FILE *to)
{
	char bytes[4096];
	ssize_t n;

	while ((n = read(from, bytes, sizeof(bytes))) > 0) {
		if (fwrite(bytes, 1, (size_t)n, to) != (size_t)n || fflush(to) != 0) {
			return ctl_fail(CTL_FAILED, "the record cannot be written: %s",
					strerror(errno));
		}
	}
	return CTL_OK;
}

static enum ctl_status run_record(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_fclose_ FILE *file = strcmp(argv[0], "-") == 0 ? fdopen(dup(1), "w")
								 : fopen(argv[0], "we");
	_cleanup_close_ int ours = -1, theirs = -1;
	enum ctl_status status;
	int pair[2];

	if (!file || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		return ctl_fail(CTL_FAILED, "%s cannot be written: %s", argv[0], strerror(errno));
	}
	ours = pair[0];
	theirs = pair[1];
	status = ctl_call(ctl, NULL, "RecordInput", "h", theirs);
	close(take_fd(theirs));
	return status == CTL_OK ? copy_record(ours, file) : status;
}

static enum ctl_status replay_event(struct ctl *ctl, const struct input_options *options,
				    const char *what, double a, double b)
{
	if (options->guest) {
		return send_to(ctl, options, what, a, b);
	}
	if (strcmp(what, "key") == 0) {
		return ctl_call(ctl, NULL, "InjectKey", "ub", (uint32_t)a, b != 0);
	}
	if (strcmp(what, "button") == 0) {
		return ctl_call(ctl, NULL, "InjectButton", "ub", (uint32_t)a, b != 0);
	}
	if (strcmp(what, "motion") == 0) {
		return ctl_call(ctl, NULL, "InjectMotion", "dd", a, b);
	}
	if (strcmp(what, "absolute") == 0) {
		return ctl_call(ctl, NULL, "InjectAbsolute", "dd", a, b);
	}
	if (strcmp(what, "wheel") == 0) {
		return ctl_call(ctl, NULL, "InjectWheel", "ii", (int32_t)b, (int32_t)a);
	}
	return ctl_fail(CTL_USAGE, "\"%s\" in the record is no event", what);
}

static enum ctl_status replay(struct ctl *ctl, FILE *file, const struct input_options *options)
{
	enum ctl_status status = CTL_OK;
	double ms, a, b, now = 0;
	char what[16];
	int fields = 4;

	while (status == CTL_OK &&
	       (fields = fscanf(file, "%lf %15s %lf %lf", &ms, what, &a, &b)) == 4) {
		/* At most a minute: who recorded may have slept. */
		if (ms > now) {
			pass_ms((unsigned int)fmin(ms - now, 60000));
			now = ms;
		}
		status = replay_event(ctl, options, what, a, b);
	}
	return status == CTL_OK && fields != EOF
		       ? ctl_fail(CTL_USAGE, "the record is broken; record it anew")
		       : status;
}

static enum ctl_status run_replay(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_options_ struct input_options options = { 0 };
	enum ctl_status status = take_options(ctl, &argc, argv, &options);
	_cleanup_fclose_ FILE *file = NULL;

	if (status != CTL_OK) {
		return status;
	}
	if (argc != 1) {
		return ctl_fail(CTL_USAGE, "usage: batonctl replay [--guest NAME] FILE");
	}
	file = strcmp(argv[0], "-") == 0 ? fdopen(dup(0), "r") : fopen(argv[0], "re");
	if (!file) {
		return ctl_fail(CTL_FAILED, "%s cannot be read: %s", argv[0], strerror(errno));
	}
	return replay(ctl, file, &options);
}

/* clang-format off */
const struct ctl_command ctl_input_commands[] = {
	{ "key", 1, 64, run_key,
	  "[--guest NAME] [--hold MS] [--delay MS] [--press|--release] KEY[+KEY…]…",
	  "press and release keys" },
	{ "type", 1, 6, run_type, "[--guest NAME] [--delay MS] TEXT",
	  "type a text on a US keyboard" },
	{ "click", 0, 6, run_click, "[--guest NAME] [--hold MS] [--press|--release] [BUTTON]",
	  "click left, right, middle, side or extra" },
	{ "move", 2, 5, run_move, "[--guest NAME] DX DY | --to X Y",
	  "move the pointer, or put it on a pixel" },
	{ "wheel", 1, 4, run_wheel, "[--guest NAME] DOWN [RIGHT]",
	  "turn the wheel by clicks, also by parts" },
	{ "record", 1, 1, run_record, "FILE|-", "write down what goes to the guest in front" },
	{ "replay", 1, 3, run_replay, "[--guest NAME] FILE|-", "do it again" },
	{ 0 }
};
/* clang-format on */
