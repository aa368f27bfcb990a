/* SPDX-License-Identifier: MIT */
/* Waiting for descriptors: a little more than epoll, and less than any library a guest may lack. */
#ifndef AGENT_LOOP_H
#define AGENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* Belongs to whoever waits, and must outlive the waiting. */
struct loop_source {
	int fd;
	void (*ready)(void *data);
	void *data;
};

/* An epoll descriptor, or -errno. */
int loop_open(void);
/* edge: calls once for what comes, to read or room to write, not as long as it is there. 0 or
 * -errno. */
int loop_add(int loop, struct loop_source *source, bool edge);
void loop_remove(int loop, const struct loop_source *source);
/* Waits for at most that long (-1: without end) and calls one source. 0 or -errno. */
int loop_turn(int loop, int milliseconds);

/* A timer that is off: a descriptor or -errno. */
int timer_open(void);
/* Every so many nanoseconds from now on; 0: off. */
void timer_set(int timer, uint64_t period);
/* Takes what made it readable. */
void timer_drain(int timer);

#endif
