/* SPDX-License-Identifier: MIT */
/* The truth about a card, as far as the calling user can see it: sysfs and procfs. */
#ifndef PASSTHROUGH_DOCTOR_CARD_LOOK_H
#define PASSTHROUGH_DOCTOR_CARD_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/broker.h"

#define MEMBERS_MAX 16
#define LOOK_CARDS_MAX 16

/* Another device of the card's IOMMU group. */
struct group_member {
	char address[16];
	char driver[32]; /* empty: none */
	bool bridge;     /* which may be there */
};

struct card_look {
	struct broker_slot slot;
	char name[16]; /* "0000:01:00" */
	struct broker_facts facts;
	unsigned int n_members;
	struct group_member members[MEMBERS_MAX];
	bool below_bridge;       /* which can reset what is below it */
	char neighbour[16];      /* a stranger below the same bridge, or empty */
	uint64_t prefetch_bytes; /* of 64-bit prefetchable memory, all functions */
	unsigned int n_nodes;    /* by which processes reach it */
	char nodes[256];         /* their names: "/dev/dri/card0, …" */
	bool all_seen;           /* every process could be looked into */
	unsigned int n_holders, more;
	struct broker_holder holders[BROKER_HOLDERS_MAX];
};

/* Slots of all display devices on the bus, in their order; how many. */
unsigned int cards_list(struct broker_slot out[LOOK_CARDS_MAX]);

/* Looks, in a child. 0, or -ETIME when the kernel does not answer about this card. */
int card_look(const struct broker_slot *slot, struct card_look *out);

/* "Red Hat, Inc. Virtio 1.0 GPU": what the hardware database calls the function, else its ids. */
void card_describe(const struct broker_function *function, char *out, size_t size);

#endif
