// SPDX-License-Identifier: MIT
/*
 * The API on a session bus, which the test plays itself: it is joined without waiting for it, and
 * its absence, silence or end costs the private socket nothing.
 */
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fd.h"
#include "control/control.h"
#include "tests/unit/seat_client.h"

/* ---- the bus ---- */

struct fake_bus {
	char dir[64], path[96], address[128];
	int listener;
	sd_bus *bus; /* to the seat */
};

static void fake_bus_open(struct fake_bus *bus)
{
	snprintf(bus->dir, sizeof(bus->dir), "/tmp/fake-bus-XXXXXX");
	assert_non_null(mkdtemp(bus->dir));
	snprintf(bus->path, sizeof(bus->path), "%s/bus", bus->dir);
	snprintf(bus->address, sizeof(bus->address), "unix:path=%s", bus->path);
	bus->listener = unix_listen(bus->path, 1);
	assert_true(bus->listener >= 0);
	bus->bus = NULL;
}

static void fake_bus_close(struct fake_bus *bus)
{
	sd_bus_flush_close_unref(bus->bus);
	close(bus->listener);
	unlink(bus->path);
	rmdir(bus->dir);
}

static void fake_bus_accept(struct fake_bus *bus)
{
	struct pollfd p = { .fd = bus->listener, .events = POLLIN };
	sd_id128_t id;
	int fd;

	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
	fd = accept4(bus->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(fd >= 0);
	assert_true(sd_id128_randomize(&id) >= 0);
	assert_true(sd_bus_new(&bus->bus) >= 0);
	assert_true(sd_bus_set_fd(bus->bus, fd, fd) >= 0);
	assert_true(sd_bus_set_server(bus->bus, true, id) >= 0);
	assert_true(sd_bus_negotiate_fds(bus->bus, true) >= 0);
	assert_true(sd_bus_start(bus->bus) >= 0);
}

/* Waits for this call of the seat; others are answered with nothing. */
static sd_bus_message *fake_bus_expect(struct fake_bus *bus, const char *member)
{
	uint64_t end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;

	while (clock_now_ns() < end) {
		_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
		int r = sd_bus_process(bus->bus, &m);

		assert_true(r >= 0);
		if (m && sd_bus_message_is_method_call(m, "org.freedesktop.DBus", member) > 0) {
			return sd_bus_message_ref(m);
		}
		if (r == 0) {
			assert_true(sd_bus_wait(bus->bus, DEADLINE_MS * 1000ull) >= 0);
		}
	}
	fail_msg("%s was not called", member);
	return NULL;
}

/* Answers Hello and the request for the name, the latter with this result. */
static void fake_bus_welcome(struct fake_bus *bus, uint32_t result)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *hello = NULL, *request = NULL;
	const char *name;
	uint32_t flags;

	fake_bus_accept(bus);
	hello = fake_bus_expect(bus, "Hello");
	assert_true(sd_bus_reply_method_return(hello, "s", ":1.7") >= 0);
	request = fake_bus_expect(bus, "RequestName");
	assert_true(sd_bus_message_read(request, "su", &name, &flags) > 0);
	assert_string_equal(name, CONTROL_BUS_NAME);
	assert_true(sd_bus_reply_method_return(request, "u", result) >= 0);
}

/* A call that the bus forwards for somebody. */
static int forward(struct fake_bus *bus, const char *method, const char *guest)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

	assert_true(sd_bus_message_new_method_call(bus->bus, &m, ":1.7", CONTROL_OBJECT,
						   CONTROL_INTERFACE, method) >= 0);
	assert_true(sd_bus_message_set_sender(m, ":1.8") >= 0);
	if (guest) {
		assert_true(sd_bus_message_append(m, "s", guest) >= 0);
	}
	return sd_bus_call(bus->bus, m, 0, NULL, NULL);
}

/* ---- tests ---- */

static void test_the_api_is_on_the_bus(void **state)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
	struct fake_seat_process seat = { 0 };
	struct fake_bus bus;
	const char *guest;

	fake_bus_open(&bus);
	seat.bus = bus.address;
	fake_seat_start(&seat);
	fake_bus_welcome(&bus, 1);
	assert_true(forward(&bus, "Status", NULL) >= 0);
	assert_true(forward(&bus, "Focus", "beta") >= 0);
	signal = next_signal(bus.bus);
	assert_true(sd_bus_message_read(signal, "s", &guest) > 0);
	assert_string_equal(guest, "beta");
	expect_alive(&seat);
	fake_seat_stop(&seat);
	fake_bus_close(&bus);
}

/* Another seat has the name: this one is there all the same, under its unique name. */
static void test_a_taken_name_is_no_error(void **state)
{
	struct fake_seat_process seat = { 0 };
	struct fake_bus bus;

	fake_bus_open(&bus);
	seat.bus = bus.address;
	fake_seat_start(&seat);
	fake_bus_welcome(&bus, 3);
	assert_true(forward(&bus, "Status", NULL) >= 0);
	fake_seat_stop(&seat);
	fake_bus_close(&bus);
}

static void test_a_silent_bus_delays_nothing(void **state)
{
	struct fake_seat_process seat = { 0 };
	struct fake_bus bus;

	fake_bus_open(&bus);
	seat.bus = bus.address;
	fake_seat_start(&seat);
	expect_alive(&seat);
	fake_seat_stop(&seat);
	fake_bus_close(&bus);
}

static void test_the_end_of_the_bus_costs_nothing(void **state)
{
	struct fake_seat_process seat = { 0 };
	struct fake_bus bus;
	sd_bus *client;

	fake_bus_open(&bus);
	seat.bus = bus.address;
	fake_seat_start(&seat);
	client = client_open(&seat);
	fake_bus_welcome(&bus, 1);
	fake_bus_close(&bus);
	assert_true(call(client, "Next", NULL, NULL, NULL) >= 0);
	expect_told(client, "next", "");
	client_close(client);
	fake_seat_stop(&seat);
}

static void test_no_bus_is_no_error(void **state)
{
	struct fake_seat_process seat = { .bus = "unix:path=/nowhere/bus" };

	fake_seat_start(&seat);
	expect_alive(&seat);
	fake_seat_stop(&seat);
}

/*
 * Transports whose opening takes its time are left alone: for tcp a name server may be asked. The
 * seat would have connected before it answered.
 */
static void test_other_transports_are_not_opened(void **state)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct fake_seat_process seat = { 0 };
	struct pollfd p = { .fd = listener, .events = POLLIN };
	socklen_t size = sizeof(any);
	char address[128];

	assert_int_equal(bind(listener, (struct sockaddr *)&any, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&any, &size), 0);
	snprintf(address, sizeof(address), "unix:path=/nowhere/bus;tcp:host=127.0.0.1,port=%u",
		 ntohs(any.sin_port));
	seat.bus = address;
	fake_seat_start(&seat);
	expect_alive(&seat);
	assert_int_equal(poll(&p, 1, 0), 0);
	fake_seat_stop(&seat);
	close(listener);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_api_is_on_the_bus),
		cmocka_unit_test(test_a_taken_name_is_no_error),
		cmocka_unit_test(test_a_silent_bus_delays_nothing),
		cmocka_unit_test(test_the_end_of_the_bus_costs_nothing),
		cmocka_unit_test(test_no_bus_is_no_error),
		cmocka_unit_test(test_other_transports_are_not_opened),
	};

	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
