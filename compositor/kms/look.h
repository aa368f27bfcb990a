/* SPDX-License-Identifier: MIT */
/* Looking at a card: what is plugged into it, and making screens for that. */
#ifndef COMPOSITOR_KMS_LOOK_H
#define COMPOSITOR_KMS_LOOK_H

#include "compositor/kms/device.h"

/*
 * Carries out device->look, in any thread: reads what the card is made of if that is not known,
 * finds the monitors and, if that is asked for, chooses who draws and makes their screens. The
 * drivers may wait.
 */
void look_carry_out(struct kms_device *device);
void look_clear(struct look *look);

/* A screen for a monitor; who draws was chosen. 0 or -errno, logged. In the thread that the device
 * belongs to. */
int look_make_screen(struct kms_device *device, const struct found *found, struct screen **out);

#endif
