/* SPDX-License-Identifier: MIT */
/*
 * One guest's sound between two threads: the loop's, which speaks with QEMU, and that of the sound
 * server, which is a realtime thread and does nothing here but arithmetic and the ring. What one
 * tells the other are single atomic values. A stream is destroyed by who lets go of it last.
 *
 * Time goes on without a sound server: what is played and does not fit into the ring is dropped,
 * and what is recorded is silence by the clock.
 */
#ifndef AUDIO_STREAM_H
#define AUDIO_STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "audio/drift.h"
#include "audio/fade.h"
#include "audio/ring.h"

enum stream_direction { STREAM_PLAYBACK, STREAM_RECORDING };

struct stream_info {
	char guest[64];
	const char *role; /* static */
	enum stream_direction direction;
	uint32_t rate;         /* frames a second */
	unsigned int channels; /* 1 to SAMPLE_CHANNELS_MAX */
};

struct stream {
	struct stream_info info;
	atomic_uint references;
	struct ring ring;
	/* Written by the loop's thread. */
	_Atomic float level, volumes[SAMPLE_CHANNELS_MAX];
	_Atomic uint32_t lump; /* frames that come, or go, at once */
	atomic_bool flowing;   /* samples are to be expected */
	/* The other's. */
	atomic_uint underruns;
	atomic_bool sourced; /* recording: what comes is a microphone's; else nothing comes */
	/* The realtime thread's alone in playback; in recording the drift is. */
	struct fade fade;
	float level_aimed; /* below 0: nothing was heard yet */
	struct ramp ramps[SAMPLE_CHANNELS_MAX];
	struct drift drift;
	struct declick declick; /* in recording the loop's */
	bool primed;            /* likewise: the ring has had enough to begin */
	uint32_t margin;        /* frames for what comes late; grows when it was not enough … */
	uint32_t low, watched;  /* … and shrinks: the least that lay there, in so many frames */
	double slack;           /* frames that are to go, little by little */
	/* The loop's, in recording. */
	uint64_t paced_ns;         /* until when the guest has got samples */
};

/* With one reference. NULL without memory. */
struct stream *stream_create(const struct stream_info *info);
struct stream *stream_ref(struct stream *stream);
void stream_unref(struct stream *stream); /* NULL is legal */

/* ---- the loop's thread ---- */

/* Samples begin to flow, or end. */
void stream_set_flowing(struct stream *stream, bool flowing);
/* How loud, 0 to 1; a fade leads there. */
void stream_set_level(struct stream *stream, float level);
void stream_set_volume(struct stream *stream, unsigned int channel, float volume);

/* How many frames the guest sends at once; stream_write() may be called in pieces. */
void stream_note_lump(struct stream *stream, size_t count);
/* Playback: frames of the guest. */
void stream_write(struct stream *stream, const float *frames, size_t count);

/*
 * Recording: writes at most count frames and returns how many the guest gets: as many as time has
 * passed. open: they are the microphone's, else silence.
 */
size_t stream_read(struct stream *stream, float *frames, size_t count, bool open, uint64_t now_ns);

/* ---- the sound server's thread ---- */

/* Each returns the factor of drift.h. Above 1 there is too much in the ring: more frames are to be
 * pulled for the same time, or fewer pushed. */
double stream_pull(struct stream *stream, float *frames, size_t count);       /* playback */
double stream_push(struct stream *stream, const float *frames, size_t count); /* recording */

#endif
