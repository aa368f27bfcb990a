// SPDX-License-Identifier: MIT
/*
 * baton-guest: the program of baton-guest@USER.service. It runs as the user of one guest, without
 * any right that this user has not, and becomes that guest's QEMU: it waits for the seat, takes
 * command line and descriptors from it (proto/guest.h), and executes. The seat decides what this
 * user does; so a seat is of a user that broker.conf names. That it runs in no guest's control
 * group the broker looks up, and we cannot: the unit hides other users' processes. Guests of the
 * seat's user are kept away from our socket by their walls (vm/walls.c), as far as the kernel has
 * such.
 */
#include <poll.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "common/clock.h"
#include "passthrough/broker/broker.h"
#include "passthrough/guest/guest.h"

/* Descriptors that came are first moved up here, so that none overwrites another. */
#define HIGH_FD 64

static void say(const char *text)
{
	fprintf(stderr, "baton-guest: %s\n", text);
}

static int complain(const char *what)
{
	fprintf(stderr, "baton-guest: %s: %s\n", what, strerror(errno));
	return -1;
}

/* Anybody may knock; guest_accept() asks who it is. */
static int guest_listen(const char *folder)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/" GUEST_SOCKET_NAME, folder);
	unlink(address.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(address.sun_path, 0666) < 0 || listen(fd, 4) < 0) {
		return complain(address.sun_path);
	}
	return fd;
}

static bool is_seat(const struct broker *broker, int fd)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       account_find(broker, "", &peer.uid);
}

static bool wait_readable(int fd, uint64_t end_ns)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	uint64_t now = clock_now_ns();

	return now < end_ns && poll(&poll_fd, 1, (int)((end_ns - now) / NSEC_PER_MSEC) + 1) > 0;
}

/* The seat's connection with something to read, or -1. */
static int guest_accept(const struct broker *broker, int listener)
{
	uint64_t end = clock_now_ns() + GUEST_WAIT_SEC * NSEC_PER_SEC;

	while (wait_readable(listener, end)) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0 && is_seat(broker, fd) && wait_readable(fd, end)) {
			return fd;
		}
		close(fd);
	}
	say("no seat came to say what to execute; start the guest by batonctl");
	return -1;
}

/* Bytes of the packet, with all descriptors; -1: something else came. */
static ssize_t guest_receive(int fd, char *packet, int fds[GUEST_DESCRIPTORS])
{
	char control[CMSG_SPACE(sizeof(int) * GUEST_DESCRIPTORS)];
	struct iovec part = { packet, GUEST_PACKET_MAX };
	struct msghdr header = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	const struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&header);

	if (!c || c->cmsg_type != SCM_RIGHTS || header.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ||
	    c->cmsg_len != CMSG_LEN(sizeof(int) * GUEST_DESCRIPTORS)) {
		say("the seat sent something else than a guest; install baton and baton-guest of "
		    "one version");
		return -1;
	}
	memcpy(fds, CMSG_DATA(c), sizeof(int) * GUEST_DESCRIPTORS);
	return n;
}

/* All that QEMU gets and nothing else; what is said from now on goes to the log. */
static int place_descriptors(const int fds[GUEST_DESCRIPTORS])
{
	int high[GUEST_DESCRIPTORS];

	for (int i = 0; i < GUEST_DESCRIPTORS; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, HIGH_FD);
		if (high[i] < 0) {
			return complain("descriptors");
		}
	}
	for (int i = GUEST_QMP; i < GUEST_DESCRIPTORS; i++) {
		if (dup2(high[i], GUEST_FIRST_FD + i) < 0) {
			return complain("descriptors");
		}
	}
	return dup2(high[GUEST_LOG], STDOUT_FILENO) < 0 ||
			       dup2(high[GUEST_LOG], STDERR_FILENO) < 0 ||
			       close_range(GUEST_FIRST_FD + GUEST_DESCRIPTORS, ~0u, 0) < 0
		       ? complain("descriptors")
		       : 0;
}

/* Who holds the lock lives: the seat finds its guest by that. It stays through execve(), as long as
 * this process has no second descriptor of the file that it could close. */
static int lock_life(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = GUEST_FIRST_FD + GUEST_LOCK;

	if (fcntl(fd, F_SETLK, &lock) < 0 || ftruncate(fd, 0) < 0 ||
	    dprintf(fd, "%d\n", getpid()) < 0) {
		return complain("the guest's pid file");
	}
	return 0;
}

static int guest_execute(struct guest_order *order)
{
	for (size_t i = 0; i < order->n_variables; i++) {
		putenv(order->variables[i]);
	}
	/* What systemd told us about us. */
	unsetenv("NOTIFY_SOCKET");
	unsetenv("INVOCATION_ID");
	unsetenv("JOURNAL_STREAM");
	execvp(order->argv[0], order->argv);
	return complain(order->argv[0]);
}

int main(void)
{
	static struct broker broker;
	static struct guest_order order;
	static char packet[GUEST_PACKET_MAX];
	const char *folder = getenv("RUNTIME_DIRECTORY"), *why;
	const struct passwd *user = getpwuid(getuid());
	int fds[GUEST_DESCRIPTORS], listener, seat;
	char text[BROKER_TEXT_MAX];
	ssize_t n;

	if (!folder || getuid() == 0 || config_load(&broker, BROKER_CONFIG, text) < 0) {
		say(!folder || getuid() == 0 ? "it is the program of baton-guest@.service" : text);
		return 2;
	}
	listener = guest_listen(folder);
	if (listener < 0) {
		return 1;
	}
	sd_notify(0, "READY=1");
	seat = guest_accept(&broker, listener);
	n = seat < 0 ? -1 : guest_receive(seat, packet, fds);
	if (n < 0 || place_descriptors(fds) < 0 || lock_life() < 0) {
		return 1;
	}
	why = guest_order_parse(packet, (size_t)n, &order) < 0
		      ? "the seat's packet is broken; install baton and baton-guest of one version"
		      : guest_order_check(&order, user ? user->pw_name : "?");
	if (why) {
		say(why);
		return 1;
	}
	return guest_execute(&order) < 0;
}
