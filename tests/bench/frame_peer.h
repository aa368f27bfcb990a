/* SPDX-License-Identifier: MIT */
/*
 * What the two GLib viewers share: the main loop runs on the first thread, as in any viewer, while
 * the driver talks with the guest on another. The loop notes when a frame's pixels are all there.
 */
#ifndef BENCH_FRAME_PEER_H
#define BENCH_FRAME_PEER_H

#include <glib.h>
#include <pthread.h>

#include "tests/bench/frame_driver.h"

#define PEER_RING 16 /* frames that may be under way; the driver waits for each */

struct frame_peer {
	const struct frame_options *options;
	GMainLoop *loop;
	pthread_t driver;
	pthread_mutex_t lock;
	uint32_t markers[PEER_RING];
	uint64_t shown_ns[PEER_RING];
	uint32_t last_marker;
	unsigned int next;
	gboolean started;
	int result;
};

void frame_peer_init(struct frame_peer *peer, const struct frame_options *options);

/* The first whole picture is there: the frames can begin. Later calls do nothing. */
void frame_peer_start(struct frame_peer *peer);

/* The viewer's picture changed. pixels: 32 bits each, XRGB, with the stride in bytes. */
void frame_peer_changed(struct frame_peer *peer, const uint8_t *pixels, uint32_t width,
			uint32_t height, uint32_t stride);

/* Runs until the driver is done; the program's exit status. */
int frame_peer_run(struct frame_peer *peer);

/* Ends it from the loop because the server did; says why. */
void frame_peer_fail(struct frame_peer *peer, const char *why);

#endif
