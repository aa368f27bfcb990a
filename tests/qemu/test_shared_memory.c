// SPDX-License-Identifier: MIT
/* The memory that a guest's machine shares with the seat, and the port beside it, in a real QEMU. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/strv.h"
#include "tests/qemu/guest.h"
#include "vm/command_line.h"

#define MIB (1ull << 20)

struct fixture {
	struct guest guest;
	int replies;
	char text[32768];
};

static struct vm_config *make_config(uint64_t mib)
{
	struct vm_config *config = vm_config_create("shared");

	config->memory_mib = 64;
	config->shared.set = true;
	config->shared.mib = mib;
	assert_int_equal(strv_append(&config->qemu_args, "-accel"), 0);
	assert_int_equal(strv_append(&config->qemu_args, "tcg"), 0);
	return config;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	guest_start_config(&f->guest, make_config(16));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	guest_stop(&f->guest);
	free(f);
	return 0;
}

static void note_reply(void *data, int error, const json_t *reply, const char *text)
{
	struct fixture *f = data;
	const char *said = json_string_value(reply);

	assert_int_equal(error, 0);
	snprintf(f->text, sizeof(f->text), "%s", said ? said : "");
	f->replies++;
}

static bool has_reply(void *data)
{
	return ((struct fixture *)data)->replies > 0;
}

/* What the human monitor answers, in f->text. */
static void ask(struct fixture *f, const char *line)
{
	f->replies = 0;
	assert_int_equal(vm_command(f->guest.vm, "human-monitor-command",
				    json_pack("{s:s}", "command-line", line), 10000000, note_reply,
				    f),
			 0);
	run_until(f->guest.event, has_reply, f, 30, "an answer");
}

static void make_path(const struct fixture *f, char path[128])
{
	snprintf(path, 128, "%s/shared/" RUN_FILE_SHARED, f->guest.folder);
}

static void file_is_the_seats_alone_and_a_device_of_the_guest(void **state)
{
	struct fixture *f = *state;
	uint64_t size = 0;
	char path[128];
	struct stat st;

	make_path(f, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_size, 16 * MIB);
	ask(f, "info pci");
	assert_non_null(strstr(f->text, "1af4:1110"));
	close(vm_open_shared(f->guest.vm, &size));
	assert_int_equal(size, 16 * MIB);
}

/* As the next seat finds it, by its name. */
static void next_seat_finds_the_same_memory(void **state)
{
	struct fixture *f = *state;
	struct stat before, after;
	uint64_t size;
	int fd = vm_open_shared(f->guest.vm, &size);
	struct vm *next;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &before), 0);
	close(fd);
	assert_int_equal(vm_create(f->guest.event, make_config(32), f->guest.folder,
				   f->guest.folder, &next),
			 0);
	assert_int_equal(vm_adopt(next), 1);
	fd = vm_open_shared(next, &size);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &after), 0);
	close(fd);
	assert_int_equal(size, 16 * MIB); /* as it was started, not as it is configured now */
	assert_int_equal(before.st_ino, after.st_ino);
	vm_destroy(next);
}

static bool is_over(void *data)
{
	return vm_pid(((struct fixture *)data)->guest.vm) == 0;
}

static void file_goes_with_qemu(void **state)
{
	struct fixture *f = *state;
	char path[128];
	uint64_t size;

	make_path(f, path);
	assert_int_equal(kill(vm_pid(f->guest.vm), SIGKILL), 0);
	run_until(f->guest.event, is_over, f, 30, "QEMU's end");
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(vm_open_shared(f->guest.vm, &size), -ENOENT);
}

/* A seat that finds neither QEMU nor a seat's trace of it but the file. */
static void what_an_earlier_qemu_left_goes(void **state)
{
	struct fixture *f = *state;
	char path[128];

	make_path(f, path);
	assert_int_equal(kill(vm_pid(f->guest.vm), SIGKILL), 0);
	run_until(f->guest.event, is_over, f, 30, "QEMU's end");
	close(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	assert_int_equal(vm_adopt(f->guest.vm), 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void port_of_the_agent_takes_a_connection(void **state)
{
	struct fixture *f = *state;
	int fd = vm_connect_agent(f->guest.vm);

	assert_true(fd >= 0);
	close(fd);
	ask(f, "info qtree");
	assert_non_null(strstr(f->text, "virtserialport"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(file_is_the_seats_alone_and_a_device_of_the_guest),
		TEST(next_seat_finds_the_same_memory),
		TEST(file_goes_with_qemu),
		TEST(what_an_earlier_qemu_left_goes),
		TEST(port_of_the_agent_takes_a_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
