// SPDX-License-Identifier: MIT
/* Finding the broker's socket: one that is there, comes, goes, is dead, or whose owner hangs up. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "passthrough/broker_connector.h"
#include "tests/unit/fake_broker.h"
#include "tests/unit/loop.h"
#include "tests/unit/timers.h"

#define DEADLINE_MS 20000

struct fixture {
	sd_event *event;
	char folder[32], path[64];
	struct fake_broker *broker;
	struct broker_connector *connector;
	unsigned int connected;
	unsigned int wanted; /* of connected */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->folder, sizeof(f->folder), "/tmp/baton-test-XXXXXX");
	if (sd_event_new(&f->event) < 0 || !mkdtemp(f->folder)) {
		return -1;
	}
	snprintf(f->path, sizeof(f->path), "%s/broker.sock", f->folder);
	f->broker = fake_broker_create(f->event, f->path);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	broker_connector_destroy(f->connector);
	fake_broker_destroy(f->broker);
	(void)rmdir(f->folder);
	sd_event_unref(f->event);
	free(f);
	return 0;
}

static void settle(struct fixture *f)
{
	loop_settle(f->event);
}

static void wait_for(struct fixture *f, bool (*done)(void *data))
{
	assert_true(loop_until(f->event, done, f, DEADLINE_MS));
}

static void on_connected(void *data, int fd)
{
	struct fixture *f = data;

	f->connected++;
	close(fd);
}

static bool was_connected(void *data)
{
	struct fixture *f = data;

	return f->connected >= f->wanted;
}

static const struct broker_pauses fast = { .first_usec = 1000, .last_usec = 4000, .attempts = 5 };

static void start_connector(struct fixture *f)
{
	assert_int_equal(
		broker_connector_create(f->event, f->path, &fast, on_connected, f, &f->connector),
		0);
	f->wanted = 1;
}

static void test_absent_broker_costs_no_timer(void **state)
{
	struct fixture *f = *state;

	start_connector(f);
	settle(f);
	assert_int_equal(broker_connector_error(f->connector), -ENOENT);
	assert_int_equal(timers_left_ms(), -1);
	fake_broker_listen(f->broker);
	wait_for(f, was_connected);
	settle(f);
	assert_int_equal(timers_left_ms(), -1);
}

static void test_folders_may_appear(void **state)
{
	struct fixture *f = *state;
	char outer[48], inner[56];

	snprintf(outer, sizeof(outer), "%s/run", f->folder);
	snprintf(inner, sizeof(inner), "%s/baton", outer);
	snprintf(f->path, sizeof(f->path), "%s/b.sock", inner);
	fake_broker_destroy(f->broker);
	f->broker = fake_broker_create(f->event, f->path);
	start_connector(f);
	for (int round = 0; round < 2; round++) {
		f->wanted = f->connected + 1;
		settle(f);
		assert_int_equal(mkdir(outer, 0700), 0);
		settle(f);
		assert_int_equal(mkdir(inner, 0700), 0);
		settle(f);
		assert_int_equal(timers_left_ms(), -1);
		fake_broker_listen(f->broker);
		wait_for(f, was_connected);
		/* And may go again. */
		fake_broker_vanish(f->broker);
		broker_connector_look(f->connector);
		settle(f);
		assert_int_equal(rmdir(inner), 0);
		assert_int_equal(rmdir(outer), 0);
	}
}

/* sd-event arms its timer when it goes to sleep, so the loop has to run until it would. */
static bool is_quiet(void *data)
{
	settle(data);
	return timers_left_ms() < 0;
}

static void test_dead_socket_is_given_up(void **state)
{
	struct fixture *f = *state;

	/* Something that nobody listens on, as a broker that was killed leaves it. */
	assert_int_equal(symlink("/dev/null", f->path), 0);
	start_connector(f);
	assert_false(is_quiet(f));
	assert_int_equal(broker_connector_error(f->connector), -ECONNREFUSED);
	wait_for(f, is_quiet);
	assert_int_equal(f->connected, 0);
	fake_broker_listen(f->broker);
	wait_for(f, was_connected);
}

static void start_refused(struct fixture *f)
{
	fake_broker_listen(f->broker);
	fake_broker_refuse(f->broker, true, NULL);
	start_connector(f);
	wait_for(f, was_connected);
}

static void retry_until_given_up(struct fixture *f)
{
	start_refused(f);
	for (unsigned int i = 0; i < 2 * fast.attempts; i++) {
		broker_connector_retry(f->connector);
		wait_for(f, is_quiet);
	}
}

static void test_refusals_are_given_up(void **state)
{
	struct fixture *f = *state;

	retry_until_given_up(f);
	assert_int_equal(f->connected, 1 + fast.attempts);
	broker_connector_settle(f->connector);
	broker_connector_retry(f->connector);
	wait_for(f, is_quiet);
	assert_int_equal(f->connected, 2 + fast.attempts);
}

/* A broker that serves another seat says so for as long as that one lives. */
static void test_another_seat_is_waited_for(void **state)
{
	struct fixture *f = *state;

	start_refused(f);
	for (unsigned int i = 0; i < 3 * fast.attempts; i++) {
		f->wanted++;
		broker_connector_await(f->connector);
		wait_for(f, was_connected);
	}
}

static void test_asking_for_it_begins_anew(void **state)
{
	struct fixture *f = *state;

	retry_until_given_up(f);
	broker_connector_look(f->connector);
	wait_for(f, is_quiet);
	broker_connector_retry(f->connector);
	wait_for(f, is_quiet);
	assert_int_equal(f->connected, 3 + fast.attempts);
}

static void test_pauses_grow(void **state)
{
	static const struct broker_pauses slow = {
		.first_usec = 3600ull * 1000 * 1000,
		.last_usec = 3 * 3600ull * 1000 * 1000,
		.attempts = 3,
	};
	static const long hours[] = { 1, 2, 3 };
	struct fixture *f = *state;

	assert_int_equal(
		broker_connector_create(f->event, f->path, &slow, on_connected, f, &f->connector),
		0);
	settle(f);
	for (size_t i = 0; i < 3; i++) {
		broker_connector_retry(f->connector);
		settle(f);
		assert_in_range(timers_left_ms(), hours[i] * 3600000 - 60000,
				hours[i] * 3600000 + 60000);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_absent_broker_costs_no_timer),
		TEST(test_folders_may_appear),
		TEST(test_dead_socket_is_given_up),
		TEST(test_refusals_are_given_up),
		TEST(test_another_seat_is_waited_for),
		TEST(test_asking_for_it_begins_anew),
		TEST(test_pauses_grow),
	};

	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
