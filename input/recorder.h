/* SPDX-License-Identifier: MIT */
/*
 * Writes down what goes to the guest in front, for "batonctl record": one line an event, of the
 * milliseconds since the first one, what it is, and two numbers; see batonctl(1). It never waits: who
 * does not read loses the rest.
 */
#ifndef INPUT_RECORDER_H
#define INPUT_RECORDER_H

#include "input/input.h"

struct recorder {
	int fd; /* owned; a socket; -1: nothing is recorded */
	uint64_t first_ns;
};

void recorder_init(struct recorder *recorder);
/* Another reader in the place of the one before; takes the descriptor. -1: none. */
void recorder_set(struct recorder *recorder, int fd);
void recorder_write(struct recorder *recorder, const struct input_event *event);

#endif
