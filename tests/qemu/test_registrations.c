// SPDX-License-Identifier: MIT
/*
 * 500 display listeners after each other on a real QEMU while every CPU is busy: each one gets its
 * picture, none stalls. With sd_bus_attach_event() in place of the pump one in ten did (QEMU's
 * first question lay unseen in sd-bus' buffer, and QEMU waited for our answer in its main loop).
 */
#include "tests/unit/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/dbus_listener.h"
#include "common/clock.h"
#include "tests/qemu/guest.h"
#include "tests/qemu/ignore.h"

#define REGISTRATIONS 500
#define HOGS_MAX 64

static pid_t hogs[HOGS_MAX];
static size_t n_hogs;

static void start_hogs(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	for (long i = 0; i < cpus && n_hogs < HOGS_MAX; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (volatile unsigned long n = 0;; n++) {
			}
		}
		hogs[n_hogs++] = pid;
	}
}

static void stop_hogs(void)
{
	while (n_hogs > 0) {
		kill(hogs[--n_hogs], SIGKILL);
		waitpid(hogs[n_hogs], NULL, 0);
	}
}

struct attach {
	bool pictured;
	bool ended;
};

static void handle_frame(struct frame *frame, void *data)
{
	struct attach *attach = data;

	frame_unlock(frame);
	attach->pictured = true;
}

static void handle_pixels(bool whole, const pixman_box32_t *box, pixman_image_t *image,
			  void *data)
{
	struct attach *attach = data;

	(void)box, (void)image;
	attach->pictured |= whole;
}

static void handle_ended(int error, const char *reason, void *data)
{
	struct attach *attach = data;

	print_error("the listener ended: %s%s%s\n", strerror(-error), reason ? ", " : "",
		    reason ? reason : "");
	attach->ended = true;
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

static bool has_picture(void *data)
{
	struct attach *attach = data;

	assert_false(attach->ended);
	return attach->pictured;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void test_registrations(void **fixture)
{
	static uint64_t took[REGISTRATIONS];
	struct guest guest;

	(void)fixture;
	guest_start(&guest, "registrations", NULL);
	start_hogs();
	for (size_t i = 0; i < REGISTRATIONS; i++) {
		struct dbus_listener *listener;
		struct attach attach = { 0 };
		uint64_t start = clock_now_ns();

		assert_int_equal(dbus_listener_create(guest.event, guest.vm, &handlers, &attach,
						      &listener),
				 0);
		run_until(guest.event, has_picture, &attach, 10, "a listener's first picture");
		took[i] = clock_now_ns() - start;
		dbus_listener_destroy(listener);
	}
	stop_hogs();
	qsort(took, REGISTRATIONS, sizeof(took[0]), by_value);
	print_message("attach: median %.1f ms, p95 %.1f ms, worst %.1f ms of %d\n",
		      (double)took[REGISTRATIONS / 2] / 1e6,
		      (double)took[REGISTRATIONS * 95 / 100] / 1e6,
		      (double)took[REGISTRATIONS - 1] / 1e6, REGISTRATIONS);
	guest_stop(&guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_registrations) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
