// SPDX-License-Identifier: MIT
/*
 * The way of a frame from a guest's flush into a SPICE viewer's picture, with the library that
 * virt-viewer is built on and everything as it is by default.
 */
#include <spice-client.h>
#include <stdlib.h>

#include "tests/bench/frame_peer.h"

struct spice_view {
	struct frame_peer peer;
	const guint8 *pixels; /* NULL: no surface yet */
	gint width, height, stride;
};

static void handle_surface(SpiceChannel *channel, gint format, gint width, gint height,
			   gint stride, gint shmid, gpointer pixels, gpointer data)
{
	struct spice_view *view = data;

	(void)channel, (void)format, (void)shmid;
	view->pixels = pixels;
	view->width = width;
	view->height = height;
	view->stride = stride;
}

static void handle_surface_gone(SpiceChannel *channel, gpointer data)
{
	struct spice_view *view = data;

	(void)channel;
	view->pixels = NULL;
}

static void handle_invalidate(SpiceChannel *channel, gint x, gint y, gint width, gint height,
			      gpointer data)
{
	struct spice_view *view = data;

	(void)channel, (void)x, (void)y, (void)width, (void)height;
	if (!view->pixels) {
		return;
	}
	frame_peer_changed(&view->peer, view->pixels, (uint32_t)view->width,
			   (uint32_t)view->height, (uint32_t)view->stride);
	frame_peer_start(&view->peer);
}

static void handle_main_event(SpiceChannel *channel, SpiceChannelEvent event, gpointer data)
{
	struct spice_view *view = data;

	(void)channel;
	if (event != SPICE_CHANNEL_OPENED) {
		frame_peer_fail(&view->peer, "the SPICE server ended the connection");
	}
}

static void handle_channel(SpiceSession *session, SpiceChannel *channel, gpointer data)
{
	(void)session;
	if (SPICE_IS_MAIN_CHANNEL(channel)) {
		g_signal_connect(channel, "channel-event", G_CALLBACK(handle_main_event), data);
	} else if (SPICE_IS_DISPLAY_CHANNEL(channel)) {
		g_signal_connect(channel, "display-primary-create", G_CALLBACK(handle_surface),
				 data);
		g_signal_connect(channel, "display-primary-destroy",
				 G_CALLBACK(handle_surface_gone), data);
		g_signal_connect(channel, "display-invalidate", G_CALLBACK(handle_invalidate),
				 data);
		spice_channel_connect(channel);
	}
}

int main(int argc, char **argv)
{
	struct frame_options options;
	struct spice_view view = { 0 };
	SpiceSession *session;

	if (!frame_options_parse(&options, argc, argv)) {
		return EXIT_FAILURE;
	}
	frame_peer_init(&view.peer, &options);
	session = spice_session_new();
	g_object_set(session, "unix-path", options.target, NULL);
	g_signal_connect(session, "channel-new", G_CALLBACK(handle_channel), &view);
	if (!spice_session_connect(session)) {
		frame_peer_fail(&view.peer, "cannot connect");
	}
	return frame_peer_run(&view.peer);
}
