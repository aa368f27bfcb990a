// SPDX-License-Identifier: MIT
/*
 * One function from one driver to another. What a write returns is not trusted: with an unbind
 * stuck, drivers_probe says 0 and binds nothing. The driver link tells.
 */
#include "passthrough/broker/broker.h"

#define MODULE_MS 10000 /* for udev to load a host driver's module */
#define MODULE_LOOK_MS 20

/* value NULL: the function's name. */
int attribute_write(struct card *card, unsigned int number, const char *attribute,
		    const char *value)
{
	char name[24];
	int r;

	snprintf(name, sizeof(name), "%s.%u", card->name, number);
	value = value ? value : name;
	r = journal_append(card, "@write %u %s %s", number, attribute, *value == '\n' ? "" : value);
	return r < 0 ? r : kernel_write(at_function(card, number, attribute), value);
}

static bool has_driver(const struct card *card, unsigned int number, const char *wanted)
{
	char driver[32];

	link_read(at_function(card, number, "driver"), driver, sizeof(driver));
	return driver[0] && (!wanted || !strcmp(driver, wanted));
}

/* Asleep it may not come back: some cards do not wake up on vfio-pci. */
int claim_step(struct card *card, unsigned int number, struct report *report)
{
	if (access(at("/sys/bus/pci/drivers/vfio-pci"), F_OK) < 0) {
		return fail(report->text, -EOPNOTSUPP, "vfio-pci is missing: modprobe vfio-pci");
	}
	attribute_write(card, number, "power/control", "on");
	attribute_write(card, number, "d3cold_allowed", "0");
	return attribute_write(card, number, "driver_override", "vfio-pci");
}

int disclaim_step(struct card *card, unsigned int number, struct report *report)
{
	const struct saved_function *saved = &card->saved.functions[number];
	char now[32];

	text_read(at_function(card, number, "driver_override"), now, sizeof(now));
	if (saved->known) {
		attribute_write(card, number, "d3cold_allowed", saved->d3cold);
		attribute_write(card, number, "power/control", saved->power);
	}
	return strcmp(now, "vfio-pci") ? 0 : attribute_write(card, number, "driver_override", "\n");
}

static int unbind(struct card *card, unsigned int number, struct report *report)
{
	attribute_write(card, number, "driver/unbind", NULL);
	return has_driver(card, number, NULL) ? -EIO : 0;
}

int unbind_step(struct card *card, unsigned int number, struct report *report)
{
	return has_driver(card, number, NULL) && !has_driver(card, number, "vfio-pci")
		       ? unbind(card, number, report)
		       : 0;
}

/* With a user of the group vfio-pci would wait for it, for ever. */
int release_step(struct card *card, unsigned int number, struct report *report)
{
	if (!has_driver(card, number, "vfio-pci")) {
		return 0;
	}
	return groups_are_open(card, report->text) ? -EBUSY : unbind(card, number, report);
}

static bool probe(struct card *card, unsigned int number, const char *wanted)
{
	if (!has_driver(card, number, wanted)) {
		attribute_write(card, number, "subsystem/drivers_probe", NULL);
	}
	return has_driver(card, number, wanted);
}

int take_step(struct card *card, unsigned int number, struct report *report)
{
	return probe(card, number, "vfio-pci") ? 0 : -EIO;
}

/* A driver whose module was unloaded is loaded by udev, as when the card was found. Another
 * function than the display without its driver is no reason to keep the screen dark. */
int give_step(struct card *card, unsigned int number, struct report *report)
{
	const char *driver = card->saved.functions[number].driver;
	uint64_t end = now_ms() + MODULE_MS;
	bool bound = probe(card, number, NULL);

	if (!bound && driver[0] > '-' && access(at("/sys/bus/pci/drivers/%s", driver), F_OK) < 0) {
		attribute_write(card, number, "uevent", "add");
		while (!(bound = has_driver(card, number, NULL)) && now_ms() < end) {
			poll(NULL, 0, MODULE_LOOK_MS);
		}
	}
	return bound || driver[0] == '-' || number != 0 ? 0 : -EIO;
}
