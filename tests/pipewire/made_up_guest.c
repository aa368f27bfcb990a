// SPDX-License-Identifier: MIT
/*
 * Guests' sound without guests: streams that play a tone, or record, on the sound server as baton
 * has it. What a guest would send is sent by the clock, 10 ms at a time. Orders come on standard
 * input, a line each, and each is answered with a line:
 *
 *   play N HZ PPM   stream N plays a tone; its clock is so much too fast          "ok"
 *   record N        stream N records                                              "ok"
 *   level N LEVEL   how loud it is, 0 to 1                                        "ok"
 *   stop N                                                                        "ok"
 *   heard N         the loudest sample that N recorded since the last time, and
 *                   the milliseconds of samples that it got                       "heard 0.5 120"
 *   state           the server's state, how often samples came too late, and since
 *                   the last "state" the longest time between two turns of this
 *                   program, in milliseconds, and by how much the sound server's
 *                   thread asked too late, in microseconds                        "state 1 0 10 200"
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "audio/pipewire.h"
#include "common/clock.h"

#define RATE 48000
#define VOICES 8
#define LUMP (RATE / 100)
#define TICK_NS (10 * 1000 * 1000)

struct voice {
	struct stream *stream; /* NULL: not in use */
	double hz, clock;
	uint64_t since_ns, sent;
	float loudest;
	uint64_t got;
};

static struct voice voices[VOICES];
static uint64_t longest_ns, ticked_ns;
static _Atomic uint64_t latest_ns;

double __real_stream_pull(struct stream *stream, float *frames, size_t count);
double __wrap_stream_pull(struct stream *stream, float *frames, size_t count);

/* A thread that gets no processor makes gaps that are nobody's fault. */
double __wrap_stream_pull(struct stream *stream, float *frames, size_t count)
{
	static _Thread_local struct stream *first;
	static _Thread_local uint64_t due_ns;
	uint64_t now_ns = clock_now_ns();

	first = first ? first : stream;
	if (stream == first) {
		uint64_t late_ns = due_ns && now_ns > due_ns ? now_ns - due_ns : 0;

		if (late_ns > atomic_load(&latest_ns)) {
			atomic_store(&latest_ns, late_ns);
		}
		due_ns = now_ns + count * NSEC_PER_SEC / RATE;
	}
	return __real_stream_pull(stream, frames, count);
}

static void play(struct voice *voice, uint64_t now_ns)
{
	uint64_t due = (uint64_t)((double)(now_ns - voice->since_ns) * voice->clock * RATE / 1e9);

	while (voice->sent + LUMP <= due) {
		float frames[LUMP * 2];

		for (int i = 0; i < LUMP; i++, voice->sent++) {
			double turns = fmod((double)voice->sent * voice->hz / RATE, 1);

			frames[2 * i] = frames[2 * i + 1] = (float)(0.5 * sin(2 * M_PI * turns));
		}
		stream_note_lump(voice->stream, LUMP);
		stream_write(voice->stream, frames, LUMP);
	}
}

static void record(struct voice *voice, uint64_t now_ns)
{
	float frames[4 * LUMP * 2];
	size_t n = stream_read(voice->stream, frames, 4 * LUMP, true, now_ns);

	voice->got += n;
	for (size_t i = 0; i < 2 * n; i++) {
		voice->loudest = fmaxf(voice->loudest, fabsf(frames[i]));
	}
}

static void tick(void)
{
	uint64_t now_ns = clock_now_ns(), passed_ns = ticked_ns ? now_ns - ticked_ns : 0;

	longest_ns = passed_ns > longest_ns ? passed_ns : longest_ns;
	ticked_ns = now_ns;
	for (int i = 0; i < VOICES; i++) {
		if (!voices[i].stream) {
			continue;
		}
		if (voices[i].stream->info.direction == STREAM_PLAYBACK) {
			play(&voices[i], now_ns);
		} else {
			record(&voices[i], now_ns);
		}
	}
}

static void stop(struct audio_server *server, struct voice *voice)
{
	if (voice->stream) {
		server->ops->remove(server, voice->stream);
		stream_unref(voice->stream);
	}
	*voice = (struct voice){ 0 };
}

static void begin(struct audio_server *server, int n, enum stream_direction direction, double hz,
		  double ppm)
{
	struct stream_info info = {
		.role = "Music", .direction = direction, .rate = RATE, .channels = 2
	};
	struct voice *voice = &voices[n];

	stop(server, voice);
	snprintf(info.guest, sizeof(info.guest), "guest%d", n);
	voice->stream = stream_create(&info);
	voice->hz = hz;
	voice->clock = 1 + ppm * 1e-6;
	voice->since_ns = clock_now_ns();
	stream_set_level(voice->stream, 1);
	stream_set_flowing(voice->stream, true);
	if (server->ops->add(server, voice->stream) < 0) {
		abort();
	}
}

static unsigned int underruns(void)
{
	unsigned int sum = 0;

	for (int i = 0; i < VOICES; i++) {
		sum += voices[i].stream ? atomic_load(&voices[i].stream->underruns) : 0;
	}
	return sum;
}

static void obey(struct audio_server *server, const char *line)
{
	double a = 0, b = 0;
	char order[16];
	int n = 0;

	if (sscanf(line, "%15s %d %lf %lf", order, &n, &a, &b) < 1 || n < 0 || n >= VOICES) {
		abort();
	}
	if (strcmp(order, "state") == 0) {
		printf("state %d %u %u %u\n", server->ops->state(server), underruns(),
		       (unsigned int)(longest_ns / NSEC_PER_MSEC),
		       (unsigned int)(atomic_exchange(&latest_ns, 0) / NSEC_PER_USEC));
		longest_ns = 0;
		return;
	}
	if (strcmp(order, "heard") == 0) {
		printf("heard %f %u\n", (double)voices[n].loudest,
		       (unsigned int)(voices[n].got * 1000 / RATE));
		voices[n].loudest = 0;
		voices[n].got = 0;
		return;
	}
	if (strcmp(order, "play") == 0) {
		begin(server, n, STREAM_PLAYBACK, a, b);
	} else if (strcmp(order, "record") == 0) {
		begin(server, n, STREAM_RECORDING, 0, 0);
	} else if (strcmp(order, "level") == 0) {
		stream_set_level(voices[n].stream, (float)a);
	} else {
		stop(server, &voices[n]);
	}
	puts("ok");
}

static int open_timer(void)
{
	const struct itimerspec period = { { 0, TICK_NS }, { 0, TICK_NS } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	if (fd < 0 || timerfd_settime(fd, 0, &period, NULL) < 0) {
		abort();
	}
	return fd;
}

int main(void)
{
	struct audio_server *server = pipewire_create();
	struct pollfd fds[] = { { 0, POLLIN, 0 }, { open_timer(), POLLIN, 0 } };
	char line[128];
	uint64_t ticks;

	setvbuf(stdin, NULL, _IONBF, 0); /* what is read is what poll() told of */
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (;;) {
		if (poll(fds, 2, -1) < 0) {
			break;
		}
		if (fds[1].revents && read(fds[1].fd, &ticks, sizeof(ticks)) > 0) {
			tick();
		}
		if (fds[0].revents) {
			if (!fgets(line, sizeof(line), stdin)) {
				break;
			}
			obey(server, line);
		}
	}
	for (int i = 0; i < VOICES; i++) {
		stop(server, &voices[i]);
	}
	server->ops->destroy(server);
	return 0;
}
