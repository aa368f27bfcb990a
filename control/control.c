// SPDX-License-Identifier: MIT
/* The private socket, who may connect to it, and signals to everyone connected. */
#include "control/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "common/log.h"
#include "control/private.h"
#include "control/text.h"

#define CLIENTS_MAX 24

DEFINE_CLEANUP(struct control *, control_destroy)

void control_close(struct control *control)
{
	if (control && control->listener) {
		unlink(control->socket_path);
		control->listener = sd_event_source_disable_unref(control->listener);
	}
}

void control_destroy(struct control *control)
{
	struct peer *peer, *next;

	if (!control) {
		return;
	}
	control_close(control);
	worker_destroy(control->worker); /* while there still is somebody to be answered */
	list_for_each_safe(peer, next, &control->peers, link) {
		client_destroy(peer);
	}
	close_fd_ptr(&control->spare_fd);
	sd_event_unref(control->event);
	free(control->socket_path);
	free(control);
}

/* The peer has to be the seat's own user; the folder's mode says so too, this does not rely on it.
 */
static bool fd_is_own_user(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
		return false;
	}
	if (peer.uid != geteuid()) {
		log_warning("control: process %d of user %u was refused: the socket is for user "
			    "%u alone",
			    (int)peer.pid, peer.uid, geteuid());
		return false;
	}
	return true;
}

static bool has_room(struct control *control)
{
	if (control->n_clients < CLIENTS_MAX) {
		control->told_full = false;
		return true;
	}
	if (!control->told_full) {
		log_warning("control: a client was refused: %u are connected", CLIENTS_MAX);
		control->told_full = true;
	}
	return false;
}

/* Without a descriptor to accept with, the socket would stay readable and the loop busy. */
static void turn_away(struct control *control, int listener)
{
	close_fd_ptr(&control->spare_fd);
	control->spare_fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close_fd_ptr(&control->spare_fd);
	control->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	log_warning("control: a client was refused: no descriptors are left");
}

static int handle_connection(sd_event_source *source, int listener, uint32_t revents, void *data)
{
	struct control *control = data;
	_cleanup_close_ int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int r;

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE) {
			turn_away(control, listener);
		}
		return 0;
	}
	if (!fd_is_own_user(fd) || !has_room(control)) {
		return 0;
	}
	r = client_accept(control, take_fd(fd));
	if (r < 0) {
		log_debug("control: a client was refused: %s", strerror(-r));
	}
	return 0;
}

static int make_folder(const char *socket_path)
{
	_cleanup_free_ char *folder = strdup(socket_path);
	char *slash;

	if (!folder) {
		return -ENOMEM;
	}
	slash = strrchr(folder, '/');
	if (!slash || slash == folder) {
		return -EINVAL;
	}
	*slash = 0;
	return mkdir_private(folder);
}

static int control_listen(struct control *control)
{
	int fd, r;

	r = make_folder(control->socket_path);
	if (r < 0) {
		return r;
	}
	fd = unix_listen(control->socket_path, CLIENTS_MAX);
	if (fd < 0) {
		return fd;
	}
	r = sd_event_add_io(control->event, &control->listener, fd, EPOLLIN, handle_connection,
			    control);
	if (r < 0) {
		close(fd);
		unlink(control->socket_path);
		return r;
	}
	return sd_event_source_set_io_fd_own(control->listener, true);
}

static const char *listen_remedy(int r)
{
	switch (r) {
	case -ENAMETOOLONG:
		return "its path is too long for a socket; set BATON_RUNTIME_DIR to a shorter one";
	case -EPERM:
		return "its folder belongs to somebody else; set BATON_RUNTIME_DIR to one of yours";
	default:
		return strerror(-r);
	}
}

int control_create(sd_event *event, const char *socket_path, const struct control_actions *actions,
		   void *data, struct control **out)
{
	_cleanup_(control_destroy_ptr) struct control *control = calloc(1, sizeof(*control));
	int r;

	if (!control) {
		return -ENOMEM;
	}
	list_init(&control->peers);
	control->event = sd_event_ref(event);
	control->actions = actions;
	control->data = data;
	control->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	control->socket_path = strdup(socket_path);
	if (!control->socket_path) {
		return -ENOMEM;
	}
	r = worker_create(event, &control->worker);
	if (r < 0) {
		log_error("control: nobody to write screenshots: %s", strerror(-r));
		return r;
	}
	r = control_listen(control);
	if (r < 0) {
		log_error("control: cannot listen on %s: %s", socket_path, listen_remedy(r));
		return r;
	}
	client_join_bus(control);
	*out = take_ptr(control);
	return 0;
}

/* ---- signals ---- */

void control_focus_changed(struct control *control, const char *guest)
{
	struct peer *peer, *next;

	if (!control) {
		return;
	}
	list_for_each_safe(peer, next, &control->peers, link) {
		if (client_wants_signal(peer)) {
			sd_bus_emit_signal(peer->bus, CONTROL_OBJECT, CONTROL_INTERFACE,
					   "FocusChanged", "s", guest ? guest : "");
			sd_bus_emit_properties_changed(peer->bus, CONTROL_OBJECT, CONTROL_INTERFACE,
						       "Focused", NULL);
		}
	}
}

void control_guest_changed(struct control *control, const char *guest, const char *state)
{
	struct peer *peer, *next;

	if (!control) {
		return;
	}
	list_for_each_safe(peer, next, &control->peers, link) {
		if (client_wants_signal(peer)) {
			sd_bus_emit_signal(peer->bus, CONTROL_OBJECT, CONTROL_INTERFACE,
					   "GuestChanged", "ss", guest, state);
		}
	}
}

void control_card_changed(struct control *control, const struct control_card *card)
{
	char text[512];
	struct peer *peer, *next;

	if (!control) {
		return;
	}
	/* It may quote QEMU or the kernel. */
	text_clean(card->text ? card->text : "", text, sizeof(text));
	list_for_each_safe(peer, next, &control->peers, link) {
		if (client_wants_signal(peer)) {
			sd_bus_emit_signal(peer->bus, CONTROL_OBJECT, CONTROL_INTERFACE,
					   "CardChanged", "sssss", card->name, card->state,
					   card->owner ? card->owner : "",
					   card->stage ? card->stage : "", text);
		}
	}
}
