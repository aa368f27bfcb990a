// SPDX-License-Identifier: MIT
/*
 * The way of a frame from a guest's flush into a VNC viewer's picture, with the library that
 * gtk-vnc and virt-viewer are built on. Raw encoding: on one machine it is the fastest.
 */
#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <vncbaseframebuffer.h>
#include <vncconnection.h>

#include "tests/bench/frame_peer.h"

struct vnc_view {
	struct frame_peer peer;
	VncConnection *connection;
	guint8 *pixels;
	int width, height;
};

static void use_size(struct vnc_view *view, int width, int height)
{
	VncPixelFormat format = {
		.bits_per_pixel = 32,
		.depth = 24,
		.byte_order = G_LITTLE_ENDIAN,
		.true_color_flag = 1,
		.red_max = 255,
		.green_max = 255,
		.blue_max = 255,
		.red_shift = 16,
		.green_shift = 8,
	};
	VncBaseFramebuffer *buffer;

	g_free(view->pixels);
	view->width = width;
	view->height = height;
	view->pixels = g_malloc0((gsize)width * (gsize)height * 4);
	vnc_connection_set_pixel_format(view->connection, &format);
	buffer = vnc_base_framebuffer_new(view->pixels, (guint16)width, (guint16)height, width * 4,
					  &format, &format);
	vnc_connection_set_framebuffer(view->connection, VNC_FRAMEBUFFER(buffer));
	g_object_unref(buffer);
}

static void ask_update(struct vnc_view *view, gboolean incremental)
{
	vnc_connection_framebuffer_update_request(view->connection, incremental, 0, 0,
						  (guint16)view->width, (guint16)view->height);
}

static void handle_initialized(VncConnection *connection, gpointer data)
{
	gint32 encodings[] = { VNC_CONNECTION_ENCODING_DESKTOP_RESIZE,
			       VNC_CONNECTION_ENCODING_RAW };
	struct vnc_view *view = data;

	use_size(view, vnc_connection_get_width(connection),
		 vnc_connection_get_height(connection));
	vnc_connection_set_encodings(connection, G_N_ELEMENTS(encodings), encodings);
	ask_update(view, FALSE);
}

static void handle_resize(VncConnection *connection, guint16 width, guint16 height, gpointer data)
{
	(void)connection;
	use_size(data, width, height);
	ask_update(data, FALSE);
}

static void handle_update(VncConnection *connection, guint16 x, guint16 y, guint16 width,
			  guint16 height, gpointer data)
{
	struct vnc_view *view = data;

	(void)connection, (void)x, (void)y, (void)width, (void)height;
	frame_peer_changed(&view->peer, view->pixels, (uint32_t)view->width,
			   (uint32_t)view->height, (uint32_t)view->width * 4);
	/* As gtk-vnc's widget does: the next one is asked for at once. */
	ask_update(view, TRUE);
	frame_peer_start(&view->peer);
}

static void handle_auth(VncConnection *connection, GValueArray *types, gpointer data)
{
	(void)types, (void)data;
	vnc_connection_set_auth_type(connection, VNC_CONNECTION_AUTH_NONE);
}

static void handle_disconnected(VncConnection *connection, gpointer data)
{
	struct vnc_view *view = data;

	(void)connection;
	frame_peer_fail(&view->peer, "the VNC server ended the connection");
}

static int connect_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		perror(path);
		return -1;
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct frame_options options;
	struct vnc_view view = { 0 };
	int fd;

	if (!frame_options_parse(&options, argc, argv) ||
	    (fd = connect_socket(options.target)) < 0) {
		return EXIT_FAILURE;
	}
	frame_peer_init(&view.peer, &options);
	view.connection = vnc_connection_new();
	g_signal_connect(view.connection, "vnc-auth-choose-type", G_CALLBACK(handle_auth), &view);
	g_signal_connect(view.connection, "vnc-initialized", G_CALLBACK(handle_initialized), &view);
	g_signal_connect(view.connection, "vnc-desktop-resize", G_CALLBACK(handle_resize), &view);
	g_signal_connect(view.connection, "vnc-framebuffer-update", G_CALLBACK(handle_update),
			 &view);
	g_signal_connect(view.connection, "vnc-disconnected", G_CALLBACK(handle_disconnected),
			 &view);
	vnc_connection_open_fd_with_hostname(view.connection, fd, "localhost");
	return frame_peer_run(&view.peer);
}
