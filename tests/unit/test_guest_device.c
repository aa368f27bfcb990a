// SPDX-License-Identifier: MIT
/* A card in a guest's QEMU, with guests that co-operate, refuse, stop, end and lie. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passthrough/card.h"
#include "passthrough/guest_device.h"
#include "tests/unit/fake_guest.h"
#include "tests/unit/loop.h"

#define LIST "qom-list"

struct fixture {
	sd_event *event;
	struct vm *vm;
	struct guest_device *device;
	struct guest_device_plan plan;
	unsigned int dones, seens;
	int error;
	char text[256];
};

static void on_done(void *data, int error, const char *text)
{
	struct fixture *f = data;

	f->dones++;
	f->error = error;
	snprintf(f->text, sizeof(f->text), "%s", text ? text : "");
}

static void on_seen(void *data)
{
	((struct fixture *)data)->seens++;
}

static const struct guest_device_ops ops = { .done = on_done, .seen = on_seen };

static void settle(struct fixture *f)
{
	loop_settle(f->event);
}

static void begin(struct fixture *f)
{
	assert_int_equal(guest_device_create(f->vm, "gpu", &ops, f, &f->device), 0);
	settle(f);
	fake_guest_forget(f->vm);
	f->seens = 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (sd_event_new(&f->event) < 0) {
		return -1;
	}
	f->vm = fake_guest_create(f->event, "a", 100);
	f->plan = (struct guest_device_plan){
		.slot = { .bus = 1 }, .functions = 3, .port = 2, .rom = "/rom/card.bin"
	};
	*state = f;
	return 0;
}

static void attach(struct fixture *f)
{
	guest_device_attach(f->device, &f->plan);
	settle(f);
	assert_int_equal(f->dones, 1);
	assert_int_equal(f->error, 0);
	f->dones = 0;
	fake_guest_forget(f->vm);
}

/* QEMU has told what it has: nothing. */
static int setup_begun(void **state)
{
	if (setup(state) < 0) {
		return -1;
	}
	begin(*state);
	return 0;
}

/* The guest has the card. */
static int setup_attached(void **state)
{
	if (setup_begun(state) < 0) {
		return -1;
	}
	attach(*state);
	return 0;
}

/* It was asked for it, and does not let go. */
static int setup_refused(void **state)
{
	struct fixture *f;

	if (setup_attached(state) < 0) {
		return -1;
	}
	f = *state;
	fake_guest_refuse(f->vm, true);
	guest_device_detach(f->device);
	settle(f);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	guest_device_destroy(f->device);
	fake_guest_destroy(f->vm);
	sd_event_unref(f->event);
	free(f);
	return 0;
}

static const char *argument(struct fixture *f, const char *name)
{
	return json_string_value(json_object_get(fake_guest_last_add(f->vm), name));
}

/* ---- What QEMU has ---- */

static void test_presence_is_asked_for(void **state)
{
	struct fixture *f = *state;

	fake_guest_set_devices(f->vm, "card.gpu.1 card.gpu2.0 card.gpu.x card.gpu.10 disk0");
	assert_int_equal(guest_device_create(f->vm, "gpu", &ops, f, &f->device), 0);
	assert_false(guest_device_is_known(f->device));
	settle(f);
	assert_true(guest_device_is_known(f->device));
	assert_true(guest_device_is_there(f->device));
	assert_int_equal(f->seens, 1);
	fake_guest_set_devices(f->vm, "card.gpu2.0 card.gpu.x card.gpu.10 disk0");
	guest_device_look(f->device);
	settle(f);
	assert_false(guest_device_is_there(f->device));
	assert_int_equal(f->seens, 2);
}

static void test_presence_after_a_new_connection(void **state)
{
	struct fixture *f = *state;

	fake_guest_set_control(f->vm, false);
	assert_false(guest_device_is_known(f->device));
	fake_guest_set_devices(f->vm, "card.gpu.0");
	guest_device_look(f->device);
	settle(f);
	assert_int_equal(f->seens, 0);
	fake_guest_set_control(f->vm, true);
	settle(f);
	assert_true(guest_device_is_there(f->device));
	assert_int_equal(f->seens, 1);
}

/* ---- Plugging in ---- */

static void test_function_0_comes_last(void **state)
{
	struct fixture *f = *state;

	f->plan.functions = 0x0b;
	guest_device_attach(f->device, &f->plan);
	settle(f);
	assert_int_equal(f->dones, 1);
	assert_int_equal(f->error, 0);
	assert_string_equal(fake_guest_devices(f->vm), "card.gpu.1 card.gpu.3 card.gpu.0");
	assert_string_equal(argument(f, "driver"), "vfio-pci");
	assert_string_equal(argument(f, "host"), "0000:01:00.0");
	assert_string_equal(argument(f, "bus"), "rp2");
	assert_string_equal(argument(f, "addr"), "00.0");
	assert_string_equal(argument(f, "romfile"), "/rom/card.bin");
	assert_true(json_is_true(json_object_get(fake_guest_last_add(f->vm), "multifunction")));
	assert_true(guest_device_is_there(f->device));
}

static void test_one_function(void **state)
{
	struct fixture *f = *state;

	f->plan.functions = 1;
	f->plan.rom = NULL;
	attach(f);
	assert_null(json_object_get(fake_guest_last_add(f->vm), "multifunction"));
	assert_null(json_object_get(fake_guest_last_add(f->vm), "romfile"));
	/* It is there already. */
	guest_device_attach(f->device, &f->plan);
	assert_int_equal(f->dones, 1);
	assert_int_equal(f->error, 0);
}

static void test_other_functions_have_no_rom(void **state)
{
	struct fixture *f = *state;

	fake_guest_fail_add(f->vm, "card.gpu.1", "no");
	guest_device_attach(f->device, &f->plan);
	settle(f);
	assert_string_equal(argument(f, "addr"), "00.1");
	assert_string_equal(argument(f, "host"), "0000:01:00.1");
	assert_null(json_object_get(fake_guest_last_add(f->vm), "romfile"));
}

static void test_failure_leaves_what_is_in(void **state)
{
	static const char text[] = "vfio 0000:01:00.0: group 12 is not viable";
	struct fixture *f = *state;

	fake_guest_fail_add(f->vm, "card.gpu.0", text);
	guest_device_attach(f->device, &f->plan);
	settle(f);
	assert_int_equal(f->dones, 1);
	assert_int_equal(f->error, -EREMOTEIO);
	assert_string_equal(f->text, text);
	assert_true(guest_device_is_there(f->device));
	fake_guest_forget(f->vm);
	guest_device_detach(f->device);
	settle(f);
	assert_int_equal(f->dones, 2);
	assert_int_equal(f->error, 0);
	assert_string_equal(fake_guest_commands(f->vm), "device_del card.gpu.1");
	assert_string_equal(fake_guest_devices(f->vm), "");
}

static void test_a_part_is_no_card(void **state)
{
	struct fixture *f = *state;

	fake_guest_set_devices(f->vm, "card.gpu.0");
	begin(f);
	guest_device_attach(f->device, &f->plan);
	assert_int_equal(f->error, -EEXIST);
	assert_string_equal(fake_guest_commands(f->vm), "");
}

static void test_attach_goes_on_after_a_lost_connection(void **state)
{
	struct fixture *f = *state;

	fake_guest_stop(f->vm, true);
	guest_device_attach(f->device, &f->plan);
	fake_guest_set_control(f->vm, false);
	fake_guest_stop(f->vm, false);
	settle(f);
	assert_int_equal(f->dones, 0);
	/* The first had been carried out all the same. */
	fake_guest_set_devices(f->vm, "card.gpu.1");
	fake_guest_set_control(f->vm, true);
	settle(f);
	assert_int_equal(f->dones, 1);
	assert_int_equal(f->error, 0);
	assert_string_equal(fake_guest_commands(f->vm), LIST "|device_add card.gpu.0");
}

static void test_attach_without_a_connection_waits(void **state)
{
	struct fixture *f = *state;

	fake_guest_set_control(f->vm, false);
	guest_device_attach(f->device, &f->plan);
	settle(f);
	assert_int_equal(f->dones, 0);
	fake_guest_set_control(f->vm, true);
	settle(f);
	assert_int_equal(f->dones, 1);
	assert_string_equal(fake_guest_devices(f->vm), "card.gpu.1 card.gpu.0");
}

static void test_thrown_out_while_coming_in(void **state)
{
	struct fixture *f = *state;

	guest_device_attach(f->device, &f->plan);
	while (*fake_guest_devices(f->vm) == '\0') {
		assert_true(sd_event_run(f->event, 0) > 0);
	}
	fake_guest_eject(f->vm, true);
	assert_int_equal(f->dones, 1);
	assert_int_equal(f->error, -ECANCELED);
	settle(f);
	/* What was still under way is seen. */
	assert_string_equal(fake_guest_devices(f->vm), "card.gpu.0");
	guest_device_detach(f->device);
	settle(f);
	assert_string_equal(fake_guest_devices(f->vm), "");
}

/* ---- Unplugging ---- */

static void test_detach_waits_for_every_function(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(fake_guest_commands(f->vm),
			    "device_del card.gpu.0|device_del card.gpu.1");
	assert_int_equal(f->dones, 0);
	fake_guest_let_go(f->vm);
	settle(f);
	assert_int_equal(f->dones, 1);
	assert_int_equal(f->error, 0);
	assert_false(guest_device_is_there(f->device));
	assert_true(guest_device_is_known(f->device));
	assert_int_equal(f->seens, 0);
}

static void test_events_before_the_answer(void **state)
{
	struct fixture *f = *state;

	fake_guest_set_hasty(f->vm, true);
	guest_device_detach(f->device);
	settle(f);
	assert_int_equal(f->dones, 1);
	assert_string_equal(fake_guest_devices(f->vm), "");
	f->dones = 0;
	/* Late answers of one are nothing to the next. */
	attach(f);
	assert_string_equal(fake_guest_devices(f->vm), "card.gpu.1 card.gpu.0");
}

static void test_nothing_there_is_detached(void **state)
{
	struct fixture *f = *state;

	guest_device_detach(f->device);
	assert_int_equal(f->dones, 1);
	assert_int_equal(f->error, 0);
	assert_string_equal(fake_guest_commands(f->vm), "");
}

static void test_silent_removal_is_noticed_by_asking_again(void **state)
{
	struct fixture *f = *state;

	/* As a QEMU whose events were lost. */
	fake_guest_set_devices(f->vm, "");
	fake_guest_forget(f->vm);
	guest_device_repeat(f->device);
	settle(f);
	assert_int_equal(f->dones, 1);
	assert_int_equal(f->error, 0);
	assert_string_equal(fake_guest_commands(f->vm),
			    "device_del card.gpu.0|device_del card.gpu.1|" LIST);
}

static void test_repeat(void **state)
{
	struct fixture *f = *state;

	guest_device_repeat(f->device); /* of nothing */
	settle(f);
	assert_string_equal(fake_guest_commands(f->vm), "");
	fake_guest_refuse(f->vm, true);
	guest_device_detach(f->device);
	settle(f);
	fake_guest_forget(f->vm);
	fake_guest_refuse(f->vm, false);
	guest_device_repeat(f->device);
	settle(f);
	assert_int_equal(f->dones, 1);
	assert_string_equal(fake_guest_commands(f->vm),
			    "device_del card.gpu.0|device_del card.gpu.1");
}

static void test_stopped_qemu_does_it_later(void **state)
{
	struct fixture *f = *state;

	fake_guest_set_devices(f->vm, "card.gpu.1 card.gpu.0");
	fake_guest_stop(f->vm, true);
	assert_int_equal(guest_device_create(f->vm, "gpu", &ops, f, &f->device), 0);
	guest_device_detach(f->device);
	guest_device_repeat(f->device);
	settle(f);
	assert_int_equal(f->dones, 0);
	fake_guest_stop(f->vm, false);
	settle(f);
	assert_int_equal(f->dones, 1);
	assert_string_equal(fake_guest_devices(f->vm), "");
}

static void test_detach_goes_on_after_a_lost_connection(void **state)
{
	struct fixture *f = *state;

	fake_guest_set_control(f->vm, false);
	fake_guest_refuse(f->vm, false);
	fake_guest_set_control(f->vm, true);
	settle(f);
	assert_int_equal(f->dones, 1);
	assert_string_equal(fake_guest_devices(f->vm), "");
}

static void test_gone_while_the_connection_was_lost(void **state)
{
	struct fixture *f = *state;

	fake_guest_set_control(f->vm, false);
	fake_guest_let_go(f->vm);
	fake_guest_set_control(f->vm, true);
	settle(f);
	assert_int_equal(f->dones, 1);
	assert_int_equal(f->error, 0);
}

static void test_cancelled_detach_is_seen_when_it_happens(void **state)
{
	struct fixture *f = *state;

	guest_device_cancel(f->device);
	fake_guest_let_go(f->vm);
	settle(f);
	assert_int_equal(f->dones, 0);
	assert_int_equal(f->seens, 3); /* two events, and what was asked after the first */
	assert_false(guest_device_is_there(f->device));
}

static void test_cancelled_attach_is_looked_for(void **state)
{
	struct fixture *f = *state;

	guest_device_attach(f->device, &f->plan);
	guest_device_cancel(f->device);
	assert_false(guest_device_is_known(f->device));
	settle(f);
	assert_int_equal(f->dones, 0);
	assert_true(guest_device_is_there(f->device));
	assert_string_equal(fake_guest_commands(f->vm), "device_add card.gpu.1|" LIST);
}

static void test_guest_lets_go_by_itself(void **state)
{
	struct fixture *f = *state;

	fake_guest_eject(f->vm, true);
	assert_int_equal(f->seens, 2);
	assert_false(guest_device_is_there(f->device));
	attach(f);
	fake_guest_eject(f->vm, false);
	guest_device_look(f->device);
	settle(f);
	assert_false(guest_device_is_there(f->device));
}

/* One event for all of it: which functions have one depends on QEMU. */
static void test_one_event_for_all_functions(void **state)
{
	struct fixture *f = *state;

	fake_guest_set_devices(f->vm, "");
	fake_guest_tell(f->vm, "DEVICE_DELETED", json_pack("{s:s}", "device", "card.gpu.1"));
	settle(f);
	assert_true(guest_device_is_known(f->device));
	assert_false(guest_device_is_there(f->device));
	assert_int_equal(f->seens, 2);
}

/* The guest lets go while QEMU is being asked what it has. */
static void test_end_in_the_middle_of_a_look(void **state)
{
	struct fixture *f = *state;

	guest_device_look(f->device);
	fake_guest_let_go(f->vm);
	assert_int_equal(f->dones, 1);
	settle(f);
	assert_true(guest_device_is_known(f->device));
	assert_false(guest_device_is_there(f->device));
}

static void test_strange_events_are_nothing(void **state)
{
	static const char *const ids[] = { "card.gpu.2", "card.gpu2.0", "card.gpu.", "", "x" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		fake_guest_tell(f->vm, "DEVICE_DELETED", json_pack("{s:s}", "device", ids[i]));
	}
	fake_guest_tell(f->vm, "DEVICE_DELETED", NULL);
	fake_guest_tell(f->vm, "DEVICE_DELETED", json_pack("{s:i}", "device", 1));
	fake_guest_tell(f->vm, "RESET", json_pack("{s:s}", "device", "card.gpu.0"));
	assert_int_equal(f->seens, 0);
	assert_true(guest_device_is_there(f->device));
}

/* ---- Confirming ---- */

static void test_confirm(void **state)
{
	struct fixture *f = *state;

	guest_device_confirm(f->device);
	settle(f);
	assert_int_equal(f->dones, 1);
	assert_int_equal(f->error, 0);
	fake_guest_set_realized(f->vm, false);
	guest_device_confirm(f->device);
	settle(f);
	assert_int_equal(f->dones, 2);
	assert_int_equal(f->error, -ENODEV);
}

static void test_confirm_goes_on_after_a_lost_connection(void **state)
{
	struct fixture *f = *state;

	fake_guest_stop(f->vm, true);
	guest_device_confirm(f->device);
	fake_guest_set_control(f->vm, false);
	fake_guest_stop(f->vm, false);
	fake_guest_set_control(f->vm, true);
	settle(f);
	assert_int_equal(f->dones, 1);
	assert_int_equal(f->error, 0);
}

static void test_destroyed_while_asking(void **state)
{
	struct fixture *f = *state;

	guest_device_attach(f->device, &f->plan);
	guest_device_destroy(f->device);
	f->device = NULL;
	settle(f);
	assert_int_equal(f->dones, 0);
	guest_device_destroy(NULL);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
#define BEGUN(name) cmocka_unit_test_setup_teardown(test_##name, setup_begun, teardown)
#define ATTACHED(name) cmocka_unit_test_setup_teardown(test_##name, setup_attached, teardown)
#define REFUSED(name) cmocka_unit_test_setup_teardown(test_##name, setup_refused, teardown)
	const struct CMUnitTest tests[] = {
		TEST(presence_is_asked_for),
		BEGUN(presence_after_a_new_connection),
		BEGUN(function_0_comes_last),
		BEGUN(one_function),
		BEGUN(other_functions_have_no_rom),
		BEGUN(failure_leaves_what_is_in),
		TEST(a_part_is_no_card),
		BEGUN(attach_goes_on_after_a_lost_connection),
		BEGUN(attach_without_a_connection_waits),
		BEGUN(thrown_out_while_coming_in),
		REFUSED(detach_waits_for_every_function),
		ATTACHED(events_before_the_answer),
		BEGUN(nothing_there_is_detached),
		REFUSED(silent_removal_is_noticed_by_asking_again),
		ATTACHED(repeat),
		TEST(stopped_qemu_does_it_later),
		REFUSED(detach_goes_on_after_a_lost_connection),
		REFUSED(gone_while_the_connection_was_lost),
		REFUSED(cancelled_detach_is_seen_when_it_happens),
		BEGUN(cancelled_attach_is_looked_for),
		ATTACHED(guest_lets_go_by_itself),
		ATTACHED(one_event_for_all_functions),
		REFUSED(end_in_the_middle_of_a_look),
		ATTACHED(strange_events_are_nothing),
		ATTACHED(confirm),
		ATTACHED(confirm_goes_on_after_a_lost_connection),
		BEGUN(destroyed_while_asking),
	};

	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
