// SPDX-License-Identifier: MIT
/*
 * What comes out of a sink of PipeWire, taken from its monitor: on standard output, for each buffer
 * its first sample's time (CLOCK_MONOTONIC, nanoseconds, 64 bit), the number of samples (32 bit),
 * and the samples (32-bit floats, 48 kHz, the first channel).
 *
 *   listen SINK FRAMES   until it is killed; "ready" on standard error when it runs. The graph takes turns
 *                        of so many frames at most.
 */
#include <pipewire/pipewire.h>
#include <spa/param/audio/format-utils.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RATE 48000

struct listener {
	struct pw_main_loop *loop;
	struct pw_stream *stream;
	bool ready;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The turn of the graph in which these samples were played. */
static uint64_t turn_ns(struct pw_stream *stream)
{
	struct pw_time time = { 0 };

	return pw_stream_get_time_n(stream, &time, sizeof(time)) == 0 && time.now
		       ? (uint64_t)time.now
		       : now_ns();
}

static void handle_process(void *data)
{
	struct listener *listener = data;
	struct pw_buffer *buffer = pw_stream_dequeue_buffer(listener->stream);
	uint64_t time = turn_ns(listener->stream);
	uint32_t n;

	if (!buffer) {
		return;
	}
	n = buffer->buffer->datas[0].chunk->size / (uint32_t)sizeof(float);
	if (fwrite(&time, sizeof(time), 1, stdout) != 1 || fwrite(&n, sizeof(n), 1, stdout) != 1 ||
	    fwrite(buffer->buffer->datas[0].data, sizeof(float), n, stdout) != n ||
	    fflush(stdout) != 0) {
		exit(0);
	}
	pw_stream_queue_buffer(listener->stream, buffer);
	if (!listener->ready) {
		listener->ready = true;
		fprintf(stderr, "ready\n");
	}
}

static void handle_state(void *data, enum pw_stream_state old, enum pw_stream_state state,
			 const char *error)
{
	struct listener *listener = data;

	if (state == PW_STREAM_STATE_ERROR ||
	    (state == PW_STREAM_STATE_UNCONNECTED && old > state)) {
		fprintf(stderr, "end: %s\n", error ? error : "?");
		pw_main_loop_quit(listener->loop);
	}
}

static const struct pw_stream_events events = {
	PW_VERSION_STREAM_EVENTS,
	.state_changed = handle_state,
	.process = handle_process,
};

int main(int argc, char **argv)
{
	struct spa_audio_info_raw format = {
		.format = SPA_AUDIO_FORMAT_F32,
		.rate = RATE,
		.channels = 1,
		.position = { SPA_AUDIO_CHANNEL_FL },
	};
	uint8_t room[1024];
	struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(room, sizeof(room));
	const struct spa_pod *params[] = { spa_format_audio_raw_build(
		&builder, SPA_PARAM_EnumFormat, &format) };
	struct listener listener = { 0 };
	char latency[32];

	if (argc != 3) {
		fprintf(stderr, "usage: listen SINK FRAMES\n");
		return EXIT_FAILURE;
	}
	snprintf(latency, sizeof(latency), "%s/%d", argv[2], RATE);

	pw_init(&argc, &argv);
	listener.loop = pw_main_loop_new(NULL);
	listener.stream = pw_stream_new_simple(
		pw_main_loop_get_loop(listener.loop), "listener",
		pw_properties_new(PW_KEY_MEDIA_TYPE, "Audio", PW_KEY_MEDIA_CATEGORY, "Capture",
				  PW_KEY_STREAM_CAPTURE_SINK, "true", PW_KEY_TARGET_OBJECT,
				  argv[1], PW_KEY_NODE_LATENCY,
				  latency, NULL),
		&events, &listener);
	if (!listener.stream ||
	    pw_stream_connect(listener.stream, PW_DIRECTION_INPUT, PW_ID_ANY,
			      PW_STREAM_FLAG_AUTOCONNECT | PW_STREAM_FLAG_MAP_BUFFERS |
				      PW_STREAM_FLAG_RT_PROCESS,
			      params, 1) < 0) {
		fprintf(stderr, "listen: PipeWire cannot be reached\n");
		return EXIT_FAILURE;
	}
	pw_main_loop_run(listener.loop);
	return EXIT_SUCCESS;
}
