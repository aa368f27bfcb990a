// SPDX-License-Identifier: MIT
/* Guests' sound under one policy; see audio.h. */
#include "audio/audio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audio/dbus_audio.h"
#include "audio/voice.h"
#include "common/cleanup.h"
#include "common/list.h"
#include "common/log.h"

/* QEMU's mixer has one voice for each audiodev and direction; a guest that begins more has all but
 * these ignored. */
#define VOICES_MAX 4

/* The listener of an earlier seat may not be gone yet in QEMU's eyes. */
#define RETRY_FIRST_USEC (100 * 1000)
#define RETRIES_MAX 6

struct audio {
	sd_event *event;
	struct audio_server *server;
	const struct audio_handlers *handlers;
	void *data;
	struct list guests;
	struct audio_guest *front;
};

/* One of a guest's two directions. */
struct audio_side {
	struct audio_guest *guest;
	struct dbus_audio *listener;
	struct voice_place place;
	struct voice voices[VOICES_MAX];
	sd_event_source *retry;
	unsigned int retries;
	bool lost; /* the guest broke the protocol: until its next connection */
};

struct audio_guest {
	struct list link; /* audio::guests */
	struct audio *audio;
	struct vm *vm;
	struct vm_observer observer;
	struct audio_config config;
	struct audio_setting setting;
	enum audio_answer answer;
	struct audio_side sides[2]; /* by enum stream_direction */
	const char *text;           /* last told */
	bool records, asks;
};

/* ---- telling ---- */

static bool side_flows(const struct audio_side *side)
{
	for (size_t i = 0; i < VOICES_MAX; i++) {
		if (side->voices[i].enabled) {
			return true;
		}
	}
	return false;
}

const char *audio_guest_text(const struct audio_guest *guest)
{
	const struct audio_side *out = &guest->sides[STREAM_PLAYBACK];

	if (out->lost) {
		return "cut off";
	}
	if (!side_flows(out)) {
		return "silent";
	}
	if (out->place.level <= 0.0f) {
		return "muted";
	}
	return guest->audio->front != guest && guest->config.background == AUDIO_BACKGROUND_DUCK
		       ? "ducked"
		       : "plays";
}

bool audio_guest_records(const struct audio_guest *guest)
{
	const struct audio_side *in = &guest->sides[STREAM_RECORDING];

	return in->place.open && side_flows(in);
}

bool audio_guest_asks(const struct audio_guest *guest)
{
	return side_flows(&guest->sides[STREAM_RECORDING]) &&
	       audio_policy_asks(guest->config.microphone, guest->answer,
				 guest->audio->front == guest);
}

const char *audio_guest_recording_text(const struct audio_guest *guest)
{
	const struct audio_side *in = &guest->sides[STREAM_RECORDING];

	if (in->lost) {
		return "cut off";
	}
	if (!side_flows(in)) {
		return "nothing";
	}
	if (!in->place.open) {
		return audio_guest_asks(guest) ? "silence, until it is answered" : "silence";
	}
	for (size_t i = 0; i < VOICES_MAX; i++) {
		if (in->voices[i].stream && atomic_load(&in->voices[i].stream->sourced)) {
			return "microphone";
		}
	}
	return "silence: no microphone is connected";
}

unsigned int audio_guest_underruns(const struct audio_guest *guest)
{
	unsigned int underruns = 0;

	for (size_t i = 0; i < VOICES_MAX; i++) {
		underruns += voice_underruns(&guest->sides[STREAM_PLAYBACK].voices[i]);
	}
	return underruns;
}

const char *audio_text(const struct audio *audio)
{
	static const char *const texts[AUDIO_SERVER_STATE_COUNT] = {
		[AUDIO_SERVER_UNUSED] = "PipeWire, not used yet",
		[AUDIO_SERVER_CONNECTED] = "PipeWire",
		[AUDIO_SERVER_ABSENT] = "nowhere: PipeWire does not run; start pipewire.service of "
					"this user",
		[AUDIO_SERVER_MISSING] = "nowhere: there is no PipeWire library; install "
					 "libpipewire-0.3-0",
	};

	return texts[audio->server->ops->state(audio->server)];
}

static void tell_changed(struct audio_guest *guest)
{
	const char *text = audio_guest_text(guest);
	bool records = audio_guest_records(guest), asks = audio_guest_asks(guest);

	if (text != guest->text || records != guest->records || asks != guest->asks) {
		guest->text = text;
		guest->records = records;
		guest->asks = asks;
		guest->audio->handlers->changed(guest, guest->audio->data);
	}
}

/* ---- policy ---- */

static void update_voices(struct audio_side *side)
{
	for (size_t i = 0; i < VOICES_MAX; i++) {
		if (side->voices[i].place) {
			voice_update(&side->voices[i]);
		}
	}
}

static void update_guest(struct audio_guest *guest)
{
	const struct audio_guest *front = guest->audio->front;
	struct audio_side *out = &guest->sides[STREAM_PLAYBACK];
	struct audio_side *in = &guest->sides[STREAM_RECORDING];
	float level = audio_policy_level(guest->config.background, front == guest,
					 front && front->config.exclusive);

	out->place.open = true;
	out->place.level = guest->setting.muted ? 0.0f
						: level * audio_policy_gain(guest->config.volume) *
							  audio_policy_gain(guest->setting.volume);
	in->place.open =
		audio_policy_hears(guest->config.microphone, guest->answer, front == guest);
	in->place.level = 1.0f;
	out->place.role = in->place.role = guest->config.role;
	update_voices(out);
	update_voices(in);
	tell_changed(guest);
}

void audio_set_front(struct audio *audio, struct audio_guest *guest)
{
	struct audio_guest *other;

	audio->front = guest;
	list_for_each(other, &audio->guests, link) {
		update_guest(other);
	}
}

void audio_configure_guest(struct audio_guest *guest, const struct audio_config *config)
{
	guest->config = *config;
	audio_set_front(guest->audio, guest->audio->front);
}

void audio_guest_set(struct audio_guest *guest, const struct audio_setting *setting)
{
	guest->setting = *setting;
	update_guest(guest);
}

struct audio_setting audio_guest_setting(const struct audio_guest *guest)
{
	return guest->setting;
}

void audio_guest_answer(struct audio_guest *guest, enum audio_answer answer)
{
	guest->answer = answer;
	update_guest(guest);
}

/* ---- what QEMU says ---- */

static struct voice *find_voice(struct audio_side *side, uint64_t id)
{
	for (size_t i = 0; i < VOICES_MAX; i++) {
		if (side->voices[i].place && side->voices[i].id == id) {
			return &side->voices[i];
		}
	}
	return NULL;
}

static void handle_begun(uint64_t id, const struct sample_format *format, void *data)
{
	struct audio_side *side = data;
	struct voice *voice = find_voice(side, id);

	for (size_t i = 0; !voice && i < VOICES_MAX; i++) {
		if (!side->voices[i].place) {
			voice = &side->voices[i];
		}
	}
	if (!voice) {
		log_debug("%s: more than %d sound devices", vm_name(side->guest->vm), VOICES_MAX);
		return;
	}
	voice_begin(voice, &side->place, id, format);
	tell_changed(side->guest);
}

static void handle_ended(uint64_t id, void *data)
{
	struct audio_side *side = data;
	struct voice *voice = find_voice(side, id);

	if (voice) {
		voice_end(voice);
		tell_changed(side->guest);
	}
}

static void handle_enabled(uint64_t id, bool enabled, void *data)
{
	struct audio_side *side = data;
	struct voice *voice = find_voice(side, id);

	if (voice && voice->enabled != enabled) {
		voice_enable(voice, enabled);
		tell_changed(side->guest);
	}
}

static void handle_volume(uint64_t id, bool mute, const uint8_t *volumes, size_t n, void *data)
{
	struct voice *voice = find_voice(data, id);

	if (voice) {
		voice_set_volume(voice, mute, volumes, n);
	}
}

static void handle_written(uint64_t id, const void *bytes, size_t size, void *data)
{
	struct voice *voice = find_voice(data, id);

	if (voice) {
		voice_write(voice, bytes, size);
	}
}

static size_t handle_asked(uint64_t id, void *bytes, size_t size, void *data)
{
	struct voice *voice = find_voice(data, id);

	return voice ? voice_read(voice, bytes, size) : 0;
}

static void handle_closed(int error, void *data);

static const struct dbus_audio_handlers listener_handlers = {
	.begun = handle_begun,
	.ended = handle_ended,
	.enabled = handle_enabled,
	.volume = handle_volume,
	.written = handle_written,
	.asked = handle_asked,
	.closed = handle_closed,
};

/* ---- the connection ---- */

static void side_listen(struct audio_side *side)
{
	struct audio_guest *guest = side->guest;
	int r = dbus_audio_create(guest->audio->event, guest->vm, side->place.direction,
				  &listener_handlers, side, &side->listener);

	if (r < 0) {
		log_warning("%s: its sound cannot be heard: %s", vm_name(guest->vm), strerror(-r));
	}
}

static void side_close(struct audio_side *side)
{
	side->retry = sd_event_source_disable_unref(side->retry);
	dbus_audio_destroy(side->listener);
	side->listener = NULL;
	for (size_t i = 0; i < VOICES_MAX; i++) {
		voice_end(&side->voices[i]);
	}
}

static int handle_retry(sd_event_source *source, uint64_t usec, void *data)
{
	struct audio_side *side = data;

	(void)source, (void)usec;
	side->retry = sd_event_source_disable_unref(side->retry);
	side_listen(side);
	return 0;
}

static void handle_closed(int error, void *data)
{
	struct audio_side *side = data;

	side_close(side);
	side->lost = error == -EPROTO;
	if (!side->lost && error != -EOPNOTSUPP && side->retries < RETRIES_MAX) {
		(void)sd_event_add_time_relative(side->guest->audio->event, &side->retry,
						 CLOCK_MONOTONIC,
						 (uint64_t)RETRY_FIRST_USEC << side->retries++, 0,
						 handle_retry, side);
	}
	tell_changed(side->guest);
}

static void handle_peer_up(struct vm *vm, void *data)
{
	struct audio_guest *guest = data;

	(void)vm;
	for (size_t i = 0; i < 2; i++) {
		side_close(&guest->sides[i]);
		guest->sides[i].lost = false;
		guest->sides[i].retries = 0;
		side_listen(&guest->sides[i]);
	}
}

static void handle_peer_down(struct vm *vm, void *data)
{
	struct audio_guest *guest = data;

	(void)vm;
	for (size_t i = 0; i < 2; i++) {
		side_close(&guest->sides[i]);
	}
	guest->answer = AUDIO_ANSWER_NONE;
	update_guest(guest);
}

static const struct vm_observer_ops observer_ops = {
	.peer_up = handle_peer_up,
	.peer_down = handle_peer_down,
};

/* ---- birth and death ---- */

static void side_init(struct audio_side *side, struct audio_guest *guest,
		      enum stream_direction direction)
{
	side->guest = guest;
	side->place = (struct voice_place){
		.event = guest->audio->event,
		.server = guest->audio->server,
		.guest = vm_name(guest->vm),
		.role = guest->config.role,
		.direction = direction,
	};
}

int audio_add_guest(struct audio *audio, struct vm *vm, const struct audio_config *config,
		    struct audio_guest **out)
{
	struct audio_guest *guest = calloc(1, sizeof(*guest));

	if (!guest) {
		return -ENOMEM;
	}
	guest->audio = audio;
	guest->vm = vm;
	guest->config = *config;
	guest->setting = AUDIO_SETTING_DEFAULT;
	side_init(&guest->sides[STREAM_PLAYBACK], guest, STREAM_PLAYBACK);
	side_init(&guest->sides[STREAM_RECORDING], guest, STREAM_RECORDING);
	guest->text = audio_guest_text(guest);
	list_append(&audio->guests, &guest->link);
	update_guest(guest);
	guest->observer.ops = &observer_ops;
	guest->observer.data = guest;
	vm_add_observer(vm, &guest->observer);
	if (vm_peer(vm)) {
		handle_peer_up(vm, guest);
	}
	*out = guest;
	return 0;
}

void audio_remove_guest(struct audio_guest *guest)
{
	struct audio *audio;

	if (!guest) {
		return;
	}
	audio = guest->audio;
	vm_remove_observer(&guest->observer);
	side_close(&guest->sides[STREAM_PLAYBACK]);
	side_close(&guest->sides[STREAM_RECORDING]);
	list_remove(&guest->link);
	if (audio->front == guest) {
		audio_set_front(audio, NULL);
	}
	free(guest);
}

int audio_create(sd_event *event, struct audio_server *server,
		 const struct audio_handlers *handlers, void *data, struct audio **out)
{
	struct audio *audio = calloc(1, sizeof(*audio));

	if (!audio) {
		server->ops->destroy(server);
		return -ENOMEM;
	}
	audio->event = sd_event_ref(event);
	audio->server = server;
	audio->handlers = handlers;
	audio->data = data;
	list_init(&audio->guests);
	*out = audio;
	return 0;
}

void audio_destroy(struct audio *audio)
{
	if (!audio) {
		return;
	}
	audio->server->ops->destroy(audio->server);
	sd_event_unref(audio->event);
	free(audio);
}
