/* SPDX-License-Identifier: MIT */
/* A client of the D-Bus API for tests, over the private socket. Whatever fails fails the test. */
#ifndef TESTS_UNIT_SEAT_CLIENT_H
#define TESTS_UNIT_SEAT_CLIENT_H

#include <systemd/sd-bus.h>

#include "tests/unit/fake_seat.h"

#define DEADLINE_MS 60000 /* of every waiting; a test that works never gets near it */

/* A connected, blocking descriptor. */
int socket_open(const char *path);

sd_bus *client_open(struct fake_seat_process *seat);
void client_close(sd_bus *bus);

/* 0 or more, or -errno with the error's name and words. reply and types may be NULL. */
int call(sd_bus *bus, const char *method, sd_bus_error *error, sd_bus_message **reply,
	 const char *types, ...);

/* Waits for the next signal of the interface; a new reference. */
sd_bus_message *next_signal(sd_bus *bus);
/* That it is a GuestChanged with these two words; fake_seat.h says what they mean. */
void expect_told(sd_bus *bus, const char *what, const char *detail);
/* Waits until the seat hangs up, without reading anything. */
void expect_hangup(int fd);
/* The seat answers a newcomer: it neither died nor waits for anybody. */
void expect_alive(struct fake_seat_process *seat);

#endif
