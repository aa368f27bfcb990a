// SPDX-License-Identifier: MIT
/* What a guest's QEMU is kept away from, and what not, as its configuration says. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/strv.h"
#include "vm/vm_private.h"

struct fixture {
	char folder[64];
	sd_event *event;
	struct vm *vm;
	struct vm_config *config;
	struct vm_walls walls;
};

/* A path in the folder of the test; lives until the fourth call from now. */
static const char *in(const struct fixture *f, const char *name)
{
	static char paths[4][128];
	static unsigned int turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", f->folder, name);
	return path;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/baton-walls-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	assert_int_equal(mkdir(in(f, "guests"), 0700), 0);
	assert_int_equal(mkdir(in(f, "console"), 0700), 0);
	assert_true(sd_event_new(&f->event) >= 0);
	f->config = vm_config_create("work");
	f->config->file = strdup(in(f, "guests/work.ini"));
	assert_int_equal(strv_append(&f->config->disks, "/disks/work.qcow2"), 0);
	assert_int_equal(vm_create(f->event, f->config, in(f, "run"), in(f, "state"), &f->vm), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[96];

	vm_walls_finish(&f->walls);
	vm_destroy(f->vm);
	sd_event_unref(f->event);
	snprintf(command, sizeof(command), "rm -r %s", f->folder);
	free(f);
	return system(command);
}

static bool has(char *const *list, const char *path)
{
	while (list && *list && strcmp(*list, path) != 0) {
		list++;
	}
	return list && *list;
}

static void build(struct fixture *f, const char *argument)
{
	assert_int_equal(strv_append(&f->config->qemu_args, argument), 0);
	assert_int_equal(vm_walls_init(f->vm, &f->walls), 0);
}

static void test_hidden_and_own(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vm_set_settings(f->vm, in(f, "settings")), 0);
	build(f, "-snapshot");
	assert_true(f->walls.wanted);
	assert_true(has(f->walls.readable, in(f, "settings")));
	assert_true(has(f->walls.hidden, in(f, "run/work/..")));
	assert_true(has(f->walls.hidden, in(f, "state/work/..")));
	assert_true(has(f->walls.readable, in(f, "guests")));
	assert_true(has(f->walls.hidden, "/run/baton"));
	assert_true(has(f->walls.hidden, "/run/baton-guest"));
	assert_true(has(f->walls.own, in(f, "run/work")));
	assert_true(has(f->walls.own, in(f, "state/work")));
	assert_true(has(f->walls.own, "/disks/work.qcow2"));
}

/* What the user names in an argument is the guest's, also beside what is hidden. */
static void test_named_in_arguments(void **state)
{
	struct fixture *f = *state;
	char argument[160];
	int fd = open(in(f, "guests/more.img"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
	snprintf(argument, sizeof(argument), "if=none,file=%s,id=x", in(f, "guests/more.img"));
	build(f, argument);
	assert_true(f->walls.wanted);
	assert_true(has(f->walls.own, in(f, "guests/more.img")));
}

static void test_socket_in_a_folder_of_its_own(void **state)
{
	struct fixture *f = *state;
	char argument[160];

	snprintf(argument, sizeof(argument), "socket,id=c,path=%s,server=on", in(f, "console/c"));
	build(f, argument);
	assert_true(f->walls.wanted);
}

/* No rule could allow that without the rest. */
static void test_socket_beside_what_is_hidden(void **state)
{
	static const char *const places[] = { "run/c", "run/other/c", "guests/c", "c" };
	struct fixture *f = *state;
	char argument[160];

	assert_int_equal(mkdir(in(f, "run/other"), 0700), 0);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		strv_free(f->config->qemu_args);
		f->config->qemu_args = NULL;
		snprintf(argument, sizeof(argument), "unix:%s,server=on", in(f, places[i]));
		build(f, argument);
		assert_false(f->walls.wanted);
		vm_walls_finish(&f->walls);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_hidden_and_own),
		TEST(test_named_in_arguments),
		TEST(test_socket_in_a_folder_of_its_own),
		TEST(test_socket_beside_what_is_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
