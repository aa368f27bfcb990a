// SPDX-License-Identifier: MIT
/* baton-doctor on a made-up PC: what it says of each thing that is not as it should be. */
#include "tests/unit/test.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "passthrough/doctor/child.h"
#include "passthrough/doctor/reset_plan.h"
#include "tests/unit/doctor_tree.h"

#define HOST "host"
#define GUESTS "guests"
#define SEAT "seat"

/* ---- the machine ---- */

static void test_virtualisation(void **state)
{
	struct doctor_tree *tree = *state;

	for (int probe = KVM_PROBE_USABLE + 1; probe < KVM_PROBE_COUNT; probe++) {
		tree_probe = (enum kvm_probe)probe;
		assert_int_equal(tree_ask(tree), 2);
		tree_expect(tree, "cpu-virtualisation", HOST, FINDING_FAIL, "in software");
	}
	tree_probe = KVM_PROBE_DENIED;
	tree_ask(tree);
	tree_expect(tree, "cpu-virtualisation", HOST, FINDING_FAIL,
		    "There is no permission on /dev/kvm,");
	tree_expect(tree, "cpu-virtualisation", HOST, FINDING_FAIL,
		    "Add the user to the group kvm.");
}

static void test_no_iommu(void **state)
{
	struct doctor_tree *tree = *state;

	tree_remove_iommu(tree);
	assert_int_equal(tree_ask(tree), 2);
	tree_expect(tree, "iommu", HOST, FINDING_FAIL, "Switch VT-d on");
	tree_expect(tree, "iommu", HOST, FINDING_FAIL, "has intel_iommu=on already");
	tree_expect(tree, "interrupt-remapping", HOST, FINDING_FAIL, "Switch the IOMMU on first");
	tree_expect(tree, "group", TREE_CARD, FINDING_FAIL, "in no IOMMU group");
	tree_put(tree, "proc/cmdline", "root=/dev/sda1\n");
	tree_ask(tree);
	tree_expect(tree, "iommu", HOST, FINDING_FAIL, "add intel_iommu=on");
	tree_put(tree, "proc/cpuinfo", "vendor_id : AuthenticAMD\n");
	tree_ask(tree);
	tree_expect(tree, "iommu", HOST, FINDING_FAIL, "AMD-Vi");
}

static void test_no_remapping(void **state)
{
	struct doctor_tree *tree = *state;

	tree_put(tree, "proc/interrupts", " 24:  5  0  PCI-MSI-0000:00:02.0  0-edge  i915\n");
	assert_int_equal(tree_ask(tree), 2);
	tree_expect(tree, "interrupt-remapping", HOST, FINDING_FAIL, "nointremap");
	tree_put(tree, "sys/class/iommu/dmar0/intel-iommu/ecap", "f020d7\n");
	tree_ask(tree);
	tree_expect(tree, "interrupt-remapping", HOST, FINDING_FAIL, "cannot remap");
	tree_put(tree, "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n");
	tree_ask(tree);
	tree_expect(tree, "interrupt-remapping", HOST, FINDING_WARN, "allow_unsafe_interrupts");
}

/* ---- cards ---- */

static void test_foreign_member(void **state)
{
	struct doctor_tree *tree = *state;

	tree_function(tree, "0000:05:00.0", "0000:00:04.0", "0x020000\n", "e1000e", "flr\n", 1);
	tree_function(tree, "0000:06:00.0", "0000:00:04.0", "0x0c0330\n", "", "flr\n", 1);
	assert_int_equal(tree_ask(tree), 2);
	tree_expect(tree, "group", TREE_CARD, FINDING_FAIL, "0000:05:00.0 (e1000e)");
	tree_expect(tree, "group", TREE_CARD, FINDING_FAIL, "0000:06:00.0,");
	tree_expect(tree, "reset", TREE_CARD, FINDING_PASS, "VFIO hot reset");
}

static void test_no_reset(void **state)
{
	struct doctor_tree *tree = *state;

	/* A stranger below the same bridge, in a group of its own. */
	tree_function(tree, "0000:01:02.0", "0000:00:01.0", "0x020000\n", "e1000e", "flr\n", 7);
	assert_int_equal(tree_ask(tree), 2);
	tree_expect(tree, "reset", TREE_CARD, FINDING_FAIL, "would hit 0000:01:02.0 too");
	tree_expect(tree, "group", TREE_CARD, FINDING_PASS, "IOMMU group 1");
	tree_put(tree, "sys/bus/pci/devices/" TREE_CARD ".0/reset_method", "flr bus\n");
	tree_put(tree, "sys/bus/pci/devices/" TREE_CARD ".1/reset_method", "af_flr\n");
	tree_ask(tree);
	tree_expect(tree, "reset", TREE_CARD, FINDING_PASS, "each function is reset by itself");
}

static void test_holder_seen_by_broker(void **state)
{
	struct doctor_tree *tree = *state;

	tree_holder(tree, 812, "Xorg\n");
	tree_holder(tree, 900, "blender\n");
	tree_holder(tree, 901, "seatd\n");
	tree_remove(tree, "proc/1/fd/0");
	tree_remove(tree, "proc/1/fd");
	tree_broker(tree);
	assert_int_equal(tree_ask(tree), 1);
	tree_expect(tree, "holders", TREE_CARD, FINDING_WARN,
		    "Xorg (process 812) has /dev/dri/card1 open");
	tree_expect(tree, "holders", TREE_CARD, FINDING_WARN, "blender (process 900)");
	tree_expect(tree, "holders", TREE_CARD, FINDING_WARN, "Before the card is given away, ");
	assert_null(strstr(tree_find(tree, "holders", TREE_CARD)->text, "seatd"));
}

static void test_holder_seen_by_user(void **state)
{
	struct doctor_tree *tree = *state;

	tree_holder(tree, 900, "pipewire\n");
	tree_ask(tree);
	tree_expect(tree, "holders", TREE_CARD, FINDING_WARN,
		    "pipewire (process 900) has /dev/dri/card1 open");
	tree_expect(tree, "holders", TREE_CARD, FINDING_WARN, "set the card's profile to off");
	/* One that lets go by itself. */
	tree_put(tree, "proc/900/comm", "baton\n");
	tree_ask(tree);
	tree_expect(tree, "holders", TREE_CARD, FINDING_PASS,
		    "baton (process 900) has /dev/dri/card1 open, and");
}

static void test_others_not_visible(void **state)
{
	struct doctor_tree *tree = *state;

	tree_remove(tree, "proc/1/fd/0");
	tree_remove(tree, "proc/1/fd");
	tree_ask(tree);
	tree_expect(tree, "holders", TREE_CARD, FINDING_WARN, "cannot be seen");
	tree_expect(tree, "holders", TREE_CARD, FINDING_WARN,
		    "sudo batonctl doctor --config config");
	/* The broker sees everybody. */
	tree_broker(tree);
	tree_ask(tree);
	tree_expect(tree, "holders", TREE_CARD, FINDING_PASS, "Nobody has /dev/dri/card1,");
}

/* Whoever has it open keeps out a guest that is about to. */
static void test_group_is_not_opened(void **state)
{
	struct doctor_tree *tree = *state;
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	char events[512];

	assert_true(inotify_add_watch(watch, "dev/vfio/1", IN_OPEN) >= 0);
	tree_ask(tree);
	assert_int_equal(read(watch, events, sizeof(events)), -1);
	assert_int_equal(errno, EAGAIN);
	close(watch);
}

static void test_drivers(void **state)
{
	struct doctor_tree *tree = *state;
	const char *first = "sys/bus/pci/devices/" TREE_CARD ".0/driver";
	const char *second = "sys/bus/pci/devices/" TREE_CARD ".1/driver";

	tree_put(tree, "sys/bus/pci/devices/" TREE_CARD ".1/driver_override", "vfio-pci\n");
	tree_ask(tree);
	tree_expect(tree, "drivers", TREE_CARD, FINDING_WARN, TREE_CARD ".1/driver_override");
	tree_link(tree, second, "/made/up/drivers/vfio-pci");
	assert_int_equal(tree_ask(tree), 2);
	tree_expect(tree, "drivers", TREE_CARD, FINDING_FAIL, "1 of 2 functions are on vfio-pci");
	tree_link(tree, first, "/made/up/drivers/vfio-pci");
	tree_ask(tree);
	tree_expect(tree, "drivers", TREE_CARD, FINDING_PASS, "on vfio-pci");
	tree_remove(tree, first);
	tree_link(tree, second, "/made/up/drivers/snd_hda_intel");
	tree_put(tree, "sys/bus/pci/devices/" TREE_CARD ".1/driver_override", "(null)\n");
	tree_ask(tree);
	tree_expect(tree, "drivers", TREE_CARD, FINDING_WARN, "No driver of the host");
	tree_link(tree, first, "/made/up/drivers/nvidia");
	tree_link(tree, "sys/bus/pci/devices/" TREE_SPARE ".0/driver", "/made/up/drivers/nvidia");
	tree_ask(tree);
	tree_expect(tree, "drivers", TREE_CARD, FINDING_WARN, "NVIDIA's driver serves 2 cards");
}

static void test_absent_card(void **state)
{
	struct doctor_tree *tree = *state;

	tree_put(tree, "config/cards/other.ini", "[card]\naddress = 0000:09:00\n");
	assert_int_equal(tree_ask(tree), 2);
	tree_expect(tree, "functions", "0000:09:00", FINDING_FAIL, "no such card");
	tree_expect(tree, "allow-list", SEAT, FINDING_FAIL, "\"card 0000:09:00\"");
}

static void test_only_card(void **state)
{
	struct doctor_tree *tree = *state;

	tree_remove(tree, "sys/bus/pci/devices/0000:00:02.0");
	tree_remove(tree, "sys/bus/pci/devices/" TREE_SPARE ".0");
	tree_ask(tree);
	tree_expect(tree, "screen", TREE_CARD, FINDING_WARN, "the host's screen is dark");
}

static void test_small_window(void **state)
{
	struct doctor_tree *tree = *state;

	tree_put(tree, "config/cards/gpu.ini", "[card]\naddress = " TREE_CARD "\nwindow = 128M\n");
	assert_int_equal(tree_ask(tree), 2);
	tree_expect(tree, "window", TREE_CARD, FINDING_FAIL, "Write window = 256M into gpu.ini.");
}

/* Nobody touches a card whose driver hangs: the broker says that it does. */
static void test_wedged(void **state)
{
	struct doctor_tree *tree = *state;
	struct doctor doctor = { .options = &tree->options, .findings = &tree->findings };
	struct broker_card_answer *card = &doctor.broker.cards[0];

	tree->findings.n = 0;
	doctor.broker.n_cards = 1;
	card->slot = (struct broker_slot){ 0, 1, 0 };
	card->facts.flags = BROKER_CARD_PRESENT | BROKER_CARD_WEDGED;
	snprintf(card->text, sizeof(card->text), "the unbind of 0000:01:00.1 never came back.");
	check_cards(&doctor);
	tree_expect(tree, "functions", TREE_CARD, FINDING_WARN, "the unbind of 0000:01:00.1 never");
}

/* What a card that nobody lends lacks is no failure; with nothing to lend, all are looked at. */
static void test_nothing_to_lend(void **state)
{
	struct doctor_tree *tree = *state;

	tree_put(tree, "broker.conf", "user me\n");
	tree_remove(tree, "config/cards/gpu.ini");
	tree_put(tree, "config/guests/work.ini", "[vm]\nslot = 1\nmemory = 4G\n");
	tree_function(tree, "0000:05:00.0", "0000:00:04.0", "0x020000\n", "e1000e", "flr\n", 1);
	assert_int_equal(tree_ask(tree), 1);
	tree_expect(tree, "group", TREE_CARD, FINDING_WARN, "0000:05:00.0 (e1000e)");
	tree_expect(tree, "reset", TREE_SPARE, FINDING_PASS, "by flr");
	tree_expect(tree, "reset", "0000:00:02", FINDING_PASS, "by flr");
	tree_expect(tree, "allow-list", SEAT, FINDING_WARN, "No card is configured");
	tree_expect(tree, "broker", SEAT, FINDING_WARN, "No broker answers on socket");
	tree_expect(tree, "memlock", GUESTS, FINDING_PASS, "No guest");
}

/* ---- the plan of a reset ---- */

static enum reset_plan plan(const char *first, const char *second, bool bridge, bool neighbour)
{
	struct card_look look = { .below_bridge = bridge };

	look.facts.function_count = second ? 2 : 1;
	snprintf(look.facts.functions[0].reset, sizeof(look.facts.functions[0].reset), "%s", first);
	snprintf(look.facts.functions[1].reset, sizeof(look.facts.functions[1].reset), "%s",
		 second ? second : "");
	snprintf(look.neighbour, sizeof(look.neighbour), "%s", neighbour ? "0000:01:02.0" : "");
	return reset_plan(&look);
}

static void test_reset_plan(void **state)
{
	assert_int_equal(plan("flr pm bus", NULL, true, false), RESET_PLAN_OWN);
	assert_int_equal(plan("flr", NULL, false, true), RESET_PLAN_OWN);
	assert_int_equal(plan("device_specific bus", NULL, true, true), RESET_PLAN_OWN);
	assert_int_equal(plan("bus", NULL, true, false), RESET_PLAN_OWN);
	assert_int_equal(plan("bus", NULL, true, true), RESET_PLAN_NONE);
	assert_int_equal(plan("pm bus", NULL, true, false), RESET_PLAN_HOT);
	assert_int_equal(plan("pm", NULL, false, false), RESET_PLAN_NONE);
	assert_int_equal(plan("", NULL, true, false), RESET_PLAN_HOT);
	assert_int_equal(plan("flr", "flr", true, false), RESET_PLAN_HOT);
	assert_int_equal(plan("bus", "", true, false), RESET_PLAN_HOT);
	assert_int_equal(plan("flr", "acpi", true, true), RESET_PLAN_OWN_EACH);
	assert_int_equal(plan("flr", "flr", false, false), RESET_PLAN_OWN_EACH);
	assert_int_equal(plan("bus", "bus", false, false), RESET_PLAN_NONE);
	assert_int_equal(plan("flr", "pm", true, true), RESET_PLAN_NONE);
	assert_int_equal(plan("flrx", NULL, false, false), RESET_PLAN_NONE);
}

/* ---- guests ---- */

static void test_memory(void **state)
{
	struct doctor_tree *tree = *state;

	/* All of it with what it shares with the seat, and QEMU's share besides. */
	tree_put(tree, "proc/meminfo", "MemTotal:       5373952 kB\n");
	tree_ask(tree);
	tree_expect(tree, "memory", GUESTS, FINDING_PASS, "4224 MiB in RAM, of 5248 MiB");
	tree_put(tree, "proc/meminfo", "MemTotal:       5372928 kB\n");
	assert_int_equal(tree_ask(tree), 2);
	tree_expect(tree, "memory", GUESTS, FINDING_FAIL, "the machine has 5247 MiB");
}

static void test_memlock(void **state)
{
	struct doctor_tree *tree = *state;

	tree_ask(tree);
	tree_expect(tree, "memlock", GUESTS, FINDING_FAIL, "guest work needs 5248 MiB");
	tree_memlock = 5248ull << 20;
	tree_ask(tree);
	tree_expect(tree, "memlock", GUESTS, FINDING_PASS, "guest work");
	tree_memlock -= 1 << 20;
	tree_ask(tree);
	tree_expect(tree, "memlock", GUESTS, FINDING_FAIL, "5247 MiB");
	tree_memlock = RLIM_INFINITY;
	tree_ask(tree);
	tree_expect(tree, "memlock", GUESTS, FINDING_PASS, "guest work");
}

static void test_huge_pages(void **state)
{
	struct doctor_tree *tree = *state;

	tree_put(tree, "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "2047\n");
	tree_ask(tree);
	tree_expect(tree, "huge-pages", GUESTS, FINDING_WARN, "vm.nr_hugepages = 2048");
	tree_put(tree, "sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "4\n");
	tree_ask(tree);
	tree_expect(tree, "huge-pages", GUESTS, FINDING_PASS, "8190 MiB are reserved");
}

static void test_mistakes(void **state)
{
	struct doctor_tree *tree = *state;

	tree_put(tree, "config/cards/gpu.ini", "[card]\naddress = here\n");
	assert_int_equal(tree_ask(tree), 2);
	tree_expect(tree, "configuration", GUESTS, FINDING_FAIL, "config/cards/gpu.ini:2: address");
	tree_put(tree, "config/cards/gpu.ini", "[card]\naddress = " TREE_CARD "\n");
	tree_put(tree, "config/guests/work.ini", "[vm]\nslot = 1\n");
	tree_ask(tree);
	tree_expect(tree, "configuration", GUESTS, FINDING_WARN, "none may have a card");
}

/* ---- programs ---- */

static void test_qemu(void **state)
{
	struct doctor_tree *tree = *state;

	tree_qemu(tree, "QEMU emulator version 9.2.4\n", "dbus\n");
	assert_int_equal(tree_ask(tree), 2);
	tree_expect(tree, "qemu-version", SEAT, FINDING_FAIL,
		    "QEMU is 9.2.4, and guests need 10.0");
	tree_qemu(tree, "QEMU emulator version 11.1.0\n", "Available:\nnone\nspice-app\n");
	tree_ask(tree);
	tree_expect(tree, "qemu-version", SEAT, FINDING_PASS, "11.1.0");
	tree_expect(tree, "qemu-modules", SEAT, FINDING_FAIL, "qemu-system-modules-opengl");
	tree_qemu(tree, "no version\n", "");
	tree_ask(tree);
	tree_expect(tree, "qemu-version", SEAT, FINDING_FAIL, "does not tell its version");
	assert_int_equal(setenv("PATH", "./nowhere", 1), 0);
	tree_ask(tree);
	tree_expect(tree, "qemu-version", SEAT, FINDING_FAIL, "no qemu-system-x86_64 in PATH");
}

static void test_seat_and_sound(void **state)
{
	struct doctor_tree *tree = *state;

	tree_remove(tree, "run/pipewire-0");
	tree_remove(tree, "run/seatd.sock");
	tree_ask(tree);
	tree_expect(tree, "pipewire", SEAT, FINDING_WARN, "run/pipewire-0 (No such file");
	tree_expect(tree, "seat", SEAT, FINDING_WARN, "Neither seatd nor logind");
}

static void test_broker(void **state)
{
	struct doctor_tree *tree = *state;

	assert_int_equal(tree_ask(tree), 2);
	tree_expect(tree, "broker", SEAT, FINDING_FAIL,
		    "No broker answers on socket (No such file");
	tree_broker(tree);
	tree_ask(tree);
	tree_expect(tree, "broker", SEAT, FINDING_PASS, "speaks our version");
	/* While a seat has it, broker.conf says what can be lent. */
	seat_connect(&tree->machine);
	tree_ask(tree);
	tree_expect(tree, "broker", SEAT, FINDING_PASS, "serves a seat");
	tree_expect(tree, "allow-list", SEAT, FINDING_PASS, "the one card");
	seat_leave(&tree->machine);
	broker_kill(&tree->machine);
	tree_ask(tree);
	tree_expect(tree, "broker", SEAT, FINDING_FAIL, "Connection refused");
}

static void test_allow_list(void **state)
{
	struct doctor_tree *tree = *state;

	tree_put(tree, "broker.conf", "card " TREE_CARD "\ncard " TREE_SPARE "\nuser me\n");
	tree_ask(tree);
	tree_expect(tree, "allow-list", SEAT, FINDING_WARN, "address = " TREE_SPARE);
	tree_expect(tree, "reset", TREE_SPARE, FINDING_PASS, "by flr");
	tree_put(tree, "broker.conf", "user me\n");
	assert_int_equal(tree_ask(tree), 2);
	tree_expect(tree, "allow-list", SEAT, FINDING_FAIL, "\"card " TREE_CARD "\"");
	tree_put(tree, "broker.conf", "card here\n");
	tree_ask(tree);
	tree_expect(tree, "allow-list", SEAT, FINDING_FAIL, "broker.conf, line 1");
	tree_remove(tree, "broker.conf");
	tree_ask(tree);
	tree_expect(tree, "allow-list", SEAT, FINDING_FAIL, "No such file");
}

/* A guest that runs: who is its user, and can the broker tell it from the seat? */
static void test_isolation(void **state)
{
	struct doctor_tree *tree = *state;
	char status[64];

	snprintf(status, sizeof(status), "Name:\tqemu\nUid:\t%u\t0\t0\t0\n", getuid());
	tree_put(tree, "run/work/pid", "77\n");
	tree_put(tree, "proc/77/comm", "qemu-system-x86\n");
	tree_put(tree, "proc/77/status", status);
	tree_put(tree, "proc/77/cgroup", "0::/user.slice/app.slice/baton-work-77.scope\n");
	tree_ask(tree);
	tree_expect(tree, "isolation", SEAT, FINDING_PASS,
		    "User level: guests run as the user of the seat");
	tree_put(tree, "proc/77/cgroup", "0::/user.slice/session-1.scope\n");
	tree_ask(tree);
	tree_expect(tree, "isolation", SEAT, FINDING_WARN, "guest work is not in a control group");
	snprintf(status, sizeof(status), "Name:\tqemu\nUid:\t%u\t0\t0\t0\n", getuid() + 1);
	tree_put(tree, "proc/77/status", status);
	tree_put(tree, "proc/77/cgroup", "0::/baton-work-77.scope\n");
	tree_ask(tree);
	tree_expect(tree, "isolation", SEAT, FINDING_PASS, "Installed level: each of 1 guests");
	tree_put(tree, "proc/77/cgroup", "0::/system.slice/x.slice/baton-guest@baton-work.service\n");
	tree_ask(tree);
	tree_expect(tree, "isolation", SEAT, FINDING_PASS, "Installed level: each of 1 guests");
	/* Beside one that runs as the seat does, and should not. */
	snprintf(status, sizeof(status), "Name:\tqemu\nUid:\t%u\t0\t0\t0\n", getuid());
	tree_put(tree, "run/play/pid", "78\n");
	tree_put(tree, "proc/78/comm", "qemu-system-x86\n");
	tree_put(tree, "proc/78/status", status);
	tree_put(tree, "proc/78/cgroup", "0::/baton-play-78.scope\n");
	tree_ask(tree);
	tree_expect(tree, "isolation", SEAT, FINDING_PASS, "Installed level for 1 of 2 guests");
	tree_expect(tree, "isolation", SEAT, FINDING_PASS, "play as the seat's user");
	tree_put(tree, "broker.conf", "guest play daemon\n");
	tree_ask(tree);
	tree_expect(tree, "isolation", SEAT, FINDING_WARN, "Guest play has a user of its own");
	tree_remove(tree, "proc/78/comm");
	/* Somebody else's pid by now. */
	tree_put(tree, "proc/77/comm", "sh\n");
	tree_ask(tree);
	tree_expect(tree, "isolation", SEAT, FINDING_PASS, "none runs now");
	tree_landlock = 7;
	tree_ask(tree);
	tree_expect(tree, "isolation", SEAT, FINDING_PASS, "for sockets from Linux 7.1 on");
	tree_landlock = 0;
	tree_ask(tree);
	tree_expect(tree, "isolation", SEAT, FINDING_WARN, "without Landlock");
}

/* ---- output, and what hangs ---- */

static void test_json(void **state)
{
	struct doctor_tree *tree = *state;
	char *text = NULL;
	const char *check, *subject, *status, *words, *remedy;
	size_t size, i;
	FILE *out = open_memstream(&text, &size);
	json_t *list, *object;

	tree_holder(tree, 900, "bad\001\377name\n");
	tree_ask(tree);
	assert_int_equal(findings_print_json(&tree->findings, out), 0);
	fclose(out);
	list = json_loads(text, 0, NULL);
	assert_int_equal(json_array_size(list), tree->findings.n);
	json_array_foreach(list, i, object)
	{
		const struct finding *finding = &tree->findings.list[i];

		assert_int_equal(json_unpack(object, "{ss ss ss ss ss !}", "check", &check,
					     "subject", &subject, "status", &status, "text", &words,
					     "remedy", &remedy),
				 0);
		assert_string_equal(check, finding->check);
		assert_string_equal(subject, finding->subject);
		assert_string_equal(words, finding->text);
		assert_string_equal(remedy, finding->remedy);
		assert_true(!strcmp(status, "PASS") == (finding->status == FINDING_PASS));
		assert_true(!strcmp(status, "FAIL") == (finding->status == FINDING_FAIL));
	}
	tree_expect(tree, "holders", TREE_CARD, FINDING_WARN, "bad??name (process 900)");
	json_decref(list);
	free(text);
}

static void wait_for_ever(const void *data, void *out)
{
	*(int *)out = 2;
	pause();
}

static void answer(const void *data, void *out)
{
	*(int *)out += *(const int *)data;
}

static void test_child(void **state)
{
	char *const silent[] = { "sh", "-c", "exec tail -f /dev/null", NULL };
	char *const loud[] = { "sh", "-c", "echo ab; exit 3", NULL };
	char *const absent[] = { "no-such-program", NULL };
	int one = 1, out = 1, status;
	char text[3];

	assert_int_equal(child_call(answer, &one, &out, sizeof(out), 60000), 0);
	assert_int_equal(out, 2);
	out = 1;
	assert_int_equal(child_call(wait_for_ever, NULL, &out, sizeof(out), 20), -ETIME);
	assert_int_equal(out, 1);
	/* It is killed, and may be left to us. */
	assert_true(waitpid(-1, &status, 0) < 0 || WTERMSIG(status) == SIGKILL);
	assert_int_equal(child_program(silent, text, sizeof(text), 20), -ETIME);
	assert_true(waitpid(-1, &status, 0) < 0 || WTERMSIG(status) == SIGKILL);
	assert_int_equal(child_program(loud, text, sizeof(text), 60000), 3);
	assert_string_equal(text, "ab");
	assert_int_equal(child_program(absent, text, sizeof(text), 60000), 127);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(test_virtualisation),
		TREE_TEST(test_no_iommu),
		TREE_TEST(test_no_remapping),
		TREE_TEST(test_foreign_member),
		TREE_TEST(test_no_reset),
		TREE_TEST(test_holder_seen_by_broker),
		TREE_TEST(test_holder_seen_by_user),
		TREE_TEST(test_others_not_visible),
		TREE_TEST(test_group_is_not_opened),
		TREE_TEST(test_drivers),
		TREE_TEST(test_absent_card),
		TREE_TEST(test_only_card),
		TREE_TEST(test_small_window),
		TREE_TEST(test_wedged),
		TREE_TEST(test_nothing_to_lend),
		cmocka_unit_test(test_reset_plan),
		TREE_TEST(test_memory),
		TREE_TEST(test_memlock),
		TREE_TEST(test_huge_pages),
		TREE_TEST(test_mistakes),
		TREE_TEST(test_qemu),
		TREE_TEST(test_seat_and_sound),
		TREE_TEST(test_broker),
		TREE_TEST(test_allow_list),
		TREE_TEST(test_isolation),
		TREE_TEST(test_json),
		cmocka_unit_test(test_child),
	};

	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
