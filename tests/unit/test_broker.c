// SPDX-License-Identifier: MIT
/*
 * baton-broker on a made-up machine: the ways of a card, what is refused, and who may speak with
 * it. What goes wrong on the way is in test_broker_faults.c.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/machine.h"

static struct machine machine;

static int set_up(void **state)
{
	machine_create(&machine);
	return 0;
}

static int tear_down(void **state)
{
	machine_destroy(&machine);
	return 0;
}

/* ---- what it knows ---- */

static void test_facts(void **state)
{
	struct broker_facts facts = seat_facts_of(&machine, DUO);

	assert_int_equal(facts.flags, BROKER_CARD_PRESENT | BROKER_CARD_VIABLE |
					      BROKER_CARD_BOOT_VGA | BROKER_CARD_HAD_HOST);
	assert_int_equal(facts.group, 9);
	assert_int_equal(facts.function_count, 2);
	assert_int_equal(facts.functions[0].class, 0x030000);
	assert_int_equal(facts.functions[0].vendor, 0x1af4);
	assert_string_equal(facts.functions[0].driver, "gpudrv");
	assert_string_equal(facts.functions[0].override, "");
	assert_string_equal(facts.functions[0].reset, "bus");
	assert_int_equal(facts.functions[1].number, 1);
	assert_string_equal(facts.functions[1].driver, "snddrv");
	facts = seat_facts_of(&machine, UNO);
	assert_string_equal(facts.functions[0].reset, "flr pm bus");
	assert_false(facts.flags & BROKER_CARD_BOOT_VGA);
	facts = seat_facts_of(&machine, "0000:04:00");
	assert_false(facts.flags & BROKER_CARD_VIABLE);
	assert_non_null(strstr(machine.card.text, "0000:05:00.0"));
}

static void test_lost(void **state)
{
	machine_put(&machine, "\xff\xff\xff\xff", "sys/bus/pci/devices/" UNO ".0/config");
	assert_int_equal(seat_facts_of(&machine, UNO).flags, 0);
	assert_int_equal(seat_ask(&machine, BROKER_DRAIN, UNO), -ENODEV);
	assert_non_null(strstr(machine.done.text, "does not answer"));
}

static void test_record(void **state)
{
	struct broker_request request = seat_request(&machine, BROKER_RECORD, UNO);
	struct broker_facts facts;

	request.stage = (struct broker_stage){ .name = "eject", .from = "A", .finished = 2 };
	seat_send_request(&machine, &request, -1);
	assert_int_equal(seat_wait_done(&machine, request.serial), 0);
	assert_non_null(
		strstr(machine_get(&machine, "journal/" UNO ".journal"), " eject A - failed\n"));
	facts = seat_facts_of(&machine, UNO);
	assert_string_equal(facts.stage.name, "eject");
	assert_string_equal(facts.stage.from, "A");
	assert_string_equal(facts.stage.to, "");
	assert_int_equal(facts.stage.finished, 2);
}

/* ---- the whole way ---- */

static void assert_attribute(const char *card, int function, const char *name, const char *value)
{
	const char *is =
		machine_get(&machine, "sys/bus/pci/devices/%s.%d/%s", card, function, name);

	assert_memory_equal(is, value, strlen(value));
}

static void assert_as_before(const char *card)
{
	bool duo = !strcmp(card, DUO);

	assert_string_equal(machine_drivers(&machine, card), duo ? "gpudrv snddrv" : "gpudrv");
	for (int f = 0; f < (duo ? 2 : 1); f++) {
		assert_attribute(card, f, "driver_override", "(null)");
		assert_attribute(card, f, "power/control", "auto");
		assert_attribute(card, f, "d3cold_allowed", "1");
	}
	assert_int_equal(machine_mode(&machine, duo ? "dev/dri/card0" : "dev/dri/card1"), 0660);
	if (duo) {
		assert_int_equal(machine_mode(&machine, "dev/snd/controlC0"), 0660);
		assert_int_equal(machine_mode(&machine, "dev/i2c-3"), 0660);
	}
}

static void assert_order(const char *first, const char *second)
{
	const char *log = machine_get(&machine, "log");
	const char *a = strstr(log, first), *b = strstr(log, second);

	assert_non_null(a);
	assert_non_null(b);
	assert_true(a < b);
}

static void test_host_to_guest_and_back(void **state)
{
	pid_t guest = machine_process(&machine);
	char limits[32];

	assert_int_equal(seat_ask(&machine, BROKER_DRAIN, DUO), 0);
	assert_int_equal(machine_mode(&machine, "dev/dri/card0"), 0);
	assert_int_equal(machine_mode(&machine, "dev/i2c-3"), 0);
	assert_int_equal(machine_mode(&machine, "dev/snd/controlC0"), 0);
	assert_int_equal(machine_mode(&machine, "dev/input/event5"), 0660);
	assert_true(machine.card.facts.flags & BROKER_CARD_DRAINED);
	assert_int_equal(seat_ask(&machine, BROKER_DETACH, DUO), 0);
	assert_string_equal(machine_drivers(&machine, DUO), "vfio-pci vfio-pci");
	assert_order(DUO ".1 driver/unbind", DUO ".0 driver/unbind");
	assert_order(DUO ".0 driver_override vfio-pci", DUO ".0 driver/unbind");
	assert_attribute(DUO, 0, "power/control", "on");
	assert_attribute(DUO, 0, "d3cold_allowed", "0");
	assert_int_equal(seat_ask(&machine, BROKER_SANITIZE, DUO), 0);
	assert_true(machine_log_has(&machine, "hot reset with 1 groups"));
	assert_int_equal(machine.card.facts.hot_reset_count, 2);
	assert_true(machine.card.facts.flags & BROKER_CARD_CLEAN);
	assert_int_equal(seat_lend(&machine, DUO, guest, 5000), 0);
	assert_int_equal(machine.card.facts.lent_pid, guest);
	assert_int_equal(machine.card.facts.flags & (BROKER_CARD_CLEAN | BROKER_CARD_LENT),
			 BROKER_CARD_LENT);
	snprintf(limits, sizeof(limits), "6000 %llu\n", ~0ull);
	assert_string_equal(machine_get(&machine, "limits.%d", guest), limits);
	assert_int_equal(seat_ask(&machine, BROKER_TAKE_BACK, DUO), 0);
	snprintf(limits, sizeof(limits), "1000 %llu\n", ~0ull);
	assert_string_equal(machine_get(&machine, "limits.%d", guest), limits);
	machine_forget_log(&machine);
	assert_int_equal(seat_ask(&machine, BROKER_RETURN, DUO), 0);
	assert_order(DUO ".0 driver/unbind", DUO ".1 driver/unbind");
	assert_as_before(DUO);
	kill(guest, SIGKILL);
	waitpid(guest, NULL, 0);
}

/* The group's node belongs to the borrower's user for the time of the loan. */
static void test_node_is_lent(void **state)
{
	pid_t guest = machine_process(&machine);
	char path[96];

	snprintf(path, sizeof(path), "%s/dev/vfio/8", machine.root);
	assert_int_equal(chmod(path, 0640), 0);
	seat_bring(&machine, UNO, BROKER_SANITIZE);
	assert_int_equal(seat_lend(&machine, UNO, guest, 0), 0);
	assert_int_equal(machine_mode(&machine, "dev/vfio/8"), 0600);
	assert_int_equal(seat_ask(&machine, BROKER_TAKE_BACK, UNO), 0);
	assert_int_equal(machine_mode(&machine, "dev/vfio/8"), 0640);
	kill(guest, SIGKILL);
	waitpid(guest, NULL, 0);
}

/* To try it could be in the borrower's way, so its descriptors tell. */
static void test_open_while_lent(void **state)
{
	int fd;

	machine_put(&machine, "1:5\n", "numbers/dev/vfio/8");
	seat_bring(&machine, UNO, BROKER_SANITIZE);
	assert_int_equal(seat_lend(&machine, UNO, getpid(), 0), 0);
	machine_wrong(&machine, "busy.8");
	assert_false(seat_facts_of(&machine, UNO).flags & BROKER_CARD_OPEN);
	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(seat_facts_of(&machine, UNO).flags & BROKER_CARD_OPEN);
	assert_false(machine_log_has(&machine, "group is open"));
	close(fd);
	machine_right(&machine, "busy.8");
	assert_int_equal(seat_ask(&machine, BROKER_TAKE_BACK, UNO), 0);
	assert_false(machine.card.facts.flags & BROKER_CARD_OPEN);
}

/* Two cards in one process, given back in the order of lending. */
static void test_limits_add_up(void **state)
{
	pid_t guest = machine_process(&machine);
	char limits[32];

	seat_bring(&machine, DUO, BROKER_SANITIZE);
	seat_bring(&machine, UNO, BROKER_SANITIZE);
	assert_int_equal(seat_lend(&machine, DUO, guest, 5000), 0);
	assert_int_equal(seat_lend(&machine, UNO, guest, 300), 0);
	assert_int_equal(seat_ask(&machine, BROKER_TAKE_BACK, DUO), 0);
	snprintf(limits, sizeof(limits), "1300 %llu\n", ~0ull);
	assert_string_equal(machine_get(&machine, "limits.%d", guest), limits);
	assert_int_equal(seat_ask(&machine, BROKER_TAKE_BACK, UNO), 0);
	snprintf(limits, sizeof(limits), "1000 %llu\n", ~0ull);
	assert_string_equal(machine_get(&machine, "limits.%d", guest), limits);
	kill(guest, SIGKILL);
	waitpid(guest, NULL, 0);
}

static void assert_given_back(const char *has, const char *left)
{
	pid_t guest = machine_process(&machine);

	machine_put(&machine, "1000 2000\n", "limits.%d", guest);
	assert_int_equal(seat_ask(&machine, BROKER_SANITIZE, UNO), 0);
	assert_int_equal(seat_lend(&machine, UNO, guest, 5000), 0);
	assert_string_equal(machine_get(&machine, "limits.%d", guest), "6000 7000\n");
	machine_put(&machine, has, "limits.%d", guest);
	assert_int_equal(seat_ask(&machine, BROKER_TAKE_BACK, UNO), 0);
	assert_string_equal(machine_get(&machine, "limits.%d", guest), left);
	kill(guest, SIGKILL);
	waitpid(guest, NULL, 0);
}

/* A borrower may change its limits, but keeps nothing of what it was lent by that. */
static void test_limits_that_were_changed(void **state)
{
	seat_bring(&machine, UNO, BROKER_DETACH);
	assert_given_back("7000 7000\n", "2000 2000\n");
	assert_given_back("4999 4999\n", "0 0\n");
	assert_given_back("1 5500\n", "0 500\n");
}

static void test_limits_that_stay(void **state)
{
	pid_t guest = machine_process(&machine);

	seat_bring(&machine, UNO, BROKER_SANITIZE);
	assert_int_equal(seat_lend(&machine, UNO, guest, 5000), 0);
	machine_wrong(&machine, "limits");
	assert_int_equal(seat_ask(&machine, BROKER_TAKE_BACK, UNO), -EPERM);
	assert_non_null(strstr(machine.done.text, "lock memory"));
	assert_int_equal(machine.card.facts.lent_pid, guest);
	machine_right(&machine, "limits");
	assert_int_equal(seat_ask(&machine, BROKER_TAKE_BACK, UNO), 0);
	kill(guest, SIGKILL);
	waitpid(guest, NULL, 0);
}

/* What was not raised is not lowered: the card is free again at once. */
static void test_limits_that_cannot_be_raised(void **state)
{
	pid_t guest = machine_process(&machine);

	seat_bring(&machine, UNO, BROKER_SANITIZE);
	machine_wrong(&machine, "limits");
	assert_int_equal(seat_lend(&machine, UNO, guest, 5000), -EPERM);
	assert_int_equal(machine.card.facts.lent_pid, 0);
	machine_right(&machine, "limits");
	kill(guest, SIGKILL);
	waitpid(guest, NULL, 0);
}

/* Exactly one reset, and no device is opened for it. */
static void test_one_function_is_reset_alone(void **state)
{
	seat_bring(&machine, UNO, BROKER_DETACH);
	machine_forget_log(&machine);
	assert_int_equal(seat_ask(&machine, BROKER_SANITIZE, UNO), 0);
	assert_string_equal(machine_get(&machine, "log"), "write " UNO ".0 reset 1\n");
}

/* That it worked once says nothing of the next time: no guest gets a card that was not reset. */
static void test_no_reset_is_left_out(void **state)
{
	struct broker_request request;

	seat_bring(&machine, UNO, BROKER_SANITIZE);
	machine_forget_log(&machine);
	request = seat_request(&machine, BROKER_SANITIZE, UNO);
	snprintf(request.stage.to, sizeof(request.stage.to), "windows");
	seat_send_request(&machine, &request, -1);
	assert_int_equal(seat_wait_done(&machine, request.serial), 0);
	assert_true(machine_log_has(&machine, "reset 1"));
	machine_wrong(&machine, "reset");
	request.serial = seat_request(&machine, BROKER_SANITIZE, UNO).serial;
	seat_send_request(&machine, &request, -1);
	assert_true(seat_wait_done(&machine, request.serial) < 0);
	machine_right(&machine, "reset");
}

/* A change of the power state is no reset. */
static void test_power_is_no_reset(void **state)
{
	machine_put(&machine, "pm\n", "sys/bus/pci/devices/" UNO ".0/reset_method");
	seat_bring(&machine, UNO, BROKER_DETACH);
	assert_int_equal(seat_ask(&machine, BROKER_SANITIZE, UNO), -EPERM);
	assert_false(machine_log_has(&machine, "reset 1"));
}

/* A driver whose module is gone is loaded through the uevent. */
static void test_module_is_loaded_again(void **state)
{
	seat_bring(&machine, UNO, BROKER_DETACH);
	seat_bring(&machine, DUO, BROKER_DETACH);
	machine_remove(&machine, "sys/bus/pci/drivers/gpudrv/bind");
	machine_remove(&machine, "sys/bus/pci/drivers/gpudrv");
	assert_int_equal(seat_ask(&machine, BROKER_RETURN, UNO), 0);
	assert_true(machine_log_has(&machine, UNO ".0 uevent add"));
	assert_as_before(UNO);
}

static void test_undrain(void **state)
{
	assert_int_equal(seat_ask(&machine, BROKER_DRAIN, DUO), 0);
	assert_int_equal(seat_ask(&machine, BROKER_UNDRAIN, DUO), 0);
	assert_as_before(DUO);
	assert_false(machine.card.facts.flags & BROKER_CARD_DRAINED);
}

/* What somebody else opened again meanwhile is left as it is. */
static void test_undrain_of_an_open_node(void **state)
{
	char path[96];

	assert_int_equal(seat_ask(&machine, BROKER_DRAIN, DUO), 0);
	snprintf(path, sizeof(path), "%s/dev/dri/card0", machine.root);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(seat_ask(&machine, BROKER_UNDRAIN, DUO), 0);
	assert_int_equal(machine_mode(&machine, "dev/dri/card0"), 0600);
	assert_int_equal(machine_mode(&machine, "dev/i2c-3"), 0660);
}

/* NVIDIA's nodes are no children of its cards, and its driver is unloaded before. */
static void test_nvidia(void **state)
{
	machine_host_driver(&machine, UNO, "nvidia");
	machine_put(&machine, "Model: x\nDevice Minor: \t 1\n",
		    "proc/driver/nvidia/gpus/" UNO ".0/information");
	machine_node(&machine, "nvidia0", "195:0\n");
	machine_node(&machine, "nvidia1", "195:1\n");
	machine_node(&machine, "nvidiactl", "195:255\n");
	machine_put(&machine, "", "proc/driver/nvidia/gpus/0000:09:00.0/information");
	assert_int_equal(seat_ask(&machine, BROKER_DRAIN, UNO), 0);
	assert_int_equal(machine_mode(&machine, "dev/nvidia0"), 0660);
	assert_int_equal(machine_mode(&machine, "dev/nvidia1"), 0);
	assert_int_equal(machine_mode(&machine, "dev/nvidiactl"), 0660);
	machine_remove(&machine, "proc/driver/nvidia/gpus/0000:09:00.0/information");
	machine_remove(&machine, "proc/driver/nvidia/gpus/0000:09:00.0");
	assert_int_equal(seat_ask(&machine, BROKER_DRAIN, UNO), 0);
	assert_int_equal(machine_mode(&machine, "dev/nvidiactl"), 0);
	machine_wrong(&machine, "in-use");
	assert_int_equal(seat_ask(&machine, BROKER_UNLOAD, UNO), -EBUSY);
	assert_non_null(strstr(machine.done.text, "nvidia_uvm"));
	machine_right(&machine, "in-use");
	/* One more than its holders: none is unloaded. */
	machine_put(&machine, "1\n", "sys/module/nvidia_modeset/refcnt");
	machine_put(&machine, "", "sys/module/nvidia_modeset/holders/nvidia_drm");
	machine_put(&machine, "3\n", "sys/module/nvidia/refcnt");
	machine_put(&machine, "", "sys/module/nvidia/holders/nvidia_modeset");
	machine_put(&machine, "", "sys/module/nvidia/holders/nvidia_uvm");
	assert_int_equal(seat_ask(&machine, BROKER_UNLOAD, UNO), -EBUSY);
	assert_non_null(strstr(machine.done.text, "cannot be unloaded"));
	assert_false(machine_log_has(&machine, "nvidia_uvm"));
	machine_put(&machine, "2\n", "sys/module/nvidia/refcnt");
	assert_int_equal(seat_ask(&machine, BROKER_UNLOAD, UNO), 0);
	assert_true(machine_log_has(&machine, "nvidia_uvm\nnvidia_drm\nnvidia_modeset\nnvidia\n"));
	machine_remove(&machine, "sys/bus/pci/drivers/nvidia/bind");
	machine_remove(&machine, "sys/bus/pci/drivers/nvidia");
	/* Without a driver it is on its way, and not put right meanwhile. */
	assert_string_equal(seat_facts_of(&machine, UNO).functions[0].driver, "");
	assert_int_equal(seat_ask(&machine, BROKER_DETACH, UNO), 0);
	assert_int_equal(seat_ask(&machine, BROKER_RETURN, UNO), 0);
	assert_string_equal(machine_drivers(&machine, UNO), "nvidia");
	assert_int_equal(machine_mode(&machine, "dev/nvidiactl"), 0660);
}

/* ---- holders ---- */

static void test_holders_are_named(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	assert_int_equal(seat_ask(&machine, BROKER_HOLDERS, DUO), 0);
	assert_int_equal(machine.n_holders, 1);
	assert_int_equal(machine.holder.holder.pid, getpid());
	assert_string_equal(machine.holder.holder.node, "/dev/dri/card0");
	assert_string_equal(machine.holder.holder.command, "test_broker");
	assert_int_equal(seat_ask(&machine, BROKER_DRAIN, DUO), -EBUSY);
	assert_int_equal(machine.n_holders, 1);
	assert_non_null(strstr(machine.done.text, "test_broker"));
	assert_int_equal(seat_ask(&machine, BROKER_DETACH, DUO), -EBUSY);
	assert_string_equal(machine_drivers(&machine, DUO), "gpudrv snddrv");
	/* The node may go while it is open. */
	machine_remove(&machine, "sys/bus/pci/devices/" DUO ".0/drm/card0/uevent");
	assert_int_equal(seat_ask(&machine, BROKER_DRAIN, DUO), -EBUSY);
	close(fd);
	assert_int_equal(seat_ask(&machine, BROKER_DRAIN, DUO), 0);
	assert_int_equal(machine.n_holders, 0);
}

static void test_mappings_hold(void **state)
{
	machine_put(&machine, "7f00-7f01 rw-s 00000000 00:06 5 /dev/dri/card01\n",
		    "proc/4000001/maps");
	machine_put(&machine, "7f00-7f01 rw-s 00000000 00:06 5 /dev/dri/card0 (deleted)\n",
		    "proc/4000002/maps");
	assert_int_equal(seat_ask(&machine, BROKER_HOLDERS, DUO), 0);
	assert_int_equal(machine.n_holders, 1);
	assert_int_equal(machine.holder.holder.pid, 4000002);
}

static void test_holders_are_counted(void **state)
{
	for (int i = 0; i < BROKER_HOLDERS_MAX + 3; i++) {
		machine_put(&machine, "0-1 rw-s 0 00:06 5 /dev/dri/card0\n", "proc/%d/maps",
			    4000000 + i);
	}
	assert_int_equal(seat_ask(&machine, BROKER_HOLDERS, DUO), 0);
	assert_int_equal(machine.n_holders, BROKER_HOLDERS_MAX);
	assert_int_equal(machine.holder.holder.more, 3);
}

/* ---- what is refused ---- */

static void test_refused_cards(void **state)
{
	assert_int_equal(seat_ask(&machine, BROKER_DRAIN, "0000:05:00"), -EPERM);
	assert_int_equal(seat_ask(&machine, BROKER_HOLDERS, "0000:77:00"), -EPERM);
	assert_int_equal(seat_ask(&machine, BROKER_DRAIN, "0000:03:00"), -EPERM);
	assert_non_null(strstr(machine.done.text, "bridge"));
	assert_int_equal(seat_ask(&machine, BROKER_DRAIN, "0000:04:00"), 0);
	assert_int_equal(seat_ask(&machine, BROKER_DETACH, "0000:04:00"), -EPERM);
	assert_non_null(strstr(machine.done.text, "0000:05:00.0"));
	assert_string_equal(machine_get(&machine, "log"), "");
}

/* Each verb where it has no business. */
static void test_refused_orders(void **state)
{
	pid_t guest = machine_process(&machine);

	assert_int_equal(seat_ask(&machine, BROKER_DETACH, UNO), -EINVAL);
	assert_int_equal(seat_ask(&machine, BROKER_SANITIZE, UNO), -EINVAL);
	assert_int_equal(seat_lend(&machine, UNO, guest, 0), -EINVAL);
	/* Done already: a seat that asks when a borrower has ended has lost no race. */
	assert_int_equal(seat_ask(&machine, BROKER_TAKE_BACK, UNO), 0);
	seat_bring(&machine, UNO, BROKER_DETACH);
	assert_int_equal(seat_ask(&machine, BROKER_DRAIN, UNO), -EINVAL);
	assert_int_equal(seat_lend(&machine, UNO, guest, 0), -EINVAL);
	assert_int_equal(seat_ask(&machine, BROKER_SANITIZE, UNO), 0);
	assert_int_equal(seat_ask(&machine, BROKER_LEND, UNO), -ESRCH);
	assert_int_equal(seat_ask(&machine, BROKER_SANITIZE, UNO), 0);
	assert_int_equal(seat_lend(&machine, UNO, guest, 0), 0);
	assert_int_equal(seat_lend(&machine, UNO, guest, 0), -EBUSY);
	assert_int_equal(seat_ask(&machine, BROKER_SANITIZE, UNO), -EBUSY);
	assert_int_equal(seat_ask(&machine, BROKER_RETURN, UNO), -EBUSY);
	assert_int_equal(seat_ask(&machine, BROKER_UNLOAD, UNO), -EBUSY);
	assert_string_equal(machine_drivers(&machine, UNO), "vfio-pci");
	kill(guest, SIGKILL);
	waitpid(guest, NULL, 0);
}

static void test_refused_borrowers(void **state)
{
	struct broker_request request = seat_request(&machine, BROKER_LEND, UNO);
	pid_t guest = machine_process(&machine);

	seat_bring(&machine, UNO, BROKER_SANITIZE);
	assert_int_equal(seat_lend(&machine, UNO, guest, UINT64_MAX / 2), -ERANGE);
	seat_bring(&machine, UNO, 0);
	assert_int_equal(seat_ask(&machine, BROKER_SANITIZE, UNO), 0);
	/* A descriptor, but of no process. */
	seat_send_request(&machine, &request, STDERR_FILENO);
	assert_int_equal(seat_wait_done(&machine, request.serial), -ESRCH);
	assert_int_equal(seat_ask(&machine, BROKER_SANITIZE, UNO), 0);
	/* A user whom broker.conf does not know. */
	machine_remove(&machine, "proc/%d", guest);
	machine_put(&machine, "Name:\tx\nUid:\t4242\t4242\n", "proc/%d/status", guest);
	machine_put(&machine, "1 (x) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 77 1\n", "proc/%d/stat",
		    guest);
	assert_int_equal(seat_lend(&machine, UNO, guest, 0), -EPERM);
	assert_non_null(strstr(machine.done.text, "4242"));
	assert_int_equal(machine_mode(&machine, "dev/vfio/8"), 0600);
	kill(guest, SIGKILL);
	waitpid(guest, NULL, 0);
}

/* ---- guests that have a user of their own ---- */

static int ask_about(uint32_t verb, const char *guest)
{
	struct broker_request request = seat_request(&machine, verb, UNO);

	snprintf(request.stage.to, sizeof(request.stage.to), "%s", guest);
	seat_send_request(&machine, &request, -1);
	return seat_wait_done(&machine, request.serial);
}

static void test_guests_are_told(void **state)
{
	assert_int_equal(seat_ask(&machine, BROKER_LIST, UNO), 0);
	assert_string_equal(machine.guest.guest.name, "A");
	assert_string_equal(machine.guest.guest.user, "other");
	assert_int_equal(machine.guest.guest.uid, getuid() + 1);
}

static void test_guests_are_started(void **state)
{
	assert_int_equal(ask_about(BROKER_START_GUEST, "A"), 0);
	machine_wait_told(&machine, "start --no-block baton-guest@other.service\n");
	assert_int_equal(ask_about(BROKER_KILL_GUEST, "A"), 0);
	machine_wait_told(&machine, "start --no-block baton-guest@other.service\n"
				    "kill --signal=KILL baton-guest@other.service\n");
}

/* Nobody but the guests of broker.conf: not a user who may ask, nor a unit's name. */
static void test_no_other_guest_is_started(void **state)
{
	static const char *const names[] = { "", "B", "me", "other", "../A", "A.service", "-H" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(ask_about(BROKER_START_GUEST, names[i]), -EPERM);
		assert_int_equal(ask_about(BROKER_KILL_GUEST, names[i]), -EPERM);
	}
	assert_int_equal(ask_about(BROKER_KILL_GUEST, "A"), 0);
	machine_wait_told(&machine, "kill --signal=KILL baton-guest@other.service\n");
}

/* A guest that has a user borrows as that one, also when another user may ask. */
static void test_guest_borrows_as_its_user(void **state)
{
	struct broker_request request = seat_request(&machine, BROKER_LEND, UNO);
	pid_t guest = machine_process(&machine);
	int pidfd = pidfd_open(guest, 0);
	char text[64];

	seat_bring(&machine, UNO, BROKER_SANITIZE);
	snprintf(request.stage.to, sizeof(request.stage.to), "A");
	seat_send_request(&machine, &request, pidfd);
	assert_int_equal(seat_wait_done(&machine, request.serial), -EPERM);
	assert_int_equal(seat_ask(&machine, BROKER_SANITIZE, UNO), 0);
	machine_remove(&machine, "proc/%d", guest);
	snprintf(text, sizeof(text), "Name:\tx\nUid:\t%u\t%u\n", getuid() + 1, getuid() + 1);
	machine_put(&machine, text, "proc/%d/status", guest);
	machine_put(&machine, "1 (x) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 77 1\n", "proc/%d/stat",
		    guest);
	/* It is nobody's but A's: a guest without a user does not get it as that one. */
	request = seat_request(&machine, BROKER_LEND, UNO);
	seat_send_request(&machine, &request, pidfd);
	assert_int_equal(seat_wait_done(&machine, request.serial), -EPERM);
	close(pidfd);
	kill(guest, SIGKILL);
	waitpid(guest, NULL, 0);
}

/* ---- who may speak, and how ---- */

static void test_one_seat_at_a_time(void **state)
{
	struct broker_message message;
	int second = seat_open(&machine);

	assert_true(seat_receive(&machine, second, &message));
	assert_int_equal(message.kind, BROKER_DONE);
	assert_int_equal(message.error, -EBUSY);
	assert_non_null(strstr(message.text, "already"));
	assert_false(seat_receive(&machine, second, &message));
	close(second);
	assert_int_equal(seat_ask(&machine, BROKER_HOLDERS, UNO), 0);
	seat_connect(&machine);
}

static void assert_refused(const char *why)
{
	struct broker_message message;
	int fd;

	seat_leave(&machine);
	fd = seat_open(&machine);
	assert_true(seat_receive(&machine, fd, &message));
	assert_int_equal(message.error, -EACCES);
	assert_non_null(strstr(message.text, why));
	assert_false(seat_receive(&machine, fd, &message));
	close(fd);
}

static void test_strangers_are_refused(void **state)
{
	broker_kill(&machine);
	machine_put(&machine, "card " UNO "\nuser other\n", "broker.conf");
	machine_remove(&machine, "socket");
	broker_start(&machine);
	assert_refused("user");
}

/* QEMU has the seat's user at user level. */
static void test_guests_are_refused(void **state)
{
	machine_remove(&machine, "proc/%d", getpid());
	machine_put(&machine, "0::/user.slice/app.slice/baton-win\\x2010-77.scope/x\n",
		    "proc/%d/cgroup", getpid());
	assert_refused("a guest's");
	machine_put(&machine, "0::/user.slice/app.slice/baton.service\n", "proc/%d/cgroup",
		    getpid());
	seat_connect(&machine);
}

static void assert_connection_ends(void)
{
	struct broker_message message;

	while (seat_receive(&machine, machine.seat, &message)) {
	}
	seat_connect(&machine);
}

static void test_mistakes_end_the_connection(void **state)
{
	struct broker_request request = seat_request(&machine, BROKER_HOLDERS, UNO);
	struct broker_request wrong;

	assert_int_equal(send(machine.seat, &request, sizeof(request) - 1, 0), sizeof(request) - 1);
	assert_connection_ends();
	assert_int_equal(
		send(machine.seat, (char[sizeof(request) + 9]){ 0 }, sizeof(request) + 9, 0),
		sizeof(request) + 9);
	assert_connection_ends();
	wrong = request;
	wrong.verb = BROKER_VERB_COUNT;
	seat_send_request(&machine, &wrong, -1);
	assert_connection_ends();
	wrong = request;
	wrong.serial = 0;
	seat_send_request(&machine, &wrong, -1);
	assert_connection_ends();
	wrong = request;
	memset(wrong.stage.to, 'x', sizeof(wrong.stage.to));
	seat_send_request(&machine, &wrong, -1);
	assert_connection_ends();
	wrong = request;
	strcpy(wrong.stage.name, "a\nb");
	seat_send_request(&machine, &wrong, -1);
	assert_connection_ends();
	wrong = seat_request(&machine, BROKER_HELLO, NULL);
	seat_send_request(&machine, &wrong, -1);
	assert_connection_ends();
	seat_send_request(&machine, &request, STDERR_FILENO);
	assert_connection_ends();
	seat_leave(&machine);
	machine.seat = seat_open(&machine);
	seat_send_request(&machine, &request, -1);
	assert_connection_ends();
	assert_int_equal(seat_ask(&machine, BROKER_HOLDERS, UNO), 0);
}

static void test_versions(void **state)
{
	struct broker_request hello = seat_request(&machine, BROKER_HELLO, NULL);

	hello.protocol = 99;
	seat_leave(&machine);
	machine.seat = seat_open(&machine);
	seat_send_request(&machine, &hello, -1);
	assert_int_equal(seat_wait_done(&machine, hello.serial), -EPROTO);
}

/* ---- its configuration ---- */

static void assert_config_refused(const char *text, const char *said)
{
	machine_put(&machine, text, "broker.conf");
	broker_start(&machine);
	assert_int_equal(broker_wait(&machine), 1);
	assert_non_null(strstr(machine_get(&machine, "said"), said));
}

static void test_config(void **state)
{
	char path[96];

	seat_leave(&machine);
	broker_kill(&machine);
	assert_config_refused("card 01:00\n", "line 1: write");
	assert_config_refused("user me\ncard " UNO ".0\n", "line 2: ");
	assert_config_refused("user nobody-here\n", "there is no user nobody-here");
	assert_config_refused("\ncards " UNO "\n", "line 2: write");
	assert_config_refused("card " UNO " now\n", "line 1: write");
	assert_config_refused("card 0000:01:20\n", "line 1: no such PCI slot");
	assert_config_refused("card " UNO "\ncard " DUO "\ncard " UNO "\n",
			      "line 3: 0000:02:00 has a line already");
	assert_config_refused("user me\nuser me\n", "line 2: each guest has one user");
	assert_config_refused("guest A me\nguest A me\n", "and each user one line");
	assert_config_refused("guest A\n", "line 1: write");
	assert_config_refused("guest A nobody-here\n", "there is no user nobody-here");
	assert_config_refused("user me\nguest A me\n", "line 2: each guest has one user");
	assert_config_refused("guest A me\nuser me\n", "line 2: each guest has one user");
	assert_config_refused("guest A me\nguest B me\n", "line 2: each guest has one user");
	assert_config_refused("guest A me\nguest A other\n", "line 2: each guest has one user");
	assert_config_refused("guest A root\n", "line 1: each guest has one user");
	snprintf(path, sizeof(path), "%s/broker.conf", machine.root);
	assert_int_equal(chmod(path, 0622), 0);
	assert_config_refused("", "root alone may write it");
	machine_remove(&machine, "broker.conf");
	broker_start(&machine);
	assert_int_equal(broker_wait(&machine), 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_facts),
		TEST(test_lost),
		TEST(test_record),
		TEST(test_host_to_guest_and_back),
		TEST(test_node_is_lent),
		TEST(test_open_while_lent),
		TEST(test_limits_add_up),
		TEST(test_limits_that_were_changed),
		TEST(test_limits_that_stay),
		TEST(test_limits_that_cannot_be_raised),
		TEST(test_one_function_is_reset_alone),
		TEST(test_no_reset_is_left_out),
		TEST(test_power_is_no_reset),
		TEST(test_module_is_loaded_again),
		TEST(test_undrain),
		TEST(test_undrain_of_an_open_node),
		TEST(test_nvidia),
		TEST(test_holders_are_named),
		TEST(test_mappings_hold),
		TEST(test_holders_are_counted),
		TEST(test_refused_cards),
		TEST(test_refused_orders),
		TEST(test_refused_borrowers),
		TEST(test_guests_are_told),
		TEST(test_guests_are_started),
		TEST(test_no_other_guest_is_started),
		TEST(test_guest_borrows_as_its_user),
		TEST(test_one_seat_at_a_time),
		TEST(test_strangers_are_refused),
		TEST(test_guests_are_refused),
		TEST(test_mistakes_end_the_connection),
		TEST(test_versions),
		TEST(test_config),
	};

	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
