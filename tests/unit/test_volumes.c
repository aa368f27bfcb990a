// SPDX-License-Identifier: MIT
/* Guests' volumes in files: the last one that was set is there at the end, however fast they came,
 * and the loop waits for no disk. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "seat/volumes.h"
#include "tests/unit/loop.h"

#define DEADLINE_MS 20000

struct world {
	sd_event *event;
	char state[64];
	struct volumes *volumes;
};

static int setup(void **state)
{
	static struct world world;

	snprintf(world.state, sizeof(world.state), "/tmp/test-volumes-XXXXXX");
	assert_non_null(mkdtemp(world.state));
	assert_true(sd_event_new(&world.event) >= 0);
	world.volumes = volumes_open(world.event, world.state);
	*state = &world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	char command[128];

	volumes_close(world->volumes);
	sd_event_unref(world->event);
	snprintf(command, sizeof(command), "rm -r %s", world->state);
	return system(command);
}

static void save(struct world *world, const char *guest, unsigned int volume, bool muted)
{
	volumes_save(world->volumes, guest, &(struct audio_setting){ volume, muted });
}

struct wanted {
	struct world *world;
	const char *guest;
	unsigned int volume;
};

static bool is_there(void *data)
{
	const struct wanted *wanted = data;

	return volumes_load(wanted->world->volumes, wanted->guest).volume == wanted->volume;
}

static void expect(struct world *world, const char *guest, unsigned int volume)
{
	struct wanted wanted = { world, guest, volume };

	assert_true(loop_until(world->event, is_there, &wanted, DEADLINE_MS));
}

static void test_last_one_counts(void **state)
{
	struct world *world = *state;

	assert_int_equal(volumes_load(world->volumes, "a").volume, 100);
	for (unsigned int i = 0; i <= 80; i++) {
		save(world, "a", i, i % 2);
		save(world, "b", 80 - i, true);
	}
	expect(world, "a", 80);
	expect(world, "b", 0);
	assert_true(volumes_load(world->volumes, "b").muted);
	assert_false(volumes_load(world->volumes, "a").muted);
}

/* What was set a moment before the end is kept, too. */
static void test_end(void **state)
{
	struct world *world = *state;

	for (unsigned int i = 0; i <= 30; i++) {
		save(world, "a", i, false);
		save(world, "b", i, false);
		save(world, "c", i, false);
	}
	/* The first one is being written. */
	volumes_close(world->volumes);
	world->volumes = volumes_open(world->event, world->state);
	assert_int_equal(volumes_load(world->volumes, "a").volume, 30);
	assert_int_equal(volumes_load(world->volumes, "b").volume, 30);
	assert_int_equal(volumes_load(world->volumes, "c").volume, 30);
}

/* No folder: guests are as loud as ever, and nothing is kept. */
static void test_no_folder(void **state)
{
	struct world *world = *state;
	char path[96];

	snprintf(path, sizeof(path), "%s/nowhere", world->state);
	assert_null(volumes_open(world->event, path));
	assert_int_equal(volumes_load(NULL, "a").volume, 100);
	volumes_save(NULL, "a", &(struct audio_setting){ 5, false });
	volumes_close(NULL);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_last_one_counts),
		TEST(test_end),
		TEST(test_no_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
