// SPDX-License-Identifier: MIT
/* What the broker and its workers may ask of the kernel: this list; all else is -EPERM. */
#include "passthrough/broker/broker.h"

#include <errno.h>
#include <seccomp.h>

static const char *const calls[] = {
	/* files */
	"openat",
	"read",
	"pread64",
	"write",
	"close",
	"fstat",
	"newfstatat",
	"statx",
	"lseek",
	"getdents64",
	"readlink",
	"readlinkat",
	"fsync",
	"rename",
	"unlink",
	"chmod",
	"fchmodat",
	"chown",
	"fchownat",
	"lchown",
	"ioctl",
	"fcntl",
	"open",
	"stat",
	"lstat",
	/* the seat */
	"accept4",
	"recvmsg",
	"recvfrom",
	"sendto",
	"sendmsg",
	"getsockopt",
	"poll",
	"ppoll",
	/* workers, and the processes that they look at */
	"pipe2",
	"clone",
	"fork",
	"clone3",
	"wait4",
	"waitid",
	"pidfd_open",
	"prlimit64",
	"prctl",
	"getpid",
	"getppid",
	"gettid",
	"set_robust_list",
	"rseq",
	"sysinfo",
	"delete_module",
	/* libc's own */
	"exit",
	"exit_group",
	"brk",
	"mmap",
	"munmap",
	"mremap",
	"mprotect",
	"madvise",
	"futex",
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"restart_syscall",
	"clock_gettime",
	"clock_nanosleep",
	"getrandom",
	"tgkill",
	"kill",
};

int sandbox_enter(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && r == 0; i++) {
		int call = seccomp_syscall_resolve_name(calls[i]);

		/* Not every machine has the old ones. */
		r = call < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
	}
	r = r < 0 ? r : seccomp_load(filter);
	seccomp_release(filter);
	return r;
}
