// SPDX-License-Identifier: MIT
/* A guest's sound between two threads; see stream.h. */
#include "audio/stream.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

/* Holds what two lumps of a lazy sound server need. */
#define RING_MS 500
/* What lies in the ring beyond its target is skipped at once when it is more. */
#define SURPLUS_MS 80
#define MARGIN_MS 5
#define MARGIN_MAX_MS 60
#define WATCH_MS 10000
#define SHED 0.001 /* of the frames taken; nobody hears that they are taken faster */
#define RECORDING_MARGIN_MS 15 /* QEMU asks every 10 ms */
#define LUMP_MAX_MS 100
/* A guest that has not asked for longer has stopped to record in between. */
#define PACE_MAX_NS (200 * 1000 * 1000ull)
#define PACE_FIRST_NS (5 * 1000 * 1000ull)

static uint32_t frames_of_ms(const struct stream *stream, uint32_t ms)
{
	return stream->info.rate * ms / 1000;
}

struct stream *stream_create(const struct stream_info *info)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream) {
		return NULL;
	}
	stream->info = *info;
	if (ring_init(&stream->ring, info->channels, frames_of_ms(stream, RING_MS)) < 0) {
		free(stream);
		return NULL;
	}
	atomic_init(&stream->references, 1);
	atomic_init(&stream->level, 0.0f);
	stream->level_aimed = -1.0f;
	stream->low = UINT32_MAX;
	for (unsigned int c = 0; c < SAMPLE_CHANNELS_MAX; c++) {
		atomic_init(&stream->volumes[c], 1.0f);
		ramp_init(&stream->ramps[c], 1.0f);
	}
	drift_init(&stream->drift, info->rate);
	declick_init(&stream->declick, info->channels, info->rate);
	stream->margin = frames_of_ms(
		stream, info->direction == STREAM_PLAYBACK ? MARGIN_MS : RECORDING_MARGIN_MS);
	return stream;
}

struct stream *stream_ref(struct stream *stream)
{
	atomic_fetch_add(&stream->references, 1);
	return stream;
}

void stream_unref(struct stream *stream)
{
	if (stream && atomic_fetch_sub(&stream->references, 1) == 1) {
		ring_finish(&stream->ring);
		free(stream);
	}
}

void stream_set_flowing(struct stream *stream, bool flowing)
{
	atomic_store(&stream->flowing, flowing);
}

void stream_set_level(struct stream *stream, float level)
{
	atomic_store(&stream->level, level);
}

void stream_set_volume(struct stream *stream, unsigned int channel, float volume)
{
	atomic_store(&stream->volumes[channel], volume);
}

/* The largest lump counts: the ring has to bridge the time between two of them. */
void stream_note_lump(struct stream *stream, size_t count)
{
	uint32_t most = frames_of_ms(stream, LUMP_MAX_MS);
	uint32_t lump = count < most ? (uint32_t)count : most;

	if (lump > atomic_load(&stream->lump)) {
		atomic_store(&stream->lump, lump);
	}
}

static void grow_margin(struct stream *stream)
{
	uint32_t most = frames_of_ms(stream, MARGIN_MAX_MS);
	uint32_t margin = stream->margin + stream->margin / 2;

	stream->margin = margin < most ? margin : most;
	stream->low = UINT32_MAX;
	stream->watched = 0;
}

/* After count frames were taken. Half of what nobody needed for a while goes: a machine that was
 * busy once is not to be late for ever. */
static void shrink_margin(struct stream *stream, size_t count)
{
	uint32_t least = frames_of_ms(stream, MARGIN_MS), fill = (uint32_t)ring_fill(&stream->ring);
	uint32_t needless, above;

	stream->low = fill < stream->low ? fill : stream->low;
	stream->watched += (uint32_t)count;
	if (stream->watched < frames_of_ms(stream, WATCH_MS)) {
		return;
	}
	least += (uint32_t)stream->slack;
	needless = stream->low > least ? (stream->low - least) / 2 : 0;
	above = stream->margin - frames_of_ms(stream, MARGIN_MS);
	needless = needless < above ? needless : above;
	stream->margin -= needless;
	stream->slack += needless;
	stream->low = UINT32_MAX;
	stream->watched = 0;
}

/* ---- playback ---- */

void stream_write(struct stream *stream, const float *frames, size_t count)
{
	ring_write(&stream->ring, frames, count);
}

/* How much more than this lies in the ring after frames were taken: on the mean, since the moment
 * at which a lump comes wanders. */
static double playback_surplus(struct stream *stream)
{
	double mean = stream->margin + atomic_load(&stream->lump) / 2.0 + stream->slack;

	return (double)ring_fill(&stream->ring) - mean;
}

/* Takes out what is to go, beside what the clocks want: the controller sees nothing of it, and does
 * not take it for their ratio. To be added to the factor. */
static double shed(struct stream *stream, size_t count)
{
	double most = (double)count * SHED, now = stream->slack < most ? stream->slack : most;

	stream->slack -= now;
	return count ? now / (double)count : 0;
}

/* Leaves in the ring what should be there. True when samples were left out or begin anew. */
static bool align(struct stream *stream, size_t count)
{
	/* The next lump may come a whole one's time later, or at once: half of it is to go. */
	size_t lump = atomic_load(&stream->lump), wanted = stream->margin + lump + count;
	size_t fill = ring_fill(&stream->ring);
	size_t most = wanted + frames_of_ms(stream, SURPLUS_MS);

	if (stream->primed ? fill <= most : fill < wanted) {
		return false;
	}
	ring_read(&stream->ring, NULL, fill - wanted);
	drift_restart(&stream->drift);
	stream->slack = (double)lump / 2;
	stream->primed = true;
	return true;
}

/* Fewer frames than asked for: the guest ended its sound, or they come late. */
static void run_dry(struct stream *stream)
{
	stream->primed = false;
	if (atomic_load(&stream->flowing)) {
		atomic_fetch_add(&stream->underruns, 1);
		grow_margin(stream);
	}
}

static void aim_gains(struct stream *stream)
{
	uint32_t frames = frames_of_ms(stream, FADE_MS);
	float level = atomic_load(&stream->level);

	/* Compared with what was aimed at, so that a fade under way is not begun again. */
	if (stream->level_aimed < 0.0f) {
		fade_init(&stream->fade, level);
	} else if (level != stream->level_aimed) {
		fade_aim(&stream->fade, level, frames);
	}
	stream->level_aimed = level;
	for (unsigned int c = 0; c < stream->info.channels; c++) {
		float volume = atomic_load(&stream->volumes[c]);

		if (volume != stream->ramps[c].target) {
			ramp_aim(&stream->ramps[c], volume, frames);
		}
	}
}

static void apply_gains(struct stream *stream, float *frame)
{
	float level = fade_next(&stream->fade);

	for (unsigned int c = 0; c < stream->info.channels; c++) {
		frame[c] *= level * ramp_next(&stream->ramps[c]);
	}
}

double stream_pull(struct stream *stream, float *frames, size_t count)
{
	unsigned int channels = stream->info.channels;
	bool begins = align(stream, count), flowed = stream->primed;
	size_t got = flowed ? ring_read(&stream->ring, frames, count) : 0;

	memset(frames + got * channels, 0, (count - got) * channels * sizeof(float));
	aim_gains(stream);
	for (size_t i = 0; i < count; i++) {
		float *frame = frames + i * channels;

		if ((i == 0 && begins) || (i == got && flowed)) {
			declick_jump(&stream->declick, frame);
		}
		declick_apply(&stream->declick, frame);
		apply_gains(stream, frame);
	}
	if (flowed && got < count) {
		run_dry(stream);
	}
	if (!stream->primed) {
		return stream->drift.factor;
	}
	shrink_margin(stream, count);
	return drift_update(&stream->drift, playback_surplus(stream), (double)count) +
	       shed(stream, count);
}

/* ---- recording ---- */

double stream_push(struct stream *stream, const float *frames, size_t count)
{
	size_t target = count + stream->margin;

	stream_note_lump(stream, count);
	ring_write(&stream->ring, frames, count);
	if (!atomic_load(&stream->flowing)) {
		return stream->drift.factor;
	}
	return drift_update(&stream->drift,
			    (double)ring_fill(&stream->ring) - (double)target, (double)count);
}

/* How many frames the guest may have now. */
static size_t pace(struct stream *stream, size_t count, uint64_t now_ns)
{
	uint64_t passed, due;

	if (now_ns - stream->paced_ns > PACE_MAX_NS) {
		stream->paced_ns = now_ns - PACE_FIRST_NS;
	}
	passed = now_ns - stream->paced_ns;
	due = passed * stream->info.rate / NSEC_PER_SEC;
	if (count > due) {
		count = (size_t)due;
	}
	stream->paced_ns += count * NSEC_PER_SEC / stream->info.rate;
	return count;
}

/* The microphone's samples are skipped while nobody is to have them. */
static size_t take_recorded(struct stream *stream, float *frames, size_t count, bool open)
{
	size_t fill = ring_fill(&stream->ring);
	size_t wanted = atomic_load(&stream->lump) + stream->margin;

	if (!open) {
		ring_read(&stream->ring, NULL, fill);
		stream->primed = false;
		return 0;
	}
	if (!stream->primed && fill < wanted) {
		return 0;
	}
	if (fill > wanted + frames_of_ms(stream, SURPLUS_MS)) {
		ring_read(&stream->ring, NULL, fill - wanted);
	}
	stream->primed = true;
	return ring_read(&stream->ring, frames, count);
}

size_t stream_read(struct stream *stream, float *frames, size_t count, bool open, uint64_t now_ns)
{
	unsigned int channels = stream->info.channels;
	bool flowed = stream->primed;
	size_t got;

	count = pace(stream, count, now_ns);
	got = take_recorded(stream, frames, count, open);
	memset(frames + got * channels, 0, (count - got) * channels * sizeof(float));
	for (size_t i = 0; i < count; i++) {
		float *frame = frames + i * channels;

		if ((i == 0 && flowed != stream->primed) || (i == got && stream->primed)) {
			declick_jump(&stream->declick, frame);
		}
		declick_apply(&stream->declick, frame);
	}
	if (stream->primed && got < count) {
		stream->primed = false;
		atomic_fetch_add(&stream->underruns, 1);
	}
	return count;
}
