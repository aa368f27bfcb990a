/* SPDX-License-Identifier: MIT */
/* How a card can be reset between two users; the same choice as passthrough/broker/reset.c makes.
 */
#ifndef PASSTHROUGH_DOCTOR_RESET_PLAN_H
#define PASSTHROUGH_DOCTOR_RESET_PLAN_H

#include "passthrough/doctor/card_look.h"

/*
 * NONE      nothing resets it: what one guest left in it, the next one would find.
 * OWN       its only function by a method of its own.
 * HOT       all functions together, through the bridge above them (VFIO hot reset).
 * OWN_EACH  each function by a method of its own, since a hot reset would reach a stranger.
 */
enum reset_plan { RESET_PLAN_NONE, RESET_PLAN_OWN, RESET_PLAN_HOT, RESET_PLAN_OWN_EACH };

/* A pure function of what was seen; nothing is tried. */
enum reset_plan reset_plan(const struct card_look *look);

#endif
