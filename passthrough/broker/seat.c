// SPDX-License-Identifier: MIT
/*
 * The connection to the seat: one at a time, of a user that broker.conf names, and not from a
 * guest's control group: a QEMU that a guest has taken over may have the seat's user.
 */
#include "passthrough/broker/broker.h"

#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

/* Anybody may knock; seat_accept() asks who it is. */
int seat_listen(struct broker *broker, const char *path, char *text)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	broker->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(broker->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, 0666) < 0 || listen(broker->listener, 4) < 0) {
		return fail(text, -errno, "%s: %s", path, strerror(errno));
	}
	return 0;
}

/* A guest's is baton-GUEST-PID.scope or baton-guest@USER.service; no seat's begins so. */
static bool in_guest_group(pid_t pid)
{
	char text[1024];

	return text_read(at("/proc/%d/cgroup", pid), text, sizeof(text)) < 0 ||
	       strstr(text, "/baton-");
}

/* 0: welcome, with its pidfd; else -errno. */
static int peer_check(const struct broker *broker, int fd, int *pidfd, char *text)
{
	struct ucred peer = { .pid = -1, .uid = (uid_t)-1 };
	socklen_t size = sizeof(peer);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	if (!account_find(broker, "", &peer.uid)) {
		return fail(text, -EACCES, "your user is not in broker.conf");
	}
	if (broker->seat >= 0) {
		return fail(text, -EBUSY, "the broker has a seat already");
	}
	size = sizeof(*pidfd);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, pidfd, &size) < 0) {
		*pidfd = pidfd_open(peer.pid, 0);
	}
	/* The pid was the peer's all the time, if the pidfd's process still has it. */
	if (*pidfd < 0 || in_guest_group(peer.pid) || pidfd_pid(*pidfd) != peer.pid) {
		return fail(text, -EACCES, "your process is a guest's, or has ended");
	}
	return 0;
}

void seat_adopt(struct broker *broker, int fd, int pidfd)
{
	broker->seat = fd;
	broker->seat_pidfd = pidfd;
	broker->hello = now_ms() + HELLO_MS / broker->hurry;
}

void seat_accept(struct broker *broker)
{
	int fd = accept4(broker->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), pidfd = -1;
	struct broker_message refusal = { .kind = BROKER_DONE };

	refusal.error = fd < 0 ? 0 : peer_check(broker, fd, &pidfd, refusal.text);
	if (refusal.error < 0) {
		send(fd, &refusal, sizeof(refusal), MSG_DONTWAIT | MSG_NOSIGNAL);
		close_fd(&pidfd);
		close_fd(&fd);
	} else if (fd >= 0) {
		seat_adopt(broker, fd, pidfd);
	}
}

void seat_close(struct broker *broker, const char *why)
{
	fprintf(stderr, "the seat's connection has ended: %s\n", why);
	close_fd(&broker->seat);
	close_fd(&broker->seat_pidfd);
	broker->list.verb = 0;
	broker->seat_gone = MIN(broker->seat_gone, now_ms());
	broker->hello = NEVER;
	card_for_each(broker, card) {
		card->retry = 0;
		card->reset_tried = card->seat_drained = false;
		card->operation.asked = false;
		close_fd(&card->waiting.borrower);
		card->waiting.request.verb = 0;
	}
}

/* A seat that leaves hundreds of messages unread is not served any more. */
void seat_send(struct broker *broker, const struct broker_message *message)
{
	if (broker->seat >= 0 && send(broker->seat, message, sizeof(*message),
				      MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(*message)) {
		seat_close(broker, strerror(errno));
	}
}

void seat_done(struct broker *broker, const struct broker_request *request, int error,
	       const char *text)
{
	struct broker_message message = { BROKER_DONE, request->serial, request->slot, error };

	fail(message.text, 0, "%s", text);
	seat_send(broker, &message);
}

void seat_facts(struct card *card, uint32_t serial)
{
	struct broker_message message = { BROKER_CARD, serial, card->slot, .facts = card->facts };

	message.facts.flags = card_flags(card) & 0xffff;
	message.facts.lent_pid = card->saved.loan.pid;
	message.facts.stage = card->saved.stage;
	fail(message.text, 0, "%s", card->note);
	seat_send(card->broker, &message);
}

/* Each card was looked at since the LIST came, unless something else is under way with it. */
void seat_list(struct broker *broker)
{
	const struct broker_request list = broker->list;
	struct broker_message message = { .kind = BROKER_GUEST, .serial = list.serial };

	card_for_each(broker, card) {
		if (!card->stuck.pid && ((card->stale && card_idle(card)) ||
					 card->operation.request.verb == BROKER_LIST)) {
			return;
		}
	}
	if (list.verb) {
		broker->list.verb = 0;
		card_for_each(broker, card) {
			seat_facts(card, list.serial);
		}
		for (unsigned int i = 0; i < broker->n_accounts; i++) {
			message.guest = broker->accounts[i];
			if (message.guest.name[0]) {
				seat_send(broker, &message);
			}
		}
		seat_done(broker, &list, 0, "");
	}
}

/* What is not answered here is at its end. */
static void obey(struct broker *broker, const struct broker_request *request, int *descriptor)
{
	char text[BROKER_TEXT_MAX] = "";
	struct card *its = NULL;
	int r = 0;

	card_for_each(broker, card) {
		its = memcmp(&card->slot, &request->slot, sizeof(card->slot)) ? its : card;
		card->stale |= request->verb == BROKER_LIST; /* also during a look */
	}
	if (request->verb == BROKER_HELLO && request->protocol != BROKER_PROTOCOL) {
		r = fail(text, -EPROTO, "seat and broker differ in version: restart both");
	} else if (request->verb == BROKER_HELLO) {
		broker->hello = broker->seat_gone = NEVER;
	} else if (request->verb == BROKER_LIST) {
		broker->list = *request;
		return;
	} else if (request->verb >= BROKER_START_GUEST) {
		r = launcher_ask(broker, request, text);
	} else if (!its) {
		r = fail(text, -EPERM, "the card is not in broker.conf");
	} else if (request->verb == BROKER_RECORD) {
		/* It is rewritten when the card is idle, and a wedged one never is. */
		r = its->saved.read >> 25 ? -ENOSPC : 0;
		r = r ?: journal_stage(its, &request->stage, request->stage.finished);
		fail(text, 0, "%s", r < 0 ? "the journal cannot be written" : "");
		journal_read(its);
	} else if ((r = operation_request(its, request, descriptor, text)) == 0) {
		return;
	}
	seat_done(broker, request, r, text);
}

void seat_read(struct broker *broker)
{
	char packet[sizeof(struct broker_request) + 1], control[CMSG_SPACE(sizeof(int))];
	struct iovec part = { packet, sizeof(packet) };
	struct msghdr header = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = CMSG_LEN(sizeof(int)) }; /* one descriptor */
	ssize_t n = recvmsg(broker->seat, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&header);
	const char *why = "it was closed";
	struct broker_request request;
	_cleanup_(close_fd) int descriptor = -1;

	if (c && c->cmsg_type == SCM_RIGHTS) {
		memcpy(&descriptor, CMSG_DATA(c), sizeof(descriptor));
	}
	if (n > 0 && packet_check(packet, (size_t)n, broker->seat_gone == NEVER, &request, &why) &&
	    (descriptor < 0 || request.verb == BROKER_LEND)) {
		obey(broker, &request, &descriptor);
	} else if (n >= 0 || errno != EAGAIN) {
		seat_close(broker, why);
	}
}
