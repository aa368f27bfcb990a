/* SPDX-License-Identifier: MIT */
/* The seat's control API as a benchmark needs it; its calls wait for their answers. */
#ifndef BENCH_SEAT_CLIENT_H
#define BENCH_SEAT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "tests/bench/screen.h"

struct seat_client {
	sd_bus *bus;
	struct screen screen;
};

/* Connects to the private socket and maps the headless output. Says on stderr why not. */
int seat_client_open(struct seat_client *client, const char *socket_path);
void seat_client_close(struct seat_client *client);

/* An evdev key, as if from a host keyboard. post does not wait for the answer; the message is on
 * its way when it returns. */
int seat_client_key(struct seat_client *client, uint32_t code, bool pressed);
int seat_client_post_key(struct seat_client *client, uint32_t code, bool pressed);

/* Slot 1 to 9 with the default host key, in two halves: start completes the chord and returns at
 * once; *chord_ns is the time right before that. finish lets go of the keys. */
int seat_client_start_chord(struct seat_client *client, unsigned int slot, uint64_t *chord_ns);
int seat_client_finish_chord(struct seat_client *client, unsigned int slot);

#endif
