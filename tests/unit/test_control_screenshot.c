// SPDX-License-Identifier: MIT
/*
 * Screenshots that take long, as a client sees them: the seat serves everybody meanwhile, refuses
 * more than a few, and ends when it is told to. The pictures of gamma wait at the seat's gate.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "control/control.h"
#include "control/worker.h"
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

/* ---- a call whose answer comes later ---- */

struct shot {
	int memory;
	sd_bus_message *answer;
};

static int handle_answer(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct shot *shot = data;

	shot->answer = sd_bus_message_ref(m);
	return 1;
}

static void shot_send(struct shot *shot, sd_bus *bus, const char *guest)
{
	shot->answer = NULL;
	shot->memory = memfd_create("picture", MFD_CLOEXEC);
	assert_true(shot->memory >= 0);
	assert_true(sd_bus_call_method_async(bus, NULL, NULL, CONTROL_OBJECT, CONTROL_INTERFACE,
					     "Screenshot", handle_answer, shot, "sh", guest,
					     shot->memory) >= 0);
	assert_true(sd_bus_flush(bus) >= 0);
}

static void shot_wait(struct shot *shot, sd_bus *bus)
{
	uint64_t end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;

	while (!shot->answer) {
		int r = sd_bus_process(bus, NULL);

		assert_true(r >= 0 && clock_now_ns() < end);
		if (r == 0) {
			assert_true(sd_bus_wait(bus, DEADLINE_MS * 1000ull) >= 0);
		}
	}
}

static void shot_free(struct shot *shot)
{
	sd_bus_message_unref(shot->answer);
	close(shot->memory);
}

static void shot_expect(struct shot *shot, sd_bus *bus, const char *content)
{
	char buffer[64] = "";

	shot_wait(shot, bus);
	assert_null(sd_bus_message_get_error(shot->answer));
	assert_true(pread(shot->memory, buffer, sizeof(buffer) - 1, 0) >= 0);
	assert_string_equal(buffer, content);
	shot_free(shot);
}

static void shot_expect_error(struct shot *shot, sd_bus *bus, const char *name, const char *words)
{
	const sd_bus_error *error;

	shot_wait(shot, bus);
	error = sd_bus_message_get_error(shot->answer);
	assert_non_null(error);
	assert_string_equal(error->name, name);
	assert_string_equal(error->message, words);
	shot_free(shot);
}

/* ---- the gate ---- */

static void wait_for_knock(struct fake_seat_process *seat)
{
	struct pollfd p = { .fd = seat->gate, .events = POLLIN };
	char byte;

	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
	assert_int_equal(read(seat->gate, &byte, 1), 1);
}

static void open_gate(struct fake_seat_process *seat)
{
	assert_int_equal(write(seat->gate, "!", 1), 1);
}

/* ---- tests ---- */

static void the_loop_turns_while_a_picture_is_written(void **state)
{
	struct fake_seat_process *seat = *state;
	sd_bus *bus = client_open(seat);
	struct shot shot;

	shot_send(&shot, bus, "gamma");
	wait_for_knock(seat);
	/* The same client, others, and signals. */
	assert_true(call(bus, "Next", NULL, NULL, NULL) >= 0);
	expect_told(bus, "next", "");
	expect_alive(seat);
	assert_null(shot.answer);
	open_gate(seat);
	shot_expect(&shot, bus, "PNG of gamma");
	client_close(bus);
}

static void a_few_pictures_may_wait_and_no_more(void **state)
{
	struct fake_seat_process *seat = *state;
	struct shot shots[WORKER_JOBS_MAX], late;
	sd_bus *bus = client_open(seat);

	for (size_t i = 0; i < WORKER_JOBS_MAX; i++) {
		shot_send(&shots[i], bus, "gamma");
	}
	shot_send(&late, bus, "alpha");
	shot_expect_error(&late, bus, CONTROL_ERROR_WRONG_STATE,
			  "other pictures are still being written; try again in a moment");
	for (size_t i = 0; i < WORKER_JOBS_MAX; i++) {
		wait_for_knock(seat);
		open_gate(seat);
		shot_expect(&shots[i], bus, "PNG of gamma");
	}
	shot_send(&late, bus, "alpha");
	shot_expect(&late, bus, "PNG of alpha");
	client_close(bus);
}

static void refusals_and_failures_are_told(void **state)
{
	sd_bus *bus = client_open(*state);
	struct shot shot;

	shot_send(&shot, bus, "nobody");
	shot_expect_error(&shot, bus, CONTROL_ERROR_NO_GUEST, "no such guest here");
	/* Memory that takes no more. */
	shot.answer = NULL;
	shot.memory = memfd_create("picture", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(fcntl(shot.memory, F_ADD_SEALS, F_SEAL_GROW), 0);
	assert_true(sd_bus_call_method_async(bus, NULL, NULL, CONTROL_OBJECT, CONTROL_INTERFACE,
					     "Screenshot", handle_answer, &shot, "sh", "",
					     shot.memory) >= 0);
	shot_expect_error(&shot, bus, CONTROL_ERROR_FAILED,
			  "the picture was not written: Operation not permitted");
	client_close(bus);
}

static void a_client_may_go_before_its_picture_is_there(void **state)
{
	struct fake_seat_process *seat = *state;
	sd_bus *gone = client_open(seat), *bus = client_open(seat);
	struct shot running, waiting, next;

	shot_send(&running, gone, "gamma");
	wait_for_knock(seat);
	shot_send(&waiting, gone, "beta");
	/* Both are with the seat: it serves a connection in order. */
	assert_true(call(gone, "Status", NULL, NULL, NULL) >= 0);
	client_close(gone);
	expect_alive(seat);
	shot_send(&next, bus, "alpha");
	open_gate(seat);
	shot_expect(&next, bus, "PNG of alpha");
	shot_free(&running);
	shot_free(&waiting);
	/* A clean end: nothing was touched after it was freed. */
	assert_true(call(bus, "Quit", NULL, NULL, "b", 0) >= 0);
	assert_int_equal(fake_seat_wait(seat), 0);
	client_close(bus);
}

static void a_picture_that_hangs_does_not_keep_the_seat(void **state)
{
	struct fake_seat_process *seat = *state;
	sd_bus *bus = client_open(seat);
	struct shot running, waiting;

	shot_send(&running, bus, "gamma");
	shot_send(&waiting, bus, "beta");
	wait_for_knock(seat);
	assert_true(call(bus, "Quit", NULL, NULL, "b", 0) >= 0);
	shot_expect_error(&waiting, bus, CONTROL_ERROR_FAILED,
			  "the picture was not written: the seat ends");
	shot_expect_error(&running, bus, CONTROL_ERROR_FAILED,
			  "the picture was not written: the seat ends");
	assert_int_equal(fake_seat_wait(seat), 0);
	client_close(bus);
}

#define SEAT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SEAT_TEST(the_loop_turns_while_a_picture_is_written),
		SEAT_TEST(a_few_pictures_may_wait_and_no_more),
		SEAT_TEST(refusals_and_failures_are_told),
		SEAT_TEST(a_client_may_go_before_its_picture_is_there),
		SEAT_TEST(a_picture_that_hangs_does_not_keep_the_seat),
	};

	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
