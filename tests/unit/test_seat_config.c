// SPDX-License-Identifier: MIT
/* baton.conf and its drop-in folder: values, order, and every mistake told at once. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "control/key_names.h"
#include "control/seat_config.h"

struct fixture {
	char folder[64];
	struct seat_config config;
	struct ini_report *report;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->folder, sizeof(f->folder), "/tmp/test-seat-config-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	f->report = ini_report_create();
	assert_non_null(f->report);
	seat_config_init(&f->config);
	*state = f;
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	nftw(f->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	seat_config_finish(&f->config);
	ini_report_destroy(f->report);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *name, const char *content)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/baton.conf.d", f->folder);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(content, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int load(struct fixture *f)
{
	return seat_config_load(&f->config, f->folder, f->report);
}

/* One of the mistakes is about this place and says this. */
static void expect_mistake(struct fixture *f, const char *place, const char *words)
{
	for (size_t i = 0; i < ini_report_count(f->report); i++) {
		const char *line = ini_report_line(f->report, i);

		if (strstr(line, place) && strstr(line, words)) {
			return;
		}
	}
	for (size_t i = 0; i < ini_report_count(f->report); i++) {
		print_message("%s\n", ini_report_line(f->report, i));
	}
	fail_msg("no mistake at '%s' says '%s'", place, words);
}

static void test_nothing_there_is_no_mistake(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f), 0);
	assert_int_equal(ini_report_count(f->report), 0);
	assert_true(f->config.toasts);
	assert_false(f->config.software_cursor);
	assert_int_equal(f->config.refresh, 60);
	assert_null(f->config.backend);
	assert_null(f->config.host_key);
}

static void test_every_key(void **state)
{
	struct fixture *f = *state;

	put(f, "baton.conf",
	    "[seat]\nbackend = headless\nsize = 1920x1080\nrefresh = 75\nrenderer = pixman\n"
	    "card = /dev/dri/card1\nguests = /srv/guests\ncards = /srv/cards\ntoasts = no\nsoftware-cursor = yes\n"
	    "[chords]\nhost-key = RIGHTALT\nrecent = F13\nback = b\nswitcher = KEY_S\nrescue = END\n"
	    "send-host-key = H\ncard = C\nlouder = PAGEUP\nsofter = PAGEDOWN\nmute = DELETE\n");
	assert_int_equal(load(f), 0);
	assert_string_equal(f->config.backend, "headless");
	assert_string_equal(f->config.size, "1920x1080");
	assert_int_equal(f->config.refresh, 75);
	assert_string_equal(f->config.renderer, "pixman");
	assert_string_equal(f->config.card, "/dev/dri/card1");
	assert_string_equal(f->config.guests, "/srv/guests");
	assert_string_equal(f->config.cards, "/srv/cards");
	assert_false(f->config.toasts);
	assert_true(f->config.software_cursor);
	assert_string_equal(f->config.host_key, "RIGHTALT");
	assert_string_equal(f->config.recent, "F13");
	assert_string_equal(f->config.back, "b");
	assert_string_equal(f->config.switcher, "KEY_S");
	assert_string_equal(f->config.rescue, "END");
	assert_string_equal(f->config.send_host_key, "H");
	assert_string_equal(f->config.card_key, "C");
	assert_string_equal(f->config.louder, "PAGEUP");
	assert_string_equal(f->config.softer, "PAGEDOWN");
	assert_string_equal(f->config.mute, "DELETE");
}

static void test_later_files_win(void **state)
{
	struct fixture *f = *state;

	put(f, "baton.conf", "[seat]\nbackend = kms\nrefresh = 50\n");
	put(f, "baton.conf.d/20-b.conf", "[seat]\nbackend = window\n");
	put(f, "baton.conf.d/10-a.conf", "[seat]\nbackend = headless\nrefresh = 75\n");
	put(f, "baton.conf.d/30-c.conf.bak", "[seat]\nbackend = auto\n");
	put(f, "baton.conf.d/.hidden.conf", "[seat]\nbackend = auto\n");
	assert_int_equal(load(f), 0);
	assert_string_equal(f->config.backend, "window");
	assert_int_equal(f->config.refresh, 75);
}

static void test_folders_are_relative_to_the_folder(void **state)
{
	struct fixture *f = *state;
	char expected[96];

	put(f, "baton.conf", "[seat]\nguests = my/guests\ncards = c\n");
	assert_int_equal(load(f), 0);
	snprintf(expected, sizeof(expected), "%s/my/guests", f->folder);
	assert_string_equal(f->config.guests, expected);
	snprintf(expected, sizeof(expected), "%s/c", f->folder);
	assert_string_equal(f->config.cards, expected);
}

static void test_all_mistakes_at_once(void **state)
{
	struct fixture *f = *state;

	put(f, "baton.conf",
	    "[seat]\nbackend = vnc\nsize = 1280\nrefresh = 0\nrenderer = vulkan\ncard = card0\n"
	    "toasts = maybe\nsoftware-curser = no\n[chords]\nhost-key = RIGHTCONTROL\n");
	put(f, "baton.conf.d/a.conf", "[seat]\nsize = 10x10\n");
	put(f, "baton.conf.d/b.conf", "[seats]\nsize = 640x480\n");
	assert_int_equal(load(f), -EINVAL);
	expect_mistake(f, "baton.conf:2: backend", "auto, kms, window or headless");
	expect_mistake(f, "baton.conf:3: size", "WIDTHxHEIGHT");
	expect_mistake(f, "baton.conf:4: refresh", "from 1 to 1000");
	expect_mistake(f, "baton.conf:5: renderer", "auto, pixman or gl");
	expect_mistake(f, "baton.conf:6: card", "/dev/dri/card0");
	expect_mistake(f, "baton.conf:7: toasts", "yes");
	expect_mistake(f, "baton.conf:8: software-curser", "software-cursor");
	expect_mistake(f, "baton.conf:10: host-key", "RIGHTCTRL");
	expect_mistake(f, "a.conf:2: size", "WIDTHxHEIGHT");
	expect_mistake(f, "b.conf:1", "seats");
	assert_int_equal(ini_report_count(f->report), 10);
}

static void test_two_chords_on_one_key(void **state)
{
	struct fixture *f = *state;

	put(f, "baton.conf", "[chords]\nback = tab\nrescue = F3\nswitcher = 15\ncard = k\n");
	assert_int_equal(load(f), -EINVAL);
	expect_mistake(f, "back", "tab is the key of recent too");
	expect_mistake(f, "switcher", "15 is the key of back too");
	expect_mistake(f, "rescue", "F3 already chooses a slot or a virtual terminal");
	expect_mistake(f, "card", "k already chooses a slot or a virtual terminal, or answers");
}

/* No folder where one should be: that is told, and the rest is read all the same. */
static void test_unreadable_folder(void **state)
{
	struct fixture *f = *state;
	char path[128];

	put(f, "baton.conf", "[seat]\nrefresh = 75\n");
	snprintf(path, sizeof(path), "%s/baton.conf.d", f->folder);
	assert_int_equal(rmdir(path), 0);
	close(creat(path, 0644));
	assert_int_equal(load(f), -ENOTDIR);
	expect_mistake(f, "baton.conf.d", strerror(ENOTDIR));
	assert_int_equal(f->config.refresh, 75);
}

static void test_key_names(void **state)
{
	assert_int_equal(key_by_name("RIGHTCTRL"), 97);
	assert_int_equal(key_by_name("key_rightctrl"), 97);
	assert_int_equal(key_by_name("1"), 2); /* the key, not the code */
	assert_int_equal(key_by_name("97"), 97);
	assert_int_equal(key_by_name("0x61"), 97);
	assert_int_equal(key_by_name(""), -1);
	assert_int_equal(key_by_name("NOKEY"), -1);
	assert_int_equal(key_by_name("-4"), -1);
	assert_int_equal(key_by_name("70000"), -1);
}

static void test_every_printable_character_can_be_typed(void **state)
{
	bool shift;

	for (char c = ' '; c < 127; c++) {
		assert_true(key_by_character(c, &shift) > 0);
	}
	assert_int_equal(key_by_character('q', &shift), 16);
	assert_false(shift);
	assert_int_equal(key_by_character('Q', &shift), 16);
	assert_true(shift);
	assert_int_equal(key_by_character('\0', &shift), -1);
	assert_int_equal(key_by_character('\xc3', &shift), -1);
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(test_nothing_there_is_no_mistake),
		FILE_TEST(test_every_key),
		FILE_TEST(test_later_files_win),
		FILE_TEST(test_folders_are_relative_to_the_folder),
		FILE_TEST(test_all_mistakes_at_once),
		FILE_TEST(test_two_chords_on_one_key),
		FILE_TEST(test_unreadable_folder),
		cmocka_unit_test(test_key_names),
		cmocka_unit_test(test_every_printable_character_can_be_typed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
