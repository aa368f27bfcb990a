/* SPDX-License-Identifier: MIT */
/*
 * The memory that guest and host share: an ivshmem device of QEMU on the PCI bus, or what the
 * module kvmfr makes of one.
 */
#ifndef AGENT_REGION_H
#define AGENT_REGION_H

#include <stddef.h>

struct region {
	void *memory;
	size_t size;
	int fd; /* keeps the lock */
};

/*
 * Maps it. path: a file to map as a whole, or NULL: /dev/kvmfr0 when it is there, else the first
 * ivshmem device below `devices` ("/sys/bus/pci/devices"). It is locked, since two agents in the
 * same memory would only disturb each other. 0, -ENODEV when there is none, -EBUSY when another one
 * has it, or -errno after a sentence about it.
 */
int region_open(const char *path, const char *devices, struct region *out);
/* Zeroed is legal. */
void region_close(struct region *region);

#endif
