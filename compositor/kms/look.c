// SPDX-License-Identifier: MIT
/* Looking at a card; see look.h. */
#include "compositor/kms/look.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "compositor/kms/atomic.h"

/* ---- monitors ---- */

static int look_allocate(struct look *look, const drmModeRes *resources)
{
	look->found = calloc((size_t)resources->count_connectors + 1, sizeof(*look->found));
	return look->found ? 0 : -ENOMEM;
}

static int look_find(struct kms_device *device)
{
	struct look *look = &device->look;
	drmModeRes *resources = drmModeGetResources(device->card->fd);
	int r;

	if (!resources) {
		return errno ? -errno : -EIO;
	}
	r = look_allocate(look, resources);
	for (int i = 0; r == 0 && i < resources->count_connectors; i++) {
		struct found *found = &look->found[look->count];

		look->count += monitor_probe(device->card, resources->connectors[i],
					     &found->monitor, &found->info) == 0;
	}
	drmModeFreeResources(resources);
	return r;
}

void look_clear(struct look *look)
{
	for (unsigned int i = 0; i < look->count; i++) {
		drmModeFreeConnector(look->found[i].info);
	}
	free(look->found);
	look->found = NULL;
	look->count = 0;
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
static int look_choose_drawer(struct kms_device *device)
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

/* ---- screens ---- */

/* With the GPU if there is one and it can make buffers that the monitor shows, else without. */
static int create_screen(struct kms_device *device, const struct found *found, struct screen **out)
{
	struct screen_options options = {
		.slot = device->slot,
		.rank = device->rank,
		.software_cursor = device->software_cursor,
		.events = &device->screen_events,
	};
	int r;

	if (device->gpu) {
		options.renderer = gpu_renderer(device->gpu);
		options.buffer_create = create_gpu_buffer;
		options.buffer_data = device->gpu;
		r = screen_create(device->card, &found->monitor, found->info, &options, out);
		if (r == 0) {
			return 0;
		}
		log_warning("%s: cannot show what the GPU draws (%s): drawn by the processor",
			    found->monitor.name, strerror(-r));
	}
	options.renderer = device->environment->renderer;
	options.buffer_create = create_dumb_buffer;
	return screen_create(device->card, &found->monitor, found->info, &options, out);
}

int look_make_screen(struct kms_device *device, const struct found *found, struct screen **out)
{
	const struct monitor *monitor = &found->monitor;
	int r = create_screen(device, found, out);

	if (r < 0) {
		log_error("%s: cannot be lit in %ux%u (%s); try another cable, connector or card",
			  monitor->name, monitor->mode.hdisplay, monitor->mode.vdisplay,
			  strerror(-r));
		return r;
	}
	log_info("%s: %ux%u, %u.%03u Hz%s%s%s", monitor->name, monitor->mode.hdisplay,
		 monitor->mode.vdisplay, monitor->refresh_mhz / 1000, monitor->refresh_mhz % 1000,
		 monitor->description[0] ? " (" : "", monitor->description,
		 monitor->description[0] ? ")" : "");
	return 0;
}

/* What somebody else left on goes off here, where waiting for it does no harm. */
static int look_make_screens(struct kms_device *device)
{
	struct look *look = &device->look;
	int r = look->count > 0 ? look_choose_drawer(device) : 0;

	for (unsigned int i = 0; r == 0 && i < look->count; i++) {
		struct screen *screen;

		if (look_make_screen(device, &look->found[i], &screen) == 0) {
			list_append(&look->made, &screen->link);
		}
	}
	if (!list_empty(&look->made)) {
		card_turn_foreign_off(device->card);
	}
	gpu_leave(device->gpu);
	return r;
}

void look_carry_out(struct kms_device *device)
{
	struct look *look = &device->look;

	look->result = device->card->known ? 0 : card_setup(device->card);
	if (look->result == 0) {
		look->result = look_find(device);
	}
	if (look->result == 0 && look->make) {
		look->result = look_make_screens(device);
	}
}
