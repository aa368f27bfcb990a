// SPDX-License-Identifier: MIT
/*
 * A real QEMU that is handed all of its files, as one with a user of its own is: this test plays
 * the starter and the unit's program. Where root runs it, QEMU is nobody's, who may not enter the
 * folder in which those files lie.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/strv.h"
#include "passthrough/guest/guest.h"
#include "tests/qemu/guest.h"
#include "vm/command_line.h"
#include "vm/launch.h"

#define NOBODY 65534
#define HIGH_FD 64

static struct guest guest;

/* ---- the unit's program ---- */

static void receive(int fd, char *packet, size_t *size)
{
	int fds[GUEST_DESCRIPTORS];
	char control[CMSG_SPACE(sizeof(fds))];
	struct iovec part = { packet, GUEST_PACKET_MAX };
	struct msghdr header = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &header, 0);

	if (n <= 0 || CMSG_FIRSTHDR(&header)->cmsg_len != CMSG_LEN(sizeof(fds))) {
		_exit(98);
	}
	*size = (size_t)n;
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(fds));
	for (int i = 0; i < GUEST_DESCRIPTORS; i++) {
		fcntl(fds[i], F_DUPFD, HIGH_FD + i);
	}
	for (int i = GUEST_QMP; i < GUEST_DESCRIPTORS; i++) {
		dup2(HIGH_FD + i, GUEST_FIRST_FD + i);
	}
	dup2(HIGH_FD + GUEST_LOG, STDOUT_FILENO);
	dup2(HIGH_FD + GUEST_LOG, STDERR_FILENO);
	close_range(GUEST_FIRST_FD + GUEST_DESCRIPTORS, ~0u, 0);
}

static _Noreturn void be_unit(int fd)
{
	static struct guest_order order;
	static char packet[GUEST_PACKET_MAX];
	size_t size;

	receive(fd, packet, &size);
	if (getuid() == 0 && (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)) {
		_exit(97);
	}
	if (guest_order_parse(packet, size, &order) < 0 || guest_order_check(&order, "nobody")) {
		_exit(96);
	}
	for (size_t i = 0; i < order.n_variables; i++) {
		putenv(order.variables[i]);
	}
	execvp(order.argv[0], order.argv);
	_exit(95);
}

int __wrap_launch_knock(const char *socket, uid_t uid, pid_t *pid);
int __wrap_launch_knock(const char *socket, uid_t uid, pid_t *pid)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	*pid = fork();
	if (*pid == 0) {
		be_unit(ends[1]);
	}
	close(ends[1]);
	return ends[0];
}

/* ---- the starter ---- */

static int account(void *data, const char *name, struct vm_account *out)
{
	snprintf(out->user, sizeof(out->user), "nobody");
	out->uid = NOBODY;
	return 1;
}

static int handle_started(sd_event_source *source, void *data)
{
	vm_started(data, 0, NULL);
	sd_event_source_disable_unref(source);
	return 0;
}

static int start(void *data, struct vm *vm)
{
	sd_event_source *source;

	return sd_event_add_defer(guest.event, &source, handle_started, vm);
}

static void cancel(void *data, struct vm *vm)
{
}

static int kill_guest(void *data, struct vm *vm)
{
	return kill(vm_pid(vm), SIGKILL) < 0 ? -errno : 0;
}

static const struct vm_starter_ops ops = { account, start, cancel, kill_guest };

/* ---- tests ---- */

static void start_guest(enum vm_firmware firmware, bool lends)
{
	struct vm_config *config = vm_config_create("handed");

	config->memory_mib = 128;
	config->cpus = 1;
	config->firmware = firmware;
	config->lends = lends;
	assert_int_equal(strv_append_words(&config->qemu_args, "-accel tcg"), 0);
	guest_start_by(&guest, config, &ops, NULL);
}

static void test_runs_and_ends(void **state)
{
	start_guest(VM_FIRMWARE_BIOS, false);
	guest_stop(&guest);
}

/* The variables are written in a file that QEMU could not open. */
static void test_uefi(void **state)
{
	char path[128];
	struct stat st;

	if (!ovmf_find()) {
		skip();
	}
	start_guest(VM_FIRMWARE_UEFI, false);
	snprintf(path, sizeof(path), "%s/handed/" STATE_FILE_UEFI, guest.folder);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, getuid());
	assert_int_equal(st.st_mode & 077, 0);
	guest_stop(&guest);
}

/* The memory for pictures of a card of its own, and the port of the program that writes them. */
static void test_shared_memory(void **state)
{
	uint64_t size = 0;
	int fd;

	start_guest(VM_FIRMWARE_BIOS, true);
	fd = vm_open_shared(guest.vm, &size);
	assert_true(fd >= 0);
	assert_true(size > 0);
	close(fd);
	guest_stop(&guest);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs_and_ends),
		cmocka_unit_test(test_uefi),
		cmocka_unit_test(test_shared_memory),
	};

	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
