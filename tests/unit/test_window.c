// SPDX-License-Identifier: MIT
/*
 * The window back end on SDL's dummy driver, which shows nothing: what SDL reports arrives in the
 * event loop as evdev codes, in order and bounded, and pictures go through the thread and back.
 */
#include "tests/unit/test.h"

#include <SDL2/SDL.h>
#include <linux/input-event-codes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "compositor/compositor.h"
#include "compositor/window/keymap.h"

#define LOG_SIZE (1 << 18)

static struct stage {
	sd_event *event;
	struct compositor *compositor;
	char log[LOG_SIZE];
	size_t length;
	unsigned int lines;
	uint64_t presented;
	pthread_t thread; /* the loop's */
	/* Written by SDL's thread. */
	_Atomic unsigned int locks, frees, strays;
	_Atomic bool lock_fails, lock_held, wait_fails;
} stage;

/* The dummy driver has no pointer that could be locked: this stands for one. */
int __wrap_SDL_SetRelativeMouseMode(SDL_bool enabled);
int __wrap_SDL_SetRelativeMouseMode(SDL_bool enabled)
{
	stage.strays += pthread_equal(pthread_self(), stage.thread) != 0;
	stage.locks += enabled == SDL_TRUE;
	stage.frees += enabled == SDL_FALSE;
	while (stage.lock_held) {
		sched_yield();
	}
	return stage.lock_fails ? -1 : 0;
}

/* A desktop that goes away. */
int __real_SDL_WaitEvent(SDL_Event *event);
int __wrap_SDL_WaitEvent(SDL_Event *event);
int __wrap_SDL_WaitEvent(SDL_Event *event)
{
	return stage.wait_fails ? 0 : __real_SDL_WaitEvent(event);
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	stage.length +=
		(size_t)vsnprintf(stage.log + stage.length, LOG_SIZE - stage.length, format, args);
	va_end(args);
	assert_true(stage.length < LOG_SIZE);
	stage.lines++;
}

static void handle_key(void *data, uint32_t code, bool pressed, uint64_t time_ns)
{
	note("K %u %d\n", code, pressed);
}

static void handle_button(void *data, uint32_t code, bool pressed, uint64_t time_ns)
{
	note("B %u %d\n", code, pressed);
}

static void handle_motion(void *data, double x, double y, double dx, double dy, uint64_t time_ns)
{
	note("M %g %g %g %g\n", x, y, dx, dy);
}

static void handle_wheel(void *data, int32_t vertical, int32_t horizontal, uint64_t time_ns)
{
	note("W %d %d\n", vertical, horizontal);
}

static void handle_keyboard_lost(void *data)
{
	note("lost\n");
}

static void handle_close_requested(void *data)
{
	note("close\n");
}

static void handle_presented(void *data, uint64_t vblank_ns, uint64_t sequence)
{
	stage.presented = sequence;
}

static const struct compositor_handlers handlers = {
	.key = handle_key,
	.button = handle_button,
	.motion = handle_motion,
	.wheel = handle_wheel,
	.keyboard_lost = handle_keyboard_lost,
	.close_requested = handle_close_requested,
	.presented = handle_presented,
};

static void wait_for_lines(unsigned int lines)
{
	uint64_t deadline = clock_now_ns() + 5 * NSEC_PER_SEC;

	while (stage.lines < lines) {
		if (clock_now_ns() > deadline) {
			fail_msg("only:\n%s", stage.log);
		}
		sd_event_run(stage.event, 100000);
	}
}

static void wait_for_picture(uint64_t sequence)
{
	uint64_t deadline = clock_now_ns() + 5 * NSEC_PER_SEC;

	while (stage.presented < sequence) {
		assert_true(clock_now_ns() < deadline);
		sd_event_run(stage.event, 100000);
	}
}

static int set_up(void **state)
{
	const struct compositor_options options = { .backend = COMPOSITOR_BACKEND_WINDOW,
						    .width = 320,
						    .height = 200 };

	memset(&stage, 0, sizeof(stage));
	stage.thread = pthread_self();
	setenv("SDL_VIDEODRIVER", "dummy", true);
	sd_event_new(&stage.event);
	assert_int_equal(
		compositor_create(stage.event, &options, &handlers, NULL, &stage.compositor), 0);
	wait_for_picture(1);
	/* The dummy driver reports the focus of a new window; begin behind that. */
	while (sd_event_run(stage.event, 50000) > 0) {
	}
	stage.length = stage.lines = 0;
	return 0;
}

static int tear_down(void **state)
{
	compositor_destroy(stage.compositor);
	sd_event_unref(stage.event);
	return 0;
}

static void push_key(SDL_Scancode scancode, bool pressed, bool repeat)
{
	SDL_Event event = { .key = { .type = pressed ? SDL_KEYDOWN : SDL_KEYUP,
				     .state = pressed ? SDL_PRESSED : SDL_RELEASED,
				     .repeat = repeat,
				     .keysym.scancode = scancode } };

	SDL_PushEvent(&event);
}

static void push_button(uint8_t button, bool pressed)
{
	SDL_Event event = { .button = { .type = pressed ? SDL_MOUSEBUTTONDOWN : SDL_MOUSEBUTTONUP,
					.state = pressed ? SDL_PRESSED : SDL_RELEASED,
					.button = button } };

	SDL_PushEvent(&event);
}

static void push_motion(int x, int y, int dx, int dy)
{
	SDL_Event event = {
		.motion = { .type = SDL_MOUSEMOTION, .x = x, .y = y, .xrel = dx, .yrel = dy }
	};

	SDL_PushEvent(&event);
}

static void push_wheel(float x, float y, bool flipped)
{
	SDL_Event event = { .wheel = { .type = SDL_MOUSEWHEEL,
				       .preciseX = x,
				       .preciseY = y,
				       .direction = flipped ? SDL_MOUSEWHEEL_FLIPPED
							    : SDL_MOUSEWHEEL_NORMAL } };

	SDL_PushEvent(&event);
}

static void push_window_event(uint8_t what)
{
	SDL_Event event = { .window = { .type = SDL_WINDOWEVENT, .event = what } };

	SDL_PushEvent(&event);
}

static void keys_and_buttons_arrive_in_order(void **state)
{
	push_key(SDL_SCANCODE_RCTRL, true, false);
	push_key(SDL_SCANCODE_A, true, false);
	push_key(SDL_SCANCODE_A, true, true); /* repeats are the guest's business */
	push_key(SDL_SCANCODE_A, false, false);
	push_key(SDL_SCANCODE_UNKNOWN, true, false);
	push_button(SDL_BUTTON_LEFT, true);
	push_button(SDL_BUTTON_LEFT, false);
	push_button(77, true);
	push_button(SDL_BUTTON_X2, true);
	push_key(SDL_SCANCODE_RCTRL, false, false);
	wait_for_lines(7);
	assert_string_equal(stage.log, "K 97 1\nK 30 1\nK 30 0\nB 272 1\nB 272 0\nB 276 1\n"
				       "K 97 0\n");
}

static void wheel_is_counted_in_120ths(void **state)
{
	push_wheel(0, 1, false);
	push_wheel(-0.5f, 0, false);
	push_wheel(0, 1, true);
	/* 8 times an eighth of a 120th. */
	for (int i = 0; i < 8; i++) {
		push_wheel(0, -1.0f / 960, false);
	}
	wait_for_lines(4);
	assert_string_equal(stage.log, "W -120 0\nW 0 -60\nW 120 0\nW 1 0\n");
}

static void motion_that_waits_is_summed_up(void **state)
{
	double x = 0, dx = 0, dy = 0;
	uint64_t deadline = clock_now_ns() + 5 * NSEC_PER_SEC;

	for (int i = 1; i <= 200; i++) {
		push_motion(i, 100, 1, -1);
	}
	while (x < 200 && clock_now_ns() < deadline) {
		double one_dx, one_dy;

		sd_event_run(stage.event, 100000);
		for (char *line = stage.log; *line; line = strchr(line, '\n') + 1) {
			assert_int_equal(sscanf(line, "M %lf %*f %lf %lf", &x, &one_dx, &one_dy),
					 3);
			dx += one_dx;
			dy += one_dy;
		}
		stage.log[0] = '\0';
		stage.length = 0;
	}
	assert_true(x == 200 && dx == 200 && dy == -200);
}

/* What is pushed behind a request arrives when SDL has had it. */
static void a_locked_pointer_moves_without_end(void **state)
{
	compositor_lock_pointer(stage.compositor, true);
	push_motion(319, 100, 40, -3);
	wait_for_lines(1);
	assert_string_equal(stage.log, "M 319 100 40 -3\n");
	assert_int_equal(stage.locks, 1);
	assert_int_equal(stage.frees, 0);
	push_motion(319, 100, 41, 0);
	wait_for_lines(2);
	compositor_lock_pointer(stage.compositor, false);
	push_key(SDL_SCANCODE_A, true, false);
	wait_for_lines(3);
	assert_string_equal(stage.log, "M 319 100 40 -3\nM 319 100 41 0\nK 30 1\n");
	assert_int_equal(stage.locks, 1);
	assert_int_equal(stage.frees, 1);
	assert_int_equal(stage.strays, 0);
}

static void a_pointer_that_cannot_be_locked_still_moves(void **state)
{
	stage.lock_fails = true;
	compositor_lock_pointer(stage.compositor, true);
	push_motion(10, 20, 1, 2);
	wait_for_lines(1);
	assert_string_equal(stage.log, "M 10 20 1 2\n");
	assert_int_equal(stage.locks, 1);
}

static void focus_and_close_are_told(void **state)
{
	push_window_event(SDL_WINDOWEVENT_FOCUS_LOST);
	push_window_event(SDL_WINDOWEVENT_CLOSE);
	wait_for_lines(2);
	assert_string_equal(stage.log, "lost\nclose\n");
}

static void a_lost_desktop_closes_the_window(void **state)
{
	stage.wait_fails = true;
	push_key(SDL_SCANCODE_A, true, false);
	wait_for_lines(2);
	assert_string_equal(stage.log, "K 30 1\nclose\n");
}

static void push_flood(void)
{
	for (int i = 0; i < 1500; i++) {
		push_key(SDL_SCANCODE_A, true, false);
		push_key(SDL_SCANCODE_A, false, false);
	}
}

/* The thread is through with them when it has taken an event behind them. */
static void wait_for_thread(void)
{
	uint64_t deadline = clock_now_ns() + 10 * NSEC_PER_SEC;

	push_window_event(SDL_WINDOWEVENT_ENTER);
	while (SDL_HasEvents(SDL_WINDOWEVENT, SDL_LASTEVENT)) {
		assert_true(clock_now_ns() < deadline);
		sched_yield();
	}
}

/* A loop that does not get to run: the queue is bounded, and the loss is told at its end. */
static void a_flood_is_bounded(void **state)
{
	push_flood();
	wait_for_thread();
	wait_for_lines(1025);
	assert_int_equal(stage.lines, 1025);
	assert_string_equal(stage.log + stage.length - 5, "lost\n");
}

/* Without news of its picture the window would stand still for good. */
static void a_flood_drops_no_picture(void **state)
{
	uint64_t before = stage.presented;

	stage.lock_held = true;
	compositor_lock_pointer(stage.compositor, true);
	push_flood();
	compositor_notice(stage.compositor, "behind the flood");
	while (sd_event_run(stage.event, 50000) > 0) {
	}
	stage.lock_held = false;
	wait_for_thread();
	wait_for_picture(before + 1);
	compositor_notice(stage.compositor, NULL);
	wait_for_picture(before + 2);
}

static void pictures_go_through_the_thread(void **state)
{
	uint64_t before = stage.presented;
	int fd = memfd_create("picture", MFD_CLOEXEC);
	struct picture *picture;

	compositor_notice(stage.compositor, "one");
	wait_for_picture(before + 1);
	compositor_notice(stage.compositor, NULL);
	wait_for_picture(before + 2);
	assert_int_equal(compositor_picture_take(stage.compositor, 0, &picture), 0);
	assert_int_equal(picture_write_png(picture, fd), 0);
	picture_destroy(picture);
	assert_true(lseek(fd, 0, SEEK_END) > 100);
	close(fd);
}

static void a_missing_desktop_is_one_error(void **state)
{
	const struct compositor_options options = { .backend = COMPOSITOR_BACKEND_WINDOW };
	struct compositor *compositor = NULL;
	sd_event *event;

	setenv("SDL_VIDEODRIVER", "nonesuch", true);
	sd_event_new(&event);
	assert_true(compositor_create(event, &options, &handlers, NULL, &compositor) < 0);
	assert_null(compositor);
	sd_event_unref(event);
}

static void codes_are_those_of_evdev(void **state)
{
	static const struct {
		SDL_Scancode scancode;
		uint32_t code;
	} keys[] = {
		{ SDL_SCANCODE_ESCAPE, KEY_ESC },
		{ SDL_SCANCODE_1, KEY_1 },
		{ SDL_SCANCODE_0, KEY_0 },
		{ SDL_SCANCODE_Z, KEY_Z },
		{ SDL_SCANCODE_GRAVE, KEY_GRAVE },
		{ SDL_SCANCODE_F12, KEY_F12 },
		{ SDL_SCANCODE_F24, KEY_F24 },
		{ SDL_SCANCODE_KP_ENTER, KEY_KPENTER },
		{ SDL_SCANCODE_NONUSBACKSLASH, KEY_102ND },
		{ SDL_SCANCODE_RGUI, KEY_RIGHTMETA },
		{ SDL_SCANCODE_PAUSE, KEY_PAUSE },
		{ SDL_SCANCODE_PRINTSCREEN, KEY_SYSRQ },
		{ SDL_SCANCODE_APPLICATION, KEY_COMPOSE },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		assert_int_equal(window_key_code(keys[i].scancode), keys[i].code);
	}
	assert_int_equal(window_key_code(100000), 0);
	assert_int_equal(window_button_code(SDL_BUTTON_MIDDLE), BTN_MIDDLE);
	assert_int_equal(window_button_code(0), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keys_and_buttons_arrive_in_order),
		TEST(wheel_is_counted_in_120ths),
		TEST(motion_that_waits_is_summed_up),
		TEST(a_locked_pointer_moves_without_end),
		TEST(a_pointer_that_cannot_be_locked_still_moves),
		TEST(focus_and_close_are_told),
		TEST(a_lost_desktop_closes_the_window),
		TEST(a_flood_is_bounded),
		TEST(a_flood_drops_no_picture),
		TEST(pictures_go_through_the_thread),
		cmocka_unit_test(a_missing_desktop_is_one_error),
		cmocka_unit_test(codes_are_those_of_evdev),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
