/* SPDX-License-Identifier: MIT */
/*
 * What the seat and the broker say to each other: a SOCK_SEQPACKET socket, one message a packet,
 * in the machine's own byte order (both ends run on it), unused bytes zero. Data only.
 *
 * The seat sends struct broker_request, beginning with BROKER_HELLO. Each request is answered by
 * any number of BROKER_CARD, BROKER_GUEST, BROKER_HOLDER and BROKER_PROGRESS messages and then
 * exactly one BROKER_DONE, all with the request's serial. Messages with serial 0 are news that
 * nobody asked for. One card has one request at a time (-EBUSY otherwise); requests for different
 * cards run side by side. A packet of another size than its verb's, with an unknown verb, an
 * unterminated string or a first message other than HELLO ends the connection.
 */
#ifndef PROTO_BROKER_H
#define PROTO_BROKER_H

#include <stdint.h>

#define BROKER_SOCKET "/run/baton/broker.sock"
#define BROKER_CONFIG "/etc/baton/broker.conf"
#define BROKER_PROTOCOL 3
#define BROKER_CARDS_MAX 8
#define BROKER_GUESTS_MAX 16
#define BROKER_FUNCTIONS_MAX 8
#define BROKER_NAME_MAX 64
#define BROKER_USER_MAX 32
#define BROKER_TEXT_MAX 256
#define BROKER_HOLDERS_MAX 32 /* told; more are only counted */

/* A PCI slot: all its functions are one card. Written "0000:01:00". */
struct broker_slot {
	uint16_t domain;
	uint8_t bus;
	uint8_t device;
};

/*
 * Who may do what when. "idle" is a card without a request under way.
 *
 * HELLO      protocol; answers with nothing but DONE.
 * LIST       a BROKER_CARD for each card of the allow-list, a BROKER_GUEST for each guest that has
 *            a user of its own. No card.
 * RECORD     writes a stage of the seat's own into the journal; DONE says that it is on disk.
 * -ENOSPC
 *            when a card that has a request under way, or is wedged, has 32 MiB of it.
 * HOLDERS    a BROKER_HOLDER for each opener of the card's nodes. Changes nothing.
 * DRAIN      on host drivers: makes the card's nodes unusable for new openers, then as HOLDERS;
 *            DONE is -EBUSY while there are some. Again as often as wanted.
 * UNDRAIN    gives the nodes their old mode back.
 * DETACH     drained: every function to vfio-pci, audio and USB first, the display last; -EBUSY
 *            when somebody holds a node. Undone by itself when it fails half-way.
 * SANITIZE   on vfio-pci, nobody has the group open: one reset of all functions together, then
 *            their configuration space is checked.
 * LEND       sanitized, with a pidfd of the guest's QEMU: gives its user the group's node and it
 *            the right to lock memory_bytes more. A guest (stage.to) that has a user of its own
 *            borrows as that one alone.
 * TAKE_BACK  takes node and memlock back; -EBUSY while the borrower has the group open. The broker
 * may
 *            have done it already, for a borrower that ended.
 * RETURN     on vfio-pci, not lent: back to the host's drivers, the display first; nodes as they
 *            were before DRAIN.
 * UNLOAD     unloads the NVIDIA modules in their order when no NVIDIA card has a user; -EBUSY else.
 * START_GUEST  the guest stage.to, which has a user of its own: tells systemd to start its unit,
 *            whose program then waits for the seat; see proto/guest.h. DONE says no more than that
 *            systemd will be told. No card.
 * KILL_GUEST the same guest: SIGKILL to all processes of its unit, likewise. No card.
 */
enum broker_verb {
	BROKER_HELLO = 1,
	BROKER_LIST,
	BROKER_RECORD,
	BROKER_HOLDERS,
	BROKER_DRAIN,
	BROKER_UNDRAIN,
	BROKER_DETACH,
	BROKER_SANITIZE,
	BROKER_LEND,
	BROKER_TAKE_BACK,
	BROKER_RETURN,
	BROKER_UNLOAD,
	BROKER_START_GUEST,
	BROKER_KILL_GUEST,
	BROKER_VERB_COUNT
};

/* A line of the journal: what is being done to the card, and for whom. Empty names are the host. */
struct broker_stage {
	char name[24]; /* of the handoff's table of stages: "eject", "attach", … */
	char from[BROKER_NAME_MAX];
	char to[BROKER_NAME_MAX];
	uint32_t finished; /* 0: intent, 1: done, 2: failed */
	uint32_t reserved;
};

struct broker_request {
	uint32_t verb;
	uint32_t serial; /* not 0, chosen by the seat */
	struct broker_slot slot;
	uint32_t protocol;     /* HELLO */
	uint64_t memory_bytes; /* LEND: guest RAM and what QEMU needs besides */
	struct broker_stage stage; /* RECORD; else what the journal gets for this request */
};

enum broker_kind {
	BROKER_DONE = 1, /* error, text */
	BROKER_CARD,     /* facts; with serial 0: something changed */
	BROKER_HOLDER,   /* who has which node open */
	BROKER_PROGRESS, /* a kernel write is late: text says which, and where it waits */
	BROKER_GUEST,    /* that has a user of its own, and which */
};

struct broker_function {
	uint8_t number; /* 0 to 7 */
	uint8_t reserved[3];
	uint32_t class; /* as in sysfs: 0x030000 is a VGA display */
	uint16_t vendor, device;
	char driver[32];   /* bound now; empty: none */
	char override[32]; /* driver_override; empty: none */
	char reset[48];    /* reset_method of the kernel: "flr pm bus" */
};

enum broker_card_flag {
	BROKER_CARD_PRESENT = 1 << 0,  /* on the bus, and its configuration space answers */
	BROKER_CARD_VIABLE = 1 << 1,   /* nobody foreign in its IOMMU group */
	BROKER_CARD_BOOT_VGA = 1 << 2, /* the firmware's display */
	BROKER_CARD_DRAINED = 1 << 3,  /* its nodes are closed to new openers */
	BROKER_CARD_CLEAN = 1 << 4,    /* sanitized, and not lent since */
	BROKER_CARD_LENT = 1 << 5,
	/* At the last look (after LIST, at least) somebody had its VFIO group open; while it is
	 * lent: its borrower. */
	BROKER_CARD_OPEN = 1 << 6,
	BROKER_CARD_WEDGED = 1 << 7,   /* a kernel write never came back; text says which */
	BROKER_CARD_HAD_HOST = 1 << 8, /* the host has drivers for it: it can be returned */
};

struct broker_facts {
	uint32_t flags;
	int32_t group; /* IOMMU group, or -1 */
	int32_t lent_pid;
	uint32_t function_count;
	struct broker_function functions[BROKER_FUNCTIONS_MAX];
	struct broker_stage stage; /* the journal's last line about it; empty: none in this boot */
	uint32_t hot_reset_count;  /* functions that a hot reset covers; 0: not known yet */
	uint32_t reserved;
};

struct broker_holder {
	int32_t pid;
	uint32_t more; /* how many more there are than are told; in the last message */
	char command[32];
	char node[64];
};

struct broker_guest {
	char name[BROKER_NAME_MAX];
	char user[BROKER_USER_MAX];
	uint32_t uid; /* of that user */
	uint32_t reserved;
};

struct broker_message {
	uint32_t kind;
	uint32_t serial;
	struct broker_slot slot;
	int32_t error;              /* 0 or -errno */
	char text[BROKER_TEXT_MAX]; /* one sentence with cause and remedy, or empty */
	union {
		struct broker_facts facts;
		struct broker_holder holder;
		struct broker_guest guest;
	};
};

#endif
