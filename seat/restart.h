/* SPDX-License-Identifier: MIT */
/* The program executes itself anew, which drops whatever a library of this process keeps. */
#ifndef SEAT_RESTART_H
#define SEAT_RESTART_H

/*
 * With the same arguments, the same process and CARDS_RESTARTED set to this slot of a card. Everything of the seat
 * has been destroyed. Returns only when it failed, which is logged.
 */
void restart_execute(char **argv, const char *slot);

#endif
