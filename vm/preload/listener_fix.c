// SPDX-License-Identifier: MIT
/*
 * Loaded into our guests' QEMU (LD_PRELOAD, see launch.c), because QEMU 9.0 to 11.0 never forget a
 * display listener: the filter that ui/dbus-listener.c adds to the listener's connection holds the
 * listener, and the listener holds the connection. A closed listener keeps QEMU's display timer
 * going (33 wakeups a second for a guest that nobody sees), costs time with each frame, and keeps
 * its socket: QEMU is out of descriptors after some 900 switches to one guest.
 *
 * So the filter is taken away when its connection closes, as QEMU 11.1 does itself, and the socket
 * is closed. Nothing is linked: what QEMU's GLib lacks leaves all as it was.
 */
#include <dlfcn.h>
#include <stddef.h>

#define EXPORT __attribute__((visibility("default")))

typedef unsigned int (*add_filter_fn)(void *connection, void *filter, void *data, void *destroy);
typedef void (*remove_filter_fn)(void *connection, unsigned int id);
typedef unsigned long (*connect_fn)(void *object, const char *signal, void *handler, void *data,
				    void *destroy, int flags);
typedef void (*set_data_fn)(void *object, const char *key, void *data);
typedef unsigned int (*timeout_fn)(unsigned int milliseconds, int (*function)(void *), void *data);
typedef void *(*object_fn)(void *object); /* of an object, another one or itself */
typedef void *(*steal_data_fn)(void *object, const char *key);
typedef int (*test_fn)(void *object);
typedef int (*close_fn)(void *stream, void *cancellable, void **error);

static const char key[] = "baton-listener-filter";

/* Milliseconds: what was still to be written to a closed socket has failed by then. */
#define CLOSE_AFTER 100

#define FIND(type, name) ((type)dlsym(RTLD_DEFAULT, name))
#define FIND_NEXT(type, name) ((type)dlsym(RTLD_NEXT, name))

/* The id of the connection's filter, which from then on is the caller's to remove; 0: no more. */
static unsigned int take_filter(void *connection)
{
	steal_data_fn steal = FIND(steal_data_fn, "g_object_steal_data");

	return steal ? (unsigned int)(size_t)steal(connection, key) : 0;
}

/* GLib's writing thread must be through with the stream: then it is asked for again. */
static int close_socket(void *connection)
{
	object_fn get_stream = FIND(object_fn, "g_dbus_connection_get_stream");
	object_fn get_output = FIND(object_fn, "g_io_stream_get_output_stream");
	test_fn has_pending = FIND(test_fn, "g_output_stream_has_pending");
	close_fn close_stream = FIND(close_fn, "g_io_stream_close");
	object_fn unref = FIND(object_fn, "g_object_unref");
	void *stream;

	if (!get_stream || !get_output || !has_pending || !close_stream || !unref) {
		return 0;
	}
	stream = get_stream(connection);
	if (has_pending(get_output(stream))) {
		return 1;
	}
	close_stream(stream, NULL, NULL);
	unref(connection);
	return 0;
}

static void handle_closed(void *connection, int vanished, void *error, void *data)
{
	remove_filter_fn remove = FIND_NEXT(remove_filter_fn, "g_dbus_connection_remove_filter");
	timeout_fn add_timeout = FIND(timeout_fn, "g_timeout_add");
	object_fn ref = FIND(object_fn, "g_object_ref");
	unsigned int id = take_filter(connection);

	(void)vanished, (void)error, (void)data;
	if (id && remove) {
		remove(connection, id);
	}
	if (add_timeout && ref) {
		add_timeout(CLOSE_AFTER, close_socket, ref(connection));
	}
}

EXPORT unsigned int g_dbus_connection_add_filter(void *connection, void *filter, void *data,
						 void *destroy);
EXPORT unsigned int g_dbus_connection_add_filter(void *connection, void *filter, void *data,
						 void *destroy)
{
	add_filter_fn add = FIND_NEXT(add_filter_fn, "g_dbus_connection_add_filter");
	set_data_fn set_data = FIND(set_data_fn, "g_object_set_data");
	connect_fn connect = FIND(connect_fn, "g_signal_connect_data");
	unsigned int id = add(connection, filter, data, destroy);

	if (set_data && connect) {
		set_data(connection, key, (void *)(size_t)id);
		connect(connection, "closed", (void *)handle_closed, NULL, NULL, 0);
	}
	return id;
}

/* A QEMU that does it itself does it after us: GLib would complain about the second time. */
EXPORT void g_dbus_connection_remove_filter(void *connection, unsigned int id);
EXPORT void g_dbus_connection_remove_filter(void *connection, unsigned int id)
{
	remove_filter_fn remove = FIND_NEXT(remove_filter_fn, "g_dbus_connection_remove_filter");

	if (take_filter(connection) == id && remove) {
		remove(connection, id);
	}
}
