// SPDX-License-Identifier: MIT
/*
 * Clients of the private socket that are many, rude or somebody else's: each is cut off, and the
 * seat serves the others all the while.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "control/control.h"
#include "tests/unit/seat_client.h"

static int setup(void **state)
{
	static struct fake_seat_process seat;

	fake_seat_start(&seat);
	*state = &seat;
	return 0;
}

static int teardown(void **state)
{
	fake_seat_stop(*state);
	return 0;
}

static void write_all(int fd, const void *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = send(fd, (const char *)bytes + done, size - done, MSG_NOSIGNAL);

		if (n < 0) {
			return; /* cut off: what the caller waits for */
		}
		done += (size_t)n;
	}
}

/* The seat hangs up without a word on a greeting that it answers to others. */
static bool is_refused(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	write_all(fd, "\0AUTH EXTERNAL\r\n", 16);
	return poll(&p, 1, DEADLINE_MS) == 1 && read(fd, &byte, 1) <= 0;
}

static void test_twenty_clients_at_once(void **state)
{
	sd_bus *clients[20];

	for (size_t i = 0; i < 20; i++) {
		clients[i] = client_open(*state);
	}
	for (size_t i = 0; i < 20; i++) {
		assert_true(call(clients[i], "Status", NULL, NULL, NULL) >= 0);
	}
	assert_true(call(clients[7], "Next", NULL, NULL, NULL) >= 0);
	for (size_t i = 0; i < 20; i++) {
		expect_told(clients[i], "next", "");
	}
	for (size_t i = 0; i < 20; i++) {
		client_close(clients[i]);
	}
}

static void test_number_of_clients_is_bounded(void **state)
{
	struct fake_seat_process *seat = *state;
	int fds[64];

	for (size_t i = 0; i < 64; i++) {
		fds[i] = socket_open(seat->socket);
	}
	assert_false(is_refused(fds[0]));
	assert_true(is_refused(fds[63]));
	for (size_t i = 0; i < 64; i++) {
		close(fds[i]);
	}
	/* The seat learns of that by and by; from then on there is room again. */
	for (uint64_t end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;;) {
		sd_bus *bus = client_open(seat);
		int r = call(bus, "Status", NULL, NULL, NULL);

		client_close(bus);
		if (r >= 0) {
			return;
		}
		assert_true(clock_now_ns() < end);
	}
}

static void test_files_are_private(void **state)
{
	struct fake_seat_process *seat = *state;
	struct stat st;

	assert_int_equal(stat(seat->folder, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(seat->socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_a_client_of_another_user_is_refused(void **state)
{
	struct fake_seat_process foreign = { .foreign = true };
	int fd;

	fake_seat_start(&foreign);
	fd = socket_open(foreign.socket);
	assert_true(is_refused(fd));
	close(fd);
	fake_seat_stop(&foreign);
}

/* The same with a real other user, which takes root. The modes are opened, so that it is the check
 * of the peer which refuses. */
static void test_another_user_is_refused(void **state)
{
	struct fake_seat_process *seat = *state;
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		skip();
	}
	assert_int_equal(chmod(seat->dir, 0755), 0);
	assert_int_equal(chmod(seat->folder, 0755), 0);
	assert_int_equal(chmod(seat->socket, 0666), 0);
	pid = fork();
	if (pid == 0) {
		_exit(setresuid(65534, 65534, 65534) == 0 && is_refused(socket_open(seat->socket))
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	expect_alive(seat);
}

static void test_garbage_instead_of_a_greeting(void **state)
{
	struct fake_seat_process *seat = *state;
	char garbage[70000];
	int fd = socket_open(seat->socket);

	memset(garbage, 'x', sizeof(garbage));
	write_all(fd, garbage, sizeof(garbage));
	expect_hangup(fd);
	close(fd);
	expect_alive(seat);
}

/* Greets as a client does, by hand; returns the connected descriptor. */
static int greet(struct fake_seat_process *seat)
{
	char hello[128], uid[16], hex[40] = "", answers[256];
	int fd = socket_open(seat->socket), used = 0;

	snprintf(uid, sizeof(uid), "%u", geteuid());
	for (size_t i = 0; uid[i]; i++) {
		used += snprintf(hex + used, sizeof(hex) - (size_t)used, "%02x", uid[i]);
	}
	used = snprintf(hello + 1, sizeof(hello) - 1, "AUTH EXTERNAL %s\r\nNEGOTIATE_UNIX_FD\r\n",
			hex);
	hello[0] = 0;
	write_all(fd, hello, (size_t)used + 1);
	used = 0;
	do {
		ssize_t n = read(fd, answers + used, sizeof(answers) - 1 - (size_t)used);

		assert_true(n > 0);
		used += (int)n;
		answers[used] = 0;
	} while (!strstr(answers, "AGREE_UNIX_FD\r\n"));
	write_all(fd, "BEGIN\r\n", 7);
	return fd;
}

static void test_garbage_after_the_greeting(void **state)
{
	struct fake_seat_process *seat = *state;
	char garbage[4096];
	int fd = greet(seat);

	memset(garbage, 'x', sizeof(garbage));
	write_all(fd, garbage, sizeof(garbage));
	expect_hangup(fd);
	close(fd);
	expect_alive(seat);
}

/* A header that announces the greatest message there is, and then silence. */
static void test_an_announced_giant_costs_nothing(void **state)
{
	struct fake_seat_process *seat = *state;
	const unsigned char header[16] = { 'l', 1, 0, 1, 0, 0, 0, 7, 1, 0, 0, 0, 0x10 };
	int fd = greet(seat);

	write_all(fd, header, sizeof(header));
	expect_alive(seat);
	close(fd);
	expect_alive(seat);
}

static void test_silence_is_cut_off(void **state)
{
	struct fake_seat_process *seat = *state;
	int fd = socket_open(seat->socket);

	expect_hangup(fd);
	close(fd);
}

/* One Peer.Ping as it lies on the wire, so that a flood costs the test nothing to make. */
static size_t make_ping(struct fake_seat_process *seat, unsigned char *out, size_t size)
{
	static const char *const fields[] = { "/", "org.freedesktop.DBus.Peer", "Ping" };
	static const char codes[] = { 1, 2, 3 }, *const types[] = { "o", "s", "s" };
	size_t at = 16;
	uint32_t n;

	assert_true(size >= 128);
	memset(out, 0, size);
	memcpy(out, (unsigned char[]){ 'l', 1, 0, 1 }, 4);
	out[8] = 1; /* serial */
	for (size_t i = 0; i < 3; i++) {
		n = (uint32_t)strlen(fields[i]);
		at = (at + 7) & ~(size_t)7;
		out[at++] = (unsigned char)codes[i];
		out[at++] = 1;
		out[at++] = (unsigned char)types[i][0];
		out[at++] = 0;
		memcpy(out + at, &n, 4);
		memcpy(out + at + 4, fields[i], n);
		at += 4 + n + 1;
	}
	n = (uint32_t)(at - 16);
	memcpy(out + 12, &n, 4);
	return (at + 7) & ~(size_t)7;
}

static void test_who_never_reads_is_cut_off(void **state)
{
	struct fake_seat_process *seat = *state;
	unsigned char ping[128];
	size_t size = make_ping(seat, ping, sizeof(ping));
	int fd = greet(seat);

	for (size_t i = 0; i < 5000; i++) {
		write_all(fd, ping, size);
	}
	expect_hangup(fd);
	close(fd);
	expect_alive(seat);
}

static void test_who_never_reads_signals_is_cut_off(void **state)
{
	struct fake_seat_process *seat = *state;
	int fd = greet(seat);
	sd_bus *actor = client_open(seat);

	for (size_t i = 0; i < 2000; i++) {
		_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

		assert_true(call(actor, "Next", NULL, NULL, NULL) >= 0);
		m = next_signal(actor);
	}
	expect_hangup(fd);
	close(fd);
	client_close(actor);
}

#define ANSWER_SIZE 24 /* of a Ping's, on the wire */

/* Sends n questions and reads the answers; the number of those that came. */
static size_t ask(int fd, const unsigned char *ping, size_t size, size_t n)
{
	char answers[4096];
	size_t got = 0;

	for (size_t i = 0; i < n; i++) {
		write_all(fd, ping, size);
	}
	while (got < n * ANSWER_SIZE) {
		ssize_t r = read(fd, answers, sizeof(answers));

		if (r <= 0) {
			break;
		}
		got += (size_t)r;
	}
	return got / ANSWER_SIZE;
}

/* Reads its answers, but asks without end: the seat serves others too, and then hangs up. */
static void test_flood_is_cut_off(void **state)
{
	struct fake_seat_process *seat = *state;
	uint64_t end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;
	unsigned char ping[128];
	size_t size = make_ping(seat, ping, sizeof(ping)), total = 0, n;
	int fd = greet(seat);

	do {
		n = ask(fd, ping, size, 64);
		total += n;
		if (total == 640) {
			expect_alive(seat);
		}
	} while (n == 64 && clock_now_ns() < end);
	assert_int_equal(total, 20000);
	expect_hangup(fd);
	close(fd);
	expect_alive(seat);
}

#define SEAT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SEAT_TEST(test_twenty_clients_at_once),
		SEAT_TEST(test_number_of_clients_is_bounded),
		SEAT_TEST(test_files_are_private),
		cmocka_unit_test(test_a_client_of_another_user_is_refused),
		SEAT_TEST(test_another_user_is_refused),
		SEAT_TEST(test_garbage_instead_of_a_greeting),
		SEAT_TEST(test_garbage_after_the_greeting),
		SEAT_TEST(test_an_announced_giant_costs_nothing),
		SEAT_TEST(test_silence_is_cut_off),
		SEAT_TEST(test_who_never_reads_is_cut_off),
		SEAT_TEST(test_who_never_reads_signals_is_cut_off),
		SEAT_TEST(test_flood_is_cut_off),
	};

	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
