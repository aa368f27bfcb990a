// SPDX-License-Identifier: MIT
/* When QEMU is asked whether its display is emulated, and what its answers mean. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/display_mode.h"
#include "tests/unit/fake_vm.h"

struct fixture {
	sd_event *event;
	struct vm *vm;
	struct frame_source display;
	struct display_mode *mode;
};

static int setup(void **state)
{
	static const struct frame_source_ops none;
	struct fixture *f = calloc(1, sizeof(*f));

	assert_true(sd_event_new(&f->event) >= 0);
	f->vm = fake_vm_create(f->event, "guest");
	frame_source_init(&f->display, &none);
	assert_int_equal(display_mode_create(f->vm, &f->display, &f->mode), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	display_mode_destroy(f->mode);
	assert_null(fake_vm_asked(f->vm));
	frame_source_finish(&f->display);
	fake_vm_destroy(f->vm);
	sd_event_unref(f->event);
	free(f);
	return 0;
}

/* As QEMU 10 does. */
static void answer(struct fixture *f, bool started)
{
	assert_string_equal(fake_vm_asked(f->vm), "x-query-virtio-status");
	fake_vm_answer(f->vm, 0,
		       json_pack("{s:{s:[s, s]}}", "status", "statuses",
				 "VIRTIO_CONFIG_S_ACKNOWLEDGE: Valid virtio device found",
				 started ? "VIRTIO_CONFIG_S_DRIVER_OK: Driver setup and ready"
					 : "VIRTIO_CONFIG_S_DRIVER: Guest OS compatible"));
}

static void show_frame(struct fixture *f)
{
	frame_source_set_frame(&f->display, NULL);
}

static void test_from_firmware_to_driver(void **state)
{
	struct fixture *f = *state;

	show_frame(f);
	assert_null(fake_vm_asked(f->vm));
	assert_false(display_mode_is_emulated(f->mode));
	fake_vm_set_commandable(f->vm, true);
	answer(f, false);
	assert_true(display_mode_is_emulated(f->mode));
	assert_null(fake_vm_asked(f->vm));
	show_frame(f);
	answer(f, true);
	assert_false(display_mode_is_emulated(f->mode));
	/* A guest that flips pages costs no questions. */
	show_frame(f);
	assert_null(fake_vm_asked(f->vm));
	fake_vm_emit(f->vm, "RESET", NULL);
	answer(f, false);
	assert_true(display_mode_is_emulated(f->mode));
}

/* The driver starts while QEMU is asked. */
static void test_a_frame_meanwhile(void **state)
{
	struct fixture *f = *state;

	fake_vm_set_commandable(f->vm, true);
	show_frame(f);
	show_frame(f);
	answer(f, false);
	answer(f, true);
	assert_false(display_mode_is_emulated(f->mode));
	assert_null(fake_vm_asked(f->vm));
}

static void test_answers_that_are_none(void **state)
{
	struct fixture *f = *state;

	fake_vm_set_commandable(f->vm, true);
	fake_vm_answer(f->vm, -ETIMEDOUT, NULL);
	assert_false(display_mode_is_emulated(f->mode));
	show_frame(f);
	fake_vm_answer(f->vm, 0, json_pack("{s:{s:[i, n]}}", "status", "statuses", 7));
	assert_true(display_mode_is_emulated(f->mode));
	show_frame(f);
	fake_vm_answer(f->vm, 0, json_array());
	assert_true(display_mode_is_emulated(f->mode));
	show_frame(f);
	/* A QEMU that does not know the command. */
	fake_vm_answer(f->vm, -EREMOTEIO, NULL);
	assert_false(display_mode_is_emulated(f->mode));
	show_frame(f);
	assert_null(fake_vm_asked(f->vm));
}

static void test_another_qemu(void **state)
{
	struct fixture *f = *state;

	fake_vm_set_commandable(f->vm, true);
	fake_vm_set_commandable(f->vm, false);
	assert_null(fake_vm_asked(f->vm));
	fake_vm_set_commandable(f->vm, true);
	answer(f, true);
	fake_vm_set_commandable(f->vm, false);
	fake_vm_set_commandable(f->vm, true);
	answer(f, false);
	assert_true(display_mode_is_emulated(f->mode));
	show_frame(f); /* and it ends with that open */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_from_firmware_to_driver),
		TEST(test_a_frame_meanwhile),
		TEST(test_answers_that_are_none),
		TEST(test_another_qemu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
