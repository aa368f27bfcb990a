// SPDX-License-Identifier: MIT
/*
 * SDL in a thread of its own; see sdl_thread.h. The thread sleeps in SDL_WaitEvent(); the loop
 * wakes it with a user event. No lock is held while SDL is called.
 */
#include "compositor/window/sdl_thread.h"

#include <SDL2/SDL.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "compositor/window/keymap.h"
#include "compositor/window/sdl_library.h"

/* Input may fill the queue up to its length; behind that there is room for what must not be lost:
 * one picture's end, the last size, the end of the window. */
#define INPUT_MAX 1024
#define QUEUE_LENGTH (INPUT_MAX + 16)
#define RECTS_MAX 64

/* What the loop asks the thread to do, as SDL_UserEvent::code. */
enum request { REQUEST_PRESENT, REQUEST_LOCK_POINTER, REQUEST_FREE_POINTER, REQUEST_QUIT };

struct sdl_thread {
	pthread_t thread;
	int event_fd;
	SDL_Window *window; /* the thread's own, as all of SDL */
	uint32_t request_event;
	uint32_t width, height, refresh_mhz;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t started_cond;
	bool started;
	int start_error;
	struct window_event queue[QUEUE_LENGTH];
	unsigned int first, count;
	bool overflown;
	struct window_picture picture;
	SDL_Rect rects[RECTS_MAX];
	int rects_count;
};

/* ---- events to the loop ---- */

/* Motion that nobody has looked at yet becomes one, and of sizes the last one counts. */
static bool merge_event(struct sdl_thread *t, const struct window_event *event)
{
	struct window_event *last = &t->queue[(t->first + t->count - 1) % QUEUE_LENGTH];
	double dx = event->dx, dy = event->dy;

	if (t->count == 0 || last->type != event->type ||
	    (event->type != WINDOW_MOTION && event->type != WINDOW_RESIZED)) {
		return false;
	}
	dx += last->dx;
	dy += last->dy;
	*last = *event;
	last->dx = dx;
	last->dy = dy;
	return true;
}

static bool has_room(const struct sdl_thread *t, enum window_event_type type)
{
	bool needed = type == WINDOW_PRESENTED || type == WINDOW_RESIZED || type == WINDOW_CLOSE;

	return t->count < (needed ? QUEUE_LENGTH : INPUT_MAX);
}

static void queue_event(struct sdl_thread *t, struct window_event event)
{
	uint64_t one = 1;

	event.time_ns = clock_now_ns();
	pthread_mutex_lock(&t->lock);
	if (!merge_event(t, &event)) {
		if (has_room(t, event.type)) {
			t->queue[(t->first + t->count++) % QUEUE_LENGTH] = event;
		} else {
			t->overflown = true;
		}
	}
	pthread_mutex_unlock(&t->lock);
	if (write(t->event_fd, &one, sizeof(one)) < 0) {
		/* The counter is full, hence the descriptor readable. */
	}
}

static void queue_size(struct sdl_thread *t)
{
	struct window_event event = { .type = WINDOW_RESIZED };
	int width, height;

	SDL_GetWindowSize(t->window, &width, &height);
	event.width = (uint32_t)width;
	event.height = (uint32_t)height;
	queue_event(t, event);
}

static void queue_key(struct sdl_thread *t, const SDL_KeyboardEvent *key)
{
	struct window_event event = { .type = WINDOW_KEY,
				      .code = window_key_code(key->keysym.scancode),
				      .pressed = key->state == SDL_PRESSED };

	if (event.code != 0 && !key->repeat) {
		queue_event(t, event);
	}
}

static void queue_button(struct sdl_thread *t, const SDL_MouseButtonEvent *button)
{
	struct window_event event = { .type = WINDOW_BUTTON,
				      .code = window_button_code(button->button),
				      .pressed = button->state == SDL_PRESSED };

	if (event.code != 0) {
		queue_event(t, event);
	}
}

static void queue_wheel(struct sdl_thread *t, const SDL_MouseWheelEvent *wheel)
{
	double sign = wheel->direction == SDL_MOUSEWHEEL_FLIPPED ? -1 : 1;

	queue_event(t, (struct window_event){ .type = WINDOW_WHEEL,
					      .dx = sign * wheel->preciseX * 120,
					      .dy = -sign * wheel->preciseY * 120 });
}

static void handle_window_event(struct sdl_thread *t, const SDL_WindowEvent *event)
{
	switch (event->event) {
	case SDL_WINDOWEVENT_SIZE_CHANGED:
		queue_size(t);
		break;
	case SDL_WINDOWEVENT_EXPOSED:
		/* The surface still has the last picture. */
		if (SDL_GetWindowSurface(t->window)) {
			SDL_UpdateWindowSurface(t->window);
		}
		break;
	case SDL_WINDOWEVENT_FOCUS_GAINED:
		/* Without it the desktop would take the chords for itself. */
		SDL_SetWindowKeyboardGrab(t->window, SDL_TRUE);
		break;
	case SDL_WINDOWEVENT_FOCUS_LOST:
		SDL_SetWindowKeyboardGrab(t->window, SDL_FALSE);
		queue_event(t, (struct window_event){ .type = WINDOW_KEYBOARD_LOST });
		break;
	case SDL_WINDOWEVENT_CLOSE:
		queue_event(t, (struct window_event){ .type = WINDOW_CLOSE });
		break;
	default:
		break;
	}
}

/* ---- pictures from the loop ---- */

static void present(struct sdl_thread *t)
{
	SDL_Surface *surface = SDL_GetWindowSurface(t->window), *picture;
	struct window_picture from;
	SDL_Rect rects[RECTS_MAX];
	int count;

	pthread_mutex_lock(&t->lock);
	from = t->picture;
	count = t->rects_count;
	memcpy(rects, t->rects, sizeof(rects));
	pthread_mutex_unlock(&t->lock);
	picture = SDL_CreateRGBSurfaceWithFormatFrom(from.pixels, (int)from.width, (int)from.height,
						     32, (int)from.stride, SDL_PIXELFORMAT_RGB888);
	/* A surface of another size belongs to a window that was resized meanwhile: the picture
	 * in the new size follows. */
	if (surface && picture && surface->w == picture->w && surface->h == picture->h) {
		for (int i = 0; i < count; i++) {
			SDL_Rect to = rects[i]; /* SDL changes it */

			SDL_BlitSurface(picture, &rects[i], surface, &to);
		}
		SDL_UpdateWindowSurfaceRects(t->window, rects, count);
	}
	SDL_FreeSurface(picture);
	queue_event(t, (struct window_event){ .type = WINDOW_PRESENTED });
}

/* ---- the thread ---- */

static void lock_pointer(bool lock)
{
	/* SDL warps the pointer back to where it was locked by itself. */
	if (SDL_SetRelativeMouseMode(lock ? SDL_TRUE : SDL_FALSE) < 0) {
		log_warning("The pointer cannot be %s: %s.", lock ? "locked" : "let go",
			    SDL_GetError());
	}
}

/* False: the thread is to end. */
static bool handle_request(struct sdl_thread *t, enum request code)
{
	switch (code) {
	case REQUEST_PRESENT:
		present(t);
		break;
	case REQUEST_LOCK_POINTER:
	case REQUEST_FREE_POINTER:
		lock_pointer(code == REQUEST_LOCK_POINTER);
		break;
	case REQUEST_QUIT:
		return false;
	}
	return true;
}

static bool handle_event(struct sdl_thread *t, const SDL_Event *event)
{
	switch (event->type) {
	case SDL_KEYDOWN:
	case SDL_KEYUP:
		queue_key(t, &event->key);
		break;
	case SDL_MOUSEBUTTONDOWN:
	case SDL_MOUSEBUTTONUP:
		queue_button(t, &event->button);
		break;
	case SDL_MOUSEMOTION:
		queue_event(t, (struct window_event){ .type = WINDOW_MOTION,
						      .x = event->motion.x,
						      .y = event->motion.y,
						      .dx = event->motion.xrel,
						      .dy = event->motion.yrel });
		break;
	case SDL_MOUSEWHEEL:
		queue_wheel(t, &event->wheel);
		break;
	case SDL_WINDOWEVENT:
		handle_window_event(t, &event->window);
		break;
	default:
		if (event->type == t->request_event) {
			return handle_request(t, (enum request)event->user.code);
		}
		break;
	}
	return true;
}

static int open_window(struct sdl_thread *t)
{
	SDL_DisplayMode mode;

	SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
	SDL_SetHint(SDL_HINT_GRAB_KEYBOARD, "1");
	SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
	SDL_SetHint(SDL_HINT_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR, "0");
	/* Plain shared memory: a software GL behind the surface would cost twice the memory. */
	SDL_SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, "0");
	if (SDL_Init(SDL_INIT_VIDEO) < 0) {
		return -EIO;
	}
	t->window = SDL_CreateWindow("Baton", SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED,
				     (int)t->width, (int)t->height, SDL_WINDOW_RESIZABLE);
	if (!t->window) {
		return -EIO;
	}
	SDL_StopTextInput();
	/* Guests' pointers are drawn by us. */
	SDL_ShowCursor(SDL_DISABLE);
	if (SDL_GetWindowDisplayMode(t->window, &mode) == 0 && mode.refresh_rate > 0) {
		t->refresh_mhz = (uint32_t)mode.refresh_rate * 1000;
	}
	return 0;
}

static void report_start(struct sdl_thread *t, int error)
{
	int width, height;

	if (error < 0) {
		log_error("No window can be opened: %s. Is DISPLAY or WAYLAND_DISPLAY that of a "
			  "desktop you may use?",
			  SDL_GetError());
	} else {
		SDL_GetWindowSize(t->window, &width, &height);
		t->width = (uint32_t)width;
		t->height = (uint32_t)height;
		t->request_event = SDL_RegisterEvents(1);
	}
	pthread_mutex_lock(&t->lock);
	t->started = true;
	t->start_error = error;
	pthread_cond_signal(&t->started_cond);
	pthread_mutex_unlock(&t->lock);
}

static void handle_all_events(struct sdl_thread *t)
{
	SDL_Event event;

	do {
		if (!SDL_WaitEvent(&event)) {
			log_error("The window is lost: %s.", SDL_GetError());
			queue_event(t, (struct window_event){ .type = WINDOW_CLOSE });
			return;
		}
	} while (handle_event(t, &event));
}

static void *run(void *data)
{
	struct sdl_thread *t = data;
	int r = open_window(t);

	report_start(t, r);
	if (r == 0) {
		handle_all_events(t);
	}
	if (t->window) {
		SDL_DestroyWindow(t->window);
	}
	SDL_Quit();
	return NULL;
}

/* ---- the loop's side ---- */

static int request(struct sdl_thread *t, enum request code)
{
	SDL_Event event = { 0 };

	event.type = t->request_event;
	event.user.code = (int)code;
	/* The one call that SDL allows from any thread. */
	return SDL_PushEvent(&event) < 0 ? -ENOMEM : 0;
}

/* Signals are for the loop's thread: the new one starts with all of them blocked. */
static int start_thread(struct sdl_thread *t)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&t->thread, NULL, run, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r < 0) {
		log_error("No thread for the window: %s.", strerror(-r));
		return r;
	}
	pthread_mutex_lock(&t->lock);
	while (!t->started) {
		pthread_cond_wait(&t->started_cond, &t->lock);
	}
	r = t->start_error;
	pthread_mutex_unlock(&t->lock);
	if (r < 0) {
		pthread_join(t->thread, NULL);
	}
	return r;
}

static void thread_free(struct sdl_thread *t)
{
	pthread_cond_destroy(&t->started_cond);
	pthread_mutex_destroy(&t->lock);
	if (t->event_fd >= 0) {
		close(t->event_fd);
	}
	free(t);
}

int sdl_thread_create(uint32_t *width, uint32_t *height, uint32_t *refresh_mhz,
		      struct sdl_thread **out)
{
	struct sdl_thread *t;
	int r = sdl_library_load();

	if (r < 0) {
		return r;
	}
	t = calloc(1, sizeof(*t));
	if (!t) {
		return -ENOMEM;
	}
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->started_cond, NULL);
	t->width = *width;
	t->height = *height;
	t->refresh_mhz = 60000;
	t->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = t->event_fd < 0 ? -errno : start_thread(t);
	if (r < 0) {
		thread_free(t);
		return r;
	}
	*width = t->width;
	*height = t->height;
	*refresh_mhz = t->refresh_mhz;
	*out = t;
	return 0;
}

void sdl_thread_destroy(struct sdl_thread *t)
{
	if (!t) {
		return;
	}
	request(t, REQUEST_QUIT);
	pthread_join(t->thread, NULL);
	thread_free(t);
}

int sdl_thread_fd(const struct sdl_thread *t)
{
	return t->event_fd;
}

bool sdl_thread_next(struct sdl_thread *t, struct window_event *event)
{
	uint64_t ignored;
	bool found = true;

	pthread_mutex_lock(&t->lock);
	if (t->count > 0) {
		*event = t->queue[t->first];
		t->first = (t->first + 1) % QUEUE_LENGTH;
		t->count--;
	} else if (t->overflown) {
		*event = (struct window_event){ .type = WINDOW_KEYBOARD_LOST,
						.time_ns = clock_now_ns() };
		t->overflown = false;
	} else {
		found = false;
		if (read(t->event_fd, &ignored, sizeof(ignored)) < 0) {
			/* It was empty already. */
		}
	}
	pthread_mutex_unlock(&t->lock);
	return found;
}

/* Few boxes as they are, many as one around all of them. */
static void set_rects(struct sdl_thread *t, const pixman_region32_t *damage)
{
	int count;
	const pixman_box32_t *boxes =
		pixman_region32_rectangles((pixman_region32_t *)damage, &count);

	if (count > RECTS_MAX) {
		boxes = pixman_region32_extents((pixman_region32_t *)damage);
		count = 1;
	}
	for (int i = 0; i < count; i++) {
		t->rects[i] = (SDL_Rect){ boxes[i].x1, boxes[i].y1, boxes[i].x2 - boxes[i].x1,
					  boxes[i].y2 - boxes[i].y1 };
	}
	t->rects_count = count;
}

int sdl_thread_present(struct sdl_thread *t, const struct window_picture *picture,
		       const pixman_region32_t *damage)
{
	pthread_mutex_lock(&t->lock);
	t->picture = *picture;
	set_rects(t, damage);
	pthread_mutex_unlock(&t->lock);
	return request(t, REQUEST_PRESENT);
}

int sdl_thread_lock_pointer(struct sdl_thread *t, bool lock)
{
	return request(t, lock ? REQUEST_LOCK_POINTER : REQUEST_FREE_POINTER);
}
