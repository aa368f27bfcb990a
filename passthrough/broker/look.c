// SPDX-License-Identifier: MIT
/* The truth about a card: what sysfs says of its functions, and of its IOMMU group. */
#include "passthrough/broker/broker.h"

#define NO_IOMMU "switch the IOMMU on in the firmware, and by intel_iommu=on for the kernel"

/* What must survive a reset of the header of the configuration space, a character a byte: identity,
 * class, header type, base addresses, subsystem; but not what drivers and firmware set. */
static const char lasting[] = "1111....1111..1.111111111111111111111111....1111";

/* -ENODEV: it does not answer. Else a sum (FNV-1a) over what must survive a reset. */
int identity_read(const struct card *card, unsigned int number, uint64_t *out)
{
	_cleanup_(close_fd) int fd =
		open(at_function(card, number, "config"), O_RDONLY | O_CLOEXEC);
	uint8_t config[sizeof(lasting) - 1];
	ssize_t n = fd < 0 ? -1 : read(fd, config, sizeof(config));

	if (n != sizeof(config) || (config[0] == 0xff && config[1] == 0xff)) {
		return -ENODEV;
	}
	*out = 0xcbf29ce484222325;
	for (size_t i = 0; i < sizeof(config); i++) {
		*out = (*out ^ (lasting[i] == '1' ? config[i] : 0)) * 0x100000001b3;
	}
	return 0;
}

static void function_look(const struct card *card, unsigned int n, struct broker_function *out)
{
	out->number = (uint8_t)n;
	out->class = (uint32_t)number_read(at_function(card, n, "class"), "");
	out->vendor = (uint16_t)number_read(at_function(card, n, "vendor"), "");
	out->device = (uint16_t)number_read(at_function(card, n, "device"), "");
	link_read(at_function(card, n, "driver"), out->driver, sizeof(out->driver));
	text_read(at_function(card, n, "driver_override"), out->override, sizeof(out->override));
	out->override[0] *= strcmp(out->override, "(null)") != 0;
	text_read(at_function(card, n, "reset_method"), out->reset, sizeof(out->reset));
}

/* Bridges above the card may be in its group; anything else there is foreign. */
static bool group_is_ours(const struct card *card, unsigned int number, char *text)
{
	DIR *dir = opendir(at_function(card, number, "iommu_group/devices"));
	struct dirent *entry;
	char class[16];
	bool ours = true;

	if (!dir) {
		return fail(text, 0, "%s is in no IOMMU group: %s", card->name, NO_IOMMU);
	}
	while ((entry = dir_next(&dir))) {
		text_read(at("/sys/bus/pci/devices/%s/class", entry->d_name), class, sizeof(class));
		if (strncmp(entry->d_name, card->name, strlen(card->name)) != 0 &&
		    strncmp(class, "0x0604", 6) != 0) {
			ours = fail(text, 0, "%s shares its IOMMU group with %s: use another slot",
				    card->name, entry->d_name);
		}
	}
	return ours;
}

/* While it is lent, to try could be in the borrower's way. */
static bool is_open(const struct card *card)
{
	struct nodes groups = { 0 };
	char text[BROKER_TEXT_MAX];

	if (card->saved.loan.pid) {
		groups_find(card, &groups);
		return node_open_in(at("/proc/%d/fd", card->saved.loan.pid), &groups);
	}
	return groups_are_open(card, text);
}

/* It is unplugged, so nobody has it any more, and what comes back into the slot is another one.
 * Nodes that were closed with it may serve other cards too. */
static void forget(struct card *card, struct report *report)
{
	if (card->saved.loan.pid) {
		reclaim_step(card, 0, report);
	}
	if (card->saved.functions[0].known) {
		reopen_step(card, DRAINED_NODES, report);
		journal_append(card, "@returned");
	}
}

int look_step(struct card *card, unsigned int unused, struct report *report)
{
	struct broker_facts *facts = &report->facts;
	uint64_t identity;
	char group[16];

	facts->flags = BROKER_CARD_VIABLE;
	facts->hot_reset_count = card->facts.hot_reset_count;
	for (unsigned int n = 0; n < BROKER_FUNCTIONS_MAX; n++) {
		struct broker_function *f = &facts->functions[facts->function_count];

		if (identity_read(card, n, &identity) < 0) {
			continue;
		}
		facts->function_count++;
		function_look(card, n, f);
		if (number_read(at_function(card, n, "boot_vga"), "")) {
			facts->flags |= BROKER_CARD_BOOT_VGA;
		}
		if ((f->driver[0] && strcmp(f->driver, "vfio-pci") != 0) ||
		    card->saved.functions[n].driver[0] > '-') {
			facts->flags |= BROKER_CARD_HAD_HOST;
		}
		if (!group_is_ours(card, n, report->text)) {
			facts->flags &= ~(uint32_t)BROKER_CARD_VIABLE;
		}
	}
	link_read(at_function(card, 0, "iommu_group"), group, sizeof(group));
	facts->group = group[0] ? (int32_t)strtol(group, NULL, 10) : -1;
	/* A slot that has a device has function 0. */
	if (facts->function_count == 0 || facts->functions[0].number != 0) {
		card->facts = *facts = (struct broker_facts){ .group = -1 };
		/* The doctor looks without a broker, and changes nothing. */
		if (card->broker && access(at_function(card, 0, ""), F_OK) < 0) {
			forget(card, report);
		}
		return fail(report->text, 0, "%s is gone, or does not answer", card->name);
	}
	card->facts = *facts;
	facts->flags |= BROKER_CARD_PRESENT | (is_open(card) ? BROKER_CARD_OPEN : 0);
	return 0;
}

/* Once in a stay with the host: what is found now is what the host will get back. */
int save_step(struct card *card, unsigned int unused, struct report *report)
{
	int r = 0;

	function_for_each(card, f) {
		struct saved_function now = { 0 };

		if (card->saved.functions[f->number].known || r < 0) {
			continue;
		}
		if (strcmp(f->driver, "vfio-pci") != 0) {
			memcpy(now.driver, f->driver, sizeof(now.driver));
		}
		text_read(at_function(card, f->number, "power/control"), now.power,
			  sizeof(now.power));
		text_read(at_function(card, f->number, "d3cold_allowed"), now.d3cold,
			  sizeof(now.d3cold));
		r = identity_read(card, f->number, &now.identity)
			    ?: journal_function(card, f->number, &now);
	}
	return r;
}
