// SPDX-License-Identifier: MIT
/* Starting and stopping a real QEMU; see guest.h. */
#include "tests/qemu/guest.h"

#include "tests/unit/test.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/strv.h"

void run_until(sd_event *event, bool (*done)(void *data), void *data, uint64_t seconds,
	       const char *what)
{
	uint64_t deadline = clock_now_ns() + seconds * NSEC_PER_SEC;

	while (!done(data)) {
		if (clock_now_ns() > deadline) {
			fail_msg("%s did not happen within %llu s", what,
				 (unsigned long long)seconds);
		}
		assert_true(sd_event_run(event, 100000) >= 0);
	}
}

static bool is_running(void *data)
{
	struct guest *guest = data;

	if (vm_get_state(guest->vm) == VM_STATE_FAILED) {
		fail_msg("QEMU did not start: %s", vm_reason(guest->vm));
	}
	return vm_get_state(guest->vm) == VM_STATE_RUNNING && vm_peer(guest->vm);
}

static bool is_over(void *data)
{
	struct guest *guest = data;

	return vm_pid(guest->vm) == 0;
}

/* The guest of a test that failed: a guest outlives its seat, but not the test program. */
static pid_t running;

static void kill_running(void)
{
	if (running > 0) {
		kill(running, SIGKILL);
	}
}

/* A test is not where baton is built, beside which launch.c finds it; our children's only. */
static void preload(void)
{
	const char *path = getenv("BATON_TEST_PRELOAD");

	assert_int_equal(path ? setenv("LD_PRELOAD", path, 1) : unsetenv("LD_PRELOAD"), 0);
}

void guest_start_config(struct guest *guest, struct vm_config *config)
{
	guest_start_by(guest, config, NULL, NULL);
}

void guest_start_by(struct guest *guest, struct vm_config *config, const struct vm_starter_ops *ops,
		    void *data)
{
	memset(guest, 0, sizeof(*guest));
	snprintf(guest->folder, sizeof(guest->folder), "/dev/shm/baton-test-XXXXXX");
	assert_non_null(mkdtemp(guest->folder));
	assert_true(sd_event_default(&guest->event) >= 0);
	assert_int_equal(vm_create(guest->event, config, guest->folder, guest->folder, &guest->vm),
			 0);
	preload();
	vm_set_starter(guest->vm, ops, data);
	assert_int_equal(vm_start(guest->vm), 0);
	run_until(guest->event, is_running, guest, 60, "QEMU's start");
	if (running == 0) {
		atexit(kill_running);
	}
	running = vm_pid(guest->vm);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void guest_start(struct guest *guest, const char *name, char *const *qemu_args)
{
	struct vm_config *config = vm_config_create(name);

	config->memory_mib = 64;
	assert_int_equal(strv_extend(&config->qemu_args, qemu_args), 0);
	guest_start_config(guest, config);
}

void guest_stop(struct guest *guest)
{
	vm_kill(guest->vm);
	run_until(guest->event, is_over, guest, 30, "QEMU's end");
	running = -1;
	vm_destroy(guest->vm);
	nftw(guest->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	sd_event_unref(guest->event);
}
