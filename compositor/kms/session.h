/* SPDX-License-Identifier: MIT */
/*
 * The right to use a seat's screen and input nodes, from seatd or logind through libseat.
 *
 * A session is active or not; while it is not (another virtual terminal is in front), nothing may
 * be sent to a device. All of it belongs to the event loop's thread.
 */
#ifndef COMPOSITOR_KMS_SESSION_H
#define COMPOSITOR_KMS_SESSION_H

#include <stdbool.h>
#include <systemd/sd-event.h>

struct session;

struct session_events {
	/*
	 * false: the seat has been given back, nothing may be sent to a device any more; this
	 * must not wait for anything. true: it is ours again; called from the loop, where devices
	 * may be opened.
	 */
	void (*active)(bool active, void *data);
	void *data;
};

/*
 * Opens the seat and waits, for at most 3 s, until it is ours: active() is not called for this
 * first time. events must outlive the session. Logs one sentence and returns -errno on failure.
 */
int session_create(sd_event *event, const struct session_events *events, struct session **out);
/* Closes every device and gives the virtual terminal back. NULL is legal. */
void session_destroy(struct session *session);

bool session_active(const struct session *session);
const char *session_seat_name(struct session *session);

/*
 * A file descriptor for a device node, owned by the session, or -errno. Closed with
 * session_close_device(), never with close(). It asks seatd or logind and waits for their answer,
 * which depends on no device and no guest.
 */
int session_open_device(struct session *session, const char *path);
void session_close_device(struct session *session, int fd);
/* The same, but the descriptor is the caller's from now on: closing it may wait for the driver. */
void session_leave_device(struct session *session, int fd);

/* Asks for another virtual terminal; 0 or -errno. That it is in front shows by active(false). */
int session_switch_vt(struct session *session, unsigned int vt);

#endif
