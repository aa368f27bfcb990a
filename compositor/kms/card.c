// SPDX-License-Identifier: MIT
/* Opening a graphics card, and reading what it is made of. */
#include "compositor/kms/card.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <virtgpu_drm.h>
#include <xf86drm.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"

DEFINE_CLEANUP(struct card *, card_close)

/* The seat manager's own reason does not always come through, but its log has it. */
static void log_open_error(const char *path, int error)
{
	if (access(path, F_OK) < 0) {
		log_error("%s: there is no such graphics card; /dev/dri has those that there are",
			  path);
	} else {
		log_error("%s: no permission, the seat manager does not open it (%s); choose a "
			  "graphics card of this seat, and see the log of seatd or logind",
			  path, strerror(-error));
	}
}

static int card_set_caps(struct card *card)
{
	uint64_t width, height;

	if (drmSetClientCap(card->fd, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1) < 0 ||
	    drmSetClientCap(card->fd, DRM_CLIENT_CAP_ATOMIC, 1) < 0) {
		log_error("%s: its driver %s cannot do atomic mode setting; choose another card",
			  card->path, card->driver);
		return -ENOTSUP;
	}
	/* Without this, drivers of virtual cards hide their cursor plane; others do not know it. */
	drmSetClientCap(card->fd, DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT, 1);
	card->cursor_width = card->cursor_height = 64;
	if (drmGetCap(card->fd, DRM_CAP_CURSOR_WIDTH, &width) == 0 && width > 0 &&
	    drmGetCap(card->fd, DRM_CAP_CURSOR_HEIGHT, &height) == 0 && height > 0) {
		card->cursor_width = (uint32_t)width;
		card->cursor_height = (uint32_t)height;
	}
	return 0;
}

static int card_read_crtcs(struct card *card, const drmModeRes *resources)
{
	int r = 0;

	card->crtcs = calloc((size_t)resources->count_crtcs + 1, sizeof(*card->crtcs));
	if (!card->crtcs) {
		return -ENOMEM;
	}
	for (int i = 0; r == 0 && i < resources->count_crtcs && i < 32; i++) {
		struct kms_crtc *crtc = &card->crtcs[card->crtc_count++];

		crtc->id = resources->crtcs[i];
		crtc->mask = 1u << i;
		r = crtc_props_read(card->fd, crtc->id, &crtc->props);
	}
	return r;
}

static int card_read_plane(struct card *card, uint32_t id)
{
	struct kms_plane *plane = &card->planes[card->plane_count];
	drmModePlane *info = drmModeGetPlane(card->fd, id);

	if (!info) {
		return -errno;
	}
	plane->id = id;
	plane->possible_crtcs = info->possible_crtcs;
	drmModeFreePlane(info);
	card->plane_count++;
	return plane_props_read(card->fd, id, &plane->props);
}

static int card_read_planes(struct card *card)
{
	drmModePlaneRes *resources = drmModeGetPlaneResources(card->fd);
	int r = 0;

	if (!resources) {
		return -errno;
	}
	card->planes = calloc((size_t)resources->count_planes + 1, sizeof(*card->planes));
	if (!card->planes) {
		r = -ENOMEM;
	}
	for (uint32_t i = 0; r == 0 && i < resources->count_planes; i++) {
		r = card_read_plane(card, resources->planes[i]);
	}
	drmModeFreePlaneResources(resources);
	return r;
}

static int card_read(struct card *card)
{
	drmModeRes *resources = drmModeGetResources(card->fd);
	int r;

	if (!resources) {
		return -errno;
	}
	r = resources->count_connectors > 0 && resources->count_crtcs > 0
		    ? card_read_crtcs(card, resources)
		    : -ENODEV;
	drmModeFreeResources(resources);
	return r < 0 ? r : card_read_planes(card);
}

static void card_read_driver(struct card *card)
{
	drmVersion *version = drmGetVersion(card->fd);

	snprintf(card->driver, sizeof(card->driver), "%s", version ? version->name : "unknown");
	drmFreeVersion(version);
}

int card_setup(struct card *card)
{
	int r;

	card_read_driver(card);
	if (!drmIsKMS(card->fd)) {
		return -ENODEV; /* it only computes */
	}
	if (!drmIsMaster(card->fd)) {
		log_error("%s is busy: another program shows its pictures on it; end that display "
			  "server or choose another card",
			  card->path);
		return -EBUSY;
	}
	r = card_set_caps(card);
	if (r < 0) {
		return r;
	}
	r = card_read(card);
	if (r < 0 && r != -ENODEV) {
		log_error("%s: cannot read its outputs: %s", card->path, strerror(-r));
	}
	card->known = r == 0;
	return r;
}

int card_open(struct session *session, const char *path, struct card **out)
{
	_cleanup_(card_close_ptr) struct card *card = calloc(1, sizeof(*card));

	if (!card) {
		return -ENOMEM;
	}
	card->session = session;
	snprintf(card->path, sizeof(card->path), "%s", path);
	card->fd = session_open_device(session, path);
	if (card->fd < 0) {
		log_open_error(path, card->fd);
		return card->fd;
	}
	*out = take_ptr(card);
	return 0;
}

int card_leave(struct card *card)
{
	session_leave_device(card->session, card->fd);
	return take_fd(card->fd);
}

void card_close(struct card *card)
{
	if (!card) {
		return;
	}
	if (card->fd >= 0) {
		session_close_device(card->session, card->fd);
	}
	free(card->crtcs);
	free(card->planes);
	free(card);
}

/* A virtual card has a render node also when its host lends it no GPU. */
static bool virtio_has_gpu(const struct card *card)
{
	int value = 0;
	struct drm_virtgpu_getparam get = {
		.param = VIRTGPU_PARAM_3D_FEATURES,
		.value = (uintptr_t)&value,
	};

	return drmIoctl(card->fd, DRM_IOCTL_VIRTGPU_GETPARAM, &get) == 0 && value;
}

bool card_has_gpu(const struct card *card)
{
	drmDevice *device;
	bool renders;

	if (drmGetDevice2(card->fd, 0, &device) < 0) {
		return false;
	}
	renders = device->available_nodes & (1 << DRM_NODE_RENDER);
	drmFreeDevice(&device);
	return renders && (strcmp(card->driver, "virtio_gpu") != 0 || virtio_has_gpu(card));
}

/* Events come whole; their size is in their header. */
int card_dispatch(struct card *card,
		  void (*flipped)(void *data, uint32_t crtc, uint32_t serial, uint64_t vblank_ns),
		  void *data)
{
	_Alignas(struct drm_event_vblank) char buffer[1024];
	ssize_t length = read(card->fd, buffer, sizeof(buffer));
	size_t at = 0;

	if (length < 0) {
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	}
	while (at + sizeof(struct drm_event_vblank) <= (size_t)length) {
		const struct drm_event_vblank *event = (const void *)(buffer + at);
		uint64_t ns = event->tv_sec * NSEC_PER_SEC + event->tv_usec * NSEC_PER_USEC;

		if (event->base.type == DRM_EVENT_FLIP_COMPLETE) {
			flipped(data, event->crtc_id, (uint32_t)event->user_data,
				ns ? ns : clock_now_ns());
		}
		if (event->base.length < sizeof(event->base)) {
			break;
		}
		at += event->base.length;
	}
	return 0;
}

struct kms_plane *card_find_plane(struct card *card, const struct kms_crtc *crtc, uint64_t type)
{
	for (unsigned int i = 0; i < card->plane_count; i++) {
		struct kms_plane *plane = &card->planes[i];

		if (!plane->taken && plane->props.value[PLANE_TYPE] == type &&
		    (plane->possible_crtcs & crtc->mask)) {
			return plane;
		}
	}
	return NULL;
}

static uint32_t connector_crtcs(int fd, const drmModeConnector *connector, uint32_t *present)
{
	uint32_t mask = 0;

	*present = 0;
	for (int i = 0; i < connector->count_encoders; i++) {
		drmModeEncoder *encoder = drmModeGetEncoder(fd, connector->encoders[i]);

		if (!encoder) {
			continue;
		}
		mask |= encoder->possible_crtcs;
		if (encoder->encoder_id == connector->encoder_id) {
			*present = encoder->crtc_id;
		}
		drmModeFreeEncoder(encoder);
	}
	return mask;
}

struct kms_crtc *card_find_crtc(struct card *card, const drmModeConnector *connector)
{
	uint32_t present, mask = connector_crtcs(card->fd, connector, &present);
	struct kms_crtc *found = NULL;

	for (unsigned int i = 0; i < card->crtc_count; i++) {
		struct kms_crtc *crtc = &card->crtcs[i];

		if (crtc->taken || !(mask & crtc->mask)) {
			continue;
		}
		if (!found || crtc->id == present) {
			found = crtc;
		}
	}
	return found;
}
