// SPDX-License-Identifier: MIT
/*
 * Loaded into our guests' QEMU, because QEMU resets a graphics card that is plugged in a second
 * time. The kernel resets a function when its VFIO device is opened (vfio_pci_core_enable()), and
 * says in VFIO_DEVICE_GET_INFO whether that worked; QEMU asks for VFIO_DEVICE_RESET only if it did.
 * When the device is realized, a moment later, nobody has used it yet: QEMU has read its
 * configuration space and mapped it. A function level reset is 100 ms in which the guest's picture
 * and QEMU's monitor stand still.
 *
 * So the first VFIO_DEVICE_RESET of a device is answered without the kernel. All that follow, of a
 * guest's own start or reset, reach it, and so does the first when QEMU has reset the device in
 * another way before.
 */
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define DESCRIPTORS_MAX 4096
#define BITS 64

/* Devices that were opened and not reset since, a bit a descriptor; vCPUs' threads call too. */
static _Atomic unsigned long long opened[DESCRIPTORS_MAX / BITS];

static void set_opened(int fd)
{
	if (fd >= 0 && fd < DESCRIPTORS_MAX) {
		atomic_fetch_or(&opened[fd / BITS], 1ull << fd % BITS);
	}
}

static bool take_opened(int fd)
{
	unsigned long long bit;

	if (fd < 0 || fd >= DESCRIPTORS_MAX) {
		return false;
	}
	bit = 1ull << fd % BITS;
	return atomic_fetch_and(&opened[fd / BITS], ~bit) & bit;
}

static bool is_reset(unsigned long request)
{
	return request == VFIO_DEVICE_RESET || request == VFIO_DEVICE_PCI_HOT_RESET;
}

/* All of QEMU's calls come by here, those that run a vCPU too. */
EXPORT int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;
	int r;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (is_reset(request) && take_opened(fd) && request == VFIO_DEVICE_RESET) {
		return 0;
	}
	r = (int)syscall(SYS_ioctl, fd, request, argument);
	if (request == VFIO_GROUP_GET_DEVICE_FD) {
		set_opened(r);
	}
	return r;
}
