// SPDX-License-Identifier: MIT
/* Files of monitors, and what is told about the mistakes in them. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passthrough/monitor_config.h"

struct fixture {
	char folder[40];
	struct ini_report *report;
	struct monitor_config **list;
	size_t n;
};

static struct card_config gpu = { .name = (char *)"gpu" };
static struct card_config *const cards[] = { &gpu };

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/baton-monitors-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	f->report = ini_report_create();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[64];

	for (size_t i = 0; i < f->n; i++) {
		monitor_config_destroy(f->list[i]);
	}
	free(f->list);
	ini_report_destroy(f->report);
	snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	free(f);
	return system(command);
}

static void write_file(struct fixture *f, const char *name, const char *text)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int load(struct fixture *f)
{
	return monitor_config_load_dir(f->folder, cards, 1, f->report, &f->list, &f->n);
}

/* The only mistake of the only file is told with these words, and nothing comes of the file. */
static void expect(struct fixture *f, const char *name, const char *text, const char *words)
{
	write_file(f, name, text);
	assert_int_equal(load(f), -EINVAL);
	assert_int_equal(f->n, 0);
	assert_int_equal(ini_report_count(f->report), 1);
	if (!strstr(ini_report_line(f->report, 0), words)) {
		fail_msg("%s", ini_report_line(f->report, 0));
	}
}

static void files_become_monitors(void **state)
{
	struct fixture *f = *state;

	write_file(f, "DP-1.ini",
		   "[monitor]\ncard = gpu\ncable = also\ninput-host = 0x0f\ninput-guest = 17\n");
	write_file(f, "HDMI-A-2.ini", "[monitor]\ncard = gpu\n");
	write_file(f, "eDP-1.ini", "[monitor]\ncard = gpu\ncable = also\n");
	write_file(f, "notes", "what is this\n");
	assert_int_equal(load(f), 0);
	assert_int_equal(f->n, 3);
	assert_string_equal(f->list[0]->name, "DP-1");
	assert_string_equal(f->list[0]->card, "gpu");
	assert_int_equal(f->list[0]->cable, DISPLAY_CABLE_ALSO);
	assert_int_equal(f->list[0]->input_host, 0x0f);
	assert_int_equal(f->list[0]->input_guest, 0x11);
	assert_string_equal(f->list[1]->name, "HDMI-A-2");
	assert_int_equal(f->list[1]->cable, DISPLAY_CABLE_ONLY);
	assert_int_equal(f->list[1]->input_host, 0);
	assert_int_equal(f->list[2]->cable, DISPLAY_CABLE_ALSO);
	assert_int_equal(f->list[2]->input_guest, 0);
}

static void no_folder_is_no_monitor(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(monitor_config_load_dir("/nowhere/monitors", cards, 1, f->report, &f->list,
						 &f->n),
			 0);
	assert_int_equal(load(f), 0);
	assert_int_equal(f->n, 0);
}

#define MISTAKE(test, file, text, words)                                                           \
	static void test(void **state)                                                             \
	{                                                                                          \
		expect(*state, file, "[monitor]\n" text, words);                                   \
	}

MISTAKE(a_card_has_to_be_named, "DP-1.ini", "cable = only\n", "card: is missing")
MISTAKE(the_card_has_to_be_there, "DP-1.ini", "card = other\n",
	":2: card: there is no card \"other\"; its file would be cards/other.ini")
MISTAKE(a_name_is_a_connectors, "my monitor.ini", "card = gpu\n", "is no connector")
MISTAKE(a_cable_is_one_of_two, "DP-1.ini", "card = gpu\ncable = thick\n", "only or also")
MISTAKE(an_input_is_a_byte, "DP-1.ini", "card = gpu\ncable = also\ninput-host = 0x100\n",
	":4: input-host: \"0x100\" is not right; expected a number from 1 to 0xff")
MISTAKE(an_input_is_a_number, "DP-1.ini", "card = gpu\ncable = also\ninput-guest = -1\n",
	"input-guest: \"-1\" is not right")
MISTAKE(inputs_come_in_pairs, "DP-1.ini", "card = gpu\ncable = also\ninput-host = 15\n",
	"input-host: needs the other cable's input too")
MISTAKE(inputs_are_two, "DP-1.ini",
	"card = gpu\ncable = also\ninput-host = 15\ninput-guest = 0x0f\n",
	":5: input-guest: is the same as input-host")
MISTAKE(inputs_need_two_cables, "DP-1.ini", "card = gpu\ninput-host = 15\ninput-guest = 17\n",
	"input-host: is for a monitor with two cables")

static void a_good_file_stays_beside_a_bad_one(void **state)
{
	struct fixture *f = *state;

	write_file(f, "DP-1.ini", "[monitor]\n");
	write_file(f, "DP-2.ini", "[monitor]\ncard = gpu\n");
	assert_int_equal(load(f), -EINVAL);
	assert_int_equal(f->n, 1);
	assert_string_equal(f->list[0]->name, "DP-2");
}

static void names_are_checked(void **state)
{
	(void)state;
	assert_true(monitor_name_is_valid("DP-1"));
	assert_true(monitor_name_is_valid("HDMI-A-12"));
	assert_false(monitor_name_is_valid(""));
	assert_false(monitor_name_is_valid("-1"));
	assert_false(monitor_name_is_valid("../DP-1"));
	assert_false(monitor_name_is_valid("DP 1"));
	assert_false(monitor_name_is_valid("DP-1234567890123456789012345678901"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_become_monitors),
		TEST(no_folder_is_no_monitor),
		TEST(a_card_has_to_be_named),
		TEST(the_card_has_to_be_there),
		TEST(a_name_is_a_connectors),
		TEST(a_cable_is_one_of_two),
		TEST(an_input_is_a_byte),
		TEST(an_input_is_a_number),
		TEST(inputs_come_in_pairs),
		TEST(inputs_are_two),
		TEST(inputs_need_two_cables),
		TEST(a_good_file_stays_beside_a_bad_one),
		cmocka_unit_test(names_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
