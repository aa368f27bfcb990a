// SPDX-License-Identifier: MIT
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "tests/unit/doctor_tree.h"

/* ---- files ---- */

void tree_put(struct doctor_tree *tree, const char *path, const char *text)
{
	machine_put(&tree->machine, text, "%s", path);
}

/* The folder of the link is there already, or is made with a file that nobody looks at. */
void tree_link(struct doctor_tree *tree, const char *path, const char *target)
{
	char folder[256];

	snprintf(folder, sizeof(folder), "%s", path);
	*strrchr(folder, '/') = '\0';
	if (access(folder, F_OK) < 0) {
		machine_put(&tree->machine, "", "%s/.made", folder);
		machine_remove(&tree->machine, "%s/.made", folder);
	}
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

void tree_remove(struct doctor_tree *tree, const char *path)
{
	machine_remove(&tree->machine, "%s", path);
}

static void put_config(struct doctor_tree *tree, const char *folder)
{
	const char header[64] = { 0x02, 0x10, 0x50, 0x10, [0x0e] = 0x00 };
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/config", folder);
	tree_put(tree, path, "");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, header, sizeof(header)), sizeof(header));
	close(fd);
}

static void put_attribute(struct doctor_tree *tree, const char *folder, const char *name,
			  const char *text)
{
	machine_put(&tree->machine, text, "%s/%s", folder, name);
}

static void put_group(struct doctor_tree *tree, const char *address, const char *folder, int group)
{
	char path[160], target[160];

	snprintf(path, sizeof(path), "%s/iommu_group", folder);
	snprintf(target, sizeof(target), "%s/sys/kernel/iommu_groups/%d", tree->machine.root,
		 group);
	tree_link(tree, path, target);
	machine_put(&tree->machine, "", "sys/kernel/iommu_groups/%d/devices/%s", group, address);
	machine_put(&tree->machine, "", "dev/vfio/%d", group);
	machine_put(&tree->machine, "243:1\n", "numbers/dev/vfio/%d", group);
}

void tree_function(struct doctor_tree *tree, const char *address, const char *bridge,
		   const char *class, const char *driver, const char *reset, int group)
{
	char folder[128], path[160], target[160];

	snprintf(folder, sizeof(folder), "sys/devices/pci0000:00/%s%s%s", bridge,
		 *bridge ? "/" : "", address);
	put_config(tree, folder);
	put_attribute(tree, folder, "class", class);
	put_attribute(tree, folder, "vendor", "0x1002\n");
	put_attribute(tree, folder, "device", "0x1050\n");
	put_attribute(tree, folder, "driver_override", "(null)\n");
	put_attribute(tree, folder, "reset_method", reset);
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", address);
	snprintf(target, sizeof(target), "../../../%s", folder + 4);
	tree_link(tree, path, target);
	if (*driver) {
		snprintf(path, sizeof(path), "%s/driver", folder);
		snprintf(target, sizeof(target), "/made/up/drivers/%s", driver);
		tree_link(tree, path, target);
	}
	put_group(tree, address, folder, group);
}

/* Below a function's folder: a node's number and name. */
static void put_node(struct doctor_tree *tree, const char *function, const char *folder,
		     const char *uevent)
{
	machine_put(&tree->machine, uevent, "sys/bus/pci/devices/%s/%s/uevent", function, folder);
}

void tree_holder(struct doctor_tree *tree, int pid, const char *command)
{
	char path[64];

	machine_put(&tree->machine, command, "proc/%d/comm", pid);
	snprintf(path, sizeof(path), "proc/%d/fd/5", pid);
	tree_link(tree, path, "/dev/full");
}

/* ---- programs ---- */

void tree_qemu(struct doctor_tree *tree, const char *version, const char *displays)
{
	static const char program[] = "bin/qemu-system-x86_64";

	machine_put(&tree->machine, version, "bin/version");
	machine_put(&tree->machine, displays, "bin/displays");
	tree_put(
		tree, program,
		"#!/bin/sh\n"
		"case $1 in\n"
		"--version) /bin/cat bin/version ;;\n"
		"-display) /bin/cat bin/displays ;;\n"
		"-audiodev) printf 'Available audio drivers:\\nnone\\ndbus\\n' ;;\n"
		"-device) printf 'name \"virtio-vga\", bus PCI\\nname \"vfio-pci\", bus PCI\\n' ;;\n"
		"esac\n");
	assert_int_equal(chmod(program, 0700), 0);
}

/* ---- all of it ---- */

static void put_machine(struct doctor_tree *tree)
{
	tree_put(tree, "proc/cpuinfo", "vendor_id : GenuineIntel\n");
	tree_put(tree, "proc/cmdline", "root=/dev/sda1 intel_iommu=on\n");
	tree_put(tree, "proc/interrupts", " 24:  5  0  IR-PCI-MSI-0000:00:02.0  0-edge  i915\n");
	tree_put(tree, "proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\n");
	tree_put(tree, "proc/1/fd/0", "");
	tree_put(tree, "proc/sys/kernel/random/boot_id", "made-up-boot\n");
	tree_put(tree, "sys/class/iommu/dmar0/intel-iommu/ecap", "f020df\n");
	tree_put(tree, "sys/bus/pci/drivers/vfio-pci/bind", "");
	tree_put(tree, "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "N\n");
	tree_put(tree, "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "2048\n");
	tree_put(tree, "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "512\n");
	tree_put(tree, "dev/vfio/vfio", "");
	tree_put(tree, "numbers/dev/vfio/vfio", "10:196\n");
}

static void put_cards(struct doctor_tree *tree)
{
	tree_function(tree, "0000:00:01.0", "", "0x060400\n", "pcieport", "", 1);
	tree_function(tree, "0000:00:02.0", "", "0x030000\n", "i915", "flr\n", 0);
	tree_put(tree, "sys/bus/pci/devices/0000:00:02.0/boot_vga", "1\n");
	tree_function(tree, "0000:00:03.0", "", "0x060400\n", "pcieport", "", 2);
	tree_function(tree, TREE_CARD ".0", "0000:00:01.0", "0x030000\n", "amdgpu", "bus\n", 1);
	tree_function(tree, TREE_CARD ".1", "0000:00:01.0", "0x040300\n", "snd_hda_intel", "", 1);
	tree_function(tree, TREE_SPARE ".0", "0000:00:03.0", "0x038000\n", "nouveau", "flr bus\n",
		      3);
	put_node(tree, TREE_CARD ".0", "drm/card1", "MAJOR=1\nMINOR=7\nDEVNAME=dri/card1\n");
	put_node(tree, TREE_CARD ".1", "sound/card1/controlC1",
		 "MAJOR=116\nMINOR=7\nDEVNAME=snd/controlC1\n");
	/* 256 MiB of prefetchable memory, and a little of the other kind. */
	tree_put(tree, "sys/bus/pci/devices/" TREE_CARD ".0/resource",
		 "0x0000004000000000 0x000000400fffffff 0x000000000014220c\n"
		 "0x00000000f0000000 0x00000000f003ffff 0x0000000000040200\n");
}

static void put_configuration(struct doctor_tree *tree)
{
	tree_put(tree, "config/baton.conf", "");
	tree_put(tree, "config/cards/gpu.ini", "[card]\naddress = " TREE_CARD "\nwindow = 512M\n");
	tree_put(tree, "config/guests/work.ini",
		 "[vm]\nslot = 1\nmemory = 4G\n\n[cards]\non-request = gpu\n");
	tree_put(tree, "config/guests/small.ini", "[vm]\nslot = 2\nmemory = 512M\n");
	tree_put(tree, "broker.conf", "card " TREE_CARD "\nuser me\n");
	assert_int_equal(chmod("broker.conf", 0600), 0);
	tree->options = (struct doctor_options){
		.folders.config = "config",
		.runtime_dir = "run",
		.broker_socket = "socket",
		.broker_config = "broker.conf",
	};
}

static void set_environment(void)
{
	assert_int_equal(setenv("PATH", "./bin:/usr/bin:/bin", 1), 0);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", "run", 1), 0);
	assert_int_equal(setenv("SEATD_SOCK", "run/seatd.sock", 1), 0);
	assert_int_equal(setenv("LIBSEAT_BACKEND", "seatd", 1), 0);
	unsetenv("PIPEWIRE_RUNTIME_DIR");
	unsetenv("PIPEWIRE_REMOTE");
}

void tree_create(struct doctor_tree *tree)
{
	*tree = (struct doctor_tree){
		.machine = { .root = "/tmp/baton-doctor-XXXXXX", .log = -1, .seat = -1 }
	};
	assert_non_null(mkdtemp(tree->machine.root));
	assert_int_equal(chdir(tree->machine.root), 0);
	put_machine(tree);
	put_cards(tree);
	put_configuration(tree);
	tree_qemu(tree, "QEMU emulator version 10.0.2 (Made up 1:10.0.2)\n",
		  "Available display backend types:\nnone\ndbus\n");
	set_environment();
	tree_put(tree, "run/lock", "");
	tree->pipewire = unix_listen("run/pipewire-0", 1);
	tree->seatd = unix_listen("run/seatd.sock", 1);
	assert_true(tree->pipewire >= 0 && tree->seatd >= 0);
	system_root = ".";
}

void tree_destroy(struct doctor_tree *tree)
{
	close(tree->pipewire);
	close(tree->seatd);
	assert_int_equal(chdir("/"), 0);
	machine_destroy(&tree->machine);
}

void tree_broker(struct doctor_tree *tree)
{
	char path[32], real[32];

	snprintf(path, sizeof(path), "proc/%d", getpid());
	snprintf(real, sizeof(real), "/proc/%d", getpid());
	tree_link(tree, path, real);
	broker_start(&tree->machine);
	seat_connect(&tree->machine);
	seat_leave(&tree->machine);
}

int tree_ask(struct doctor_tree *tree)
{
	tree->findings = (struct findings){ 0 };
	assert_int_equal(doctor_run(&tree->options, &tree->findings), 0);
	return findings_exit_status(&tree->findings);
}

const struct finding *tree_find(const struct doctor_tree *tree, const char *check,
				const char *subject)
{
	for (size_t i = 0; i < tree->findings.n; i++) {
		const struct finding *finding = &tree->findings.list[i];

		if (!strcmp(finding->check, check) && !strcmp(finding->subject, subject)) {
			return finding;
		}
	}
	print_message("no finding %s of %s\n", check, subject);
	assert_true(false);
	return NULL;
}

void tree_expect(const struct doctor_tree *tree, const char *check, const char *subject,
		 enum finding_status status, const char *words)
{
	const struct finding *finding = tree_find(tree, check, subject);

	if (finding->status != status ||
	    (!strstr(finding->text, words) && !strstr(finding->remedy, words))) {
		print_message("%s of %s: %d: %s %s\n", check, subject, finding->status,
			      finding->text, finding->remedy);
	}
	assert_int_equal(finding->status, status);
	assert_true(strstr(finding->text, words) || strstr(finding->remedy, words));
	assert_int_equal(finding->remedy[0] == '\0', status == FINDING_PASS);
}

/* A kernel without one has no groups either. */
void tree_remove_iommu(struct doctor_tree *tree)
{
	static const char *const functions[] = { "0000:00:01.0", "0000:00:02.0", "0000:00:03.0",
						 TREE_CARD ".0", TREE_CARD ".1", TREE_SPARE ".0" };
	char path[128];

	tree_remove(tree, "sys/class/iommu/dmar0/intel-iommu/ecap");
	tree_remove(tree, "sys/class/iommu/dmar0/intel-iommu");
	tree_remove(tree, "sys/class/iommu/dmar0");
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/iommu_group", functions[i]);
		tree_remove(tree, path);
	}
	assert_int_equal(rename("sys/kernel/iommu_groups", "gone"), 0);
	tree_put(tree, "proc/interrupts", " 24:  5  0  PCI-MSI-0000:00:02.0  0-edge  i915\n");
}

/* ---- what no folder can make up ---- */

enum kvm_probe tree_probe;
int tree_landlock;
rlim_t tree_memlock;

enum kvm_probe __wrap_kvm_probe(void);
int __wrap_confine_version(void);
int __wrap_getrlimit64(int resource, struct rlimit *limit);
struct passwd *__wrap_getpwnam(const char *name);

int __wrap_confine_version(void)
{
	return tree_landlock;
}

enum kvm_probe __wrap_kvm_probe(void)
{
	return tree_probe;
}

int __wrap_getrlimit64(int resource, struct rlimit *limit)
{
	assert_int_equal(resource, RLIMIT_MEMLOCK);
	*limit = (struct rlimit){ .rlim_cur = tree_memlock, .rlim_max = tree_memlock };
	return 0;
}

struct passwd *__wrap_getpwnam(const char *name)
{
	static struct passwd user;

	user.pw_uid = getuid() + !!strcmp(name, "me");
	return &user;
}

int tree_setup(void **state)
{
	struct doctor_tree *tree = malloc(sizeof(*tree));

	tree_probe = KVM_PROBE_USABLE;
	tree_memlock = 8 << 20;
	tree_landlock = CONFINE_SOCKETS;
	tree_create(tree);
	*state = tree;
	return 0;
}

int tree_teardown(void **state)
{
	tree_destroy(*state);
	free(*state);
	return 0;
}
