// SPDX-License-Identifier: MIT
/* The pump with a peer that asks and does not read, one that is dropped from inside a call, and one
 * that hangs up. */
#include "tests/unit/test.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/bus_pump.h"
#include "common/cleanup.h"
#include "common/clock.h"

#define DEADLINE_NS (10 * NSEC_PER_SEC)

/* Our end runs in the pump; the other one is run by hand, or not at all. */
struct pair {
	sd_event *event;
	sd_bus *ours, *theirs;
	struct bus_pump *pump;
	unsigned int calls;
	int closed; /* the error, or 0 */
	uint64_t deadline_ns;
};

static void handle_closed(void *data, int error)
{
	struct pair *pair = data;

	assert_int_equal(pair->closed, 0);
	pair->closed = error;
	bus_pump_destroy(take_ptr(pair->pump));
}

static int handle_count(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct pair *pair = data;

	pair->calls++;
	bus_pump_destroy(take_ptr(pair->pump));
	return sd_bus_reply_method_return(m, NULL);
}

/* Takes a whole turn of the pump. */
static int handle_slow(sd_bus_message *m, void *data, sd_bus_error *error)
{
	uint64_t end = clock_now_ns() + BUS_PUMP_TURN_NS;
	struct pair *pair = data;

	pair->calls++;
	while (clock_now_ns() < end) {
	}
	return sd_bus_reply_method_return(m, NULL);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Slow", "", "", handle_slow, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Count", "", "", handle_count, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static sd_bus *open_bus(int fd, bool server)
{
	sd_id128_t id;
	sd_bus *bus;

	assert_true(sd_bus_new(&bus) >= 0);
	assert_true(sd_bus_set_fd(bus, fd, fd) >= 0);
	if (server) {
		assert_true(sd_id128_randomize(&id) >= 0);
		assert_true(sd_bus_set_server(bus, 1, id) >= 0);
	}
	assert_true(sd_bus_start(bus) >= 0);
	return bus;
}

static void run_once(struct pair *pair)
{
	assert_true(clock_now_ns() < pair->deadline_ns);
	assert_true(sd_event_run(pair->event, 1000) >= 0);
}

static int setup(void **fixture)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	const int buffer = 4096;
	int fds[2];

	assert_non_null(pair);
	pair->deadline_ns = clock_now_ns() + DEADLINE_NS;
	assert_true(sd_event_new(&pair->event) >= 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	pair->ours = open_bus(fds[0], false);
	pair->theirs = open_bus(fds[1], true);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)), 0);
	assert_true(sd_bus_add_object_vtable(pair->ours, NULL, "/test", "test.Test", vtable,
					     pair) >= 0);
	assert_int_equal(
		bus_pump_create(pair->ours, pair->event, 0, handle_closed, pair, &pair->pump), 0);
	while (sd_bus_is_ready(pair->ours) <= 0 || sd_bus_is_ready(pair->theirs) <= 0) {
		assert_true(sd_bus_process(pair->theirs, NULL) >= 0);
		run_once(pair);
	}
	*fixture = pair;
	return 0;
}

static int teardown(void **fixture)
{
	struct pair *pair = *fixture;

	bus_pump_destroy(pair->pump);
	sd_bus_close_unref(pair->ours);
	sd_bus_close_unref(pair->theirs);
	sd_event_unref(pair->event);
	free(pair);
	return 0;
}

static int ignore_answer(sd_bus_message *m, void *data, sd_bus_error *error)
{
	return 1;
}

/* With a callback, for else no answer would be asked for. */
static void call(struct pair *pair, const char *path, const char *interface, const char *member)
{
	assert_true(sd_bus_call_method_async(pair->theirs, NULL, NULL, path, interface, member,
					     ignore_answer, NULL, NULL) >= 0);
}

/* sd-bus answers some calls by itself, whatever we serve, and would keep 64 Ki answers. */
static void test_a_peer_that_does_not_read_is_closed(void **fixture)
{
	struct pair *pair = *fixture;
	struct pollfd socket = { .fd = sd_bus_get_fd(pair->theirs), .events = POLLOUT };
	unsigned int asked = 0;

	while (!pair->closed) {
		if (poll(&socket, 1, 0) > 0) {
			call(pair, "/test", "org.freedesktop.DBus.Peer", "Ping");
			asked++;
		}
		run_once(pair);
	}
	assert_int_equal(pair->closed, -ENOBUFS);
	/* Some more lie in the socket. */
	assert_in_range(asked, BUS_PUMP_QUEUE_MAX, 4 * BUS_PUMP_QUEUE_MAX);
}

/* The second call lies parsed or unread behind the first: nobody hears it any more. */
static void test_a_pump_may_go_inside_a_call(void **fixture)
{
	struct pair *pair = *fixture;

	call(pair, "/test", "test.Test", "Count");
	call(pair, "/test", "test.Test", "Count");
	while (pair->calls == 0) {
		run_once(pair);
	}
	while (sd_event_run(pair->event, 0) > 0) {
	}
	assert_int_equal(pair->calls, 1);
	assert_int_equal(pair->closed, 0);
	assert_int_equal(sd_bus_is_open(pair->ours), 0);
}

static int note_turn(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	*(bool *)data = true;
	return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

/* What a flood leaves for the next turn is no more urgent than others of the same priority. */
static void test_others_have_their_turn(void **fixture)
{
	struct pair *pair = *fixture;
	int other = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	sd_event_source *source;
	unsigned int before;
	bool had_turn = false;

	for (int i = 0; i < 20; i++) {
		call(pair, "/test", "test.Test", "Slow");
	}
	while (pair->calls < 2) {
		run_once(pair);
	}
	assert_true(sd_event_add_io(pair->event, &source, other, EPOLLIN, note_turn, &had_turn) >=
		    0);
	before = pair->calls;
	while (!had_turn) {
		run_once(pair);
	}
	assert_in_range(pair->calls - before, 0, 2);
	sd_event_source_unref(source);
	close(other);
}

static void test_the_end_is_told_once(void **fixture)
{
	struct pair *pair = *fixture;

	sd_bus_close(pair->theirs);
	while (!pair->closed) {
		run_once(pair);
	}
	assert_true(pair->closed < 0);
}

/* What took the number of the descriptor that sd-bus has closed. */
struct heir {
	struct pair *pair;
	sd_event_source *source;
	int fd;
	bool had_turn;
};

static int handle_disconnected(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct heir *heir = data;

	if (!sd_bus_message_is_signal(m, "org.freedesktop.DBus.Local", "Disconnected")) {
		return 0;
	}
	heir->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return sd_event_add_io(heir->pair->event, &heir->source, heir->fd, EPOLLIN, note_turn,
			       &heir->had_turn);
}

/* sd-bus closes its descriptor inside sd_bus_process(): the next one that is opened gets its
 * number, and must not be taken out of the loop together with the connection. */
static void test_who_inherits_the_descriptors_number_is_heard(void **fixture)
{
	struct pair *pair = *fixture;
	struct heir heir = { .pair = pair };
	int fd = sd_bus_get_fd(pair->ours);

	assert_true(sd_bus_add_filter(pair->ours, NULL, handle_disconnected, &heir) >= 0);
	sd_bus_close(pair->theirs);
	while (!pair->closed) {
		run_once(pair);
	}
	assert_int_equal(heir.fd, fd);
	assert_int_equal(eventfd_write(heir.fd, 1), 0);
	while (!heir.had_turn) {
		run_once(pair);
	}
	sd_event_source_unref(heir.source);
	close(heir.fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_peer_that_does_not_read_is_closed),
		TEST(test_a_pump_may_go_inside_a_call),
		TEST(test_others_have_their_turn),
		TEST(test_the_end_is_told_once),
		TEST(test_who_inherits_the_descriptors_number_is_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
