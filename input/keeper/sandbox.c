// SPDX-License-Identifier: MIT
/* What baton-input may ask of the kernel once it has its descriptors: this list. All else is
 * -EPERM. It has a guest's memory before it, and the seat's user around it. */
#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>

#include "input/keeper/keeper.h"

static const char *const calls[] = {
	"read", "write", "recvmsg", "recvfrom", "sendmsg", "sendto", "poll", "ppoll", "accept4",
	"close", "fcntl", "fstat", "newfstatat", "mmap", "munmap", "brk", "futex", "exit",
	"exit_group", "rt_sigreturn", "restart_syscall", "clock_gettime",
};

int keeper_confine(void)
{
	scmp_filter_ctx filter;
	int r;

	/* Guests' QEMUs of the same user do not look into it either. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0) {
		return -errno;
	}
	filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	r = filter ? 0 : -ENOMEM;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && r == 0; i++) {
		int call = seccomp_syscall_resolve_name(calls[i]);

		/* Not every machine has the old ones. */
		r = call < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
	}
	r = r < 0 ? r : seccomp_load(filter);
	seccomp_release(filter);
	return r;
}
