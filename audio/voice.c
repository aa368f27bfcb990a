// SPDX-License-Identifier: MIT
/* A guest's sound device; see voice.h. */
#include "audio/voice.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

/* Samples that are converted at a time. */
#define CHUNK_SAMPLES 2048

static void withdraw(struct voice *voice)
{
	if (voice->served) {
		voice->served = false;
		voice->place->server->ops->remove(voice->place->server, voice->stream);
	}
}

static void drop_stream(struct voice *voice)
{
	voice->linger = sd_event_source_disable_unref(voice->linger);
	if (voice->stream) {
		withdraw(voice);
		voice->underruns += atomic_load(&voice->stream->underruns);
		stream_unref(voice->stream);
		voice->stream = NULL;
	}
}

static void make_stream(struct voice *voice)
{
	struct stream_info info = {
		.role = voice->place->role,
		.direction = voice->place->direction,
		.rate = voice->format.rate,
		.channels = voice->format.channels,
	};

	snprintf(info.guest, sizeof(info.guest), "%s", voice->place->guest);
	voice->stream = stream_create(&info);
	if (!voice->stream) {
		log_error("%s: no memory for its sound", voice->place->guest);
		return;
	}
	for (unsigned int c = 0; c < info.channels; c++) {
		stream_set_volume(voice->stream, c, voice->volumes[c]);
	}
}

void voice_update(struct voice *voice)
{
	const struct voice_place *place = voice->place;

	if (!voice->stream) {
		return;
	}
	stream_set_level(voice->stream, place->level);
	stream_set_flowing(voice->stream, voice->enabled);
	if (!place->open) {
		withdraw(voice);
	} else if (!voice->served) {
		voice->served = place->server->ops->add(place->server, voice->stream) == 0;
	}
}

static int handle_linger(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source, (void)usec;
	drop_stream(data);
	return 0;
}

void voice_enable(struct voice *voice, bool enabled)
{
	voice->enabled = enabled;
	voice->linger = sd_event_source_disable_unref(voice->linger);
	if (enabled && !voice->stream) {
		make_stream(voice);
	}
	voice_update(voice);
	if (!enabled && voice->stream &&
	    sd_event_add_time_relative(voice->place->event, &voice->linger, CLOCK_MONOTONIC,
				       VOICE_LINGER_USEC, 0, handle_linger, voice) < 0) {
		drop_stream(voice);
	}
}

void voice_begin(struct voice *voice, const struct voice_place *place, uint64_t id,
		 const struct sample_format *format)
{
	voice_end(voice);
	voice->place = place;
	voice->id = id;
	voice->format = *format;
	for (unsigned int c = 0; c < SAMPLE_CHANNELS_MAX; c++) {
		voice->volumes[c] = 1.0f;
	}
}

void voice_end(struct voice *voice)
{
	if (voice->place) {
		drop_stream(voice);
	}
	*voice = (struct voice){ .underruns = voice->underruns };
}

void voice_set_volume(struct voice *voice, bool mute, const uint8_t *volumes, size_t n)
{
	for (unsigned int c = 0; c < voice->format.channels; c++) {
		/* A channel that was not named is as loud as the last one that was. */
		unsigned int volume = n ? volumes[c < n ? c : n - 1] : UINT8_MAX;

		voice->volumes[c] = mute ? 0.0f : (float)volume / UINT8_MAX;
		if (voice->stream) {
			stream_set_volume(voice->stream, c, voice->volumes[c]);
		}
	}
}

void voice_write(struct voice *voice, const void *bytes, size_t size)
{
	size_t frame = sample_frame_size(&voice->format), count = size / frame;
	float frames[CHUNK_SAMPLES];

	if (!voice->stream) {
		return;
	}
	stream_note_lump(voice->stream, count);
	while (count > 0) {
		size_t n = CHUNK_SAMPLES / voice->format.channels;

		n = count < n ? count : n;
		sample_decode(&voice->format, bytes, n * voice->format.channels, frames);
		stream_write(voice->stream, frames, n);
		bytes = (const uint8_t *)bytes + n * frame;
		count -= n;
	}
}

size_t voice_read(struct voice *voice, void *bytes, size_t size)
{
	size_t frame = sample_frame_size(&voice->format), wanted = size / frame, done = 0;
	uint64_t now_ns = clock_now_ns();
	float frames[CHUNK_SAMPLES];

	while (voice->stream && done < wanted) {
		size_t n = CHUNK_SAMPLES / voice->format.channels, got;

		n = wanted - done < n ? wanted - done : n;
		got = stream_read(voice->stream, frames, n, voice->place->open, now_ns);
		sample_encode(&voice->format, frames, got * voice->format.channels,
			      (uint8_t *)bytes + done * frame);
		done += got;
		if (got < n) {
			break;
		}
	}
	return done * frame;
}

unsigned int voice_underruns(const struct voice *voice)
{
	return voice->underruns + (voice->stream ? atomic_load(&voice->stream->underruns) : 0);
}
