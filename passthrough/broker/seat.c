// SPDX-License-Identifier: MIT
/*
 * The connection to the seat: one at a time, of a user that broker.conf names, and not from a
 * guest's control group: a QEMU that a guest has taken over may have the seat's user.
 */
#include "passthrough/broker/broker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

int seat_listen(struct broker *broker, const char *path, char *text)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path)) {
		return fail(text, -ENAMETOOLONG, "%s is too long for a socket", path);
	}
	memcpy(address.sun_path, path, strlen(path));
	unlink(path);
	broker->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Anybody may knock; seat_accept() asks who it is. */
	if (broker->listener < 0 ||
	    bind(broker->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, 0666) < 0 || listen(broker->listener, 4) < 0) {
		return fail(text, -errno, "%s: %s", path, strerror(errno));
	}
	return 0;
}

/* A guest's scope is called baton-GUEST-PID.scope. */
static bool in_guest_scope(pid_t pid)
{
	char text[1024], *line;

	if (text_read(text, sizeof(text), "/proc/%d/cgroup", pid) < 0) {
		return true;
	}
	for (line = text; (line = strstr(line, "/baton-")); line++) {
		size_t length = strcspn(line + 1, "/\n");

		if (length > 6 && !strncmp(line + 1 + length - 6, ".scope", 6)) {
			return true;
		}
	}
	return false;
}

static const char *peer_refused(const struct broker *broker, int fd, int *pidfd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	bool known = false;
	int here;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
		return "its credentials cannot be read";
	}
	for (unsigned int i = 0; i < broker->n_users; i++) {
		known |= broker->users[i] == peer.uid;
	}
	if (!known) {
		return "its user is not in broker.conf";
	}
	size = sizeof(here);
	*pidfd = getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &here, &size) == 0
			 ? here
			 : pidfd_open(peer.pid, 0);
	/* The pid is the peer's as long as the pidfd says that this process lives. */
	if (*pidfd < 0 || in_guest_scope(peer.pid) || pidfd_pid(*pidfd) != peer.pid) {
		return "it runs in a guest's control group, or has ended";
	}
	return broker->seat >= 0 ? "there is a seat already" : NULL;
}

void seat_adopt(struct broker *broker, int fd, int pidfd)
{
	broker->seat = fd;
	broker->seat_pidfd = pidfd;
	broker->greeted = false;
	broker->connection++;
	broker->seat_gone = NEVER;
}

void seat_accept(struct broker *broker)
{
	int fd = accept4(broker->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), pidfd = -1;
	struct broker_message message = { .kind = BROKER_DONE, .error = -EACCES };
	const char *why;

	if (fd < 0) {
		return;
	}
	why = peer_refused(broker, fd, &pidfd);
	if (!why) {
		seat_adopt(broker, fd, pidfd);
		return;
	}
	say("a connection was refused: %s", why);
	message.error = broker->seat >= 0 ? -EBUSY : -EACCES;
	snprintf(message.text, sizeof(message.text), "the broker refused: %s", why);
	send(fd, &message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
	if (pidfd >= 0) {
		close(pidfd);
	}
}

void seat_close(struct broker *broker, const char *why)
{
	say("the seat's connection has ended: %s", why);
	close(broker->seat);
	if (broker->seat_pidfd >= 0) {
		close(broker->seat_pidfd);
	}
	broker->seat = broker->seat_pidfd = -1;
	broker->list_serial = 0;
	broker->seat_gone = now_ms();
	for (unsigned int i = 0; i < broker->n_cards; i++) {
		broker->cards[i].retry = 0;
		broker->cards[i].listed = broker->cards[i].reset_tried = false;
	}
}

/* A seat that does not read for hundreds of messages is not served any more. */
void seat_send(struct broker *broker, const struct broker_message *message)
{
	if (broker->seat >= 0 && send(broker->seat, message, sizeof(*message),
				      MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(*message)) {
		seat_close(broker, "it does not read");
	}
}

void seat_answer(struct broker *broker, const struct broker_request *request, int error,
		 const char *text)
{
	struct broker_message message = { .kind = BROKER_DONE,
					  .serial = request->serial,
					  .slot = request->slot,
					  .error = error };

	snprintf(message.text, sizeof(message.text), "%s", text);
	seat_send(broker, &message);
}

void seat_facts(struct card *card, uint32_t serial)
{
	struct broker_message message = {
		.kind = BROKER_CARD, .serial = serial, .slot = card->slot, .facts = card->facts
	};

	message.facts.flags |= card->saved.drained ? BROKER_CARD_DRAINED : 0u;
	message.facts.flags |= card->clean ? BROKER_CARD_CLEAN : 0u;
	message.facts.flags |= card->saved.loan.pid ? BROKER_CARD_LENT : 0u;
	message.facts.flags |= card->stuck.pid ? BROKER_CARD_WEDGED : 0u;
	message.facts.lent_pid = card->saved.loan.pid;
	message.facts.stage = card->saved.stage;
	snprintf(message.text, sizeof(message.text), "%s", card->note);
	seat_send(card->broker, &message);
}

/* ---- requests ---- */

/* Each card is looked at anew, unless something is under way with it. */
static void list_start(struct broker *broker, const struct broker_request *request)
{
	if (broker->list_serial) {
		seat_answer(broker, request, -EBUSY, "a list is under way");
		return;
	}
	broker->list_serial = request->serial;
	for (unsigned int i = 0; i < broker->n_cards; i++) {
		broker->cards[i].listed = true;
		broker->cards[i].stale |= card_idle(&broker->cards[i]);
	}
}

/* Tells of every card that is known by now; ends the list after the last. */
void list_continue(struct broker *broker)
{
	struct broker_request request = { .serial = broker->list_serial };
	bool all = true;

	for (unsigned int i = 0; i < broker->n_cards && request.serial; i++) {
		struct card *card = &broker->cards[i];
		bool known = card->looked && (!card->stale || !card_idle(card)) &&
			     card->operation.verb != BROKER_LIST;

		if (card->listed && (known || card->stuck.pid)) {
			card->listed = false;
			seat_facts(card, request.serial);
		}
		all &= !card->listed;
	}
	if (request.serial && all) {
		broker->list_serial = 0;
		seat_answer(broker, &request, 0, "");
	}
}

static void greet(struct broker *broker, const struct broker_request *request)
{
	broker->greeted = true;
	seat_answer(broker, request, request->protocol == BROKER_PROTOCOL ? 0 : -EPROTO,
		    request->protocol == BROKER_PROTOCOL
			    ? ""
			    : "seat and broker are of different versions: restart both");
}

static void record(struct card *card, const struct broker_request *request)
{
	int r = journal_stage(card, &request->stage, request->stage.finished);

	journal_read(card);
	seat_answer(card->broker, request, r, r < 0 ? "the journal cannot be written" : "");
}

/* borrower is taken. */
static void obey(struct broker *broker, const struct broker_request *request, int borrower)
{
	struct card *card = card_find(broker, &request->slot);

	if (borrower >= 0 && request->verb != BROKER_LEND) {
		close(borrower);
		seat_close(broker, "it sent a descriptor that nobody asked for");
	} else if (request->verb == BROKER_HELLO) {
		greet(broker, request);
	} else if (request->verb == BROKER_LIST) {
		list_start(broker, request);
	} else if (!card) {
		if (borrower >= 0) {
			close(borrower);
		}
		seat_answer(broker, request, -EPERM, "the card is not in broker.conf");
	} else if (request->verb == BROKER_RECORD) {
		record(card, request);
	} else {
		operation_request(card, request, borrower);
	}
}

/* The first descriptor of a message; others are closed. */
static int take_descriptor(struct msghdr *header)
{
	int first = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; i < n && c->cmsg_type == SCM_RIGHTS; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (first < 0) {
				first = fd;
			} else {
				close(fd);
			}
		}
	}
	return first;
}

void seat_read(struct broker *broker)
{
	char packet[sizeof(struct broker_request) + 1];
	char control[CMSG_SPACE(4 * sizeof(int))];
	struct iovec part = { packet, sizeof(packet) };
	struct msghdr header = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(broker->seat, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct broker_request request;
	const char *why = "it closed it";
	int descriptor;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	descriptor = n < 0 ? -1 : take_descriptor(&header);
	if (n > 0 && packet_check(packet, (size_t)n, broker->greeted, &request, &why)) {
		obey(broker, &request, descriptor);
		return;
	}
	if (descriptor >= 0) {
		close(descriptor);
	}
	seat_close(broker, why);
}
