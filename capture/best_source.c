// SPDX-License-Identifier: MIT
/*
 * Mirrors one of several sources; see best_source.h.
 *
 * All of them are watched while this one is: one that is not shown has to be looked at to be found
 * better, and the end of a listener to QEMU's display would let go of keys that are held. An
 * unwatched one says nothing of itself; it counts as what it was, until the next look.
 */
#include "capture/best_source.h"

#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/list.h"

/* The time of a change of sources is not critical to a millisecond. */
#define ACCURACY_USEC 1000

struct best_source;

struct candidate {
	struct best_source *best;
	struct frame_source *source; /* NULL: there is none */
	struct frame_source_observer observer;
	uint64_t frame_usec; /* as struct source_facts has it */
};

struct best_source {
	struct frame_source base;
	sd_event *event;
	sd_event_source *timer; /* when time alone may change the choice */
	void (*watched)(bool watched, void *data);
	void *data;
	struct candidate candidates[SOURCE_KINDS];
	struct source_choice choice;
	const struct candidate *mirrored; /* the base is as this one; NULL: there is none */
};

static struct best_source *best_source_of(struct frame_source *source)
{
	return container_of(source, struct best_source, base);
}

static uint64_t best_now(const struct best_source *best)
{
	uint64_t now = 0;

	sd_event_now(best->event, CLOCK_MONOTONIC, &now);
	return now;
}

/* ---- mirroring ---- */

static void mirror_cursor(struct best_source *best)
{
	const struct cursor_state *cursor = &best->mirrored->source->cursor;

	if (cursor->image != best->base.cursor.image) {
		frame_source_set_cursor(&best->base, cursor_image_lock(cursor->image));
	}
	frame_source_move_cursor(&best->base, cursor->x, cursor->y, cursor->visible);
}

static void mirror_frame(struct best_source *best)
{
	frame_source_set_frame(&best->base, frame_lock(best->mirrored->source->frame));
}

static void mirror_state(struct best_source *best)
{
	const struct frame_source *source = best->mirrored->source;

	frame_source_set_live(&best->base, source->live, source->reason);
}

static void mirror(struct best_source *best, const struct candidate *candidate)
{
	best->mirrored = candidate;
	if (!candidate) {
		frame_source_set_live(&best->base, false, NULL);
		return;
	}
	mirror_frame(best);
	mirror_cursor(best);
	mirror_state(best);
}

/* Where there is no picture at all, what the least one says is what there is to say. */
static const struct candidate *find_mirrored(const struct best_source *best)
{
	if (best->choice.shown != SOURCE_NONE) {
		return &best->candidates[best->choice.shown];
	}
	for (int kind = SOURCE_NONE + 1; kind < SOURCE_KINDS; kind++) {
		if (best->candidates[kind].source) {
			return &best->candidates[kind];
		}
	}
	return NULL;
}

/* ---- choosing ---- */

static struct source_facts find_facts(const struct candidate *candidate)
{
	if (!candidate->source) {
		return (struct source_facts){ .health = SOURCE_GONE };
	}
	return (struct source_facts){
		.health = candidate->source->live ? SOURCE_LIVE : SOURCE_SILENT,
		.frame_usec = candidate->frame_usec,
	};
}

static void set_timer(struct best_source *best, uint64_t usec)
{
	if (usec == UINT64_MAX) {
		sd_event_source_set_enabled(best->timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time(best->timer, usec);
	sd_event_source_set_enabled(best->timer, SD_EVENT_ONESHOT);
}

/* True when another one is mirrored now, as a whole. */
static bool choose(struct best_source *best)
{
	struct source_facts facts[SOURCE_KINDS];
	const struct candidate *candidate;

	for (int kind = 0; kind < SOURCE_KINDS; kind++) {
		facts[kind] = find_facts(&best->candidates[kind]);
	}
	set_timer(best, source_choice_update(&best->choice, facts, best_now(best)));
	candidate = find_mirrored(best);
	if (candidate == best->mirrored) {
		return false;
	}
	mirror(best, candidate);
	return true;
}

static int handle_timer(sd_event_source *timer, uint64_t usec, void *data)
{
	(void)timer, (void)usec;
	choose(data);
	return 0;
}

/* ---- what the candidates tell ---- */

static void handle_frame_changed(struct frame_source *source, void *data)
{
	struct candidate *candidate = data;

	candidate->frame_usec = source->frame ? best_now(candidate->best) : 0;
	if (!choose(candidate->best) && candidate == candidate->best->mirrored) {
		mirror_frame(candidate->best);
	}
}

static void handle_damaged(struct frame_source *source, const pixman_box32_t *damage, void *data)
{
	struct candidate *candidate = data;

	(void)source;
	candidate->frame_usec = best_now(candidate->best);
	if (!choose(candidate->best) && candidate == candidate->best->mirrored) {
		frame_source_damage(&candidate->best->base, damage);
	}
}

static void handle_cursor_changed(struct frame_source *source, void *data)
{
	struct candidate *candidate = data;

	(void)source;
	if (candidate == candidate->best->mirrored) {
		mirror_cursor(candidate->best);
	}
}

static void handle_state_changed(struct frame_source *source, void *data)
{
	struct candidate *candidate = data;

	(void)source;
	if (!choose(candidate->best) && candidate == candidate->best->mirrored) {
		mirror_state(candidate->best);
	}
}

static const struct frame_source_observer_ops candidate_ops = {
	.frame_changed = handle_frame_changed,
	.damaged = handle_damaged,
	.cursor_changed = handle_cursor_changed,
	.state_changed = handle_state_changed,
};

/* ---- which candidates there are ---- */

static void drop(struct best_source *best, struct candidate *candidate)
{
	struct frame_source *source = take_ptr(candidate->source);

	if (!source) {
		return;
	}
	frame_source_unobserve(&candidate->observer);
	candidate->frame_usec = 0;
	choose(best);
	frame_source_destroy(source);
}

void best_source_set(struct frame_source *base, enum source_kind kind, struct frame_source *source)
{
	struct best_source *best = best_source_of(base);
	struct candidate *candidate = &best->candidates[kind];

	drop(best, candidate);
	if (!source) {
		return;
	}
	candidate->source = source;
	candidate->frame_usec = source->frame ? best_now(best) : 0;
	frame_source_observe(source, &candidate->observer);
	choose(best);
	frame_source_set_watched(source, base->watched);
}

struct frame_source *best_source_get(const struct frame_source *base, enum source_kind kind)
{
	return container_of(base, struct best_source, base)->candidates[kind].source;
}

enum source_kind best_source_shown(const struct frame_source *base)
{
	return container_of(base, struct best_source, base)->choice.shown;
}

/* ---- the interface ---- */

static void best_source_set_watched(struct frame_source *base, bool watched)
{
	struct best_source *best = best_source_of(base);

	for (int kind = 0; kind < SOURCE_KINDS; kind++) {
		if (best->candidates[kind].source) {
			frame_source_set_watched(best->candidates[kind].source, watched);
		}
	}
	if (best->watched) {
		best->watched(watched, best->data);
	}
}

static void best_source_request_size(struct frame_source *base, uint32_t width, uint32_t height)
{
	struct best_source *best = best_source_of(base);

	for (int kind = 0; kind < SOURCE_KINDS; kind++) {
		if (best->candidates[kind].source) {
			frame_source_request_size(best->candidates[kind].source, width, height);
		}
	}
}

static void best_source_destroy(struct frame_source *base)
{
	struct best_source *best = best_source_of(base);

	for (int kind = 0; kind < SOURCE_KINDS; kind++) {
		struct candidate *candidate = &best->candidates[kind];

		if (candidate->source) {
			frame_source_unobserve(&candidate->observer);
			frame_source_destroy(candidate->source);
		}
	}
	sd_event_source_disable_unref(best->timer);
	frame_source_finish(base);
	sd_event_unref(best->event);
	free(best);
}

static const struct frame_source_ops best_source_ops = {
	.set_watched = best_source_set_watched,
	.request_size = best_source_request_size,
	.destroy = best_source_destroy,
};

int best_source_create(sd_event *event, void (*watched)(bool watched, void *data), void *data,
		       struct frame_source **out)
{
	struct best_source *best = calloc(1, sizeof(*best));
	int r;

	if (!best) {
		return -ENOMEM;
	}
	r = sd_event_add_time(event, &best->timer, CLOCK_MONOTONIC, UINT64_MAX, ACCURACY_USEC,
			      handle_timer, best);
	if (r < 0) {
		free(best);
		return r;
	}
	sd_event_source_set_enabled(best->timer, SD_EVENT_OFF);
	frame_source_init(&best->base, &best_source_ops);
	best->event = sd_event_ref(event);
	best->watched = watched;
	best->data = data;
	for (int kind = 0; kind < SOURCE_KINDS; kind++) {
		best->candidates[kind].best = best;
		best->candidates[kind].observer.ops = &candidate_ops;
		best->candidates[kind].observer.data = &best->candidates[kind];
	}
	*out = &best->base;
	return 0;
}
