/* SPDX-License-Identifier: MIT */
/*
 * What Looking Glass sends over LGMP (proto/lgmp.h): KVMFR 20 (release B7) and 19 (release B6),
 * which differ in two fields of a frame. Little-endian, naturally aligned. Data only.
 *
 * The LGMP header's user data is a struct kvmfr_header and records after it. KVMFR_QUEUE_FRAME
 * carries frames, KVMFR_QUEUE_POINTER the cursor; consumers' messages go to the pointer queue.
 *
 * A frame's message is sent before its pixels are there. They follow the 4 bytes of the write
 * pointer, which counts how many of them, from the first on, are complete; the producer sets it to
 * 0 before it sends. A producer with an idle screen sends its last frame and cursor again to a new
 * subscriber, with the same serial, and captures nothing while nobody subscribes.
 */
#ifndef PROTO_KVMFR_H
#define PROTO_KVMFR_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define KVMFR_MAGIC "KVMFR---" /* 8 bytes, no terminator */
#define KVMFR_VERSION_B6 19    /* over LGMP_VERSION_B6 */
#define KVMFR_VERSION_B7 20    /* over LGMP_VERSION_B7 */

#define KVMFR_QUEUE_POINTER 1
#define KVMFR_QUEUE_FRAME 2
/* Messages that fit; the rings have one slot more. */
#define KVMFR_QUEUE_POINTER_LENGTH 20
#define KVMFR_QUEUE_FRAME_LENGTH 2

#define KVMFR_FEATURE_SET_CURSOR 0x1u /* the producer takes KVMFR_REQUEST_SET_CURSOR */

struct kvmfr_header {
	char magic[8];
	uint32_t version;
	char producer[32]; /* its version for people; may lack a terminator */
	uint32_t features;
};

/* Records lie back to back, without padding between them. */
enum kvmfr_record_type { KVMFR_RECORD_VM = 1, KVMFR_RECORD_OS = 2 };

struct kvmfr_record {
	uint8_t type;
	uint8_t unused[3];
	uint32_t size; /* of what follows, bytes */
};

struct kvmfr_record_vm {
	uint8_t uuid[16];
	char capture[32]; /* how it takes frames, for people */
	uint8_t cpus, cores, sockets;
	/* the processor's name follows: a string */
};

enum kvmfr_os { KVMFR_OS_LINUX, KVMFR_OS_BSD, KVMFR_OS_MACOS, KVMFR_OS_WINDOWS, KVMFR_OS_OTHER };

struct kvmfr_record_os {
	uint8_t os;
	/* its name follows: a string */
};

/* Bytes in memory, lowest first. */
enum kvmfr_format {
	KVMFR_FORMAT_BGRA = 1,   /* 4 bytes: b, g, r, unused */
	KVMFR_FORMAT_RGBA = 2,   /* 4 bytes: r, g, b, unused */
	KVMFR_FORMAT_RGBA10 = 3, /* 4 bytes: a word of 10 bits each of r (lowest), g, b; 2 unused */
	KVMFR_FORMAT_RGBA16F = 4, /* 8 bytes: half floats r, g, b, unused */
	KVMFR_FORMAT_BGR32 = 5, /* B7 only. 3 bytes: b, g, r; data_width counts words of 4 bytes */
	KVMFR_FORMAT_RGB24 = 6, /* B7 only. 3 bytes: b, g, r */
};

enum kvmfr_rotation { KVMFR_ROTATION_0, KVMFR_ROTATION_90, KVMFR_ROTATION_180, KVMFR_ROTATION_270 };

#define KVMFR_FRAME_INHIBIT_SLEEP 0x1u /* something plays: no screen saver */
#define KVMFR_FRAME_ACTIVATE 0x2u      /* the guest asks to be put in front */
#define KVMFR_FRAME_TRUNCATED 0x4u     /* the memory is too small for the whole screen */
#define KVMFR_FRAME_HDR 0x8u           /* B7 only */
#define KVMFR_FRAME_HDR_PQ 0x10u       /* B7 only */

#define KVMFR_DAMAGE_MAX 64

struct kvmfr_rect {
	uint32_t x, y, width, height;
};

/*
 * A frame of B7. Sizes in pixels unless said. screen is the guest's desktop, frame what of it is
 * stored and shown, data how many units of the format a row has and how many rows there are.
 * Damage is relative to the frame of the serial before, in frame's pixels; none means all.
 */
struct kvmfr_frame_b7 {
	uint32_t format_version; /* changes with size, format or rotation */
	uint32_t serial;
	uint32_t format;
	uint32_t screen_width, screen_height;
	uint32_t data_width, data_height;
	uint32_t frame_width, frame_height;
	uint32_t rotation;
	uint32_t stride; /* a row's units of the format */
	uint32_t pitch;  /* a row's bytes */
	uint32_t offset; /* of the write pointer, from the start of this struct */
	uint32_t damage_count;
	struct kvmfr_rect damage[KVMFR_DAMAGE_MAX];
	uint32_t flags;
};

/* A frame of B6: rows are as wide as the frame. */
struct kvmfr_frame_b6 {
	uint32_t format_version;
	uint32_t serial;
	uint32_t format;
	uint32_t screen_width, screen_height;
	uint32_t frame_width, frame_height;
	uint32_t rotation;
	uint32_t stride;
	uint32_t pitch;
	uint32_t offset;
	uint32_t damage_count;
	struct kvmfr_rect damage[KVMFR_DAMAGE_MAX];
	uint32_t flags;
};

#define KVMFR_WRITE_POINTER_SIZE 4 /* a shared word; the pixels follow */

/* Where the fields stand that one code path reads or writes in both versions. */
struct kvmfr_frame_layout {
	uint16_t size;
	uint16_t format_version, serial, format;
	uint16_t screen_width, screen_height;
	uint16_t data_width, data_height; /* those of frame where there are none */
	uint16_t frame_width, frame_height;
	uint16_t rotation, stride, pitch, offset;
	uint16_t damage_count, damage, flags;
	uint16_t format_max;
};

#define KVMFR_FRAME_LAYOUT(type, data, last)                                                       \
	{                                                                                          \
		.size = sizeof(struct type),                                                       \
		.format_version = offsetof(struct type, format_version),                           \
		.serial = offsetof(struct type, serial), .format = offsetof(struct type, format),  \
		.screen_width = offsetof(struct type, screen_width),                               \
		.screen_height = offsetof(struct type, screen_height),                             \
		.data_width = offsetof(struct type, data##_width),                                 \
		.data_height = offsetof(struct type, data##_height),                               \
		.frame_width = offsetof(struct type, frame_width),                                 \
		.frame_height = offsetof(struct type, frame_height),                               \
		.rotation = offsetof(struct type, rotation),                                       \
		.stride = offsetof(struct type, stride), .pitch = offsetof(struct type, pitch),    \
		.offset = offsetof(struct type, offset),                                           \
		.damage_count = offsetof(struct type, damage_count),                               \
		.damage = offsetof(struct type, damage), .flags = offsetof(struct type, flags),    \
		.format_max = (last),                                                              \
	}
#define KVMFR_FRAME_LAYOUT_B7 KVMFR_FRAME_LAYOUT(kvmfr_frame_b7, data, KVMFR_FORMAT_RGB24)
#define KVMFR_FRAME_LAYOUT_B6 KVMFR_FRAME_LAYOUT(kvmfr_frame_b6, frame, KVMFR_FORMAT_RGBA16F)

/* In the message's user data. Visible counts in every message; the others say what is there. */
#define KVMFR_CURSOR_POSITION 0x1u
#define KVMFR_CURSOR_VISIBLE 0x2u
#define KVMFR_CURSOR_SHAPE 0x4u

/*
 * COLOUR      4 bytes a pixel: b, g, r, alpha; premultiplied.
 * MONOCHROME  1 bit a pixel, the highest first: height / 2 rows of the AND mask, then as many of
 *             the XOR mask. AND 0: XOR chooses black or white; AND 1: XOR 0 is transparent, 1
 *             inverts.
 * MASKED      4 bytes a pixel: b, g, r, mask. Mask 0 replaces what is below, else XOR with it.
 */
enum kvmfr_cursor_type {
	KVMFR_CURSOR_COLOUR = 0,
	KVMFR_CURSOR_MONOCHROME = 1,
	KVMFR_CURSOR_MASKED = 2,
};

/* height * pitch bytes of the shape follow when it is there. */
struct kvmfr_cursor {
	int16_t x, y; /* of the image's corner */
	uint32_t type;
	int8_t hot_x, hot_y; /* from the corner */
	uint8_t unused[2];
	uint32_t width, height; /* pixels; see MONOCHROME */
	uint32_t pitch;         /* a row's bytes */
};

enum kvmfr_request_type { KVMFR_REQUEST_SET_CURSOR = 0 };

struct kvmfr_request_set_cursor {
	uint32_t type;
	int32_t x, y;
};

/*
 * Later producers (protocol 11 and up) keep this at the start of the memory's last
 * KVMFR_RECOVERY_SIZE bytes. It is the only part that does not change with the versions.
 */
#define KVMFR_RECOVERY_MAGIC "KVMFRRCV" /* 8 bytes */
#define KVMFR_RECOVERY_SIZE 65536
#define KVMFR_RECOVERY_LGMP_VERSION 16 /* a word at this offset */
#define KVMFR_RECOVERY_KVMFR_VERSION 20

static_assert(sizeof(struct kvmfr_header) == 48, "");
static_assert(offsetof(struct kvmfr_header, version) == 8, "");
static_assert(offsetof(struct kvmfr_header, producer) == 12, "");
static_assert(offsetof(struct kvmfr_header, features) == 44, "");
static_assert(sizeof(struct kvmfr_record) == 8, "");
static_assert(offsetof(struct kvmfr_record, size) == 4, "");
static_assert(sizeof(struct kvmfr_record_vm) == 51, "");
static_assert(offsetof(struct kvmfr_record_vm, capture) == 16, "");
static_assert(offsetof(struct kvmfr_record_vm, cpus) == 48, "");
static_assert(sizeof(struct kvmfr_record_os) == 1, "");

static_assert(sizeof(struct kvmfr_frame_b7) == 1084, "");
static_assert(offsetof(struct kvmfr_frame_b7, data_width) == 20, "");
static_assert(offsetof(struct kvmfr_frame_b7, frame_width) == 28, "");
static_assert(offsetof(struct kvmfr_frame_b7, rotation) == 36, "");
static_assert(offsetof(struct kvmfr_frame_b7, stride) == 40, "");
static_assert(offsetof(struct kvmfr_frame_b7, pitch) == 44, "");
static_assert(offsetof(struct kvmfr_frame_b7, offset) == 48, "");
static_assert(offsetof(struct kvmfr_frame_b7, damage_count) == 52, "");
static_assert(offsetof(struct kvmfr_frame_b7, damage) == 56, "");
static_assert(offsetof(struct kvmfr_frame_b7, flags) == 1080, "");
static_assert(sizeof(struct kvmfr_frame_b6) == 1076, "");
static_assert(offsetof(struct kvmfr_frame_b6, frame_width) == 20, "");
static_assert(offsetof(struct kvmfr_frame_b6, rotation) == 28, "");
static_assert(offsetof(struct kvmfr_frame_b6, stride) == 32, "");
static_assert(offsetof(struct kvmfr_frame_b6, pitch) == 36, "");
static_assert(offsetof(struct kvmfr_frame_b6, offset) == 40, "");
static_assert(offsetof(struct kvmfr_frame_b6, damage_count) == 44, "");
static_assert(offsetof(struct kvmfr_frame_b6, damage) == 48, "");
static_assert(offsetof(struct kvmfr_frame_b6, flags) == 1072, "");

static_assert(sizeof(struct kvmfr_cursor) == 24, "");
static_assert(offsetof(struct kvmfr_cursor, type) == 4, "");
static_assert(offsetof(struct kvmfr_cursor, hot_x) == 8, "");
static_assert(offsetof(struct kvmfr_cursor, width) == 12, "");
static_assert(offsetof(struct kvmfr_cursor, pitch) == 20, "");

#endif
