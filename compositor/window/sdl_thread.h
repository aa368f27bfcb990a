/* SPDX-License-Identifier: MIT */
/*
 * The thread in which everything of SDL happens, and the two ways between it and the event loop:
 * events come out of a bounded queue with an eventfd, pictures go in one at a time.
 */
#ifndef COMPOSITOR_WINDOW_SDL_THREAD_H
#define COMPOSITOR_WINDOW_SDL_THREAD_H

#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>

enum window_event_type {
	WINDOW_KEY,           /* code, pressed */
	WINDOW_BUTTON,        /* code, pressed */
	WINDOW_MOTION,        /* x, y, dx, dy in pixels of the window */
	WINDOW_WHEEL,         /* dx, dy in 120ths of a click, right and down */
	WINDOW_KEYBOARD_LOST, /* also when events had to be dropped */
	WINDOW_RESIZED,       /* width, height */
	WINDOW_PRESENTED,     /* the picture given last is on the window */
	WINDOW_CLOSE,         /* by the user, or by a desktop that is gone */
};

struct window_event {
	enum window_event_type type;
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint32_t code;
	bool pressed;
	double x, y, dx, dy;
	uint32_t width, height;
};

/* Pixels to be shown: XRGB8888. Belongs to the thread from sdl_thread_present() until
 * WINDOW_PRESENTED. */
struct window_picture {
	void *pixels;
	uint32_t width, height, stride;
};

struct sdl_thread;

/*
 * Starts the thread and waits until its window is open. Logs one sentence with the remedy when it
 * cannot be. width and height are those of the window that came to be; refresh_mhz of its screen.
 */
int sdl_thread_create(uint32_t *width, uint32_t *height, uint32_t *refresh_mhz,
		      struct sdl_thread **out);
/* Closes the window and waits for the thread's end. NULL is legal. */
void sdl_thread_destroy(struct sdl_thread *thread);

/* Readable while there are events. */
int sdl_thread_fd(const struct sdl_thread *thread);
/* Takes the oldest event; false: there is none. */
bool sdl_thread_next(struct sdl_thread *thread, struct window_event *event);

/* Shows the damaged parts of the picture. None may be under way. 0 or -ENOMEM. */
int sdl_thread_present(struct sdl_thread *thread, const struct window_picture *picture,
		       const pixman_region32_t *damage);

/* Locks the pointer into the window or lets it go, behind what was asked before. Logs when the
 * desktop does not allow it; then motion ends at the window's edge. 0 or -ENOMEM. */
int sdl_thread_lock_pointer(struct sdl_thread *thread, bool lock);

#endif
