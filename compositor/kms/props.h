/* SPDX-License-Identifier: MIT */
/* Ids of the properties of KMS objects. A driver may lack any of them: its id is 0 then. */
#ifndef COMPOSITOR_KMS_PROPS_H
#define COMPOSITOR_KMS_PROPS_H

#include <stdint.h>

enum connector_prop {
	CONNECTOR_CRTC_ID,
	CONNECTOR_EDID,
	CONNECTOR_NON_DESKTOP,
	CONNECTOR_PROP_COUNT
};

enum crtc_prop { CRTC_ACTIVE, CRTC_MODE_ID, CRTC_PROP_COUNT };

enum plane_prop {
	PLANE_TYPE,
	PLANE_FB_ID,
	PLANE_CRTC_ID,
	PLANE_SRC_X,
	PLANE_SRC_Y,
	PLANE_SRC_W,
	PLANE_SRC_H,
	PLANE_CRTC_X,
	PLANE_CRTC_Y,
	PLANE_CRTC_W,
	PLANE_CRTC_H,
	PLANE_IN_FORMATS,
	PLANE_IN_FENCE_FD,
	PLANE_DAMAGE_CLIPS,
	PLANE_HOTSPOT_X,
	PLANE_HOTSPOT_Y,
	PLANE_PROP_COUNT
};

/* An object with the ids of its properties and their values at the time of reading. */
struct connector_props {
	uint32_t id[CONNECTOR_PROP_COUNT];
	uint64_t value[CONNECTOR_PROP_COUNT];
};

struct crtc_props {
	uint32_t id[CRTC_PROP_COUNT];
	uint64_t value[CRTC_PROP_COUNT];
};

struct plane_props {
	uint32_t id[PLANE_PROP_COUNT];
	uint64_t value[PLANE_PROP_COUNT];
};

/* Read from the kernel; 0 or -errno. */
int connector_props_read(int fd, uint32_t connector, struct connector_props *out);
int crtc_props_read(int fd, uint32_t crtc, struct crtc_props *out);
int plane_props_read(int fd, uint32_t plane, struct plane_props *out);

#endif
