// SPDX-License-Identifier: MIT
/* The wait for QEMU to close its end of a socket, after which it has lifted the guest's keys. */
#include "tests/unit/test.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/loop.h"
#include "vm/vm_private.h"

#define DEADLINE_MS 5000

struct fixture {
	struct vm vm;
	struct vm_observer observer;
	int lifted;
};

static void handle_lifted(struct vm *vm, void *data)
{
	struct fixture *f = data;

	assert_false(vm_lifts_keys(vm));
	f->lifted++;
}

static const struct vm_observer_ops ops = { .lifted = handle_lifted };

static bool is_lifted(void *data)
{
	struct fixture *f = data;

	return f->lifted > 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_true(sd_event_new(&f->vm.event) >= 0);
	list_init(&f->vm.observers);
	list_init(&f->vm.farewells);
	f->observer.ops = &ops;
	f->observer.data = f;
	list_append(&f->vm.observers, &f->observer.link);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	vm_farewells_drop(&f->vm);
	sd_event_unref(f->vm.event);
	free(f);
	return 0;
}

/* Gives one end away, returns QEMU's. */
static int see_off(struct fixture *f)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	vm_see_off(&f->vm, pair[0]);
	return pair[1];
}

static void test_until_all_are_closed(void **state)
{
	struct fixture *f = *state;
	int first, second;
	char byte;

	assert_false(vm_lifts_keys(&f->vm));
	first = see_off(f);
	second = see_off(f);
	/* QEMU sees our end, and what it sent before that keeps nobody busy. */
	assert_int_equal(read(first, &byte, 1), 0);
	assert_int_equal(write(first, "x", 1), 1);
	assert_int_equal(sd_event_run(f->vm.event, 0), 0);
	close(first);
	while (sd_event_run(f->vm.event, 0) > 0) {
	}
	assert_true(vm_lifts_keys(&f->vm));
	assert_int_equal(f->lifted, 0);
	close(second);
	assert_true(loop_until(f->vm.event, is_lifted, f, DEADLINE_MS));
	assert_int_equal(f->lifted, 1);
}

/* A QEMU that hangs does not make the keys wait for ever. */
static void test_late(void **state)
{
	struct fixture *f = *state;
	int fd = see_off(f);

	assert_true(loop_until(f->vm.event, is_lifted, f, DEADLINE_MS));
	close(fd);
}

static void test_dropped(void **state)
{
	struct fixture *f = *state;
	int fd = see_off(f);

	vm_farewells_drop(&f->vm);
	assert_false(vm_lifts_keys(&f->vm));
	assert_int_equal(write(fd, "x", 1), -1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_until_all_are_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dropped, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
