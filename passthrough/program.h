/* SPDX-License-Identifier: MIT */
/*
 * A program that may hang, run beside the loop: it is never waited for, and killed when its time is
 * over. One that talks to hardware may sleep in the kernel where no signal ends it; then it is left
 * alone, and whoever has it knows that it is still there.
 */
#ifndef PASSTHROUGH_PROGRAM_H
#define PASSTHROUGH_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct program;

#define PROGRAM_MISSING 127 /* exit status: it cannot be executed */

/*
 * Told once, from the loop, and may destroy the program. status: its exit status, -ETIME when its
 * time was over, -ECHILD when a signal ended it. output: what it wrote to its standard output, cut;
 * lives during the call.
 */
typedef void (*program_done_fn)(void *data, int status, const char *output);

/* argv[0] is looked for in PATH; it gets no input, and its errors go nowhere. 0 or -errno: then
 * done is not called. */
int program_start(sd_event *event, const char *const argv[], uint64_t deadline_usec,
		  program_done_fn done, void *data, struct program **out);

/* Its process has ended. False after -ETIME, as long as the kernel keeps it. */
bool program_has_ended(const struct program *program);

/* Kills it, and does not wait for its end. NULL is legal. */
void program_destroy(struct program *program);

#endif
