// SPDX-License-Identifier: MIT
/*
 * A journal that has become long is rewritten with what is still of use. Wherever the broker is
 * killed meanwhile, the next one knows what this one knew.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/machine.h"

#define LONG_BYTES (1 << 20)

static struct machine machine;

static int set_up(void **state)
{
	machine_create(&machine);
	return 0;
}

static int tear_down(void **state)
{
	machine_destroy(&machine);
	return 0;
}

static void path_of(char path[128], const char *kind)
{
	snprintf(path, 128, "%s/journal/" DUO ".%s", machine.root, kind);
}

static long journal_size(void)
{
	struct stat st;
	char path[128];

	path_of(path, "journal");
	assert_int_equal(stat(path, &st), 0);
	return (long)st.st_size;
}

/* With lines that say nothing. */
static void journal_lengthen(long bytes)
{
	char path[128], line[500];
	FILE *journal;

	path_of(path, "journal");
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	journal = fopen(path, "ae");
	assert_non_null(journal);
	for (long i = 0; i <= bytes / 500; i++) {
		assert_true(fprintf(journal, "%s\n", line) > 0);
	}
	assert_int_equal(fclose(journal), 0);
}

static struct broker_request attach_request(void)
{
	struct broker_request request = seat_request(&machine, BROKER_RECORD, DUO);

	request.stage = (struct broker_stage){ .name = "attach", .to = "A" };
	return request;
}

static int record(void)
{
	struct broker_request request = attach_request();

	seat_send_request(&machine, &request, -1);
	return seat_wait_done(&machine, request.serial);
}

static pid_t lend(void)
{
	pid_t guest = machine_process(&machine);

	seat_bring(&machine, DUO, BROKER_SANITIZE);
	assert_int_equal(seat_lend(&machine, DUO, guest, 77), 0);
	assert_int_equal(record(), 0);
	return guest;
}

/* All of it is known, and is put back. */
static void assert_known(pid_t guest)
{
	struct broker_facts facts = seat_facts_of(&machine, DUO);

	assert_int_equal(facts.lent_pid, guest);
	assert_true(facts.flags & BROKER_CARD_DRAINED);
	assert_string_equal(facts.stage.name, "attach");
	assert_string_equal(facts.stage.to, "A");
	assert_int_equal(facts.stage.finished, 0);
	assert_int_equal(seat_ask(&machine, BROKER_TAKE_BACK, DUO), 0);
	assert_string_equal(machine_get(&machine, "limits.%d", guest),
			    "1000 18446744073709551615\n");
	assert_int_equal(machine_mode(&machine, "dev/vfio/9"), 0640);
	assert_int_equal(seat_ask(&machine, BROKER_RETURN, DUO), 0);
	assert_string_equal(machine_drivers(&machine, DUO), "gpudrv snddrv");
	assert_int_equal(machine_mode(&machine, "dev/dri/card0"), 0660);
	assert_int_equal(machine_mode(&machine, "dev/snd/controlC0"), 0660);
	for (int f = 0; f < 2; f++) {
		assert_string_equal(
			machine_get(&machine, "sys/bus/pci/devices/" DUO ".%d/power/control", f),
			"auto");
	}
	kill(guest, SIGKILL);
	assert_int_equal(waitpid(guest, NULL, 0), guest);
}

/* One that is not what the kernel gives, so that it has to be known. */
static void set_group_mode(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/dev/vfio/9", machine.root);
	assert_int_equal(chmod(path, 0640), 0);
}

static void restart(void)
{
	seat_leave(&machine);
	machine_remove(&machine, "socket");
	broker_start(&machine);
	seat_connect(&machine);
}

/* The second one comes when the broker has seen to the card after the first. */
static void record_twice(void)
{
	assert_int_equal(record(), 0);
	assert_int_equal(record(), 0);
}

static void test_rewritten(void **state)
{
	pid_t guest;

	set_group_mode();
	guest = lend();
	journal_lengthen(LONG_BYTES / 2);
	record_twice();
	assert_true(journal_size() > LONG_BYTES / 2);
	journal_lengthen(LONG_BYTES / 2);
	record_twice();
	assert_in_range(journal_size(), 1, 4096);
	kill(machine.broker, SIGKILL);
	broker_wait(&machine);
	restart();
	assert_known(guest);
}

/* Before the new file is on disk, before it is renamed, before that is on disk, and after. */
static void test_killed_while_rewriting(void **state)
{
	struct broker_request request;
	char cut[8];
	pid_t guest;

	set_group_mode();
	for (int i = 1; i <= 4; i++) {
		guest = lend();
		journal_lengthen(LONG_BYTES);
		snprintf(cut, sizeof(cut), "cut.%d", i);
		machine_wrong(&machine, cut);
		request = attach_request();
		seat_send_request(&machine, &request, -1);
		assert_int_equal(broker_wait(&machine), -SIGKILL);
		machine_right(&machine, cut);
		assert_int_equal(journal_size() > LONG_BYTES, i <= 2);
		restart();
		assert_int_equal(record(), 0);
		assert_in_range(journal_size(), 1, 4096);
		assert_known(guest);
	}
}

/* A new file that was cut anywhere is not read, and is in nobody's way. */
static void test_torn_new_file(void **state)
{
	char text[4096];
	pid_t guest;

	set_group_mode();
	guest = lend();
	journal_lengthen(LONG_BYTES);
	record_twice();
	snprintf(text, sizeof(text), "%s", machine_get(&machine, "journal/" DUO ".journal"));
	assert_true(strlen(text) > 400);
	for (size_t cut = strlen(text) - 1; cut > 50; cut -= 50) {
		text[cut] = '\0';
		machine_put(&machine, text, "journal/" DUO ".new");
		kill(machine.broker, SIGKILL);
		broker_wait(&machine);
		restart();
		assert_int_equal(seat_facts_of(&machine, DUO).lent_pid, guest);
		journal_lengthen(LONG_BYTES);
		record_twice();
		assert_in_range(journal_size(), 1, 4096);
	}
	assert_known(guest);
}

/* A worker that an earlier broker has left may still write into it. */
static void test_not_under_a_worker(void **state)
{
	char path[128];
	pid_t guest;
	int lock;

	set_group_mode();
	guest = lend();
	path_of(path, "lock");
	lock = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(lock >= 0);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	journal_lengthen(LONG_BYTES);
	record_twice();
	assert_true(journal_size() > LONG_BYTES);
	close(lock);
	record_twice();
	assert_in_range(journal_size(), 1, 4096);
	assert_known(guest);
}

/* Nor while one is stuck, however much a seat in a loop records: that has an end. */
static void test_wedged(void **state)
{
	assert_int_equal(seat_ask(&machine, BROKER_DRAIN, DUO), 0);
	machine_wrong(&machine, "hang." DUO ".1");
	assert_int_equal(seat_ask(&machine, BROKER_DETACH, DUO), -ETIMEDOUT);
	journal_lengthen(LONG_BYTES);
	record_twice();
	assert_true(journal_size() > LONG_BYTES);
	journal_lengthen(33 * LONG_BYTES);
	assert_int_equal(record(), 0);
	assert_int_equal(record(), -ENOSPC);
	machine_release(&machine, DUO ".1");
	seat_wait_news(&machine, DUO, BROKER_CARD_PRESENT,
		       BROKER_CARD_WEDGED | BROKER_CARD_DRAINED);
	record_twice();
	assert_in_range(journal_size(), 1, 4096);
	assert_string_equal(machine_drivers(&machine, DUO), "gpudrv snddrv");
}

/* Of another boot: nothing of it is of use. */
static void test_nothing_is_left(void **state)
{
	broker_kill(&machine);
	journal_lengthen(LONG_BYTES);
	restart();
	assert_string_equal(seat_facts_of(&machine, DUO).stage.name, "");
	assert_in_range(journal_size(), 1, 200);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_rewritten),     TEST(test_killed_while_rewriting),
		TEST(test_torn_new_file), TEST(test_not_under_a_worker),
		TEST(test_wedged),        TEST(test_nothing_is_left),
	};

	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
