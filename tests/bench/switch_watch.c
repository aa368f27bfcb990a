// SPDX-License-Identifier: MIT
/*
 * Switches among guests by chord and says at which vblank the other guest's picture was there.
 *
 * A timer that waits for nobody looks at every vblank. A picture that was written after the vblank
 * counts for the next one, also when the look came late: the observer's lateness can make a figure
 * worse, never better. Which guest drew a picture is in its marker (screen.h).
 *
 * With --consoles a switch is also followed to live content: right behind the chord the guest is
 * asked for its count, so a picture with a greater one was drawn after the chord for certain.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/bench/attach.h"
#include "tests/bench/console.h"
#include "tests/bench/seat_client.h"
#include "tests/bench/vblank.h"

#define SLOTS 9
#define TICKS 240 /* vblanks until a switch is given up */
#define GAP_MIN_NS (80 * NSEC_PER_MSEC)
#define GAP_SPREAD_NS (100 * NSEC_PER_MSEC)
#define LOOK_EARLY_NS (300 * NSEC_PER_USEC)
/* The answer of a guest is waited for until so long before the next look. */
#define LOOK_AHEAD_NS (2 * NSEC_PER_MSEC)

struct watch {
	struct seat_client client;
	const char *control, *consoles;
	unsigned int slots[SLOTS], n_slots;
	unsigned int switches, seed;
	unsigned int fast, slow; /* frames a second of a guest that is live, and of the others */
	struct console console[SLOTS + 1];
	int display_fd;   /* of a guest to measure attaching with, or -1 */
	sd_bus *display;
	struct console spare; /* that guest's console */
	const char *spare_path;
};

/* What was on screen at the vblanks after one chord. */
struct course {
	unsigned int slot;
	uint64_t chord_ns, first_tick_ns;
	uint64_t late_ns; /* the latest look */
	uint64_t drawn_ns; /* when the first picture of the guest was complete; 0: not yet seen */
	unsigned int ticks;
	uint32_t markers[TICKS];     /* 0: the picture was written after this vblank */
	bool counted;
	uint64_t count; /* of the guest, after the chord */
};

static bool is_from(uint32_t marker, unsigned int slot)
{
	return marker >> MARKER_SLOT_SHIFT == slot && (marker & MARKER_FRAMES) != 0;
}

/* The marker of a picture that was complete before the time, else 0. */
static uint32_t look_at(struct watch *watch, struct course *course, uint64_t ns)
{
	struct screen_sample sample;

	screen_read(&watch->client.screen, 0, 0, &sample);
	if (!course->drawn_ns && is_from(sample.marker, course->slot)) {
		course->drawn_ns = sample.written_ns;
	}
	return sample.written_ns <= ns ? sample.marker : 0;
}

/* Just before the vblank and at it: the picture of the first look may already be on its way out
 * at the second one, since the seat draws for the vblank after. */
static void course_look(struct watch *watch, struct course *course)
{
	uint64_t tick = course->first_tick_ns + course->ticks * watch->client.screen.interval_ns;
	uint32_t early, marker;
	uint64_t late;

	sleep_until(tick - LOOK_EARLY_NS);
	early = look_at(watch, course, tick);
	late = sleep_until(tick);
	marker = look_at(watch, course, tick);
	course->markers[course->ticks++] = marker ? marker : early;
	if (late > course->late_ns) {
		course->late_ns = late;
	}
}

/* The number of the first vblank whose picture the guest drew after its count; -1: none yet. */
static int course_find(const struct course *course, uint64_t count)
{
	for (unsigned int i = 0; i < course->ticks; i++) {
		if (is_from(course->markers[i], course->slot) && course->markers[i] > count) {
			return (int)i;
		}
	}
	return -1;
}

static uint64_t course_latency(const struct watch *watch, const struct course *course, int tick)
{
	return course->first_tick_ns + (uint64_t)tick * watch->client.screen.interval_ns -
	       course->chord_ns;
}

static bool course_is_over(const struct watch *watch, const struct course *course)
{
	if (course_find(course, 0) < 0) {
		return false;
	}
	return !watch->consoles || (course->counted && course_find(course, course->count) >= 0);
}

static int course_start(struct watch *watch, struct course *course, unsigned int slot)
{
	int r;

	*course = (struct course){ .slot = slot };
	r = seat_client_start_chord(&watch->client, slot, &course->chord_ns);
	course->first_tick_ns =
		vblank_after(course->chord_ns, watch->client.screen.interval_ns);
	if (r >= 0 && watch->consoles) {
		r = console_tell(&watch->console[slot], "count");
	}
	return r;
}

static int course_ask(struct watch *watch, struct course *course)
{
	uint64_t tick = course->first_tick_ns + course->ticks * watch->client.screen.interval_ns;
	int r;

	if (!watch->consoles || course->counted) {
		return 0;
	}
	r = console_wait(&watch->console[course->slot], "count", tick - LOOK_AHEAD_NS,
			 &course->count, NULL);
	course->counted = r == 0;
	return r == -ETIMEDOUT ? 0 : r;
}

static int watch_switch(struct watch *watch, unsigned int slot, struct course *course)
{
	int r = course_start(watch, course, slot);

	while (r >= 0 && course->ticks < TICKS && !course_is_over(watch, course)) {
		r = course_ask(watch, course);
		if (r >= 0) {
			course_look(watch, course);
		}
	}
	return r < 0 ? r : seat_client_finish_chord(&watch->client, slot);
}

static void print_course(const struct watch *watch, const struct course *course, unsigned int from)
{
	int first = course_find(course, 0);
	int live = course->counted ? course_find(course, course->count) : -1;

	printf("switch %u %u %" PRId64 " %" PRId64 " %" PRIu64 " %" PRId64 "\n", from, course->slot,
	       first < 0 ? -1 : (int64_t)course_latency(watch, course, first),
	       live < 0 ? -1 : (int64_t)course_latency(watch, course, live), course->late_ns,
	       (int64_t)(course->drawn_ns - course->chord_ns));
}

static void set_pace(struct console *console, unsigned int fps)
{
	char command[32];

	snprintf(command, sizeof(command), "fps %u", fps);
	console_tell(console, command);
}

static void rest(struct watch *watch)
{
	sleep_until(clock_now_ns() + GAP_MIN_NS + (uint64_t)rand_r(&watch->seed) % GAP_SPREAD_NS);
}

static unsigned int choose_other(struct watch *watch, unsigned int slot)
{
	unsigned int other;

	do {
		other = watch->slots[(unsigned int)rand_r(&watch->seed) % watch->n_slots];
	} while (other == slot && watch->n_slots > 1);
	return other;
}

/* Attaches to a guest that draws as fast as the one that was switched to. */
static int watch_attach(struct watch *watch)
{
	uint64_t ns;
	int r;

	if (!watch->display) {
		return 0;
	}
	set_pace(&watch->spare, watch->fast);
	rest(watch);
	r = attach_measure(watch->display, &ns);
	set_pace(&watch->spare, watch->slow);
	if (r < 0) {
		fprintf(stderr, "attach: %s\n", strerror(-r));
		return r;
	}
	printf("attach %" PRIu64 "\n", ns);
	return 0;
}

static int watch_one(struct watch *watch, unsigned int *current)
{
	unsigned int next = choose_other(watch, *current);
	struct course course;
	int r;

	if (watch->consoles) {
		set_pace(&watch->console[next], watch->fast);
	}
	rest(watch);
	r = watch_switch(watch, next, &course);
	if (watch->consoles) {
		set_pace(&watch->console[next], watch->slow);
	}
	if (r < 0) {
		fprintf(stderr, "switch to slot %u: %s\n", next, strerror(-r));
		return r;
	}
	print_course(watch, &course, *current);
	*current = next;
	return watch_attach(watch);
}

static int open_console(struct watch *watch, unsigned int slot)
{
	char path[200];

	if (!watch->consoles) {
		return 0;
	}
	snprintf(path, sizeof(path), "%s/tc%u", watch->consoles, slot);
	return console_open(&watch->console[slot], path);
}

static int watch_open(struct watch *watch)
{
	int r = seat_client_open(&watch->client, watch->control);

	for (unsigned int i = 0; r >= 0 && i < watch->n_slots; i++) {
		r = open_console(watch, watch->slots[i]);
	}
	if (r >= 0 && watch->display_fd >= 0) {
		r = attach_connect(watch->display_fd, &watch->display);
		if (r >= 0) {
			r = console_open(&watch->spare, watch->spare_path);
		}
	}
	return r;
}

/* Shows each guest once, so that the first real switch finds all of them known. */
static int visit_all(struct watch *watch)
{
	const char *consoles = watch->consoles;
	struct course course = { 0 };
	int r = 0;

	watch->consoles = NULL;
	for (unsigned int i = 0; r >= 0 && i < watch->n_slots; i++) {
		r = watch_switch(watch, watch->slots[i], &course);
		if (r >= 0 && course_find(&course, 0) < 0) {
			fprintf(stderr, "slot %u never came on screen\n", watch->slots[i]);
			r = -ETIMEDOUT;
		}
	}
	watch->consoles = consoles;
	return r;
}

static const struct option long_options[] = {
	{ "control", required_argument, NULL, 'c' },  { "slots", required_argument, NULL, 'n' },
	{ "switches", required_argument, NULL, 's' }, { "seed", required_argument, NULL, 'r' },
	{ "consoles", required_argument, NULL, 'o' }, { "fast", required_argument, NULL, 'f' },
	{ "slow", required_argument, NULL, 'l' },     { "display-fd", required_argument, NULL, 'd' },
	{ "spare", required_argument, NULL, 'p' },    { 0 },
};

static void parse_slots(struct watch *watch, const char *list)
{
	for (; *list && watch->n_slots < SLOTS; list++) {
		if (*list >= '1' && *list <= '9') {
			watch->slots[watch->n_slots++] = (unsigned int)(*list - '0');
		}
	}
}

static bool parse_option(struct watch *watch, int c)
{
	unsigned int number = c == '?' ? 0 : (unsigned int)strtoul(optarg, NULL, 10);

	switch (c) {
	case 'c':
		watch->control = optarg;
		return true;
	case 'n':
		parse_slots(watch, optarg);
		return true;
	case 's':
		watch->switches = number;
		return true;
	case 'r':
		watch->seed = number;
		return true;
	case 'o':
		watch->consoles = optarg;
		return true;
	case 'f':
		watch->fast = number;
		return true;
	case 'l':
		watch->slow = number;
		return true;
	case 'd':
		watch->display_fd = (int)number;
		return true;
	case 'p':
		watch->spare_path = optarg;
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	struct watch watch = { .seed = 1, .fast = 400, .slow = 2, .display_fd = -1 };
	unsigned int current;
	int c, r;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (!parse_option(&watch, c)) {
			return EXIT_FAILURE;
		}
	}
	if (!watch.control || watch.n_slots == 0) {
		fprintf(stderr, "usage: %s --control SOCKET --slots 123 [--switches N] …\n",
			argv[0]);
		return EXIT_FAILURE;
	}
	r = watch_open(&watch);
	if (r >= 0) {
		r = visit_all(&watch);
	}
	current = watch.slots[watch.n_slots - 1];
	for (unsigned int i = 0; r >= 0 && i < watch.switches; i++) {
		r = watch_one(&watch, &current);
	}
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
