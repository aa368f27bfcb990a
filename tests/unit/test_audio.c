// SPDX-License-Identifier: MIT
/*
 * Guests' sound from QEMU's messages to the sound server's streams, with a QEMU and a sound server
 * that are made up: what is heard with whom in front, and what a guest that sends nonsense loses.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audio/audio.h"
#include "audio/dbus_audio.h"
#include "common/bus_pump.h"
#include "common/cleanup.h"
#include "tests/unit/fake_vm.h"
#include "tests/unit/loop.h"
#include "tests/unit/timers.h"

#define DEADLINE_MS 20000
#define OUT "org.qemu.Display1.AudioOutListener"
#define IN "org.qemu.Display1.AudioInListener"
#define OUT_PATH "/org/qemu/Display1/AudioOutListener"
#define IN_PATH "/org/qemu/Display1/AudioInListener"

/* ---- a sound server ---- */

struct fake_server {
	struct audio_server base;
	struct stream *streams[8];
	size_t count;
	unsigned int added;
};

static int server_add(struct audio_server *base, struct stream *stream)
{
	struct fake_server *server = container_of(base, struct fake_server, base);

	assert_true(server->count < 8);
	server->streams[server->count++] = stream_ref(stream);
	server->added++;
	return 0;
}

static void server_remove(struct audio_server *base, struct stream *stream)
{
	struct fake_server *server = container_of(base, struct fake_server, base);
	size_t i = 0;

	while (server->streams[i] != stream) {
		assert_true(++i < server->count);
	}
	server->streams[i] = server->streams[--server->count];
	stream_unref(stream);
}

static enum audio_server_state server_state(struct audio_server *base)
{
	return AUDIO_SERVER_CONNECTED;
}

static void server_destroy(struct audio_server *base)
{
	assert_int_equal(container_of(base, struct fake_server, base)->count, 0);
}

static const struct audio_server_ops server_ops = {
	.add = server_add,
	.remove = server_remove,
	.state = server_state,
	.destroy = server_destroy,
};

/* ---- a QEMU ---- */

struct side {
	sd_event *event;
	sd_bus *bus;
	struct bus_pump *pump;
	unsigned int registrations, refusals;
	bool closed;
};

static void side_drop(struct side *side)
{
	bus_pump_destroy(side->pump);
	side->pump = NULL;
	side->bus = sd_bus_unref(side->bus);
}

static void handle_closed(void *data, int error)
{
	((struct side *)data)->closed = true;
}

static int handle_register(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct side *side = data;
	sd_id128_t id;
	int fd;

	if (side->refusals > 0) {
		side->refusals--;
		return sd_bus_error_set(error, "org.qemu.Display1.Error.Invalid",
					"`p2p` is already registered!");
	}
	side_drop(side);
	assert_true(sd_bus_message_read(m, "h", &fd) >= 0);
	fd = dup(fd);
	assert_true(sd_bus_new(&side->bus) >= 0);
	assert_true(sd_bus_set_fd(side->bus, fd, fd) >= 0);
	sd_id128_randomize(&id);
	assert_true(sd_bus_set_server(side->bus, 1, id) >= 0);
	assert_true(sd_bus_start(side->bus) >= 0);
	assert_int_equal(
		bus_pump_create(side->bus, side->event, 0, handle_closed, side, &side->pump), 0);
	side->closed = false;
	side->registrations++;
	return sd_bus_reply_method_return(m, NULL);
}

struct qemu {
	struct vm *vm;
	struct audio_guest *guest;
	struct side out, in;
};

static int handle_register_out(sd_bus_message *m, void *data, sd_bus_error *error)
{
	return handle_register(m, &((struct qemu *)data)->out, error);
}

static int handle_register_in(sd_bus_message *m, void *data, sd_bus_error *error)
{
	return handle_register(m, &((struct qemu *)data)->in, error);
}

static const sd_bus_vtable audio_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("RegisterOutListener", "h", "", handle_register_out,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("RegisterInListener", "h", "", handle_register_in,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

/* ---- the world ---- */

struct world {
	sd_event *event;
	struct fake_server server;
	struct audio *audio;
	struct qemu guests[2];
	unsigned int changes;
};

static void handle_changed(struct audio_guest *guest, void *data)
{
	((struct world *)data)->changes++;
}

static const struct audio_handlers handlers = { .changed = handle_changed };

static bool registered(void *data)
{
	struct qemu *qemu = data;

	return qemu->out.registrations > 0 && qemu->in.registrations > 0;
}

static void qemu_connect(struct world *world, struct qemu *qemu)
{
	sd_bus *bus = fake_vm_connect(qemu->vm);

	qemu->out.registrations = qemu->in.registrations = 0;
	assert_true(sd_bus_add_object_vtable(bus, NULL, "/org/qemu/Display1/Audio",
					     "org.qemu.Display1.Audio", audio_vtable, qemu) >= 0);
	assert_true(loop_until(world->event, registered, qemu, DEADLINE_MS));
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct audio_config config;

	assert_non_null(world);
	audio_config_init(&config);
	assert_true(sd_event_new(&world->event) >= 0);
	world->server.base.ops = &server_ops;
	assert_int_equal(audio_create(world->event, &world->server.base, &handlers, world,
				      &world->audio),
			 0);
	for (size_t i = 0; i < 2; i++) {
		struct qemu *qemu = &world->guests[i];

		qemu->vm = fake_vm_create(world->event, i ? "b" : "a");
		qemu->out.event = qemu->in.event = world->event;
		assert_int_equal(audio_add_guest(world->audio, qemu->vm, &config, &qemu->guest), 0);
	}
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	for (size_t i = 0; i < 2; i++) {
		audio_remove_guest(world->guests[i].guest);
		fake_vm_destroy(world->guests[i].vm);
		side_drop(&world->guests[i].out);
		side_drop(&world->guests[i].in);
	}
	audio_destroy(world->audio);
	sd_event_unref(world->event);
	free(world);
	return 0;
}

static int note_answer(sd_bus_message *m, void *data, sd_bus_error *error)
{
	*(bool *)data = true;
	return 1;
}

static bool is_true(void *data)
{
	return *(bool *)data;
}

/* Until the other end has done all that came before. */
static void settle(struct world *world, struct side *side, const char *path)
{
	bool answered = false;

	assert_true(sd_bus_call_method_async(side->bus, NULL, NULL, path,
					     "org.freedesktop.DBus.Peer", "Ping", note_answer,
					     &answered, NULL) >= 0);
	assert_true(loop_until(world->event, is_true, &answered, DEADLINE_MS));
}

static void tell(struct world *world, struct side *side, bool out, const char *member,
		 const char *types, ...)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	va_list args;

	assert_true(sd_bus_message_new_method_call(side->bus, &m, NULL, out ? OUT_PATH : IN_PATH,
						   out ? OUT : IN, member) >= 0);
	va_start(args, types);
	assert_true(sd_bus_message_appendv(m, types, args) >= 0);
	va_end(args);
	assert_true(sd_bus_message_set_expect_reply(m, 0) >= 0);
	assert_true(sd_bus_send(side->bus, m, NULL) >= 0);
}

static void init(struct world *world, struct side *side, bool out, uint64_t id, int bits,
		 uint32_t rate, int channels)
{
	uint32_t frame = (uint32_t)(bits / 8 * channels);

	tell(world, side, out, "Init", "tybbuyuub", id, bits, 1, 0, rate, channels, frame,
	     frame * rate, 0);
}

static void write_samples(struct world *world, struct side *side, uint64_t id, int16_t value,
			  size_t frames)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int16_t samples[2 * 480];

	for (size_t i = 0; i < 2 * 480; i++) {
		samples[i] = value;
	}
	assert_true(sd_bus_message_new_method_call(side->bus, &m, NULL, OUT_PATH, OUT, "Write") >=
		    0);
	assert_true(sd_bus_message_append(m, "t", id) >= 0);
	assert_true(sd_bus_message_append_array(m, 'y', samples, frames * 4) >= 0);
	assert_true(sd_bus_message_set_expect_reply(m, 0) >= 0);
	assert_true(sd_bus_send(side->bus, m, NULL) >= 0);
}

static void play(struct world *world, struct qemu *qemu, unsigned int lumps)
{
	for (unsigned int i = 0; i < lumps; i++) {
		write_samples(world, &qemu->out, 7, 16384, 480);
	}
	settle(world, &qemu->out, OUT_PATH);
}

static void begin_playing(struct world *world, struct qemu *qemu)
{
	if (!vm_peer(qemu->vm)) {
		qemu_connect(world, qemu);
	}
	init(world, &qemu->out, true, 7, 16, 48000, 2);
	tell(world, &qemu->out, true, "SetEnabled", "tb", (uint64_t)7, 1);
	settle(world, &qemu->out, OUT_PATH);
}

/* ---- tests ---- */

static void test_plays(void **state)
{
	struct world *world = *state;
	struct qemu *a = &world->guests[0];
	float frames[2 * 480];

	audio_set_front(world->audio, a->guest);
	qemu_connect(world, a);
	assert_int_equal(world->server.count, 0);
	assert_string_equal(audio_guest_text(a->guest), "silent");
	begin_playing(world, a);
	assert_int_equal(world->server.count, 1);
	assert_string_equal(audio_guest_text(a->guest), "plays");
	assert_string_equal(world->server.streams[0]->info.guest, "a");
	assert_int_equal(world->server.streams[0]->info.rate, 48000);
	play(world, a, 6);
	stream_pull(world->server.streams[0], frames, 480);
	stream_pull(world->server.streams[0], frames, 480);
	assert_true(fabsf(frames[2 * 479] - 0.5f) < 1e-3f);
	assert_int_equal(audio_guest_underruns(a->guest), 0);
}

static void test_volume(void **state)
{
	struct world *world = *state;
	struct qemu *a = &world->guests[0];
	struct stream *stream;

	audio_set_front(world->audio, a->guest);
	begin_playing(world, a);
	stream = world->server.streams[0];
	tell(world, &a->out, true, "SetVolume", "tbay", (uint64_t)7, 0, 2, 255, 51);
	settle(world, &a->out, OUT_PATH);
	assert_true(atomic_load(&stream->volumes[0]) == 1.0f);
	assert_true(fabsf(atomic_load(&stream->volumes[1]) - 0.2f) < 1e-6f);
	tell(world, &a->out, true, "SetVolume", "tbay", (uint64_t)7, 1, 0);
	settle(world, &a->out, OUT_PATH);
	assert_true(atomic_load(&stream->volumes[0]) == 0.0f);
}

static void test_focus(void **state)
{
	struct world *world = *state;
	struct qemu *a = &world->guests[0], *b = &world->guests[1];
	struct audio_config config;
	struct stream *of_a, *of_b;

	audio_set_front(world->audio, a->guest);
	begin_playing(world, a);
	of_a = world->server.streams[0];
	begin_playing(world, b);
	of_b = world->server.streams[1];
	assert_true(of_a->level == 1 && of_b->level == 0);
	assert_string_equal(audio_guest_text(b->guest), "muted");
	audio_set_front(world->audio, b->guest);
	assert_true(of_a->level == 0 && of_b->level == 1);

	audio_config_init(&config);
	config.background = AUDIO_BACKGROUND_DUCK;
	config.volume = 50;
	audio_configure_guest(a->guest, &config);
	assert_true(fabsf(of_a->level - AUDIO_DUCKED / 8) < 1e-6f);
	assert_string_equal(audio_guest_text(a->guest), "ducked");
	config.background = AUDIO_BACKGROUND_PLAY;
	audio_configure_guest(a->guest, &config);
	assert_true(of_a->level == 0.125f);
	config.exclusive = true;
	audio_configure_guest(b->guest, &config);
	assert_true(of_a->level == 0);
	audio_set_front(world->audio, NULL);
	assert_true(of_a->level == 0.125f && of_b->level == 0.125f);
}

/* What somebody sets comes on top of it, and a mute is one wherever the guest is. */
static void test_settings(void **state)
{
	struct world *world = *state;
	struct qemu *a = &world->guests[0];
	struct audio_setting setting = audio_guest_setting(a->guest);
	struct audio_config config;
	struct stream *of_a;

	assert_true(setting.volume == 100 && !setting.muted);
	audio_set_front(world->audio, a->guest);
	begin_playing(world, a);
	of_a = world->server.streams[0];
	setting.volume = 50;
	audio_guest_set(a->guest, &setting);
	assert_true(of_a->level == 0.125f);
	assert_int_equal(audio_guest_setting(a->guest).volume, 50);
	audio_config_init(&config);
	config.volume = 50;
	config.background = AUDIO_BACKGROUND_PLAY;
	audio_configure_guest(a->guest, &config);
	assert_true(of_a->level == 0.015625f);
	world->changes = 0;
	setting.muted = true;
	audio_guest_set(a->guest, &setting);
	assert_true(of_a->level == 0);
	assert_string_equal(audio_guest_text(a->guest), "muted");
	assert_int_equal(world->changes, 1);
	audio_set_front(world->audio, world->guests[1].guest);
	assert_true(of_a->level == 0);
	/* It stays when QEMU ends. */
	fake_vm_disconnect(a->vm);
	begin_playing(world, a);
	assert_true(world->server.streams[0]->level == 0);
}

static void test_stream_lingers_and_ends_with_qemu(void **state)
{
	struct world *world = *state;
	struct qemu *a = &world->guests[0];

	audio_set_front(world->audio, a->guest);
	begin_playing(world, a);
	tell(world, &a->out, true, "SetEnabled", "tb", (uint64_t)7, 0);
	settle(world, &a->out, OUT_PATH);
	assert_string_equal(audio_guest_text(a->guest), "silent");
	tell(world, &a->out, true, "SetEnabled", "tb", (uint64_t)7, 1);
	settle(world, &a->out, OUT_PATH);
	assert_int_equal(world->server.added, 1);
	assert_int_equal(world->server.count, 1);
	fake_vm_disconnect(a->vm);
	assert_int_equal(world->server.count, 0);
	assert_string_equal(audio_guest_text(a->guest), "silent");
	/* And the next QEMU is heard. */
	begin_playing(world, a);
	assert_int_equal(world->server.count, 1);
	tell(world, &a->out, true, "Fini", "t", (uint64_t)7);
	settle(world, &a->out, OUT_PATH);
	assert_int_equal(world->server.count, 0);
}

/* QEMU may not have seen yet that the listener of an earlier seat has gone. */
static void test_registers_again(void **state)
{
	struct world *world = *state;
	struct qemu *a = &world->guests[0];

	a->out.refusals = 2;
	qemu_connect(world, a);
	assert_int_equal(a->out.registrations, 1);
}

static int handle_nothing(sd_bus_message *m, void *data, sd_bus_error *error)
{
	return sd_bus_reply_method_return(m, NULL);
}

/* A QEMU that was started without sound is left alone. */
static void test_no_sound_device(void **state)
{
	static const sd_bus_vtable other[] = {
		SD_BUS_VTABLE_START(0),
		SD_BUS_METHOD("Nothing", "", "", handle_nothing, SD_BUS_VTABLE_UNPRIVILEGED),
		SD_BUS_VTABLE_END,
	};
	struct world *world = *state;
	struct qemu *a = &world->guests[0];
	sd_bus *bus = fake_vm_connect(a->vm);
	bool answered = false;

	assert_true(sd_bus_add_object_vtable(bus, NULL, "/org/qemu/Display1/VM",
					     "org.qemu.Display1.VM", other, a) >= 0);
	/* The other way round: when this is answered, so were the registrations. */
	assert_true(sd_bus_call_method_async(vm_peer(a->vm), NULL, NULL, "/org/qemu/Display1/VM",
					     "org.qemu.Display1.VM", "Nothing", note_answer,
					     &answered, NULL) >= 0);
	assert_true(loop_until(world->event, is_true, &answered, DEADLINE_MS));
	assert_string_equal(audio_guest_text(a->guest), "silent");
}

/* ---- the microphone ---- */

struct answer {
	bool there;
	size_t size;
	bool silent;
};

static int note_samples(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct answer *answer = data;
	const int16_t *samples;
	const void *bytes;

	assert_false(sd_bus_message_is_method_error(m, NULL));
	assert_true(sd_bus_message_read_array(m, 'y', &bytes, &answer->size) >= 0);
	answer->silent = true;
	samples = bytes;
	for (size_t i = 0; i < answer->size / 2; i++) {
		answer->silent = answer->silent && samples[i] == 0;
	}
	answer->there = true;
	return 1;
}

static bool answer_is_there(void *data)
{
	return ((struct answer *)data)->there;
}

/* Reads until so many bytes have come; false when there was a sound in them. */
static bool record(struct world *world, struct qemu *qemu, size_t bytes, struct stream *microphone)
{
	uint64_t end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;
	bool silent = true;

	for (size_t got = 0; got < bytes;) {
		struct answer answer = { 0 };
		float frames[480];

		for (size_t i = 0; i < 480; i++) {
			frames[i] = 0.5f;
		}
		if (microphone) {
			stream_push(microphone, frames, 480);
		}
		assert_true(sd_bus_call_method_async(qemu->in.bus, NULL, NULL, IN_PATH, IN, "Read",
						     note_samples, &answer, "tt", (uint64_t)9,
						     (uint64_t)960) >= 0);
		assert_true(loop_until(world->event, answer_is_there, &answer, DEADLINE_MS));
		assert_true(answer.size <= 960);
		got += answer.size;
		silent = silent && answer.silent;
		assert_true(clock_now_ns() < end);
	}
	return silent;
}

static void test_microphone(void **state)
{
	struct world *world = *state;
	struct qemu *a = &world->guests[0];
	struct audio_config config;

	audio_set_front(world->audio, a->guest);
	qemu_connect(world, a);
	init(world, &a->in, false, 9, 16, 48000, 1);
	tell(world, &a->in, false, "SetEnabled", "tb", (uint64_t)9, 1);
	settle(world, &a->in, IN_PATH);
	/* Not allowed: silence in real time, and the sound server hears nothing of it. */
	assert_int_equal(world->server.count, 0);
	assert_false(audio_guest_records(a->guest));
	assert_true(record(world, a, 1920, NULL));

	audio_config_init(&config);
	config.microphone = AUDIO_MICROPHONE_ALLOW;
	audio_configure_guest(a->guest, &config);
	assert_int_equal(world->server.count, 1);
	assert_int_equal(world->server.streams[0]->info.direction, STREAM_RECORDING);
	assert_true(audio_guest_records(a->guest));
	assert_false(record(world, a, 9600, world->server.streams[0]));

	/* Another one in front: the microphone is closed at once. */
	world->changes = 0;
	audio_set_front(world->audio, world->guests[1].guest);
	assert_int_equal(world->server.count, 0);
	assert_false(audio_guest_records(a->guest));
	assert_true(world->changes > 0);
	record(world, a, 1920, NULL); /* the end of a fade of 5 ms */
	assert_true(record(world, a, 1920, NULL));
}

static void begin_recording(struct world *world, struct qemu *qemu)
{
	qemu_connect(world, qemu);
	init(world, &qemu->in, false, 9, 16, 48000, 1);
	tell(world, &qemu->in, false, "SetEnabled", "tb", (uint64_t)9, 1);
	settle(world, &qemu->in, IN_PATH);
}

static void test_microphone_is_asked_for(void **state)
{
	struct world *world = *state;
	struct qemu *a = &world->guests[0];
	struct audio_config config;

	audio_config_init(&config);
	config.microphone = AUDIO_MICROPHONE_ASK;
	audio_configure_guest(a->guest, &config);
	begin_recording(world, a);
	/* Who is behind asks nothing. */
	assert_false(audio_guest_asks(a->guest));
	world->changes = 0;
	audio_set_front(world->audio, a->guest);
	assert_true(audio_guest_asks(a->guest));
	assert_int_equal(world->changes, 1);
	assert_false(audio_guest_records(a->guest));
	assert_true(record(world, a, 1920, NULL));

	audio_guest_answer(a->guest, AUDIO_ANSWER_NO);
	assert_false(audio_guest_asks(a->guest));
	assert_int_equal(world->server.count, 0);
	assert_string_equal(audio_guest_recording_text(a->guest), "silence");
	audio_guest_answer(a->guest, AUDIO_ANSWER_YES);
	assert_true(audio_guest_records(a->guest));
	assert_false(record(world, a, 9600, world->server.streams[0]));
	/* The answer is remembered, but for the guest in front alone. */
	audio_set_front(world->audio, NULL);
	assert_false(audio_guest_records(a->guest));
	assert_int_equal(world->server.count, 0);
	audio_set_front(world->audio, a->guest);
	assert_true(audio_guest_records(a->guest));
	/* No source is linked. */
	assert_string_equal(audio_guest_recording_text(a->guest),
			    "silence: no microphone is connected");
	atomic_store(&world->server.streams[0]->sourced, true);
	assert_string_equal(audio_guest_recording_text(a->guest), "microphone");

	/* Another QEMU is another guest. */
	fake_vm_disconnect(a->vm);
	assert_string_equal(audio_guest_recording_text(a->guest), "nothing");
	begin_recording(world, a);
	assert_true(audio_guest_asks(a->guest));
	assert_false(audio_guest_records(a->guest));
}

/* ---- nonsense ---- */

static bool is_closed(void *data)
{
	return ((struct side *)data)->closed;
}

static void expect_cut_off(struct world *world, struct qemu *qemu)
{
	assert_true(loop_until(world->event, is_closed, &qemu->out, DEADLINE_MS));
	assert_string_equal(audio_guest_text(qemu->guest), "cut off");
	assert_int_equal(world->server.count, 0);
	assert_int_equal(qemu->out.registrations, 1);
	/* The guest keeps its connection. */
	assert_non_null(vm_peer(qemu->vm));
}

static void test_absurd_formats(void **state)
{
	static const struct {
		int bits, channels;
		uint32_t rate, frame;
	} absurd[] = {
		{ 16, 0, 48000, 4 },  { 16, 9, 48000, 18 },   { 24, 2, 48000, 6 },
		{ 0, 2, 48000, 0 },   { 16, 2, 0, 4 },	      { 16, 2, 4000000000u, 4 },
		{ 16, 2, 48000, 8 },  { 255, 255, 48000, 7 },
	};
	struct world *world = *state;
	struct qemu *a = &world->guests[0];

	for (size_t i = 0; i < sizeof(absurd) / sizeof(absurd[0]); i++) {
		qemu_connect(world, a);
		tell(world, &a->out, true, "Init", "tybbuyuub", (uint64_t)1, absurd[i].bits, 1, 0,
		     absurd[i].rate, absurd[i].channels, absurd[i].frame, (uint32_t)0, 0);
		expect_cut_off(world, a);
		fake_vm_disconnect(a->vm);
	}
	/* A new QEMU is believed again. */
	begin_playing(world, a);
	assert_int_equal(world->server.count, 1);
}

/* Whatever else happens to it, until QEMU's end. */
static void test_cut_off_stays_cut_off(void **state)
{
	struct world *world = *state;
	struct qemu *a = &world->guests[0];
	struct audio_config config;

	begin_playing(world, a);
	init(world, &a->out, true, 8, 24, 48000, 2);
	expect_cut_off(world, a);
	/* No timer is there that would try again. */
	assert_int_equal(timers_left_ms(), -1);
	audio_config_init(&config);
	for (int i = 0; i < 3; i++) {
		audio_set_front(world->audio, i % 2 ? NULL : a->guest);
		audio_configure_guest(a->guest, &config);
		audio_guest_set(a->guest, &AUDIO_SETTING_DEFAULT);
		loop_settle(world->event);
		expect_cut_off(world, a);
	}
	/* What it records is another matter. */
	init(world, &a->in, false, 9, 16, 48000, 1);
	tell(world, &a->in, false, "SetEnabled", "tb", (uint64_t)9, 1);
	settle(world, &a->in, IN_PATH);
	assert_true(record(world, a, 1920, NULL));
	assert_int_equal(a->out.registrations, 1);
	fake_vm_disconnect(a->vm);
	begin_playing(world, a);
	assert_int_equal(world->server.count, 1);
}

static void test_too_much_at_once(void **state)
{
	struct world *world = *state;
	struct qemu *a = &world->guests[0];
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	void *space;

	begin_playing(world, a);
	assert_true(sd_bus_message_new_method_call(a->out.bus, &m, NULL, OUT_PATH, OUT, "Write") >=
		    0);
	assert_true(sd_bus_message_append(m, "t", (uint64_t)7) >= 0);
	assert_true(sd_bus_message_append_array_space(m, 'y', DBUS_AUDIO_BYTES_MAX + 1, &space) >=
		    0);
	assert_true(sd_bus_send(a->out.bus, m, NULL) >= 0);
	expect_cut_off(world, a);
}

/* What is odd, but harmless: voices that nobody knows, too many of them, pieces of frames. */
static void test_odd_but_harmless(void **state)
{
	struct world *world = *state;
	struct qemu *a = &world->guests[0];

	begin_playing(world, a);
	write_samples(world, &a->out, 99, 1, 480);
	write_samples(world, &a->out, 7, 1, 0);
	tell(world, &a->out, true, "Write", "tay", (uint64_t)7, 3, 1, 2, 3);
	tell(world, &a->out, true, "Fini", "t", (uint64_t)1234);
	tell(world, &a->out, true, "SetVolume", "tbay", (uint64_t)1234, 0, 0);
	tell(world, &a->out, true, "SetVolume", "tbay", (uint64_t)7, 0, 0);
	for (uint64_t id = 100; id < 120; id++) {
		init(world, &a->out, true, id, 32, 192000, 8);
		tell(world, &a->out, true, "SetEnabled", "tb", id, 1);
	}
	settle(world, &a->out, OUT_PATH);
	assert_int_equal(world->server.count, 4);
	/* Begun anew in another format: the stream follows. */
	init(world, &a->out, true, 7, 8, 8000, 1);
	tell(world, &a->out, true, "SetEnabled", "tb", (uint64_t)7, 1);
	settle(world, &a->out, OUT_PATH);
	assert_int_equal(world->server.count, 4);
	assert_false(a->out.closed);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_plays),
		TEST(test_volume),
		TEST(test_focus),
		TEST(test_settings),
		TEST(test_stream_lingers_and_ends_with_qemu),
		TEST(test_registers_again),
		TEST(test_no_sound_device),
		TEST(test_microphone),
		TEST(test_microphone_is_asked_for),
		TEST(test_absurd_formats),
		TEST(test_cut_off_stays_cut_off),
		TEST(test_too_much_at_once),
		TEST(test_odd_but_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
