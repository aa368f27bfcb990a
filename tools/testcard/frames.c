// SPDX-License-Identifier: MIT
/* When frames are drawn, and what is counted about them. */
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>

#include "testcard.h"

enum { FLIP_WAIT_MS = 1000 };

int64_t monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static struct rect screen_area(const struct testcard *tc)
{
	return (struct rect){ 0, 0, tc->screen.mode.hdisplay, tc->screen.mode.vdisplay };
}

static void gap_measure(struct testcard *tc)
{
	int64_t now = monotonic_us();

	if (tc->last_frame && now - tc->last_frame > tc->longest_gap) {
		tc->longest_gap = now - tc->last_frame;
	}
	tc->last_frame = now;
}

static void damage_show(struct testcard *tc, const struct card_damage *damage)
{
	/* A flip shows everything at once. */
	int count = tc->screen.flip ? 1 : damage->count;

	for (int i = 0; i < count; i++) {
		int r = screen_show(&tc->screen, damage->areas[i]);

		if (r < 0) {
			console_print(&tc->console, "error frame %u not shown: %s",
				      tc->card.counter, strerror(-r));
		}
	}
}

static void stop_check(struct testcard *tc)
{
	if (tc->stop_at < 0 || tc->card.counter < tc->stop_at) {
		return;
	}
	tc->stop_at = -1;
	tc->stopped = true;
	testcard_pace(tc);
	testcard_print_hash(tc, "stopped");
}

static struct card_damage frame_draw(struct testcard *tc, enum card_part part)
{
	screen_finish_flip(&tc->screen, FLIP_WAIT_MS);
	tc->card.counter++;
	return card_draw(&tc->card, screen_page(&tc->screen), screen_canvas(&tc->screen), part);
}

void testcard_frame(struct testcard *tc, enum card_part part)
{
	struct card_damage damage = frame_draw(tc, part);

	if (part != CARD_PART_CHANGES) {
		console_print(&tc->console, "drawn %u", tc->card.counter);
	}
	damage_show(tc, &damage);
	gap_measure(tc);
	stop_check(tc);
}

void testcard_flood(struct testcard *tc)
{
	struct card_damage damage = frame_draw(tc, CARD_PART_CHANGES);

	damage.areas[0] = screen_area(tc);
	damage.count = 1;
	damage_show(tc, &damage);
	gap_measure(tc);
	stop_check(tc);
}

void testcard_redraw(struct testcard *tc)
{
	struct card_damage damage;

	screen_finish_flip(&tc->screen, FLIP_WAIT_MS);
	damage = card_draw(&tc->card, screen_page(&tc->screen), screen_canvas(&tc->screen),
			   CARD_PART_CHANGES);
	damage_show(tc, &damage);
}

void testcard_pace(struct testcard *tc)
{
	bool paced = tc->fps > 0 && !tc->flood && !tc->stopped && !tc->card.is_static;
	struct itimerspec spec = { 0 };

	if (paced) {
		spec.it_interval.tv_sec = tc->fps == 1;
		spec.it_interval.tv_nsec = tc->fps == 1 ? 0 : 1000000000L / tc->fps;
		spec.it_value = spec.it_interval;
	}
	timerfd_settime(tc->timer, 0, &spec, NULL);
	/* A pause that was asked for is no gap. */
	if (!paced && !tc->flood) {
		tc->last_frame = 0;
	}
}

void testcard_print_hash(struct testcard *tc, const char *word)
{
	const struct canvas *canvas = screen_shown(&tc->screen);
	char hex[SHA256_HEX_SIZE];

	screen_finish_flip(&tc->screen, FLIP_WAIT_MS);
	canvas_hash(canvas, hex);
	console_print(&tc->console, "%s %u %dx%d %s", word, tc->card.counter, canvas->width,
		      canvas->height, hex);
}
