// SPDX-License-Identifier: MIT
/* What the agent finds in its guest: cards, shared memory, who holds a card; on made-up files. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/cards.h"
#include "agent/holders.h"
#include "agent/region.h"
#include "agent/release.h"

struct guest {
	char root[64];
	char devices[96], proc[96];
};

static void make(const struct guest *guest, const char *path, const char *content)
{
	char full[PATH_MAX];
	FILE *file;

	snprintf(full, sizeof(full), "%s/%s", guest->root, path);
	for (char *slash = strchr(full + strlen(guest->root) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
	file = content ? fopen(full, "w") : NULL;
	if (file) {
		fputs(content, file);
		fclose(file);
	}
}

static void make_link(const struct guest *guest, const char *target, const char *path)
{
	char full[PATH_MAX];

	make(guest, path, NULL);
	snprintf(full, sizeof(full), "%s/%s", guest->root, path);
	assert_int_equal(symlink(target, full), 0);
}

static int set_up(void **state)
{
	struct guest *guest = calloc(1, sizeof(*guest));

	assert_non_null(guest);
	snprintf(guest->root, sizeof(guest->root), "/tmp/test-agent-XXXXXX");
	assert_non_null(mkdtemp(guest->root));
	snprintf(guest->devices, sizeof(guest->devices), "%s/devices", guest->root);
	snprintf(guest->proc, sizeof(guest->proc), "%s/proc", guest->root);
	make(guest, "devices/", NULL);
	make(guest, "proc/self", "");
	*state = guest;
	return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	return remove(path);
}

static int tear_down(void **state)
{
	struct guest *guest = *state;

	nftw(guest->root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(guest);
	return 0;
}

/* ---- cards ---- */

/* The firmware's paravirtual display, a card with a sound function, and one without a driver. */
static void make_cards(const struct guest *guest)
{
	make(guest, "devices/0000:00:01.0/class", "0x030000\n");
	make(guest, "devices/0000:00:01.0/boot_vga", "1\n");
	make(guest, "devices/0000:00:01.0/virtio0/drm/card0/dev", "226:0\n");
	make_link(guest, "../../drivers/virtio-pci", "devices/0000:00:01.0/driver");
	make(guest, "devices/0000:02:00.0/class", "0x030000\n");
	make(guest, "devices/0000:02:00.0/vendor", "0x1234\n");
	make(guest, "devices/0000:02:00.0/device", "0x1111\n");
	make(guest, "devices/0000:02:00.0/drm/card1/dev", "1:3\n");
	make(guest, "devices/0000:02:00.0/drm/renderD128/dev", "226:128\n");
	make_link(guest, "../../drivers/bochs-drm", "devices/0000:02:00.0/driver");
	make(guest, "devices/0000:02:00.1/class", "0x040300\n");
	make(guest, "devices/0000:02:00.1/sound/card0/controlC0/dev", "1:5\n");
	make(guest, "devices/0000:02:00.1/sound/card0/input/event3/dev", "1:9\n");
	make(guest, "devices/0000:03:00.0/class", "0x038000\n");
}

static void test_list(void **state)
{
	const struct guest *guest = *state;
	struct pci_card cards[CARDS_MAX];

	make_cards(guest);
	assert_int_equal(cards_list(guest->devices, cards), 3);
	assert_true(cards[0].boot);
	assert_string_equal(cards[0].node, "card0");
	assert_string_equal(cards[0].driver, "virtio-pci");
	assert_int_equal(cards[1].slot.bus, 2);
	assert_int_equal(cards[1].vendor, 0x1234);
	assert_string_equal(cards[1].node, "card1");
	assert_string_equal(cards[1].driver, "bochs-drm");
	assert_string_equal(cards[2].driver, "");
	assert_string_equal(cards[2].node, "");
}

static void test_choose(void **state)
{
	const struct guest *guest = *state;
	struct pci_card cards[CARDS_MAX];
	unsigned int count;

	make_cards(guest);
	count = cards_list(guest->devices, cards);
	assert_ptr_equal(cards_choose(cards, count, NULL), &cards[1]);
	assert_ptr_equal(cards_choose(cards, count, "card0"), &cards[0]);
	assert_ptr_equal(cards_choose(cards, count, "/dev/dri/card1"), &cards[1]);
	assert_ptr_equal(cards_choose(cards, count, "0000:03:00"), &cards[2]);
	assert_ptr_equal(cards_choose(cards, count, "0000:02:00.0"), &cards[1]);
	assert_null(cards_choose(cards, count, "card7"));
	assert_null(cards_choose(cards, 1, NULL));
	assert_int_equal(cards_list("/nowhere", cards), 0);
}

/* ---- shared memory ---- */

static void test_region(void **state)
{
	const struct guest *guest = *state;
	char path[PATH_MAX], enabled[8] = "";
	struct region region = { 0 }, other = { 0 };
	FILE *file;

	assert_int_equal(region_open(NULL, guest->devices, &region), -ENODEV);
	make(guest, "devices/0000:00:05.0/vendor", "0x1af4\n");
	make(guest, "devices/0000:00:05.0/device", "0x1110\n");
	make(guest, "devices/0000:00:05.0/enable", "0\n");
	make(guest, "devices/0000:00:05.0/resource2", "");
	make(guest, "devices/0000:00:04.0/vendor", "0x1af4\n");
	make(guest, "devices/0000:00:04.0/device", "0x1050\n");
	snprintf(path, sizeof(path), "%s/0000:00:05.0/resource2", guest->devices);
	assert_int_equal(region_open(NULL, guest->devices, &region), -ENOSPC);
	assert_int_equal(truncate(path, 4 << 20), 0);
	assert_int_equal(region_open(NULL, guest->devices, &region), 0);
	assert_int_equal(region.size, 4 << 20);
	memset(region.memory, 1, region.size);
	assert_int_equal(region_open(NULL, guest->devices, &other), -EBUSY);
	region_close(&region);
	snprintf(path, sizeof(path), "%s/0000:00:05.0/enable", guest->devices);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(enabled, sizeof(enabled), file));
	fclose(file);
	assert_int_equal(enabled[0], '1');
	assert_int_equal(region_open("/nowhere", guest->devices, &region), -ENOENT);
}

/* ---- release ---- */

static const struct agent_slot slot = { 0, 2, 0 };

/* All that the child says; the last one is DONE. */
static unsigned int release(const struct guest *guest, struct agent_message messages[8])
{
	struct release_roots roots = { guest->devices, guest->proc };
	struct pollfd ready = { .events = POLLIN };
	unsigned int count = 0;
	ssize_t n = 1;
	pid_t pid;

	ready.fd = release_start(&roots, slot, 5, &pid);
	assert_true(ready.fd >= 0);
	while (n > 0 && count < 8) {
		assert_int_equal(poll(&ready, 1, 20000), 1);
		n = read(ready.fd, &messages[count], sizeof(*messages));
		if (n > 0) {
			assert_int_equal(n, sizeof(*messages));
			assert_true(agent_message_is_legal(&messages[count], true));
			assert_int_equal(messages[count].serial, 5);
			assert_true(slot_equal(messages[count].slot, slot));
			count++;
		}
	}
	close(ready.fd);
	waitpid(pid, NULL, 0);
	assert_true(count > 0);
	assert_int_equal(messages[count - 1].verb, AGENT_DONE);
	return count;
}

static void test_release_no_card(void **state)
{
	struct agent_message messages[8];

	assert_int_equal(release(*state, messages), 1);
	assert_int_equal(messages[0].done.error, -ENODEV);
}

static void test_release_held(void **state)
{
	const struct guest *guest = *state;
	struct agent_message messages[8];

	make_cards(guest);
	make(guest, "proc/812/comm", "weston\n");
	make_link(guest, "/dev/null", "proc/812/fd/4");
	make_link(guest, "/dev/null", "proc/812/fd/5");
	make(guest, "proc/813/comm", "pipewire\n");
	make_link(guest, "/dev/zero", "proc/813/fd/4");
	/* An input device, and a file that is none of the card's. */
	make_link(guest, "/dev/urandom", "proc/814/fd/4");
	make_link(guest, "/dev/full", "proc/814/fd/5");
	assert_int_equal(release(guest, messages), 3);
	for (int i = 0; i < 2; i++) {
		bool first = messages[i].holder.pid == 812;

		assert_string_equal(messages[i].holder.command, first ? "weston" : "pipewire");
		assert_string_equal(messages[i].holder.node, first ? "/dev/null" : "/dev/zero");
	}
	assert_int_not_equal(messages[0].holder.pid, messages[1].holder.pid);
	assert_int_equal(messages[2].done.error, -EBUSY);
}

static void test_release_driver_stays(void **state)
{
	const struct guest *guest = *state;
	struct agent_message messages[8];

	make_cards(guest);
	assert_int_equal(release(guest, messages), 1);
	assert_int_equal(messages[0].done.error, -EIO);
}

static void test_release(void **state)
{
	const struct guest *guest = *state;
	struct agent_message messages[8];
	char path[PATH_MAX];

	make_cards(guest);
	snprintf(path, sizeof(path), "%s/0000:02:00.0/driver", guest->devices);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(release(guest, messages), 1);
	assert_int_equal(messages[0].done.error, 0);
}

static void count_holder(const struct agent_holder *holder, void *data)
{
	unsigned int *seen = data;

	seen[0]++;
	seen[1] = holder->more;
}

static void test_many_holders(void **state)
{
	const struct guest *guest = *state;
	struct nodes nodes = { 0 };
	unsigned int seen[2] = { 0 };
	char path[128];

	make_cards(guest);
	snprintf(path, sizeof(path), "%s/0000:02:00.0", guest->devices);
	nodes_add(&nodes, path);
	assert_int_equal(nodes.count, 2);
	for (int i = 0; i < AGENT_HOLDERS_MAX + 3; i++) {
		snprintf(path, sizeof(path), "proc/%d/fd/1", 1000 + i);
		make_link(guest, "/dev/null", path);
	}
	assert_int_equal(holders_find(guest->proc, &nodes, 1000, count_holder, seen),
			 AGENT_HOLDERS_MAX + 2);
	assert_int_equal(seen[0], AGENT_HOLDERS_MAX);
	assert_int_equal(seen[1], 2);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		WITH(test_list),         WITH(test_choose),
		WITH(test_region),       WITH(test_release_no_card),
		WITH(test_release_held), WITH(test_release_driver_stays),
		WITH(test_release),      WITH(test_many_holders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
