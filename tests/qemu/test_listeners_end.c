// SPDX-License-Identifier: MIT
/*
 * 300 display listeners on a real QEMU that end at any moment, from before QEMU's first question to
 * long after the first picture: QEMU lives on, and nothing of them stays in it: no descriptor, no
 * display timer. Without vm/preload/ QEMU before 11.1 keeps both.
 */
#include "tests/unit/test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/dbus_listener.h"
#include "common/clock.h"
#include "tests/qemu/guest.h"
#include "tests/qemu/ignore.h"

#define LISTENERS 300
#define LONGEST_MS 60
#define DEADLINE_SEC 20
/* Wakeups of QEMU's main loop in SAMPLE_MS while its guest's clock stands still, so that hardly
 * any other timer runs: the display timer alone makes 20 to 66. */
#define SAMPLE_MS 2000
#define WAKEUPS_MORE 10

static unsigned int first_seed;

static void handle_frame(struct frame *frame, void *data)
{
	(void)data;
	frame_unlock(frame);
}

static void handle_pixels(bool whole, const pixman_box32_t *box, pixman_image_t *image,
			  void *data)
{
	(void)whole, (void)box, (void)image, (void)data;
}

static void handle_ended(int error, const char *reason, void *data)
{
	(void)data;
	fail_msg("the listener ended: %s %s", strerror(-error), reason ? reason : "");
}

static const struct dbus_listener_handlers handlers = {
	.frame = handle_frame,
	.pixels = handle_pixels,
	.damage = ignore_damage,
	.disabled = ignore_disabled,
	.cursor = ignore_cursor,
	.cursor_moved = ignore_moved,
	.ended = handle_ended,
};

static void run_for(sd_event *event, uint64_t ms)
{
	uint64_t end = clock_now_ns() + ms * (NSEC_PER_SEC / 1000), now;

	while ((now = clock_now_ns()) < end) {
		assert_true(sd_event_run(event, (end - now) / 1000) >= 0);
	}
}

static int count_descriptors(pid_t pid)
{
	char path[64];
	struct dirent *entry;
	DIR *folder;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	folder = opendir(path);
	assert_non_null(folder);
	while ((entry = readdir(folder))) {
		n += entry->d_name[0] != '.';
	}
	closedir(folder);
	return n;
}

/* Of the main thread, which runs QEMU's timers. */
static unsigned long count_switches(pid_t pid)
{
	char path[64], line[128];
	unsigned long n = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)pid, (int)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		sscanf(line, "voluntary_ctxt_switches: %lu", &n);
	}
	fclose(file);
	return n;
}

static unsigned long sample_wakeups(struct guest *guest)
{
	unsigned long before = count_switches(vm_pid(guest->vm));

	run_for(guest->event, SAMPLE_MS);
	return count_switches(vm_pid(guest->vm)) - before;
}

struct quiet {
	struct guest *guest;
	int descriptors;
	unsigned long wakeups, seen;
};

static bool is_paused(void *data)
{
	return vm_get_state(((struct guest *)data)->vm) == VM_STATE_PAUSED;
}

static bool is_running(void *data)
{
	return vm_get_state(((struct guest *)data)->vm) == VM_STATE_RUNNING;
}

static void pause_guest(struct guest *guest)
{
	assert_int_equal(vm_pause(guest->vm), 0);
	run_until(guest->event, is_paused, guest, DEADLINE_SEC, "the pause");
}

static void resume_guest(struct guest *guest)
{
	assert_int_equal(vm_resume(guest->vm), 0);
	run_until(guest->event, is_running, guest, DEADLINE_SEC, "the pause's end");
}

static void note_quiet(struct quiet *quiet, struct guest *guest)
{
	quiet->guest = guest;
	pause_guest(guest);
	quiet->descriptors = count_descriptors(vm_pid(guest->vm));
	quiet->wakeups = sample_wakeups(guest);
	resume_guest(guest);
}

static bool has_come_to_rest(void *data)
{
	struct quiet *quiet = data;

	quiet->seen = sample_wakeups(quiet->guest);
	return quiet->seen <= quiet->wakeups + WAKEUPS_MORE;
}

static bool has_closed(void *data)
{
	struct quiet *quiet = data;

	return abs(count_descriptors(vm_pid(quiet->guest->vm)) - quiet->descriptors) <= 2;
}

static void open_and_end(struct guest *guest, unsigned int *seed)
{
	struct dbus_listener *listener;

	assert_int_equal(dbus_listener_create(guest->event, guest->vm, &handlers, NULL, &listener),
			 0);
	run_for(guest->event, (uint64_t)rand_r(seed) % (LONGEST_MS + 1));
	dbus_listener_destroy(listener);
}

static void test_listeners_end(void **fixture)
{
	unsigned int seed = first_seed;
	struct quiet quiet = { 0 };
	struct guest guest;
	pid_t pid;

	(void)fixture;
	print_message("seed %u\n", seed);
	guest_start(&guest, "ends", NULL);
	pid = vm_pid(guest.vm);
	note_quiet(&quiet, &guest);
	for (size_t i = 0; i < LISTENERS; i++) {
		open_and_end(&guest, &seed);
	}
	pause_guest(&guest);
	run_until(guest.event, has_closed, &quiet, DEADLINE_SEC, "the end of their sockets");
	run_until(guest.event, has_come_to_rest, &quiet, DEADLINE_SEC,
		  "the end of QEMU's display timer");
	print_message("%d descriptors, %d before; %lu wakeups in %d ms, %lu before\n",
		      count_descriptors(pid), quiet.descriptors, quiet.seen, SAMPLE_MS,
		      quiet.wakeups);
	assert_int_equal(vm_pid(guest.vm), pid);
	guest_stop(&guest);
}

/* The argument: a seed that an earlier run printed. */
int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_listeners_end) };

	first_seed = argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 10)
			      : (unsigned int)clock_now_ns();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
