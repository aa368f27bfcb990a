// SPDX-License-Identifier: MIT
/* A guest with a user of its own: what the seat sends, what baton-guest makes of it, and a start
 * that goes through a starter. */
#include "passthrough/guest/guest.h"
#include "tests/unit/test.h"
#include "vm/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

static char folder[] = "/tmp/baton-hand-over-XXXXXX";
static char path[64];
static int listener;

static int set_up(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/" GUEST_SOCKET_NAME, folder);
	memcpy(address.sun_path, path, sizeof(path));
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	return 0;
}

static int tear_down(void **state)
{
	close(listener);
	unlink(path);
	return rmdir(folder);
}

/* ---- the way to it ---- */

static void test_knock(void **state)
{
	pid_t pid = 0;
	int fd = launch_knock(path, getuid(), &pid);

	assert_true(fd >= 0);
	assert_int_equal(pid, getpid());
	close(fd);
	assert_int_equal(launch_knock(path, getuid() + 1, &pid), -EPERM);
	assert_int_equal(launch_knock("/tmp/not-there/socket", getuid(), &pid), -ENOENT);
	close(listener);
	assert_int_equal(launch_knock(path, getuid(), &pid), -ECONNREFUSED);
}

/* The socket is still there, and the number of the process may be anybody's by now. */
static void test_listener_has_ended(void **state)
{
	pid_t child = fork(), pid = 0;
	int fd, pidfd = -1;
	socklen_t size = sizeof(pidfd);

	if (child == 0) {
		_exit(listen(listener, 1) < 0);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	fd = launch_knock(path, getuid(), &pid);
	if (fd >= 0) {
		/* Before Linux 6.5. */
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size), -1);
		assert_int_equal(errno, ENOPROTOOPT);
		close(fd);
		return;
	}
	assert_int_equal(fd, -ESRCH);
}

/* What came, into packet; the number of descriptors in *n_fds, which are closed. */
static size_t receive(char *packet, size_t *n_fds)
{
	int fd = accept(listener, NULL, NULL), fds[GUEST_DESCRIPTORS];
	char control[CMSG_SPACE(sizeof(fds))];
	struct iovec part = { packet, GUEST_PACKET_MAX };
	struct msghdr header = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &header, 0);
	const struct cmsghdr *c = CMSG_FIRSTHDR(&header);

	assert_true(n > 0);
	*n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(c), *n_fds * sizeof(int));
	for (size_t i = 0; i < *n_fds; i++) {
		close(fds[i]);
	}
	close(fd);
	return (size_t)n;
}

static size_t send_and_receive(char *packet, char *const *checks, char *const *args)
{
	int fds[GUEST_DESCRIPTORS] = { 0, 1, 2, 0, 1, 2, 0 };
	const struct launch_order order = { checks, args, fds };
	size_t n_fds, n;
	pid_t pid;
	int fd = launch_knock(path, getuid(), &pid);

	assert_int_equal(launch_hand_over(fd, &order), 0);
	n = receive(packet, &n_fds);
	assert_int_equal(n_fds, GUEST_DESCRIPTORS);
	close(fd);
	return n;
}

static void test_order(void **state)
{
	static struct guest_order order;
	static char packet[GUEST_PACKET_MAX];
	char *checks[] = { "w/disk", "r/cd", NULL };
	char *args[] = { "LD_PRELOAD=x", "qemu", "-name", "a=b", "", NULL };
	size_t n = send_and_receive(packet, checks, args);

	assert_int_equal(guest_order_parse(packet, n, &order), 0);
	assert_int_equal(order.n_checks, 2);
	assert_string_equal(order.checks[0], "w/disk");
	assert_int_equal(order.n_variables, 1);
	assert_string_equal(order.variables[0], "LD_PRELOAD=x");
	assert_string_equal(order.argv[0], "qemu");
	assert_string_equal(order.argv[2], "a=b");
	assert_string_equal(order.argv[3], "");
	assert_null(order.argv[4]);
}

static void test_too_long(void **state)
{
	static char word[GUEST_PACKET_MAX];
	char *args[] = { word, NULL };
	const struct launch_order order = { NULL, args, NULL };

	memset(word, 'x', sizeof(word) - 1);
	assert_int_equal(launch_hand_over(-1, &order), -E2BIG);
}

/* ---- what is wrong with a packet ---- */

static void test_broken_packets(void **state)
{
	static struct guest_order order;
	struct {
		struct guest_launch head;
		char text[16];
	} packet = { { GUEST_PROTOCOL, 0, 1 }, "qemu" };
	const size_t whole = sizeof(packet.head) + 5;

	assert_int_equal(guest_order_parse((char *)&packet, whole, &order), 0);
	for (size_t n = 0; n < whole; n++) {
		assert_int_equal(guest_order_parse((char *)&packet, n, &order), -EPROTO);
	}
	assert_int_equal(guest_order_parse((char *)&packet, whole + 1, &order), -EPROTO);
	packet.head.protocol++;
	assert_int_equal(guest_order_parse((char *)&packet, whole, &order), -EPROTO);
	packet.head = (struct guest_launch){ GUEST_PROTOCOL, 0, UINT32_MAX };
	assert_int_equal(guest_order_parse((char *)&packet, whole, &order), -EPROTO);
	packet.head = (struct guest_launch){ GUEST_PROTOCOL, UINT32_MAX, 1 };
	assert_int_equal(guest_order_parse((char *)&packet, whole, &order), -EPROTO);
	packet.head = (struct guest_launch){ GUEST_PROTOCOL, 1, 0 };
	assert_int_equal(guest_order_parse((char *)&packet, whole, &order), -EPROTO);
	/* Variables and no program. */
	packet.head = (struct guest_launch){ GUEST_PROTOCOL, 0, 1 };
	memcpy(packet.text, "a=bc", 5);
	assert_int_equal(guest_order_parse((char *)&packet, whole, &order), -EPROTO);
}

static void test_unreachable_file(void **state)
{
	static struct guest_order order;
	char missing[80] = "w", *checks[] = { "r/dev/null", missing };
	const char *said;

	order.n_checks = 1;
	memcpy(order.checks, checks, sizeof(checks));
	assert_null(guest_order_check(&order, "baton-work"));
	snprintf(missing + 1, sizeof(missing) - 1, "%s/disk", folder);
	order.n_checks = 2;
	said = guest_order_check(&order, "baton-work");
	assert_non_null(strstr(said, "user baton-work"));
	assert_non_null(strstr(said, "cannot write"));
	assert_non_null(strstr(said, missing + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_knock),
		TEST(test_listener_has_ended),
		TEST(test_order),
		TEST(test_too_long),
		TEST(test_broken_packets),
		TEST(test_unreachable_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
