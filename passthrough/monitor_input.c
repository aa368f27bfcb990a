// SPDX-License-Identifier: MIT
/* Switches a monitor's input; see monitor_input.h. */
#include "passthrough/monitor_input.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "passthrough/program.h"

#define DEADLINE_USEC (5ull * 1000 * 1000)
#define PAUSE_USEC (1000ull * 1000)
#define ATTEMPTS 4 /* a monitor takes up to three seconds to light another input */

enum monitor_stage { MONITOR_REST, MONITOR_DETECT, MONITOR_SET, MONITOR_LOOK, MONITOR_PAUSE };

struct monitor_input {
	sd_event *event;
	const struct monitor_input_ops *ops;
	void *data;
	char name[32];
	char *memory_file;
	uint64_t deadline_usec, pause_usec;
	struct monitor_memory memory;
	enum monitor_stage stage;
	enum monitor_side wanted, target; /* target: of the attempt under way */
	int shown;                        /* a side; -1: not known */
	int bus;                          /* -1: not known */
	bool lent;
	bool stale;  /* the bus may have another number since */
	bool failed; /* not again before something else is wanted, or the card has moved */
	unsigned int attempts;
	struct program *program; /* also one that does not end after its deadline */
	sd_event_source *pause;
	char text[256];
};

static void attempt(struct monitor_input *input);
static void begin(struct monitor_input *input);

/* ---- what ddcutil says ---- */

/* The text behind the key of a line "   KEY: text", or NULL. */
static const char *value_of(const char *line, const char *key)
{
	size_t n = strlen(key);

	line += strspn(line, " \t");
	if (strncmp(line, key, n) != 0) {
		return NULL;
	}
	return line + n + strspn(line + n, " \t");
}

/* "card1-DP-1" is DP-1; with any card, since connectors' names are one family in the kernel. */
static bool is_connector(const char *text, size_t length, const char *monitor)
{
	const char *dash = memchr(text, '-', length);
	size_t skip = dash ? (size_t)(dash - text) + 1 : 0;

	return dash && strncmp(text, "card", 4) == 0 && length - skip == strlen(monitor) &&
	       strncmp(dash + 1, monitor, length - skip) == 0;
}

int monitor_input_parse_bus(const char *detected, const char *monitor)
{
	int bus = -1;

	for (const char *line = detected; *line;
	     line += strcspn(line, "\n"), line += *line == '\n') {
		const char *device = value_of(line, "I2C bus:");
		const char *connector = value_of(line, "DRM connector:");

		if (device && sscanf(device, "/dev/i2c-%d", &bus) != 1) {
			bus = -1;
		}
		if (connector && is_connector(connector, strcspn(connector, " \t\r\n"), monitor)) {
			return bus;
		}
	}
	return -1;
}

int monitor_input_parse_value(const char *said)
{
	const char *line = strstr(said, "VCP 60 ");
	size_t length = line ? strcspn(line, "\r\n") : 0;
	unsigned int value;

	while (length > 0 && line[length - 1] == ' ') {
		length--;
	}
	/* The last word is the low byte of the value: "VCP 60 SNC x11". */
	for (size_t i = length; i > 0; i--) {
		if (line[i - 1] == ' ') {
			return sscanf(line + i, "x%2x", &value) == 1 ? (int)value : -1;
		}
	}
	return -1;
}

/* ---- ends of an attempt ---- */

static void say(struct monitor_input *input, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Logged when it is new. NULL: nothing is wrong. */
static void say(struct monitor_input *input, const char *format, ...)
{
	char text[sizeof(input->text)] = "";
	va_list args;

	if (format) {
		va_start(args, format);
		vsnprintf(text, sizeof(text), format, args);
		va_end(args);
	}
	if (*text && strcmp(text, input->text) != 0) {
		log_warning("Monitor %s: %s", input->name, text);
	}
	memcpy(input->text, text, sizeof(text));
}

/* Takes up what was wanted meanwhile, else rests. */
static void rest(struct monitor_input *input)
{
	input->stage = MONITOR_REST;
	input->ops->changed(input->data);
	if (input->wanted != input->target) {
		input->failed = false;
		attempt(input);
	}
}

static void give_up(struct monitor_input *input)
{
	input->failed = true;
	rest(input);
}

static void learn(struct monitor_input *input, enum monitor_trust trust)
{
	if (input->memory.trust[input->target] != trust) {
		input->memory.trust[input->target] = trust;
		input->ops->learned(input->data, &input->memory);
	}
}

/* The side that it refused to go to, or MONITOR_SIDES. */
static enum monitor_side refused_side(const struct monitor_input *input)
{
	enum monitor_side side = MONITOR_HOST;

	while (side < MONITOR_SIDES && input->memory.trust[side] != MONITOR_FAILS) {
		side++;
	}
	return side;
}

static void arrive(struct monitor_input *input)
{
	input->shown = (int)input->target;
	learn(input, MONITOR_WORKS);
	if (refused_side(input) == MONITOR_SIDES) {
		say(input, NULL);
	}
	rest(input);
}

static void tell_refused(struct monitor_input *input, enum monitor_side side)
{
	if (side == MONITOR_HOST) {
		say(input,
		    "it does not come back to input 0x%02x: press its own button, and leave "
		    "input-host and input-guest out, or correct them; it is not switched to a guest "
		    "again before %s is removed",
		    input->memory.inputs[MONITOR_HOST], input->memory_file);
	} else {
		say(input,
		    "it does not go to input 0x%02x: look whether the cable and the number are right; "
		    "it is not tried again before %s is removed",
		    input->memory.inputs[MONITOR_GUEST], input->memory_file);
	}
}

static void refuse(struct monitor_input *input)
{
	tell_refused(input, input->target);
	learn(input, MONITOR_FAILS);
	give_up(input);
}

static int handle_pause(sd_event_source *source, uint64_t usec, void *data)
{
	struct monitor_input *input = data;

	(void)source, (void)usec;
	input->pause = sd_event_source_disable_unref(input->pause);
	begin(input);
	return 0;
}

/* It may still be at it: once more in a moment. False: that was often enough. */
static bool try_again(struct monitor_input *input)
{
	if (++input->attempts >= ATTEMPTS) {
		return false;
	}
	input->stage = MONITOR_PAUSE;
	if (sd_event_add_time_relative(input->event, &input->pause, CLOCK_MONOTONIC,
				       input->pause_usec, input->pause_usec / 10, handle_pause,
				       input) < 0) {
		give_up(input);
	}
	return true;
}

/* ---- ddcutil ---- */

/* What is no word of the monitor's, and so nothing to be remembered. True: the attempt is over. */
static bool program_failed(struct monitor_input *input, int status)
{
	if (status == -ETIME) {
		say(input, "ddcutil did not answer and was killed; it is asked again at the next "
			   "switch. Is the monitor on, and does \"ddcutil detect\" end?");
	} else if (status == PROGRAM_MISSING) {
		say(input,
		    "there is no ddcutil to switch its input: install the package ddcutil, or "
		    "leave input-host and input-guest out");
	} else {
		return false;
	}
	give_up(input);
	return true;
}

static void run(struct monitor_input *input, enum monitor_stage stage, const char *const argv[],
		program_done_fn done)
{
	int r;

	program_destroy(take_ptr(input->program));
	input->stage = stage;
	r = program_start(input->event, argv, input->deadline_usec, done, input, &input->program);
	if (r < 0) {
		say(input, "ddcutil cannot be started (%s)", strerror(-r));
		give_up(input);
	}
}

static void handle_looked(void *data, int status, const char *output)
{
	struct monitor_input *input = data;
	int value = status == 0 ? monitor_input_parse_value(output) : -1;

	if (program_failed(input, status)) {
		return;
	}
	for (enum monitor_side side = MONITOR_HOST; side < MONITOR_SIDES; side++) {
		input->shown = value == (int)input->memory.inputs[side] ? (int)side : input->shown;
	}
	/* No answer from the other cable is what many give. */
	if (input->shown == (int)input->target || (value < 0 && input->target == MONITOR_GUEST)) {
		arrive(input);
	} else if (!try_again(input)) {
		refuse(input);
	}
}

static void look(struct monitor_input *input)
{
	char bus[16];
	const char *const argv[] = { "ddcutil", "--bus", bus, "--brief", "getvcp", "60", NULL };

	snprintf(bus, sizeof(bus), "%d", input->bus);
	run(input, MONITOR_LOOK, argv, handle_looked);
}

static void handle_set(void *data, int status, const char *output)
{
	struct monitor_input *input = data;

	(void)output;
	if (program_failed(input, status)) {
		return;
	}
	if (status == 0) {
		input->shown = -1;
		look(input);
		return;
	}
	input->stale = true;
	if (try_again(input)) {
		return;
	}
	if (input->target == MONITOR_HOST) {
		refuse(input);
		return;
	}
	say(input, "it takes no commands: turn DDC/CI on in the monitor's own menu, or leave "
		   "input-host and input-guest out");
	give_up(input);
}

static void set_input(struct monitor_input *input)
{
	char bus[16], value[16];
	const char *const argv[] = { "ddcutil", "--bus", bus,   "--noverify",
				     "setvcp",  "60",    value, NULL };

	snprintf(bus, sizeof(bus), "%d", input->bus);
	snprintf(value, sizeof(value), "0x%02x", input->memory.inputs[input->target]);
	run(input, MONITOR_SET, argv, handle_set);
}

static void handle_detected(void *data, int status, const char *output)
{
	struct monitor_input *input = data;

	if (program_failed(input, status)) {
		return;
	}
	input->bus = status == 0 ? monitor_input_parse_bus(output, input->name) : -1;
	if (input->bus < 0) {
		say(input,
		    "ddcutil finds no monitor there: is it on, may you open /dev/i2c-*, and does "
		    "\"ddcutil detect\" name this connector?");
		give_up(input);
		return;
	}
	set_input(input);
}

static void detect(struct monitor_input *input)
{
	static const char *const argv[] = { "ddcutil", "detect", NULL };

	run(input, MONITOR_DETECT, argv, handle_detected);
}

/* ---- what is wanted ---- */

/* The program that was killed may need a moment to end, and may never. */
static bool is_blocked(struct monitor_input *input)
{
	if (!input->program || program_has_ended(input->program)) {
		return false;
	}
	if (!try_again(input)) {
		say(input,
		    "an earlier ddcutil hangs in the kernel; restart the PC when it does not end");
		give_up(input);
	}
	return true;
}

static void begin(struct monitor_input *input)
{
	if (input->wanted != input->target) {
		rest(input);
		return;
	}
	if (is_blocked(input)) {
		return;
	}
	if (input->stale) {
		input->stale = false;
		input->bus = -1;
	}
	if (input->bus < 0) {
		detect(input);
	} else {
		set_input(input);
	}
}

/* Back is always tried: a monitor that shows nothing is worse than one more refusal. */
static void attempt(struct monitor_input *input)
{
	enum monitor_side refused = refused_side(input);

	input->target = input->wanted;
	input->attempts = 0;
	if (input->failed || input->shown == (int)input->wanted) {
		return;
	}
	if (input->wanted == MONITOR_GUEST && refused < MONITOR_SIDES) {
		tell_refused(input, refused);
		give_up(input);
		return;
	}
	begin(input);
}

void monitor_input_want(struct monitor_input *input, enum monitor_side side, bool lent)
{
	if (input->shown < 0 && !lent && input->stage == MONITOR_REST) {
		input->shown = MONITOR_HOST;
	}
	if (lent != input->lent) {
		input->lent = lent;
		input->stale = true;
		input->failed = false;
	}
	if (side == input->wanted && (input->stage != MONITOR_REST || input->failed)) {
		return;
	}
	input->failed = false;
	input->wanted = side;
	if (input->stage == MONITOR_REST) {
		attempt(input);
	}
}

bool monitor_input_shows_guest(const struct monitor_input *input)
{
	return input->shown == MONITOR_GUEST;
}

const char *monitor_input_text(const struct monitor_input *input)
{
	return *input->text ? input->text : NULL;
}

/* ---- life ---- */

int monitor_input_create(sd_event *event, const struct monitor_input_options *options,
			 const struct monitor_input_ops *ops, void *data,
			 struct monitor_input **out)
{
	struct monitor_input *input = calloc(1, sizeof(*input));

	if (!input) {
		return -ENOMEM;
	}
	*input = (struct monitor_input){
		.event = sd_event_ref(event),
		.ops = ops,
		.data = data,
		.memory_file = strdup(options->memory_file),
		.deadline_usec = options->deadline_usec ? options->deadline_usec : DEADLINE_USEC,
		.pause_usec = options->pause_usec ? options->pause_usec : PAUSE_USEC,
		.memory = options->known,
		.wanted = MONITOR_HOST,
		.shown = -1,
		.bus = -1,
	};
	snprintf(input->name, sizeof(input->name), "%s", options->monitor);
	if (!input->memory_file) {
		monitor_input_destroy(input);
		return -ENOMEM;
	}
	*out = input;
	return 0;
}

void monitor_input_destroy(struct monitor_input *input)
{
	if (!input) {
		return;
	}
	program_destroy(input->program);
	sd_event_source_disable_unref(input->pause);
	sd_event_unref(input->event);
	free(input->memory_file);
	free(input);
}
