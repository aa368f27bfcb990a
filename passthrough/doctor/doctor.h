/* SPDX-License-Identifier: MIT */
/*
 * baton-doctor: looks at everything that Baton needs, once, as the calling user, and says what is
 * there and what is not. It changes nothing. Unlike the seat it may wait; what may wait for ever is
 * done in a child.
 *
 * "system_root" (passthrough/broker/broker.h) is in front of /sys, /proc and /dev, for tests.
 */
#ifndef PASSTHROUGH_DOCTOR_DOCTOR_H
#define PASSTHROUGH_DOCTOR_DOCTOR_H

#include "passthrough/doctor/broker_ask.h"
#include "passthrough/doctor/finding.h"
#include "passthrough/doctor/setup.h"

/* NULL: the default. */
struct doctor_options {
	struct setup_folders folders;
	const char *runtime_dir; /* of the seat, with the guests' folders */
	const char *broker_socket;
	const char *broker_config; /* broker.conf */
};

/* The cards that the broker lends, from itself or else from its file. */
struct allow_list {
	bool known, user_allowed;
	char trouble[BROKER_TEXT_MAX]; /* why it is not known */
	unsigned int n;
	struct broker_slot slots[BROKER_CARDS_MAX];
};

struct doctor {
	const struct doctor_options *options;
	struct setup setup;
	struct broker_answer broker;
	struct allow_list allowed;
	struct findings *findings;
};

/* Runs every check. 0 or -errno; findings may be many even then. */
int doctor_run(const struct doctor_options *options, struct findings *findings);

/* How bad it is when cards cannot be lent: FAIL if one is to be, else WARN. */
enum finding_status doctor_severity(const struct doctor *doctor);

/* Whether the configuration or the broker names the card. */
bool doctor_lends(const struct doctor *doctor, const struct broker_slot *slot);
bool allow_list_has(const struct allow_list *list, const struct broker_slot *slot);

/* check_host.c */
void check_virtualisation(struct doctor *doctor);
void check_iommu(struct doctor *doctor);
void check_interrupt_remapping(struct doctor *doctor);
void check_vfio(struct doctor *doctor);

/* check_broker.c */
const char *doctor_broker_config(const struct doctor *doctor); /* its path */
void allow_list_load(struct doctor *doctor);
void check_broker(struct doctor *doctor);
void check_allow_list(struct doctor *doctor);

/* check_cards.c */
void check_cards(struct doctor *doctor);

/* check_guests.c */
void check_configuration(struct doctor *doctor);
void check_memory(struct doctor *doctor);
void check_memlock(struct doctor *doctor);
void check_huge_pages(struct doctor *doctor);

/* check_programs.c */
void check_qemu(struct doctor *doctor);
void check_pipewire(struct doctor *doctor);

/* check_seat.c */
void check_seat(struct doctor *doctor);
void check_isolation(struct doctor *doctor);

#endif
