/* SPDX-License-Identifier: MIT */
/*
 * A frame source that shows the best of several others: who observes it sees one guest with one
 * picture, one pointer and one state, and is told of a change of sources as of another frame. Which
 * one is the best, source_choice.h says.
 */
#ifndef CAPTURE_BEST_SOURCE_H
#define CAPTURE_BEST_SOURCE_H

#include <systemd/sd-event.h>

#include "capture/frame_source.h"
#include "capture/source_choice.h"

/*
 * Without any source it has no frame. watched is called when somebody watches, or nobody any more;
 * it may be NULL. Returns 0 or -errno.
 */
int best_source_create(sd_event *event, void (*watched)(bool watched, void *data), void *data,
		       struct frame_source **out);

/*
 * Takes a source, which belongs to it from now on; NULL: there is none of that kind any more. What
 * it showed is not shown any more either, unless nothing else has a picture: then it stays, marked
 * as old. One that was there goes first. Not to be called from
 * an observer of the one that goes.
 */
void best_source_set(struct frame_source *best, enum source_kind kind, struct frame_source *source);

/* May be NULL. */
struct frame_source *best_source_get(const struct frame_source *best, enum source_kind kind);

/* SOURCE_NONE: none has had a picture yet. */
enum source_kind best_source_shown(const struct frame_source *best);

#endif
