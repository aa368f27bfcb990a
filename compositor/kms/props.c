// SPDX-License-Identifier: MIT
/* Properties by name: the kernel numbers them anew for each card. */
#include "compositor/kms/props.h"

#include <errno.h>
#include <string.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

static const char *const connector_names[CONNECTOR_PROP_COUNT] = {
	[CONNECTOR_CRTC_ID] = "CRTC_ID",
	[CONNECTOR_EDID] = "EDID",
	[CONNECTOR_NON_DESKTOP] = "non-desktop",
};

static const char *const crtc_names[CRTC_PROP_COUNT] = {
	[CRTC_ACTIVE] = "ACTIVE",
	[CRTC_MODE_ID] = "MODE_ID",
};

static const char *const plane_names[PLANE_PROP_COUNT] = {
	[PLANE_TYPE] = "type",
	[PLANE_FB_ID] = "FB_ID",
	[PLANE_CRTC_ID] = "CRTC_ID",
	[PLANE_SRC_X] = "SRC_X",
	[PLANE_SRC_Y] = "SRC_Y",
	[PLANE_SRC_W] = "SRC_W",
	[PLANE_SRC_H] = "SRC_H",
	[PLANE_CRTC_X] = "CRTC_X",
	[PLANE_CRTC_Y] = "CRTC_Y",
	[PLANE_CRTC_W] = "CRTC_W",
	[PLANE_CRTC_H] = "CRTC_H",
	[PLANE_IN_FORMATS] = "IN_FORMATS",
	[PLANE_IN_FENCE_FD] = "IN_FENCE_FD",
	[PLANE_DAMAGE_CLIPS] = "FB_DAMAGE_CLIPS",
	[PLANE_HOTSPOT_X] = "HOTSPOT_X",
	[PLANE_HOTSPOT_Y] = "HOTSPOT_Y",
};

/* Takes the property's id and value into the entries of its name, if it is one of the names. */
static void take_prop(int fd, uint32_t prop_id, uint64_t value, const char *const names[],
		      unsigned int count, uint32_t ids[], uint64_t values[])
{
	drmModePropertyRes *prop = drmModeGetProperty(fd, prop_id);

	if (!prop) {
		return;
	}
	for (unsigned int i = 0; i < count; i++) {
		if (strcmp(prop->name, names[i]) == 0) {
			ids[i] = prop_id;
			values[i] = value;
		}
	}
	drmModeFreeProperty(prop);
}

static int props_read(int fd, uint32_t object, uint32_t type, const char *const names[],
		      unsigned int count, uint32_t ids[], uint64_t values[])
{
	drmModeObjectProperties *props = drmModeObjectGetProperties(fd, object, type);

	if (!props) {
		return -errno;
	}
	memset(ids, 0, count * sizeof(ids[0]));
	memset(values, 0, count * sizeof(values[0]));
	for (uint32_t i = 0; i < props->count_props; i++) {
		take_prop(fd, props->props[i], props->prop_values[i], names, count, ids, values);
	}
	drmModeFreeObjectProperties(props);
	return 0;
}

int connector_props_read(int fd, uint32_t connector, struct connector_props *out)
{
	return props_read(fd, connector, DRM_MODE_OBJECT_CONNECTOR, connector_names,
			  CONNECTOR_PROP_COUNT, out->id, out->value);
}

int crtc_props_read(int fd, uint32_t crtc, struct crtc_props *out)
{
	return props_read(fd, crtc, DRM_MODE_OBJECT_CRTC, crtc_names, CRTC_PROP_COUNT, out->id,
			  out->value);
}

int plane_props_read(int fd, uint32_t plane, struct plane_props *out)
{
	return props_read(fd, plane, DRM_MODE_OBJECT_PLANE, plane_names, PLANE_PROP_COUNT, out->id,
			  out->value);
}
