// SPDX-License-Identifier: MIT
/* vm/preload/first_reset.c: of a VFIO device's resets the first does not reach the kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>

#define GROUP 7

static struct {
	int device; /* what the group's next device becomes */
	unsigned long last;
	unsigned int calls;
	void *argument;
} kernel;

long __wrap_syscall(long number, int fd, unsigned long request, void *argument);
long __wrap_syscall(long number, int fd, unsigned long request, void *argument)
{
	kernel.calls++;
	kernel.last = request;
	kernel.argument = argument;
	return request == VFIO_GROUP_GET_DEVICE_FD ? kernel.device : 0;
}

static void open_device(int fd)
{
	kernel.device = fd;
	assert_int_equal(ioctl(GROUP, VFIO_GROUP_GET_DEVICE_FD, "0000:01:00.0"), fd);
	assert_string_equal(kernel.argument, "0000:01:00.0");
}

/* Whether the kernel hears of a reset of this device. */
static bool resets(int fd)
{
	unsigned int before = kernel.calls;

	assert_int_equal(ioctl(fd, VFIO_DEVICE_RESET), 0);
	return kernel.calls > before;
}

static void test_the_first_only(void **state)
{
	open_device(11);
	assert_false(resets(11));
	assert_true(resets(11));
	assert_true(resets(11));
}

static void test_each_device_and_each_opening(void **state)
{
	open_device(64);
	open_device(127);
	assert_true(resets(63));
	assert_false(resets(127));
	assert_false(resets(64));
	open_device(64);
	assert_false(resets(64));
	assert_true(resets(64));
}

static void test_all_else_passes(void **state)
{
	uint32_t info[8];

	open_device(12);
	assert_int_equal(ioctl(12, VFIO_DEVICE_GET_INFO, info), 0);
	assert_int_equal(kernel.last, VFIO_DEVICE_GET_INFO);
	assert_ptr_equal(kernel.argument, info);
	assert_false(resets(12));
}

static void test_another_way_of_reset(void **state)
{
	open_device(14);
	assert_int_equal(ioctl(14, VFIO_DEVICE_PCI_HOT_RESET, NULL), 0);
	assert_true(resets(14));
}

/* No device, and descriptors beyond what is counted. */
static void test_odd_descriptors(void **state)
{
	open_device(-1);
	assert_true(resets(-1));
	open_device(4096);
	assert_true(resets(4096));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_only),
		cmocka_unit_test(test_each_device_and_each_opening),
		cmocka_unit_test(test_all_else_passes),
		cmocka_unit_test(test_another_way_of_reset),
		cmocka_unit_test(test_odd_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
