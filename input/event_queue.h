/* SPDX-License-Identifier: MIT */
/*
 * What is still to be told to a guest: a bounded queue of keys, buttons and pointer movements that
 * keeps the order, merges what can be merged, and paces what leaves it. Pure: time is an argument.
 *
 * Order. Keys and buttons leave in the order in which they came. Between two of them there is at
 * most one pointer entry: motion is summed, of positions the last one counts, wheel clicks are
 * summed. So a mouse at 8 kHz in front of a guest that is slow to answer takes one entry.
 *
 * Bound. An accepted press reserves the place of its release, so a full queue refuses presses and
 * never a release of what the guest saw pressed.
 *
 * Pace. QEMU answers a call when its main loop took it, not when the guest read it, and what the
 * guest is slow to read is lost: the queues of the PS/2 keyboard (16 bytes; an ordinary press is
 * one, its release two) and of USB HID (16 scan codes, one read by the guest per 8 ms; keys with
 * the prefix E0 take two) and the 64 descriptors of virtio-input drop what does not fit. No one
 * tells us how full they are. So at most EVENT_QUEUE_BURST_NS worth of keys, half of the smallest
 * queue, go at once, and more at the rate at which USB drains: one scan code per 10 ms, 50 key
 * strokes a second. Buttons have an account of their own, of the same size. Motion, which PS/2
 * and USB merge by themselves and virtio-input drops, goes at most every 4 ms; a button or key
 * that waits behind it pushes it out.
 *
 * Age. A press or a movement that waited 2 s longer than the pace demanded is dropped: nobody wants
 * what he typed back then to happen now.
 */
#ifndef INPUT_EVENT_QUEUE_H
#define INPUT_EVENT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "input/input.h"

#define EVENT_QUEUE_MAX 256
#define EVENT_QUEUE_SLOT_NS (10ull * 1000 * 1000)
#define EVENT_QUEUE_BURST_NS (8 * EVENT_QUEUE_SLOT_NS)
#define EVENT_QUEUE_WHEEL_NS (4ull * 1000 * 1000)
#define EVENT_QUEUE_MOTION_NS (4ull * 1000 * 1000)
#define EVENT_QUEUE_STALE_NS (2000ull * 1000 * 1000)
#define EVENT_QUEUE_CLICKS_MAX 64 /* of the wheel, waiting, per direction */

/* Keys are QEMU's key numbers, 1 to 255; its buttons follow. */
#define GUEST_BUTTON(button) (256 + (button))
#define GUEST_NUMBERS GUEST_BUTTON(16)

struct number_set {
	uint64_t bits[(GUEST_NUMBERS + 63) / 64];
};

enum guest_call_type {
	GUEST_CALL_PRESS,
	GUEST_CALL_RELEASE,
	GUEST_CALL_POSITION,
	GUEST_CALL_MOTION,
};

struct guest_call {
	enum guest_call_type type;
	unsigned int number; /* PRESS, RELEASE */
	int32_t x, y;        /* POSITION, MOTION */
};

enum queued_type { QUEUED_PRESS, QUEUED_RELEASE, QUEUED_POINTER };

struct queued {
	enum queued_type type;
	uint16_t number;
	bool position, motion, wheel; /* what there is of a pointer entry */
	uint32_t x, y;
	int32_t dx, dy;
	int32_t clicks_v, clicks_h;
	uint64_t stale_ns;
};

struct event_queue {
	struct input_sink_stats *stats;
	struct queued entries[EVENT_QUEUE_MAX];
	size_t first, n;
	uint64_t backlog_ns; /* what the waiting keys and buttons will cost */

	struct number_set accepted; /* pressed, as far as the queue's end is concerned */
	size_t n_accepted;
	struct number_set seen;  /* pressed, as far as the guest is concerned */
	struct number_set lift;  /* to be released before anything else */
	unsigned int wheel_down; /* number of the wheel button whose release comes next, or 0 */

	uint64_t keys_paid_ns, buttons_paid_ns; /* up to when the accounts are spent */
	uint64_t motion_ns;                     /* when motion may go again */
	int32_t rest_v, rest_h;                 /* 120ths of a click */
};

/* stats is where events are counted; not owned. */
void event_queue_init(struct event_queue *queue, struct input_sink_stats *stats);

/* number: a key number or GUEST_BUTTON(). */
void event_queue_key(struct event_queue *queue, unsigned int number, bool pressed, uint64_t now_ns);
void event_queue_position(struct event_queue *queue, uint32_t x, uint32_t y, uint64_t now_ns);
void event_queue_motion(struct event_queue *queue, int32_t dx, int32_t dy, uint64_t now_ns);
/* In 120ths of a click, down and right positive; kept until they make a click. */
void event_queue_wheel(struct event_queue *queue, int32_t v120, int32_t h120, uint64_t now_ns);

/* Takes the next call if there is one that may go now. */
bool event_queue_take(struct event_queue *queue, uint64_t now_ns, struct guest_call *out);
/* When the next call may go (possibly in the past), or UINT64_MAX when there is none. */
uint64_t event_queue_due(const struct event_queue *queue);

/* Drops all that waits. What the guest saw pressed stays noted. */
void event_queue_clear(struct event_queue *queue);
/* Drops all that waits and then releases what the guest saw pressed. */
void event_queue_lift(struct event_queue *queue);
/* Nobody knows whether the guest sees this number pressed: the next lift is to release it. */
void event_queue_doubt(struct event_queue *queue, unsigned int number);

#endif
