// SPDX-License-Identifier: MIT
/* The QEMU command line that follows from a guest's configuration. */
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

#include "common/strv.h"
#include "proto/input.h"
#include "vm/command_line.h"

#define UUID "01234567-89ab-4def-8123-456789abcdef"

struct fixture {
	struct vm_config *config;
	char **argv;
	enum accel accel;
	uint64_t huge_page_kib, shared_mib;
	const char *run_dir;
	bool handed;
	uint32_t input_kinds;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->config = vm_config_create("work");
	f->accel = ACCEL_KVM;
	f->run_dir = "/run/baton/work";
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	vm_config_destroy(f->config);
	strv_free(f->argv);
	free(f);
	return 0;
}

static int build(struct fixture *f)
{
	struct command_line input = {
		.config = f->config,
		.run_dir = f->run_dir,
		.state_dir = "/var/lib/baton/work",
		.uuid = UUID,
		.accel = f->accel,
		.handed = f->handed,
		.huge_page_kib = f->huge_page_kib,
		.shared_mib = f->shared_mib,
		.input_kinds = f->input_kinds,
	};

	strv_free(f->argv);
	f->argv = NULL;
	return command_line_build(&input, &f->argv);
}

/* How often option stands before value; value NULL: before anything. */
static int count(struct fixture *f, const char *option, const char *value)
{
	int n = 0;

	for (char **arg = f->argv; *arg; arg++) {
		n += strcmp(arg[0], option) == 0 &&
		     (!value || (arg[1] && strcmp(arg[1], value) == 0));
	}
	return n;
}

/* The value of the only argument whose value contains part. */
static const char *find(struct fixture *f, const char *part)
{
	const char *found = NULL;

	for (char **arg = f->argv; *arg; arg++) {
		if (strstr(*arg, part)) {
			assert_null(found);
			found = *arg;
		}
	}
	return found;
}

static void every_guest_is_confined_and_controlled(void **state)
{
	struct fixture *f = *state;

	for (int os = 0; os < VM_OS_COUNT; os++) {
		f->config->os = (enum vm_os)os;
		assert_int_equal(build(f), 0);
		assert_string_equal(f->argv[0], "qemu-system-x86_64");
		assert_int_equal(count(f, "-sandbox", NULL), 1);
		assert_int_equal(count(f, "-sandbox",
				       "on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
				       "resourcecontrol=deny"),
				 1);
		assert_int_equal(count(f, "-nodefaults", NULL), 1);
		assert_int_equal(count(f, "-no-user-config", NULL), 1);
		assert_int_equal(count(f, "-display", NULL), 1);
		assert_memory_equal(find(f, "p2p=yes"), "dbus,", 5);
		assert_int_equal(count(f, "-pidfile", "/run/baton/work/pid"), 1);
		assert_int_equal(count(f, "-qmp",
				       "unix:/run/baton/work/qmp-user.sock,server=on,wait=off"),
				 1);
		assert_int_equal(count(f, "-mon", "chardev=baton-qmp,mode=control"), 1);
		assert_int_equal(count(f, "-uuid", UUID), 1);
		assert_int_equal(count(f, "-action",
				       "reboot=reset,shutdown=poweroff,panic=pause,watchdog=pause"),
				 1);
		assert_non_null(find(f, "memory-backend-memfd,id=ram,size=2048M,share=on"));
		assert_non_null(find(f, "pcie-root-port,id=rp4"));
		assert_non_null(find(f, "virtio-vga"));
		assert_int_equal(count(f, "-machine", "q35,memory-backend=ram,hpet=off"), 1);
	}
}

static void devices_of_its_own_have_sockets(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(build(f), 0);
	assert_null(find(f, "vhost-user-input"));
	f->input_kinds = 1u << INPUT_KIND_POINTER | 1u << INPUT_KIND_PEN;
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-chardev", "socket,id=baton-input-1,fd=5"), 1);
	assert_int_equal(count(f, "-device", "vhost-user-input-pci,chardev=baton-input-1"), 1);
	assert_int_equal(count(f, "-device", "vhost-user-input-pci,chardev=baton-input-4"), 1);
	assert_null(find(f, "baton-input-0"));
	/* Firmware knows no other keyboard than the emulated one, and D-Bus no other tablet. */
	assert_int_equal(count(f, "-device", "virtio-tablet-pci"), 1);
	f->handed = true;
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-chardev", "socket,id=baton-input-1,fd=10"), 1);
}

static void accelerator_is_what_the_probe_found(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-accel", "kvm"), 1);
	assert_int_equal(count(f, "-cpu", "host"), 1);
	f->accel = ACCEL_TCG;
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-accel", "tcg"), 1);
	assert_int_equal(count(f, "-accel", NULL), 1);
	assert_int_equal(count(f, "-cpu", NULL), 0);
}

static void user_may_choose_the_accelerator(void **state)
{
	struct fixture *f = *state;

	assert_false(command_line_has_accel(f->config));
	strv_append(&f->config->qemu_args, "--accel");
	strv_append(&f->config->qemu_args, "tcg,thread=single");
	assert_true(command_line_has_accel(f->config));
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-accel", NULL), 0);
	assert_int_equal(count(f, "-cpu", NULL), 0);
}

static void a_value_is_no_choice_of_the_accelerator(void **state)
{
	struct fixture *f = *state;

	strv_append(&f->config->qemu_args, "-fw_cfg");
	strv_append(&f->config->qemu_args, "accel");
	assert_false(command_line_has_accel(f->config));
	strv_append(&f->config->qemu_args, "-M");
	strv_append(&f->config->qemu_args, "q35,accel=tcg");
	assert_true(command_line_has_accel(f->config));
}

static void windows_has_its_clock_and_features(void **state)
{
	struct fixture *f = *state;

	f->config->os = VM_OS_WINDOWS;
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-rtc", "base=localtime,driftfix=slew"), 1);
	assert_memory_equal(find(f, "hv-relaxed"), "host,hv-", 8);
	f->accel = ACCEL_TCG;
	assert_int_equal(build(f), 0);
	assert_null(find(f, "hv-relaxed"));
	f->config->os = VM_OS_LINUX;
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-rtc", "base=utc"), 1);
}

static void disks_have_a_bus_that_the_system_knows(void **state)
{
	struct fixture *f = *state;

	strv_append(&f->config->disks, "/d/a.qcow2");
	strv_append(&f->config->disks, "/d/b,c.img");
	strv_append(&f->config->cdroms, "/d/cd.iso");
	assert_int_equal(build(f), 0);
	assert_non_null(
		find(f, "if=none,id=disk0,format=qcow2,discard=unmap,file=/d/a.qcow2"));
	assert_non_null(find(f, "id=disk1,format=raw,discard=unmap,file=/d/b,,c.img"));
	assert_int_equal(count(f, "-device", "virtio-blk-pci,drive=disk1,bootindex=1"), 1);
	assert_int_equal(count(f, "-device", "ide-cd,drive=cd0,bus=ide.0,bootindex=2"), 1);
	assert_non_null(find(f, "media=cdrom,readonly=on,file=/d/cd.iso"));
	f->config->os = VM_OS_OTHER;
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-device", "ide-hd,drive=disk1,bus=ide.1,bootindex=1"), 1);
	assert_int_equal(count(f, "-device", "ide-cd,drive=cd0,bus=ide.2,bootindex=2"), 1);
}

static void kernel_is_booted_directly(void **state)
{
	struct fixture *f = *state;

	f->config->kernel = strdup("/k/vmlinuz");
	f->config->initrd = strdup("/k/initrd");
	f->config->append = strdup("quiet, a=b \"c d\"");
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-kernel", "/k/vmlinuz"), 1);
	assert_int_equal(count(f, "-initrd", "/k/initrd"), 1);
	assert_int_equal(count(f, "-append", "quiet, a=b \"c d\""), 1);
}

static void network_is_the_one_asked_for(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-netdev", "user,id=net0"), 1);
	assert_int_equal(count(f, "-device", "virtio-net-pci,netdev=net0,mac=52:54:00:ab:cd:ef"),
			 1);
	free(f->config->net);
	f->config->net = strdup("tap:tap7");
	f->config->os = VM_OS_WINDOWS;
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-netdev",
			       "tap,id=net0,ifname=tap7,script=no,downscript=no"),
			 1);
	assert_int_equal(count(f, "-device", "e1000e,netdev=net0,mac=52:54:00:ab:cd:ef"), 1);
	free(f->config->net);
	f->config->net = strdup("none");
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-netdev", NULL), 0);
}

/* QEMU sends pointer events to the device that the guest starts last. */
static void linux_starts_the_tablet_last(void **state)
{
	struct fixture *f = *state;
	int mouse = 0, tablet = 0;

	assert_int_equal(build(f), 0);
	for (int i = 0; f->argv[i]; i++) {
		mouse = strcmp(f->argv[i], "virtio-mouse-pci") == 0 ? i : mouse;
		tablet = strcmp(f->argv[i], "virtio-tablet-pci") == 0 ? i : tablet;
	}
	assert_true(mouse > 0 && tablet > mouse);
	f->config->os = VM_OS_OTHER;
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-device", "usb-tablet,bus=xhci.0"), 1);
	assert_null(find(f, "virtio-tablet-pci"));
}

static void paths_with_commas_are_escaped(void **state)
{
	struct fixture *f = *state;

	f->run_dir = "/run/a,b";
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-qmp", "unix:/run/a,,b/qmp-user.sock,server=on,wait=off"), 1);
	assert_int_equal(count(f, "-pidfile", "/run/a,b/pid"), 1);
}

/* The kernel comes first: QEMU refuses two of one place. */
static void disks_boot_after_a_kernel(void **state)
{
	struct fixture *f = *state;

	strv_append(&f->config->disks, "/a.img");
	strv_append(&f->config->cdroms, "/b.iso");
	f->config->kernel = strdup("/vmlinuz");
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-device", "virtio-blk-pci,drive=disk0,bootindex=1"), 1);
	assert_int_equal(count(f, "-device", "ide-cd,drive=cd0,bus=ide.0,bootindex=2"), 1);
}

/* A user of the guest's own may not enter our folders. */
static void handed_descriptors_stand_for_paths(void **state)
{
	struct fixture *f = *state;

	f->handed = true;
	if (ovmf_find()) {
		f->config->firmware = VM_FIRMWARE_UEFI;
	}
	assert_int_equal(build(f), 0);
	for (char **arg = f->argv; *arg; arg++) {
		assert_null(strstr(*arg, f->run_dir));
		assert_null(strstr(*arg, "/var/lib/baton/work"));
	}
	assert_int_equal(count(f, "-pidfile", NULL), 0);
	assert_int_equal(count(f, "-chardev", "socket,id=baton-qmp,fd=3,server=on,wait=off"), 1);
	assert_int_equal(count(f, "-chardev", "socket,id=baton-qmp-user,fd=4,server=on,wait=off"),
			 1);
	assert_int_equal(count(f, "-add-fd", "fd=6,set=4"), ovmf_find() ? 1 : 0);
}

static void uefi_has_variables_of_its_own(void **state)
{
	struct fixture *f = *state;

	f->config->firmware = VM_FIRMWARE_UEFI;
	if (!ovmf_find()) {
		assert_int_equal(build(f), -ENOENT);
		return;
	}
	assert_int_equal(build(f), 0);
	assert_non_null(find(f, "if=pflash,unit=0,format=raw,readonly=on,file="));
	assert_non_null(find(f, "if=pflash,unit=1,format=raw,file=/var/lib/baton/work/"
				STATE_FILE_UEFI));
}

static void extra_arguments_come_last(void **state)
{
	struct fixture *f = *state;
	size_t n;

	strv_append(&f->config->qemu_args, "-serial");
	strv_append(&f->config->qemu_args, "file:/x/serial");
	assert_int_equal(build(f), 0);
	n = strv_length(f->argv);
	assert_string_equal(f->argv[n - 2], "-serial");
	assert_string_equal(f->argv[n - 1], "file:/x/serial");
}

static void memory_is_filled_where_devices_are_lent(void **state)
{
	struct fixture *f = *state;

	f->huge_page_kib = 2048;
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-object", "memory-backend-memfd,id=ram,size=2048M,share=on"), 1);
	f->config->lends = true;
	f->config->cpus = 3;
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-object",
			       "memory-backend-memfd,id=ram,size=2048M,share=on,hugetlb=on,"
			       "hugetlbsize=2048K,prealloc=on,prealloc-threads=3"),
			 1);
	f->huge_page_kib = 0;
	f->config->cpus = 200;
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-object",
			       "memory-backend-memfd,id=ram,size=2048M,share=on,prealloc=on,"
			       "prealloc-threads=16"),
			 1);
}

static void ports_keep_the_windows_that_are_asked_for(void **state)
{
	struct fixture *f = *state;

	f->config->ports[1].window_mib = 32768;
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-device", "pcie-root-port,id=rp1,chassis=1,slot=1"), 1);
	assert_int_equal(count(f, "-device",
			       "pcie-root-port,id=rp2,chassis=2,slot=2,pref64-reserve=32768M,"
			       "mem-reserve=64M"),
			 1);
	assert_non_null(find(f, "id=rp4,"));
	assert_null(find(f, "id=rp5,"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void shared_memory_is_a_device_only_where_it_is_there(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(build(f), 0);
	assert_null(find(f, "ivshmem"));
	assert_null(find(f, "virtserialport"));
	f->shared_mib = 64;
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-object",
			       "memory-backend-file,id=baton-shared,size=64M,share=on,"
			       "mem-path=/run/baton/work/shared-memory"),
			 1);
	assert_int_equal(count(f, "-device", "ivshmem-plain,memdev=baton-shared"), 1);
	f->config->lends = true;
	f->handed = true;
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-object",
			       "memory-backend-file,id=baton-shared,size=64M,share=on,prealloc=on,"
			       "mem-path=/proc/self/fd/7"),
			 1);
	/* A device that is memory has nothing to fill. */
	f->handed = false;
	snprintf(f->config->shared.node, sizeof(f->config->shared.node), "/dev/kvmfr0");
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-object",
			       "memory-backend-file,id=baton-shared,size=64M,share=on,"
			       "mem-path=/run/baton/work/shared-memory"),
			 1);
}

static void agent_has_a_port_where_there_is_work_for_it(void **state)
{
	struct fixture *f = *state;

	f->config->lends = true;
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-chardev",
			       "socket,id=baton-agent,server=on,wait=off,"
			       "path=/run/baton/work/agent.sock"),
			 1);
	assert_non_null(find(f, "chardev=baton-agent,id=baton-agent,name=org.baton.agent"));
	f->handed = true;
	assert_int_equal(build(f), 0);
	assert_int_equal(count(f, "-chardev",
			       "socket,id=baton-agent,fd=8,server=on,wait=off"),
			 1);
	f->config->os = VM_OS_WINDOWS;
	assert_int_equal(build(f), 0);
	assert_null(find(f, "virtserialport"));
	/* Guests that only ask for the memory have one too. */
	f->config->os = VM_OS_LINUX;
	f->config->lends = false;
	f->config->shared = (struct vm_shared_config){ .set = true, .mib = 64 };
	assert_int_equal(build(f), 0);
	assert_non_null(find(f, "virtserialport"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(every_guest_is_confined_and_controlled),
		TEST(devices_of_its_own_have_sockets),
		TEST(accelerator_is_what_the_probe_found),
		TEST(user_may_choose_the_accelerator),
		TEST(a_value_is_no_choice_of_the_accelerator),
		TEST(windows_has_its_clock_and_features),
		TEST(disks_have_a_bus_that_the_system_knows),
		TEST(kernel_is_booted_directly),
		TEST(network_is_the_one_asked_for),
		TEST(linux_starts_the_tablet_last),
		TEST(paths_with_commas_are_escaped),
		TEST(disks_boot_after_a_kernel),
		TEST(handed_descriptors_stand_for_paths),
		TEST(uefi_has_variables_of_its_own),
		TEST(extra_arguments_come_last),
		TEST(memory_is_filled_where_devices_are_lent),
		TEST(ports_keep_the_windows_that_are_asked_for),
		TEST(shared_memory_is_a_device_only_where_it_is_there),
		TEST(agent_has_a_port_where_there_is_work_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
