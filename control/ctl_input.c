// SPDX-License-Identifier: MIT
/*
 * batonctl's commands that press keys and move the pointer as a device of the host would. One
 * event every few milliseconds: the emulated keyboards hold 16 events and lose the rest.
 */
#include <errno.h>
#include <linux/input-event-codes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "control/ctl.h"
#include "control/key_names.h"

#define DELAY_MS 10 /* between two events, unless --delay says otherwise */
#define CHORD_KEYS_MAX 8

struct input_options {
	unsigned int delay_ms, hold_ms;
	bool press_only, release_only;
};

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

static enum ctl_status take_options(int *argc, char **argv, struct input_options *options)
{
	bool bad = false;
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
	return CTL_OK;
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
	enum ctl_status status = ctl_call(ctl, NULL, "InjectKey", "ub", (uint32_t)code, pressed);

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
	struct input_options options;
	enum ctl_status status = take_options(&argc, argv, &options);
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
	struct input_options options;
	enum ctl_status status = take_options(&argc, argv, &options);

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

static enum ctl_status run_click(struct ctl *ctl, int argc, char **argv)
{
	struct input_options options;
	enum ctl_status status = take_options(&argc, argv, &options);
	int code = button_by_name(argc ? argv[0] : "left");

	if (status != CTL_OK) {
		return status;
	}
	if (code < 0 || argc > 1) {
		return ctl_fail(CTL_USAGE, "a button is one of left, right, middle, side, extra");
	}
	if (!options.release_only) {
		status = ctl_call(ctl, NULL, "InjectButton", "ub", (uint32_t)code, true);
		pass_ms(options.hold_ms ? options.hold_ms : options.delay_ms);
	}
	if (status == CTL_OK && !options.press_only) {
		status = ctl_call(ctl, NULL, "InjectButton", "ub", (uint32_t)code, false);
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
	bool to = ctl_take_flag(&argc, argv, "--to");
	double x, y;

	ctl_end_options(&argc, argv);
	if (argc != 2) {
		return ctl_fail(CTL_USAGE, "usage: batonctl move DX DY, or batonctl move --to X Y");
	}
	if (parse_number(argv[0], &x) != CTL_OK || parse_number(argv[1], &y) != CTL_OK) {
		return CTL_USAGE;
	}
	return to ? move_to(ctl, x, y) : ctl_call(ctl, NULL, "InjectMotion", "dd", x, y);
}

static enum ctl_status run_wheel(struct ctl *ctl, int argc, char **argv)
{
	double vertical, horizontal = 0;

	if (parse_number(argv[0], &vertical) != CTL_OK ||
	    (argc > 1 && parse_number(argv[1], &horizontal) != CTL_OK)) {
		return CTL_USAGE;
	}
	if (fabs(vertical) > 1000 || fabs(horizontal) > 1000) {
		return ctl_fail(CTL_USAGE, "more than 1000 clicks of a wheel at once");
	}
	return ctl_call(ctl, NULL, "InjectWheel", "ii", (int32_t)lround(vertical * 120),
			(int32_t)lround(horizontal * 120));
}

/* clang-format off */
const struct ctl_command ctl_input_commands[] = {
	{ "key", 1, 64, run_key, "[--hold MS] [--delay MS] [--press|--release] KEY[+KEY…]…",
	  "press and release keys" },
	{ "type", 1, 6, run_type, "[--delay MS] TEXT", "type a text on a US keyboard" },
	{ "click", 0, 4, run_click, "[--hold MS] [--press|--release] [BUTTON]",
	  "click left, right, middle, side or extra" },
	{ "move", 2, 3, run_move, "DX DY | --to X Y", "move the pointer, or put it on a pixel" },
	{ "wheel", 1, 2, run_wheel, "DOWN [RIGHT]", "turn the wheel by clicks, also by parts" },
	{ 0 }
};
/* clang-format on */
