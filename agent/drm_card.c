// SPDX-License-Identifier: MIT
/* A card's screen by DRM; see drm_card.h. */
#include "agent/drm_card.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "agent/drm_buffers.h"
#include "common/log.h"

/* Newer than some libdrm: cursor planes of paravirtual cards are hidden without it. */
#ifndef DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT
#define DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT 6
#endif
#define CRTCS_MAX 16
#define PROPERTIES_MAX 64

/* What is asked of a plane; numbers of properties, 0: it has none. */
struct plane {
	uint32_t id; /* 0: there is none */
	uint32_t x, y, hot_x, hot_y;
};

struct crtc {
	uint32_t id;
	uint32_t active; /* a property; 0: it has none */
	struct plane cursor;
};

struct drm_card {
	char *node;
	int fd; /* -1: asleep */
	unsigned int crtc_count;
	struct crtc crtcs[CRTCS_MAX];
	unsigned int lit; /* the one that was lit at the last look */
	struct drm_buffers *buffers;
	enum copy_way way;
	struct card_copy copy;
};

int drm_card_create(const char *node, enum copy_way way, struct drm_card **out)
{
	_cleanup_(drm_card_destroy_ptr) struct drm_card *card = calloc(1, sizeof(*card));

	if (!card) {
		return -ENOMEM;
	}
	card->fd = -1;
	card->way = way;
	card->node = strdup(node);
	if (!card->node) {
		return -ENOMEM;
	}
	*out = take_ptr(card);
	return 0;
}

static void card_sleep(void *data)
{
	struct drm_card *card = data;

	drm_buffers_destroy(card->buffers);
	card->buffers = NULL;
	card_copy_close(&card->copy);
	if (card->fd >= 0) {
		close(card->fd);
	}
	card->fd = -1;
}

void drm_card_destroy(struct drm_card *card)
{
	if (card) {
		card_sleep(card);
		free(card->node);
		free(card);
	}
}

/* ---- what the card has; asked once ---- */

struct values {
	uint32_t count;
	uint32_t ids[PROPERTIES_MAX];
	uint64_t values[PROPERTIES_MAX];
};

static int values_read(int fd, uint32_t object, uint32_t type, struct values *values)
{
	struct drm_mode_obj_get_properties get = {
		.props_ptr = (uintptr_t)values->ids,
		.prop_values_ptr = (uintptr_t)values->values,
		.count_props = PROPERTIES_MAX,
		.obj_id = object,
		.obj_type = type,
	};

	if (drmIoctl(fd, DRM_IOCTL_MODE_OBJ_GETPROPERTIES, &get) < 0) {
		return -errno;
	}
	/* More than fit: the kernel says how many, and writes none. */
	values->count = get.count_props <= PROPERTIES_MAX ? get.count_props : 0;
	return 0;
}

static uint64_t value_of(const struct values *values, uint32_t property, uint64_t otherwise)
{
	for (uint32_t i = 0; i < values->count && property; i++) {
		if (values->ids[i] == property) {
			return values->values[i];
		}
	}
	return otherwise;
}

/* The number of a property by its name, or 0. */
static uint32_t property_find(int fd, const struct values *values, const char *name)
{
	for (uint32_t i = 0; i < values->count; i++) {
		struct drm_mode_get_property get = { .prop_id = values->ids[i] };

		if (drmIoctl(fd, DRM_IOCTL_MODE_GETPROPERTY, &get) == 0 &&
		    strncmp(get.name, name, sizeof(get.name)) == 0) {
			return values->ids[i];
		}
	}
	return 0;
}

static void cursor_plane_take(struct drm_card *card, uint32_t id, uint32_t possible,
			      const struct values *values)
{
	struct plane plane = {
		.id = id,
		.x = property_find(card->fd, values, "CRTC_X"),
		.y = property_find(card->fd, values, "CRTC_Y"),
		.hot_x = property_find(card->fd, values, "HOTSPOT_X"),
		.hot_y = property_find(card->fd, values, "HOTSPOT_Y"),
	};

	for (unsigned int i = 0; i < card->crtc_count; i++) {
		if ((possible & 1u << i) && !card->crtcs[i].cursor.id) {
			card->crtcs[i].cursor = plane;
			return;
		}
	}
}

static void cursor_planes_find(struct drm_card *card)
{
	drmModePlaneRes *planes = drmModeGetPlaneResources(card->fd);

	for (uint32_t i = 0; planes && i < planes->count_planes; i++) {
		struct drm_mode_get_plane get = { .plane_id = planes->planes[i] };
		struct values values;

		if (values_read(card->fd, get.plane_id, DRM_MODE_OBJECT_PLANE, &values) == 0 &&
		    drmIoctl(card->fd, DRM_IOCTL_MODE_GETPLANE, &get) == 0 &&
		    value_of(&values, property_find(card->fd, &values, "type"),
			     DRM_PLANE_TYPE_PRIMARY) == DRM_PLANE_TYPE_CURSOR) {
			cursor_plane_take(card, get.plane_id, get.possible_crtcs, &values);
		}
	}
	drmModeFreePlaneResources(planes);
}

static int crtcs_find(struct drm_card *card)
{
	drmModeRes *resources = drmModeGetResources(card->fd);

	if (!resources) {
		return -errno;
	}
	memset(card->crtcs, 0, sizeof(card->crtcs));
	card->crtc_count = 0;
	for (int i = 0; i < resources->count_crtcs && i < CRTCS_MAX; i++) {
		struct crtc *crtc = &card->crtcs[card->crtc_count++];
		struct values values;

		crtc->id = resources->crtcs[i];
		if (values_read(card->fd, crtc->id, DRM_MODE_OBJECT_CRTC, &values) == 0) {
			crtc->active = property_find(card->fd, &values, "ACTIVE");
		}
	}
	drmModeFreeResources(resources);
	return 0;
}

static int card_wake(void *data)
{
	struct drm_card *card = data;
	int r;

	card->fd = open(card->node, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (card->fd < 0) {
		return -errno;
	}
	/* Who opens a card that nobody drives is made its master, whom others then wait for. */
	drmDropMaster(card->fd);
	drmSetClientCap(card->fd, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1);
	/* Where planes are can be asked of drivers alone that know atomic commits. */
	drmSetClientCap(card->fd, DRM_CLIENT_CAP_ATOMIC, 1);
	drmSetClientCap(card->fd, DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT, 1);
	card_copy_init(&card->copy, card->fd, card->way);
	r = crtcs_find(card);
	r = r < 0 ? r : drm_buffers_create(card->fd, &card->copy, &card->buffers);
	if (r < 0) {
		card_sleep(card);
		return r;
	}
	cursor_planes_find(card);
	return 0;
}

/* ---- what it shows; asked at each look ---- */

static uint32_t mode_refresh(const struct drm_mode_modeinfo *mode)
{
	uint64_t pixels = (uint64_t)mode->htotal * mode->vtotal;

	if (!pixels || !mode->clock) {
		return mode->vrefresh * 1000;
	}
	return (uint32_t)((uint64_t)mode->clock * 1000000 / pixels);
}

/* 1: it is lit, 0: it is dark, -ENODEV: the card is gone. */
static int crtc_look(const struct drm_card *card, const struct crtc *crtc, struct card_screen *out)
{
	struct drm_mode_crtc get = { .crtc_id = crtc->id };
	struct values values = { 0 };

	if (drmIoctl(card->fd, DRM_IOCTL_MODE_GETCRTC, &get) < 0) {
		return errno == ENODEV ? -ENODEV : 0;
	}
	if (!get.mode_valid || !get.fb_id) {
		return 0;
	}
	if (crtc->active && values_read(card->fd, crtc->id, DRM_MODE_OBJECT_CRTC, &values) == 0 &&
	    !value_of(&values, crtc->active, 1)) {
		return 0;
	}
	*out = (struct card_screen){
		.crtc = crtc->id,
		.width = get.mode.hdisplay,
		.height = get.mode.vdisplay,
		.refresh = mode_refresh(&get.mode),
		.buffer = get.fb_id,
		.x = get.x,
		.y = get.y,
	};
	return 1;
}

static void cursor_look(const struct drm_card *card, const struct crtc *crtc,
			struct card_cursor *out)
{
	struct drm_mode_get_plane get = { .plane_id = crtc->cursor.id };
	struct values values;

	if (!crtc->cursor.id || drmIoctl(card->fd, DRM_IOCTL_MODE_GETPLANE, &get) < 0 ||
	    !get.fb_id || get.crtc_id != crtc->id ||
	    values_read(card->fd, get.plane_id, DRM_MODE_OBJECT_PLANE, &values) < 0) {
		return;
	}
	out->buffer = get.fb_id;
	out->x = (int32_t)value_of(&values, crtc->cursor.x, 0);
	out->y = (int32_t)value_of(&values, crtc->cursor.y, 0);
	out->hot_x = (int32_t)value_of(&values, crtc->cursor.hot_x, 0);
	out->hot_y = (int32_t)value_of(&values, crtc->cursor.hot_y, 0);
}

static int card_screen(void *data, struct card_screen *out)
{
	struct drm_card *card = data;

	for (unsigned int i = 0; i < card->crtc_count; i++) {
		unsigned int at = (card->lit + i) % card->crtc_count;
		int r = crtc_look(card, &card->crtcs[at], out);

		if (r < 0) {
			return r;
		}
		if (r == 1) {
			card->lit = at;
			cursor_look(card, &card->crtcs[at], &out->cursor);
			return 0;
		}
	}
	return 0;
}

static int card_buffer(void *data, uint32_t number, const struct card_buffer **out)
{
	struct drm_card *card = data;

	return drm_buffers_find(card->buffers, number, out);
}

static int card_read_begin(void *data, const struct card_buffer *buffer)
{
	return drm_buffers_read_begin(buffer);
}

static void card_read_end(void *data, const struct card_buffer *buffer)
{
	drm_buffers_read_end(buffer);
}

/* ---- vertical blanks ---- */

static int card_vblank(void *data, uint32_t crtc)
{
	struct drm_card *card = data;

	/* A driver without them, or a screen that is being switched off: the caller has a timer. */
	return drmCrtcQueueSequence(card->fd, crtc,
				    DRM_CRTC_SEQUENCE_RELATIVE | DRM_CRTC_SEQUENCE_NEXT_ON_MISS, 1,
				    NULL, 0) < 0
		       ? -EOPNOTSUPP
		       : 0;
}

static int card_fd(void *data)
{
	return ((struct drm_card *)data)->fd;
}

static void card_drain(void *data)
{
	struct drm_card *card = data;
	char events[1024];

	while (read(card->fd, events, sizeof(events)) > 0) {
	}
}

const struct card_ops drm_card_ops = {
	.wake = card_wake,
	.sleep = card_sleep,
	.screen = card_screen,
	.buffer = card_buffer,
	.read_begin = card_read_begin,
	.read_end = card_read_end,
	.vblank = card_vblank,
	.fd = card_fd,
	.drain = card_drain,
};
