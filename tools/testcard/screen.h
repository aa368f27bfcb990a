/* SPDX-License-Identifier: MIT */
/*
 * One DRM output through the kernel's legacy mode-setting calls and dumb buffers.
 *
 * Without flipping there is one buffer, drawn in place and announced with its real damage
 * (DIRTYFB). With flipping there are two: screen_canvas() is always the one that is not shown, and
 * screen_show() exchanges them.
 */
#ifndef TESTCARD_SCREEN_H
#define TESTCARD_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <drm.h>
#include <drm_mode.h>

#include "canvas.h"

enum {
	SCREEN_BUFFERS = 2,
	SCREEN_CURSOR_SIZE = 64,
};

struct screen_buffer {
	uint32_t handle; /* 0: no buffer here */
	uint32_t fb;
	size_t size;
	struct canvas canvas;
};

struct screen {
	int fd;
	uint32_t connector;
	uint32_t crtc;
	struct drm_mode_modeinfo mode;
	struct screen_buffer buffers[SCREEN_BUFFERS];
	int front;
	bool flip;         /* two buffers and page flips */
	bool flip_pending; /* the kernel has not reported the last flip done */
	uint32_t cursor;   /* handle of the cursor's picture, 0 while none was made */
	bool cursor_shown;
};

/* Opens the first card that has an output. 0 or -errno. */
int screen_open(struct screen *screen, bool flip);

/* Opens this card ("/dev/dri/card1"); -ENODEV when it has no output. 0 or -errno. */
int screen_open_node(struct screen *screen, const char *path, bool flip);

/* Also when the card is gone already. */
void screen_close(struct screen *screen);

/* Probes the connector and takes its preferred mode. *changed tells whether that differs from
 * before. 0 or -errno. */
int screen_follow_mode(struct screen *screen, bool *changed);

/* Number of the buffer to draw into. */
int screen_page(const struct screen *screen);
struct canvas *screen_canvas(struct screen *screen);

/* The picture that is shown now. */
const struct canvas *screen_shown(const struct screen *screen);

/* Shows what was drawn. Only the damaged rectangle is announced when there is one buffer. 0 or
 * -errno. */
int screen_show(struct screen *screen, struct rect damage);

/* Reads the kernel's flip events; waits at most wait_ms for one when a flip is under way. */
void screen_finish_flip(struct screen *screen, int wait_ms);

/* The back buffer's content is whatever it had before: the caller draws it whole. */
void screen_set_flip(struct screen *screen, bool flip);

/* Shows or hides the hardware cursor; -ENXIO and the like where the card has none. */
int screen_set_cursor(struct screen *screen, bool shown);
void screen_move_cursor(struct screen *screen, int x, int y);

#endif
