// SPDX-License-Identifier: MIT
/*
 * The functions of libpipewire under their own names, each handing its call on to the loaded
 * library. So whoever uses them includes its header and calls them as ever; a call before
 * pipewire_library_load() is a mistake of ours and ends the program.
 */
#include "audio/pipewire_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <pipewire/pipewire.h>
#include <stdbool.h>

#include "common/log.h"

#define PIPEWIRE_LIBRARY "libpipewire-0.3.so.0"

/* clang-format off */
#define FUNCTIONS(F) \
	F(struct pw_loop *, pw_loop_new, (const struct spa_dict *props), (props)) \
	F(struct pw_context *, pw_context_new, \
	  (struct pw_loop *loop, struct pw_properties *props, size_t size), (loop, props, size)) \
	F(struct pw_core *, pw_context_connect, \
	  (struct pw_context *context, struct pw_properties *props, size_t size), \
	  (context, props, size)) \
	F(int, pw_core_disconnect, (struct pw_core *core), (core)) \
	F(struct pw_properties *, pw_properties_new_dict, (const struct spa_dict *dict), (dict)) \
	F(struct pw_stream *, pw_stream_new, \
	  (struct pw_core *core, const char *name, struct pw_properties *props), \
	  (core, name, props)) \
	F(int, pw_stream_connect, \
	  (struct pw_stream *stream, enum pw_direction direction, uint32_t target, \
	   enum pw_stream_flags flags, const struct spa_pod **params, uint32_t n), \
	  (stream, direction, target, flags, params, n)) \
	F(struct pw_buffer *, pw_stream_dequeue_buffer, (struct pw_stream *stream), (stream)) \
	F(int, pw_stream_queue_buffer, (struct pw_stream *stream, struct pw_buffer *buffer), \
	  (stream, buffer)) \
	F(uint32_t, pw_stream_get_node_id, (struct pw_stream *stream), (stream))

#define PROCEDURES(F) \
	F(pw_init, (int *argc, char ***argv), (argc, argv)) \
	F(pw_loop_destroy, (struct pw_loop *loop), (loop)) \
	F(pw_context_destroy, (struct pw_context *context), (context)) \
	F(pw_stream_destroy, (struct pw_stream *stream), (stream)) \
	F(pw_proxy_destroy, (struct pw_proxy *proxy), (proxy)) \
	F(pw_stream_add_listener, \
	  (struct pw_stream *stream, struct spa_hook *hook, const struct pw_stream_events *events, \
	   void *data), \
	  (stream, hook, events, data))
/* clang-format on */

#define POINTER(type, name, parameters, arguments) static type(*loaded_##name) parameters;
#define VOID_POINTER(name, parameters, arguments) static void(*loaded_##name) parameters;
FUNCTIONS(POINTER)
PROCEDURES(VOID_POINTER)

#define FORWARD(type, name, parameters, arguments)                                                 \
	type name parameters                                                                       \
	{                                                                                          \
		return loaded_##name arguments;                                                    \
	}
#define VOID_FORWARD(name, parameters, arguments)                                                  \
	void name parameters                                                                       \
	{                                                                                          \
		loaded_##name arguments;                                                           \
	}
FUNCTIONS(FORWARD)
PROCEDURES(VOID_FORWARD)

int pipewire_library_load(void)
{
	void *library = dlopen(PIPEWIRE_LIBRARY, RTLD_NOW | RTLD_LOCAL);
	bool complete = library;

#define RESOLVE(type, name, parameters, arguments)                                                 \
	loaded_##name = library ? (type(*) parameters)dlsym(library, #name) : NULL;                \
	complete = complete && loaded_##name;
#define VOID_RESOLVE(name, parameters, arguments) RESOLVE(void, name, parameters, arguments)
	FUNCTIONS(RESOLVE)
	PROCEDURES(VOID_RESOLVE)
	if (!complete) {
		log_warning("Guests are not heard: %s (install libpipewire-0.3-0).", dlerror());
		return -ENOENT;
	}
	return 0;
}
