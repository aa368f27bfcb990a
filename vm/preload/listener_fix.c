// SPDX-License-Identifier: MIT
/*
 * Loaded into our guests' QEMU (LD_PRELOAD, see launch.c), because QEMU 9.0 to 11.0 never forget a
 * display listener: the filter that ui/dbus-listener.c adds to the listener's connection holds the
 * listener, and the listener holds the connection. A closed listener keeps QEMU's display timer
 * going (33 wakeups a second for a guest that nobody sees), costs time with each frame, and keeps
 * its socket: QEMU is out of descriptors after some 900 switches to one guest.
 *
 * So the filter is taken away when its connection closes, as QEMU 11.1 does itself. A proxy that
 * QEMU forgets (the one for shared memory) still holds the connection, so the connection is closed:
 * GLib's own thread then closes the socket, when it is through with it; beside that thread it would
 * be a race. And QEMU (10.0 does) refers to the listener with each whole picture that it sends as
 * bytes, for a callback that there is not: that reference is given back.
 *
 * All of it runs in QEMU's main thread, as QEMU's own part of it does. Nothing is linked: what
 * QEMU's GLib lacks leaves all as it was.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef unsigned int (*add_filter_fn)(void *connection, void *filter, void *data, void *destroy);
typedef void (*remove_filter_fn)(void *connection, unsigned int id);
typedef unsigned long (*connect_fn)(void *object, const char *signal, void *handler, void *data,
				    void *destroy, int flags);
typedef void (*set_data_fn)(void *object, const char *key, void *data);
typedef void *(*steal_data_fn)(void *object, const char *key);
typedef void (*close_fn)(void *connection, void *cancellable, void *done, void *data);
typedef void (*unref_fn)(void *object);
typedef void (*call_fn)(void *proxy, const char *method, void *parameters, int flags,
			int timeout_msec, void *cancellable, void *done, void *data);

/* How each object begins; part of GObject's ABI. */
struct object {
	void *class;
	volatile unsigned int references;
};

/* A listener's own and its filter's. */
#define LISTENER_REFERENCES 2

static const char key[] = "baton-listener-filter";

#define FIND(type, name) ((type)dlsym(RTLD_DEFAULT, name))
#define FIND_NEXT(type, name) ((type)dlsym(RTLD_NEXT, name))

/* The id of the connection's filter, which from then on is the caller's to remove; 0: no more. */
static unsigned int take_filter(void *connection)
{
	steal_data_fn steal = FIND(steal_data_fn, "g_object_steal_data");

	return steal ? (unsigned int)(size_t)steal(connection, key) : 0;
}

/* In the main thread, before QEMU's own handler gives back the last other reference. */
static void handle_closed(void *connection, int vanished, void *error, void *data)
{
	remove_filter_fn remove = FIND_NEXT(remove_filter_fn, "g_dbus_connection_remove_filter");
	close_fn close = FIND(close_fn, "g_dbus_connection_close");
	unsigned int id = take_filter(connection);

	(void)vanished, (void)error, (void)data;
	if (id && remove) {
		remove(connection, id);
	}
	if (close) {
		close(connection, NULL, NULL, NULL);
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

/* Does an object that was handed over with nobody to hand it back have a reference to spare? */
static int is_forgotten(const char *method, const void *done, const struct object *data)
{
	return !done && data && strcmp(method, "Scanout") == 0 &&
	       data->references > LISTENER_REFERENCES;
}

EXPORT void g_dbus_proxy_call(void *proxy, const char *method, void *parameters, int flags,
			      int timeout_msec, void *cancellable, void *done, void *data);
EXPORT void g_dbus_proxy_call(void *proxy, const char *method, void *parameters, int flags,
			      int timeout_msec, void *cancellable, void *done, void *data)
{
	call_fn call = FIND_NEXT(call_fn, "g_dbus_proxy_call");
	unref_fn unref = FIND(unref_fn, "g_object_unref");

	call(proxy, method, parameters, flags, timeout_msec, cancellable, done, data);
	if (unref && is_forgotten(method, done, data)) {
		unref(data);
	}
}
