/* SPDX-License-Identifier: MIT */
/*
 * Runs an sd-bus connection in an sd-event loop, to the last parsed byte.
 *
 * sd_bus_attach_event() goes to sleep on the descriptor while bytes that it has already read may
 * hold a complete message (the peer's SASL answer and its first call in one read). On a peer to
 * peer connection to QEMU that costs a whole guest: it waits for our answer in its main loop.
 * The pump calls sd_bus_process() until it returns 0, and gives the loop back after
 * BUS_PUMP_TURN_NS with the rest queued behind other sources, so that a flooding peer starves
 * nobody. A peer that asks and does not read its answers is closed: some calls sd-bus answers by
 * itself, and it would keep 64 Ki answers.
 */
#ifndef COMMON_BUS_PUMP_H
#define COMMON_BUS_PUMP_H

#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#define BUS_PUMP_TURN_NS (2 * 1000 * 1000)
/* Messages that may wait to be written. */
#define BUS_PUMP_QUEUE_MAX 1024

struct bus_pump;

/*
 * Called once, from the loop, when the connection has ended; error is negative errno, -ENOBUFS
 * when the peer does not read. The callee may destroy the pump in it.
 */
typedef void (*bus_pump_closed_fn)(void *data, int error);

/*
 * Starts to run the bus (already given to sd_bus_start()) at the given sd-event priority. Takes a
 * reference to the bus. Returns 0 or -errno.
 */
int bus_pump_create(sd_bus *bus, sd_event *event, int64_t priority, bus_pump_closed_fn closed,
		    void *data, struct bus_pump **out);

/* Stops, closes the bus and drops the reference. NULL is legal. Legal inside its callbacks. */
void bus_pump_destroy(struct bus_pump *pump);

#endif
