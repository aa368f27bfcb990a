/* SPDX-License-Identifier: MIT */
/* What is plugged into a card, and how it wants its picture. */
#ifndef COMPOSITOR_KMS_CONNECTOR_H
#define COMPOSITOR_KMS_CONNECTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <xf86drmMode.h>

#include "compositor/kms/card.h"

/* A monitor that can be lit: plain data. */
struct monitor {
	uint32_t connector;
	struct connector_props props;
	char name[32];        /* the connector's: "HDMI-A-1" */
	char description[96]; /* from its EDID: "Dell Inc. U2412M", or "" */
	drmModeModeInfo mode; /* the one it prefers */
	uint32_t refresh_mhz;
};

/*
 * Asks the connector what is plugged in. 0, or -ENODEV when there is no monitor with a usable
 * mode, or -errno. The kernel may talk to the monitor meanwhile (milliseconds), so this is for the
 * start and for news from the kernel only. On success *info is the connector as the kernel
 * describes it, to be freed.
 */
int monitor_probe(const struct card *card, uint32_t connector, struct monitor *out,
		  drmModeConnector **info);

/* The same monitor in the same mode. */
bool monitor_equal(const struct monitor *a, const struct monitor *b);

/* The rate of a mode in 1/1000 Hz. */
uint32_t mode_refresh_mhz(const drmModeModeInfo *mode);

#endif
