// SPDX-License-Identifier: MIT
/* A start through a starter, up to the guest's unit: who decides, who waits, and what is said. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/strv.h"
#include "vm/vm.h"

static struct {
	sd_event *event;
	struct vm *vm;
	char folder[64];
	int account;          /* what account() returns … */
	unsigned int unknown; /* … after so many -EAGAIN */
	int start, kill;
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
		TEST(test_asked_until_known),      TEST(test_refused),
		TEST(test_stopped_while_knocking), TEST(test_stopped_while_starting),
		TEST(test_starter_goes),           TEST(test_user_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
