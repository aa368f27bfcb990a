// SPDX-License-Identifier: MIT
/*
 * The back end that is a window on a desktop: one output in memory, shown by SDL's thread
 * (sdl_thread.c), whose keys and pointer go straight to the compositor's handlers. While the
 * thread has the picture the output is PENDING, so that nobody draws into it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "compositor/backend.h"
#include "compositor/window/sdl_thread.h"

#define DEFAULT_WIDTH 1280
#define DEFAULT_HEIGHT 800

/* Input goes before everything else, also when guests keep the loop busy. */
#define INPUT_PRIORITY (SD_EVENT_PRIORITY_NORMAL - 10)

struct window {
	struct backend base;
	struct output output;
	const struct backend_events *events;
	struct sdl_thread *thread;
	sd_event_source *source;
	struct window_picture picture;
	bool presenting;         /* the thread has the picture */
	uint32_t width, height;  /* of the window; the picture follows */
	double wheel_x, wheel_y; /* parts of 120ths that were not told yet */
};

static struct window *window_of(struct output *output)
{
	return container_of(output, struct window, output);
}

/* ---- the output ---- */

static int window_begin(struct output *output, struct render_target *target,
			pixman_region32_t *damage)
{
	struct window *window = window_of(output);

	(void)damage; /* the one picture lacks nothing */
	if (window->presenting) {
		return -EBUSY;
	}
	*target = (struct render_target){ window->picture.pixels, window->picture.width,
					  window->picture.height, window->picture.stride };
	return 0;
}

static int window_commit(struct output *output, const pixman_region32_t *damage)
{
	struct window *window = window_of(output);
	int r = sdl_thread_present(window->thread, &window->picture, damage);

	window->presenting = r == 0;
	return r;
}

static const struct output_ops window_output_ops = {
	.begin = window_begin,
	.commit = window_commit,
};

/* A picture in the window's size, once the thread has let go of the old one. */
static void follow_size(struct window *window)
{
	struct output *output = &window->output;
	size_t stride = (size_t)window->width * sizeof(uint32_t);
	void *pixels;

	if (window->presenting ||
	    (window->picture.width == window->width && window->picture.height == window->height)) {
		return;
	}
	pixels = calloc(window->height, stride);
	if (!pixels) {
		log_error("No memory for a window of %ux%u.", window->width, window->height);
		return;
	}
	free(window->picture.pixels);
	window->picture =
		(struct window_picture){ pixels, window->width, window->height, (uint32_t)stride };
	output->width = window->width;
	output->height = window->height;
	output_disable(output);
	output_enable(output);
}

/* ---- what the thread tells ---- */

static void handle_presented(struct window *window, uint64_t time_ns)
{
	window->presenting = false;
	output_presented(&window->output, time_ns);
	follow_size(window);
}

/* Handlers take whole 120ths; what is smaller waits for more. */
static void handle_wheel(struct window *window, const struct window_event *event)
{
	const struct compositor_handlers *handlers = window->events->handlers;
	int32_t x, y;

	window->wheel_x += event->dx;
	window->wheel_y += event->dy;
	x = (int32_t)window->wheel_x;
	y = (int32_t)window->wheel_y;
	window->wheel_x -= x;
	window->wheel_y -= y;
	if (handlers->wheel && (x || y)) {
		handlers->wheel(window->events->handlers_data, y, x, event->time_ns);
	}
}

static void handle_input(struct window *window, const struct window_event *event)
{
	const struct compositor_handlers *handlers = window->events->handlers;
	void *data = window->events->handlers_data;

	if (event->type == WINDOW_KEY && handlers->key) {
		handlers->key(data, event->code, event->pressed, event->time_ns);
	} else if (event->type == WINDOW_BUTTON && handlers->button) {
		handlers->button(data, event->code, event->pressed, event->time_ns);
	} else if (event->type == WINDOW_MOTION && handlers->motion) {
		handlers->motion(data, event->x, event->y, event->dx, event->dy, event->time_ns);
	} else if (event->type == WINDOW_WHEEL) {
		handle_wheel(window, event);
	} else if (event->type == WINDOW_KEYBOARD_LOST && handlers->keyboard_lost) {
		handlers->keyboard_lost(data);
	} else if (event->type == WINDOW_CLOSE && handlers->close_requested) {
		handlers->close_requested(data);
	}
}

static int handle_events(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct window *window = data;
	struct window_event event;

	(void)source, (void)fd, (void)revents;
	while (sdl_thread_next(window->thread, &event)) {
		if (event.type == WINDOW_PRESENTED) {
			handle_presented(window, event.time_ns);
		} else if (event.type == WINDOW_RESIZED) {
			window->width = event.width;
			window->height = event.height;
			follow_size(window);
		} else {
			handle_input(window, &event);
		}
	}
	return 0;
}

/* ---- the back end ---- */

/* While the thread reads the picture we may still do so too. */
static pixman_image_t *window_read_pixels(struct backend *backend, struct output *output)
{
	struct window *window = container_of(backend, struct window, base);

	(void)output;
	return backend_copy_pixels(window->picture.pixels, window->picture.width,
				   window->picture.height, window->picture.stride);
}

static void window_lock_pointer(struct backend *backend, bool lock)
{
	struct window *window = container_of(backend, struct window, base);
	int r = sdl_thread_lock_pointer(window->thread, lock);

	if (r < 0) {
		log_error("The pointer cannot be %s: %s.", lock ? "locked" : "let go",
			  strerror(-r));
	}
}

static void window_destroy(struct backend *backend)
{
	struct window *window = container_of(backend, struct window, base);

	if (window->output.ops) {
		window->events->output_removed(&window->output, window->events->data);
		output_finish(&window->output);
	}
	sd_event_source_disable_unref(window->source);
	sdl_thread_destroy(window->thread);
	free(window->picture.pixels);
	free(window);
}

static const struct backend_ops window_ops = {
	.lock_pointer = window_lock_pointer,
	.read_pixels = window_read_pixels,
	.destroy = window_destroy,
};

static int window_start(struct window *window, sd_event *event,
			const struct compositor_options *options)
{
	struct output *output = &window->output;
	int r;

	window->width = options->width ? options->width : DEFAULT_WIDTH;
	window->height = options->height ? options->height : DEFAULT_HEIGHT;
	r = sdl_thread_create(&window->width, &window->height, &output->refresh_mhz,
			      &window->thread);
	if (r < 0) {
		return r;
	}
	r = sd_event_add_io(event, &window->source, sdl_thread_fd(window->thread), EPOLLIN,
			    handle_events, window);
	if (r >= 0) {
		r = sd_event_source_set_priority(window->source, INPUT_PRIORITY);
	}
	if (r >= 0) {
		r = output_init(output, event, &window_output_ops, window->events->painter);
	}
	if (r < 0) {
		log_error("The window cannot be watched: %s.", strerror(-r));
		return r;
	}
	snprintf(output->name, sizeof(output->name), "WINDOW-1");
	follow_size(window);
	if (!window->picture.pixels) {
		return -ENOMEM;
	}
	window->events->output_added(output, window->events->data);
	return 0;
}

int window_backend_create(sd_event *event, const struct compositor_options *options,
			  const struct backend_events *events, struct backend **out)
{
	struct window *window = calloc(1, sizeof(*window));
	int r;

	if (!window) {
		return -ENOMEM;
	}
	window->base.ops = &window_ops;
	window->events = events;
	r = window_start(window, event, options);
	if (r < 0) {
		window_destroy(&window->base);
		return r;
	}
	*out = &window->base;
	return 0;
}
