// SPDX-License-Identifier: MIT
/* Who is heard and who hears: every case; and [audio] of a guest's file. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audio/audio_config.h"
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

static void test_microphone(void **state)
{
	assert_false(audio_policy_hears(AUDIO_MICROPHONE_DENY, false));
	assert_false(audio_policy_hears(AUDIO_MICROPHONE_DENY, true));
	assert_false(audio_policy_hears(AUDIO_MICROPHONE_ALLOW, false));
	assert_true(audio_policy_hears(AUDIO_MICROPHONE_ALLOW, true));
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

	assert_int_equal(load("[audio]\nbackground = duck\nmicrophone = allow\nexclusive = yes\n"
			      "volume = 40\nrole = communication\n",
			      report, &config),
			 0);
	assert_int_equal(config.background, AUDIO_BACKGROUND_DUCK);
	assert_int_equal(config.microphone, AUDIO_MICROPHONE_ALLOW);
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
	assert_non_null(strstr(ini_report_line(report, 1), "deny or allow"));
	/* A mistake opens no microphone. */
	assert_int_equal(config.microphone, AUDIO_MICROPHONE_DENY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_microphone),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all_keys),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
