// SPDX-License-Identifier: MIT
/*
 * A guest's sound between two clocks, on clocks made up: an hour of drift without an underrun,
 * fades and gaps without a click, silence where there is nothing, and the ring between two real
 * threads.
 */
#include "tests/unit/test.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audio/policy.h"
#include "audio/stream.h"
#include "common/clock.h"

#define RATE 48000u
#define DRIFT_RATE 8000u /* an hour is long */
#define QUANTUM_MAX 2048
#define TONE_HZ 200u

/* The largest step between two samples of the tone at full scale. */
#define STEP_AT(rate) (2 * M_PI * TONE_HZ / (rate))
#define TONE_STEP STEP_AT(RATE)

struct bench {
	struct stream *stream;
	unsigned int channels, rate;
	double guest_clock; /* how fast it runs */
	double guest_next, device_next;
	size_t lump, quantum;
	uint64_t sent;
	double due; /* frames that the device takes, with the resampler's rest */
	float tone[RATE / TONE_HZ]; /* one period */
	float last, step; /* of the output: the largest step seen */
	double power;
};

static void bench_open(struct bench *bench, unsigned int rate, unsigned int channels)
{
	struct stream_info info = { .guest = "a", .role = "Music", .direction = STREAM_PLAYBACK,
				    .rate = rate, .channels = channels };

	*bench = (struct bench){ .guest_clock = 1, .lump = rate / 100, .quantum = 1024,
				 .rate = rate, .channels = channels };
	for (unsigned int i = 0; i < rate / TONE_HZ; i++) {
		bench->tone[i] = (float)sin(i * STEP_AT(rate));
	}
	bench->stream = stream_create(&info);
	assert_non_null(bench->stream);
	stream_set_flowing(bench->stream, true);
}

static void bench_close(struct bench *bench)
{
	stream_unref(bench->stream);
}

static void send_lump(struct bench *bench)
{
	float frames[QUANTUM_MAX * SAMPLE_CHANNELS_MAX];

	for (size_t i = 0; i < bench->lump; i++, bench->sent++) {
		for (unsigned int c = 0; c < bench->channels; c++) {
			frames[i * bench->channels + c] =
				bench->tone[bench->sent % (bench->rate / TONE_HZ)];
		}
	}
	stream_note_lump(bench->stream, bench->lump);
	stream_write(bench->stream, frames, bench->lump);
	bench->guest_next += (double)bench->lump / bench->rate / bench->guest_clock;
}

/* As PipeWire does it: a turn takes as many frames as the factor says, a fraction stays. */
static void take_quantum(struct bench *bench, double *factor)
{
	float frames[QUANTUM_MAX * 2 * SAMPLE_CHANNELS_MAX];
	size_t count;

	bench->due += (double)bench->quantum * *factor;
	count = (size_t)bench->due;
	bench->due -= (double)count;
	*factor = stream_pull(bench->stream, frames, count);
	bench->power = 0;
	for (size_t i = 0; i < count; i++) {
		float sample = frames[i * bench->channels];

		bench->step = fmaxf(bench->step, fabsf(sample - bench->last));
		bench->last = sample;
		bench->power += (double)sample * sample / (double)count;
	}
	bench->device_next += (double)bench->quantum / bench->rate;
}

/* Until the device has taken this many seconds more. */
static void run(struct bench *bench, double seconds, bool sending, double *factor)
{
	double end = bench->device_next + seconds;

	while (bench->device_next < end) {
		if (sending && bench->guest_next <= bench->device_next) {
			send_lump(bench);
		} else {
			take_quantum(bench, factor);
		}
		bench->guest_next = sending ? bench->guest_next : bench->device_next;
	}
}

/* ---- drift ---- */

static void run_an_hour(double ppm, double quantum_ms, double lump_ms)
{
	struct bench bench;
	double factor = 1;

	bench_open(&bench, DRIFT_RATE, 1);
	stream_set_level(bench.stream, 1);
	bench.guest_clock = 1 + ppm * 1e-6;
	bench.quantum = (size_t)(quantum_ms * DRIFT_RATE / 1000);
	bench.lump = (size_t)(lump_ms * DRIFT_RATE / 1000);
	run(&bench, 60 * 60, true, &factor);
	assert_int_equal(bench.stream->underruns, 0);
	/* It learned what the clocks are. */
	assert_true(fabs((bench.stream->drift.memory - ppm * 1e-6) * 1e6) < 50);
	/* Nothing was left out either: what did not fit would have been a step. */
	assert_true(bench.step < 1.3 * STEP_AT(DRIFT_RATE));
	assert_true(ring_fill(&bench.stream->ring) <
		    bench.quantum + 3 * bench.lump + DRIFT_RATE / 50);
	bench_close(&bench);
}

static void test_an_hour_fast(void **state)
{
	run_an_hour(200, 21.333, 10);
}

static void test_an_hour_slow(void **state)
{
	run_an_hour(-200, 21.333, 10);
}

/* Both in the same lumps: the moment at which one comes wanders through the other's. */
static void test_an_hour_in_step(void **state)
{
	run_an_hour(200, 10, 10);
	run_an_hour(-200, 5, 10);
}

/* ---- what is heard ---- */

static void test_fades_never_click(void **state)
{
	static const float levels[] = { 0, 1, AUDIO_DUCKED, 1, 0, AUDIO_DUCKED, 0, 1 };
	struct bench bench;
	double factor = 1;

	bench_open(&bench, RATE, 2);
	bench.quantum = 128;
	stream_set_level(bench.stream, 1);
	run(&bench, 1, true, &factor);
	srand(5);
	for (int i = 0; i < 400; i++) {
		stream_set_level(bench.stream, levels[i % 8]);
		/* Also while the fade before is still under way. */
		run(&bench, (rand() % 60) / 1000.0, true, &factor);
	}
	/* A fade may add its own slope, one 30th of a millisecond each, and no more. */
	assert_true(bench.step < TONE_STEP + 2 * M_PI / 2 / (RATE * FADE_MS / 1000.0));
	bench_close(&bench);
}

static void test_equal_power(void **state)
{
	struct fade going, coming;

	fade_init(&going, 1);
	fade_init(&coming, 0);
	fade_aim(&going, 0, RATE * FADE_MS / 1000);
	fade_aim(&coming, 1, RATE * FADE_MS / 1000);
	for (unsigned int i = 0; i < RATE * FADE_MS / 1000; i++) {
		float a = fade_next(&going), b = fade_next(&coming);

		assert_true(fabsf(a * a + b * b - 1) < 1e-3f);
	}
	assert_true(fade_next(&going) == 0.0f);
	assert_true(fade_next(&coming) == 1.0f);
}

static void test_level_and_volume(void **state)
{
	struct bench bench;
	double factor = 1, loud;

	bench_open(&bench, RATE, 2);
	stream_set_level(bench.stream, 1);
	run(&bench, 1, true, &factor);
	loud = bench.power;
	assert_true(fabs(loud - 0.5) < 0.05);
	stream_set_volume(bench.stream, 0, 0.5f);
	run(&bench, 1, true, &factor);
	assert_true(fabs(bench.power - loud / 4) < 0.02);
	stream_set_level(bench.stream, 0);
	run(&bench, 1, true, &factor);
	assert_true(bench.power == 0);
	bench_close(&bench);
}

/* Samples end in the middle of a tone, and come again. */
static void test_gaps_never_click(void **state)
{
	struct bench bench;
	double factor = 1;

	bench_open(&bench, RATE, 1);
	bench.quantum = 256;
	stream_set_level(bench.stream, 1);
	srand(7);
	for (int i = 0; i < 100; i++) {
		run(&bench, 0.1 + (rand() % 100) / 1000.0, true, &factor);
		if (rand() % 2) {
			run(&bench, (rand() % 30) / 1000.0, false, &factor);
		} else {
			/* Long enough that all of it was heard: the tone may begin anew. */
			run(&bench, 0.1 + (rand() % 100) / 1000.0, false, &factor);
			bench.sent += (uint64_t)rand() % 1000;
		}
	}
	assert_true(bench.stream->underruns > 10);
	/* At most from one end of the scale to the other in 5 ms. */
	assert_true(bench.step < TONE_STEP + 2.0 / (RATE * 5 / 1000.0) + 1e-3);
	bench_close(&bench);
}

/* A machine that was busy for a moment is not late for ever; and while it becomes less, no gap. */
static void test_margin_shrinks(void **state)
{
	struct bench bench;
	double factor = 1;
	uint32_t underruns;

	bench_open(&bench, RATE, 1);
	bench.quantum = 256;
	stream_set_level(bench.stream, 1);
	for (int i = 0; i < 6; i++) {
		run(&bench, 0.5, true, &factor);
		bench.guest_next += 0.1;
		run(&bench, 0.5, true, &factor);
	}
	underruns = bench.stream->underruns;
	assert_true(underruns >= 5);
	assert_true(bench.stream->margin > RATE / 50);
	bench.step = 0;
	run(&bench, 240, true, &factor);
	assert_int_equal(bench.stream->underruns, underruns);
	assert_true(bench.step < 1.3 * TONE_STEP);
	assert_true(bench.stream->margin <= RATE / 1000 * 8);
	/* A lump and the margin at most, on the mean half of one. */
	assert_true(ring_fill(&bench.stream->ring) < RATE / 1000 * 22);
	bench_close(&bench);
}

/* The end of a sound is no underrun. */
static void test_end_is_no_underrun(void **state)
{
	struct bench bench;
	double factor = 1;

	bench_open(&bench, RATE, 1);
	stream_set_level(bench.stream, 1);
	run(&bench, 1, true, &factor);
	stream_set_flowing(bench.stream, false);
	run(&bench, 1, false, &factor);
	assert_int_equal(bench.stream->underruns, 0);
	assert_true(bench.power == 0);
	bench_close(&bench);
}

/* Nobody takes samples for an hour; then somebody does, and hears what the guest plays now. */
static void test_sound_server_comes_late(void **state)
{
	struct bench bench;
	double factor = 1;

	bench_open(&bench, RATE, 1);
	stream_set_level(bench.stream, 1);
	for (int i = 0; i < 60 * 60 * 100; i++) {
		send_lump(&bench);
	}
	bench.device_next = bench.guest_next;
	run(&bench, 2, true, &factor);
	assert_int_equal(bench.stream->underruns, 0);
	assert_true(ring_fill(&bench.stream->ring) < RATE / 20);
	assert_true(bench.power > 0.4);
	bench_close(&bench);
}

/* ---- recording ---- */

static void test_recording_is_paced(void **state)
{
	struct stream_info info = { .guest = "a", .role = "Music", .direction = STREAM_RECORDING,
				    .rate = RATE, .channels = 1 };
	struct stream *stream = stream_create(&info);
	uint64_t now = NSEC_PER_SEC, got = 0;
	float frames[4096];

	assert_non_null(stream);
	stream_set_flowing(stream, true);
	for (int i = 0; i < 1000; i++, now += 10 * NSEC_PER_MSEC) {
		size_t n = stream_read(stream, frames, 4096, false, now);

		for (size_t f = 0; f < n; f++) {
			assert_true(frames[f] == 0.0f);
		}
		got += n;
	}
	/* Ten seconds, whatever it asks for. */
	assert_in_range(got, 10 * RATE - RATE / 50, 10 * RATE + RATE / 50);
	/* A guest that paused does not get the pause. */
	assert_in_range(stream_read(stream, frames, 4096, false, now + NSEC_PER_SEC), 0, RATE / 50);
	stream_unref(stream);
}

static void test_microphone_is_cut(void **state)
{
	struct stream_info info = { .guest = "a", .role = "Music", .direction = STREAM_RECORDING,
				    .rate = RATE, .channels = 1 };
	struct stream *stream = stream_create(&info);
	float frames[4096], one[480];
	uint64_t now = NSEC_PER_SEC;
	size_t n = 0, last;

	assert_non_null(stream);
	stream_set_flowing(stream, true);
	for (size_t i = 0; i < 480; i++) {
		one[i] = 0.5f;
	}
	for (int i = 0; i < 20; i++, now += 10 * NSEC_PER_MSEC) {
		stream_push(stream, one, 480);
		n = stream_read(stream, frames, 4096, true, now);
	}
	assert_true(n > 400 && fabsf(frames[n - 1] - 0.5f) < 1e-6f);
	/* Within 5 ms it is gone, without a click, and nothing of what comes is let through. */
	stream_push(stream, one, 480);
	last = stream_read(stream, frames, 4096, false, now);
	assert_true(last > 400 && fabsf(frames[0] - 0.5f) < 0.01f);
	for (size_t i = RATE / 200; i < last; i++) {
		assert_true(frames[i] == 0.0f);
	}
	/* What was said meanwhile is not heard later. */
	for (size_t i = 0; i < 480; i++) {
		one[i] = -0.5f;
	}
	for (int i = 0; i < 20; i++) {
		now += 10 * NSEC_PER_MSEC;
		stream_push(stream, one, 480);
		n = stream_read(stream, frames, 4096, true, now);
		for (size_t f = 0; f < n; f++) {
			assert_true(frames[f] <= 0.0f);
		}
	}
	stream_unref(stream);
}

/* ---- the ring ---- */

#define THREAD_FRAMES 2000000

static void *write_all(void *data)
{
	struct ring *ring = data;
	uint32_t next = 0;

	while (next < THREAD_FRAMES) {
		float frames[64 * 2];
		size_t n = 1 + next % 61, done;

		for (size_t i = 0; i < n; i++) {
			frames[2 * i] = (float)(next + i);
			frames[2 * i + 1] = -(float)(next + i);
		}
		done = ring_write(ring, frames, n);
		next += (uint32_t)done;
	}
	return NULL;
}

static void test_ring_between_threads(void **state)
{
	struct ring ring;
	pthread_t thread;
	uint32_t next = 0;

	assert_int_equal(ring_init(&ring, 2, 1000), 0);
	assert_int_equal(ring.capacity, 1024);
	assert_int_equal(pthread_create(&thread, NULL, write_all, &ring), 0);
	while (next < THREAD_FRAMES) {
		float frames[2 * 100];
		size_t n = ring_read(&ring, frames, 1 + next % 97);

		for (size_t i = 0; i < n; i++, next++) {
			if (frames[2 * i] != (float)next || frames[2 * i + 1] != -(float)next) {
				fail_msg("frame %u is wrong", next);
			}
		}
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	ring_finish(&ring);
}

static void test_ring_is_bounded(void **state)
{
	float frames[2048] = { 0 }, out[2048];
	struct ring ring;

	assert_int_equal(ring_init(&ring, 1, 1024), 0);
	assert_int_equal(ring_read(&ring, out, 10), 0);
	assert_int_equal(ring_write(&ring, frames, 2000), 1024);
	assert_int_equal(ring_write(&ring, frames, 1), 0);
	assert_int_equal(ring_read(&ring, NULL, 1000), 1000);
	assert_int_equal(ring_write(&ring, frames, 2000), 1000);
	assert_int_equal(ring_read(&ring, out, 2000), 1024);
	assert_int_equal(ring_fill(&ring), 0);
	ring_finish(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_hour_fast),
		cmocka_unit_test(test_an_hour_slow),
		cmocka_unit_test(test_an_hour_in_step),
		cmocka_unit_test(test_fades_never_click),
		cmocka_unit_test(test_equal_power),
		cmocka_unit_test(test_level_and_volume),
		cmocka_unit_test(test_gaps_never_click),
		cmocka_unit_test(test_margin_shrinks),
		cmocka_unit_test(test_end_is_no_underrun),
		cmocka_unit_test(test_sound_server_comes_late),
		cmocka_unit_test(test_recording_is_paced),
		cmocka_unit_test(test_microphone_is_cut),
		cmocka_unit_test(test_ring_between_threads),
		cmocka_unit_test(test_ring_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
