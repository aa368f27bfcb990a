// SPDX-License-Identifier: MIT
/* Tells a process of another user what to execute; see launch.h and proto/guest.h. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "common/strv.h"
#include "proto/guest.h"
#include "vm/launch.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

/* Its socket may outlive it, in a child: its pid is worth nothing then. Older kernels do not say. */
static bool has_ended(int fd)
{
	_cleanup_close_ int pidfd = -1;
	socklen_t size = sizeof(pidfd);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0) {
		return errno != ENOPROTOOPT;
	}
	return pidfd_send_signal(pidfd, 0, NULL, 0) < 0 && errno == ESRCH;
}

/* Who listens is who has called listen(), also after it has executed something else. */
static int find_peer(int fd, uid_t uid, pid_t *pid)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
		return -errno;
	}
	*pid = peer.pid;
	if (peer.uid != uid || peer.pid <= 0) {
		return -EPERM;
	}
	return has_ended(fd) ? -ESRCH : 0;
}

/* Appends all strings with their zeros; false: there is no room. */
static bool add_strings(char *packet, size_t *n, char *const *strings)
{
	for (; strings && *strings; strings++) {
		size_t size = strlen(*strings) + 1;

		if (size > GUEST_PACKET_MAX - *n) {
			return false;
		}
		memcpy(packet + *n, *strings, size);
		*n += size;
	}
	return true;
}

static int send_packet(int fd, char *packet, size_t size, const int *fds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * GUEST_DESCRIPTORS)] = { 0 };
	struct iovec part = { packet, size };
	struct msghdr header = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&header);

	c->cmsg_len = CMSG_LEN(sizeof(int) * GUEST_DESCRIPTORS);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(c), fds, sizeof(int) * GUEST_DESCRIPTORS);
	return sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int launch_knock(const char *socket, uid_t uid, pid_t *pid)
{
	_cleanup_close_ int fd = unix_connect_packets(socket);
	int r = fd < 0 ? fd : find_peer(fd, uid, pid);

	return r < 0 ? r : take_fd(fd);
}

int launch_hand_over(int fd, const struct launch_order *order)
{
	const struct guest_launch head = { .protocol = GUEST_PROTOCOL,
					   .n_checks = (uint32_t)strv_length(order->checks),
					   .n_args = (uint32_t)strv_length(order->args) };
	_cleanup_free_ char *packet = malloc(GUEST_PACKET_MAX);
	size_t n = sizeof(head);

	if (!packet) {
		return -ENOMEM;
	}
	memcpy(packet, &head, sizeof(head));
	if (!add_strings(packet, &n, order->checks) || !add_strings(packet, &n, order->args)) {
		return -E2BIG;
	}
	return send_packet(fd, packet, n, order->fds);
}
