// SPDX-License-Identifier: MIT
/* Huge pages for guests; see huge_pages.h. */
#include "vm/huge_pages.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/cleanup.h"

/* The largest first; two guests may want the same ones. */
static struct {
	const uint64_t page_kib;
	uint64_t promised; /* pages */
} sizes[HUGE_PAGES_SIZES] = { { 1024 * 1024, 0 }, { 2048, 0 } };

/* A number of pages, or 0 where there is no such file. */
static uint64_t read_count(const char *folder, uint64_t page_kib, const char *name)
{
	char path[256], text[32] = "";
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/hugepages-%" PRIu64 "kB/%s", folder, page_kib, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 ? strtoull(text, NULL, 10) : 0;
}

void huge_pages_count(const char *folder, struct huge_pages_free *out)
{
	for (size_t i = 0; i < HUGE_PAGES_SIZES; i++) {
		uint64_t page_kib = sizes[i].page_kib;
		uint64_t free_pages = read_count(folder, page_kib, "free_hugepages");
		uint64_t reserved = read_count(folder, page_kib, "resv_hugepages");

		out->n[i] = free_pages > reserved ? free_pages - reserved : 0;
	}
}

void huge_pages_promise(const struct huge_pages_free *counted, uint64_t memory_mib,
			struct huge_pages *promised)
{
	*promised = (struct huge_pages){ 0 };
	for (size_t i = 0; i < HUGE_PAGES_SIZES; i++) {
		uint64_t n = memory_mib * 1024 / sizes[i].page_kib;

		/* QEMU takes whole pages only. */
		if (n > 0 && n * sizes[i].page_kib == memory_mib * 1024 &&
		    counted->n[i] >= sizes[i].promised + n) {
			sizes[i].promised += n;
			*promised = (struct huge_pages){ sizes[i].page_kib, n };
			return;
		}
	}
}

void huge_pages_forget(struct huge_pages *promised)
{
	for (size_t i = 0; i < HUGE_PAGES_SIZES; i++) {
		if (sizes[i].page_kib == promised->page_kib) {
			sizes[i].promised -= promised->n;
		}
	}
	*promised = (struct huge_pages){ 0 };
}
