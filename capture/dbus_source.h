/* SPDX-License-Identifier: MIT */
/* A guest's picture over QEMU's D-Bus display: shared-memory scan-outs, copied ones, cursor. */
#ifndef CAPTURE_DBUS_SOURCE_H
#define CAPTURE_DBUS_SOURCE_H

#include <systemd/sd-event.h>

#include "capture/frame_source.h"
#include "vm/vm.h"

/*
 * A source for console 0 of the guest. It follows the guest's peer connection through all its
 * restarts; while watched and connected it keeps one listener registered, and until the
 * guest's first picture also unwatched. Returns 0 or -errno.
 */
int dbus_source_create(sd_event *event, struct vm *vm, struct frame_source **out);

#endif
