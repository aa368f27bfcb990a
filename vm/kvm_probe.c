// SPDX-License-Identifier: MIT
/* Runs a few instructions on a throw-away vCPU; see kvm_probe.h. */
#include "vm/kvm_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "common/cleanup.h"

#define PAGE 4096
#define PROBE_PORT 0x10
#define PROBE_VALUE 0x2a

/*
 * Two programs, run one after the other. Real mode alone says too little: inside some virtual
 * machines KVM runs a BIOS and then gives up at the first newer instruction of a kernel, because
 * it only emulates.
 */
enum program { PROGRAM_REAL, PROGRAM_PROTECTED, PROGRAM_COUNT };

#define PROGRAM_STEP 64

static const uint8_t programs[PROGRAM_COUNT][PROGRAM_STEP] = {
	/* mov $0x15, %al; add %al, %al; out %al, $0x10; hlt */
	[PROGRAM_REAL] = { 0xb0, 0x15, 0x00, 0xc0, 0xe6, PROBE_PORT, 0xf4 },
	/* mov $0x7f, %eax; popcnt %eax, %eax; imul $6, %eax, %eax; out %al, $0x10; hlt */
	[PROGRAM_PROTECTED] = { 0xb8, 0x7f, 0x00, 0x00, 0x00, 0xf3, 0x0f, 0xb8, 0xc0,
				0x6b, 0xc0, 0x06, 0xe6, PROBE_PORT, 0xf4 },
};

static const char *const texts[KVM_PROBE_COUNT] = {
	[KVM_PROBE_USABLE] = "KVM is usable",
	[KVM_PROBE_ABSENT] = "/dev/kvm does not exist (switch on virtualisation in the firmware "
			     "and load kvm_intel or kvm_amd)",
	[KVM_PROBE_DENIED] = "there is no permission on /dev/kvm (add the user to the group kvm)",
	[KVM_PROBE_OLD] = "/dev/kvm does not speak KVM API 12",
	[KVM_PROBE_NO_VM] = "/dev/kvm opens but makes no virtual CPU (switch on nested "
			    "virtualisation in the machine around this one)",
	[KVM_PROBE_NO_RUN] = "/dev/kvm opens but its virtual CPU does not run what a kernel "
			     "needs (switch on nested virtualisation in the machine around it)",
	[KVM_PROBE_NO_ANSWER] = "/dev/kvm opens but its virtual CPU never comes back",
};

const char *kvm_probe_text(enum kvm_probe probe)
{
	return texts[probe];
}

static int open_kvm(enum kvm_probe *failure)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		*failure = errno == EACCES || errno == EPERM ? KVM_PROBE_DENIED : KVM_PROBE_ABSENT;
	} else if (ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		close(fd);
		fd = -1;
		*failure = KVM_PROBE_OLD;
	}
	return fd;
}

static int set_memory(int vm, void *page)
{
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = PAGE,
		.memory_size = PAGE,
		.userspace_addr = (uintptr_t)page,
	};

	memcpy(page, programs, sizeof(programs));
	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

/* Flat segments of 4 GiB, as a boot loader leaves them; no paging. */
static void set_protected(struct kvm_sregs *sregs)
{
	struct kvm_segment flat = {
		.limit = 0xffffffff,
		.selector = 0x10,
		.type = 3,
		.present = 1,
		.s = 1,
		.db = 1,
		.g = 1,
	};

	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = flat;
	flat.selector = 0x08;
	flat.type = 11;
	sregs->cs = flat;
	sregs->cr0 |= 1;
}

static int set_registers(int vcpu, enum program program)
{
	struct kvm_regs regs = { .rip = PAGE + (unsigned int)program * PROGRAM_STEP, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0) {
		return -1;
	}
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (program == PROGRAM_PROTECTED) {
		set_protected(&sregs);
	}
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0) {
		return -1;
	}
	return ioctl(vcpu, KVM_SET_REGS, &regs);
}

static enum kvm_probe run_program(int vcpu, const struct kvm_run *run, enum program program)
{
	const uint8_t *out;

	if (set_registers(vcpu, program) < 0) {
		return KVM_PROBE_NO_VM;
	}
	if (ioctl(vcpu, KVM_RUN, 0) < 0 || run->exit_reason != KVM_EXIT_IO ||
	    run->io.port != PROBE_PORT) {
		return KVM_PROBE_NO_RUN;
	}
	out = (const uint8_t *)run + run->io.data_offset;
	if (*out != PROBE_VALUE) {
		return KVM_PROBE_NO_RUN;
	}
	/* On to the halt: until then the kernel is not done with the output. */
	if (ioctl(vcpu, KVM_RUN, 0) < 0 || run->exit_reason != KVM_EXIT_HLT) {
		return KVM_PROBE_NO_RUN;
	}
	return KVM_PROBE_USABLE;
}

/* A CPU without popcnt is older than any hypervisor that the second program is there to find. */
static enum kvm_probe run_vcpu(int vcpu, const struct kvm_run *run)
{
	enum kvm_probe found = run_program(vcpu, run, PROGRAM_REAL);

	if (found == KVM_PROBE_USABLE && __builtin_cpu_supports("popcnt")) {
		found = run_program(vcpu, run, PROGRAM_PROTECTED);
	}
	return found;
}

static enum kvm_probe probe_vcpu(int kvm, int vm)
{
	_cleanup_close_ int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	enum kvm_probe found = KVM_PROBE_NO_VM;
	void *run;

	if (vcpu < 0 || size < (int)sizeof(struct kvm_run)) {
		return KVM_PROBE_NO_VM;
	}
	run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run != MAP_FAILED) {
		found = run_vcpu(vcpu, run);
		munmap(run, (size_t)size);
	}
	return found;
}

enum kvm_probe kvm_probe(void)
{
	enum kvm_probe found = KVM_PROBE_NO_VM;
	_cleanup_close_ int kvm = open_kvm(&found);
	_cleanup_close_ int vm = -1;
	void *page;

	if (kvm < 0) {
		return found;
	}
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED) {
		return KVM_PROBE_NO_VM;
	}
	if (vm >= 0 && set_memory(vm, page) == 0) {
		found = probe_vcpu(kvm, vm);
	}
	munmap(page, PAGE);
	return found;
}
