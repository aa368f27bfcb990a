/* SPDX-License-Identifier: MIT */
/*
 * A card as devices of one guest's QEMU: a vfio-pci "card.NAME.FUNCTION" for each of its functions,
 * all in one slot of a root port. Function 0 is what a guest looks at when something is plugged in,
 * so it comes last. Nothing here waits, and nothing has a deadline but the single commands: who
 * asked has it, repeats, and cancels.
 *
 * A guest that refuses to let go is silent, on x86 QEMU has no event for that.
 */
#ifndef PASSTHROUGH_GUEST_DEVICE_H
#define PASSTHROUGH_GUEST_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/broker.h"
#include "vm/vm.h"

struct guest_device;

/* None may destroy the device. */
struct guest_device_ops {
	/* What was asked for has ended, with 0 or -errno and a sentence (QEMU's own, where it gave
	 * one) or NULL. Once for each request that is not cancelled; may be called before the
	 * request returns. */
	void (*done)(void *data, int error, const char *text);
	/* It is known what the guest has, or that has changed without a request. */
	void (*seen)(void *data);
};

/* What is plugged in where. Copied, but for rom, which must live as long as the request. */
struct guest_device_plan {
	struct broker_slot slot; /* of the host */
	uint8_t functions;       /* bits of the numbers of the card's functions, 0 among them */
	unsigned int port;       /* root port of the guest, from 1 */
	const char *rom;         /* path of a VBIOS image for function 0, or NULL */
};

/* The name is copied. The vm must live longer. QEMU is asked at once what it has, and again each
 * time when it can be told something. 0 or -errno. */
int guest_device_create(struct vm *vm, const char *card, const struct guest_device_ops *ops,
			void *data, struct guest_device **out);
/* Cancels. The guest keeps what it has. NULL is legal. */
void guest_device_destroy(struct guest_device *device);

/* Whether the guest's QEMU has a function of the card; false as long as that is not known. */
bool guest_device_is_there(const struct guest_device *device);
/* Whether all of it is there: function 0 is, which comes last. Without that the guest sees nothing. */
bool guest_device_is_whole(const struct guest_device *device);
bool guest_device_is_known(const struct guest_device *device);

/* The number of the card's function that is called so in QEMU, or -1. */
int guest_device_function(const struct guest_device *device, const char *id);

/* Whether the guest has this root port. Known with the rest; false before. */
bool guest_device_has_port(const struct guest_device *device, unsigned int port);

/*
 * Plugs all functions in. A failure leaves those that are in: detach them. A connection to QEMU
 * that is lost meanwhile is waited for, and then what is missing is done; the same for detach.
 */
void guest_device_attach(struct guest_device *device, const struct guest_device_plan *plan);

/* Asks the guest to let go of every function; done when QEMU has closed them all. */
void guest_device_detach(struct guest_device *device);

/* Asks the guest once more, while detaching; what went unnoticed is noticed then. */
void guest_device_repeat(struct guest_device *device);

/*
 * Done when QEMU has function 0 in working order. Whether the guest's driver has taken the card up
 * nobody outside the guest can see.
 */
void guest_device_confirm(struct guest_device *device);

/* Asks QEMU anew what it has; seen() tells. For one that does not tell when a guest lets go. */
void guest_device_look(struct guest_device *device);

/* The request under way is not answered any more. What QEMU was told goes on. */
void guest_device_cancel(struct guest_device *device);

#endif
