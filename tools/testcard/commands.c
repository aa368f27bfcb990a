// SPDX-License-Identifier: MIT
/*
 * Commands of the host, one a line; those without an answer take effect before the next one.
 *
 *   stop N          stops drawing at frame N, at once when that is past or nothing draws by
 *                   itself; answers "stopped COUNT WxH SHA256"
 *   go              draws again
 *   hash            answers "hash COUNT WxH SHA256" over the visible pixels: rows of width * 4
 *                   bytes, XRGB, X = 0
 *   fps N           frames a second; 0: none by itself
 *   count           answers "count N"
 *   down            answers "down CODE CODE..." with the keys and buttons that are held
 *   gap             answers "gap MICROSECONDS", the longest time between two frames since the
 *                   last "gap"
 *   draw full|box   draws one frame, all pixels or the upper left 64x64; "drawn N" is sent just
 *                   before the kernel is told
 *   flood on|off    draws as fast as it can, the whole picture damaged
 *   static on|off   draws one frame without clock, log and moving shape, then only on command
 *   cursor on|off   hardware cursor at the pointer
 *   cards           draws a new picture on each further graphics card, tells of it as when the
 *                   card came, then answers "cards N"
 *   flip on|off     two buffers and page flips, or one buffer with damage
 *   sound           loads the sound device's modules and plays silence, then answers "sound"
 *   tone HZ         plays a tone instead, at half of full scale; 0: silence
 *   click           plays a click, and answers "clicked" when the device has got it
 *   late            answers "late N": how often the device ran out of samples
 *   record          begins to record, then answers "record"
 *   heard           answers "heard LOUDEST FRAMES" since the last time, 32768 being full scale
 *   mixer PERCENT   sets all volumes of the device, 0: closes its switches; answers "mixer PERCENT"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testcard.h"

static void command_stop(struct testcard *tc, const char *argument)
{
	bool draws = !tc->stopped && (tc->flood || (tc->fps > 0 && !tc->card.is_static));
	int64_t frame = strtoll(argument, NULL, 10);

	if (draws && frame > tc->card.counter) {
		tc->stop_at = frame;
		return;
	}
	tc->stop_at = -1;
	tc->stopped = true;
	testcard_pace(tc);
	testcard_print_hash(tc, "stopped");
}

static void command_go(struct testcard *tc, const char *argument)
{
	(void)argument;
	tc->stopped = false;
	tc->stop_at = -1;
	testcard_pace(tc);
}

static void command_hash(struct testcard *tc, const char *argument)
{
	(void)argument;
	testcard_print_hash(tc, "hash");
}

static void command_fps(struct testcard *tc, const char *argument)
{
	int fps = atoi(argument);

	tc->fps = fps < 0 ? 0 : fps > 1000 ? 1000 : fps;
	testcard_pace(tc);
}

static void command_count(struct testcard *tc, const char *argument)
{
	(void)argument;
	console_print(&tc->console, "count %u", tc->card.counter);
}

static void command_down(struct testcard *tc, const char *argument)
{
	char text[CONSOLE_LINE] = "";
	size_t length = 0;

	(void)argument;
	for (int code = 0; code < INPUT_KEYS && length < sizeof(text) - 8; code++) {
		if (tc->input.down[code]) {
			length +=
				(size_t)snprintf(text + length, sizeof(text) - length, " %d", code);
		}
	}
	console_print(&tc->console, "down%s", text);
}

static void command_gap(struct testcard *tc, const char *argument)
{
	(void)argument;
	console_print(&tc->console, "gap %lld", (long long)tc->longest_gap);
	tc->longest_gap = 0;
}

static void command_draw(struct testcard *tc, const char *argument)
{
	testcard_frame(tc, strcmp(argument, "box") == 0 ? CARD_PART_BOX : CARD_PART_FULL);
}

static void command_flood(struct testcard *tc, const char *argument)
{
	tc->flood = strcmp(argument, "on") == 0;
	testcard_pace(tc);
}

static void command_static(struct testcard *tc, const char *argument)
{
	tc->card.is_static = strcmp(argument, "on") == 0;
	card_invalidate(&tc->card);
	testcard_pace(tc);
	if (tc->card.is_static) {
		testcard_frame(tc, CARD_PART_CHANGES);
	}
}

static void command_cursor(struct testcard *tc, const char *argument)
{
	int r = screen_set_cursor(&tc->screen, strcmp(argument, "on") == 0);

	if (r < 0) {
		console_print(&tc->console, "error no cursor: %s", strerror(-r));
		return;
	}
	screen_move_cursor(&tc->screen, tc->pointer_x, tc->pointer_y);
}

static void command_flip(struct testcard *tc, const char *argument)
{
	screen_set_flip(&tc->screen, strcmp(argument, "on") == 0);
	card_invalidate(&tc->card);
}

static void command_cards(struct testcard *tc, const char *argument)
{
	(void)argument;
	gpus_redraw(&tc->gpus, tc->card.name, &tc->console);
}

/* ---- sound ---- */

static void tell_sound(struct testcard *tc, const char *what, int r)
{
	if (r < 0) {
		console_print(&tc->console, "error %s: %s", what, strerror(-r));
	} else {
		console_print(&tc->console, "%s", what);
	}
}

static void command_sound(struct testcard *tc, const char *argument)
{
	(void)argument;
	tell_sound(tc, "sound", sound_open(&tc->sound));
}

static void command_tone(struct testcard *tc, const char *argument)
{
	atomic_store(&tc->sound.hz, (uint32_t)strtoul(argument, NULL, 10));
}

static void command_click(struct testcard *tc, const char *argument)
{
	(void)argument;
	atomic_fetch_add(&tc->sound.clicks, 1);
}

static void command_late(struct testcard *tc, const char *argument)
{
	(void)argument;
	console_print(&tc->console, "late %u", atomic_load(&tc->sound.late));
}

static void command_record(struct testcard *tc, const char *argument)
{
	(void)argument;
	tell_sound(tc, "record", sound_record(&tc->sound));
}

static void command_heard(struct testcard *tc, const char *argument)
{
	(void)argument;
	console_print(&tc->console, "heard %u %u", atomic_exchange(&tc->sound.loudest, 0),
		      atomic_exchange(&tc->sound.frames, 0));
}

static void command_mixer(struct testcard *tc, const char *argument)
{
	char what[32];

	snprintf(what, sizeof(what), "mixer %lu", strtoul(argument, NULL, 10));
	tell_sound(tc, what, sound_set_mixer((unsigned int)strtoul(argument, NULL, 10)));
}

void command_handle(void *data, char *line)
{
	static const struct {
		const char *name;
		void (*run)(struct testcard *tc, const char *argument);
	} commands[] = {
		{ "stop", command_stop },     { "go", command_go },
		{ "hash", command_hash },     { "fps", command_fps },
		{ "count", command_count },   { "down", command_down },
		{ "gap", command_gap },       { "draw", command_draw },
		{ "flood", command_flood },   { "static", command_static },
		{ "cursor", command_cursor }, { "flip", command_flip },
		{ "cards", command_cards },   { "sound", command_sound },
		{ "tone", command_tone },     { "click", command_click },
		{ "late", command_late },     { "record", command_record },
		{ "heard", command_heard },   { "mixer", command_mixer },
	};
	struct testcard *tc = data;
	const char *argument = "";
	char *space = strchr(line, ' ');

	if (space) {
		*space = '\0';
		argument = space + 1;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(line, commands[i].name) == 0) {
			commands[i].run(tc, argument);
			return;
		}
	}
	console_print(&tc->console, "error unknown command: %s", line);
}
