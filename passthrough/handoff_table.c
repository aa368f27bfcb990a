// SPDX-License-Identifier: MIT
/*
 * The stages of a handoff: who carries each out, in what state, how long it may take, and what
 * undoes it. Where the numbers come from:
 *
 *   detach, give-back   a write that unbinds or probes: 5 s is late; a driver's start may reset its
 *                       card (amdgpu), the kernel waits 60 s for one: 70 s.
 *   sanitize            the kernel waits up to 60 s for a card after a bus reset: 75 s.
 *   drain               15 s for programs to close the card.
 *   eject               a healthy guest needs 0.02 to 0.1 s with ACPI; device_del again at 2, 5, 10,
 *                       20, 30 … s; the person has time until the hard deadline.
 *   take-back           QEMU has closed the group when it says DEVICE_DELETED, and 0.2 s after
 *                       it was killed.
 *   attach              10 s, and 0.3 s for each GiB of RAM that is not allocated yet.
 *   confirm             30 s for the guest's driver.
 */
#include "passthrough/handoff_table.h"

#define MSEC 1000ull
#define SEC (1000 * MSEC)
#define SAME CARD_STATE_COUNT

static const struct handoff_row rows[HANDOFF_STAGE_COUNT] = {
	[HANDOFF_PREPARE] = {
		.name = "prepare", .actor = HANDOFF_SEAT, .state = SAME, .after = SAME,
		.undo = HANDOFF_NONE, .flags = HANDOFF_ROW_STAYS,
		.soft_usec = 1 * SEC, .hard_usec = 5 * SEC,
		.late = "Looking whether the card can move takes long.",
	},
	[HANDOFF_CLOSE_SCREEN] = {
		.name = "close-screen", .actor = HANDOFF_SEAT, .state = CARD_STATE_DRAINING,
		.after = CARD_STATE_DRAINING, .undo = HANDOFF_OPEN_SCREEN,
		.flags = HANDOFF_ROW_HALF, .soft_usec = 3 * SEC, .hard_usec = 10 * SEC,
		.late = "The seat's own screens on the card are still open.",
	},
	[HANDOFF_DRAIN] = {
		.name = "drain", .actor = HANDOFF_BROKER, .state = CARD_STATE_DRAINING,
		.after = CARD_STATE_DRAINING, .undo = HANDOFF_UNDRAIN, .flags = HANDOFF_ROW_HALF,
		.soft_usec = 2 * SEC, .hard_usec = 20 * SEC, .retry_usec = 15 * SEC,
		.late = "Programs still have the card open; close them.",
	},
	[HANDOFF_DETACH] = {
		.name = "detach", .actor = HANDOFF_BROKER, .state = CARD_STATE_DETACHING,
		.after = CARD_STATE_POOL, .undo = HANDOFF_GIVE_BACK, .flags = HANDOFF_ROW_KERNEL,
		.soft_usec = 5 * SEC, .hard_usec = 70 * SEC,
		.late = "The host's driver has not let go of the card yet.",
	},
	[HANDOFF_EJECT] = {
		.name = "eject", .actor = HANDOFF_SEAT, .state = CARD_STATE_EJECTING,
		.after = CARD_STATE_EJECTING, .undo = HANDOFF_NONE,
		.undoes = HANDOFF_BIT(HANDOFF_ATTACH) | HANDOFF_BIT(HANDOFF_CONFIRM),
		.flags = HANDOFF_ROW_STAYS, .soft_usec = 2 * SEC, .hard_usec = 120 * SEC,
		.ask_usec = 12 * SEC, .late = "The guest has not let go of the card yet.",
	},
	[HANDOFF_TAKE_BACK] = {
		.name = "take-back", .actor = HANDOFF_BROKER, .state = CARD_STATE_EJECTING,
		.after = CARD_STATE_POOL, .undo = HANDOFF_NONE,
		.undoes = HANDOFF_BIT(HANDOFF_LEND), .flags = HANDOFF_ROW_STAYS,
		.soft_usec = 2 * SEC, .hard_usec = 20 * SEC, .retry_usec = 15 * SEC,
		.ask_usec = 5 * SEC, .late = "The guest's QEMU has not closed the card yet.",
	},
	[HANDOFF_SANITIZE] = {
		.name = "sanitize", .actor = HANDOFF_BROKER, .state = CARD_STATE_SANITIZING,
		.after = CARD_STATE_POOL, .undo = HANDOFF_NONE, .flags = HANDOFF_ROW_KERNEL,
		.soft_usec = 5 * SEC, .hard_usec = 75 * SEC,
		.late = "The card has not come out of its reset yet.",
	},
	[HANDOFF_LEND] = {
		.name = "lend", .actor = HANDOFF_BROKER, .state = CARD_STATE_ATTACHING,
		.after = CARD_STATE_ATTACHING, .undo = HANDOFF_TAKE_BACK,
		.soft_usec = 2 * SEC, .hard_usec = 10 * SEC,
		.late = "The broker has not lent the card yet.",
	},
	[HANDOFF_ATTACH] = {
		.name = "attach", .actor = HANDOFF_SEAT, .state = CARD_STATE_ATTACHING,
		.after = CARD_STATE_GUEST, .undo = HANDOFF_EJECT, .flags = HANDOFF_ROW_HALF,
		.soft_usec = 10 * SEC, .hard_usec = 60 * SEC,
		.late = "The guest's QEMU is still taking the card in; without memory that was "
			"allocated before, that takes long.",
	},
	[HANDOFF_CONFIRM] = {
		.name = "confirm", .actor = HANDOFF_SEAT, .state = CARD_STATE_GUEST,
		.after = CARD_STATE_GUEST, .undo = HANDOFF_NONE, .flags = HANDOFF_ROW_WARNS,
		.soft_usec = 10 * SEC, .hard_usec = 30 * SEC,
		.late = "The guest's driver has not taken the card up yet.",
	},
	[HANDOFF_GIVE_BACK] = {
		.name = "give-back", .actor = HANDOFF_BROKER, .state = CARD_STATE_RETURNING,
		.after = CARD_STATE_HOST, .undo = HANDOFF_NONE,
		.undoes = HANDOFF_BIT(HANDOFF_DETACH) | HANDOFF_BIT(HANDOFF_DRAIN),
		.flags = HANDOFF_ROW_KERNEL | HANDOFF_ROW_STAYS, .soft_usec = 5 * SEC,
		.hard_usec = 70 * SEC, .retry_usec = 15 * SEC,
		.late = "The host's driver has not taken the card up yet.",
	},
	[HANDOFF_OPEN_SCREEN] = {
		.name = "open-screen", .actor = HANDOFF_SEAT, .state = CARD_STATE_HOST,
		.after = CARD_STATE_HOST, .undo = HANDOFF_NONE,
		.undoes = HANDOFF_BIT(HANDOFF_CLOSE_SCREEN), .flags = HANDOFF_ROW_WARNS,
		.soft_usec = 3 * SEC, .hard_usec = 10 * SEC,
		.late = "The card is the host's again, but its screens are not lit yet.",
	},
	[HANDOFF_UNDRAIN] = {
		.name = "undrain", .actor = HANDOFF_BROKER, .state = CARD_STATE_DRAINING,
		.after = CARD_STATE_HOST, .undo = HANDOFF_NONE,
		.undoes = HANDOFF_BIT(HANDOFF_DRAIN), .flags = HANDOFF_ROW_WARNS,
		.soft_usec = 2 * SEC, .hard_usec = 10 * SEC, .retry_usec = 5 * SEC,
		.late = "The card's nodes are not open to programs again yet.",
	},
};

/* In the end every 10 s: a guest that was paused, or had not started yet, may listen only then. */
uint64_t handoff_repeat_usec(unsigned int n)
{
	static const uint64_t first[] = { 2 * SEC, 5 * SEC };
	const unsigned int count = sizeof(first) / sizeof(first[0]);

	return n < count ? first[n] : (n - count + 1) * 10 * SEC;
}

const struct handoff_row *handoff_row(enum handoff_stage stage)
{
	return &rows[stage];
}

const char *handoff_stage_name(enum handoff_stage stage)
{
	return stage < HANDOFF_STAGE_COUNT ? rows[stage].name : "?";
}

const char *handoff_end_text(enum card_state state)
{
	return state == CARD_STATE_LOST
		       ? "The card does not answer any more; switch the PC off and on."
		       : "The kernel hangs in a change of the card's driver; end who uses the card, or "
			 "restart the PC.";
}
