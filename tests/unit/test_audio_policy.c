// SPDX-License-Identifier: MIT
/* Who is heard and who hears: every case; [audio] of a guest's file; and what was set, in files. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audio/audio_config.h"
#include "audio/audio_memory.h"
#include "common/cleanup.h"

DEFINE_CLEANUP(struct ini_report *, ini_report_destroy)

/* The whole table, said once more. */
static void test_levels(void **state)
{
	static const float behind[AUDIO_BACKGROUND_COUNT] = {
		[AUDIO_BACKGROUND_MUTE] = 0,
		[AUDIO_BACKGROUND_DUCK] = AUDIO_DUCKED,
		[AUDIO_BACKGROUND_PLAY] = 1,
	};

	for (int b = 0; b < AUDIO_BACKGROUND_COUNT; b++) {
		enum audio_background background = (enum audio_background)b;

		assert_true(audio_policy_level(background, true, false) == 1);
		assert_true(audio_policy_level(background, true, true) == 1);
		assert_true(audio_policy_level(background, false, false) == behind[b]);
		assert_true(audio_policy_level(background, false, true) == 0);
	}
}

/* In front, by what the file and then somebody says: '+' it hears, '?' it is asked about. */
static void test_microphone(void **state)
{
	static const char table[AUDIO_MICROPHONE_COUNT][AUDIO_ANSWER_COUNT] = {
		[AUDIO_MICROPHONE_DENY] = { '-', '+', '-' },
		[AUDIO_MICROPHONE_ASK] = { '?', '+', '-' },
		[AUDIO_MICROPHONE_ALLOW] = { '+', '+', '-' },
	};

	for (int m = 0; m < AUDIO_MICROPHONE_COUNT; m++) {
		for (int a = 0; a < AUDIO_ANSWER_COUNT; a++) {
			enum audio_microphone microphone = (enum audio_microphone)m;
			enum audio_answer answer = (enum audio_answer)a;

			assert_int_equal(audio_policy_hears(microphone, answer, true),
					 table[m][a] == '+');
			assert_int_equal(audio_policy_asks(microphone, answer, true),
					 table[m][a] == '?');
			assert_false(audio_policy_hears(microphone, answer, false));
			assert_false(audio_policy_asks(microphone, answer, false));
		}
	}
}

static void test_gain(void **state)
{
	assert_true(audio_policy_gain(0) == 0);
	assert_true(audio_policy_gain(100) == 1);
	assert_true(audio_policy_gain(50) == 0.125f);
}

/* ---- what was set ---- */

static void test_memory(void **state)
{
	const struct audio_setting loud = { .volume = 35 }, quiet = { .volume = 100, .muted = true };
	char folder[] = "/tmp/test-audio-XXXXXX", path[64];
	struct audio_setting read;
	int fd;

	assert_non_null(mkdtemp(folder));
	fd = open(folder, O_PATH | O_DIRECTORY);
	assert_true(fd >= 0);
	read = audio_memory_load(folder, "a.b-c");
	assert_true(read.volume == 100 && !read.muted);
	assert_int_equal(audio_memory_save(fd, "a.b-c", &loud), 0);
	read = audio_memory_load(folder, "a.b-c");
	assert_true(read.volume == 35 && !read.muted);
	assert_int_equal(audio_memory_save(fd, "a.b-c", &quiet), 0);
	read = audio_memory_load(folder, "a.b-c");
	assert_true(read.volume == 100 && read.muted);
	/* Nonsense is as good as nothing. */
	snprintf(path, sizeof(path), "%s/a.b-c.ini", folder);
	for (int i = 0; i < 2; i++) {
		FILE *f = fopen(path, "w");

		assert_non_null(f);
		fputs(i ? "[sound]\nvolume = 101\nmuted = yes\n" : "volume volume\n", f);
		fclose(f);
		read = audio_memory_load(folder, "a.b-c");
		assert_true(read.volume == 100 && !read.muted);
	}
	assert_int_equal(unlink(path), 0);
	close(fd);
	/* No draft stays. */
	assert_int_equal(rmdir(folder), 0);
}

static int load(const char *text, struct ini_report *report, struct audio_config *config)
{
	char path[] = "/tmp/test-audio-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	r = audio_config_load(path, report, config);
	unlink(path);
	return r;
}

static void test_defaults(void **state)
{
	_cleanup_(ini_report_destroy_ptr) struct ini_report *report = ini_report_create();
	struct audio_config config;

	assert_int_equal(load("[vm]\nmemory = 1G\n", report, &config), 0);
	assert_int_equal(config.background, AUDIO_BACKGROUND_MUTE);
	assert_int_equal(config.microphone, AUDIO_MICROPHONE_DENY);
	assert_false(config.exclusive);
	assert_int_equal(config.volume, 100);
	assert_string_equal(config.role, "Music");
}

static void test_all_keys(void **state)
{
	_cleanup_(ini_report_destroy_ptr) struct ini_report *report = ini_report_create();
	struct audio_config config;

	assert_int_equal(load("[audio]\nbackground = duck\nmicrophone = ask\nexclusive = yes\n"
			      "volume = 40\nrole = communication\n",
			      report, &config),
			 0);
	assert_int_equal(config.background, AUDIO_BACKGROUND_DUCK);
	assert_int_equal(config.microphone, AUDIO_MICROPHONE_ASK);
	assert_true(config.exclusive);
	assert_int_equal(config.volume, 40);
	assert_string_equal(config.role, "Communication");
}

static void test_mistakes(void **state)
{
	_cleanup_(ini_report_destroy_ptr) struct ini_report *report = ini_report_create();
	struct audio_config config;

	assert_int_equal(load("[audio]\nbackground = quiet\nmicrophone = perhaps\nvolume = 101\n"
			      "role = noise\nloud = yes\n",
			      report, &config),
			 -EINVAL);
	assert_int_equal(ini_report_count(report), 5);
	assert_non_null(strstr(ini_report_line(report, 0), "mute, duck or play"));
	assert_non_null(strstr(ini_report_line(report, 1), "deny, ask or allow"));
	/* A mistake opens no microphone. */
	assert_int_equal(config.microphone, AUDIO_MICROPHONE_DENY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_microphone),
		cmocka_unit_test(test_gain),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all_keys),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
