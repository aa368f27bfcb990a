// SPDX-License-Identifier: MIT
/*
 * One function from one driver to another, a write at a time. What a write returns is not trusted:
 * with an unbind stuck, drivers_probe says 0 and binds nothing. The driver link tells.
 */
#include "passthrough/broker/broker.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define DEVICE "/sys/bus/pci/devices/%s.%u/"
#define MODULE_MS 10000 /* for udev to load a host driver's module */
#define MODULE_LOOK_MS 20

static bool has_driver(const struct card *card, unsigned int number, char driver[32])
{
	return link_read(driver, 32, DEVICE "driver", card->name, number) == 0;
}

static bool on_vfio(const struct card *card, unsigned int number)
{
	char driver[32];

	return has_driver(card, number, driver) && !strcmp(driver, "vfio-pci");
}

/* Asleep it may not come back: some cards do not wake up from D3cold on vfio-pci. */
int power_step(struct card *card, unsigned int number, struct report *report)
{
	attribute_write(card, "on", DEVICE "power/control", card->name, number);
	attribute_write(card, "0", DEVICE "d3cold_allowed", card->name, number);
	return 0;
}

int unpower_step(struct card *card, unsigned int number, struct report *report)
{
	const struct saved_function *saved = &card->saved.functions[number];

	if (saved->known && saved->d3cold[0] != '-') {
		attribute_write(card, saved->d3cold, DEVICE "d3cold_allowed", card->name, number);
	}
	if (saved->known && saved->power[0] != '-') {
		attribute_write(card, saved->power, DEVICE "power/control", card->name, number);
	}
	return 0;
}

int override_step(struct card *card, unsigned int number, struct report *report)
{
	int r = attribute_write(card, "vfio-pci", DEVICE "driver_override", card->name, number);

	return r < 0 ? fail(report->text, r, "driver_override of %s.%u cannot be written: %s",
			    card->name, number, strerror(-r))
		     : 0;
}

int clear_step(struct card *card, unsigned int number, struct report *report)
{
	char override[32];

	text_read(override, sizeof(override), DEVICE "driver_override", card->name, number);
	if (strcmp(override, "vfio-pci") != 0) {
		return 0;
	}
	attribute_write(card, "\n", DEVICE "driver_override", card->name, number);
	text_read(override, sizeof(override), DEVICE "driver_override", card->name, number);
	return strcmp(override, "vfio-pci")
		       ? 0
		       : fail(report->text, -EIO, "driver_override of %s.%u stays", card->name,
			      number);
}

static int unbind(struct card *card, unsigned int number, struct report *report)
{
	char name[24], driver[32];

	snprintf(name, sizeof(name), "%s.%u", card->name, number);
	attribute_write(card, name, DEVICE "driver/unbind", card->name, number);
	return has_driver(card, number, driver)
		       ? fail(report->text, -EIO, "%s does not let go of %s", driver, name)
		       : 0;
}

int unbind_step(struct card *card, unsigned int number, struct report *report)
{
	char driver[32];

	return !has_driver(card, number, driver) || on_vfio(card, number)
		       ? 0
		       : unbind(card, number, report);
}

int release_step(struct card *card, unsigned int number, struct report *report)
{
	return on_vfio(card, number) ? unbind(card, number, report) : 0;
}

static void probe(struct card *card, unsigned int number)
{
	char name[24];

	snprintf(name, sizeof(name), "%s.%u", card->name, number);
	attribute_write(card, name, "/sys/bus/pci/drivers_probe");
}

int take_step(struct card *card, unsigned int number, struct report *report)
{
	if (!on_vfio(card, number)) {
		probe(card, number);
	}
	return on_vfio(card, number) ? 0
				     : fail(report->text, -EIO,
					    "vfio-pci does not take %s.%u: the kernel's log "
					    "says why",
					    card->name, number);
}

/* A driver whose module was unloaded meanwhile is loaded by udev, as when the card was found. */
static void load_module(struct card *card, unsigned int number)
{
	uint64_t end = now_ms() + MODULE_MS;
	char driver[32];

	attribute_write(card, "add", DEVICE "uevent", card->name, number);
	while (!has_driver(card, number, driver) && now_ms() < end) {
		poll(NULL, 0, MODULE_LOOK_MS);
	}
}

/* A sound function without its driver is told, but is no reason to keep the screen dark. */
int give_step(struct card *card, unsigned int number, struct report *report)
{
	const struct saved_function *saved = &card->saved.functions[number];
	char driver[32], other[8];

	if (has_driver(card, number, driver)) {
		return 0;
	}
	probe(card, number);
	if (!has_driver(card, number, driver) && saved->driver[0] &&
	    text_read(other, sizeof(other), "/sys/bus/pci/drivers/%s/uevent", saved->driver) ==
		    -ENOENT) {
		load_module(card, number);
	}
	if (has_driver(card, number, driver) || (saved->known && !saved->driver[0])) {
		return 0;
	}
	say("%s.%u: no driver of the host takes it back", card->name, number);
	return saved->config[11] != DISPLAY_CLASS
		       ? 0
		       : fail(report->text, -EIO,
			      "no driver of the host takes %s.%u back: the "
			      "kernel's log says why",
			      card->name, number);
}
