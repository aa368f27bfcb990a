// SPDX-License-Identifier: MIT
/* What guests are made of: files, folders of them, and what is found before a start. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/strv.h"
#include "proto/input.h"
#include "vm/launch.h"
#include "vm/vm_config.h"

struct fixture {
	char folder[32];
	struct ini_report *report;
	struct vm_config *config;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/baton-config-XXXXXX");
	if (!mkdtemp(f->folder)) {
		return -1;
	}
	f->report = ini_report_create();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	if (system(command) != 0) {
		return -1;
	}
	vm_config_destroy(f->config);
	ini_report_destroy(f->report);
	free(f);
	return 0;
}

static const char *write_file(struct fixture *f, const char *name, const char *text)
{
	static char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return path;
}

static int load(struct fixture *f, const char *text)
{
	vm_config_destroy(f->config);
	f->config = NULL;
	return vm_config_load(write_file(f, "guest.ini", text), f->report, &f->config);
}

static bool has_mistake(struct fixture *f, const char *part)
{
	for (size_t i = 0; i < ini_report_count(f->report); i++) {
		if (strstr(ini_report_line(f->report, i), part)) {
			return true;
		}
	}
	return false;
}

#define assert_mistake(f, part)                                                                    \
	do {                                                                                       \
		if (!has_mistake(f, part)) {                                                       \
			print_report(f);                                                           \
			fail_msg("no mistake says: %s", part);                                     \
		}                                                                                  \
	} while (0)

static void print_report(struct fixture *f)
{
	for (size_t i = 0; i < ini_report_count(f->report); i++) {
		print_error("%s\n", ini_report_line(f->report, i));
	}
}

static void reads_a_whole_guest(void **state)
{
	struct fixture *f = *state;
	char path[128];

	write_file(f, "a.img", "");
	write_file(f, "b.qcow2", "QFI\xfb");
	write_file(f, "c.iso", "");
	write_file(f, "k", "");
	write_file(f, "i", "");
	assert_int_equal(load(f, "[vm]\nname = Work-1\nslot = 3\nmemory = 4G\ncpus = 8\n"
				 "os = windows\nfirmware = bios\ndisk = a.img\ndisk = b.qcow2\n"
				 "cdrom = c.iso\nkernel = k\ninitrd = i\nappend = quiet a=b\n"
				 "net = tap:tap0\nqemu-args = -device 'virtio-serial-pci'\nqemu-args = -snapshot\n"
				 "autostart = no\n"),
			 0);
	assert_string_equal(f->config->name, "Work-1");
	assert_int_equal(f->config->slot, 3);
	assert_int_equal(f->config->memory_mib, 4096);
	assert_int_equal(f->config->cpus, 8);
	assert_int_equal(f->config->os, VM_OS_WINDOWS);
	assert_string_equal(f->config->append, "quiet a=b");
	assert_string_equal(f->config->net, "tap:tap0");
	assert_int_equal(strv_length(f->config->qemu_args), 3);
	assert_false(f->config->autostart);
	snprintf(path, sizeof(path), "%s/b.qcow2", f->folder);
	assert_string_equal(f->config->disks[1], path);
	snprintf(path, sizeof(path), "%s/k", f->folder);
	assert_string_equal(f->config->kernel, path);
}

static void has_defaults(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "[vm]\n[cards]\npinned = gpu\n"), 0);
	assert_string_equal(f->config->name, "guest");
	assert_int_equal(f->config->slot, 0);
	assert_int_equal(f->config->os, VM_OS_LINUX);
	assert_int_equal(f->config->firmware, VM_FIRMWARE_BIOS);
	assert_string_equal(f->config->net, "user");
	assert_true(f->config->autostart);
	assert_true(f->config->memory_mib > 0 && f->config->cpus > 0);
}

static void wrong_values_name_what_is_right(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "[vm]\nname = a/b\nslot = 10\nmemory = 1M\ncpus = 0\nos = dos\n"
				 "firmware = efi\nnet = bridge\nmemroy = 1G\n"),
			 -EINVAL);
	assert_null(f->config);
	assert_mistake(f, "guest.ini:2: name: \"a/b\" is not right; expected up to 63 letters");
	assert_mistake(f, "guest.ini:3: slot: \"10\" is not right; expected a whole number from 1 "
			  "to 9");
	assert_mistake(f, "guest.ini:4: memory: \"1M\" is not right; expected a size of at least");
	assert_mistake(f, "guest.ini:5: cpus: \"0\" is not right");
	assert_mistake(f, "guest.ini:6: os: \"dos\" is not right; expected linux, windows or other");
	assert_mistake(f, "guest.ini:7: firmware: \"efi\" is not right; expected bios or uefi");
	assert_mistake(f, "guest.ini:8: net: \"bridge\" is not right; expected user, none or tap:");
	assert_mistake(f, "guest.ini:9: memroy: there is no such key in [vm]; did you mean "
			  "\"memory\"?");
	assert_int_equal(ini_report_count(f->report), 8);
}

static void names_cannot_leave_their_folder(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {
		"..", ".", ".x", "-x", "a b", "a/b", "\xc3\xa4",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char text[128];

		snprintf(text, sizeof(text), "[vm]\nname = %s\n", names[i]);
		assert_int_equal(load(f, text), -EINVAL);
	}
	assert_int_equal(vm_config_load(write_file(f, "a b.ini", "[vm]\n"), f->report, &f->config),
			 -EINVAL);
	assert_mistake(f, "a b.ini: name: \"a b\" (from the file's name) is not right");
}

/* It is legal in a folder's name, but not in a unit's. */
static void a_plus_is_part_of_a_name(void **state)
{
	struct fixture *f = *state;
	char *unit = scope_unit_name("memtest86+", 42);

	assert_string_equal(unit, "baton-memtest86\\x2b-42.scope");
	free(unit);
	unit = scope_unit_name("Work-1_a.b", 7);
	assert_string_equal(unit, "baton-Work-1_a.b-7.scope");
	free(unit);
	assert_int_equal(vm_config_load(write_file(f, "memtest86+.ini", "[vm]\n"), f->report,
					&f->config),
			 0);
	assert_string_equal(f->config->name, "memtest86+");
	vm_config_destroy(f->config);
	f->config = NULL;
	assert_int_equal(load(f, "[vm]\nname = a+b\n"), 0);
	assert_string_equal(f->config->name, "a+b");
	assert_int_equal(load(f, "[vm]\nname = +a\n"), -EINVAL);
}

static void missing_files_are_found(void **state)
{
	struct fixture *f = *state;

	write_file(f, "folded.img", "QFI\xfb");
	assert_int_equal(load(f, "[vm]\ndisk = absent.img\ndisk = folded.img\ncdrom = .\n"
				 "initrd = absent\n"),
			 -EINVAL);
	assert_mistake(f, "guest.ini:2: disk: ");
	assert_mistake(f, "absent.img: No such file or directory; give the path");
	assert_mistake(f, "guest.ini:3: disk: ");
	assert_mistake(f, "is a qcow2 image; rename it to end in .qcow2");
	assert_mistake(f, "is a folder; give a file");
	assert_mistake(f, "guest.ini:5: initrd: is of use only with a kernel");
}

static void files_without_permission_are_found(void **state)
{
	struct fixture *f = *state;
	const char *path = write_file(f, "locked.img", "");

	chmod(path, 0400);
	if (access(path, W_OK) == 0) {
		assert_int_equal(geteuid(), 0); /* root may write everything */
		return;
	}
	assert_int_equal(load(f, "[vm]\ndisk = locked.img\n"), -EINVAL);
	assert_mistake(f, "cannot be written: Permission denied; change its permissions");
}

static void refused(struct fixture *f, const char *args, const char *why)
{
	char text[256];

	ini_report_destroy(f->report);
	f->report = ini_report_create();
	snprintf(text, sizeof(text), "[vm]\nname = g\nqemu-args = %s\n", args);
	assert_int_equal(load(f, text), -EINVAL);
	assert_mistake(f, why);
	assert_mistake(f, "guest.ini:3: qemu-args: ");
}

static void arguments_that_weaken_are_refused_by_name(void **state)
{
	struct fixture *f = *state;

	refused(f, "-display gtk", "-display would set a second display");
	refused(f, "--display none", "--display would set a second display");
	refused(f, "-vnc :1", "-vnc would set a second display");
	refused(f, "-spice port=1", "-spice would set a second display");
	refused(f, "-sdl", "-sdl would set a second display");
	refused(f, "-nographic", "-nographic would set a second display");
	refused(f, "-curses", "-curses would set a second display");
	refused(f, "-vga std", "-vga would set a second display");
	refused(f, "-sandbox off", "-sandbox would weaken or replace the sandbox");
	refused(f, "--sandbox off", "--sandbox would weaken or replace the sandbox");
	refused(f, "-readconfig f", "-readconfig would weaken");
	refused(f, "-runas nobody", "-runas would weaken");
	refused(f, "-chroot /x", "-chroot would weaken");
	refused(f, "-run-with user=x", "-run-with would weaken");
	refused(f, "-daemonize", "-daemonize would take QEMU out of Baton's control");
	refused(f, "-pidfile x", "-pidfile would take");
	refused(f, "-S -qmp unix:/run/x/g/qmp.sock,server", "takes the connection that Baton");
	refused(f, "-chardev socket,id=x,fd=3", "takes the connection that Baton");
	refused(f, "-mon chardev=baton-qmp", "takes the connection that Baton");
}

static void the_line_of_a_refused_argument_is_named(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "[vm]\nname = g\nqemu-args = -device 'virtio-serial-pci'\ncpus = 1\n"
				 "qemu-args =\nqemu-args = -snapshot -vnc :1\n"
				 "qemu-args = -chardev socket,id=x,fd=3\n"),
			 -EINVAL);
	assert_mistake(f, "guest.ini:6: qemu-args: -vnc would");
	assert_mistake(f, "guest.ini:7: qemu-args: socket,id=x,fd=3 takes");
	assert_int_equal(ini_report_count(f->report), 2);
}

static void arguments_that_are_of_use_pass(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "[vm]\nname = g\nqemu-args = -device virtio-serial-pci -chardev "
				 "socket,id=tc,path=/x/tc.sock,server=on,wait=off,logfile=/x/log "
				 "-device virtconsole,chardev=tc -serial file:/x/serial -cpu EPYC "
				 "-qmp unix:/x/mine.sock,server=on,wait=off -add-fd fd=30,set=1\n"),
			 0);
}

static void attached_guest_needs_nothing_else(void **state)
{
	struct fixture *f = *state;
	char path[128];

	assert_int_equal(load(f, "[vm]\nattach = qmp.sock\n"), 0);
	snprintf(path, sizeof(path), "%s/qmp.sock", f->folder);
	assert_string_equal(f->config->attach, path);
}

static void folder_gives_free_slots(void **state)
{
	struct fixture *f = *state;
	struct vm_config **configs = NULL;
	size_t n = 0;
	char path[128];

	write_file(f, "b.ini", "[vm]\nslot = 1\n");
	write_file(f, "a.ini", "[vm]\n");
	snprintf(path, sizeof(path), "%s",
		 write_file(f, "c.ini", "[vm]\nname = see\n"));
	write_file(f, "notes.txt", "no guest");
	write_file(f, ".hidden.ini", "broken");
	assert_int_equal(vm_config_load_dir(f->folder, f->report, &configs, &n), 0);
	assert_int_equal(n, 3);
	assert_string_equal(configs[0]->name, "a");
	assert_int_equal(configs[0]->slot, 2);
	assert_int_equal(configs[1]->slot, 1);
	assert_string_equal(configs[2]->name, "see");
	assert_string_equal(configs[2]->file, path);
	assert_int_equal(configs[2]->slot, 3);
	for (size_t i = 0; i < n; i++) {
		vm_config_destroy(configs[i]);
	}
	free(configs);
}

static void folder_finds_conflicts_and_keeps_the_rest(void **state)
{
	struct fixture *f = *state;
	struct vm_config **configs = NULL;
	size_t n = 0;

	write_file(f, "a.ini", "[vm]\nslot = 1\n");
	write_file(f, "b.ini", "[vm]\n\nslot = 1\n");
	write_file(f, "c.ini", "[vm]\nname = a\n");
	write_file(f, "d.ini", "[vm]\nslot = x\n");
	write_file(f, "e.ini", "[vm]\n");
	assert_int_equal(vm_config_load_dir(f->folder, f->report, &configs, &n), -EINVAL);
	assert_mistake(f, "b.ini:3: slot: slot 1 belongs to a already");
	assert_mistake(f, "c.ini:2: name: another guest has the name a already");
	assert_mistake(f, "d.ini:2: slot: ");
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++) {
		vm_config_destroy(configs[i]);
	}
	free(configs);
}

static void more_guests_than_slots(void **state)
{
	struct fixture *f = *state;
	struct vm_config **configs = NULL;
	size_t n = 0;

	for (int i = 0; i < VM_SLOT_MAX + 2; i++) {
		char name[16];

		snprintf(name, sizeof(name), "g%02d.ini", i);
		write_file(f, name, "[vm]\n");
	}
	assert_int_equal(vm_config_load_dir(f->folder, f->report, &configs, &n), 0);
	assert_int_equal(n, VM_SLOT_MAX + 2);
	assert_int_equal(configs[VM_SLOT_MAX - 1]->slot, VM_SLOT_MAX);
	assert_int_equal(configs[VM_SLOT_MAX]->slot, 0);
	for (size_t i = 0; i < n; i++) {
		vm_config_destroy(configs[i]);
	}
	free(configs);
}

static void single_files_become_guests(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vm_config_from_file(write_file(f, "My CD (1).ISO", ""), f->report,
					     &f->config),
			 0);
	assert_string_equal(f->config->name, "My-CD--1-");
	assert_int_equal(strv_length(f->config->cdroms), 1);
	assert_null(f->config->disks);
	assert_int_equal(f->config->os, VM_OS_OTHER);
	vm_config_destroy(f->config);
	f->config = NULL;
	assert_int_equal(vm_config_from_file(write_file(f, "disk.qcow2", ""), f->report,
					     &f->config),
			 0);
	assert_int_equal(strv_length(f->config->disks), 1);
	vm_config_destroy(f->config);
	f->config = NULL;
	assert_int_equal(vm_config_from_file("/nonexistent.iso", f->report, &f->config), -EINVAL);
	assert_mistake(f, "nonexistent: cdrom: /nonexistent.iso: No such file");
}

static void too_many_sata_disks(void **state)
{
	struct fixture *f = *state;

	write_file(f, "d", "");
	assert_int_equal(load(f, "[vm]\nos = other\ndisk=d\ndisk=d\ndisk=d\ndisk=d\ndisk=d\ndisk=d\n"
				 "cdrom=d\n"),
			 -EINVAL);
	assert_mistake(f, "7 SATA disks and CDs are too many; 6 is the most");
	assert_int_equal(load(f, "[vm]\nos = linux\ndisk=d\ndisk=d\ndisk=d\ndisk=d\ndisk=d\ndisk=d\n"
				 "cdrom=d\n"),
			 0);
}

static void absent_programs_are_found(void **state)
{
	struct fixture *f = *state;
	char *path = strdup(getenv("PATH"));

	setenv("PATH", "/nonexistent", 1);
	assert_int_equal(load(f, "[vm]\n"), -EINVAL);
	setenv("PATH", path, 1);
	free(path);
	assert_mistake(f, "there is no qemu-system-x86_64; install qemu-system-x86");
	setenv("QEMU_MODULE_DIR", f->folder, 1);
	assert_int_equal(load(f, "[vm]\n"), -EINVAL);
	unsetenv("QEMU_MODULE_DIR");
	assert_mistake(f, "ui-dbus.so); install qemu-system-modules-opengl");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static uint64_t shared_mib(struct fixture *f, const char *text, bool lends)
{
	assert_int_equal(load(f, text), 0);
	f->config->lends = lends;
	return vm_config_shared_mib(f->config);
}

static void memory_is_shared_with_those_that_may_have_a_card(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(shared_mib(f, "[vm]\n", false), 0);
	assert_int_equal(shared_mib(f, "[vm]\n", true), 128);
	assert_int_equal(shared_mib(f, "[capture]\nshared-memory = off\n", true), 0);
	assert_int_equal(shared_mib(f, "[capture]\nshared-memory = 64M\n", false), 64);
	assert_int_equal(shared_mib(f, "[capture]\nshared-memory = 1G\n", true), 1024);
	assert_int_equal(ini_report_count(f->report), 0);
}

static void shared_memory_may_be_a_device(void **state)
{
	struct fixture *f = *state;

	/* Its size is its own. */
	assert_int_equal(shared_mib(f, "[capture]\nshared-memory = /dev/kvmfr0\n", true), 0);
	assert_string_equal(f->config->shared.node, "/dev/kvmfr0");
	assert_true(vm_config_shares(f->config));
	assert_int_equal(ini_report_count(f->report), 0);
	assert_int_equal(shared_mib(f, "[capture]\nshared-memory = off\n", true), 0);
	assert_false(vm_config_shares(f->config));
	assert_true(vm_shared_is_node("/dev/kvmfr12"));
	assert_false(vm_shared_is_node("/dev/kvmfr"));
	assert_false(vm_shared_is_node("/dev/kvmfr123"));
	assert_false(vm_shared_is_node("/dev/kvmfr0/../sda"));
	assert_false(vm_shared_is_node("/dev/zero"));
}

static uint32_t input_kinds(struct fixture *f, const char *text, uint32_t host)
{
	assert_int_equal(load(f, text), 0);
	return vm_config_input_kinds(f->config, host);
}

static void devices_for_input_follow_from_system_and_host(void **state)
{
	struct fixture *f = *state;
	const uint32_t usual = 1u << INPUT_KIND_KEYBOARD | 1u << INPUT_KIND_POINTER |
			       1u << INPUT_KIND_TABLET | 1u << INPUT_KIND_TOUCH;
	const uint32_t pen = 1u << INPUT_KIND_PEN, pad = 1u << INPUT_KIND_GAMEPAD;

	assert_int_equal(input_kinds(f, "[vm]\n", 0), usual);
	assert_int_equal(input_kinds(f, "[vm]\n", pen), usual | pen);
	assert_int_equal(input_kinds(f, "[vm]\nos = windows\n", pen), 0);
	assert_int_equal(input_kinds(f, "[vm]\nos = windows\n[input]\npointer = yes\n", 0),
			 1u << INPUT_KIND_POINTER | 1u << INPUT_KIND_TABLET);
	assert_int_equal(input_kinds(f, "[input]\ngamepad = yes\npen = no\ntouch = auto\n"
					"pointer = no\n", pen),
			 1u << INPUT_KIND_KEYBOARD | pad);
	assert_int_equal(ini_report_count(f->report), 0);
	assert_int_equal(load(f, "[input]\npen = maybe\n"), -EINVAL);
}

static void shared_memory_follows_from_the_largest_mode(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(shared_mib(f, "[capture]\nlargest-mode = 1024x768\n", true), 16);
	assert_int_equal(shared_mib(f, "[capture]\nlargest-mode = 1920x1080\n", true), 32);
	assert_int_equal(shared_mib(f, "[capture]\nlargest-mode = 2560x1440\n", true), 64);
	assert_int_equal(shared_mib(f, "[capture]\nlargest-mode = 7680x4320\n", true), 512);
	/* It says how large, not that there is any. */
	assert_int_equal(shared_mib(f, "[capture]\nlargest-mode = 1920x1080\n", false), 0);
}

static void mistakes_in_capture_name_what_would_be_right(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "[capture]\nshared-memory = 48M\nlargest-mode = 4k\n"), -EINVAL);
	assert_mistake(f, "guest.ini:2: shared-memory: \"48M\"");
	assert_mistake(f, "off, a power of two from 16M to 1024M, or a device such as /dev/kvmfr0");
	assert_mistake(f, "guest.ini:3: largest-mode: \"4k\"");
	assert_int_equal(load(f, "[capture]\nshared-memory = 8M\n"), -EINVAL);
	assert_int_equal(load(f, "[capture]\nshared-memory = 2G\n"), -EINVAL);
	assert_int_equal(load(f, "[capture]\nlargest-mode = 16384x16384\n"), -EINVAL);
	assert_int_equal(load(f, "[capture]\nlargest-mode = 1920x1080p\n"), -EINVAL);
	assert_int_equal(load(f, "[vm]\nattach = /x\n[capture]\nshared-memory = 64M\n"), -EINVAL);
	assert_mistake(f, "guest.ini:4: shared-memory: a QEMU that runs already gets no other");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(reads_a_whole_guest),
		TEST(has_defaults),
		TEST(wrong_values_name_what_is_right),
		TEST(names_cannot_leave_their_folder),
		TEST(a_plus_is_part_of_a_name),
		TEST(missing_files_are_found),
		TEST(files_without_permission_are_found),
		TEST(arguments_that_weaken_are_refused_by_name),
		TEST(the_line_of_a_refused_argument_is_named),
		TEST(arguments_that_are_of_use_pass),
		TEST(attached_guest_needs_nothing_else),
		TEST(folder_gives_free_slots),
		TEST(folder_finds_conflicts_and_keeps_the_rest),
		TEST(more_guests_than_slots),
		TEST(single_files_become_guests),
		TEST(too_many_sata_disks),
		TEST(absent_programs_are_found),
		TEST(memory_is_shared_with_those_that_may_have_a_card),
		TEST(shared_memory_may_be_a_device),
		TEST(devices_for_input_follow_from_system_and_host),
		TEST(shared_memory_follows_from_the_largest_mode),
		TEST(mistakes_in_capture_name_what_would_be_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
