// SPDX-License-Identifier: MIT
/*
 * A card's screens. A monitor that wants another mode is taken away and comes as a new one: so
 * whoever shows something on it has one case less.
 */
#include "compositor/kms/device.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "compositor/kms/connector.h"
#include "compositor/render/renderer.h"

/* Page flips come before guests' messages: the next picture waits for nothing else. */
#define FLIP_PRIORITY (SD_EVENT_PRIORITY_NORMAL - 5)

DEFINE_CLEANUP(struct kms_device *, device_destroy)

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

/* ---- who draws ---- */

static int create_dumb_buffer(void *data, const struct card *card, const struct kms_plane *plane,
			      uint32_t width, uint32_t height, struct kms_buffer **out)
{
	return dumb_buffer_create(card->fd, DRM_FORMAT_XRGB8888, width, height, out);
}

static int create_gpu_buffer(void *data, const struct card *card, const struct kms_plane *plane,
			     uint32_t width, uint32_t height, struct kms_buffer **out)
{
	return gpu_buffer_create(data, plane, width, height, out);
}

/* No GPU is no error, unless it was asked for by name. */
static int device_choose_drawer(struct kms_device *device)
{
	const struct device_environment *environment = device->environment;
	const struct card *card = device->card;
	int r = 0;

	if (device->drawer_chosen) {
		return 0;
	}
	if (environment->gpu_forced || (environment->gpu_allowed && card_has_gpu(card))) {
		r = gpu_create(card, environment->gpu_forced, &device->gpu);
	}
	if (r < 0 && environment->gpu_forced) {
		log_error("%s: no GL to draw with (%s); install Mesa's driver for it (%s) or leave "
			  "the choice of the renderer to us",
			  card->path, strerror(-r), card->driver);
		return -ENOTSUP;
	}
	device->drawer_chosen = true;
	log_info("%s: driver %s, drawn by %s", card->path, card->driver,
		 device->gpu ? gpu_name(device->gpu) : "the processor");
	return 0;
}

/* Nobody tells a GPU without screens which pictures are gone; and it could not sleep. */
static void device_drop_unused_drawer(struct kms_device *device)
{
	if (!device_has_screens(device)) {
		gpu_destroy(device->gpu);
		device->gpu = NULL;
		device->drawer_chosen = false;
	}
}

/* ---- screens ---- */

static struct screen *device_screen_of_connector(struct kms_device *device, uint32_t connector)
{
	struct screen *screen;

	list_for_each(screen, &device->screens, link) {
		if (screen->monitor.connector == connector) {
			return screen;
		}
	}
	return NULL;
}

static void handle_cursor_lost(void *data)
{
	struct kms_device *device = data;

	device->software_cursor = true;
	sd_event_source_set_enabled(device->remake, SD_EVENT_ONESHOT);
}

/* With the GPU if there is one and it can make buffers that the monitor shows, else without. */
static int device_create_screen(struct kms_device *device, const struct monitor *monitor,
				const drmModeConnector *info, struct screen **out)
{
	const struct device_environment *environment = device->environment;
	struct screen_options options = {
		.event = environment->event,
		.painter = environment->events->painter,
		.software_cursor = device->software_cursor,
		.events = &device->screen_events,
	};
	int r;

	if (device->gpu) {
		options.renderer = gpu_renderer(device->gpu);
		options.buffer_create = create_gpu_buffer;
		options.buffer_data = device->gpu;
		r = screen_create(device->card, monitor, info, &options, out);
		if (r == 0) {
			return 0;
		}
		log_warning("%s: cannot show what the GPU draws (%s): drawn by the processor",
			    monitor->name, strerror(-r));
	}
	options.renderer = environment->renderer;
	options.buffer_create = create_dumb_buffer;
	return screen_create(device->card, monitor, info, &options, out);
}

static int device_add_screen(struct kms_device *device, const struct monitor *monitor,
			     const drmModeConnector *info)
{
	struct screen *screen;
	int r = device_choose_drawer(device);

	if (r < 0) {
		return r;
	}
	r = device_create_screen(device, monitor, info, &screen);
	if (r < 0) {
		log_error("%s: cannot be lit in %ux%u (%s); try another cable, connector or card",
			  monitor->name, monitor->mode.hdisplay, monitor->mode.vdisplay,
			  strerror(-r));
		return 0;
	}
	log_info("%s: %ux%u, %u.%03u Hz%s%s%s", monitor->name, monitor->mode.hdisplay,
		 monitor->mode.vdisplay, monitor->refresh_mhz / 1000, monitor->refresh_mhz % 1000,
		 monitor->description[0] ? " (" : "", monitor->description,
		 monitor->description[0] ? ")" : "");
	list_append(&device->screens, &screen->link);
	return 0;
}

static void device_remove_screen(struct kms_device *device, struct screen *screen)
{
	const struct backend_events *events = device->environment->events;

	if (screen->announced) {
		events->output_removed(&screen->output, events->data);
	}
	screen_destroy(screen);
}

static void device_remove_screens(struct kms_device *device)
{
	struct screen *screen, *next;

	list_for_each_safe(screen, next, &device->screens, link) {
		device_remove_screen(device, screen);
	}
}

/* Makes the screen at this connector what the monitor there wants, or takes it away. */
static int device_probe(struct kms_device *device, uint32_t connector)
{
	struct screen *screen = device_screen_of_connector(device, connector);
	drmModeConnector *info = NULL;
	struct monitor monitor;
	int r = monitor_probe(device->card, connector, &monitor, &info);

	if (r == 0 && screen && monitor_equal(&screen->monitor, &monitor)) {
		drmModeFreeConnector(info);
		return 0;
	}
	if (screen) {
		log_info("%s: %s", screen->output.name,
			 r == 0 ? "another mode" : "the monitor is gone");
		device_remove_screen(device, screen);
	}
	r = r == 0 ? device_add_screen(device, &monitor, info) : 0;
	drmModeFreeConnector(info);
	return r;
}

static bool resources_have(const drmModeRes *resources, uint32_t connector)
{
	for (int i = 0; i < resources->count_connectors; i++) {
		if (resources->connectors[i] == connector) {
			return true;
		}
	}
	return false;
}

static int device_probe_all(struct kms_device *device, const drmModeRes *resources)
{
	struct screen *screen, *next;
	int r = 0;

	list_for_each_safe(screen, next, &device->screens, link) {
		if (!resources_have(resources, screen->monitor.connector)) {
			device_remove_screen(device, screen);
		}
	}
	for (int i = 0; r == 0 && i < resources->count_connectors; i++) {
		r = device_probe(device, resources->connectors[i]);
	}
	device_drop_unused_drawer(device);
	return r;
}

/* Screens are made first and lit afterwards: lighting one turns off what no screen uses. */
int device_scan(struct kms_device *device)
{
	const struct backend_events *events = device->environment->events;
	drmModeRes *resources = drmModeGetResources(device->card->fd);
	struct screen *screen;
	int r;

	if (!resources) {
		return 0;
	}
	r = device_probe_all(device, resources);
	drmModeFreeResources(resources);
	list_for_each(screen, &device->screens, link) {
		if (!screen->announced) {
			screen->announced = true;
			events->output_added(&screen->output, events->data);
			screen_resume(screen);
		}
	}
	return r;
}

static int handle_remake(sd_event_source *source, void *data)
{
	struct kms_device *device = data;

	device_remove_screens(device);
	if (session_active(device->environment->session)) {
		device_scan(device);
	} else {
		device_drop_unused_drawer(device);
	}
	return 0;
}

void device_suspend(struct kms_device *device)
{
	struct screen *screen;

	list_for_each(screen, &device->screens, link) {
		screen_suspend(screen);
	}
}

void device_resume(struct kms_device *device)
{
	struct screen *screen;

	list_for_each(screen, &device->screens, link) {
		if (!screen->lit) {
			screen_resume(screen);
		}
	}
}

/* ---- life ---- */

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

int device_create(const struct device_environment *environment, struct drm_node *node,
		  struct kms_device **out)
{
	_cleanup_(device_destroy_ptr) struct kms_device *device = calloc(1, sizeof(*device));
	int r;

	if (!device) {
		return -ENOMEM;
	}
	device->environment = environment;
	device->software_cursor = environment->software_cursor;
	device->screen_events =
		(struct screen_events){ .cursor_lost = handle_cursor_lost, .data = device };
	list_init(&device->link);
	list_init(&device->screens);
	device->devnum = node->devnum;
	memcpy(device->slot, node->slot, sizeof(device->slot));
	r = card_open(environment->session, node->path, &device->card);
	if (r < 0) {
		return r;
	}
	memcpy(node->driver, device->card->driver, sizeof(node->driver));
	r = device_attach(device);
	if (r < 0) {
		log_error("%s: cannot be watched: %s", node->path, strerror(-r));
		return r;
	}
	*out = take_ptr(device);
	return 0;
}

void device_destroy(struct kms_device *device)
{
	if (!device) {
		return;
	}
	list_remove(&device->link);
	device_remove_screens(device);
	sd_event_source_disable_unref(device->flips);
	sd_event_source_disable_unref(device->remake);
	gpu_destroy(device->gpu);
	card_close(device->card);
	free(device);
}
