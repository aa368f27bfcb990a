/* SPDX-License-Identifier: MIT */
/*
 * What the agent does with a graphics card: asks what is on its screen, and reads it. drm_card.h is
 * the real one; tests bring their own. No call waits longer than the kernel takes to copy a few
 * words, but for read_begin(), which waits until the card has drawn.
 */
#ifndef AGENT_CARD_OPS_H
#define AGENT_CARD_OPS_H

#include <stddef.h>
#include <stdint.h>

struct card_cursor {
	uint32_t buffer; /* a framebuffer's number; 0: none is shown */
	int32_t x, y;    /* of the image's corner, on the screen */
	int32_t hot_x, hot_y;
};

/* The one screen of the card that is captured: the first that is lit, while it is. */
struct card_screen {
	uint32_t crtc; /* 0: none is lit */
	uint32_t width, height;
	uint32_t refresh; /* mHz */
	uint32_t buffer;  /* the number of the framebuffer that it shows */
	uint32_t x, y;    /* where in it the screen begins */
	struct card_cursor cursor;
};

/* What lies behind a framebuffer's number now; numbers are given again to others. */
struct card_buffer {
	uint64_t identity; /* of the memory; another one's, while that is kept, differs */
	uint32_t width, height;
	uint32_t format; /* fourcc of DRM */
	uint64_t modifier;
	uint32_t pitch;        /* bytes */
	const uint8_t *pixels; /* height * pitch bytes */
};

struct card_ops {
	/* Opens the card; nothing of it is open before, nor after sleep(). 0 or -errno; -ENODEV and
	 * -ENOENT: it is gone. */
	int (*wake)(void *card);
	void (*sleep)(void *card);
	/* -ENODEV when the card is gone. */
	int (*screen)(void *card, struct card_screen *out);
	/*
	 * The memory of a framebuffer, the card's, until sleep() or some more of them were asked
	 * for. -ENOENT: it is gone meanwhile; -EPERM: the kernel gives it to root alone;
	 * -EOPNOTSUPP: the processor cannot read it in rows (the card tells why, once).
	 */
	int (*buffer)(void *card, uint32_t number, const struct card_buffer **out);
	/* 0; or -EOPNOTSUPP: it cannot be read this way, and buffer() finds another, or none. */
	int (*read_begin)(void *card, const struct card_buffer *buffer);
	void (*read_end)(void *card, const struct card_buffer *buffer);
	/* Makes fd() readable at the next vertical blank. -EOPNOTSUPP: this card does not tell. */
	int (*vblank)(void *card, uint32_t crtc);
	int (*fd)(void *card);
	/* Takes what made it readable. */
	void (*drain)(void *card);
};

#endif
