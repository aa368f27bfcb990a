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

/* mov $0x15, %al; add %al, %al; out %al, $0x10; hlt */
static const uint8_t program[] = { 0xb0, 0x15, 0x00, 0xc0, 0xe6, PROBE_PORT, 0xf4 };

static const char *const texts[KVM_PROBE_COUNT] = {
	[KVM_PROBE_USABLE] = "KVM is usable",
	[KVM_PROBE_ABSENT] = "/dev/kvm does not exist (switch on virtualisation in the firmware "
			     "and load kvm_intel or kvm_amd)",
	[KVM_PROBE_DENIED] = "there is no permission on /dev/kvm (add the user to the group kvm)",
	[KVM_PROBE_OLD] = "/dev/kvm does not speak KVM API 12",
	[KVM_PROBE_NO_VM] = "/dev/kvm opens but makes no virtual CPU (switch on nested "
			    "virtualisation in the machine around this one)",
	[KVM_PROBE_NO_RUN] = "/dev/kvm opens but its virtual CPU runs no instruction (switch on "
			     "nested virtualisation in the machine around this one)",
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

	memcpy(page, program, sizeof(program));
	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

/* Real mode, at the page's start. */
static int set_registers(int vcpu)
{
	struct kvm_regs regs = { .rip = PAGE, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0) {
		return -1;
	}
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0) {
		return -1;
	}
	return ioctl(vcpu, KVM_SET_REGS, &regs);
}

static enum kvm_probe run_vcpu(int vcpu, const struct kvm_run *run)
{
	const uint8_t *out;

	if (ioctl(vcpu, KVM_RUN, 0) < 0 || run->exit_reason != KVM_EXIT_IO ||
	    run->io.port != PROBE_PORT) {
		return KVM_PROBE_NO_RUN;
	}
	out = (const uint8_t *)run + run->io.data_offset;
	return *out == PROBE_VALUE ? KVM_PROBE_USABLE : KVM_PROBE_NO_RUN;
}

static enum kvm_probe probe_vcpu(int kvm, int vm)
{
	_cleanup_close_ int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	enum kvm_probe found = KVM_PROBE_NO_VM;
	void *run;

	if (vcpu < 0 || size < (int)sizeof(struct kvm_run) || set_registers(vcpu) < 0) {
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
