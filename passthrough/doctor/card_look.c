// SPDX-License-Identifier: MIT
/*
 * Looks at a card with the broker's own eyes (passthrough/broker/), so that both see the same. What
 * only the doctor tells, the members of the group and what a reset would reach, is read here.
 */
#include "passthrough/doctor/card_look.h"

#include <systemd/sd-hwdb.h>

#include "passthrough/broker/broker.h"
#include "passthrough/card.h"
#include "passthrough/doctor/child.h"

/* A driver that hangs holds the device's lock, and reading some attributes waits for that. */
#define LOOK_MS 15000
#define NODES_NAMED 4
#define BRIDGE_CLASS "0x0604"
#define MEMORY_64_PREFETCHABLE 0x102200 /* IORESOURCE_MEM, _MEM_64, _PREFETCH */

static int slot_compare(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

unsigned int cards_list(struct broker_slot out[LOOK_CARDS_MAX])
{
	char names[LOOK_CARDS_MAX][16], class[16];
	DIR *dir = opendir(at("/sys/bus/pci/devices"));
	unsigned int n = 0, known;
	struct dirent *entry;

	while ((entry = dir_next(&dir))) {
		text_read(at("/sys/bus/pci/devices/%s/class", entry->d_name), class, sizeof(class));
		for (known = 0; known < n && strncmp(names[known], entry->d_name, 10); known++) {
		}
		if (known == n && n < LOOK_CARDS_MAX && !strncmp(class, "0x03", 4)) {
			snprintf(names[n++], sizeof(names[0]), "%.10s", entry->d_name);
		}
	}
	qsort(names, n, sizeof(names[0]), slot_compare);
	for (unsigned int i = 0; i < n; i++) {
		card_slot_parse(names[i], &out[i]);
	}
	return n;
}

/* ---- in the child ---- */

static void look_group(struct card_look *look)
{
	DIR *dir = opendir(at("/sys/bus/pci/devices/%s.%u/iommu_group/devices", look->name,
			      look->facts.functions[0].number));
	struct dirent *entry;
	char class[16];

	while ((entry = dir_next(&dir))) {
		struct group_member *member = &look->members[look->n_members];

		if (!strncmp(entry->d_name, look->name, strlen(look->name)) ||
		    look->n_members == MEMBERS_MAX) {
			continue;
		}
		snprintf(member->address, sizeof(member->address), "%.15s", entry->d_name);
		text_read(at("/sys/bus/pci/devices/%s/class", entry->d_name), class, sizeof(class));
		member->bridge = !strncmp(class, BRIDGE_CLASS, strlen(BRIDGE_CLASS));
		link_read(at("/sys/bus/pci/devices/%s/driver", entry->d_name), member->driver,
			  sizeof(member->driver));
		look->n_members++;
	}
}

/* The address of the device above: the last but one part of "…/0000:00:02.0/0000:01:00.0". */
static bool parent_find(const char *address, char *out, size_t size)
{
	char target[256], *slash;
	ssize_t n = readlink(at("/sys/bus/pci/devices/%s", address), target, sizeof(target) - 1);
	unsigned int part;

	target[n < 0 ? 0 : n] = '\0';
	slash = strrchr(target, '/');
	if (!slash) {
		return false;
	}
	*slash = '\0';
	slash = strrchr(target, '/');
	snprintf(out, size, "%.15s", slash ? slash + 1 : "");
	return sscanf(out, "%4x:%2x:%2x.%1x", &part, &part, &part, &part) == 4;
}

/* A reset of the bus below the bridge reaches everything there. */
static void look_bus(struct card_look *look)
{
	char address[24], bridge[16], above[24], target[256];
	DIR *dir = NULL;
	struct dirent *entry;

	snprintf(address, sizeof(address), "%s.%u", look->name, look->facts.functions[0].number);
	look->below_bridge = parent_find(address, bridge, sizeof(bridge));
	if (look->below_bridge) {
		dir = opendir(at("/sys/bus/pci/devices"));
	}
	snprintf(above, sizeof(above), "/%s/", bridge);
	while ((entry = dir_next(&dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		target[n < 0 ? 0 : n] = '\0';
		if (strstr(target, above) &&
		    strncmp(entry->d_name, look->name, strlen(look->name)) != 0) {
			snprintf(look->neighbour, sizeof(look->neighbour), "%.15s", entry->d_name);
		}
	}
}

static void look_memory(struct card_look *look, unsigned int function)
{
	FILE *file = fopen(at("/sys/bus/pci/devices/%s.%u/resource", look->name, function), "re");
	unsigned long long start, end, flags;

	/* The six base addresses; what follows is the card's firmware and a bridge's windows. */
	for (int i = 0; file && i < 6 && fscanf(file, "%llx %llx %llx", &start, &end, &flags) == 3;
	     i++) {
		if ((flags & MEMORY_64_PREFETCHABLE) == MEMORY_64_PREFETCHABLE && end > start) {
			look->prefetch_bytes += end - start + 1;
		}
	}
	if (file) {
		fclose(file);
	}
}

/* The first few by name: a card with many connectors has dozens. */
static void look_nodes(const struct card *card, struct card_look *look)
{
	struct nodes nodes;
	size_t used = 0;

	nodes_find(card, &nodes);
	groups_find(card, &nodes);
	look->n_nodes = nodes.n;
	for (unsigned int i = 0; i < look->n_nodes && i < NODES_NAMED; i++) {
		used += (size_t)snprintf(look->nodes + used, sizeof(look->nodes) - used, "%s%.47s",
					 i ? ", " : "", nodes.all[i].path);
	}
	if (look->n_nodes > NODES_NAMED) {
		snprintf(look->nodes + used, sizeof(look->nodes) - used,
			 " or another of its %u nodes", look->n_nodes);
	}
}

/* init's descriptors are hidden from whoever may not see those of others. */
static bool all_visible(void)
{
	DIR *dir = opendir(at("/proc/1/fd"));

	if (dir) {
		closedir(dir);
	}
	return dir;
}

static void look(const void *data, void *out)
{
	struct card_look *look = out;
	/* As if it were lent: then the step does not open the VFIO group to see whether somebody
	 * has it, which could be in the way of a guest that is about to. */
	struct card card = { .slot = look->slot, .saved.loan.pid = 1, .borrower = -1 };
	struct report report = { 0 };

	snprintf(card.name, sizeof(card.name), "%s", look->name);
	look_step(&card, 0, &report);
	card.facts = look->facts = report.facts;
	if (!(look->facts.flags & BROKER_CARD_PRESENT)) {
		return;
	}
	look_group(look);
	look_bus(look);
	function_for_each(&card, f) {
		look_memory(look, f->number);
	}
	look_nodes(&card, look);
	scan_step(&card, 0, &report);
	look->n_holders =
		report.n_holders < BROKER_HOLDERS_MAX ? report.n_holders : BROKER_HOLDERS_MAX;
	look->more = report.n_holders - look->n_holders;
	memcpy(look->holders, report.holders, sizeof(look->holders));
	look->all_seen = all_visible();
}

int card_look(const struct broker_slot *slot, struct card_look *out)
{
	*out = (struct card_look){ .slot = *slot };
	card_slot_format(slot, out->name, sizeof(out->name));
	return child_call(look, NULL, out, sizeof(*out), LOOK_MS);
}

/* ---- names ---- */

void card_describe(const struct broker_function *function, char *out, size_t size)
{
	const char *vendor = NULL, *model = NULL;
	sd_hwdb *hwdb = NULL;
	char key[48];

	snprintf(key, sizeof(key), "pci:v%08Xd%08X*", function->vendor, function->device);
	/* A made-up machine gets no name that the real one's database may or may not have. */
	if (!system_root[0] && sd_hwdb_new(&hwdb) >= 0) {
		sd_hwdb_get(hwdb, key, "ID_VENDOR_FROM_DATABASE", &vendor);
		sd_hwdb_get(hwdb, key, "ID_MODEL_FROM_DATABASE", &model);
	}
	if (vendor && model) {
		snprintf(out, size, "%s %s", vendor, model);
	} else {
		snprintf(out, size, "%04x:%04x", function->vendor, function->device);
	}
	sd_hwdb_unref(hwdb);
}
