/* SPDX-License-Identifier: MIT */
/*
 * Graphics cards with one connector each, a seat and a udev for tests, in place of libdrm, libseat
 * and libudev. A card takes atomic requests as the kernel does: whole or not at all, one at a time
 * for its CRTC, with a flip event that the test sends when it likes. At the start only the first
 * card is plugged in; what says "kms" instead of "card" is about that one.
 */
#ifndef TESTS_UNIT_FAKE_KMS_H
#define TESTS_UNIT_FAKE_KMS_H

#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>

#define FAKE_CARDS 3
#define FAKE_COMMITS_MAX 512
#define FAKE_BOXES_MAX 32

/* One request that was taken, or only tested. */
struct fake_commit {
	bool test, modeset, nonblock, event;
	bool touches_primary, touches_cursor;
	uint64_t fb, cursor_fb; /* shown afterwards; 0: off */
	int64_t cursor_x, cursor_y;
	bool active;               /* the CRTC, afterwards */
	unsigned int damage_count; /* 0: everything */
	pixman_box32_t damage[FAKE_BOXES_MAX];
};

/* Where somebody left an overlay plane on. */
enum fake_overlay {
	FAKE_OVERLAY_OFF,
	FAKE_OVERLAY_HERE,  /* at the connector's CRTC */
	FAKE_OVERLAY_THERE, /* at a second CRTC, which the connector cannot use and which is on */
	FAKE_OVERLAY_DARK,  /* at the second CRTC, which is off */
};

struct fake_card {
	/* What the card is like; may be changed at any time. */
	bool connected;
	uint16_t width, height; /* of the monitor's preferred mode */
	bool has_cursor;        /* before the card is opened */
	bool no_atomic, not_master;
	int refuse;         /* so many real requests are refused */
	bool refuse_cursor; /* real requests that show the cursor plane are refused */
	bool hold_flips;    /* flips are reported only by fake_kms_flip() */
	bool boot;          /* the machine booted on it; before the start */
	bool no_output;     /* it only computes */
	bool dead;          /* it was pulled out: requests fail */
	/* What happened. */
	struct fake_commit commits[FAKE_COMMITS_MAX];
	unsigned int count; /* of commits, tests included */
	unsigned int refused;
	unsigned int busy;   /* requests while the CRTC was busy */
	unsigned int denied; /* requests, tests too, while somebody else had the seat */
	unsigned int
		waits; /* of the loop: requests until they are in effect, and closing the card */
	bool acknowledged;   /* the seat was given back */
	int framebuffers;    /* that there are */
	unsigned int opened; /* so many times */
	unsigned int looks;  /* at what is plugged into its connector */
};

extern struct fake_card fake_cards[FAKE_CARDS];
#define fake_kms (fake_cards[0])

void fake_kms_reset(void);
void fake_kms_finish(void);

/* The request in flight is in effect since vblank_ns (0: now). */
void fake_kms_flip(uint64_t vblank_ns);
bool fake_kms_flip_pending(void);
/* The flip of the request before the one in flight is reported late. */
void fake_kms_flip_late(void);

void fake_kms_leave_overlay(enum fake_overlay where);
/* Nothing is on that no screen has. */
bool fake_kms_is_clean(void);

/* The seat goes to somebody else, who then shows something on the card, or comes back. */
void fake_seat_disable(void);
void fake_seat_enable(void);

/* The kernel reports that something changed at the connector. */
void fake_kms_hotplug(void);

/* A card is plugged in, under a name that no node had before, or pulled out; udev says so. */
void fake_card_appear(unsigned int card);
void fake_card_vanish(unsigned int card);
/* It is dead and its descriptor says so; udev says nothing. */
void fake_card_hang_up(unsigned int card);
/* Its driver does not come back from what may take its time, until it does; in a thread only. */
void fake_card_hang(unsigned int card, bool hang);
/* Whoever had it open is gone. */
void fake_card_forget(unsigned int card);
/* Its slot, and its nodes: files in which nothing is. */
const char *fake_card_slot(unsigned int card);
const char *fake_card_path(unsigned int card);
const char *fake_card_render_path(unsigned int card);
bool fake_card_is_open(unsigned int card);
void fake_card_hotplug(unsigned int card);
const struct fake_commit *fake_card_last(unsigned int card);

/* The latest request that was not a test, or NULL. */
const struct fake_commit *fake_kms_last(void);
/* Requests that were not tests. */
unsigned int fake_kms_real_count(void);
/* A pixel of a frame buffer as 0xAARRGGBB. */
uint32_t fake_kms_pixel(uint64_t fb, uint32_t x, uint32_t y);

#endif
