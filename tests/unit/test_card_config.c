// SPDX-License-Identifier: MIT
/* What the configuration says about cards: files, folders of them, and guests' wishes. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/strv.h"
#include "passthrough/card.h"
#include "passthrough/card_config.h"
#include "vm/vm_config.h"

struct fixture {
	char folder[32];
	struct ini_report *report;
	struct card_config **cards;
	size_t n;
	struct card_wishes wishes;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/baton-cards-XXXXXX");
	if (!mkdtemp(f->folder)) {
		return -1;
	}
	f->report = ini_report_create();
	*state = f;
	return 0;
}

static void forget(struct fixture *f)
{
	for (size_t i = 0; i < f->n; i++) {
		card_config_destroy(f->cards[i]);
	}
	free(f->cards);
	f->cards = NULL;
	f->n = 0;
	ini_report_destroy(f->report);
	f->report = ini_report_create();
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	if (system(command) != 0) {
		return -1;
	}
	forget(f);
	card_wishes_finish(&f->wishes);
	ini_report_destroy(f->report);
	free(f);
	return 0;
}

static const char *write_file(struct fixture *f, const char *name, const char *text)
{
	static char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return path;
}

/* Reads the folder from anew. */
static int load(struct fixture *f)
{
	forget(f);
	return card_config_load_dir(f->folder, f->report, &f->cards, &f->n);
}

static void assert_mistake(struct fixture *f, const char *part)
{
	for (size_t i = 0; i < ini_report_count(f->report); i++) {
		if (strstr(ini_report_line(f->report, i), part)) {
			return;
		}
	}
	for (size_t i = 0; i < ini_report_count(f->report); i++) {
		print_error("%s\n", ini_report_line(f->report, i));
	}
	fail_msg("no mistake says: %s", part);
}

static void test_whole_card(void **state)
{
	struct fixture *f = *state;
	char rom[128], address[16];

	snprintf(rom, sizeof(rom), "%s", write_file(f, "vbios.rom", "x"));
	write_file(f, "gpu.ini",
		   "# mine\n[card]\naddress = 0000:0a:00.0\nrom = vbios.rom\n"
		   "guest-port = 3\nwindow = 16G\nhome = pool\nsettle-ms = 250\n");
	assert_int_equal(load(f), 0);
	assert_int_equal(f->n, 1);
	card_slot_format(&f->cards[0]->slot, address, sizeof(address));
	assert_string_equal(f->cards[0]->name, "gpu");
	assert_string_equal(address, "0000:0a:00");
	assert_string_equal(f->cards[0]->rom, rom);
	assert_int_equal(f->cards[0]->guest_port, 3);
	assert_int_equal(f->cards[0]->window_mib, 16384);
	assert_true(f->cards[0]->home_pool);
	assert_int_equal(f->cards[0]->settle_ms, 250);
}

static void test_defaults(void **state)
{
	struct fixture *f = *state;

	write_file(f, "gpu.ini", "[card]\naddress = 0000:01:00\n");
	assert_int_equal(load(f), 0);
	assert_null(f->cards[0]->rom);
	assert_int_equal(f->cards[0]->guest_port, 1);
	assert_int_equal(f->cards[0]->window_mib, 256);
	assert_false(f->cards[0]->home_pool);
	assert_int_equal(f->cards[0]->settle_ms, 1500);
}

static void test_folder(void **state)
{
	struct fixture *f = *state;
	char path[64];

	assert_int_equal(load(f), 0);
	assert_int_equal(f->n, 0);
	snprintf(path, sizeof(path), "%s/nothing", f->folder);
	assert_int_equal(card_config_load_dir(path, f->report, &f->cards, &f->n), 0);
	assert_int_equal(card_config_load_dir("/dev/null", f->report, &f->cards, &f->n), -ENOTDIR);
	assert_mistake(f, "/dev/null: cannot be read");

	write_file(f, "c.ini", "[card]\naddress = 0000:03:00\n");
	write_file(f, "a.ini", "[card]\naddress = 0000:01:00\n");
	write_file(f, "b.ini", "[card]\naddress = 0000:02:00\nguest-port = 1\n");
	write_file(f, "notes", "no card");
	write_file(f, ".hidden.ini", "no card");
	assert_int_equal(load(f), 0);
	assert_int_equal(f->n, 3);
	assert_string_equal(f->cards[0]->name, "a");
	assert_int_equal(f->cards[0]->guest_port, 2);
	assert_int_equal(f->cards[1]->guest_port, 1);
	assert_int_equal(f->cards[2]->guest_port, 3);
}

/* What is wrong in one file, and what is then said. */
static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *said;
	} wrong[] = {
		{ "[card]\nhome = host\n", "gpu.ini: address: is missing" },
		{ "[card]\naddress = 01:00\n", "gpu.ini:2: address: \"01:00\" is not right" },
		{ "[card]\naddress = 0000:01:00\nwindow = 300M\n", "gpu.ini:3: window:" },
		{ "[card]\naddress = 0000:01:00\nwindow = 0\n", "gpu.ini:3: window:" },
		{ "[card]\naddress = 0000:01:00\nwindow = 2T\n", "a size that is a power of two" },
		{ "[card]\naddress = 0000:01:00\nguest-port = 5\n", "a whole number from 1 to 4" },
		{ "[card]\naddress = 0000:01:00\nguest-port = 0\n", "a whole number from 1 to 4" },
		{ "[card]\naddress = 0000:01:00\nhome = guest\n", "expected host or pool" },
		{ "[card]\naddress = 0000:01:00\nsettle-ms = 60001\n", "from 0 to 60000" },
		{ "[card]\naddress = 0000:01:00\nrom = none.rom\n",
		  "gpu.ini:3: rom: none.rom cannot" },
		{ "[card]\naddress = 0000:01:00\nrom =\n", "gpu.ini:3: rom:" },
		{ "[card]\naddress = 0000:01:00\nrome = x\n", "did you mean \"rom\"?" },
		{ "[gpu]\naddress = 0000:01:00\n", "did you mean [card]?" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		write_file(f, "gpu.ini", wrong[i].text);
		write_file(f, "ok.ini", "[card]\naddress = 0000:07:00\n");
		assert_int_equal(load(f), -EINVAL);
		assert_mistake(f, wrong[i].said);
		assert_int_equal(f->n, 1);
		assert_string_equal(f->cards[0]->name, "ok");
	}
}

static void test_names(void **state)
{
	static const char *const wrong[] = { "my card.ini", "-x.ini", "a,b.ini",
					     "abcdefghijabcdefghijabcdefghijabc.ini" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s",
			 write_file(f, wrong[i], "[card]\naddress = 0000:01:00\n"));
		assert_int_equal(load(f), -EINVAL);
		assert_mistake(f, "cannot be a card's name");
		unlink(path);
	}
	write_file(f, "RX_7900.xt-1.ini", "[card]\naddress = 0000:01:00\n");
	assert_int_equal(load(f), 0);
	assert_string_equal(f->cards[0]->name, "RX_7900.xt-1");
}

static void test_conflicts(void **state)
{
	struct fixture *f = *state;

	write_file(f, "a.ini", "[card]\naddress = 0000:01:00.0\nguest-port = 2\n");
	write_file(f, "b.ini", "[card]\naddress = 0000:01:00.1\n");
	write_file(f, "c.ini", "[card]\naddress = 0000:02:00\nguest-port = 2\n");
	assert_int_equal(load(f), -EINVAL);
	assert_mistake(f, "b.ini:2: address: is that of a already");
	assert_mistake(f, "c.ini:3: guest-port: port 2 belongs to a already");
	assert_int_equal(f->n, 1);
}

static void test_too_many(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < VM_PORTS + 2; i++) {
		char name[16], text[64];

		snprintf(name, sizeof(name), "%c.ini", 'a' + i);
		snprintf(text, sizeof(text), "[card]\naddress = 0000:%02x:00\n", i);
		write_file(f, name, text);
	}
	assert_int_equal(load(f), -EINVAL);
	assert_int_equal(f->n, VM_PORTS);
	assert_mistake(f, "e.ini is one card too many");
	assert_mistake(f, "f.ini is one card too many");
}

static int load_wishes(struct fixture *f, const char *text)
{
	card_wishes_finish(&f->wishes);
	return card_wishes_load(write_file(f, "guest", text), f->report, &f->wishes);
}

static void test_wishes(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load_wishes(f,
				     "[vm]\nslot = 1\nno-key-of-ours = 1\n[capture]\nnor-this = 1\n[cards]\n"
				     "follow-focus = one two\npinned = three\non-request = four\n"
				     "on-request = five\n"),
			 0);
	assert_int_equal(card_wishes_policy(&f->wishes, "one"), CARD_POLICY_FOLLOW_FOCUS);
	assert_int_equal(card_wishes_policy(&f->wishes, "two"), CARD_POLICY_FOLLOW_FOCUS);
	assert_int_equal(card_wishes_policy(&f->wishes, "three"), CARD_POLICY_PINNED);
	assert_int_equal(card_wishes_policy(&f->wishes, "four"), CARD_POLICY_ON_REQUEST);
	assert_int_equal(card_wishes_policy(&f->wishes, "five"), CARD_POLICY_ON_REQUEST);
	assert_int_equal(card_wishes_policy(&f->wishes, "six"), CARD_POLICY_NEVER);
	assert_int_equal(load_wishes(f, "[vm]\nslot = 1\n"), 0);
	assert_int_equal(card_wishes_policy(&f->wishes, "one"), CARD_POLICY_NEVER);
}

static void test_wrong_wishes(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load_wishes(f, "[vm]\n[cards]\npinned = gpu\non-request = a gpu\n"),
			 -EINVAL);
	assert_mistake(f, "guest:4: on-request: gpu is pinned already; name it once");
	assert_null(f->wishes.pinned);
	assert_int_equal(load_wishes(f, "[cards]\nalways = gpu\n"), -EINVAL);
	assert_mistake(f, "guest:2: always: there is no such key");
	assert_int_equal(load_wishes(f, "[cards]\npinned = \"gpu\n"), -EINVAL);
	assert_int_equal(card_wishes_load("/nonexistent", f->report, &f->wishes), -ENOENT);
	assert_null(f->wishes.pinned);
}

static void test_unknown_cards(void **state)
{
	struct fixture *f = *state;

	write_file(f, "gpu.ini", "[card]\naddress = 0000:01:00\n");
	assert_int_equal(load(f), 0);
	assert_int_equal(load_wishes(f, "[cards]\non-request = gpu\n"), 0);
	assert_int_equal(card_wishes_check(&f->wishes, "guest", f->cards, f->n, f->report), 0);
	assert_int_equal(load_wishes(f, "[cards]\non-request = gpu\npinned = cpu\n"), 0);
	assert_int_equal(card_wishes_check(&f->wishes, "guest", f->cards, f->n, f->report),
			 -EINVAL);
	assert_mistake(f, "pinned: there is no card \"cpu\"");
	assert_int_equal(ini_report_count(f->report), 1);
}

static void test_policy_names(void **state)
{
	assert_string_equal(card_policy_name(CARD_POLICY_NEVER), "never");
	assert_string_equal(card_policy_name(CARD_POLICY_ON_REQUEST), "on-request");
	assert_string_equal(card_policy_name(CARD_POLICY_FOLLOW_FOCUS), "follow-focus");
	assert_string_equal(card_policy_name(CARD_POLICY_PINNED), "pinned");
	assert_string_equal(card_policy_name(CARD_POLICY_COUNT), "?");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_whole_card),
		TEST(test_defaults),
		TEST(test_folder),
		TEST(test_mistakes),
		TEST(test_names),
		TEST(test_conflicts),
		TEST(test_too_many),
		TEST(test_wishes),
		TEST(test_wrong_wishes),
		TEST(test_unknown_cards),
		cmocka_unit_test(test_policy_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
