// SPDX-License-Identifier: MIT
/* Probing connectors: preferred mode, name, and what the EDID calls the monitor. */
#include "compositor/kms/connector.h"

#include <errno.h>
#include <libdisplay-info/info.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xf86drm.h>

#include "capture/frame.h"

uint32_t mode_refresh_mhz(const drmModeModeInfo *mode)
{
	uint64_t mhz, pixels = (uint64_t)mode->htotal * mode->vtotal;

	if (pixels == 0) {
		return mode->vrefresh * 1000;
	}
	mhz = ((uint64_t)mode->clock * 1000000 + pixels / 2) / pixels;
	if (mode->flags & DRM_MODE_FLAG_INTERLACE) {
		mhz *= 2;
	}
	if (mode->flags & DRM_MODE_FLAG_DBLSCAN) {
		mhz /= 2;
	}
	if (mode->vscan > 1) {
		mhz /= mode->vscan;
	}
	return (uint32_t)mhz;
}

static const drmModeModeInfo *preferred_mode(const drmModeConnector *info)
{
	for (int i = 0; i < info->count_modes; i++) {
		if (info->modes[i].type & DRM_MODE_TYPE_PREFERRED) {
			return &info->modes[i];
		}
	}
	/* The kernel sorts them, the largest first. */
	return info->count_modes > 0 ? &info->modes[0] : NULL;
}

static void describe_edid(struct monitor *monitor, const drmModePropertyBlobRes *blob)
{
	struct di_info *info = di_info_parse_edid(blob->data, blob->length);
	char *make, *model;

	if (!info) {
		return;
	}
	make = di_info_get_make(info);
	model = di_info_get_model(info);
	snprintf(monitor->description, sizeof(monitor->description), "%s%s%s", make ? make : "",
		 make && model ? " " : "", model ? model : "");
	free(make);
	free(model);
	di_info_destroy(info);
}

static void monitor_describe(int fd, struct monitor *monitor)
{
	uint32_t blob_id = (uint32_t)monitor->props.value[CONNECTOR_EDID];
	drmModePropertyBlobRes *blob = blob_id ? drmModeGetPropertyBlob(fd, blob_id) : NULL;

	if (blob) {
		describe_edid(monitor, blob);
		drmModeFreePropertyBlob(blob);
	}
}

static int monitor_fill(const struct card *card, const drmModeConnector *info, struct monitor *out)
{
	const char *type = drmModeGetConnectorTypeName(info->connector_type);
	const drmModeModeInfo *mode = preferred_mode(info);
	int r;

	if (info->connection != DRM_MODE_CONNECTED || !mode || mode->hdisplay == 0 ||
	    mode->vdisplay == 0 || mode->hdisplay > FRAME_SIDE_MAX ||
	    mode->vdisplay > FRAME_SIDE_MAX) {
		return -ENODEV;
	}
	memset(out, 0, sizeof(*out));
	out->connector = info->connector_id;
	r = connector_props_read(card->fd, info->connector_id, &out->props);
	if (r < 0) {
		return r;
	}
	if (out->props.value[CONNECTOR_NON_DESKTOP]) {
		return -ENODEV; /* a headset: nobody would see a desktop in it */
	}
	snprintf(out->name, sizeof(out->name), "%s-%u", type ? type : "Unknown",
		 info->connector_type_id);
	out->mode = *mode;
	out->refresh_mhz = mode_refresh_mhz(mode);
	monitor_describe(card->fd, out);
	return 0;
}

int monitor_probe(const struct card *card, uint32_t connector, struct monitor *out,
		  drmModeConnector **info)
{
	int r;

	*info = drmModeGetConnector(card->fd, connector);
	if (!*info) {
		return errno ? -errno : -ENODEV;
	}
	r = monitor_fill(card, *info, out);
	if (r < 0) {
		drmModeFreeConnector(*info);
		*info = NULL;
	}
	return r;
}

bool monitor_equal(const struct monitor *a, const struct monitor *b)
{
	return a->connector == b->connector && memcmp(&a->mode, &b->mode, sizeof(a->mode)) == 0 &&
	       strcmp(a->description, b->description) == 0;
}
