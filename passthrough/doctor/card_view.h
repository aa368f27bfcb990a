/* SPDX-License-Identifier: MIT */
/* All that is known about one card, for the checks of it. */
#ifndef PASSTHROUGH_DOCTOR_CARD_VIEW_H
#define PASSTHROUGH_DOCTOR_CARD_VIEW_H

#include "passthrough/doctor/card_look.h"
#include "passthrough/doctor/doctor.h"

struct card_view {
	struct doctor *doctor;
	const struct card_config *config;        /* cards/NAME.ini, or NULL */
	const struct broker_card_answer *broker; /* or NULL */
	unsigned int others;                     /* display devices of the machine beside it */
	unsigned int nvidia;                     /* cards that NVIDIA's driver has */
	enum finding_status bad; /* what fails for a card that is to be lent is a warning else */
	const struct card_look *look;
	bool answered; /* the kernel did, so that look is filled */
};

/* card_holders.c: who has its nodes open. */
void check_holders(const struct card_view *view);

#endif
