// SPDX-License-Identifier: MIT
/* A seat of three made-up guests; see fake_seat.h. */
#include "tests/unit/fake_seat.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/list.h"
#include "control/control.h"

#define DEADLINE_MS 20000

/*
 * In the place of libc's: with it, a seat sees clients of another user without a second user being
 * there. Files are made before it is switched on.
 */
static bool believes_to_be_another, without_card;

uid_t geteuid(void)
{
	return (uid_t)syscall(SYS_geteuid) + believes_to_be_another;
}

struct fake_seat {
	struct control *control;
	sd_event *event;
	char focused[32];
	bool switcher;
	int memory; /* what ExportOutput gives */
	int gate;   /* the seat's end, or -1 */
	char owner[32]; /* of the card */
	bool moving;	/* it is on the way to beta, which alpha delays */
};

static const char *const guest_names[] = { "alpha", "beta", "gamma" };

static void fake_describe(void *data, struct control_seat *out)
{
	struct fake_seat *seat = data;

	*out = (struct control_seat){ .backend = "headless",
				      .renderer = "pixman",
				      .version = "9.9",
				      .width = 640,
				      .height = 480,
				      .refresh_mhz = 60000,
				      .switcher = seat->switcher,
				      .acceleration = "tcg",
				      .sound = "loudspeaker",
				      .cards = 1,
				      .card_trouble = seat->moving ? "no broker" : NULL };
}

static void fake_each(void *data, void (*each)(const struct control_guest *, void *),
		      void *each_data)
{
	struct fake_seat *seat = data;

	for (unsigned int i = 0; i < 3; i++) {
		struct control_guest guest = { .name = guest_names[i],
					       .slot = i + 1,
					       .state = "running",
					       .focused = !strcmp(seat->focused, guest_names[i]),
					       .pid = 100 + (int)i,
					       .width = 320,
					       .height = 200,
					       .live = true,
					       .frames = 1ull << 40,
					       .keys_sent = 7,
					       .keys_dropped = 2,
					       .input = i == 0 ? "keyboard, pen" : "emulated",
					       .source = i == 0 ? "card" : "virtio",
					       .sound = i == 1 ? "muted" : i ? "silent" : "plays",
					       .underruns = 3,
					       .volume = 60 + 20 * i,
					       .muted = i == 1,
					       .recording = i ? "nothing" : "microphone",
					       .microphone = i == 0 };

		/* No UTF-8, a terminal's escape: what a hostile guest might bring about. */
		guest.capture = i > 0 ? "it \x1b[2J lies" : NULL;
		guest.monitors = *seat->owner ? i == 0 ? "DP-1 owned" : "DP-1 absent" : "";
		guest.reason = i == 2 ? "bad \xff\x1b[2J \xc3\xa4" : NULL;
		each(&guest, each_data);
	}
}

/* Every action says through a signal what it was asked, so that the client can compare. */
static void told(struct fake_seat *seat, const char *what, const char *detail)
{
	control_guest_changed(seat->control, what, detail);
}

static int fake_focus(void *data, const char *guest, const char **why)
{
	struct fake_seat *seat = data;

	for (size_t i = 0; i < 3; i++) {
		if (!strcmp(guest, guest_names[i])) {
			snprintf(seat->focused, sizeof(seat->focused), "%s", guest);
			control_focus_changed(seat->control, guest);
			return 0;
		}
	}
	*why = "no such guest here";
	return -ENOENT;
}

static int fake_next(void *data, const char **why)
{
	told(data, "next", "");
	return 0;
}

static int fake_back(void *data, const char **why)
{
	told(data, "back", "");
	return 0;
}

static int fake_switcher(void *data, bool open, const char **why)
{
	struct fake_seat *seat = data;

	seat->switcher = open;
	return 0;
}

/* "PNG of" a guest or the screen; the one of gamma waits at the gate. */
struct fake_job {
	struct control_job base;
	char text[64];
	int gate; /* or -1 */
};

static int write_fake_picture(struct control_job *base, int fd)
{
	const struct fake_job *job = container_of(base, struct fake_job, base);
	char byte;

	if (job->gate >= 0 &&
	    (write(job->gate, "?", 1) != 1 || read(job->gate, &byte, 1) != 1)) {
		return -EPIPE;
	}
	return dprintf(fd, "%s", job->text) < 0 ? -errno : 0;
}

static void destroy_fake_job(struct control_job *base)
{
	free(container_of(base, struct fake_job, base));
}

static int fake_screenshot(void *data, const char *guest, struct control_job **out,
			   const char **why)
{
	struct fake_seat *seat = data;
	struct fake_job *job = calloc(1, sizeof(*job));

	if (guest && !strcmp(guest, "nobody")) {
		free(job);
		*why = "no such guest here";
		return -ENOENT;
	}
	job->base = (struct control_job){ write_fake_picture, destroy_fake_job };
	job->gate = guest && !strcmp(guest, "gamma") ? seat->gate : -1;
	snprintf(job->text, sizeof(job->text), "PNG of %s", guest ? guest : "the screen");
	*out = &job->base;
	return 0;
}

static int fake_start(void *data, const char *guest, const char **why)
{
	told(data, "start", guest);
	return 0;
}

static int fake_shutdown(void *data, const char *guest, const char **why)
{
	*why = "alpha is stopped already";
	return -EALREADY;
}

static int fake_kill(void *data, const char *guest, const char **why)
{
	return -EIO; /* no sentence: the error's own words do */
}

static int fake_reset(void *data, const char *guest, const char **why)
{
	told(data, "reset", guest);
	return 0;
}

static int fake_pause(void *data, const char *guest, bool paused, const char **why)
{
	told(data, paused ? "pause" : "resume", guest);
	return 0;
}

#define QUIT_USEC (200 * 1000)

static int handle_quit_time(sd_event_source *source, uint64_t usec, void *data)
{
	return sd_event_exit(sd_event_source_get_event(source), (int)(intptr_t)data);
}

/* The end comes a while after the answer, as at a real seat with guests to shut down. */
static int fake_quit(void *data, bool guests, const char **why)
{
	struct fake_seat *seat = data;
	intptr_t status = guests ? FAKE_SEAT_QUIT_GUESTS : 0;

	told(seat, "quit", guests ? "guests" : "");
	return sd_event_add_time_relative(seat->event, NULL, CLOCK_MONOTONIC, QUIT_USEC, 1000,
					  handle_quit_time, (void *)status);
}

static int fake_reload(void *data, const char **why)
{
	told(data, "reload", "");
	return 0;
}

static int fake_key(void *data, uint32_t code, bool pressed, const char **why)
{
	char text[32];

	snprintf(text, sizeof(text), "%u %d", code, pressed);
	told(data, "key", text);
	return 0;
}

static int fake_button(void *data, uint32_t code, bool pressed, const char **why)
{
	*why = "input is injected only on headless and window";
	return -EPERM;
}

static int fake_motion(void *data, double dx, double dy, const char **why)
{
	char text[64];

	snprintf(text, sizeof(text), "%g %g", dx, dy);
	told(data, "motion", text);
	return 0;
}

static int fake_absolute(void *data, double x, double y, const char **why)
{
	char text[64];

	snprintf(text, sizeof(text), "%g %g", x, y);
	told(data, "absolute", text);
	return 0;
}

static int fake_wheel(void *data, int32_t v120, int32_t h120, const char **why)
{
	char text[64];

	snprintf(text, sizeof(text), "%d %d", v120, h120);
	told(data, "wheel", text);
	return 0;
}

static int fake_inject_to(void *data, const char *guest, const char *what, double a, double b,
			  const char **why)
{
	char text[128];

	if (strcmp(guest, "gamma") == 0) {
		*why = "Programs may not type into guests.";
		return -EPERM;
	}
	snprintf(text, sizeof(text), "%s %s %g %g", guest, what, a, b);
	told(data, "into", text);
	return 0;
}

/* Two events, and the end. */
static int fake_record(void *data, int fd, const char **why)
{
	static const char lines[] = "0.000 key 30 1\n12.500 wheel 0 -120\n";

	assert_int_equal(write(fd, lines, sizeof(lines) - 1), sizeof(lines) - 1);
	return 0;
}

/* One card that moves to whom it is given, and rests when it is answered. */
static struct control_card describe_card(const struct fake_seat *seat)
{
	return (struct control_card){
		.name = "gpu",
		.address = "0000:01:00",
		.state = seat->moving ? "ejecting" : *seat->owner ? "guest" : "host",
		.owner = *seat->owner ? seat->owner : NULL,
		.target = seat->moving ? "beta" : NULL,
		.moving = seat->moving,
		.stage = seat->moving ? "eject" : NULL,
		.stage_ms = seat->moving ? 2500 : 0,
		.asking = seat->moving,
		.drivers = "bochs-drm snd_hda_intel",
		.only_screen = true,
		.sound = true,
		.text = seat->moving ? "alpha does not let go \xff" : NULL,
	};
}

static void fake_each_card(void *data, void (*each)(const struct control_card *, void *),
			   void *each_data)
{
	struct control_card card = describe_card(data);

	if (!without_card) {
		each(&card, each_data);
	}
}

/* Two, while the card rests with alpha. */
static void fake_each_monitor(void *data, void (*each)(const struct control_monitor *, void *),
			      void *each_data)
{
	struct fake_seat *seat = data;

	if (seat->moving || strcmp(seat->owner, "alpha") != 0) {
		return;
	}
	each(&(struct control_monitor){ .name = "DP-1", .card = "gpu", .cable = "only",
					.path = "owned", .guest = "alpha", .width = 1920,
					.height = 1080 },
	     each_data);
	each(&(struct control_monitor){ .name = "HDMI-A-2", .card = "gpu", .cable = "also",
					.path = "composited", .text = "it \xff lies" },
	     each_data);
}

static void tell_card(struct fake_seat *seat)
{
	struct control_card card = describe_card(seat);

	control_card_changed(seat->control, &card);
}

static int fake_give(void *data, const char **card, const char *guest, bool dark,
		     const char **why)
{
	struct fake_seat *seat = data;

	if (*card && strcmp(*card, "gpu")) {
		*why = "no such card here";
		return -ENXIO;
	}
	if (guest && !dark) {
		*why = "the screen goes dark";
		return -EBUSY;
	}
	*card = "gpu";
	seat->moving = guest && !strcmp(guest, "beta");
	snprintf(seat->owner, sizeof(seat->owner), "%s", seat->moving ? "alpha" : guest ? guest : "");
	tell_card(seat);
	return 0;
}

static int fake_answer(void *data, const char *card, const char *answer, const char **why)
{
	struct fake_seat *seat = data;

	if (!seat->moving) {
		*why = "nobody asks";
		return -EALREADY;
	}
	seat->moving = false;
	snprintf(seat->owner, sizeof(seat->owner), "%s", strcmp(answer, "abort") ? "beta" : "alpha");
	told(seat, card, answer);
	tell_card(seat);
	return 0;
}

static int fake_volume(void *data, const char *guest, unsigned int percent, bool muted,
		       const char **why)
{
	char text[64];

	if (percent > 100) {
		*why = "too loud";
		return -EINVAL;
	}
	snprintf(text, sizeof(text), "%s %u %d", guest, percent, muted);
	told(data, "volume", text);
	return 0;
}

static int fake_microphone(void *data, const char *guest, const char *answer, const char **why)
{
	char text[64];

	if (strcmp(answer, "allow") != 0) {
		*why = "no such answer here";
		return -EINVAL;
	}
	snprintf(text, sizeof(text), "%s %s", guest, answer);
	told(data, "microphone", text);
	return 0;
}

static int fake_export(void *data, const char **why)
{
	struct fake_seat *seat = data;

	return seat->memory;
}

static const struct control_actions fake_actions = {
	.describe_seat = fake_describe,
	.each_guest = fake_each,
	.focus = fake_focus,
	.focus_next = fake_next,
	.focus_back = fake_back,
	.switcher = fake_switcher,
	.screenshot = fake_screenshot,
	.start = fake_start,
	.shutdown = fake_shutdown,
	.kill = fake_kill,
	.reset = fake_reset,
	.pause = fake_pause,
	.quit = fake_quit,
	.reload = fake_reload,
	.volume = fake_volume,
	.microphone = fake_microphone,
	.each_card = fake_each_card,
	.each_monitor = fake_each_monitor,
	.give_card = fake_give,
	.answer_card = fake_answer,
	.inject_key = fake_key,
	.inject_button = fake_button,
	.inject_motion = fake_motion,
	.inject_absolute = fake_absolute,
	.inject_wheel = fake_wheel,
	.inject_to = fake_inject_to,
	.record = fake_record,
	.export_output = fake_export,
};

/* Runs until Quit. A byte in ready says that the socket is there. */
static int seat_main(const char *socket_path, bool foreign, int gate, int ready)
{
	struct fake_seat seat = { .focused = "alpha", .gate = gate };
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	seat.memory = memfd_create("output", MFD_CLOEXEC);
	if (dprintf(seat.memory, "pixels") < 0 || sd_event_new(&seat.event) < 0 ||
	    control_create(seat.event, socket_path, &fake_actions, &seat, &seat.control) < 0) {
		return 99;
	}
	believes_to_be_another = foreign;
	if (write(ready, "!", 1) != 1) {
		return 99;
	}
	r = sd_event_loop(seat.event);
	control_destroy(seat.control);
	sd_event_unref(seat.event);
	close(seat.memory);
	return r < 0 ? 98 : r;
}

void fake_seat_start(struct fake_seat_process *seat)
{
	int ready[2], gate[2];
	char byte;

	/* No bus of the machine must be met, nor end the test when a connection breaks. */
	unsetenv("DBUS_SESSION_BUS_ADDRESS");
	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("INVOCATION_ID");
	signal(SIGPIPE, SIG_IGN);
	snprintf(seat->dir, sizeof(seat->dir), "/tmp/fake-seat-XXXXXX");
	assert_non_null(mkdtemp(seat->dir));
	snprintf(seat->folder, sizeof(seat->folder), "%s/run", seat->dir);
	snprintf(seat->socket, sizeof(seat->socket), "%s/" CONTROL_SOCKET, seat->folder);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gate), 0);
	seat->pid = fork();
	if (seat->pid == 0) {
		close(ready[0]);
		close(gate[0]);
		if (seat->bus) {
			setenv("DBUS_SESSION_BUS_ADDRESS", seat->bus, 1);
		}
		without_card = seat->without_card;
		_exit(seat_main(seat->socket, seat->foreign, gate[1], ready[1]));
	}
	assert_true(seat->pid > 0);
	close(ready[1]);
	close(gate[1]);
	seat->gate = gate[0];
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

int fake_seat_wait(struct fake_seat_process *seat)
{
	_cleanup_close_ int process = pidfd_open(seat->pid, 0);
	struct pollfd p = { .fd = process, .events = POLLIN };
	int status;

	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
	assert_int_equal(waitpid(seat->pid, &status, 0), seat->pid);
	seat->pid = 0;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void fake_seat_stop(struct fake_seat_process *seat)
{
	if (seat->pid > 0) {
		kill(seat->pid, SIGKILL);
		waitpid(seat->pid, NULL, 0);
		unlink(seat->socket);
	}
	close(seat->gate);
	rmdir(seat->folder);
	rmdir(seat->dir);
}
