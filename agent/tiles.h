/* SPDX-License-Identifier: MIT */
/*
 * What has changed in a picture, found by looking: the card's memory is compared, in tiles of 64 x
 * 64 pixels, with a copy of our own. The card's memory is read once and in rows, since reading it
 * may be slow; shared memory is never read, since there it may be slower still; and of it only
 * those tiles are written that the buffer in question has not got.
 */
#ifndef AGENT_TILES_H
#define AGENT_TILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/pixels.h"
#include "common/cleanup.h"
#include "proto/kvmfr.h"

#define TILE_SIZE 64u
#define TILE_BUFFERS KVMFR_QUEUE_FRAME_LENGTH

struct tiles;

/* For pictures of this size and format as written. Everything counts as changed. 0 or -ENOMEM. */
int tiles_create(uint32_t width, uint32_t height, uint32_t bytes, struct tiles **out);
void tiles_destroy(struct tiles *tiles);
DEFINE_CLEANUP(struct tiles *, tiles_destroy)

/* A row's bytes in our copy and in shared memory. */
uint32_t tiles_pitch(const struct tiles *tiles);

/* Everything counts as changed, and what the buffers hold as unknown. */
void tiles_forget(struct tiles *tiles);

/* Compares with the card's memory and takes over what differs. Returns whether there is anything
 * that tiles_write() has not written yet. */
bool tiles_read(struct tiles *tiles, const uint8_t *pixels, uint32_t pitch,
		const struct pixel_format *format);

/* What tiles_write() will write, in at most KVMFR_DAMAGE_MAX rectangles; their number. */
unsigned int tiles_damage(const struct tiles *tiles, struct kvmfr_rect rects[KVMFR_DAMAGE_MAX]);

/* Bytes that have changed since the last picture, and that tiles_write() would write. */
size_t tiles_changed(const struct tiles *tiles, uint32_t height);
size_t tiles_lacking(const struct tiles *tiles, const uint8_t *buffer, uint32_t height);

/*
 * Brings a buffer up to date, of which at most TILE_BUFFERS are told apart by their address; rows
 * beyond `height` are left out. Nothing counts as changed then. Returns the bytes written.
 */
size_t tiles_write(struct tiles *tiles, uint8_t *buffer, uint32_t height);

#endif
