// SPDX-License-Identifier: MIT
/* Settings files: what is read, and that every mistake is found with its line and a remedy. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/ini.h"
#include "common/strv.h"

struct settings {
	char *text;
	char **lines, **words;
	bool on;
	unsigned int number;
	uint64_t size;
};

#define KEY(section, name, parse) { section, #name, offsetof(struct settings, name), parse }
static const struct ini_key keys[] = {
	KEY("one", text, ini_parse_string),   KEY("one", lines, ini_parse_strings),
	KEY("one", words, ini_parse_words),   KEY("two", on, ini_parse_bool),
	KEY("two", number, ini_parse_uint),   KEY("two", size, ini_parse_size_mib),
	{ 0 },
};

struct fixture {
	char path[32];
	struct settings settings;
	struct ini_report *report;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	strcpy(f->path, "/tmp/baton-ini-XXXXXX");
	fd = mkstemp(f->path);
	if (fd < 0) {
		return -1;
	}
	close(fd);
	f->report = ini_report_create();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	free(f->settings.text);
	strv_free(f->settings.lines);
	strv_free(f->settings.words);
	ini_report_destroy(f->report);
	free(f);
	return 0;
}

static int load_bytes(struct fixture *f, const char *text, size_t size)
{
	FILE *file = fopen(f->path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	fclose(file);
	return ini_load(f->path, keys, &f->settings, f->report);
}

static int load(struct fixture *f, const char *text)
{
	return load_bytes(f, text, strlen(text));
}

/* The i-th mistake, without the file's name. */
static const char *mistake(struct fixture *f, size_t i)
{
	const char *line = ini_report_line(f->report, i);

	assert_memory_equal(line, f->path, strlen(f->path));
	return line + strlen(f->path) + 1;
}

static void reads_every_kind_of_value(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "# comment\n; another\n\n[one]\n text =  a = b # c  \r\nlines=x\n"
				 "lines = y z\nwords = -a 'b c' \"d \\\" e\" f\\ g ''\n[ two ]\n"
				 "on = Yes\nnumber = 42\nsize=2G"),
			 0);
	assert_string_equal(f->settings.text, "a = b # c");
	assert_int_equal(strv_length(f->settings.lines), 2);
	assert_string_equal(f->settings.lines[1], "y z");
	assert_int_equal(strv_length(f->settings.words), 5);
	assert_string_equal(f->settings.words[1], "b c");
	assert_string_equal(f->settings.words[2], "d \" e");
	assert_string_equal(f->settings.words[3], "f g");
	assert_string_equal(f->settings.words[4], "");
	assert_true(f->settings.on);
	assert_int_equal(f->settings.number, 42);
	assert_int_equal(f->settings.size, 2048);
	assert_int_equal(ini_report_count(f->report), 0);
}

static void later_value_replaces(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "[one]\ntext = a\ntext = b\n"), 0);
	assert_string_equal(f->settings.text, "b");
}

static void takes_long_lines_and_a_byte_order_mark(void **state)
{
	struct fixture *f = *state;
	char text[20000] = "\xef\xbb\xbf[one]\ntext = ";

	memset(text + strlen(text), 'x', sizeof(text) - strlen(text) - 1);
	assert_int_equal(load(f, text), 0);
	assert_int_equal(strlen(f->settings.text), strlen(text) - 16);
}

static void finds_all_mistakes_at_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "early = 1\n[one]\ntxt = a\nnonsense\nwords = 'open\n[tow]\n"
				 "on = 1\n[two]\non = perhaps\nnumber = -1\nsize = 3X\n= 1\n"),
			 -EINVAL);
	assert_int_equal(ini_report_count(f->report), 9);
	assert_string_equal(mistake(f, 0), "1: early: a key needs a section before it; put [one] "
					   "above");
	assert_string_equal(mistake(f, 1),
			    "3: txt: there is no such key in [one]; did you mean \"text\"?");
	assert_string_equal(mistake(f, 2), "4: \"nonsense\" is neither [section] nor key = value "
					   "nor # comment");
	assert_string_equal(mistake(f, 3), "5: words: \"'open\" is not right; expected words with "
					   "every quote closed");
	assert_string_equal(mistake(f, 4), "6: there is no section [tow]; did you mean [two]?");
	assert_string_equal(mistake(f, 5),
			    "9: on: \"perhaps\" is not right; expected yes or no");
	assert_string_equal(mistake(f, 6),
			    "10: number: \"-1\" is not right; expected a whole number");
	assert_string_equal(mistake(f, 7), "11: size: \"3X\" is not right; expected a size such as "
					   "512M or 4G");
	assert_string_equal(mistake(f, 8), "12: \"= 1\" is neither [section] nor key = value nor # "
					   "comment");
}

static void wrong_value_leaves_the_default(void **state)
{
	struct fixture *f = *state;
	static const char *const wrong[] = { "", "x", "4294967296", "1 2", "+1", "0x10", "1." };

	f->settings.number = 7;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char text[64];

		snprintf(text, sizeof(text), "[two]\nnumber = %s\n", wrong[i]);
		assert_int_equal(load(f, text), -EINVAL);
		assert_int_equal(f->settings.number, 7);
	}
}

static void sizes_have_units(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *text;
		uint64_t mib;
	} sizes[] = { { "1", 1 },	 { "512M", 512 },   { "512 MiB", 512 },
		      { "4g", 4096 },	 { "1TiB", 1 << 20 }, { "16GB", 16384 } };
	static const char *const wrong[] = { "0", "-1G", "1K", "G", "1GG", "99999999999999999999",
					     "1099511627776" };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char expected[64];

		assert_int_equal(ini_parse_size_mib(sizes[i].text, &f->settings.size, expected,
						    sizeof(expected)),
				 0);
		assert_int_equal(f->settings.size, sizes[i].mib);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char expected[64];

		assert_int_equal(ini_parse_size_mib(wrong[i], &f->settings.size, expected,
						    sizeof(expected)),
				 -EINVAL);
	}
}

static void unreadable_files_are_mistakes(void **state)
{
	struct fixture *f = *state;
	static char large[300 * 1024];

	assert_int_equal(ini_load("/nonexistent", keys, &f->settings, f->report), -ENOENT);
	assert_string_equal(ini_report_line(f->report, 0),
			    "/nonexistent: cannot be read: No such file or directory");
	assert_int_equal(ini_load("/", keys, &f->settings, f->report), -EISDIR);
	assert_int_equal(ini_load("/dev/zero", keys, &f->settings, f->report), -EINVAL);
	assert_int_equal(load_bytes(f, large, sizeof(large)), -EFBIG);
	/* A FIFO without a writer must not make us wait. */
	unlink(f->path);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	assert_int_equal(ini_load(f->path, keys, &f->settings, f->report), -EINVAL);
}

static void finds_the_line_of_a_key(void **state)
{
	struct fixture *f = *state;

	load(f, "[two]\nlines = no\n[one]\nlines = a\n# lines = c\n lines= b\n");
	assert_int_equal(ini_find_line(f->path, "one", "lines", 0), 4);
	assert_int_equal(ini_find_line(f->path, "one", "lines", 1), 6);
	assert_int_equal(ini_find_line(f->path, "one", "lines", 2), 0);
	assert_int_equal(ini_find_line(f->path, "one", "text", 0), 0);
	assert_int_equal(ini_find_line("/nonexistent", "one", "text", 0), 0);
}

static void survives_garbage(void **state)
{
	struct fixture *f = *state;
	static const char *const garbage[] = { "[", "]", "[]", "[]\na=b", "=", "[one", "[one]]\n",
					       "\xef\xbb", "[one]\ntext", "[one]\ntext=", "\\" };

	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		assert_int_equal(load(f, garbage[i]), -EINVAL);
	}
	assert_int_equal(load_bytes(f, "\0\0[one]", 7), 0);
}

/* Two tables read one file: each leaves the other one's sections alone, and only those. */
static void skips_the_sections_of_others(void **state)
{
	static const struct ini_key some[] = {
		KEY("one", text, ini_parse_string),
		{ .section = "theirs" },
		{ 0 },
	};
	struct fixture *f = *state;
	FILE *file = fopen(f->path, "w");

	fputs("[theirs]\ntext = no\nanything = x\n[one]\ntext = yes\nany = y\n[thiers]\n", file);
	fclose(file);
	assert_int_equal(ini_load(f->path, some, &f->settings, f->report), -EINVAL);
	assert_string_equal(f->settings.text, "yes");
	assert_string_equal(mistake(f, 0),
			    "6: any: there is no such key in [one]; did you mean \"text\"?");
	assert_string_equal(mistake(f, 1), "7: there is no section [thiers]; did you mean [theirs]?");
	assert_int_equal(ini_report_count(f->report), 2);
}

/* Who reads a part of a file tells the mistakes of that part: all else was told already. */
static void leaves_the_file_to_others(void **state)
{
	static const struct ini_key some[] = {
		KEY("one", text, ini_parse_string),
		{ .section = INI_OTHERS },
		{ 0 },
	};
	struct fixture *f = *state;
	FILE *file = fopen(f->path, "w");

	fputs("key = outside\n[thiers]\ntext = no\n[one]\ntext = yes\ngarbage\nany = y\n", file);
	fclose(file);
	assert_int_equal(ini_load(f->path, some, &f->settings, f->report), -EINVAL);
	assert_string_equal(f->settings.text, "yes");
	assert_int_equal(ini_report_count(f->report), 1);
	assert_string_equal(mistake(f, 0),
			    "7: any: there is no such key in [one]; did you mean \"text\"?");
	assert_int_equal(ini_load("/nonexistent", some, &f->settings, f->report), -ENOENT);
	assert_int_equal(ini_report_count(f->report), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(reads_every_kind_of_value),
		TEST(later_value_replaces),
		TEST(takes_long_lines_and_a_byte_order_mark),
		TEST(finds_all_mistakes_at_once),
		TEST(wrong_value_leaves_the_default),
		TEST(sizes_have_units),
		TEST(unreadable_files_are_mistakes),
		TEST(finds_the_line_of_a_key),
		TEST(survives_garbage),
		TEST(skips_the_sections_of_others),
		TEST(leaves_the_file_to_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
