/* SPDX-License-Identifier: MIT */
/*
 * Huge pages for guests whose memory is lent to devices: fewer pages to pin, so that a device comes
 * sooner. What is free now may be promised already to a guest whose QEMU is still starting.
 */
#ifndef VM_HUGE_PAGES_H
#define VM_HUGE_PAGES_H

#include <stdint.h>

struct huge_pages {
	uint64_t page_kib, n; /* promised: n pages of that size; 0: none */
};

/* The kernel's folder of them. */
#define HUGE_PAGES_FOLDER "/sys/kernel/mm/hugepages"

/*
 * Promises memory_mib of the largest huge pages of which there are enough; no pages when there are
 * none of any size. Only what this process has promised is known.
 */
void huge_pages_promise(const char *folder, uint64_t memory_mib, struct huge_pages *promised);

/* QEMU has its memory, or has ended. Legal on what promises nothing. */
void huge_pages_forget(struct huge_pages *promised);

#endif
