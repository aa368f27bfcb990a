// SPDX-License-Identifier: MIT
/* The choice between KVM and TCG where the probe hangs: nothing waits for it, nothing is kept. */
#include "tests/unit/test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/loop.h"
#include "vm/accel.h"
#include "vm/kvm_probe.h"

#define DEADLINE_MS 10000

struct fixture {
	sd_event *event;
	struct accel_probe *probe;
	enum accel found;
	struct huge_pages_free pages;
};

static struct huge_pages_free *counted;

/* Instead of vm/huge_pages.c: tells who counts. */
void huge_pages_count(const char *folder, struct huge_pages_free *out)
{
	counted = out;
	out->n[0] = (uint64_t)getpid();
}

/* Instead of vm/kvm_probe.c: a KVM that never comes back. */
enum kvm_probe kvm_probe(void)
{
	counted->n[1] = 1;
	for (;;) {
		pause();
	}
}

const char *kvm_probe_text(enum kvm_probe probe)
{
	return probe == KVM_PROBE_NO_ANSWER ? "no answer" : "something else";
}

static void take_accel(void *data, enum accel accel)
{
	struct fixture *f = data;

	f->found = accel;
	f->pages = *accel_probe_pages(f->probe);
	accel_probe_destroy(f->probe);
	f->probe = NULL;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return sd_event_new(&f->event) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	accel_probe_destroy(f->probe);
	sd_event_unref(f->event);
	free(f);
	return 0;
}

static void start(struct fixture *f)
{
	assert_int_equal(accel_probe_create(f->event, take_accel, f, &f->probe), 0);
}

static bool has_no_child(void *data)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

static void a_probe_that_is_given_up_leaves_no_zombie(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_false(has_no_child(NULL));
	accel_probe_destroy(f->probe);
	f->probe = NULL;
	assert_true(loop_until(f->event, has_no_child, NULL, DEADLINE_MS));
	assert_int_equal(accel_get(), ACCEL_UNKNOWN);
}

/* The loop ends before the child has: what was left for it to do is dropped with it. */
static void a_loop_that_ends_first_is_no_leak(void **state)
{
	struct fixture *f = *state;
	siginfo_t info;

	start(f);
	accel_probe_destroy(f->probe);
	f->probe = NULL;
	f->event = sd_event_unref(f->event);
	waitid(P_ALL, 0, &info, WEXITED);
}

/* Above all the lock on the runtime folder: a next seat must not wait for a hanging probe. */
static void a_hanging_probe_keeps_nothing_open(void **state)
{
	struct fixture *f = *state;
	struct pollfd end = { .events = POLLIN };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	start(f);
	close(pair[1]);
	end.fd = pair[0];
	assert_int_equal(poll(&end, 1, DEADLINE_MS), 1);
	assert_true(end.revents & POLLHUP);
	assert_false(has_no_child(NULL));
	close(pair[0]);
	accel_probe_destroy(f->probe);
	f->probe = NULL;
	assert_true(loop_until(f->event, has_no_child, NULL, DEADLINE_MS));
}

static bool has_found(void *data)
{
	return ((struct fixture *)data)->found != ACCEL_UNKNOWN;
}

static void no_answer_is_no_kvm(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_true(loop_until(f->event, has_found, f, DEADLINE_MS));
	assert_int_equal(f->found, ACCEL_TCG);
	assert_int_equal(accel_get(), ACCEL_TCG);
	assert_true(loop_until(f->event, has_no_child, NULL, DEADLINE_MS));
}

/* What the loop must not read the child has read; KVM is not tried out a second time for it. */
static void pages_are_counted_by_a_child(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(accel_get(), ACCEL_TCG);
	start(f);
	assert_true(loop_until(f->event, has_found, f, DEADLINE_MS));
	assert_int_equal(f->found, ACCEL_TCG);
	assert_int_not_equal(f->pages.n[0], 0);
	assert_int_not_equal(f->pages.n[0], getpid());
	assert_int_equal(f->pages.n[1], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_probe_that_is_given_up_leaves_no_zombie),
		TEST(a_loop_that_ends_first_is_no_leak),
		TEST(a_hanging_probe_keeps_nothing_open),
		TEST(no_answer_is_no_kvm), /* what was found stays */
		TEST(pages_are_counted_by_a_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
