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

/* The sizes that x86 has: 1 GiB and 2 MiB. */
#define HUGE_PAGES_SIZES 2

/* How many of each size are free, and reserved for no mapping; the largest first. */
struct huge_pages_free {
	uint64_t n[HUGE_PAGES_SIZES];
};

/* The kernel's folder of them. */
#define HUGE_PAGES_FOLDER "/sys/kernel/mm/hugepages"

/* Counts them: reads sysfs, so not from the loop. Allocates nothing and takes no locks. */
void huge_pages_count(const char *folder, struct huge_pages_free *out);

/*
 * Promises memory_mib of the largest huge pages of which there are enough; no pages when there are
 * none of any size. Only what this process has promised is known. From the loop's thread, as is
 * huge_pages_forget().
 */
void huge_pages_promise(const struct huge_pages_free *counted, uint64_t memory_mib,
			struct huge_pages *promised);

/* QEMU has its memory, or has ended. Legal on what promises nothing. */
void huge_pages_forget(struct huge_pages *promised);

#endif
