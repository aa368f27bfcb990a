/* SPDX-License-Identifier: MIT */
/*
 * Writes pictures and the pointer into shared memory as Looking Glass's host program does
 * (proto/kvmfr.h), B7 or B6, so that its client and Baton can show them. There are two frame
 * buffers, of which the second is for readers that are slow; a picture is announced first and drawn
 * then, so that the reader's copy may follow.
 *
 * No thread, no clock, no wait: times are in milliseconds as in lgmp_producer.h. Single-threaded.
 */
#ifndef AGENT_KVMFR_PRODUCER_H
#define AGENT_KVMFR_PRODUCER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/kvmfr.h"

struct kvmfr_producer;

struct kvmfr_producer_config {
	uint32_t version;     /* KVMFR_VERSION_B7 or _B6 */
	uint32_t seed;        /* of the session's number; another one at each start */
	const char *producer; /* this program and its version, for people */
	const uint8_t *uuid;  /* of the machine, 16 bytes; NULL: none is told */
	const char *capture;  /* the way of capture, for people; with uuid only */
	enum kvmfr_os os;
	const char *os_name;  /* NULL: no system is told */
	uint32_t cursor_size; /* bytes that a shape may have; 0: those of 512 x 512 */
	uint32_t frame_size;  /* bytes that a frame may have; 0: half of what memory is left */
};

/* Memory that frames of this size in bytes need, a power of two as PCI wants it. */
uint64_t kvmfr_producer_memory_size(uint64_t frame_size);

/*
 * Lays the memory out (aligned to a page, the caller's, longer-lived than the producer) and begins
 * a session. Returns 0; -ENOSPC when the memory is too small, -EINVAL for the version, -ENOMEM.
 */
int kvmfr_producer_create(void *memory, size_t size, const struct kvmfr_producer_config *config,
			  uint64_t now, struct kvmfr_producer **out);
/* The memory stays as it is, and its heartbeat stands still. NULL is legal. */
void kvmfr_producer_destroy(struct kvmfr_producer *producer);

/*
 * Every LGMP_HEARTBEAT_MS while somebody may look. A session that was wiped, or whose locks stay
 * taken for a second, is begun anew: then returns 1, and the next picture must be a whole one.
 */
int kvmfr_producer_tick(struct kvmfr_producer *producer, uint64_t now);
/* Begins another session. */
void kvmfr_producer_restart(struct kvmfr_producer *producer, uint64_t now);

/* Whether anybody reads frames or the pointer; nothing needs to be captured otherwise. */
bool kvmfr_producer_is_watched(const struct kvmfr_producer *producer);
/* Whether somebody has come since the last call, who wants the picture and pointer of now. */
bool kvmfr_producer_has_newcomer(struct kvmfr_producer *producer);
/* Whether a picture can be begun now: a buffer is free. */
bool kvmfr_producer_has_room(const struct kvmfr_producer *producer);
/* Whether somebody still reads the last picture. */
bool kvmfr_producer_is_read(const struct kvmfr_producer *producer);
/*
 * Where the pixels of the next picture will be. The last picture is changed in place once nobody
 * reads it any more: its buffer lacks the least. A reader that looks at pixels it has acknowledged,
 * as one that has the graphics card read them may, sees parts of two pictures for a moment.
 */
const uint8_t *kvmfr_producer_next(const struct kvmfr_producer *producer);
uint32_t kvmfr_producer_frame_size(const struct kvmfr_producer *producer); /* bytes at most */

struct kvmfr_picture {
	enum kvmfr_format format;
	uint32_t width, height;               /* pixels that are stored */
	uint32_t screen_width, screen_height; /* of the guest's desktop; 0: as stored */
	uint32_t pitch;                       /* bytes */
	enum kvmfr_rotation rotation;
	uint32_t flags; /* KVMFR_FRAME_* */
	/* What differs from the picture before; more than KVMFR_DAMAGE_MAX or none: everything. */
	const struct kvmfr_rect *damage;
	unsigned int damage_count;
};

/*
 * Announces a picture; *pixels is where all of it is to be drawn (the buffer still holds an earlier
 * picture). Returns 0; -ENOTCONN when nobody subscribes, -ENOBUFS when no buffer is free,
 * -EMSGSIZE when it is too large, -EBUSY.
 */
int kvmfr_producer_begin(struct kvmfr_producer *producer, const struct kvmfr_picture *picture,
			 uint8_t **pixels);
/* The first `bytes` of the picture are drawn. */
void kvmfr_producer_advance(struct kvmfr_producer *producer, uint32_t bytes);
/* All of it is. */
void kvmfr_producer_end(struct kvmfr_producer *producer);
/* Sends the last picture once more, for a newcomer. -ENODATA: there is none, or the next one was
 * begun in its place and could not be sent: it is due. */
int kvmfr_producer_repeat(struct kvmfr_producer *producer);

struct kvmfr_shape {
	enum kvmfr_cursor_type type;
	uint32_t width, height, pitch; /* as in struct kvmfr_cursor */
	int8_t hot_x, hot_y;
	const uint8_t *pixels; /* height * pitch */
};

/*
 * Tells the pointer: where the corner of its image is, whether it is shown, and its image when that
 * changed (else NULL). Remembered for newcomers even when nobody reads. As kvmfr_producer_begin().
 */
int kvmfr_producer_point(struct kvmfr_producer *producer, int16_t x, int16_t y, bool visible,
			 const struct kvmfr_shape *shape);
/* Tells what is remembered, for a newcomer. */
int kvmfr_producer_repeat_pointer(struct kvmfr_producer *producer);

/* True when a consumer asks to have the pointer there. */
bool kvmfr_producer_take_request(struct kvmfr_producer *producer, int32_t *x, int32_t *y);

#endif
