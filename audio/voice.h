/* SPDX-License-Identifier: MIT */
/*
 * A voice is one sound device of a guest in one direction: what QEMU says of it, and the stream
 * that it becomes. The stream comes when samples begin to flow, and stays for a while after their
 * end: guests end and begin their sound with each beep.
 */
#ifndef AUDIO_VOICE_H
#define AUDIO_VOICE_H

#include <systemd/sd-event.h>

#include "audio/sample.h"
#include "audio/server.h"
#include "audio/stream.h"

/* For how long a stream without samples stays. */
#define VOICE_LINGER_USEC (5 * 1000 * 1000)

/* What all voices of a guest and a direction have in common. */
struct voice_place {
	sd_event *event;
	struct audio_server *server;
	const char *guest, *role;
	enum stream_direction direction;
	bool open;   /* the sound server may have the stream; else its samples are dropped, or silence */
	float level; /* how loud, 0 to 1 */
};

struct voice {
	const struct voice_place *place; /* NULL: not in use */
	uint64_t id;
	struct sample_format format;
	bool enabled;
	float volumes[SAMPLE_CHANNELS_MAX];
	struct stream *stream; /* NULL: no samples flow */
	bool served;           /* the sound server was told of it */
	sd_event_source *linger;
	unsigned int underruns; /* of earlier streams */
};

/* place must live until voice_end(), which is legal for one that is not in use. */
void voice_begin(struct voice *voice, const struct voice_place *place, uint64_t id,
		 const struct sample_format *format);
void voice_end(struct voice *voice);

void voice_enable(struct voice *voice, bool enabled);
void voice_set_volume(struct voice *voice, bool mute, const uint8_t *volumes, size_t n);
/* The place has changed. */
void voice_update(struct voice *voice);

/* Playback. */
void voice_write(struct voice *voice, const void *bytes, size_t size);
/* Recording: writes at most size bytes and returns how many. */
size_t voice_read(struct voice *voice, void *bytes, size_t size);

unsigned int voice_underruns(const struct voice *voice);

#endif
