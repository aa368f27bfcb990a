// SPDX-License-Identifier: MIT
/*
 * A card's screens in the loop. A monitor that wants another mode is taken away and comes as a new
 * one: so whoever shows something on it has one case less.
 */
#include "compositor/kms/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "compositor/kms/look.h"

/* Page flips come before guests' messages: the next picture waits for nothing else. */
#define FLIP_PRIORITY (SD_EVENT_PRIORITY_NORMAL - 5)

bool device_has_screens(const struct kms_device *device)
{
	return !list_empty(&device->screens);
}

/* ---- what the card reports ---- */

static void handle_flip(void *data, uint32_t crtc, uint32_t serial, uint64_t vblank_ns)
{
	struct kms_device *device = data;
	struct screen *screen, *next;

	list_for_each_safe(screen, next, &device->screens, link) {
		if (screen->crtc->id == crtc) {
			screen_flipped(screen, serial, vblank_ns);
		}
	}
}

static int handle_card_io(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct kms_device *device = data;
	int r = card_dispatch(device->card, handle_flip, device);

	if (r == 0 && (revents & (EPOLLHUP | EPOLLERR))) {
		r = -ENODEV;
	}
	if (r < 0) {
		log_error("%s does not answer any more (%s): was the card taken out?",
			  device->card->path, strerror(-r));
		device->environment->lost(device, device->environment->data);
	}
	return 0;
}

/* ---- screens come and go ---- */

static struct screen *find_screen(struct kms_device *device, uint32_t connector)
{
	struct screen *screen;

	list_for_each(screen, &device->screens, link) {
		if (screen->monitor.connector == connector) {
			return screen;
		}
	}
	return NULL;
}

/* Nobody tells a GPU without screens which pictures are gone; and it could not sleep. */
static void drop_unused_drawer(struct kms_device *device)
{
	if (!device_has_screens(device)) {
		gpu_destroy(device->gpu);
		device->gpu = NULL;
		device->drawer_chosen = false;
	}
}

/* The output goes. What the screen is made of stays. */
static void take_off_loop(struct kms_device *device, struct screen *screen)
{
	const struct backend_events *events = device->environment->events;

	events->output_removed(&screen->output, events->data);
	screen_detach(screen);
}

static void remove_screen(struct kms_device *device, struct screen *screen)
{
	take_off_loop(device, screen);
	screen_destroy(screen);
}

static void remove_screens(struct kms_device *device)
{
	struct screen *screen, *next;

	list_for_each_safe(screen, next, &device->screens, link) {
		remove_screen(device, screen);
	}
}

static const struct found *find_monitor(const struct look *look, const struct screen *screen)
{
	for (unsigned int i = 0; i < look->count; i++) {
		if (look->found[i].monitor.connector == screen->monitor.connector) {
			return &look->found[i];
		}
	}
	return NULL;
}

static void remove_changed_screens(struct kms_device *device)
{
	struct screen *screen, *next;

	list_for_each_safe(screen, next, &device->screens, link) {
		const struct found *found = find_monitor(&device->look, screen);

		if (found && monitor_equal(&screen->monitor, &found->monitor)) {
			continue;
		}
		log_info("%s: %s", screen->output.name,
			 found ? "another mode" : "the monitor is gone");
		remove_screen(device, screen);
	}
}

/* A card that has screens gets the further ones here: who looked could not touch it. */
static void make_further_screens(struct kms_device *device)
{
	struct look *look = &device->look;

	for (unsigned int i = 0; !look->make && i < look->count; i++) {
		struct screen *screen;

		if (!find_screen(device, look->found[i].monitor.connector) &&
		    look_make_screen(device, &look->found[i], &screen) == 0) {
			list_append(&look->made, &screen->link);
		}
	}
}

/* While somebody else has the seat's screens they are only announced. */
static void add_screen(struct kms_device *device, struct screen *screen)
{
	const struct device_environment *environment = device->environment;
	const struct backend_events *events = environment->events;
	int r = screen_attach(screen, environment->event, events->painter);

	list_remove(&screen->link);
	if (r < 0) {
		log_error("%s: cannot be lit: %s", screen->monitor.name, strerror(-r));
		screen_detach(screen);
		screen_destroy(screen);
		return;
	}
	list_append(&device->screens, &screen->link);
	device->shown = true;
	events->output_added(&screen->output, events->data);
	if (session_active(environment->session)) {
		screen_resume(screen);
	}
}

/* Screens are all made before one is lit: lighting one turns off what no screen uses. */
static void take_up_look(struct kms_device *device)
{
	struct look *look = &device->look;
	struct screen *screen, *next;

	if (look->result == 0) {
		remove_changed_screens(device);
		make_further_screens(device);
	}
	list_for_each_safe(screen, next, &look->made, link) {
		add_screen(device, screen);
	}
	look_clear(look);
	drop_unused_drawer(device);
}

void device_suspend(struct kms_device *device)
{
	struct screen *screen;

	if (device->unwanted) {
		return;
	}
	list_for_each(screen, &device->screens, link) {
		screen_suspend(screen);
	}
}

void device_resume(struct kms_device *device)
{
	struct screen *screen;

	if (device->unwanted) {
		return;
	}
	list_for_each(screen, &device->screens, link) {
		if (!screen->lit) {
			screen_resume(screen);
		}
	}
}

/* ---- looking ---- */

/* By a thread, if there can be one. */
static void run_errand(struct kms_device *device, void (*work)(void *data),
		       void (*done)(void *data))
{
	if (errand_start(device->environment->event, work, done, device, &device->errand) < 0) {
		work(device);
		done(device);
	}
}

static void begin_closing(struct kms_device *device);

static void work_look(void *data)
{
	look_carry_out(data);
}

static void handle_looked(void *data)
{
	struct kms_device *device = data;
	const struct device_environment *environment = device->environment;
	int result = device->look.result;

	device->errand = NULL;
	device->state = DEVICE_REST;
	if (device->unwanted) {
		begin_closing(device);
		return;
	}
	take_up_look(device);
	if (device->look_again) {
		device_look(device);
		return;
	}
	environment->looked(device, result, environment->data);
}

static void begin_look(struct kms_device *device)
{
	device->look_again = false;
	device->look.make = !device_has_screens(device);
}

void device_look(struct kms_device *device)
{
	if (device->state != DEVICE_REST) {
		device->look_again = true;
		return;
	}
	begin_look(device);
	device->state = DEVICE_LOOKING;
	run_errand(device, work_look, handle_looked);
}

int device_look_now(struct kms_device *device)
{
	begin_look(device);
	look_carry_out(device);
	take_up_look(device);
	return device->look.result;
}

/* Not while a thread may be at work on them. */
static int handle_remake(sd_event_source *source, void *data)
{
	struct kms_device *device = data;

	remove_screens(device);
	if (device->state == DEVICE_REST) {
		drop_unused_drawer(device);
	}
	device_look(device);
	return 0;
}

static void handle_cursor_lost(void *data)
{
	struct kms_device *device = data;

	device->software_cursor = true;
	sd_event_source_set_enabled(device->remake, SD_EVENT_ONESHOT);
}

/* ---- closing ---- */

/* In any thread: turns off what is lit, and gives back all but the descriptor. */
static void take_apart(struct kms_device *device)
{
	struct list *const lists[] = { &device->screens, &device->look.made };
	struct screen *screen, *next;

	for (unsigned int i = 0; i < 2; i++) {
		list_for_each_safe(screen, next, lists[i], link) {
			screen_destroy(screen);
		}
	}
	look_clear(&device->look);
	gpu_destroy(device->gpu);
	device->gpu = NULL;
}

static void work_take_apart(void *data)
{
	take_apart(data);
}

static void work_close(void *data)
{
	struct kms_device *device = data;

	close_fd_ptr(&device->card_fd);
	device->card_fd = -1;
}

static void handle_closed(void *data)
{
	struct kms_device *device = data;

	device->errand = NULL;
	device->environment->closed(device, device->environment->data);
}

/* The seat manager's descriptor goes first: the last one to be closed is the one that waits. */
static void handle_taken_apart(void *data)
{
	struct kms_device *device = data;

	device->errand = NULL;
	device->card_fd = card_leave(device->card);
	run_errand(device, work_close, handle_closed);
}

static void begin_closing(struct kms_device *device)
{
	device->state = DEVICE_CLOSING;
	gpu_leave(device->gpu);
	run_errand(device, work_take_apart, handle_taken_apart);
}

static void leave_loop(struct kms_device *device)
{
	struct screen *screen;

	device->flips = sd_event_source_disable_unref(device->flips);
	device->remake = sd_event_source_disable_unref(device->remake);
	list_for_each(screen, &device->screens, link) {
		take_off_loop(device, screen);
	}
}

void device_close(struct kms_device *device)
{
	if (device->unwanted) {
		return;
	}
	device->unwanted = true;
	leave_loop(device);
	if (device->state == DEVICE_REST) {
		begin_closing(device);
	}
}

void device_free(struct kms_device *device)
{
	list_remove(&device->link);
	card_close(device->card);
	free(device);
}

bool device_destroy(struct kms_device *device)
{
	if (!device->unwanted) {
		leave_loop(device);
	}
	if (device->errand && errand_end(device->errand) < 0) {
		return false;
	}
	take_apart(device);
	close_fd_ptr(&device->card_fd);
	device_free(device);
	return true;
}

/* ---- opening ---- */

static int device_attach(struct kms_device *device)
{
	sd_event *event = device->environment->event;
	int r = sd_event_add_io(event, &device->flips, device->card->fd, EPOLLIN, handle_card_io,
				device);

	if (r < 0) {
		return r;
	}
	r = sd_event_source_set_priority(device->flips, FLIP_PRIORITY);
	if (r < 0) {
		return r;
	}
	r = sd_event_add_defer(event, &device->remake, handle_remake, device);
	if (r < 0) {
		return r;
	}
	return sd_event_source_set_enabled(device->remake, SD_EVENT_OFF);
}

int device_create(const struct device_environment *environment, const struct drm_node *node,
		  struct kms_device **out)
{
	struct kms_device *device = calloc(1, sizeof(*device));
	int r;

	if (!device) {
		return -ENOMEM;
	}
	device->environment = environment;
	device->devnum = node->devnum;
	device->rank = node->rank;
	device->card_fd = -1;
	memcpy(device->slot, node->slot, sizeof(device->slot));
	device->software_cursor = environment->software_cursor;
	device->screen_events =
		(struct screen_events){ .cursor_lost = handle_cursor_lost, .data = device };
	list_init(&device->link);
	list_init(&device->screens);
	list_init(&device->look.made);
	r = card_open(environment->session, node->path, &device->card);
	if (r >= 0) {
		r = device_attach(device);
	}
	if (r < 0) {
		device_destroy(device);
		return r;
	}
	*out = device;
	return 0;
}
