// SPDX-License-Identifier: MIT
/* The truth about a card: what sysfs says of its functions, and of its IOMMU group. */
#include "passthrough/broker/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEVICE "/sys/bus/pci/devices/%s.%u/"

static uint32_t number_read(const char *card, unsigned int number, const char *name)
{
	char text[32];

	text_read(text, sizeof(text), DEVICE "%s", card, number, name);
	return (uint32_t)strtoul(text, NULL, 0);
}

int config_read(const struct card *card, unsigned int number, uint8_t out[CONFIG_BYTES])
{
	_cleanup_close_ int fd = node_open(O_RDONLY, DEVICE "config", card->name, number);

	memset(out, 0xff, CONFIG_BYTES);
	return fd < 0 ? fd : pread(fd, out, CONFIG_BYTES, 0) == CONFIG_BYTES ? 0 : -EIO;
}

static bool function_look(const struct card *card, unsigned int number, struct broker_function *out)
{
	uint8_t config[CONFIG_BYTES];

	if (config_read(card, number, config) < 0 || (config[0] == 0xff && config[1] == 0xff)) {
		return false;
	}
	*out = (struct broker_function){ .number = (uint8_t)number };
	out->class = number_read(card->name, number, "class");
	out->vendor = (uint16_t)number_read(card->name, number, "vendor");
	out->device = (uint16_t)number_read(card->name, number, "device");
	link_read(out->driver, sizeof(out->driver), DEVICE "driver", card->name, number);
	text_read(out->override, sizeof(out->override), DEVICE "driver_override", card->name,
		  number);
	if (!strcmp(out->override, "(null)")) {
		out->override[0] = '\0';
	}
	text_read(out->reset, sizeof(out->reset), DEVICE "reset_method", card->name, number);
	return true;
}

/* Bridges above the card may be in its group; anything else there is foreign. */
static bool group_is_ours(const struct card *card, unsigned int number, char *text)
{
	_cleanup_closedir_ DIR *dir = dir_open(DEVICE "iommu_group/devices", card->name, number);
	struct dirent *entry;
	char class[16];

	if (!dir) {
		fail(text, 0,
		     "%s is in no IOMMU group: switch the IOMMU on in the firmware, and by "
		     "intel_iommu=on on the kernel command line",
		     card->name);
		return false;
	}
	while ((entry = dir_next(dir))) {
		if (!strncmp(entry->d_name, card->name, strlen(card->name))) {
			continue;
		}
		text_read(class, sizeof(class), "/sys/bus/pci/devices/%s/class", entry->d_name);
		if (strncmp(class, "0x0604", 6) != 0) {
			fail(text, 0,
			     "%s shares its IOMMU group with %s: put the card into another "
			     "slot",
			     card->name, entry->d_name);
			return false;
		}
	}
	return true;
}

/* While it is lent nobody but the borrower can open its group, and trying it could be in the
 * borrower's way. */
static bool group_is_open(struct card *card)
{
	struct groups groups;
	char text[BROKER_TEXT_MAX];
	bool open;

	if (card->saved.loan.pid) {
		return process_has_group(card->saved.loan.pid, card);
	}
	open = groups_open(card, &groups, text) == -EBUSY;
	groups_close(&groups);
	return open;
}

static void look_at_all(struct card *card, struct report *report)
{
	struct broker_facts *facts = &report->facts;
	bool vfio = false;
	char group[16];

	facts->flags = BROKER_CARD_VIABLE;
	facts->group = -1;
	for (unsigned int n = 0; n < BROKER_FUNCTIONS_MAX; n++) {
		struct broker_function *f = &facts->functions[facts->function_count];

		if (!function_look(card, n, f)) {
			continue;
		}
		facts->function_count++;
		if (number_read(card->name, n, "boot_vga")) {
			facts->flags |= BROKER_CARD_BOOT_VGA;
		}
		if (!group_is_ours(card, n, report->text)) {
			facts->flags &= ~(uint32_t)BROKER_CARD_VIABLE;
		}
		if (facts->group < 0 &&
		    link_read(group, sizeof(group), DEVICE "iommu_group", card->name, n) == 0) {
			facts->group = (int32_t)strtol(group, NULL, 10);
		}
		vfio |= !strcmp(f->driver, "vfio-pci");
		if ((f->driver[0] && strcmp(f->driver, "vfio-pci") != 0) ||
		    card->saved.functions[n].driver[0]) {
			facts->flags |= BROKER_CARD_HAD_HOST;
		}
	}
	facts->flags |= vfio && group_is_open(card) ? BROKER_CARD_OPEN : 0u;
}

int look_step(struct card *card, unsigned int number, struct report *report)
{
	look_at_all(card, report);
	/* Function 0 is always there on a slot that has a device. */
	if (report->facts.function_count == 0 || report->facts.functions[0].number != 0) {
		report->facts.flags = 0;
		fail(report->text, 0, "%s is not on the bus, or does not answer", card->name);
	} else {
		report->facts.flags |= BROKER_CARD_PRESENT;
	}
	return 0;
}

/* Once in a stay with the host: what is found now is what the host will get back. */
int save_step(struct card *card, unsigned int number, struct report *report)
{
	const struct broker_facts *facts = &card->facts;
	int r = 0;

	for (unsigned int i = 0; i < facts->function_count && r == 0; i++) {
		const struct broker_function *f = &facts->functions[i];
		char power[8], d3cold[4], hex[2 * CONFIG_BYTES + 1];
		uint8_t config[CONFIG_BYTES];

		if (card->saved.functions[f->number].known) {
			continue;
		}
		if (config_read(card, f->number, config) < 0) {
			return fail(report->text, -EIO,
				    "the configuration space of %s.%u cannot be "
				    "read",
				    card->name, f->number);
		}
		for (size_t k = 0; k < CONFIG_BYTES; k++) {
			snprintf(hex + 2 * k, 3, "%02x", config[k]);
		}
		text_read(power, sizeof(power), DEVICE "power/control", card->name, f->number);
		text_read(d3cold, sizeof(d3cold), DEVICE "d3cold_allowed", card->name, f->number);
		r = journal_append(card, "@function %u %s %s %s %s", f->number,
				   f->driver[0] && strcmp(f->driver, "vfio-pci") ? f->driver : "-",
				   power[0] ? power : "-", d3cold[0] ? d3cold : "-", hex);
	}
	return r < 0 ? fail(report->text, r, "the journal cannot be written: %s", strerror(-r)) : 0;
}
