// SPDX-License-Identifier: MIT
/*
 * The back end for a screen of one's own: a session, a graphics card, and one output for each
 * monitor that is plugged into it.
 *
 * Monitors are looked for at the start, when the kernel reports a change and when the session comes
 * back. One that wants another mode is taken away and comes as a new one: so whoever shows
 * something on it has one case less. There may be no monitor at all; then everything else goes on.
 */
#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <xf86drm.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "compositor/backend.h"
#include "compositor/kms/card.h"
#include "compositor/kms/connector.h"
#include "compositor/kms/gpu.h"
#include "compositor/kms/hotplug.h"
#include "compositor/kms/screen.h"
#include "compositor/kms/session.h"
#include "compositor/render/renderer.h"

/* Page flips come before guests' messages: the next picture waits for nothing else. */
#define FLIP_PRIORITY (SD_EVENT_PRIORITY_NORMAL - 5)

struct kms {
	struct backend base;
	sd_event *event; /* not owned */
	const struct backend_events *events;
	struct session_events session_events;
	struct screen_events screen_events;
	struct session *session;
	struct card *card;
	struct hotplug *hotplug;
	sd_event_source *flips;
	sd_event_source *remake;   /* deferred: all screens are made anew */
	struct list screens;       /* screen::link */
	struct renderer *renderer; /* the processor's */
	struct gpu *gpu;           /* may be NULL */
	bool software_cursor;
};

static struct kms *kms_from(struct backend *backend)
{
	return container_of(backend, struct kms, base);
}

static struct screen *kms_screen_of_connector(struct kms *kms, uint32_t connector)
{
	struct screen *screen;

	list_for_each(screen, &kms->screens, link) {
		if (screen->monitor.connector == connector) {
			return screen;
		}
	}
	return NULL;
}

static void handle_flip(void *data, uint32_t crtc, uint32_t serial, uint64_t vblank_ns)
{
	struct kms *kms = data;
	struct screen *screen, *next;

	list_for_each_safe(screen, next, &kms->screens, link) {
		if (screen->crtc->id == crtc) {
			screen_flipped(screen, serial, vblank_ns);
		}
	}
}

static int handle_card_io(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct kms *kms = data;
	int r = card_dispatch(kms->card, handle_flip, kms);

	if (r < 0) {
		log_error("%s does not answer any more (%s): was the card taken out?",
			  kms->card->path, strerror(-r));
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	}
	return 0;
}

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

static void handle_cursor_lost(void *data)
{
	struct kms *kms = data;

	kms->software_cursor = true;
	sd_event_source_set_enabled(kms->remake, SD_EVENT_ONESHOT);
}

/* With the GPU if there is one and it can make buffers that the monitor shows, else without. */
static int kms_create_screen(struct kms *kms, const struct monitor *monitor,
			     const drmModeConnector *info, struct screen **out)
{
	struct screen_options options = {
		.event = kms->event,
		.painter = kms->events->painter,
		.software_cursor = kms->software_cursor,
		.events = &kms->screen_events,
	};
	int r;

	if (kms->gpu) {
		options.renderer = gpu_renderer(kms->gpu);
		options.buffer_create = create_gpu_buffer;
		options.buffer_data = kms->gpu;
		r = screen_create(kms->card, monitor, info, &options, out);
		if (r == 0) {
			return 0;
		}
		log_warning("%s: cannot show what the GPU draws (%s): drawn by the processor",
			    monitor->name, strerror(-r));
	}
	options.renderer = kms->renderer;
	options.buffer_create = create_dumb_buffer;
	return screen_create(kms->card, monitor, info, &options, out);
}

static void kms_add_screen(struct kms *kms, const struct monitor *monitor,
			   const drmModeConnector *info)
{
	struct screen *screen;
	int r = kms_create_screen(kms, monitor, info, &screen);

	if (r < 0) {
		log_error("%s: cannot be lit in %ux%u (%s); try another cable, connector or card",
			  monitor->name, monitor->mode.hdisplay, monitor->mode.vdisplay,
			  strerror(-r));
		return;
	}
	log_info("%s: %ux%u, %u.%03u Hz%s%s%s", monitor->name, monitor->mode.hdisplay,
		 monitor->mode.vdisplay, monitor->refresh_mhz / 1000, monitor->refresh_mhz % 1000,
		 monitor->description[0] ? " (" : "", monitor->description,
		 monitor->description[0] ? ")" : "");
	list_append(&kms->screens, &screen->link);
}

static void kms_remove_screen(struct kms *kms, struct screen *screen)
{
	if (screen->announced) {
		kms->events->output_removed(&screen->output, kms->events->data);
	}
	screen_destroy(screen);
}

/* Makes the screen at this connector what the monitor there wants, or takes it away. */
static void kms_probe(struct kms *kms, uint32_t connector)
{
	struct screen *screen = kms_screen_of_connector(kms, connector);
	drmModeConnector *info = NULL;
	struct monitor monitor;
	int r = monitor_probe(kms->card, connector, &monitor, &info);

	if (r == 0 && screen && monitor_equal(&screen->monitor, &monitor)) {
		drmModeFreeConnector(info);
		return;
	}
	if (screen) {
		log_info("%s: %s", screen->output.name,
			 r == 0 ? "another mode" : "the monitor is gone");
		kms_remove_screen(kms, screen);
	}
	if (r == 0) {
		kms_add_screen(kms, &monitor, info);
	}
	drmModeFreeConnector(info);
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

/* Looks at every connector. Screens are made first and lit afterwards: lighting one turns off what
 * no screen uses. */
static void kms_scan(struct kms *kms)
{
	drmModeRes *resources = drmModeGetResources(kms->card->fd);
	struct screen *screen, *next;

	if (!resources) {
		return;
	}
	list_for_each_safe(screen, next, &kms->screens, link) {
		if (!resources_have(resources, screen->monitor.connector)) {
			kms_remove_screen(kms, screen);
		}
	}
	for (int i = 0; i < resources->count_connectors; i++) {
		kms_probe(kms, resources->connectors[i]);
	}
	drmModeFreeResources(resources);
	list_for_each_safe(screen, next, &kms->screens, link) {
		if (!screen->announced) {
			screen->announced = true;
			kms->events->output_added(&screen->output, kms->events->data);
			screen_resume(screen);
		}
	}
}

static int handle_remake(sd_event_source *source, void *data)
{
	struct kms *kms = data;
	struct screen *screen, *next;

	list_for_each_safe(screen, next, &kms->screens, link) {
		kms_remove_screen(kms, screen);
	}
	if (session_active(kms->session)) {
		kms_scan(kms);
	}
	return 0;
}

static void handle_hotplug(void *data)
{
	struct kms *kms = data;

	/* While somebody else has the screen, it is looked at when it comes back. */
	if (session_active(kms->session)) {
		kms_scan(kms);
	}
}

static void handle_active(bool active, void *data)
{
	struct kms *kms = data;
	struct screen *screen;

	if (!active) {
		list_for_each(screen, &kms->screens, link) {
			screen_suspend(screen);
		}
		kms->events->active(false, kms->events->data);
		return;
	}
	kms_scan(kms);
	list_for_each(screen, &kms->screens, link) {
		if (!screen->lit) {
			screen_resume(screen);
		}
	}
	kms->events->active(true, kms->events->data);
}

static int kms_switch_vt(struct backend *backend, unsigned int vt)
{
	return session_switch_vt(kms_from(backend)->session, vt);
}

static int kms_open_device(struct backend *backend, const char *path)
{
	return session_open_device(kms_from(backend)->session, path);
}

static void kms_close_device(struct backend *backend, int fd)
{
	session_close_device(kms_from(backend)->session, fd);
}

static const char *kms_seat_name(struct backend *backend)
{
	return session_seat_name(kms_from(backend)->session);
}

static pixman_image_t *kms_read_pixels(struct backend *backend, struct output *output)
{
	return screen_read(container_of(output, struct screen, output));
}

static void kms_destroy(struct backend *backend)
{
	struct kms *kms = kms_from(backend);
	struct screen *screen, *next;

	list_for_each_safe(screen, next, &kms->screens, link) {
		kms_remove_screen(kms, screen);
	}
	hotplug_destroy(kms->hotplug);
	sd_event_source_disable_unref(kms->flips);
	sd_event_source_disable_unref(kms->remake);
	renderer_destroy(kms->renderer);
	gpu_destroy(kms->gpu);
	card_close(kms->card);
	session_destroy(kms->session);
	free(kms);
}

static const struct backend_ops kms_ops = {
	.switch_vt = kms_switch_vt,
	.open_device = kms_open_device,
	.close_device = kms_close_device,
	.seat_name = kms_seat_name,
	.read_pixels = kms_read_pixels,
	.destroy = kms_destroy,
};

static int kms_attach(struct kms *kms)
{
	int r = sd_event_add_io(kms->event, &kms->flips, kms->card->fd, EPOLLIN, handle_card_io,
				kms);

	if (r < 0) {
		return r;
	}
	r = sd_event_source_set_priority(kms->flips, FLIP_PRIORITY);
	if (r < 0) {
		return r;
	}
	r = sd_event_add_defer(kms->event, &kms->remake, handle_remake, kms);
	if (r < 0) {
		return r;
	}
	sd_event_source_set_enabled(kms->remake, SD_EVENT_OFF);
	return hotplug_create(kms->event, kms->card->devnum, handle_hotplug, kms, &kms->hotplug);
}

/* No GPU is no error, unless it was asked for by name. */
static int kms_choose_renderer(struct kms *kms, const char *name)
{
	bool forced = name && strcmp(name, "gl") == 0;
	int r = pixman_renderer_create(&kms->renderer);

	if (r < 0) {
		return r;
	}
	if (forced || (!(name && strcmp(name, "pixman") == 0) && card_has_gpu(kms->card))) {
		r = gpu_create(kms->card, forced, &kms->gpu);
	}
	if (r < 0 && forced) {
		log_error("%s: no GL to draw with (%s); install Mesa's driver for it (%s) or leave "
			  "the choice of the renderer to us",
			  kms->card->path, strerror(-r), kms->card->driver);
		return r;
	}
	log_info("%s: driver %s, drawn by %s", kms->card->path, kms->card->driver,
		 kms->gpu ? gpu_name(kms->gpu) : "the processor");
	return 0;
}

static int kms_start(struct kms *kms, const struct compositor_options *options)
{
	int r = session_create(kms->event, &kms->session_events, &kms->session);

	if (r < 0) {
		return r;
	}
	r = card_open(kms->session, options->card, &kms->card);
	if (r < 0) {
		return r;
	}
	r = kms_choose_renderer(kms, options->renderer);
	if (r < 0) {
		return r;
	}
	r = kms_attach(kms);
	if (r < 0) {
		log_error("%s: cannot be watched: %s", kms->card->path, strerror(-r));
		return r;
	}
	kms_scan(kms);
	return 0;
}

int kms_backend_create(sd_event *event, const struct compositor_options *options,
		       const struct backend_events *events, struct backend **out)
{
	struct kms *kms = calloc(1, sizeof(*kms));
	int r;

	if (!kms) {
		return -ENOMEM;
	}
	kms->base.ops = &kms_ops;
	kms->event = event;
	kms->events = events;
	kms->screen_events =
		(struct screen_events){ .cursor_lost = handle_cursor_lost, .data = kms };
	kms->session_events = (struct session_events){ .active = handle_active, .data = kms };
	kms->software_cursor = options->software_cursor;
	list_init(&kms->screens);
	r = kms_start(kms, options);
	if (r < 0) {
		kms_destroy(&kms->base);
		return r;
	}
	*out = &kms->base;
	return 0;
}
