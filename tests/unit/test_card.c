// SPDX-License-Identifier: MIT
/*
 * A card: its states and their transitions (every pair against the words of the design), what
 * each picture of facts means, and its address.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "passthrough/card.h"

/* Every legal transition in words; what is not here is illegal, but for WEDGED and LOST. */
static const char *const legal[] = {
	"HOST DRAINING",     "DRAINING HOST",     "DRAINING DETACHING", "DETACHING POOL",
	"DETACHING DRAINING", "DETACHING RETURNING", "POOL SANITIZING",  "POOL ATTACHING",
	"POOL RETURNING",    "SANITIZING POOL",   "ATTACHING GUEST",    "ATTACHING EJECTING",
	"ATTACHING POOL",    "GUEST EJECTING",    "EJECTING POOL",      "EJECTING GUEST",
	"RETURNING HOST",    "RETURNING POOL",
};

static bool expect_legal(enum card_state from, enum card_state to)
{
	bool ended = from == CARD_STATE_WEDGED || from == CARD_STATE_LOST;
	char pair[32];

	if (to == CARD_STATE_WEDGED || to == CARD_STATE_LOST) {
		return !ended;
	}
	snprintf(pair, sizeof(pair), "%s %s", card_state_name(from), card_state_name(to));
	for (size_t i = 0; i < sizeof(legal) / sizeof(legal[0]); i++) {
		if (strcmp(legal[i], pair) == 0) {
			return true;
		}
	}
	return false;
}

static void test_transitions(void **state)
{
	for (int from = 0; from < CARD_STATE_COUNT; from++) {
		for (int to = 0; to < CARD_STATE_COUNT; to++) {
			bool may = card_state_may_become((enum card_state)from, (enum card_state)to);

			if (may != expect_legal((enum card_state)from, (enum card_state)to)) {
				fail_msg("%s to %s: %d", card_state_name((enum card_state)from),
					 card_state_name((enum card_state)to), may);
			}
		}
	}
	assert_false(card_state_may_become(CARD_STATE_COUNT, CARD_STATE_HOST));
	assert_false(card_state_may_become(CARD_STATE_HOST, CARD_STATE_COUNT));
}

/* From every state that is not an end a resting one can be reached. */
static void test_every_way_leads_to_rest(void **state)
{
	bool reaches[CARD_STATE_COUNT];

	for (int s = 0; s < CARD_STATE_COUNT; s++) {
		reaches[s] = card_state_rests((enum card_state)s);
	}
	for (int round = 0; round < CARD_STATE_COUNT; round++) {
		for (int from = 0; from < CARD_STATE_COUNT; from++) {
			for (int to = 0; to < CARD_STATE_COUNT; to++) {
				reaches[from] |= reaches[to] &&
						 card_state_may_become((enum card_state)from,
								       (enum card_state)to);
			}
		}
	}
	for (int s = 0; s < CARD_STATE_COUNT; s++) {
		assert_int_equal(reaches[s], s != CARD_STATE_WEDGED && s != CARD_STATE_LOST);
	}
}

static void test_names(void **state)
{
	for (int a = 0; a < CARD_STATE_COUNT; a++) {
		assert_non_null(card_state_name((enum card_state)a));
		for (int b = 0; b < a; b++) {
			assert_string_not_equal(card_state_name((enum card_state)a),
						card_state_name((enum card_state)b));
		}
	}
	assert_string_equal(card_state_name(CARD_STATE_COUNT), "?");
}

#define HERE BROKER_CARD_PRESENT
#define USED (BROKER_CARD_PRESENT | BROKER_CARD_HAD_HOST)

/* Drivers and overrides of the two functions; "" is none. */
static const struct {
	uint32_t flags;
	const char *driver[2], *override[2];
	bool has_device;
	enum card_state expected;
} pictures[] = {
	{ USED, { "amdgpu", "snd_hda_intel" }, { "", "" }, false, CARD_STATE_HOST },
	{ USED, { "amdgpu", "" }, { "", "" }, false, CARD_STATE_HOST },
	{ HERE, { "", "" }, { "", "" }, false, CARD_STATE_HOST },
	{ USED | BROKER_CARD_DRAINED, { "amdgpu", "x" }, { "", "" }, false, CARD_STATE_DRAINING },
	/* The first override is written already, nothing is unbound: still the host's. */
	{ USED, { "amdgpu", "x" }, { "", "vfio-pci" }, false, CARD_STATE_HOST },
	{ USED, { "amdgpu", "" }, { "", "vfio-pci" }, false, CARD_STATE_DETACHING },
	{ USED, { "amdgpu", "vfio-pci" }, { "", "vfio-pci" }, false, CARD_STATE_DETACHING },
	{ USED, { "", "vfio-pci" }, { "", "" }, false, CARD_STATE_DETACHING },
	{ USED, { "", "" }, { "", "" }, false, CARD_STATE_DETACHING },
	{ USED, { "vfio-pci", "vfio-pci" }, { "vfio-pci", "vfio-pci" }, false, CARD_STATE_POOL },
	{ USED | BROKER_CARD_CLEAN, { "vfio-pci", "vfio-pci" }, { "", "" }, false, CARD_STATE_POOL },
	{ USED | BROKER_CARD_OPEN, { "vfio-pci", "vfio-pci" }, { "", "" }, false, CARD_STATE_POOL },
	{ USED | BROKER_CARD_LENT, { "vfio-pci", "vfio-pci" }, { "", "" }, false,
	  CARD_STATE_ATTACHING },
	{ USED | BROKER_CARD_LENT, { "vfio-pci", "vfio-pci" }, { "", "" }, true, CARD_STATE_GUEST },
	{ USED, { "vfio-pci", "vfio-pci" }, { "", "" }, true, CARD_STATE_GUEST },
	{ USED | BROKER_CARD_WEDGED, { "amdgpu", "vfio-pci" }, { "", "" }, false,
	  CARD_STATE_WEDGED },
	{ BROKER_CARD_WEDGED, { "amdgpu", "x" }, { "", "" }, false, CARD_STATE_WEDGED },
	{ BROKER_CARD_HAD_HOST, { "amdgpu", "x" }, { "", "" }, false, CARD_STATE_LOST },
	{ BROKER_CARD_LENT, { "vfio-pci", "vfio-pci" }, { "", "" }, true, CARD_STATE_LOST },
};

static void test_facts(void **state)
{
	for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
		struct broker_facts facts = { .flags = pictures[i].flags, .function_count = 2 };
		enum card_state got;

		for (size_t f = 0; f < 2; f++) {
			strcpy(facts.functions[f].driver, pictures[i].driver[f]);
			strcpy(facts.functions[f].override, pictures[i].override[f]);
		}
		got = card_state_from_facts(&facts, pictures[i].has_device);
		if (got != pictures[i].expected) {
			fail_msg("picture %zu is %s, not %s", i, card_state_name(got),
				 card_state_name(pictures[i].expected));
		}
	}
}

/* Numbers and strings that no broker sends: nothing is read beyond the end. */
static void test_facts_out_of_bounds(void **state)
{
	struct broker_facts facts = { .flags = USED, .function_count = UINT32_MAX };

	assert_int_equal(card_state_from_facts(&facts, false), CARD_STATE_DETACHING);
	memset(facts.functions, 'x', sizeof(facts.functions));
	assert_int_equal(card_state_from_facts(&facts, false), CARD_STATE_HOST);
	strcpy(facts.functions[0].driver, "amdgpu");
	strcpy(facts.functions[1].driver, "vfio-pci");
	facts.function_count = 1;
	assert_int_equal(card_state_from_facts(&facts, false), CARD_STATE_HOST);
	facts.function_count = 0;
	assert_int_equal(card_state_from_facts(&facts, false), CARD_STATE_LOST);
}

static void test_slot(void **state)
{
	static const char *const wrong[] = {
		"",		"0000:01:00.8",  "0000:01:00.",    "0000:01:00.01", "0000:01:20",
		"000:01:00",	"0000:1:00",	 "0000:01:0",	   "0000:01",	    "00000:01:00",
		"0000:01:00 ",	" 0000:01:00",	 "0000:-1:00",	   "0x00:01:00",    "0000.01:00",
		"0000:01:00.0.0", "g000:01:00",	 "0000:01:00\n",   "01:00.0",
	};
	struct broker_slot slot, same;
	char text[16];

	assert_int_equal(card_slot_parse("0000:01:00", &slot), 0);
	assert_int_equal(card_slot_parse("0000:01:00.7", &same), 0);
	assert_true(card_slot_equal(&slot, &same));
	assert_int_equal(card_slot_parse("1Af0:c3:1f", &slot), 0);
	assert_int_equal(slot.domain, 0x1af0);
	assert_int_equal(slot.bus, 0xc3);
	assert_int_equal(slot.device, 0x1f);
	assert_false(card_slot_equal(&slot, &same));
	card_slot_format(&slot, text, sizeof(text));
	assert_string_equal(text, "1af0:c3:1f");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (card_slot_parse(wrong[i], &same) != -EINVAL) {
			fail_msg("\"%s\" was taken for an address", wrong[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transitions),
		cmocka_unit_test(test_every_way_leads_to_rest),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_facts_out_of_bounds),
		cmocka_unit_test(test_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
