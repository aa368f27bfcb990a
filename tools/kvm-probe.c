// SPDX-License-Identifier: MIT
/*
 * Says whether KVM can run a guest on this machine: exit status 0 when it can, else 1 with the
 * reason. For the shell commands; baton itself asks the same function.
 */
#include <stdio.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vm/kvm_probe.h"

enum { WATCHDOG_SECONDS = 2 };

/* In a child, since a broken KVM may never come back; SIGALRM ends that child. */
static enum kvm_probe probe_guarded(void)
{
	pid_t child = fork();
	int status;

	if (child < 0) {
		return KVM_PROBE_NO_VM;
	}
	if (child == 0) {
		alarm(WATCHDOG_SECONDS);
		_exit((int)kvm_probe());
	}
	if (waitpid(child, &status, 0) < 0 || !WIFEXITED(status) ||
	    WEXITSTATUS(status) >= KVM_PROBE_COUNT) {
		return KVM_PROBE_NO_ANSWER;
	}
	return (enum kvm_probe)WEXITSTATUS(status);
}

int main(void)
{
	enum kvm_probe found = probe_guarded();

	puts(kvm_probe_text(found));
	return found == KVM_PROBE_USABLE ? 0 : 1;
}
