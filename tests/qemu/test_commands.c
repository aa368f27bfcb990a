// SPDX-License-Identifier: MIT
/*
 * Commands and events of a real QEMU, as those who lend devices to guests use them: a device comes
 * to a root port and goes again while the guest runs, in QEMU's sandbox and with the guest's memory
 * filled at the start. The guest is firmware alone, which answers no request to let go of a
 * device: a reset completes the removal.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>

#include "common/strv.h"
#include "tests/qemu/guest.h"

#define WAIT_SECONDS 60
#define DEVICE "card.test.0"
#define WINDOW_MIB 256
#define MEMORY_MIB 64

struct fixture {
	struct guest guest;
	struct vm_observer observer;
	int ups, downs;
	char deleted[64]; /* the device of the last DEVICE_DELETED */
	int replies, error;
	json_t *result;
	char text[256];
};

static void count_up(struct vm *vm, void *data)
{
	struct fixture *f = data;

	assert_true(vm_commandable(vm));
	f->ups++;
}

static void count_down(struct vm *vm, void *data)
{
	struct fixture *f = data;

	assert_false(vm_commandable(vm));
	assert_int_equal(vm_command(vm, "query-status", NULL, QMP_WAIT_FOREVER, NULL, NULL),
			 -ENOTCONN);
	vm_command_cancel(vm, f);
	f->downs++;
}

static void note_event(struct vm *vm, void *data, const char *name, const json_t *args)
{
	struct fixture *f = data;
	const char *device = json_string_value(json_object_get(args, "device"));

	if (strcmp(name, "DEVICE_DELETED") == 0 && device) {
		snprintf(f->deleted, sizeof(f->deleted), "%s", device);
	}
}

static const struct vm_observer_ops ops = {
	.control_up = count_up,
	.control_down = count_down,
	.event = note_event,
};

static struct vm_config *make_config(void)
{
	struct vm_config *config = vm_config_create("commands");

	assert_non_null(config);
	config->memory_mib = MEMORY_MIB;
	config->cpus = 2;
	config->lends = true;
	config->ports[0].window_mib = WINDOW_MIB;
	assert_int_equal(strv_append(&config->qemu_args, "-accel"), 0);
	assert_int_equal(strv_append(&config->qemu_args, "tcg"), 0);
	return config;
}

static void observe(struct fixture *f)
{
	f->observer = (struct vm_observer){ .ops = &ops, .data = f };
	vm_add_observer(f->guest.vm, &f->observer);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	guest_start_config(&f->guest, make_config());
	observe(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	guest_stop(&f->guest);
	json_decref(f->result);
	free(f);
	return 0;
}

static void take_reply(void *data, int error, const json_t *result, const char *text)
{
	struct fixture *f = data;

	f->replies++;
	f->error = error;
	json_decref(f->result);
	f->result = json_deep_copy(result);
	snprintf(f->text, sizeof(f->text), "%s", text ? text : "");
}

static bool has_reply(void *data)
{
	return ((struct fixture *)data)->replies > 0;
}

static bool has_deleted(void *data)
{
	return strcmp(((struct fixture *)data)->deleted, DEVICE) == 0;
}

static bool is_up(void *data)
{
	return ((struct fixture *)data)->ups > 0;
}

static bool is_down(void *data)
{
	return ((struct fixture *)data)->downs > 0;
}

/* The command's error; its result is in the fixture. */
static int command(struct fixture *f, const char *name, json_t *args)
{
	f->replies = 0;
	assert_int_equal(vm_command(f->guest.vm, name, args, WAIT_SECONDS * 1000000ull, take_reply,
				    f),
			 0);
	run_until(f->guest.event, has_reply, f, WAIT_SECONDS, name);
	return f->error;
}

static void add_device(struct fixture *f)
{
	int r = command(f, "device_add",
			json_pack("{s:s, s:s, s:s, s:s}", "driver", "virtio-rng-pci", "id", DEVICE,
				  "bus", "rp1", "addr", "00.0"));

	if (r < 0) {
		fail_msg("device_add: %s", f->text);
	}
}

static bool has_device(struct fixture *f)
{
	const json_t *entry;
	size_t i;

	assert_int_equal(command(f, "qom-list", json_pack("{s:s}", "path", "/machine/peripheral")),
			 0);
	json_array_foreach (f->result, i, entry) {
		if (strcmp(json_string_value(json_object_get(entry, "name")), DEVICE) == 0) {
			return true;
		}
	}
	return false;
}

/*
 * Removes it as a guest without an operating system lets it: at its reset. Its CPUs stand still
 * meanwhile: QEMU frees a device when none of them can be using it any more, and an emulated one
 * that waits in firmware may keep it waiting for ever.
 */
static void delete_device(struct fixture *f)
{
	f->deleted[0] = '\0';
	assert_int_equal(command(f, "stop", NULL), 0);
	assert_int_equal(command(f, "device_del", json_pack("{s:s}", "id", DEVICE)), 0);
	assert_int_equal(command(f, "system_reset", NULL), 0);
	run_until(f->guest.event, has_deleted, f, WAIT_SECONDS, "DEVICE_DELETED");
	assert_int_equal(command(f, "cont", NULL), 0);
}

static void a_device_comes_and_goes(void **state)
{
	struct fixture *f = *state;

	assert_false(has_device(f));
	for (int i = 0; i < 3; i++) {
		add_device(f);
		assert_true(has_device(f));
		delete_device(f);
		assert_false(has_device(f));
	}
}

static void a_refusal_has_qemus_words(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(command(f, "device_del", json_pack("{s:s}", "id", DEVICE)), -EREMOTEIO);
	assert_non_null(strstr(f->text, DEVICE));
}

/* The next seat finds the guest with the device that the one before has given to it. */
static void the_next_seat_commands_it_too(void **state)
{
	struct fixture *f = *state;
	pid_t pid = vm_pid(f->guest.vm);

	add_device(f);
	vm_destroy(f->guest.vm);
	assert_int_equal(f->downs, 1);
	assert_int_equal(vm_create(f->guest.event, make_config(), f->guest.folder, f->guest.folder,
				   &f->guest.vm),
			 0);
	observe(f);
	assert_false(vm_commandable(f->guest.vm));
	assert_int_equal(vm_pidfd(f->guest.vm), -1);
	assert_int_equal(vm_adopt(f->guest.vm), 1);
	run_until(f->guest.event, is_up, f, WAIT_SECONDS, "control_up");
	assert_int_equal(vm_pid(f->guest.vm), pid);
	assert_true(vm_pidfd(f->guest.vm) >= 0);
	assert_true(has_device(f));
	delete_device(f);
}

/* QEMU is stopped, so that the command stays open: nobody hears of it after the connection. */
static void what_is_open_is_dropped_with_the_connection(void **state)
{
	struct fixture *f = *state;

	kill(vm_pid(f->guest.vm), SIGSTOP);
	assert_int_equal(vm_command(f->guest.vm, "query-status", NULL, QMP_WAIT_FOREVER, take_reply,
				    f),
			 0);
	vm_command_cancel(f->guest.vm, f);
	kill(vm_pid(f->guest.vm), SIGKILL);
	run_until(f->guest.event, is_down, f, WAIT_SECONDS, "control_down");
	assert_int_equal(f->replies, 0);
}

static bool is_window(const json_t *device, const char *range, json_int_t mib)
{
	const json_t *bus = json_object_get(json_object_get(device, "pci_bridge"), "bus");
	const json_t *window = json_object_get(bus, range);

	return json_integer_value(json_object_get(window, "limit")) + 1 -
		       json_integer_value(json_object_get(window, "base")) ==
	       mib << 20;
}

static bool has_windows(void *data)
{
	struct fixture *f = data;
	const json_t *devices, *device;
	size_t i;

	assert_int_equal(command(f, "query-pci", NULL), 0);
	devices = json_object_get(json_array_get(f->result, 0), "devices");
	json_array_foreach (devices, i, device) {
		const char *id = json_string_value(json_object_get(device, "qdev_id"));

		if (id && strcmp(id, "rp1") == 0) {
			return is_window(device, "prefetchable_range", WINDOW_MIB) &&
			       is_window(device, "memory_range", 64);
		}
	}
	fail_msg("there is no rp1");
	return false;
}

/* The firmware lays them out a while after the start; each answer of QEMU's asks again. */
static void firmware_keeps_the_windows_free(void **state)
{
	struct fixture *f = *state;

	run_until(f->guest.event, has_windows, f, WAIT_SECONDS, "a window of the right size");
}

static void memory_is_there_from_the_start_on(void **state)
{
	struct fixture *f = *state;
	char path[64], line[256];
	unsigned long resident = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)vm_pid(f->guest.vm));
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "RssShmem:", 9) == 0) {
			resident = strtoul(line + 9, NULL, 10);
		}
	}
	fclose(file);
	assert_true(resident >= MEMORY_MIB * 1024);
	assert_true(vm_lockable_bytes(f->guest.vm) > (uint64_t)MEMORY_MIB << 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_device_comes_and_goes),
		TEST(a_refusal_has_qemus_words),
		TEST(the_next_seat_commands_it_too),
		TEST(what_is_open_is_dropped_with_the_connection),
		TEST(firmware_keeps_the_windows_free),
		TEST(memory_is_there_from_the_start_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
