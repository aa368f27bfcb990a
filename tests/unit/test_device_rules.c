// SPDX-License-Identifier: MIT
/* Rules for single devices: which matches, and mistakes that name what would be right. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "input/device_rules.h"

struct fixture {
	char folder[64];
	struct ini_report *report;
	struct device_rules rules;
};

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .folder = "/tmp/baton-devices-XXXXXX" };
	assert_non_null(mkdtemp(f.folder));
	f.report = ini_report_create();
	*state = &f;
	return 0;
}

static void path_of(const struct fixture *f, const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", f->folder, name);
}

static void write_rule(const struct fixture *f, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	path_of(f, name, path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int tear_down(void **state)
{
	static const char *const names[] = { "a.ini", "b.ini", "c.ini" };
	struct fixture *f = *state;
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path_of(f, names[i], path);
		unlink(path);
	}
	device_rules_finish(&f->rules);
	ini_report_destroy(f->report);
	return rmdir(f->folder);
}

static void test_first_match(void **state)
{
	struct fixture *f = *state;
	const struct device_rule *rule;

	write_rule(f, "a.ini", "[device]\nmatch = 046D:c08b\nguest = games\n");
	write_rule(f, "b.ini", "[device]\nmatch = logitech *\nleft-handed = yes\nspeed = 75\n");
	write_rule(f, "c.ini", "[device]\nmatch = *\nignore = no\n");
	assert_int_equal(device_rules_load(f->folder, f->report, &f->rules), 0);
	rule = device_rules_find(&f->rules, "Logitech G502", 0x46d, 0xc08b);
	assert_string_equal(rule->guest, "games");
	rule = device_rules_find(&f->rules, "Logitech M1", 0x46d, 1);
	assert_int_equal(rule->left_handed, DEVICE_YES);
	assert_int_equal(rule->speed, 75);
	assert_null(rule->guest);
	rule = device_rules_find(&f->rules, "Other", 1, 1);
	assert_int_equal(rule->ignore, DEVICE_NO);
	assert_int_equal(rule->tap, DEVICE_DEFAULT);
}

static void test_no_folder(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(device_rules_load("/tmp/not-there/devices", f->report, &f->rules), 0);
	assert_int_equal(ini_report_count(f->report), 0);
	assert_null(device_rules_find(&f->rules, "Any", 1, 1));
}

static void test_mistakes(void **state)
{
	struct fixture *f = *state;

	write_rule(f, "a.ini", "[device]\nguest = games\n");
	write_rule(f, "b.ini", "[device]\nmatch = *\nspeed = 101\n");
	write_rule(f, "c.ini", "[device]\nmatch = good\n");
	assert_int_equal(device_rules_load(f->folder, f->report, &f->rules), -EINVAL);
	assert_int_equal(ini_report_count(f->report), 2);
	assert_non_null(strstr(ini_report_line(f->report, 0), "match"));
	assert_non_null(strstr(ini_report_line(f->report, 1), "1 to 100"));
	assert_int_equal(f->rules.n, 1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_match),
		TEST(test_no_folder),
		TEST(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
