/* SPDX-License-Identifier: MIT */
/*
 * What may never come back is done in a child: /dev/kvm where KVM is broken, sysfs of a card whose
 * driver hangs, QEMU. A child that misses its deadline is killed and left behind; the kernel may
 * keep it for as long as it likes.
 */
#ifndef PASSTHROUGH_DOCTOR_CHILD_H
#define PASSTHROUGH_DOCTOR_CHILD_H

#include <stddef.h>

/* Fills out, of the size that child_call() was given; its content from before is there. */
typedef void (*child_fn)(const void *data, void *out);

/* Calls fn in a child and copies back what it left in out. 0, -ETIME, or -errno; then out is as it
 * was. */
int child_call(child_fn fn, const void *data, void *out, size_t size, unsigned int milliseconds);

/* Runs a program of PATH without input and copies its standard output, terminated and cut. Its exit
 * status, 127 where there is no such program, -ETIME, or -errno. */
int child_program(char *const argv[], char *out, size_t size, unsigned int milliseconds);

#endif
