/* SPDX-License-Identifier: MIT */
/* The graphics cards on the guest's PCI bus, as sysfs tells. */
#ifndef AGENT_CARDS_H
#define AGENT_CARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/agent.h"

#define CARDS_MAX 8

struct pci_card {
	struct agent_slot slot;
	unsigned int function; /* the display's; 0 to 7 */
	uint16_t vendor, device;
	bool boot;       /* the firmware's display */
	char driver[32]; /* empty: none */
	char node[32];   /* "card1"; empty: none */
};

/* devices: "/sys/bus/pci/devices". Fills at most CARDS_MAX, by address; returns how many. */
unsigned int cards_list(const char *devices, struct pci_card cards[static CARDS_MAX]);

/*
 * The card to capture. which: a node ("card1" or a path to it), a slot ("0000:01:00"), or NULL: the
 * first that has a node and is not the firmware's display. NULL when there is none.
 */
const struct pci_card *cards_choose(const struct pci_card *cards, unsigned int count,
				    const char *which);

bool slot_equal(struct agent_slot a, struct agent_slot b);

#endif
