/* SPDX-License-Identifier: MIT */
/*
 * The input of a monitor with two cables, switched over DDC/CI by the program ddcutil. Monitors
 * differ in what they do: some answer on the input that they show alone, some go back by
 * themselves, some ignore it. So each switch is looked at afterwards, and what a monitor does is
 * remembered.
 *
 * MONITOR_REST    nothing runs: what is wanted is shown, or cannot be had.
 * MONITOR_DETECT  ddcutil looks for the bus of the connector. Buses get other numbers when cards
 *                 come and go, so one is used only until the next handoff, and never remembered.
 * MONITOR_SET     ddcutil sets the input.
 * MONITOR_LOOK    ddcutil asks which one is shown. Another one, or no answer from the host's: SET
 *                 again after a pause, until it counts as refused.
 * MONITOR_PAUSE   between two attempts.
 *
 * Nothing is waited for. A wish that comes while ddcutil runs is taken up when that is over: a
 * transfer on the bus that is broken off may hang the monitor.
 */
#ifndef PASSTHROUGH_MONITOR_INPUT_H
#define PASSTHROUGH_MONITOR_INPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "passthrough/monitor_memory.h"

struct monitor_input;

struct monitor_input_ops {
	/* The side that is shown, or the sentence. May not destroy the input. */
	void (*changed)(void *data);
	/* To be kept for the next time. */
	void (*learned)(void *data, const struct monitor_memory *memory);
};

struct monitor_input_options {
	const char *monitor;     /* its connector on the host's side, "DP-1"; copied */
	const char *memory_file; /* of what is remembered, for a remedy; copied */
	struct monitor_memory known;
	uint64_t deadline_usec; /* of each ddcutil; 0: 5 s */
	uint64_t pause_usec;    /* between attempts; 0: 1 s */
};

/* 0 or -ENOMEM. Nothing is done until something is wanted. */
int monitor_input_create(sd_event *event, const struct monitor_input_options *options,
			 const struct monitor_input_ops *ops, void *data,
			 struct monitor_input **out);
/* What it shows stays. NULL is legal. */
void monitor_input_destroy(struct monitor_input *input);

/* Cheap to call often. lent: a guest has the card of the other cable; without one nobody can have
 * switched there, and nothing is asked. */
void monitor_input_want(struct monitor_input *input, enum monitor_side side, bool lent);

/* It was seen to go there, or told to without an answer, and not back since. */
bool monitor_input_shows_guest(const struct monitor_input *input);

/* One sentence: what went wrong, and what helps. NULL: nothing did. */
const char *monitor_input_text(const struct monitor_input *input);

/* What ddcutil says, for tests. The number of the bus, or -1; the value, or -1. */
int monitor_input_parse_bus(const char *detected, const char *monitor);
int monitor_input_parse_value(const char *said);

#endif
