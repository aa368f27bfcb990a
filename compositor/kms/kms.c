// SPDX-License-Identifier: MIT
/*
 * The back end for screens of one's own: a session, the graphics cards of its seat, and one output
 * for each monitor that is plugged into one of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/list.h"
#include "common/log.h"
#include "compositor/backend.h"
#include "compositor/kms/devices.h"
#include "compositor/kms/session.h"
#include "compositor/render/renderer.h"

struct kms {
	struct backend base;
	const struct backend_events *events;
	struct session_events session_events;
	struct session *session;
	struct renderer *renderer; /* the processor's */
	struct devices devices;
};

static struct kms *kms_from(struct backend *backend)
{
	return container_of(backend, struct kms, base);
}

static void handle_active(bool active, void *data)
{
	struct kms *kms = data;

	if (active) {
		devices_resume(&kms->devices);
	} else {
		devices_suspend(&kms->devices);
	}
	kms->events->active(active, kms->events->data);
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

static void kms_release_card(struct backend *backend, const char *slot)
{
	devices_give_away(&kms_from(backend)->devices, slot);
}

static void kms_regain_card(struct backend *backend, const char *slot)
{
	devices_take_back(&kms_from(backend)->devices, slot);
}

static bool kms_uses_card(struct backend *backend, const char *slot, bool *only)
{
	return devices_use(&kms_from(backend)->devices, slot, only);
}

static void kms_destroy(struct backend *backend)
{
	struct kms *kms = kms_from(backend);
	/* With the session the devices are there, at least in part. */
	bool free_of_threads = !kms->session || devices_finish(&kms->devices);

	session_destroy(kms->session);
	if (!free_of_threads) {
		return; /* the program ends, and what a stuck thread uses goes with it */
	}
	renderer_destroy(kms->renderer);
	free(kms);
}

static const struct backend_ops kms_ops = {
	.switch_vt = kms_switch_vt,
	.open_device = kms_open_device,
	.close_device = kms_close_device,
	.seat_name = kms_seat_name,
	.read_pixels = kms_read_pixels,
	.release_card = kms_release_card,
	.regain_card = kms_regain_card,
	.uses_card = kms_uses_card,
	.destroy = kms_destroy,
};

static int kms_watch(struct kms *kms, sd_event *event, const struct compositor_options *options)
{
	const char *renderer = options->renderer ? options->renderer : "auto";
	const struct device_environment environment = {
		.event = event,
		.session = kms->session,
		.events = kms->events,
		.renderer = kms->renderer,
		.gpu_allowed = strcmp(renderer, "pixman") != 0,
		.gpu_forced = strcmp(renderer, "gl") == 0,
		.software_cursor = options->software_cursor,
	};

	return devices_init(&kms->devices, &environment, options->card, options->released_cards);
}

static int kms_start(struct kms *kms, sd_event *event, const struct compositor_options *options)
{
	int r = pixman_renderer_create(&kms->renderer);

	if (r < 0) {
		return r;
	}
	r = session_create(event, &kms->session_events, &kms->session);
	if (r < 0) {
		return r;
	}
	r = kms_watch(kms, event, options);
	if (r < 0) {
		log_error("The graphics cards cannot be watched: %s", strerror(-r));
		return r;
	}
	return devices_open(&kms->devices, options->allow_no_card);
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
	kms->events = events;
	kms->session_events = (struct session_events){ .active = handle_active, .data = kms };
	r = kms_start(kms, event, options);
	if (r < 0) {
		kms_destroy(&kms->base);
		return r;
	}
	*out = &kms->base;
	return 0;
}
