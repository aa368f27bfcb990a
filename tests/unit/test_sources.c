// SPDX-License-Identifier: MIT
/* What a recording stream is linked to: a microphone, the loudspeaker's monitor, or both. */
#include "tests/unit/test.h"

#include "audio/sources.h"

enum { MICROPHONE = 30, LOUDSPEAKER, PLAYER, VIRTUAL, GUEST, OTHER, LINK };

static int setup(void **state)
{
	static struct sources sources;

	sources_add_node(&sources, MICROPHONE, "Audio/Source");
	sources_add_node(&sources, LOUDSPEAKER, "Audio/Sink");
	sources_add_node(&sources, PLAYER, "Stream/Output/Audio");
	sources_add_node(&sources, VIRTUAL, "Audio/Source/Virtual");
	sources_add_node(&sources, GUEST, "Stream/Input/Audio");
	sources_add_node(&sources, OTHER, NULL);
	*state = &sources;
	return 0;
}

static int teardown(void **state)
{
	sources_finish(*state);
	return 0;
}

static void test_by_class(void **state)
{
	static const struct {
		uint32_t from;
		bool feeds;
	} cases[] = {
		{ MICROPHONE, true }, { LOUDSPEAKER, false }, { PLAYER, false },
		{ VIRTUAL, true },    { OTHER, false },	      { 1234, false },
	};
	struct sources *sources = *state;

	assert_false(sources_feed(sources, GUEST));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sources_add_link(sources, LINK, cases[i].from, GUEST);
		assert_int_equal(sources_feed(sources, GUEST), cases[i].feeds);
		assert_false(sources_feed(sources, OTHER));
		sources_remove(sources, LINK);
		assert_false(sources_feed(sources, GUEST));
	}
	sources_add_node(sources, OTHER, "Audio/Sources");
	sources_add_link(sources, LINK, OTHER, GUEST);
	assert_false(sources_feed(sources, GUEST));
}

/* A microphone of two channels has two links; one from elsewhere beside them spoils it. */
static void test_all_links_count(void **state)
{
	struct sources *sources = *state;

	sources_add_link(sources, LINK, MICROPHONE, GUEST);
	sources_add_link(sources, LINK + 1, MICROPHONE, GUEST);
	assert_true(sources_feed(sources, GUEST));
	sources_add_link(sources, LINK + 2, LOUDSPEAKER, GUEST);
	assert_false(sources_feed(sources, GUEST));
	sources_remove(sources, LINK + 2);
	assert_true(sources_feed(sources, GUEST));
	/* The node went before its links. */
	sources_remove(sources, MICROPHONE);
	assert_false(sources_feed(sources, GUEST));
}

/* Ids are used again, for something else. */
static void test_ids_come_again(void **state)
{
	struct sources *sources = *state;

	sources_add_link(sources, LINK, MICROPHONE, GUEST);
	sources_add_node(sources, MICROPHONE, "Audio/Sink");
	assert_false(sources_feed(sources, GUEST));
	sources_add_link(sources, LINK, VIRTUAL, GUEST);
	assert_true(sources_feed(sources, GUEST));
	sources_add_node(sources, LINK, "Audio/Source");
	assert_false(sources_feed(sources, GUEST));
}

static void test_many(void **state)
{
	struct sources *sources = *state;

	for (uint32_t i = 0; i < 1000; i++) {
		sources_add_link(sources, 1000 + i, i % 2 ? LOUDSPEAKER : PLAYER, OTHER);
	}
	sources_add_link(sources, LINK, MICROPHONE, GUEST);
	assert_true(sources_feed(sources, GUEST));
	for (uint32_t i = 0; i < 1000; i++) {
		sources_remove(sources, 1000 + i);
	}
	assert_true(sources_feed(sources, GUEST));
	assert_false(sources_feed(sources, OTHER));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_by_class),
		TEST(test_all_links_count),
		TEST(test_ids_come_again),
		TEST(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
