// SPDX-License-Identifier: MIT
/* What the broker and its workers may ask of the kernel: this list. All else is -EPERM. */
#include "passthrough/broker/broker.h"

#include <seccomp.h>

static char calls[] =
	/* files */
	"open openat read pread64 write close stat lstat fstat newfstatat statx access faccessat "
	"faccessat2 lseek getdents64 readlink readlinkat fsync flock chmod fchmodat chown lchown fchownat "
	"rename renameat renameat2 unlink unlinkat ioctl fcntl "
	/* the seat */
	"accept4 recvmsg recvfrom sendto sendmsg getsockopt poll ppoll "
	/* workers, and the processes that they look at */
	"pipe2 clone clone3 fork waitid wait4 pidfd_open prlimit64 prctl getpid getppid gettid "
	"set_robust_list rseq delete_module "
	/* libc's own */
	"exit exit_group brk mmap munmap mremap mprotect madvise futex rt_sigaction rt_sigprocmask "
	"rt_sigreturn sigaltstack restart_syscall clock_gettime clock_nanosleep getrandom tgkill kill";

int sandbox_enter(char *text)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	char *rest = calls, *name;
	int r = filter ? 0 : -ENOMEM;

	while (r == 0 && (name = strsep(&rest, " "))) {
		int call = seccomp_syscall_resolve_name(name);

		/* Not every machine has the old ones. */
		r = call < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
	}
	r = r < 0 ? r : seccomp_load(filter);
	seccomp_release(filter);
	return r < 0 ? fail(text, r, "the sandbox cannot be set up: %s", strerror(-r)) : 0;
}
