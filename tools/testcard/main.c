// SPDX-License-Identifier: MIT
/*
 * The test guest's only program: draws a test card, reports what it receives and does what the
 * host's tests ask for.
 *
 * Guest to host, one line each (over the virtio console /dev/hvc0):
 *   ready NAME WxH        the first frame is shown, keyboard and pointer are there
 *   mode WxH              the screen has a new size
 *   K code 1|0            key or button, evdev code; no repeats
 *   R dx dy               relative motion of one evdev frame
 *   A x y                 absolute position, 0..32767
 *   W v h                 wheel, in 120ths of a notch, vertical and horizontal
 *   lost                  the kernel dropped input events
 *   card + DRIVER T       another graphics card is there; seconds since the guest's start
 *   card = DRIVER N WxH SHA256   the picture N is on it; hashed as in "hash"
 *   card - DRIVER T       that card is gone
 *   clicked               the sound device has got a click
 *   error TEXT            a command was not understood, or could not be done
 * Host to guest: see commands.c.
 *
 * Kernel command line: testcard.name=NAME, testcard.fps=N (30; 0: draws nothing by itself),
 * testcard.flip=0|1, testcard.cursor=0|1 (hardware cursor, 0), testcard.first=N (the frame counter
 * begins there, so that a frame tells which guest drew it; 0).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/input-event-codes.h>
#include <linux/kd.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "testcard.h"

enum {
	SETTLE_US = 400 * 1000, /* no news of a device for so long: the guest is complete */
	SETTLE_USB_US =
		1500 * 1000, /* the same where there is USB, which finds devices in slow steps */
	SETTLE_MAX_US = 10000 * 1000, /* ready all the same */
	PROBE_MS = 50,                /* look again for the console until it is there */
};

enum {
	POLL_CONSOLE,
	POLL_UEVENT,
	POLL_TIMER,
	POLL_SCREEN,
	POLL_SOUND,
	POLL_INPUT,
	POLL_COUNT = POLL_INPUT + INPUT_DEVICES
};

/* Copies the value of testcard.KEY from the kernel command line; leaves value alone when it is not
 * there. */
static void parameter_read(const char *cmdline, const char *key, char *value, size_t size)
{
	char pattern[32];
	const char *found;
	size_t length;

	snprintf(pattern, sizeof(pattern), "testcard.%s=", key);
	found = strstr(cmdline, pattern);
	if (!found) {
		return;
	}
	found += strlen(pattern);
	length = strcspn(found, " \n");
	snprintf(value, size, "%.*s", (int)length, found);
}

static void parameters_read(struct testcard *tc, bool *flip, bool *cursor)
{
	char cmdline[2048] = "", fps[12] = "30", flips[4] = "0", cursors[4] = "0";
	char first[12] = "0";
	FILE *file = fopen("/proc/cmdline", "re");

	if (file) {
		size_t length = fread(cmdline, 1, sizeof(cmdline) - 1, file);

		cmdline[length] = '\0';
		fclose(file);
	}
	snprintf(tc->card.name, sizeof(tc->card.name), "testcard");
	parameter_read(cmdline, "name", tc->card.name, sizeof(tc->card.name));
	parameter_read(cmdline, "fps", fps, sizeof(fps));
	parameter_read(cmdline, "flip", flips, sizeof(flips));
	parameter_read(cmdline, "cursor", cursors, sizeof(cursors));
	parameter_read(cmdline, "first", first, sizeof(first));
	tc->fps = atoi(fps);
	tc->card.counter = (uint32_t)strtoul(first, NULL, 10);
	*flip = atoi(flips) == 1;
	*cursor = atoi(cursors) == 1;
}

/* The kernel's text console must neither draw nor blink any more. */
static void console_quiet(void)
{
	int fd = open("/dev/tty0", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0) {
		ioctl(fd, KDSETMODE, KD_GRAPHICS);
		close(fd);
	}
}

static int uevent_open(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -errno;
	}
	return fd < 0 ? -errno : fd;
}

static bool uevent_is_about(const char *message, size_t size, const char *line)
{
	for (size_t i = 0; i < size; i += strlen(message + i) + 1) {
		if (strcmp(message + i, line) == 0) {
			return true;
		}
	}
	return false;
}

static void mode_follow(struct testcard *tc)
{
	bool changed;
	int r = screen_follow_mode(&tc->screen, &changed);

	if (r < 0 || !changed) {
		return;
	}
	card_invalidate(&tc->card);
	console_print(&tc->console, "mode %dx%d", tc->screen.mode.hdisplay,
		      tc->screen.mode.vdisplay);
	if (tc->screen.cursor_shown) {
		screen_set_cursor(&tc->screen, true);
	}
	testcard_redraw(tc);
}

static void uevents_read(struct testcard *tc)
{
	char message[4096];
	ssize_t size;
	bool screen = false, device = false;

	while ((size = recv(tc->uevents, message, sizeof(message) - 1, 0)) > 0) {
		message[size] = '\0';
		screen |= uevent_is_about(message, (size_t)size, "SUBSYSTEM=drm");
		device |= uevent_is_about(message, (size_t)size, "SUBSYSTEM=usb") ||
			  uevent_is_about(message, (size_t)size, "SUBSYSTEM=hid") ||
			  uevent_is_about(message, (size_t)size, "SUBSYSTEM=input");
	}
	input_scan(&tc->input);
	if (device) {
		tc->last_device = monotonic_us();
	}
	if (screen) {
		mode_follow(tc);
		gpus_scan(&tc->gpus, &tc->screen, tc->card.name, &tc->console);
	}
}

static void pointer_moved(struct testcard *tc, int x, int y)
{
	int right = tc->screen.mode.hdisplay - 1, bottom = tc->screen.mode.vdisplay - 1;

	tc->pointer_x = x < 0 ? 0 : x > right ? right : x;
	tc->pointer_y = y < 0 ? 0 : y > bottom ? bottom : y;
	screen_move_cursor(&tc->screen, tc->pointer_x, tc->pointer_y);
}

static void report_key(struct testcard *tc, const struct report *report)
{
	console_print(&tc->console, "K %d %d", report->a, report->b);
	card_log(&tc->card, 0, "%s %s", key_name(report->a), report->b ? "pressed" : "released");
	if (report->a == KEY_POWER && report->b == 1) {
		tc->power_off = true;
	}
}

static void report_handle(void *data, const struct report *report)
{
	struct testcard *tc = data;

	switch (report->kind) {
	case REPORT_KEY:
		report_key(tc, report);
		break;
	case REPORT_RELATIVE:
		console_print(&tc->console, "R %d %d", report->a, report->b);
		pointer_moved(tc, tc->pointer_x + report->a, tc->pointer_y + report->b);
		card_log(&tc->card, report->kind, "moved by %+d, %+d", report->a, report->b);
		break;
	case REPORT_ABSOLUTE:
		console_print(&tc->console, "A %d %d", report->a, report->b);
		pointer_moved(tc, report->a * tc->screen.mode.hdisplay / (INPUT_ABS_MAX + 1),
			      report->b * tc->screen.mode.vdisplay / (INPUT_ABS_MAX + 1));
		card_log(&tc->card, report->kind, "pointer at %d, %d", tc->pointer_x,
			 tc->pointer_y);
		break;
	case REPORT_WHEEL:
		console_print(&tc->console, "W %d %d", report->a, report->b);
		card_log(&tc->card, report->kind, "wheel %+.2f, sideways %+.2f", report->a / 120.0,
			 report->b / 120.0);
		break;
	case REPORT_LOST:
		console_print(&tc->console, "lost");
		card_log(&tc->card, 0, "events were lost");
		break;
	}
}

/* Sends "ready" once: frame shown, console open, and no device has shown up for a while. */
static void ready_check(struct testcard *tc)
{
	int64_t now = monotonic_us();
	int64_t quiet = access("/sys/bus/usb/devices/usb1", F_OK) == 0 ? SETTLE_USB_US : SETTLE_US;
	bool settled = input_complete(&tc->input) && now - tc->last_device > quiet;

	if (!tc->ready && tc->console.fd >= 0 && (settled || now - tc->started > SETTLE_MAX_US)) {
		tc->ready = true;
		console_print(&tc->console, "ready %s %dx%d", tc->card.name,
			      tc->screen.mode.hdisplay, tc->screen.mode.vdisplay);
		/* Those that were there before, of which the kernel has no news. */
		gpus_scan(&tc->gpus, &tc->screen, tc->card.name, &tc->console);
	}
}

static void poll_fill(struct testcard *tc, struct pollfd *fds)
{
	fds[POLL_CONSOLE] = (struct pollfd){ .fd = tc->console.fd, .events = POLLIN };
	if (tc->console.queue_length > 0) {
		fds[POLL_CONSOLE].events |= POLLOUT;
	}
	fds[POLL_UEVENT] = (struct pollfd){ .fd = tc->uevents, .events = POLLIN };
	fds[POLL_TIMER] = (struct pollfd){ .fd = tc->timer, .events = POLLIN };
	fds[POLL_SCREEN] = (struct pollfd){ .fd = tc->screen.fd, .events = POLLIN };
	fds[POLL_SOUND] = (struct pollfd){ .fd = tc->sound.clicked, .events = POLLIN };
	for (int i = 0; i < INPUT_DEVICES; i++) {
		fds[POLL_INPUT + i] =
			(struct pollfd){ .fd = tc->input.devices[i].fd, .events = POLLIN };
	}
}

static void poll_handle(struct testcard *tc, const struct pollfd *fds)
{
	uint64_t ticks, clicks;
	bool input = false;

	for (int i = 0; i < INPUT_DEVICES; i++) {
		input |= fds[POLL_INPUT + i].revents != 0;
	}
	if (input) {
		input_read(&tc->input, report_handle, tc);
	}
	if (fds[POLL_SOUND].revents && read(tc->sound.clicked, &clicks, sizeof(clicks)) > 0) {
		console_print(&tc->console, "clicked");
	}
	if (fds[POLL_SCREEN].revents) {
		screen_finish_flip(&tc->screen, 0);
	}
	if (fds[POLL_UEVENT].revents) {
		uevents_read(tc);
	}
	if (fds[POLL_CONSOLE].revents & POLLOUT) {
		console_flush(&tc->console);
	}
	if (fds[POLL_CONSOLE].revents & POLLIN) {
		console_read(&tc->console, command_handle, tc);
	}
	if (fds[POLL_TIMER].revents && read(tc->timer, &ticks, sizeof(ticks)) > 0 &&
	    !tc->screen.flip_pending) {
		testcard_frame(tc, CARD_PART_CHANGES);
	}
}

static int loop(struct testcard *tc)
{
	struct pollfd fds[POLL_COUNT];

	while (!tc->power_off) {
		bool waiting = tc->console.fd < 0 || !tc->ready;
		int timeout = waiting ? PROBE_MS : -1;

		if (tc->flood && !tc->stopped) {
			timeout = 0;
		}
		poll_fill(tc, fds);
		if (poll(fds, POLL_COUNT, timeout) < 0 && errno != EINTR) {
			return -errno;
		}
		poll_handle(tc, fds);
		if (waiting) {
			console_open(&tc->console);
			ready_check(tc);
		}
		if (tc->flood && !tc->stopped) {
			testcard_flood(tc);
		}
	}
	return 0;
}

int main(void)
{
	static struct testcard tc;
	bool flip, cursor;
	int r;

	parameters_read(&tc, &flip, &cursor);
	console_init(&tc.console);
	input_init(&tc.input);
	sound_init(&tc.sound);
	tc.started = tc.last_device = monotonic_us();
	tc.stop_at = -1;
	tc.uevents = uevent_open();
	tc.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	console_quiet();
	r = screen_open(&tc.screen, flip);
	if (r == 0) {
		r = screen_follow_mode(&tc.screen, &flip);
	}
	if (r < 0) {
		fprintf(stderr, "testcard: no usable screen: %s\n", strerror(-r));
		return 1;
	}
	if (cursor) {
		screen_set_cursor(&tc.screen, true);
	}
	input_scan(&tc.input);
	testcard_frame(&tc, CARD_PART_CHANGES);
	testcard_pace(&tc);
	r = loop(&tc);
	if (r < 0) {
		fprintf(stderr, "testcard: %s\n", strerror(-r));
	}
	return r < 0;
}
