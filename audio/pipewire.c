// SPDX-License-Identifier: MIT
/*
 * Streams of PipeWire; see pipewire.h.
 *
 * Three threads: the loop's changes the list of wanted streams, under a lock that nobody holds for
 * longer than a copy of it, and rings a bell. Our own makes what there is agree with that list
 * whenever something happened: it is the only one that speaks with the daemon, and may wait. The
 * realtime thread is PipeWire's and calls stream_pull() and stream_push() alone.
 *
 * A daemon that is not there is looked for each second, while there are streams.
 *
 * A session manager links what records to the loudspeaker's monitor when there is no microphone. So
 * our thread looks at who is linked, and what comes from no source is not pushed. The daemon tells
 * of a link before it sends the link's buffers, on the same socket: so nothing of a new link gets
 * through before it was looked at.
 */
#include "audio/pipewire.h"

#include <errno.h>
#include <pipewire/pipewire.h>
#include <pthread.h>
#include <spa/param/audio/format-utils.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "audio/pipewire_library.h"
#include "audio/sources.h"
#include "common/list.h"
#include "common/log.h"

#define STREAMS_MAX 64
#define RETRY_SEC 1
#define END_SEC 1
/* What is asked of the daemon between two turns of its graph; it may have reasons for more. */
#define LATENCY "480/48000"

/* A stream that the daemon knows. */
struct served {
	struct stream *stream; /* a reference; NULL: not in use */
	struct pw_stream *pw;
	struct spa_hook hook;
	struct spa_io_rate_match *match; /* the realtime thread's; may be NULL */
	atomic_bool sourced; /* recording: it is linked to sources alone */
	bool failed;
};

struct pipewire {
	struct audio_server base;
	pthread_t thread;
	bool started;
	int bell; /* eventfd */
	atomic_int state;
	pthread_mutex_t lock; /* of the next three */
	struct stream *wanted[STREAMS_MAX]; /* a reference each */
	size_t wanted_count;
	bool ending;
	/* Our thread's alone. */
	struct pw_loop *loop;
	struct pw_context *context;
	struct pw_core *core; /* NULL: not connected */
	struct spa_hook core_hook;
	struct pw_registry *registry; /* NULL: nothing is known of links, no microphone is open */
	struct spa_hook registry_hook;
	struct sources sources;
	struct spa_source *timer;
	struct served served[STREAMS_MAX];
	bool broken; /* the daemon has gone */
	bool told;   /* that it cannot be reached */
};

/* ---- the realtime thread ---- */

/* Measured, in both directions: with a rate above 1 PipeWire counts the stream's frames as longer,
 * takes fewer and brings more of them. */
static void set_factor(struct served *served, double factor)
{
	if (served->match) {
		served->match->rate = 1.0 / factor;
		SPA_FLAG_SET(served->match->flags, SPA_IO_RATE_MATCH_FLAG_ACTIVE);
	}
}

static void process_playback(void *data)
{
	struct served *served = data;
	struct pw_buffer *buffer = pw_stream_dequeue_buffer(served->pw);
	uint32_t stride = served->stream->info.channels * (uint32_t)sizeof(float), count;
	struct spa_data *samples;

	if (!buffer) {
		return;
	}
	samples = &buffer->buffer->datas[0];
	count = samples->maxsize / stride;
	if (buffer->requested && buffer->requested < count) {
		count = (uint32_t)buffer->requested;
	}
	if (samples->data) {
		set_factor(served, stream_pull(served->stream, samples->data, count));
	}
	*samples->chunk = (struct spa_chunk){ .stride = (int32_t)stride, .size = count * stride };
	pw_stream_queue_buffer(served->pw, buffer);
}

static void process_recording(void *data)
{
	struct served *served = data;
	struct pw_buffer *buffer = pw_stream_dequeue_buffer(served->pw);
	uint32_t stride = served->stream->info.channels * (uint32_t)sizeof(float);
	uint32_t offset, size;
	struct spa_data *samples;

	if (!buffer) {
		return;
	}
	samples = &buffer->buffer->datas[0];
	offset = SPA_MIN(samples->chunk->offset, samples->maxsize);
	size = SPA_MIN(samples->chunk->size, samples->maxsize - offset);
	if (samples->data && atomic_load(&served->sourced)) {
		set_factor(served, stream_push(served->stream,
					       (const float *)((const char *)samples->data + offset),
					       size / stride));
	}
	pw_stream_queue_buffer(served->pw, buffer);
}

static void handle_io(void *data, uint32_t id, void *area, uint32_t size)
{
	struct served *served = data;

	if (id == SPA_IO_RateMatch) {
		served->match = size >= sizeof(struct spa_io_rate_match) ? area : NULL;
	}
}

/* ---- streams ---- */

static void arm_timer(struct pipewire *pipewire)
{
	struct timespec when = { .tv_sec = RETRY_SEC };

	pw_loop_update_timer(pipewire->loop, pipewire->timer, &when, NULL, false);
}

static void handle_state(void *data, enum pw_stream_state old, enum pw_stream_state state,
			 const char *error)
{
	struct served *served = data;

	(void)old;
	if (state == PW_STREAM_STATE_ERROR) {
		log_debug("%s: PipeWire: %s", served->stream->info.guest, error ? error : "?");
		served->failed = true;
	}
}

static const struct pw_stream_events playback_events = {
	PW_VERSION_STREAM_EVENTS,
	.state_changed = handle_state,
	.io_changed = handle_io,
	.process = process_playback,
};

static const struct pw_stream_events recording_events = {
	PW_VERSION_STREAM_EVENTS,
	.state_changed = handle_state,
	.io_changed = handle_io,
	.process = process_recording,
};

/* Where the channels of QEMU's sound devices are, by their number. */
static void set_positions(struct spa_audio_info_raw *info)
{
	static const uint32_t positions[SAMPLE_CHANNELS_MAX + 1][SAMPLE_CHANNELS_MAX] = {
		[1] = { SPA_AUDIO_CHANNEL_MONO },
		[2] = { SPA_AUDIO_CHANNEL_FL, SPA_AUDIO_CHANNEL_FR },
		[3] = { SPA_AUDIO_CHANNEL_FL, SPA_AUDIO_CHANNEL_FR, SPA_AUDIO_CHANNEL_LFE },
		[4] = { SPA_AUDIO_CHANNEL_FL, SPA_AUDIO_CHANNEL_FR, SPA_AUDIO_CHANNEL_RL,
			SPA_AUDIO_CHANNEL_RR },
		[5] = { SPA_AUDIO_CHANNEL_FL, SPA_AUDIO_CHANNEL_FR, SPA_AUDIO_CHANNEL_FC,
			SPA_AUDIO_CHANNEL_RL, SPA_AUDIO_CHANNEL_RR },
		[6] = { SPA_AUDIO_CHANNEL_FL, SPA_AUDIO_CHANNEL_FR, SPA_AUDIO_CHANNEL_FC,
			SPA_AUDIO_CHANNEL_LFE, SPA_AUDIO_CHANNEL_RL, SPA_AUDIO_CHANNEL_RR },
		[7] = { SPA_AUDIO_CHANNEL_FL, SPA_AUDIO_CHANNEL_FR, SPA_AUDIO_CHANNEL_FC,
			SPA_AUDIO_CHANNEL_LFE, SPA_AUDIO_CHANNEL_RC, SPA_AUDIO_CHANNEL_SL,
			SPA_AUDIO_CHANNEL_SR },
		[8] = { SPA_AUDIO_CHANNEL_FL, SPA_AUDIO_CHANNEL_FR, SPA_AUDIO_CHANNEL_FC,
			SPA_AUDIO_CHANNEL_LFE, SPA_AUDIO_CHANNEL_RL, SPA_AUDIO_CHANNEL_RR,
			SPA_AUDIO_CHANNEL_SL, SPA_AUDIO_CHANNEL_SR },
	};

	memcpy(info->position, positions[info->channels], sizeof(positions[0]));
}

static struct pw_properties *describe(const struct stream_info *info)
{
	bool playback = info->direction == STREAM_PLAYBACK;
	char name[96], title[96];
	const struct spa_dict_item items[] = {
		{ PW_KEY_MEDIA_TYPE, "Audio" },
		{ PW_KEY_MEDIA_CATEGORY, playback ? "Playback" : "Capture" },
		{ PW_KEY_MEDIA_ROLE, info->role },
		{ PW_KEY_MEDIA_NAME, title },
		{ PW_KEY_NODE_NAME, name },
		{ PW_KEY_NODE_DESCRIPTION, info->guest },
		{ PW_KEY_NODE_LATENCY, LATENCY },
		{ PW_KEY_APP_NAME, info->guest },
		{ PW_KEY_APP_ID, "org.baton.Seat1" },
		{ PW_KEY_APP_ICON_NAME, "computer" },
		{ "baton.guest", info->guest },
	};

	snprintf(name, sizeof(name), "baton.%s%s", info->guest, playback ? "" : ".microphone");
	snprintf(title, sizeof(title), "%s%s", info->guest, playback ? "" : " (microphone)");
	return pw_properties_new_dict(&SPA_DICT_INIT(items, SPA_N_ELEMENTS(items)));
}

static int served_connect(struct served *served)
{
	const struct stream_info *info = &served->stream->info;
	bool playback = info->direction == STREAM_PLAYBACK;
	struct spa_audio_info_raw raw = {
		.format = SPA_AUDIO_FORMAT_F32,
		.rate = info->rate,
		.channels = info->channels,
	};
	const struct spa_pod *params[1];
	uint8_t room[1024];
	struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(room, sizeof(room));

	set_positions(&raw);
	params[0] = spa_format_audio_raw_build(&builder, SPA_PARAM_EnumFormat, &raw);
	return pw_stream_connect(served->pw, playback ? PW_DIRECTION_OUTPUT : PW_DIRECTION_INPUT,
				 PW_ID_ANY,
				 PW_STREAM_FLAG_AUTOCONNECT | PW_STREAM_FLAG_MAP_BUFFERS |
					 PW_STREAM_FLAG_RT_PROCESS,
				 params, 1);
}

static void served_end(struct served *served)
{
	if (served->pw) {
		pw_stream_destroy(served->pw);
	}
	stream_unref(served->stream);
	memset(served, 0, sizeof(*served));
}

static void served_begin(struct pipewire *pipewire, struct served *served, struct stream *stream)
{
	served->stream = stream_ref(stream);
	served->pw = pw_stream_new(pipewire->core, stream->info.guest, describe(&stream->info));
	if (served->pw) {
		pw_stream_add_listener(served->pw, &served->hook,
				       stream->info.direction == STREAM_PLAYBACK
					       ? &playback_events
					       : &recording_events,
				       served);
	}
	if (!served->pw || served_connect(served) < 0) {
		served->failed = true;
	}
}

/* ---- the connection ---- */

static void handle_core_error(void *data, uint32_t id, int seq, int res, const char *message)
{
	struct pipewire *pipewire = data;

	(void)seq;
	log_debug("PipeWire: %s: %s", strerror(-res), message);
	if (id == PW_ID_CORE && res == -EPIPE) {
		pipewire->broken = true;
	}
}

static const struct pw_core_events core_events = {
	PW_VERSION_CORE_EVENTS,
	.error = handle_core_error,
};

/* ---- who is linked ---- */

static void look_at_links(struct pipewire *pipewire)
{
	for (size_t i = 0; i < STREAMS_MAX; i++) {
		struct served *served = &pipewire->served[i];
		bool sourced;

		if (served->pw && served->stream->info.direction == STREAM_RECORDING) {
			sourced = sources_feed(&pipewire->sources,
					       pw_stream_get_node_id(served->pw));
			atomic_store(&served->sourced, sourced);
			atomic_store(&served->stream->sourced, sourced);
		}
	}
}

static uint32_t id_of(const struct spa_dict *properties, const char *key)
{
	uint32_t id = SPA_ID_INVALID;

	spa_atou32(spa_dict_lookup(properties, key), &id, 0);
	return id;
}

static void handle_global(void *data, uint32_t id, uint32_t permissions, const char *type,
			  uint32_t version, const struct spa_dict *properties)
{
	struct pipewire *pipewire = data;

	(void)permissions, (void)version;
	if (!properties) {
		return;
	}
	if (spa_streq(type, PW_TYPE_INTERFACE_Node)) {
		sources_add_node(&pipewire->sources, id,
				 spa_dict_lookup(properties, PW_KEY_MEDIA_CLASS));
	} else if (spa_streq(type, PW_TYPE_INTERFACE_Link)) {
		sources_add_link(&pipewire->sources, id,
				 id_of(properties, PW_KEY_LINK_OUTPUT_NODE),
				 id_of(properties, PW_KEY_LINK_INPUT_NODE));
		look_at_links(pipewire);
	}
}

static void handle_global_remove(void *data, uint32_t id)
{
	struct pipewire *pipewire = data;

	sources_remove(&pipewire->sources, id);
	look_at_links(pipewire);
}

static const struct pw_registry_events registry_events = {
	PW_VERSION_REGISTRY_EVENTS,
	.global = handle_global,
	.global_remove = handle_global_remove,
};

static void watch_links(struct pipewire *pipewire)
{
	pipewire->registry = pw_core_get_registry(pipewire->core, PW_VERSION_REGISTRY, 0);
	if (!pipewire->registry) {
		log_warning("Guests hear no microphone: PipeWire does not say what is linked (%s); "
			    "restart pipewire.service of this user.",
			    strerror(errno));
		return;
	}
	spa_zero(pipewire->registry_hook);
	pw_registry_add_listener(pipewire->registry, &pipewire->registry_hook, &registry_events,
				 pipewire);
}

static void unwatch_links(struct pipewire *pipewire)
{
	if (pipewire->registry) {
		spa_hook_remove(&pipewire->registry_hook);
		pw_proxy_destroy((struct pw_proxy *)pipewire->registry);
		pipewire->registry = NULL;
	}
	sources_finish(&pipewire->sources);
}

static void pipewire_disconnect(struct pipewire *pipewire)
{
	for (size_t i = 0; i < STREAMS_MAX; i++) {
		served_end(&pipewire->served[i]);
	}
	unwatch_links(pipewire);
	if (pipewire->core) {
		spa_hook_remove(&pipewire->core_hook);
		pw_core_disconnect(pipewire->core);
		pipewire->core = NULL;
	}
	pipewire->broken = false;
}

static void pipewire_connect(struct pipewire *pipewire)
{
	pipewire->core = pw_context_connect(pipewire->context, NULL, 0);
	if (!pipewire->core) {
		atomic_store(&pipewire->state, AUDIO_SERVER_ABSENT);
		if (!pipewire->told) {
			pipewire->told = true;
			log_warning("Guests are not heard: PipeWire cannot be reached (%s); start "
				    "pipewire.service of this user.",
				    strerror(errno));
		}
		return;
	}
	pipewire->told = false;
	atomic_store(&pipewire->state, AUDIO_SERVER_CONNECTED);
	spa_zero(pipewire->core_hook);
	pw_core_add_listener(pipewire->core, &pipewire->core_hook, &core_events, pipewire);
	watch_links(pipewire);
}

static bool has_stream(struct stream *const *streams, size_t n, const struct stream *stream)
{
	for (size_t i = 0; i < n; i++) {
		if (streams[i] == stream) {
			return true;
		}
	}
	return false;
}

static struct served *find_served(struct pipewire *pipewire, const struct stream *stream)
{
	for (size_t i = 0; i < STREAMS_MAX; i++) {
		if (pipewire->served[i].stream == stream) {
			return &pipewire->served[i];
		}
	}
	return NULL;
}

/* Makes what the daemon has agree with what is wanted. */
static void serve(struct pipewire *pipewire, struct stream *const *wanted, size_t n)
{
	for (size_t i = 0; i < STREAMS_MAX; i++) {
		struct served *served = &pipewire->served[i];

		if (served->stream && !has_stream(wanted, n, served->stream)) {
			served_end(served);
		}
	}
	for (size_t i = 0; i < n; i++) {
		struct served *free_place = find_served(pipewire, NULL);

		if (!find_served(pipewire, wanted[i]) && free_place) {
			served_begin(pipewire, free_place, wanted[i]);
		}
	}
}

/* A stream that failed is made anew after a while. */
static bool any_failed(const struct pipewire *pipewire)
{
	for (size_t i = 0; i < STREAMS_MAX; i++) {
		if (pipewire->served[i].failed) {
			return true;
		}
	}
	return false;
}

static void end_failed(struct pipewire *pipewire)
{
	for (size_t i = 0; i < STREAMS_MAX; i++) {
		if (pipewire->served[i].failed) {
			served_end(&pipewire->served[i]);
		}
	}
}

static size_t take_wanted(struct pipewire *pipewire, struct stream **wanted, bool *ending)
{
	size_t n;

	pthread_mutex_lock(&pipewire->lock);
	n = pipewire->wanted_count;
	for (size_t i = 0; i < n; i++) {
		wanted[i] = stream_ref(pipewire->wanted[i]);
	}
	*ending = pipewire->ending;
	pthread_mutex_unlock(&pipewire->lock);
	return n;
}

/* After each event. False at the end. */
static bool pipewire_update(struct pipewire *pipewire)
{
	struct stream *wanted[STREAMS_MAX];
	bool ending;
	size_t n = take_wanted(pipewire, wanted, &ending);

	if (pipewire->broken) {
		log_debug("PipeWire has gone");
		pipewire_disconnect(pipewire);
		atomic_store(&pipewire->state, AUDIO_SERVER_ABSENT);
	}
	if (!pipewire->core && n > 0 && !ending) {
		pipewire_connect(pipewire);
	}
	if (pipewire->core && !ending) {
		serve(pipewire, wanted, n);
		look_at_links(pipewire); /* a stream may have got its id after its link */
	}
	if (n > 0 && !ending && (!pipewire->core || any_failed(pipewire))) {
		arm_timer(pipewire);
	}
	for (size_t i = 0; i < n; i++) {
		stream_unref(wanted[i]);
	}
	return !ending;
}

/* ---- our thread ---- */

static void handle_bell(void *data, int fd, uint32_t mask)
{
	uint64_t rings;

	(void)data, (void)mask;
	if (read(fd, &rings, sizeof(rings)) < 0) {
		/* Somebody rings again, then. */
	}
}

static void handle_timer(void *data, uint64_t expirations)
{
	(void)expirations;
	end_failed(data);
}

static int pipewire_open(struct pipewire *pipewire)
{
	if (pipewire_library_load() < 0) {
		return -ENOENT;
	}
	pw_init(NULL, NULL);
	pipewire->loop = pw_loop_new(NULL);
	if (pipewire->loop) {
		pipewire->context = pw_context_new(pipewire->loop, NULL, 0);
	}
	if (!pipewire->context) {
		log_warning("Guests are not heard: PipeWire's library does not start (%s); install "
			    "libpipewire-0.3-common and libpipewire-0.3-modules.",
			    strerror(errno));
		return -ENOENT;
	}
	pipewire->timer = pw_loop_add_timer(pipewire->loop, handle_timer, pipewire);
	return pipewire->timer && pw_loop_add_io(pipewire->loop, pipewire->bell, SPA_IO_IN, false,
						 handle_bell, pipewire)
		       ? 0
		       : -ENOMEM;
}

static void pipewire_close(struct pipewire *pipewire)
{
	if (pipewire->context) {
		pipewire_disconnect(pipewire);
		pw_context_destroy(pipewire->context);
	}
	if (pipewire->loop) {
		pw_loop_destroy(pipewire->loop);
	}
}

static void *pipewire_run(void *data)
{
	struct pipewire *pipewire = data;

	if (pipewire_open(pipewire) < 0) {
		atomic_store(&pipewire->state, AUDIO_SERVER_MISSING);
	} else {
		pw_loop_enter(pipewire->loop);
		while (pipewire_update(pipewire)) {
			pw_loop_iterate(pipewire->loop, -1);
		}
		pw_loop_leave(pipewire->loop);
	}
	pipewire_close(pipewire);
	return NULL;
}

/* ---- the loop's thread ---- */

static void ring(struct pipewire *pipewire)
{
	uint64_t one = 1;

	if (write(pipewire->bell, &one, sizeof(one)) < 0) {
		/* It has rung so often already that it will be heard. */
	}
}

static int pipewire_start(struct pipewire *pipewire)
{
	int r;

	if (pipewire->started) {
		return 0;
	}
	r = pthread_create(&pipewire->thread, NULL, pipewire_run, pipewire);
	if (r) {
		return -r;
	}
	pthread_setname_np(pipewire->thread, "baton-sound");
	pipewire->started = true;
	atomic_store(&pipewire->state, AUDIO_SERVER_ABSENT);
	return 0;
}

static int pipewire_add(struct audio_server *server, struct stream *stream)
{
	struct pipewire *pipewire = container_of(server, struct pipewire, base);
	int r = pipewire_start(pipewire);

	if (r < 0) {
		return r;
	}
	pthread_mutex_lock(&pipewire->lock);
	if (pipewire->wanted_count < STREAMS_MAX) {
		pipewire->wanted[pipewire->wanted_count++] = stream_ref(stream);
	} else {
		r = -ENOSPC;
	}
	pthread_mutex_unlock(&pipewire->lock);
	ring(pipewire);
	return r;
}

static void pipewire_remove(struct audio_server *server, struct stream *stream)
{
	struct pipewire *pipewire = container_of(server, struct pipewire, base);

	pthread_mutex_lock(&pipewire->lock);
	for (size_t i = 0; i < pipewire->wanted_count; i++) {
		if (pipewire->wanted[i] == stream) {
			pipewire->wanted[i] = pipewire->wanted[--pipewire->wanted_count];
			stream_unref(stream);
			break;
		}
	}
	pthread_mutex_unlock(&pipewire->lock);
	ring(pipewire);
}

static enum audio_server_state pipewire_state(struct audio_server *server)
{
	return (enum audio_server_state)atomic_load(
		&container_of(server, struct pipewire, base)->state);
}

static void pipewire_destroy(struct audio_server *server)
{
	struct pipewire *pipewire = container_of(server, struct pipewire, base);
	struct timespec end;

	pthread_mutex_lock(&pipewire->lock);
	pipewire->ending = true;
	pthread_mutex_unlock(&pipewire->lock);
	ring(pipewire);
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += END_SEC;
	if (pipewire->started && pthread_timedjoin_np(pipewire->thread, NULL, &end) != 0) {
		log_debug("PipeWire's thread hangs and is left behind");
		return;
	}
	for (size_t i = 0; i < pipewire->wanted_count; i++) {
		stream_unref(pipewire->wanted[i]);
	}
	pthread_mutex_destroy(&pipewire->lock);
	close(pipewire->bell);
	free(pipewire);
}

static const struct audio_server_ops pipewire_ops = {
	.add = pipewire_add,
	.remove = pipewire_remove,
	.state = pipewire_state,
	.destroy = pipewire_destroy,
};

struct audio_server *pipewire_create(void)
{
	struct pipewire *pipewire = calloc(1, sizeof(*pipewire));

	if (!pipewire) {
		return NULL;
	}
	pipewire->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pipewire->bell < 0) {
		free(pipewire);
		return NULL;
	}
	pipewire->base.ops = &pipewire_ops;
	pthread_mutex_init(&pipewire->lock, NULL);
	return &pipewire->base;
}
