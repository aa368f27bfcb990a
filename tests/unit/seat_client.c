// SPDX-License-Identifier: MIT
/* A client of the D-Bus API for tests; see seat_client.h. */
#include "tests/unit/seat_client.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "control/control.h"

int socket_open(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

sd_bus *client_open(struct fake_seat_process *seat)
{
	sd_bus *bus;
	int fd = socket_open(seat->socket);

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_true(sd_bus_new(&bus) >= 0);
	assert_true(sd_bus_set_fd(bus, fd, fd) >= 0);
	assert_true(sd_bus_negotiate_fds(bus, true) >= 0);
	assert_true(sd_bus_start(bus) >= 0);
	sd_bus_set_method_call_timeout(bus, DEADLINE_MS * 1000ull);
	return bus;
}

void client_close(sd_bus *bus)
{
	sd_bus_close(bus);
	sd_bus_unref(bus);
}

int call(sd_bus *bus, const char *method, sd_bus_error *error, sd_bus_message **reply,
	 const char *types, ...)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	va_list args;
	int r;

	r = sd_bus_message_new_method_call(bus, &m, NULL, CONTROL_OBJECT, CONTROL_INTERFACE,
					   method);
	assert_true(r >= 0);
	if (types) {
		va_start(args, types);
		assert_true(sd_bus_message_appendv(m, types, args) >= 0);
		va_end(args);
	}
	return sd_bus_call(bus, m, 0, error, reply);
}

sd_bus_message *next_signal(sd_bus *bus)
{
	uint64_t end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;
	sd_bus_message *m = NULL;

	while (clock_now_ns() < end) {
		int r = sd_bus_process(bus, &m);

		assert_true(r >= 0);
		if (m && sd_bus_message_is_signal(m, CONTROL_INTERFACE, NULL)) {
			return m;
		}
		m = sd_bus_message_unref(m);
		if (r == 0) {
			assert_true(sd_bus_wait(bus, DEADLINE_MS * 1000ull) >= 0);
		}
	}
	fail_msg("no signal came");
	return NULL;
}

void expect_told(sd_bus *bus, const char *what, const char *detail)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = next_signal(bus);
	const char *got_what, *got_detail;

	assert_string_equal(sd_bus_message_get_member(m), "GuestChanged");
	assert_true(sd_bus_message_read(m, "ss", &got_what, &got_detail) >= 0);
	assert_string_equal(got_what, what);
	assert_string_equal(got_detail, detail);
}

void expect_hangup(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
}

void expect_alive(struct fake_seat_process *seat)
{
	sd_bus *bus = client_open(seat);
	uint64_t start = clock_now_ns();

	assert_true(call(bus, "Status", NULL, NULL, NULL) >= 0);
	assert_true(clock_now_ns() - start < DEADLINE_MS * NSEC_PER_MSEC);
	client_close(bus);
}
