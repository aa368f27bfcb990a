// SPDX-License-Identifier: MIT
/* Whether a guest answers: lateness begins and ends, and nothing runs while nothing is asked. */
#include "tests/unit/test.h"

#include <stdlib.h>

#include "common/clock.h"
#include "vm/answers.h"

#define SHORT_USEC 20000
#define LONG_USEC (60ull * 1000 * 1000)

struct fixture {
	sd_event *event;
	struct answers answers;
	struct ticket a, b;
	int begun, ended;
};

static void count(void *data, bool late)
{
	struct fixture *f = data;

	f->begun += late;
	f->ended += !late;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return sd_event_new(&f->event) < 0 || answers_init(&f->answers, f->event, count, f) < 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	answers_finish(&f->answers);
	sd_event_unref(f->event);
	free(f);
	return 0;
}

static bool timer_runs(struct fixture *f)
{
	int enabled;

	assert_true(sd_event_source_get_enabled(f->answers.timer, &enabled) >= 0);
	return enabled != SD_EVENT_OFF;
}

static void wait_for_lateness(struct fixture *f, int begun)
{
	uint64_t start = clock_now_ns();

	while (f->begun < begun) {
		assert_true(clock_now_ns() - start < 20 * NSEC_PER_SEC);
		assert_true(sd_event_run(f->event, 100 * 1000) >= 0);
	}
}

static void nothing_runs_while_nothing_is_asked(void **state)
{
	struct fixture *f = *state;

	assert_false(timer_runs(f));
	answers_open(&f->answers, &f->a, LONG_USEC);
	answers_open(&f->answers, &f->b, LONG_USEC);
	assert_true(timer_runs(f));
	answers_close(&f->answers, &f->a);
	assert_true(timer_runs(f));
	answers_close(&f->answers, &f->b);
	assert_false(timer_runs(f));
	answers_close(&f->answers, &f->b);
	assert_int_equal(f->begun, 0);
}

static void open_request_becomes_late(void **state)
{
	struct fixture *f = *state;
	uint64_t start = clock_now_ns();

	answers_open(&f->answers, &f->a, SHORT_USEC);
	wait_for_lateness(f, 1);
	assert_true(clock_now_ns() - start >= SHORT_USEC * NSEC_PER_USEC);
	assert_true(f->answers.late);
	/* Late once, not again and again. */
	assert_false(timer_runs(f));
	answers_alive(&f->answers);
	assert_false(f->answers.late);
	assert_int_equal(f->ended, 1);
	answers_alive(&f->answers);
	assert_int_equal(f->ended, 1);
	answers_close(&f->answers, &f->a);
}

static void later_request_may_be_due_earlier(void **state)
{
	struct fixture *f = *state;

	answers_open(&f->answers, &f->a, LONG_USEC);
	answers_open(&f->answers, &f->b, SHORT_USEC);
	wait_for_lateness(f, 1);
	assert_true(timer_runs(f));
	answers_close(&f->answers, &f->b);
	answers_close(&f->answers, &f->a);
	assert_false(timer_runs(f));
}

static void answer_in_time_leaves_no_trace(void **state)
{
	struct fixture *f = *state;

	/* The timer is armed for a, which is answered; b must not be judged by it. */
	answers_open(&f->answers, &f->a, SHORT_USEC);
	answers_open(&f->answers, &f->b, LONG_USEC);
	answers_close(&f->answers, &f->a);
	assert_true(sd_event_run(f->event, 10 * SHORT_USEC) > 0);
	assert_int_equal(f->begun, 0);
	assert_true(timer_runs(f));
	answers_close(&f->answers, &f->b);
}

static void ticket_may_be_opened_anew(void **state)
{
	struct fixture *f = *state;

	answers_open(&f->answers, &f->a, LONG_USEC);
	answers_open(&f->answers, &f->a, SHORT_USEC);
	wait_for_lateness(f, 1);
	answers_open(&f->answers, &f->a, SHORT_USEC);
	answers_alive(&f->answers);
	wait_for_lateness(f, 2);
	answers_close(&f->answers, &f->a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(nothing_runs_while_nothing_is_asked), TEST(open_request_becomes_late),
		TEST(later_request_may_be_due_earlier),    TEST(answer_in_time_leaves_no_trace),
		TEST(ticket_may_be_opened_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
