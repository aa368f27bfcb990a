/* SPDX-License-Identifier: MIT */
/*
 * From one stage to the next: how a way and each of its stages begin and end. Private to the
 * machine; see handoff.h. Whatever goes on to the next stage calls the caller's ops last, since
 * these may report at once and so come back in.
 */
#ifndef PASSTHROUGH_HANDOFF_STAGE_H
#define PASSTHROUGH_HANDOFF_STAGE_H

#include "passthrough/handoff_table.h"

/* Sets what belongs to a way; then stage_begin() or way_go_on(). */
void handoff_way_begin(struct handoff *handoff, uint32_t to, uint64_t now_usec);
/* Goes on to the next stage, or ends: the card is where it should be. */
void handoff_way_go_on(struct handoff *handoff, uint64_t now_usec);
/* Ends the way wherever the card is. */
void handoff_way_end(struct handoff *handoff, int error, const char *text);

void handoff_stage_begin(struct handoff *handoff, enum handoff_stage stage, uint64_t now_usec);
/* The stage under way has ended with an error, or 0. text may be NULL. */
void handoff_stage_end(struct handoff *handoff, int error, const char *text, uint64_t now_usec);
/* The same for a stage that somebody still works at. */
void handoff_stage_cut(struct handoff *handoff, int error, const char *text, uint64_t now_usec);
/* It is past its hard deadline. */
void handoff_stage_time_out(struct handoff *handoff, uint64_t now_usec);
/* It was -EBUSY: tried again after a pause, or it has failed. */
void handoff_stage_busy(struct handoff *handoff, const char *text, uint64_t now_usec);
void handoff_stage_retry(struct handoff *handoff);

/* Whether it waits for its next try, so that nobody works at it. */
bool handoff_stage_pauses(const struct handoff *handoff);

const struct handoff_row *handoff_row_now(const struct handoff *handoff);
void handoff_set_text(struct handoff *handoff, const char *text);

#endif
