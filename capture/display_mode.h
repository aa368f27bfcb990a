/* SPDX-License-Identifier: MIT */
/*
 * What a guest's virtio-vga is at the moment: a standard VGA, which firmware and boot loaders draw
 * on and which QEMU emulates pixel by pixel, or a virtio-gpu, once a driver in the guest has
 * started it. Its pictures look the same to us, so QEMU is asked: when the display shows another
 * frame, which a driver that starts makes it do, until the driver was seen; a reset ends it.
 */
#ifndef CAPTURE_DISPLAY_MODE_H
#define CAPTURE_DISPLAY_MODE_H

#include "capture/frame_source.h"
#include "vm/vm.h"

struct display_mode;

/* Observes both, which must outlive it. 0 or -errno. */
int display_mode_create(struct vm *vm, struct frame_source *display, struct display_mode **out);
void display_mode_destroy(struct display_mode *mode); /* NULL is legal */

/* False also when a QEMU does not say, or was not asked yet. */
bool display_mode_is_emulated(const struct display_mode *mode);

#endif
