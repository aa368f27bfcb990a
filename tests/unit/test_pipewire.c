// SPDX-License-Identifier: MIT
/*
 * PipeWire as the sound server where there is none: nothing is loaded before the first stream,
 * nobody waits for it, and it lets go of every stream.
 */
#include "tests/unit/test.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audio/pipewire.h"
#include "common/cleanup.h"
#include "common/clock.h"

/*
 * Instead of libc's: what PipeWire's plugins keep in variables of theirs would be taken for leaked
 * once they are unloaded.
 */
__attribute__((visibility("default"))) int dlclose(void *library)
{
	return 0;
}

static struct stream *make_stream(const char *guest, enum stream_direction direction)
{
	struct stream_info info = { .role = "Music", .direction = direction, .rate = 48000,
				    .channels = 2 };
	struct stream *stream;

	snprintf(info.guest, sizeof(info.guest), "%s", guest);
	stream = stream_create(&info);
	assert_non_null(stream);
	return stream;
}

static unsigned int count_threads(void)
{
	DIR *folder = opendir("/proc/self/task");
	unsigned int n = 0;

	assert_non_null(folder);
	while (readdir(folder)) {
		n++;
	}
	closedir(folder);
	return n - 2;
}

static bool is_loaded(const char *library)
{
	_cleanup_fclose_ FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (strstr(line, library)) {
			return true;
		}
	}
	return false;
}

/* First: the library stays loaded. */
static void test_unused(void **state)
{
	unsigned int threads = count_threads();
	struct audio_server *server = pipewire_create();

	assert_non_null(server);
	assert_int_equal(server->ops->state(server), AUDIO_SERVER_UNUSED);
	assert_int_equal(count_threads(), threads);
	server->ops->destroy(server);
	assert_false(is_loaded("libpipewire"));
}

static void test_absent(void **state)
{
	struct audio_server *server = pipewire_create();
	struct stream *stream = make_stream("a", STREAM_PLAYBACK);
	float frames[2 * 480] = { 0 };

	assert_non_null(server);
	assert_int_equal(server->ops->add(server, stream), 0);
	assert_int_not_equal(server->ops->state(server), AUDIO_SERVER_CONNECTED);
	/* The guest goes on: what it plays goes nowhere. */
	for (int i = 0; i < 1000; i++) {
		stream_write(stream, frames, 480);
	}
	server->ops->destroy(server);
	assert_int_equal(atomic_load(&stream->references), 1);
	stream_unref(stream);
}

/* Streams that come and go faster than anybody can serve them. */
static void test_storm(void **state)
{
	struct audio_server *server = pipewire_create();
	struct stream *streams[8];

	assert_non_null(server);
	for (int i = 0; i < 8; i++) {
		streams[i] = make_stream("storm", i % 2 ? STREAM_RECORDING : STREAM_PLAYBACK);
	}
	srand(3);
	for (int i = 0; i < 2000; i++) {
		struct stream *stream = streams[rand() % 8];

		assert_int_equal(server->ops->add(server, stream), 0);
		server->ops->remove(server, stream);
	}
	/* No more than it has places for. */
	for (int i = 0; i < 64; i++) {
		assert_int_equal(server->ops->add(server, streams[0]), 0);
	}
	assert_int_equal(server->ops->add(server, streams[1]), -ENOSPC);
	server->ops->destroy(server);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(atomic_load(&streams[i]->references), 1);
		stream_unref(streams[i]);
	}
}

int main(void)
{
	char folder[] = "/tmp/test-pipewire-XXXXXX";
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unused),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_storm),
	};
	int r;

	/* No daemon of this machine's. */
	if (!mkdtemp(folder) || setenv("XDG_RUNTIME_DIR", folder, 1) < 0 ||
	    setenv("PIPEWIRE_RUNTIME_DIR", folder, 1) < 0) {
		return EXIT_FAILURE;
	}
	unsetenv("PIPEWIRE_REMOTE");
	r = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return r;
}
