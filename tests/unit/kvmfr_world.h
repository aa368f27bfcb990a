/* SPDX-License-Identifier: MIT */
/*
 * Shared memory with a producer of our own at one end and the frame source at the other, and a
 * clock that is set by hand: nothing happens but by kvmfr_world_tick(). Link with -Wl,--wrap= of
 * log_write, sd_event_now, sd_event_source_set_enabled and sd_event_source_set_time.
 */
#ifndef TESTS_UNIT_KVMFR_WORLD_H
#define TESTS_UNIT_KVMFR_WORLD_H

#include <systemd/sd-event.h>

#include "agent/kvmfr_producer.h"
#include "capture/kvmfr_source.h"
#include "proto/lgmp.h"

#define WORLD_SIZE (1024u * 1024u)
#define WORLD_WIDTH 64u
#define WORLD_HEIGHT 48u
#define WORLD_INTERVAL 16 /* ms, of a refresh */
#define WORLD_UUID "00010203-0405-0607-0809-0a0b0c0d0e0f"

/* Some damage. */
extern const struct kvmfr_rect kvmfr_world_box;

struct kvmfr_world {
	sd_event *event;
	int fd;
	uint8_t *memory; /* the guest's mapping */
	struct lgmp_header *header;
	uint32_t version; /* of KVMFR */
	struct kvmfr_producer *producer;
	struct frame_source *source;
	struct frame_source_observer observer;
	unsigned int frames, damages, cursors, states; /* told */
	pixman_region32_t damage;                      /* told since kvmfr_world_forget() */
	bool real_clock;
	uint64_t now_ms;
	bool timer_on; /* of the source that was created last */
	uint64_t timer_usec;
	char log[256]; /* the last line of it */
	unsigned int logs;
};

/* A source that is watched, and a producer that has just started. NULL fixture pointers are fine.
 */
struct kvmfr_world *kvmfr_world_create(uint32_t version);
void kvmfr_world_destroy(struct kvmfr_world *world);

/* The same for cmocka, in each version of KVMFR that a producer may have. */
int kvmfr_world_set_up_b7(void **fixture);
int kvmfr_world_set_up_b6(void **fixture);
int kvmfr_world_tear_down(void **fixture);

/* clang-format off */
#define KVMFR_TEST_BOTH(test) \
	{ #test " B7", test, kvmfr_world_set_up_b7, kvmfr_world_tear_down, NULL }, \
	{ #test " B6", test, kvmfr_world_set_up_b6, kvmfr_world_tear_down, NULL }
/* clang-format on */

/* Time goes on; the producer ticks and the source looks, or one of them does not. */
void kvmfr_world_tick(struct kvmfr_world *world, unsigned int ms);
void kvmfr_world_tick_producer(struct kvmfr_world *world, unsigned int ms);
void kvmfr_world_tick_source(struct kvmfr_world *world, unsigned int ms);

/* In how many microseconds the source wants to look again; -1: it does not. */
int64_t kvmfr_world_timer(const struct kvmfr_world *world);

/* Until the source has subscribed. */
void kvmfr_world_settle(struct kvmfr_world *world);

/* What a pixel of the n-th picture is: 0xRRGGBB. */
uint32_t kvmfr_world_colour(unsigned int n, uint32_t x, uint32_t y);
/* Draws the n-th picture into memory, in a format of 3 or 4 bytes a pixel. */
void kvmfr_world_draw(uint8_t *pixels, const struct kvmfr_picture *picture, unsigned int n);
/* A picture of the world's size in this format. */
struct kvmfr_picture kvmfr_world_picture(enum kvmfr_format format);
/* Sends the n-th picture, whole or with one damaged box, and draws all of it. */
void kvmfr_world_send(struct kvmfr_world *world, unsigned int n, const struct kvmfr_rect *damage);
/* Sends it, and lets a refresh interval pass. */
void kvmfr_world_show(struct kvmfr_world *world, unsigned int n, const struct kvmfr_rect *damage);
/* The source has subscribed and shows picture 1. */
void kvmfr_world_begin(struct kvmfr_world *world);
/* The source's pixel as 0xRRGGBB, whatever its format. */
uint32_t kvmfr_world_pixel(const struct kvmfr_world *world, uint32_t x, uint32_t y);
/* Fails unless the source shows the n-th picture. */
void kvmfr_world_expect(const struct kvmfr_world *world, unsigned int n);

/* What the source's producer's queue is. */
struct lgmp_queue *kvmfr_world_queue(struct kvmfr_world *world, uint32_t id);
/* Forgets what was told. */
void kvmfr_world_forget(struct kvmfr_world *world);

#endif
