// SPDX-License-Identifier: MIT
/* The text of baton-doctor about a made-up PC that is well, and about one that is not. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/doctor_tree.h"

/* The parts of the text, one after the other. */
static void expect_text(const struct doctor_tree *tree, const char *const *parts)
{
	char *text = NULL;
	const char *at;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	findings_print(&tree->findings, out);
	fclose(out);
	for (at = text; *parts && strncmp(at, *parts, strlen(*parts)) == 0; parts++) {
		at += strlen(*parts);
	}
	if (*parts || *at) {
		fputs(text, stderr);
	}
	assert_null(*parts);
	assert_string_equal(at, "");
	free(text);
}

static const char fine_machine[] =
	"This machine\n"
	"PASS  cpu-virtualisation  KVM works: it has just run a few instructions.\n"
	"PASS  iommu               The IOMMU is on: 1 unit, devices in 4 groups.\n"
	"PASS  interrupt-remapping Interrupts of devices are remapped.\n"
	"PASS  vfio                vfio-pci and vfio_iommu_type1 are loaded.\n"
	"\n";

static const char fine_cards[] =
	"Card 0000:00:02, 1002:1050\n"
	"PASS  functions           Stays with the host, since neither the configuration\n"
	"                          nor the broker names it: display (1002:1050, driver\n"
	"                          i915), IOMMU group 0.\n"
	"\n"
	"Card 0000:01:00 \"gpu\", 1002:1050\n"
	"PASS  functions           2 functions, which go together: display (1002:1050,\n"
	"                          driver amdgpu), sound (1002:1050, driver\n"
	"                          snd_hda_intel).\n"
	"PASS  group               IOMMU group 1 has nothing else in it but the bridge\n"
	"                          above the card.\n"
	"PASS  reset               Between two users all its functions are reset through\n"
	"                          the bridge above (VFIO hot reset).\n"
	"PASS  drivers             The host's drivers have it.\n"
	"PASS  screen              2 other graphics cards can light the host's screen.\n"
	"PASS  window              Guests keep 512 MiB of addresses free for its 256 MiB.\n"
	"PASS  holders             Nobody has /dev/dri/card1, /dev/snd/controlC1,\n"
	"                          /dev/vfio/1 open.\n"
	"\n"
	"Card 0000:02:00, 1002:1050\n"
	"PASS  functions           Stays with the host, since neither the configuration\n"
	"                          nor the broker names it: display (1002:1050, driver\n"
	"                          nouveau), IOMMU group 3.\n"
	"\n";

static const char fine_guests[] =
	"Guests\n"
	"PASS  configuration       No mistakes in config: 2 guests, of which 1 may have a\n"
	"                          card.\n"
	"PASS  memory              Guests that may have a card keep 4224 MiB in RAM, of\n"
	"                          16384 MiB.\n"
	"PASS  memlock             Processes may lock 8 MiB; for guest work the broker\n"
	"                          raises that by 5248 MiB while it has a card.\n"
	"PASS  huge-pages          4096 MiB are reserved (1024 MiB of it free), enough\n"
	"                          for the guests that may have a card.\n"
	"\n";

static const char fine_seat[] =
	"The seat and what it works with\n"
	"PASS  qemu-version        QEMU is 10.0.2.\n"
	"PASS  qemu-modules        QEMU has the D-Bus display and sound, virtio-vga and\n"
	"                          vfio-pci.\n"
	"PASS  seat                seatd answers on run/seatd.sock.\n"
	"PASS  pipewire            PipeWire answers.\n"
	"PASS  broker              The broker answers and speaks our version, 3.\n"
	"PASS  allow-list          The broker may lend the one card that is configured.\n"
	"PASS  isolation           User level: guests run as the user of the seat, in\n"
	"                          QEMU's sandbox and behind Landlock; none runs now.\n"
	"\n"
	"24 passed, 0 warnings, 0 failed.\n";

static void test_all_fine(void **state)
{
	struct doctor_tree *tree = *state;

	tree_broker(tree);
	assert_int_equal(tree_ask(tree), 0);
	expect_text(tree, (const char *const[]){ fine_machine, fine_cards, fine_guests, fine_seat,
						 NULL });
}

static const char wrong_machine[] =
	"This machine\n"
	"FAIL  cpu-virtualisation  /dev/kvm opens but its virtual CPU does not run what a\n"
	"                          kernel needs, so guests run in software and slowly.\n"
	"                   To do: Switch on nested virtualisation in the machine around\n"
	"                          it.\n"
	"FAIL  iommu               The IOMMU is off, so no card can be given to a guest.\n"
	"                   To do: Switch VT-d on in the firmware's settings: the\n"
	"                          kernel's command line has intel_iommu=on already.\n"
	"FAIL  interrupt-remapping Interrupts are not remapped, which the IOMMU would do.\n"
	"                   To do: Switch the IOMMU on first, then ask again.\n"
	"FAIL  vfio                The kernel's VFIO is not complete without vfio-pci.\n"
	"                   To do: Run \"modprobe -a vfio-pci vfio_iommu_type1\" as root,\n"
	"                          and write both names into\n"
	"                          /etc/modules-load.d/baton.conf for the next start.\n"
	"\n";

static const char wrong_cards[] =
	"Card 0000:00:02, 1002:1050\n"
	"PASS  functions           Stays with the host, since neither the configuration\n"
	"                          nor the broker names it: display (1002:1050, driver\n"
	"                          i915), no IOMMU group.\n"
	"\n"
	"Card 0000:01:00 \"gpu\", 1002:1050\n"
	"PASS  functions           2 functions, which go together: display (1002:1050,\n"
	"                          driver amdgpu), sound (1002:1050, driver\n"
	"                          snd_hda_intel).\n"
	"FAIL  group               It is in no IOMMU group, so no guest can have it.\n"
	"                   To do: Switch the IOMMU on, as the check iommu of this\n"
	"                          machine says.\n"
	"FAIL  reset               It cannot be reset between two users: it has no reset\n"
	"                          of its own, and one through the bridge above would hit\n"
	"                          0000:01:01.0 too.\n"
	"                   To do: Put the card into a slot where it is alone.\n"
	"PASS  drivers             The host's drivers have it.\n"
	"PASS  screen              2 other graphics cards can light the host's screen.\n"
	"PASS  window              Guests keep 512 MiB of addresses free for its 256 MiB.\n"
	"WARN  holders             Xorg (process 812) has /dev/dri/card1 open: the card\n"
	"                          cannot leave the host meanwhile.\n"
	"                   To do: Before the card is given away, start baton on a text\n"
	"                          console instead of this desktop.\n"
	"\n"
	"Card 0000:02:00, 1002:1050\n"
	"PASS  functions           Stays with the host, since neither the configuration\n"
	"                          nor the broker names it: display (1002:1050, driver\n"
	"                          nouveau), no IOMMU group.\n"
	"\n";

static const char wrong_guests[] =
	"Guests\n"
	"PASS  configuration       No mistakes in config: 2 guests, of which 1 may have a\n"
	"                          card.\n"
	"FAIL  memory              Guests that may have a card keep all of their memory\n"
	"                          in RAM, together 4224 MiB and 1024 MiB for QEMU, and\n"
	"                          the machine has 4096 MiB.\n"
	"                   To do: Give the guests less memory, or cards to fewer of\n"
	"                          them.\n"
	"FAIL  memlock             Processes may lock 8 MiB, and guest work needs 5248\n"
	"                          MiB locked while it has a card.\n"
	"                   To do: Start the broker, which raises the limit for the time\n"
	"                          of a loan.\n"
	"PASS  huge-pages          4096 MiB are reserved (1024 MiB of it free), enough\n"
	"                          for the guests that may have a card.\n"
	"\n";

static const char wrong_seat[] =
	"The seat and what it works with\n"
	"FAIL  qemu-version        QEMU is 7.2.9, and guests need 10.0 at least.\n"
	"                   To do: Install QEMU 10.0 or newer (Debian 12: from\n"
	"                          bookworm-backports).\n"
	"WARN  seat                Neither seatd nor logind would give screen and\n"
	"                          keyboard to a program started from here, as is usual\n"
	"                          over the network.\n"
	"                   To do: Start baton on a text console of this machine, or\n"
	"                          install seatd.\n"
	"WARN  pipewire            PipeWire does not answer on run/pipewire-0 (No such\n"
	"                          file or directory), so guests cannot be heard.\n"
	"                   To do: Install pipewire and wireplumber, and run \"systemctl\n"
	"                          --user enable --now pipewire wireplumber\" as the\n"
	"                          seat's user.\n"
	"FAIL  broker              No broker answers on socket (No such file or\n"
	"                          directory), and without it no card can be lent.\n"
	"                   To do: Run \"systemctl enable --now baton-broker\" as root.\n"
	"PASS  allow-list          The broker may lend the one card that is configured.\n"
	"PASS  isolation           User level: guests run as the user of the seat, in\n"
	"                          QEMU's sandbox and behind Landlock; none runs now.\n"
	"\n"
	"10 passed, 3 warnings, 10 failed.\n";

/* Everything that is wrong says who and what to do, in lines that a terminal holds. */
static void test_all_wrong(void **state)
{
	struct doctor_tree *tree = *state;

	tree_probe = KVM_PROBE_NO_RUN;
	tree_function(tree, "0000:01:01.0", "0000:00:01.0", "0x020000\n", "e1000e", "", 1);
	tree_remove_iommu(tree);
	tree_remove(tree, "sys/bus/pci/drivers/vfio-pci/bind");
	tree_remove(tree, "sys/bus/pci/drivers/vfio-pci");
	tree_holder(tree, 812, "Xorg\n");
	tree_put(tree, "proc/meminfo", "MemTotal:       4194304 kB\n");
	tree_qemu(tree, "QEMU emulator version 7.2.9 (Made up)\n", "");
	tree_remove(tree, "run/pipewire-0");
	tree_remove(tree, "run/seatd.sock");
	assert_int_equal(tree_ask(tree), 2);
	expect_text(tree, (const char *const[]){ wrong_machine, wrong_cards, wrong_guests, wrong_seat,
						 NULL });
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(test_all_fine),
		TREE_TEST(test_all_wrong),
	};

	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
