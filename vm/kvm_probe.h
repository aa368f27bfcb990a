/* SPDX-License-Identifier: MIT */
/*
 * Whether KVM can really run a guest. That /dev/kvm opens says little: inside other machines it
 * may open while no instruction ever runs, and QEMU then ends at once with status 0.
 */
#ifndef VM_KVM_PROBE_H
#define VM_KVM_PROBE_H

enum kvm_probe {
	KVM_PROBE_USABLE,
	KVM_PROBE_ABSENT,    /* no /dev/kvm */
	KVM_PROBE_DENIED,    /* no permission on it */
	KVM_PROBE_OLD,	     /* not the API that QEMU speaks */
	KVM_PROBE_NO_VM,     /* no VM, memory or vCPU could be made */
	KVM_PROBE_NO_RUN,    /* the vCPU did not run our few instructions */
	KVM_PROBE_NO_ANSWER, /* the kernel did not come back from it in time */
	KVM_PROBE_COUNT
};

/*
 * Makes a throw-away VM of one page and one vCPU and runs a few instructions on it. Takes some
 * milliseconds, or for ever where KVM is broken: a caller that must not wait runs it in a child.
 * Calls only what is safe between fork() and exec().
 */
enum kvm_probe kvm_probe(void);

/* The finding as a part of a sentence: "/dev/kvm does not exist (…)". */
const char *kvm_probe_text(enum kvm_probe probe);

#endif
