// SPDX-License-Identifier: MIT
/* Slow work in a thread of its own: who runs what, and that its end can be waited for. */
#include "tests/unit/test.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

#include "compositor/kms/errand.h"
#include "tests/unit/loop.h"

struct work {
	sem_t may_go;
	pthread_t worker, teller;
	bool worked, told;
};

static void work(void *data)
{
	struct work *w = data;

	sem_wait(&w->may_go);
	w->worker = pthread_self();
	w->worked = true;
}

static void done(void *data)
{
	struct work *w = data;

	assert_true(w->worked);
	w->teller = pthread_self();
	w->told = true;
}

static bool was_told(void *data)
{
	return ((struct work *)data)->told;
}

static void test_done_in_the_loop(void **state)
{
	struct work w = { 0 };
	struct errand *errand;
	sd_event *event;

	sem_init(&w.may_go, 0, 0);
	assert_int_equal(sd_event_new(&event), 0);
	assert_int_equal(errand_start(event, work, done, &w, &errand), 0);
	assert_int_equal(sd_event_run(event, 0), 0);
	assert_false(w.told);
	sem_post(&w.may_go);
	assert_true(loop_until(event, was_told, &w, 5000));
	assert_false(pthread_equal(w.worker, pthread_self()));
	assert_true(pthread_equal(w.teller, pthread_self()));
	sd_event_unref(event);
	sem_destroy(&w.may_go);
}

static void test_end(void **state)
{
	struct work w = { 0 };
	struct errand *errand;
	sd_event *event;

	sem_init(&w.may_go, 0, 1);
	assert_int_equal(sd_event_new(&event), 0);
	assert_int_equal(errand_start(event, work, done, &w, &errand), 0);
	assert_int_equal(errand_end(errand), 0);
	assert_true(w.worked);
	assert_int_equal(sd_event_run(event, 0), 0);
	assert_false(w.told);
	sd_event_unref(event);
	sem_destroy(&w.may_go);
}

/* Nor is it told later, and the loop may be gone by then. */
static void test_work_that_never_ends(void **state)
{
	static struct work w;
	struct errand *errand;
	sd_event *event;

	sem_init(&w.may_go, 0, 0);
	assert_int_equal(sd_event_new(&event), 0);
	assert_int_equal(errand_start(event, work, done, &w, &errand), 0);
	assert_int_equal(errand_end(errand), -ETIMEDOUT);
	assert_null(sd_event_unref(event));
	sem_post(&w.may_go);
	assert_false(w.told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_done_in_the_loop),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_work_that_never_ends),
	};

	return cmocka_run_group_tests_name("errand", tests, NULL, NULL);
}
