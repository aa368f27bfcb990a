// SPDX-License-Identifier: MIT
/* The table of keys against the numbers that QEMU 10 names in its trace, and the names. */
#include "tests/unit/test.h"

#include <linux/input-event-codes.h>
#include <stdbool.h>
#include <stdio.h>

#include "input/keymap.h"

/* Every number that QEMU 10 maps to a key ("input_event_key_qcode" of QMP's input-send-event). */
static const uint8_t known[] = {
	0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
	0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e,
	0x1f, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d,
	0x2e, 0x2f, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x3b, 0x3c,
	0x3d, 0x3e, 0x3f, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b,
	0x4c, 0x4d, 0x4e, 0x4f, 0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a,
	0x5b, 0x5d, 0x5e, 0x5f, 0x64, 0x65, 0x6d, 0x6f, 0x70, 0x71, 0x72, 0x73, 0x74, 0x77, 0x79,
	0x7b, 0x7d, 0x7e, 0x83, 0x84, 0x85, 0x86, 0x87, 0x8c, 0x90, 0x99, 0x9c, 0x9d, 0x9e, 0xa0,
	0xa1, 0xa2, 0xa4, 0xae, 0xb0, 0xb2, 0xb5, 0xb7, 0xb8, 0xbc, 0xc1, 0xc6, 0xc7, 0xc8, 0xc9,
	0xcb, 0xcd, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe3, 0xe6, 0xe7,
	0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xf5, 0xf7, 0xf8, 0xf9
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool is_known(uint8_t qnum)
{
	for (size_t i = 0; i < COUNT(known); i++) {
		if (known[i] == qnum) {
			return true;
		}
	}
	return false;
}

/* A number that QEMU does not know would be a key that silently does nothing. */
static void test_only_known_numbers(void **state)
{
	for (uint32_t code = 0; code < KEY_CNT + 10; code++) {
		uint8_t qnum = keymap_qnum(code);

		if (qnum != 0 && !is_known(qnum)) {
			fail_msg("code %u has the number 0x%02x", code, qnum);
		}
	}
	assert_int_equal(keymap_qnum(UINT32_MAX), 0);
}

/* Every key of QEMU's can be reached. */
static void test_all_numbers(void **state)
{
	for (size_t i = 0; i < COUNT(known); i++) {
		bool found = false;

		for (uint32_t code = 0; code < KEY_CNT && !found; code++) {
			found = keymap_qnum(code) == known[i];
		}
		if (!found) {
			fail_msg("no key has the number 0x%02x", known[i]);
		}
	}
}

static void test_values(void **state)
{
	static const struct {
		uint32_t code;
		uint8_t qnum;
	} values[] = {
		{ KEY_A, 0x1e },         { KEY_LEFTMETA, 0xdb },  { KEY_UP, 0xc8 },
		{ KEY_KPENTER, 0x9c },   { KEY_SYSRQ, 0x54 },     { KEY_PAUSE, 0xc6 },
		{ KEY_RIGHTALT, 0xb8 },  { KEY_COMPOSE, 0xdd },   { KEY_VOLUMEUP, 0xb0 },
		{ KEY_F13, 0x5d },       { KEY_102ND, 0x56 },     { KEY_RO, 0x73 },
		{ KEY_YEN, 0x7d },       { KEY_HENKAN, 0x79 },    { KEY_MUHENKAN, 0x7b },
		{ KEY_HANGEUL, 0x72 },   { KEY_HANJA, 0x71 },     { KEY_KATAKANAHIRAGANA, 0x70 },
		{ KEY_PLAYPAUSE, 0xa2 }, { KEY_RIGHTCTRL, 0x9d }, { KEY_KPDOT, 0x53 },
		{ KEY_RESERVED, 0 },     { KEY_MICMUTE, 0 },      { BTN_LEFT, 0 },
	};

	for (size_t i = 0; i < COUNT(values); i++) {
		if (keymap_qnum(values[i].code) != values[i].qnum) {
			fail_msg("code %u: 0x%02x", values[i].code, keymap_qnum(values[i].code));
		}
	}
}

static void test_names(void **state)
{
	unsigned int names = 0;

	for (uint32_t code = 0; code < KEY_CNT; code++) {
		const char *name = keymap_name(code);

		if (name) {
			names++;
			assert_int_equal(keymap_code(name), code);
			assert_non_null(keymap_label(code));
		} else {
			assert_int_equal(keymap_qnum(code), 0);
			assert_string_equal(keymap_label(code), "?");
		}
	}
	assert_true(names > 230);
	assert_int_equal(keymap_code("rightctrl"), KEY_RIGHTCTRL);
	assert_int_equal(keymap_code("KEY_F12"), KEY_F12);
	assert_int_equal(keymap_code("1"), KEY_1);
	assert_int_equal(keymap_code(""), 0);
	assert_int_equal(keymap_code("KEY_"), 0);
	assert_int_equal(keymap_code("HOSTKEY"), 0);
	assert_string_equal(keymap_label(KEY_RIGHTCTRL), "Right Ctrl");
	assert_string_equal(keymap_label(KEY_O), "O");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_known_numbers),
		cmocka_unit_test(test_all_numbers),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
