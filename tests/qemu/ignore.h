/* SPDX-License-Identifier: MIT */
/* What a display listener reports and a test of its coming and going does not care about. */
#ifndef TESTS_QEMU_IGNORE_H
#define TESTS_QEMU_IGNORE_H

#include "capture/dbus_listener.h"

static inline void ignore_damage(const pixman_box32_t *box, void *data)
{
	(void)box, (void)data;
}

static inline void ignore_disabled(void *data)
{
	(void)data;
}

static inline void ignore_cursor(struct cursor_image *image, int32_t hot_x, int32_t hot_y,
				 void *data)
{
	(void)hot_x, (void)hot_y, (void)data;
	cursor_image_unlock(image);
}

static inline void ignore_moved(int32_t x, int32_t y, bool on, void *data)
{
	(void)x, (void)y, (void)on, (void)data;
}

#endif
