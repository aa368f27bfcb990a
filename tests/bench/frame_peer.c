// SPDX-License-Identifier: MIT
/* See frame_peer.h. */
#include "tests/bench/frame_peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/bench/screen.h"

void frame_peer_init(struct frame_peer *peer, const struct frame_options *options)
{
	*peer = (struct frame_peer){
		.options = options,
		.loop = g_main_loop_new(NULL, FALSE),
		.last_marker = UINT32_MAX,
	};
	pthread_mutex_init(&peer->lock, NULL);
}

static bool is_shown(void *data, uint32_t marker, struct frame_shown *shown)
{
	struct frame_peer *peer = data;
	bool found = false;

	pthread_mutex_lock(&peer->lock);
	for (unsigned int i = 0; i < PEER_RING && !found; i++) {
		found = peer->shown_ns[i] && peer->markers[i] == marker;
		if (found) {
			*shown = (struct frame_shown){ .ns = peer->shown_ns[i] };
		}
	}
	pthread_mutex_unlock(&peer->lock);
	return found;
}

static gboolean handle_done(gpointer data)
{
	struct frame_peer *peer = data;

	g_main_loop_quit(peer->loop);
	return G_SOURCE_REMOVE;
}

static void *drive(void *data)
{
	struct frame_peer *peer = data;

	peer->result = frame_drive(peer->options,
				   &(struct frame_viewer){ .shown = is_shown, .data = peer });
	g_idle_add(handle_done, peer);
	return NULL;
}

void frame_peer_start(struct frame_peer *peer)
{
	if (!peer->started && pthread_create(&peer->driver, NULL, drive, peer) == 0) {
		peer->started = TRUE;
	}
}

static uint32_t pixel_at(const uint8_t *pixels, uint32_t stride, uint32_t x, uint32_t y)
{
	const uint8_t *row = pixels + (size_t)y * stride;

	return ((const uint32_t *)(const void *)row)[x] & 0xffffff;
}

void frame_peer_changed(struct frame_peer *peer, const uint8_t *pixels, uint32_t width,
			uint32_t height, uint32_t stride)
{
	uint32_t marker = pixel_at(pixels, stride, 0, 0), x, y;

	frame_last_pixel(peer->options, width, height, &x, &y);
	if (marker == peer->last_marker ||
	    pixel_at(pixels, stride, x, y) != pattern_pixel(marker, x, y)) {
		return;
	}
	peer->last_marker = marker;
	pthread_mutex_lock(&peer->lock);
	peer->markers[peer->next] = marker;
	peer->shown_ns[peer->next] = clock_now_ns();
	peer->next = (peer->next + 1) % PEER_RING;
	pthread_mutex_unlock(&peer->lock);
}

int frame_peer_run(struct frame_peer *peer)
{
	g_main_loop_run(peer->loop);
	if (peer->started) {
		pthread_join(peer->driver, NULL);
	}
	g_main_loop_unref(peer->loop);
	return peer->result < 0 || !peer->started ? EXIT_FAILURE : EXIT_SUCCESS;
}

void frame_peer_fail(struct frame_peer *peer, const char *why)
{
	fprintf(stderr, "%s: %s\n", peer->options->target, why);
	exit(EXIT_FAILURE);
}
