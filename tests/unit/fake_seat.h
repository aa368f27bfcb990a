/* SPDX-License-Identifier: MIT */
/* A seat of three made-up guests behind the real D-Bus API, for tests of its clients. */
#ifndef TESTS_UNIT_FAKE_SEAT_H
#define TESTS_UNIT_FAKE_SEAT_H

#include <stdbool.h>
#include <sys/types.h>

#define FAKE_SEAT_QUIT_GUESTS 7 /* exit status after Quit(true); 0 after Quit(false) */

struct fake_seat_process {
	char dir[64];     /* removed at the end */
	char folder[80];  /* made by the API: the runtime folder */
	char socket[128]; /* in it */
	pid_t pid;
	int gate; /* a picture of gamma says "?" there when its job begins, and waits for a byte */
	const char *bus; /* set before the start: address of its session bus; NULL is none */
	bool foreign;    /* set before the start: it believes its clients to be of another user */
	bool without_card; /* set before the start */
};

/*
 * Starts it in a child process and waits until it listens. What an action was asked comes back as
 * the signal GuestChanged(action, details): a client can compare. Fails the test when it cannot.
 */
void fake_seat_start(struct fake_seat_process *seat);
/* Its exit status after a Quit; fails the test after a deadline. */
int fake_seat_wait(struct fake_seat_process *seat);
/* Ends it, if that is still to be done, and removes its files. */
void fake_seat_stop(struct fake_seat_process *seat);

#endif
