/* SPDX-License-Identifier: MIT */
/*
 * A graphics card that is lent: all functions of one PCI slot, and the one state that it is in.
 *
 * HOST        bound to the host's drivers. A resting state.
 * DRAINING    its screens are being closed and its users waited for; nothing is unbound yet.
 * DETACHING   its functions go from the host's drivers to vfio-pci.
 * POOL        on vfio-pci and nobody has it. A resting state.
 * SANITIZING  its one reset between two users, and the check of its configuration space.
 * ATTACHING   lent to a guest's QEMU, device_add under way.
 * GUEST       the guest has it. A resting state as long as that QEMU lives.
 * EJECTING    device_del was sent; the guest is expected to let go.
 * RETURNING   its functions go from vfio-pci back to the host's drivers.
 * WEDGED      a kernel write did not come back by its hard deadline. Nothing more is tried; when
 *             it does come back, the truth is read anew.
 * LOST        not on the bus, or its configuration space does not answer.
 *
 * The kernel and QEMU are the truth: after a restart of anybody the state is derived from them by
 * card_state_from_facts(), never remembered.
 */
#ifndef PASSTHROUGH_CARD_H
#define PASSTHROUGH_CARD_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/broker.h"

enum card_state {
	CARD_STATE_HOST,
	CARD_STATE_DRAINING,
	CARD_STATE_DETACHING,
	CARD_STATE_POOL,
	CARD_STATE_SANITIZING,
	CARD_STATE_ATTACHING,
	CARD_STATE_GUEST,
	CARD_STATE_EJECTING,
	CARD_STATE_RETURNING,
	CARD_STATE_WEDGED,
	CARD_STATE_LOST,
	CARD_STATE_COUNT
};

const char *card_state_name(enum card_state state);

/* The one table of legal transitions. */
bool card_state_may_become(enum card_state from, enum card_state to);

/* HOST, POOL and GUEST: nothing has to happen for it to stay so. */
bool card_state_rests(enum card_state state);

/*
 * The state that the broker's facts speak of when no handoff is under way. has_device: a guest's
 * QEMU has a device of this card (asked by QMP). A card between two drivers is DETACHING; the
 * broker finishes that by itself at its start.
 */
enum card_state card_state_from_facts(const struct broker_facts *facts, bool has_device);

/* "0000:01:00" (a function's ".0" is accepted and dropped); 0 or -EINVAL. */
int card_slot_parse(const char *text, struct broker_slot *out);
/* At least 16 bytes. */
void card_slot_format(const struct broker_slot *slot, char *out, size_t size);
bool card_slot_equal(const struct broker_slot *a, const struct broker_slot *b);

#endif
