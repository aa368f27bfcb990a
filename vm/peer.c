// SPDX-License-Identifier: MIT
/*
 * Makes the peer D-Bus connection; see peer.h. QEMU has only one such connection: a new one
 * replaces that of an earlier seat. Where the earlier seat died while its own was being made, QEMU
 * may hear of that end late and then takes its objects off the new connection. So a connection
 * counts only after an object has answered on it, and is made anew when none does any more.
 */
#include "vm/peer.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "common/bus_pump.h"
#include "common/cleanup.h"

#define FD_NAME "baton-peer"

struct peer {
	sd_event *event;
	struct qmp *qmp;
	int fd; /* our end, until the bus has it */
	sd_bus *bus;
	struct bus_pump *pump;
	sd_bus_slot *check; /* the question for an object, while it is open */
	bool up;
	const struct peer_ops *ops;
	void *data;
};

void peer_destroy(struct peer *peer)
{
	if (!peer) {
		return;
	}
	qmp_cancel(peer->qmp, peer);
	sd_bus_slot_unref(peer->check);
	bus_pump_destroy(peer->pump);
	sd_bus_close_unref(peer->bus);
	if (peer->fd >= 0) {
		close(peer->fd);
	}
	sd_event_unref(peer->event);
	free(peer);
}
DEFINE_CLEANUP(struct peer *, peer_destroy)

sd_bus *peer_bus(const struct peer *peer)
{
	return peer && peer->up ? peer->bus : NULL;
}

static void handle_closed(void *data, int error)
{
	struct peer *peer = data;

	peer->up = false;
	peer->ops->failed(peer->data, error, "QEMU closed the display connection");
}

static int handle_checked(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct peer *peer = data;

	peer->check = sd_bus_slot_unref(peer->check);
	if (sd_bus_message_is_method_error(reply, NULL)) {
		peer->up = false;
		peer->ops->failed(peer->data, -EAGAIN,
				  "QEMU's objects are not on the display connection");
	} else if (!peer->up) {
		peer->up = true;
		peer->ops->up(peer->data);
	}
	return 0;
}

/* Without a time-out: a stopped QEMU answers when it runs again. */
static int peer_send_check(struct peer *peer)
{
	sd_bus_message *call = NULL;
	int r = sd_bus_message_new_method_call(peer->bus, &call, NULL, "/org/qemu/Display1/VM",
					       "org.freedesktop.DBus.Properties", "Get");

	if (r >= 0) {
		r = sd_bus_message_append(call, "ss", "org.qemu.Display1.VM", "Name");
	}
	if (r >= 0) {
		r = sd_bus_call_async(peer->bus, &peer->check, call, handle_checked, peer,
				      UINT64_MAX);
	}
	sd_bus_message_unref(call);
	return r;
}

void peer_check(struct peer *peer)
{
	/* A failure to send shows as the end of the connection. */
	if (peer->up && !peer->check) {
		peer_send_check(peer);
	}
}

/* QEMU is the server in SASL's terms; there is no bus, so nobody says Hello. */
static int peer_start_bus(struct peer *peer)
{
	int r = sd_bus_new(&peer->bus);

	if (r < 0) {
		return r;
	}
	r = sd_bus_set_fd(peer->bus, peer->fd, peer->fd);
	if (r < 0) {
		return r;
	}
	peer->fd = -1;
	r = sd_bus_negotiate_fds(peer->bus, 1);
	if (r >= 0) {
		r = sd_bus_start(peer->bus);
	}
	if (r >= 0) {
		r = bus_pump_create(peer->bus, peer->event, SD_EVENT_PRIORITY_NORMAL,
				    handle_closed, peer, &peer->pump);
	}
	return r < 0 ? r : peer_send_check(peer);
}

static void handle_client_added(void *data, int error, const json_t *result, const char *text)
{
	struct peer *peer = data;
	int r = error ? error : peer_start_bus(peer);

	if (r < 0) {
		peer->ops->failed(peer->data, r, text ? text : strerror(-r));
	}
}

/* Both commands at once: QEMU runs them in order, and without the first the second fails. */
static int peer_ask(struct peer *peer, int their_fd)
{
	json_t *name = json_pack("{s:s}", "fdname", FD_NAME);
	json_t *client = json_pack("{s:s, s:s}", "protocol", "@dbus-display", "fdname", FD_NAME);
	int r = qmp_call(peer->qmp, "getfd", name, their_fd, QMP_WAIT_FOREVER, NULL, NULL);

	if (r < 0) {
		json_decref(client);
		return r;
	}
	return qmp_call(peer->qmp, "add_client", client, -1, QMP_WAIT_FOREVER, handle_client_added,
			peer);
}

int peer_create(sd_event *event, struct qmp *qmp, const struct peer_ops *ops, void *data,
		struct peer **out)
{
	_cleanup_(peer_destroy_ptr) struct peer *peer = calloc(1, sizeof(*peer));
	_cleanup_close_ int their_fd = -1;
	int pair[2], r;

	if (!peer) {
		return -ENOMEM;
	}
	peer->fd = -1;
	peer->event = sd_event_ref(event);
	peer->qmp = qmp;
	peer->ops = ops;
	peer->data = data;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		return -errno;
	}
	peer->fd = pair[0];
	their_fd = pair[1];
	r = peer_ask(peer, their_fd);
	if (r < 0) {
		return r;
	}
	*out = take_ptr(peer);
	return 0;
}
