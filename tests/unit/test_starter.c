// SPDX-License-Identifier: MIT
/* A start through a starter, up to the guest's unit: who decides, who waits, and what is said. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/strv.h"
#include "vm/huge_pages.h"
#include "vm/launch.h"
#include "vm/vm_private.h"

static struct {
	sd_event *event;
	struct vm *vm;
	char folder[64];
	int account;          /* what account() returns … */
	unsigned int unknown; /* … after so many -EAGAIN */
	int start, kill;
	int deaf; /* the error of so many knocks: */
	unsigned int unheard, knocks;
	unsigned int asked, started, cancelled, killed;
} world;

static int fake_account(void *data, const char *guest, struct vm_account *out)
{
	assert_string_equal(guest, "work");
	world.asked++;
	if (world.unknown) {
		world.unknown--;
		return -EAGAIN;
	}
	snprintf(out->user, sizeof(out->user), "baton-no-such-user");
	out->uid = 4242;
	return world.account;
}

static int fake_start(void *data, struct vm *vm)
{
	world.started++;
	return world.start;
}

static void fake_cancel(void *data, struct vm *vm)
{
	world.cancelled++;
}

static int fake_kill(void *data, struct vm *vm)
{
	world.killed++;
	return world.kill;
}

/* ---- a guest's process that is another user's ---- */

static pid_t child;

int __wrap_process_kill(const struct process *process);
int __wrap_launch_knock(const char *socket, uid_t uid, pid_t *pid);
int __wrap_launch_hand_over(int fd, const struct launch_order *order);
int __real_sd_event_add_time_relative(sd_event *event, sd_event_source **out, clockid_t clock,
				      uint64_t usec, uint64_t accuracy,
				      sd_event_time_handler_t handler, void *data);
int __wrap_sd_event_add_time_relative(sd_event *event, sd_event_source **out, clockid_t clock,
				      uint64_t usec, uint64_t accuracy,
				      sd_event_time_handler_t handler, void *data);

int __wrap_process_kill(const struct process *process)
{
	assert_int_equal(process_pid(process), child);
	return -EPERM;
}

int __wrap_launch_knock(const char *socket, uid_t uid, pid_t *pid)
{
	world.knocks++;
	if (world.unheard) {
		world.unheard--;
		return world.deaf;
	}
	if (!child) {
		return -ENOENT;
	}
	*pid = child;
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

int __wrap_launch_hand_over(int fd, const struct launch_order *order)
{
	return 0;
}

/* Nobody waits for seconds here. */
int __wrap_sd_event_add_time_relative(sd_event *event, sd_event_source **out, clockid_t clock,
				      uint64_t usec, uint64_t accuracy,
				      sd_event_time_handler_t handler, void *data)
{
	return __real_sd_event_add_time_relative(event, out, clock, usec / 1000, 1, handler, data);
}

static const struct vm_starter_ops ops = { fake_account, fake_start, fake_cancel, fake_kill };

static int set_up(void **state)
{
	struct vm_config *config = vm_config_create("work");

	memset(&world, 0, sizeof(world));
	world.account = 1;
	strcpy(world.folder, "/tmp/baton-starter-XXXXXX");
	assert_non_null(mkdtemp(world.folder));
	assert_int_equal(sd_event_new(&world.event), 0);
	/* No probe of KVM; and a QEMU that must not be started ends at once. */
	assert_int_equal(strv_append_words(&config->qemu_args, "-accel tcg -no-such-option"), 0);
	assert_int_equal(vm_create(world.event, config, world.folder, world.folder, &world.vm), 0);
	vm_set_starter(world.vm, &ops, NULL);
	return 0;
}

static int tear_down(void **state)
{
	char command[96];

	vm_destroy(world.vm);
	sd_event_unref(world.event);
	snprintf(command, sizeof(command), "rm -r %s", world.folder);
	return system(command);
}

static void run_until(enum vm_state vm_state)
{
	for (int i = 0; i < 1000 && vm_get_state(world.vm) != vm_state; i++) {
		assert_true(sd_event_run(world.event, 10 * 1000) >= 0);
	}
	assert_int_equal(vm_get_state(world.vm), vm_state);
}

static void test_asked_until_known(void **state)
{
	world.unknown = 3;
	assert_int_equal(vm_start(world.vm), 0);
	assert_int_equal(vm_get_state(world.vm), VM_STATE_STARTING);
	assert_int_equal(world.started, 0);
	while (!world.started) {
		assert_true(sd_event_run(world.event, 1000 * 1000) >= 0);
	}
	assert_int_equal(world.asked, 4);
	assert_int_equal(vm_get_state(world.vm), VM_STATE_STARTING);
}

static void test_refused(void **state)
{
	world.start = -ENOTCONN;
	assert_int_equal(vm_start(world.vm), -ENOTCONN);
	assert_int_equal(vm_get_state(world.vm), VM_STATE_FAILED);
	assert_non_null(
		strstr(vm_reason(world.vm), "as user baton-no-such-user: the broker is not there"));
	world.start = 0;
	assert_int_equal(vm_start(world.vm), 0);
	vm_started(world.vm, -EPERM, "not in the list");
	assert_int_equal(vm_get_state(world.vm), VM_STATE_FAILED);
	assert_non_null(strstr(vm_reason(world.vm), "baton-no-such-user: not in the list"));
}

/* Nobody listens: it is knocked at for a while. */
static void test_stopped_while_knocking(void **state)
{
	assert_int_equal(vm_start(world.vm), 0);
	vm_started(world.vm, 0, NULL);
	assert_int_equal(vm_get_state(world.vm), VM_STATE_STARTING);
	assert_int_equal(vm_kill(world.vm), 0);
	assert_int_equal(vm_get_state(world.vm), VM_STATE_STOPPED);
	assert_int_equal(world.cancelled, 0);
	assert_int_equal(vm_start(world.vm), 0);
	assert_int_equal(world.started, 2);
}

static void test_stopped_while_starting(void **state)
{
	assert_int_equal(vm_start(world.vm), 0);
	assert_int_equal(vm_shutdown(world.vm), 0);
	assert_int_equal(vm_get_state(world.vm), VM_STATE_STOPPED);
	assert_int_equal(world.cancelled, 1);
}

/* As many huge pages as there are, for the guest under test. */
static void promise(void)
{
	const struct huge_pages_free free_pages = { { 0, 8 } };

	huge_pages_promise(&free_pages, 16, &world.vm->huge_pages);
	assert_int_equal(world.vm->huge_pages.n, 8);
}

static void test_huge_pages_are_free_again(void **state)
{
	promise();
	assert_int_equal(vm_start(world.vm), 0);
	assert_int_equal(vm_shutdown(world.vm), 0);
	promise();
	world.unknown = UINT32_MAX;
	assert_int_equal(vm_start(world.vm), 0);
	run_until(VM_STATE_FAILED);
	assert_non_null(strstr(vm_reason(world.vm), "the broker does not say"));
	promise();
}

static void child_start(void)
{
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
}

static void child_end(void)
{
	assert_int_equal(kill(child, SIGKILL), 0);
	child = 0;
}

/* It does not listen yet, may not be connected to yet, or is knocked at by others: its queue is
 * full. */
static void test_knocked_at_again(void **state)
{
	static const int errors[] = { -ENOENT, -ECONNREFUSED, -EACCES, -EAGAIN };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		child_start();
		world.deaf = errors[i];
		world.unheard = 3;
		world.knocks = 0;
		assert_int_equal(vm_start(world.vm), 0);
		vm_started(world.vm, 0, NULL);
		while (vm_get_state(world.vm) == VM_STATE_STARTING && !vm_pid(world.vm)) {
			assert_true(sd_event_run(world.event, 1000 * 1000) > 0);
		}
		assert_int_equal(vm_pid(world.vm), child);
		assert_int_equal(world.knocks, 4);
		child_end();
		run_until(VM_STATE_FAILED);
	}
}

static void test_knocked_at_in_vain(void **state)
{
	world.deaf = -EAGAIN;
	world.unheard = UINT32_MAX;
	assert_int_equal(vm_start(world.vm), 0);
	vm_started(world.vm, 0, NULL);
	run_until(VM_STATE_FAILED);
	assert_non_null(strstr(vm_reason(world.vm), "has not started; see \"journalctl"));
	assert_true(world.knocks > 100);
	/* Another's process is left alone at once. */
	world.deaf = -EPERM;
	world.knocks = 0;
	assert_int_equal(vm_start(world.vm), 0);
	vm_started(world.vm, 0, NULL);
	assert_int_equal(vm_get_state(world.vm), VM_STATE_FAILED);
	assert_int_equal(world.knocks, 1);
}

/* The broker may be away, or what it asks may fail: it is asked until the process has ended. */
static void test_killed_by_the_starter(void **state)
{
	child_start();
	assert_int_equal(vm_start(world.vm), 0);
	vm_started(world.vm, 0, NULL);
	assert_int_equal(vm_pid(world.vm), child);
	world.kill = -ENOTCONN;
	assert_int_equal(vm_kill(world.vm), 0);
	assert_int_equal(world.killed, 1);
	for (int i = 0; i < 1000 && world.killed < 3; i++) {
		assert_true(sd_event_run(world.event, 10 * 1000) >= 0);
		assert_int_equal(vm_get_state(world.vm), VM_STATE_STOPPING);
	}
	assert_int_equal(world.killed, 3);
	child_end();
	run_until(VM_STATE_STOPPED);
}

static void test_starter_goes(void **state)
{
	assert_int_equal(vm_start(world.vm), 0);
	vm_set_starter(world.vm, NULL, NULL);
	assert_int_equal(world.cancelled, 1);
}

/* Without a user of its own the seat starts it itself. */
static void test_user_level(void **state)
{
	world.account = 0;
	vm_start(world.vm);
	run_until(VM_STATE_FAILED);
	assert_int_equal(world.started, 0);
	assert_null(strstr(vm_reason(world.vm), "as user"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_asked_until_known),
		TEST(test_refused),
		TEST(test_stopped_while_knocking),
		TEST(test_stopped_while_starting),
		TEST(test_starter_goes),
		TEST(test_user_level),
		TEST(test_huge_pages_are_free_again),
		TEST(test_killed_by_the_starter),
		TEST(test_knocked_at_again),
		TEST(test_knocked_at_in_vain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
