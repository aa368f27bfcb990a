/* SPDX-License-Identifier: MIT */
/*
 * One registration as a listener of QEMU's sound, in one direction: decodes and checks what arrives
 * (QEMU is hostile) and hands on what is sound. Made to be thrown away: any violation of the
 * protocol ends it, and costs the guest nothing but that. Protocol: QEMU's ui/dbus-display1.xml,
 * org.qemu.Display1.Audio, AudioOutListener and AudioInListener.
 */
#ifndef AUDIO_DBUS_AUDIO_H
#define AUDIO_DBUS_AUDIO_H

#include <systemd/sd-event.h>

#include "audio/sample.h"
#include "audio/stream.h"
#include "vm/vm.h"

struct dbus_audio;

/* A voice is a sound device of the guest's, or a part of one; id is QEMU's word for it, and may be
 * one that was never begun. */
struct dbus_audio_handlers {
	/* Also for a voice that is known: it has another format now. */
	void (*begun)(uint64_t id, const struct sample_format *format, void *data);
	void (*ended)(uint64_t id, void *data);
	void (*enabled)(uint64_t id, bool enabled, void *data);
	/* Of each channel, 0 to 255; n may be any number up to SAMPLE_CHANNELS_MAX. */
	void (*volume)(uint64_t id, bool mute, const uint8_t *volumes, size_t n, void *data);
	/* Playback. Valid during the call. */
	void (*written)(uint64_t id, const void *bytes, size_t size, void *data);
	/* Recording: fills at most size bytes and returns how many; QEMU waits. */
	size_t (*asked)(uint64_t id, void *bytes, size_t size, void *data);
	/* It is of no use any more: QEMU has no sound (-EOPNOTSUPP) or closed it, or it broke the
	 * protocol (-EPROTO, logged). The callee destroys it. */
	void (*closed)(int error, void *data);
};

/* Asks for registration; handlers are called from the loop afterwards. 0 or -errno. */
int dbus_audio_create(sd_event *event, struct vm *vm, enum stream_direction direction,
		      const struct dbus_audio_handlers *handlers, void *data,
		      struct dbus_audio **out);
void dbus_audio_destroy(struct dbus_audio *audio); /* NULL is legal */

/* In one message. QEMU sends 10 ms. */
#define DBUS_AUDIO_BYTES_MAX (1024 * 1024)

/* Before pictures, which take longer; behind keys. */
#define DBUS_AUDIO_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 5)

#endif
