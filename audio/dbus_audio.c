// SPDX-License-Identifier: MIT
/*
 * QEMU's audio listener; see dbus_audio.h.
 *
 * Read is a call for which QEMU's main loop, hence the guest, waits: it is answered from inside the
 * handler. The others carry no reply.
 */
#include "audio/dbus_audio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include "common/bus_pump.h"
#include "common/cleanup.h"
#include "common/log.h"

struct dbus_audio {
	struct vm *vm;
	enum stream_direction direction;
	const struct dbus_audio_handlers *handlers;
	void *data;
	sd_bus *bus;
	struct bus_pump *pump;
	sd_bus_slot *registration;
	bool closed; /* handlers->closed was called: nothing more is handed on */
};

static void audio_close(struct dbus_audio *audio, int error)
{
	if (!audio->closed) {
		audio->closed = true;
		audio->handlers->closed(error, audio->data);
	}
}

/* A message that breaks the protocol: this guest loses its sound. */
static int violation(struct dbus_audio *audio, const char *what)
{
	log_warning("%s: its %s is cut off: %s; restart the guest", vm_name(audio->vm),
		    audio->direction == STREAM_PLAYBACK ? "sound" : "microphone", what);
	audio_close(audio, -EPROTO);
	return -EPROTO;
}

static int handle_init(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct dbus_audio *audio = data;
	uint32_t frame_size, byte_rate;
	struct sample_format format;
	int is_signed, is_float, big_endian;
	uint8_t bits, channels;
	uint64_t id;

	(void)error;
	if (sd_bus_message_read(m, "tybbuyuub", &id, &bits, &is_signed, &is_float, &format.rate,
				&channels, &frame_size, &byte_rate, &big_endian) < 0) {
		return violation(audio, "unreadable Init");
	}
	format.bits = bits;
	format.channels = channels;
	format.is_signed = is_signed;
	format.is_float = is_float;
	format.big_endian = big_endian;
	if (!sample_format_is_sane(&format) || frame_size != sample_frame_size(&format)) {
		return violation(audio, "samples of an absurd format");
	}
	audio->handlers->begun(id, &format, audio->data);
	return sd_bus_reply_method_return(m, NULL);
}

static int handle_fini(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct dbus_audio *audio = data;
	uint64_t id;

	(void)error;
	if (sd_bus_message_read(m, "t", &id) < 0) {
		return violation(audio, "unreadable Fini");
	}
	audio->handlers->ended(id, audio->data);
	return sd_bus_reply_method_return(m, NULL);
}

static int handle_enabled(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct dbus_audio *audio = data;
	uint64_t id;
	int enabled;

	(void)error;
	if (sd_bus_message_read(m, "tb", &id, &enabled) < 0) {
		return violation(audio, "unreadable SetEnabled");
	}
	audio->handlers->enabled(id, enabled, audio->data);
	return sd_bus_reply_method_return(m, NULL);
}

static int handle_volume(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct dbus_audio *audio = data;
	const void *volumes;
	uint64_t id;
	size_t n;
	int mute;

	(void)error;
	if (sd_bus_message_read(m, "tb", &id, &mute) < 0 ||
	    sd_bus_message_read_array(m, 'y', &volumes, &n) < 0) {
		return violation(audio, "unreadable SetVolume");
	}
	/* QEMU says one for each of its 16 channels, whatever the guest has. */
	n = n < SAMPLE_CHANNELS_MAX ? n : SAMPLE_CHANNELS_MAX;
	audio->handlers->volume(id, mute, volumes, n, audio->data);
	return sd_bus_reply_method_return(m, NULL);
}

static int handle_write(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct dbus_audio *audio = data;
	const void *bytes;
	uint64_t id;
	size_t size;

	(void)error;
	if (sd_bus_message_read(m, "t", &id) < 0 ||
	    sd_bus_message_read_array(m, 'y', &bytes, &size) < 0) {
		return violation(audio, "unreadable Write");
	}
	if (size > DBUS_AUDIO_BYTES_MAX) {
		return violation(audio, "too many samples at once");
	}
	audio->handlers->written(id, bytes, size, audio->data);
	return sd_bus_reply_method_return(m, NULL);
}

static int handle_read(sd_bus_message *m, void *data, sd_bus_error *error)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	_cleanup_free_ void *bytes = NULL;
	struct dbus_audio *audio = data;
	uint64_t id, size;
	int r;

	(void)error;
	if (sd_bus_message_read(m, "tt", &id, &size) < 0) {
		return violation(audio, "unreadable Read");
	}
	if (size > DBUS_AUDIO_BYTES_MAX) {
		return violation(audio, "it asks for too many samples at once");
	}
	bytes = malloc(size + 1);
	if (!bytes) {
		return -ENOMEM;
	}
	size = audio->handlers->asked(id, bytes, size, audio->data);
	r = sd_bus_message_new_method_return(m, &reply);
	if (r >= 0) {
		r = sd_bus_message_append_array(reply, 'y', bytes, size);
	}
	return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

#define METHOD(name, signature, result, handler)                                                   \
	SD_BUS_METHOD(name, signature, result, handler, SD_BUS_VTABLE_UNPRIVILEGED)
#define COMMON_METHODS                                                                             \
	METHOD("Init", "tybbuyuub", "", handle_init), METHOD("Fini", "t", "", handle_fini),        \
		METHOD("SetEnabled", "tb", "", handle_enabled),                                    \
		METHOD("SetVolume", "tbay", "", handle_volume)

static const sd_bus_vtable out_vtable[] = {
	SD_BUS_VTABLE_START(0),
	COMMON_METHODS,
	METHOD("Write", "tay", "", handle_write),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable in_vtable[] = {
	SD_BUS_VTABLE_START(0),
	COMMON_METHODS,
	METHOD("Read", "tt", "ay", handle_read),
	SD_BUS_VTABLE_END,
};

static const struct {
	const char *path, *interface, *method;
	const sd_bus_vtable *vtable;
} directions[] = {
	[STREAM_PLAYBACK] = { "/org/qemu/Display1/AudioOutListener",
			      "org.qemu.Display1.AudioOutListener", "RegisterOutListener",
			      out_vtable },
	[STREAM_RECORDING] = { "/org/qemu/Display1/AudioInListener",
			       "org.qemu.Display1.AudioInListener", "RegisterInListener",
			       in_vtable },
};

static void handle_closed(void *data, int error)
{
	if (error == -ENOBUFS) {
		violation(data, "it asks and does not read the answers");
		return;
	}
	audio_close(data, error);
}

static int handle_registered(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct dbus_audio *audio = data;

	(void)error;
	if (sd_bus_message_is_method_error(m, NULL)) {
		/* A QEMU without a sound device, which is one that an older seat started; or QEMU
		 * has not seen yet that the listener of an earlier seat has gone. */
		bool none = sd_bus_message_is_method_error(m, SD_BUS_ERROR_UNKNOWN_METHOD) ||
			    sd_bus_message_is_method_error(m, SD_BUS_ERROR_UNKNOWN_OBJECT) ||
			    sd_bus_message_is_method_error(m, SD_BUS_ERROR_UNKNOWN_INTERFACE);

		log_debug("%s: %s: %s", vm_name(audio->vm), directions[audio->direction].method,
			  sd_bus_message_get_error(m)->message);
		audio_close(audio, none ? -EOPNOTSUPP : -EAGAIN);
	}
	return 1;
}

/* Our end must serve the object before QEMU's first question arrives on it. */
static int audio_open(struct dbus_audio *audio, sd_event *event, int fd)
{
	int r = sd_bus_new(&audio->bus);

	if (r >= 0) {
		r = sd_bus_set_fd(audio->bus, fd, fd);
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	r = sd_bus_add_object_vtable(audio->bus, NULL, directions[audio->direction].path,
				     directions[audio->direction].interface,
				     directions[audio->direction].vtable, audio);
	if (r >= 0) {
		r = sd_bus_start(audio->bus);
	}
	if (r >= 0) {
		r = bus_pump_create(audio->bus, event, DBUS_AUDIO_PRIORITY, handle_closed, audio,
				    &audio->pump);
	}
	return r;
}

static int audio_register(struct dbus_audio *audio, int fd)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	int r;

	r = sd_bus_message_new_method_call(vm_peer(audio->vm), &call, NULL,
					   "/org/qemu/Display1/Audio", "org.qemu.Display1.Audio",
					   directions[audio->direction].method);
	if (r >= 0) {
		r = sd_bus_message_append(call, "h", fd);
	}
	if (r < 0) {
		return r;
	}
	return vm_peer_call(audio->vm, call, handle_registered, audio, &audio->registration);
}

DEFINE_CLEANUP(struct dbus_audio *, dbus_audio_destroy)

int dbus_audio_create(sd_event *event, struct vm *vm, enum stream_direction direction,
		      const struct dbus_audio_handlers *handlers, void *data,
		      struct dbus_audio **out)
{
	_cleanup_(dbus_audio_destroy_ptr) struct dbus_audio *audio = NULL;
	_cleanup_close_ int theirs = -1;
	int sockets[2], r;

	if (!vm_peer(vm)) {
		return -ENOTCONN;
	}
	audio = calloc(1, sizeof(*audio));
	if (!audio) {
		return -ENOMEM;
	}
	audio->vm = vm;
	audio->direction = direction;
	audio->handlers = handlers;
	audio->data = data;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) < 0) {
		return -errno;
	}
	theirs = sockets[1];
	r = audio_open(audio, event, sockets[0]);
	if (r >= 0) {
		r = audio_register(audio, theirs);
	}
	if (r < 0) {
		return r;
	}
	*out = take_ptr(audio);
	return 0;
}

void dbus_audio_destroy(struct dbus_audio *audio)
{
	if (!audio) {
		return;
	}
	audio->closed = true;
	sd_bus_slot_unref(audio->registration);
	bus_pump_destroy(audio->pump);
	sd_bus_unref(audio->bus);
	free(audio);
}
