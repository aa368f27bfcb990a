// SPDX-License-Identifier: MIT
/* Which huge pages are promised to a guest. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vm/huge_pages.h"

#define GIB_KIB (1024 * 1024)

static char folder[32];

static int setup(void **state)
{
	strcpy(folder, "/tmp/baton-huge-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void write_count(unsigned int page_kib, const char *name, unsigned int count)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/hugepages-%ukB", folder, page_kib);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/hugepages-%ukB/%s", folder, page_kib, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "%u\n", count);
	fclose(file);
}

static void set_pages(unsigned int page_kib, unsigned int free_pages, unsigned int reserved)
{
	write_count(page_kib, "free_hugepages", free_pages);
	write_count(page_kib, "resv_hugepages", reserved);
}

static void promise(uint64_t memory_mib, struct huge_pages *promised)
{
	struct huge_pages_free counted;

	huge_pages_count(folder, &counted);
	huge_pages_promise(&counted, memory_mib, promised);
}

static void a_kernel_without_any_promises_none(void **state)
{
	struct huge_pages pages = { 1, 1 };

	promise(2048, &pages);
	assert_int_equal(pages.page_kib, 0);
	huge_pages_forget(&pages);
}

static void the_largest_of_which_there_are_enough(void **state)
{
	struct huge_pages pages;

	set_pages(GIB_KIB, 2, 0);
	set_pages(2048, 4096, 0);
	promise(2048, &pages);
	assert_int_equal(pages.page_kib, GIB_KIB);
	assert_int_equal(pages.n, 2);
	huge_pages_forget(&pages);
	/* Not a whole number of large ones; too many of them. */
	promise(1536, &pages);
	assert_int_equal(pages.page_kib, 2048);
	huge_pages_forget(&pages);
	promise(4096, &pages);
	assert_int_equal(pages.page_kib, 2048);
	huge_pages_forget(&pages);
	promise(16384, &pages);
	assert_int_equal(pages.page_kib, 0);
}

static void reserved_ones_are_not_free(void **state)
{
	struct huge_pages pages;

	set_pages(2048, 1024, 1);
	promise(2048, &pages);
	assert_int_equal(pages.page_kib, 0);
	promise(2046, &pages);
	assert_int_equal(pages.page_kib, 2048);
	huge_pages_forget(&pages);
}

/* Two guests start at the same time: the second does not count on the first one's pages. */
static void promised_ones_are_not_free(void **state)
{
	struct huge_pages first, second;

	set_pages(2048, 1024, 0);
	promise(2048, &first);
	assert_int_equal(first.n, 1024);
	promise(2048, &second);
	assert_int_equal(second.n, 0);
	huge_pages_forget(&second);
	huge_pages_forget(&first);
	assert_int_equal(first.n, 0);
	huge_pages_forget(&first);
	promise(2048, &second);
	assert_int_equal(second.n, 1024);
	huge_pages_forget(&second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_kernel_without_any_promises_none),
		TEST(the_largest_of_which_there_are_enough),
		TEST(reserved_ones_are_not_free),
		TEST(promised_ones_are_not_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
