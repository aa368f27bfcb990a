// SPDX-License-Identifier: MIT
/* Runs sd-bus connections to the last parsed byte; bus_pump.h says why. */
#include "common/bus_pump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"

struct bus_pump {
	sd_bus *bus;
	sd_event_source *io;    /* a duplicate of the connection's descriptor */
	sd_event_source *timer; /* time-outs of pending calls */
	/* Enabled while a turn ended before the bus ran dry: a time that has passed. A deferred source
	 * is always the longest pending one and would keep all others of its priority waiting. */
	sd_event_source *more;
	bus_pump_closed_fn closed;
	void *data;
	bool dispatching; /* inside sd_bus_process(): destruction waits for its return */
	bool destroyed;
};

static void pump_free(struct bus_pump *pump)
{
	sd_event_source_disable_unref(pump->io);
	sd_event_source_disable_unref(pump->timer);
	sd_event_source_disable_unref(pump->more);
	if (pump->bus) {
		sd_bus_close(pump->bus);
		sd_bus_unref(pump->bus);
	}
	free(pump);
}

void bus_pump_destroy(struct bus_pump *pump)
{
	if (!pump) {
		return;
	}
	pump->destroyed = true;
	if (!pump->dispatching) {
		pump_free(pump);
	}
}

static void pump_end(struct bus_pump *pump, int error)
{
	pump->io = sd_event_source_disable_unref(pump->io);
	sd_event_source_set_enabled(pump->timer, SD_EVENT_OFF);
	sd_event_source_set_enabled(pump->more, SD_EVENT_OFF);
	if (pump->closed) {
		pump->closed(pump->data, error);
	}
}

static bool queue_is_full(struct bus_pump *pump)
{
	uint64_t queued;

	return sd_bus_get_n_queued_write(pump->bus, &queued) >= 0 && queued > BUS_PUMP_QUEUE_MAX;
}

/* One turn: everything that is there, but no longer than BUS_PUMP_TURN_NS. */
static int pump_turn(struct bus_pump *pump)
{
	uint64_t start = clock_now_ns();
	int r;

	pump->dispatching = true;
	do {
		r = sd_bus_process(pump->bus, NULL);
		if (r >= 0 && queue_is_full(pump)) {
			r = -ENOBUFS;
		}
	} while (r > 0 && !pump->destroyed && clock_now_ns() - start < BUS_PUMP_TURN_NS);
	pump->dispatching = false;

	if (pump->destroyed) {
		pump_free(pump);
		return 0;
	}
	if (r < 0) {
		pump_end(pump, r);
		return 0;
	}
	return sd_event_source_set_enabled(pump->more, r > 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int handle_io(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	(void)source, (void)fd, (void)revents;
	return pump_turn(data);
}

static int handle_timer(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source, (void)usec;
	return pump_turn(data);
}

/* Before each poll: what the bus waits for may have changed by calls made outside of the pump. */
static int prepare_io(sd_event_source *source, void *data)
{
	struct bus_pump *pump = data;
	int events = sd_bus_get_events(pump->bus);
	uint64_t until;
	int r;

	if (events < 0) {
		/* The connection has ended in between: let process() say so. */
		return sd_event_source_set_enabled(pump->more, SD_EVENT_ONESHOT);
	}
	r = sd_event_source_set_io_events(source, (uint32_t)events);
	if (r < 0) {
		return r;
	}
	r = sd_bus_get_timeout(pump->bus, &until);
	if (r < 0) {
		return r;
	}
	if (until == UINT64_MAX) {
		return sd_event_source_set_enabled(pump->timer, SD_EVENT_OFF);
	}
	r = sd_event_source_set_time(pump->timer, until);
	return r < 0 ? r : sd_event_source_set_enabled(pump->timer, SD_EVENT_ONESHOT);
}

/*
 * sd-bus closes its descriptor as soon as it sees the other end gone. The number may then be
 * somebody else's, and epoll goes by numbers: we would take that one out of the loop. So we watch a
 * duplicate, which we close ourselves.
 */
static int pump_add_io(struct bus_pump *pump, sd_event *event)
{
	int fd = sd_bus_get_fd(pump->bus), r;

	if (fd < 0) {
		return fd;
	}
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0) {
		return -errno;
	}
	r = sd_event_add_io(event, &pump->io, fd, EPOLLIN, handle_io, pump);
	if (r < 0) {
		close(fd);
		return r;
	}
	return sd_event_source_set_io_fd_own(pump->io, true);
}

static int pump_add_sources(struct bus_pump *pump, sd_event *event, int64_t priority)
{
	int r = pump_add_io(pump, event);

	if (r < 0) {
		return r;
	}
	r = sd_event_add_time(event, &pump->timer, CLOCK_MONOTONIC, UINT64_MAX, 0, handle_timer,
			      pump);
	if (r < 0) {
		return r;
	}
	r = sd_event_add_time(event, &pump->more, CLOCK_MONOTONIC, 0, 0, handle_timer, pump);
	if (r < 0) {
		return r;
	}
	sd_event_source_set_priority(pump->io, priority);
	sd_event_source_set_priority(pump->timer, priority);
	/* The first turn comes at once: SASL may already have answered in sd_bus_start(). */
	sd_event_source_set_priority(pump->more, priority);
	return sd_event_source_set_prepare(pump->io, prepare_io);
}

DEFINE_CLEANUP(struct bus_pump *, bus_pump_destroy)

int bus_pump_create(sd_bus *bus, sd_event *event, int64_t priority, bus_pump_closed_fn closed,
		    void *data, struct bus_pump **out)
{
	_cleanup_(bus_pump_destroy_ptr) struct bus_pump *pump = calloc(1, sizeof(*pump));
	int r;

	if (!pump) {
		return -ENOMEM;
	}
	pump->bus = sd_bus_ref(bus);
	pump->closed = closed;
	pump->data = data;
	r = pump_add_sources(pump, event, priority);
	if (r < 0) {
		return r;
	}
	*out = take_ptr(pump);
	return 0;
}
