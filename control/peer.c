// SPDX-License-Identifier: MIT
/*
 * Connections that the API is served on, and the limits that keep any of them from costing the
 * seat more than a little memory: sd-bus itself would queue 64 Ki messages for a peer that does
 * not read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "control/private.h"

/* What may wait in sd-bus behind a full socket. */
#define PEER_QUEUE_MAX 16
/* Of the socket, in bytes: some 150 messages. sd-bus would make it 8 MiB. */
#define PEER_SOCKET_BUFFER (128 * 1024)
/* Nobody types, points or asks faster for long; a burst of that size is fine. */
#define PEER_MESSAGES_MAX 20000
#define PEER_WINDOW_NS (10 * NSEC_PER_SEC)
#define PEER_GREETING_USEC (5 * 1000 * 1000)

DEFINE_CLEANUP(struct peer *, client_destroy)

void client_destroy(struct peer *peer)
{
	if (!peer) {
		return;
	}
	list_remove(&peer->link);
	if (!peer->bus_kind) {
		peer->control->n_clients--;
	}
	sd_event_source_disable_unref(peer->deadline);
	if (peer->pump) {
		bus_pump_destroy(peer->pump);
	} else {
		sd_bus_close(peer->bus);
	}
	sd_bus_unref(peer->bus);
	free(peer);
}

static void peer_cut_off(struct peer *peer, const char *reason)
{
	log_warning("control: a %s was cut off: %s", peer->bus_kind ? peer->bus_kind : "client",
		    reason);
	client_destroy(peer);
}

static bool peer_queue_is_full(struct peer *peer)
{
	uint64_t waiting;

	return sd_bus_get_n_queued_write(peer->bus, &waiting) >= 0 && waiting >= PEER_QUEUE_MAX;
}

static bool peer_floods(struct peer *peer)
{
	uint64_t now = clock_now_ns();

	if (now - peer->window_start_ns >= PEER_WINDOW_NS) {
		peer->window_start_ns = now;
		peer->window_count = 0;
	}
	return ++peer->window_count > PEER_MESSAGES_MAX;
}

/* Sees every message before it is handled; 1 drops it. */
static int filter_message(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct peer *peer = data;

	if (peer_queue_is_full(peer)) {
		peer_cut_off(peer, "it does not read its answers");
		return 1;
	}
	if (!peer->bus_kind && peer_floods(peer)) {
		peer_cut_off(peer, "it sends too many messages");
		return 1;
	}
	return 0;
}

bool client_wants_signal(struct peer *peer)
{
	if (sd_bus_is_ready(peer->bus) <= 0) {
		return false;
	}
	if (peer_queue_is_full(peer)) {
		peer_cut_off(peer, "it does not read its signals");
		return false;
	}
	return true;
}

static void handle_closed(void *data, int error)
{
	struct peer *peer = data;

	if (peer->bus_kind) {
		log_info("control: the %s is gone (%s); the socket goes on", peer->bus_kind,
			 strerror(-error));
	}
	client_destroy(peer);
}

static int handle_deadline(sd_event_source *source, uint64_t usec, void *data)
{
	struct peer *peer = data;

	if (sd_bus_is_ready(peer->bus) <= 0) {
		peer_cut_off(peer, "it did not finish its greeting");
	}
	return 0;
}

/* Takes over the caller's reference to the bus, also on failure. */
static int peer_create(struct control *control, sd_bus *bus, const char *bus_kind,
		       struct peer **out)
{
	_cleanup_(client_destroy_ptr) struct peer *peer = calloc(1, sizeof(*peer));
	int r;

	if (!peer) {
		sd_bus_unref(bus);
		return -ENOMEM;
	}
	peer->control = control;
	peer->bus = bus;
	peer->bus_kind = bus_kind;
	list_append(&control->peers, &peer->link);
	if (!bus_kind) {
		control->n_clients++;
	}
	if ((r = bus_api_add(bus, control)) < 0 ||
	    (r = sd_bus_add_filter(bus, NULL, filter_message, peer)) < 0) {
		return r;
	}
	*out = take_ptr(peer);
	return 0;
}

static int peer_run(struct peer *peer)
{
	return bus_pump_create(peer->bus, peer->control->event, SD_EVENT_PRIORITY_NORMAL,
			       handle_closed, peer, &peer->pump);
}

/* ---- clients ---- */

static int client_start(struct peer *peer, int fd)
{
	const int buffer = PEER_SOCKET_BUFFER;
	sd_id128_t id;
	int r;

	if ((r = sd_id128_randomize(&id)) < 0) {
		close(fd);
		return r;
	}
	r = sd_bus_set_fd(peer->bus, fd, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	if ((r = sd_bus_set_server(peer->bus, true, id)) < 0 ||
	    (r = sd_bus_negotiate_fds(peer->bus, true)) < 0 || (r = sd_bus_start(peer->bus)) < 0) {
		return r;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)) < 0) {
		return -errno;
	}
	r = sd_event_add_time_relative(peer->control->event, &peer->deadline, CLOCK_MONOTONIC,
				       PEER_GREETING_USEC, 100 * 1000, handle_deadline, peer);
	return r < 0 ? r : peer_run(peer);
}

int client_accept(struct control *control, int fd)
{
	_cleanup_(client_destroy_ptr) struct peer *peer = NULL;
	sd_bus *bus;
	int r;

	r = sd_bus_new(&bus);
	if (r >= 0) {
		r = peer_create(control, bus, NULL, &peer);
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	r = client_start(peer, fd);
	if (r < 0) {
		return r;
	}
	take_ptr(peer);
	return 0;
}

/* ---- message buses ---- */

/*
 * Opening a unix socket never waits. The other transports do: tcp asks a name server, unixexec
 * and autolaunch start a program.
 */
static bool address_is_local(const char *address)
{
	const char *part = address;

	while (part) {
		if (strncmp(part, "unix:", 5)) {
			return false;
		}
		part = strchr(part, ';');
		part = part ? part + 1 : NULL;
	}
	return true;
}

static bool have_user_bus(void)
{
	const char *address = getenv("DBUS_SESSION_BUS_ADDRESS");
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	_cleanup_free_ char *path = NULL;

	if (address && *address) {
		return address_is_local(address);
	}
	return runtime && asprintf(&path, "%s/bus", runtime) >= 0 && access(path, F_OK) == 0;
}

#define NAME_IS_OURS 1 /* DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER */

static int handle_name(sd_bus_message *answer, void *data, sd_bus_error *error)
{
	const sd_bus_error *refusal = sd_bus_message_get_error(answer);
	struct peer *peer = data;
	uint32_t result = 0;

	if (!refusal && sd_bus_message_read(answer, "u", &result) > 0 && result == NAME_IS_OURS) {
		return 1;
	}
	log_info("control: " CONTROL_BUS_NAME
		 " is not ours on the %s (%s); the socket works all the "
		 "same",
		 peer->bus_kind,
		 refusal && refusal->message ? refusal->message : "another seat has it");
	return 1;
}

static int bus_peer_start(struct control *control, sd_bus *bus, const char *kind)
{
	_cleanup_(client_destroy_ptr) struct peer *peer = NULL;
	int r;

	r = peer_create(control, bus, kind, &peer);
	if (r < 0) {
		return r;
	}
	r = sd_bus_request_name_async(bus, NULL, CONTROL_BUS_NAME, 0, handle_name, peer);
	if (r < 0) {
		return r;
	}
	r = peer_run(peer);
	if (r < 0) {
		return r;
	}
	take_ptr(peer);
	return 0;
}

void client_join_bus(struct control *control)
{
	const char *kind;
	sd_bus *bus;
	int r;

	if (have_user_bus()) {
		kind = "session bus";
		r = sd_bus_open_user(&bus);
	} else if (getenv("INVOCATION_ID")) { /* a service, and not one of a user's manager */
		kind = "system bus";
		r = sd_bus_open_system(&bus);
	} else {
		return;
	}
	if (r >= 0) {
		r = bus_peer_start(control, bus, kind);
	}
	if (r < 0) {
		log_info("control: no %s (%s); the socket works all the same", kind, strerror(-r));
	}
}
