/* SPDX-License-Identifier: MIT */
/*
 * Two clocks never agree: a guest's samples come by the host's, the loudspeaker takes them by its
 * own. The fill of the ring between them says which one runs ahead. This controller turns it into
 * the factor by which samples are taken out faster or slower, so that the fill stays where it
 * should.
 *
 * The fill moves in steps, since samples come and go in lumps, so a mean of it is looked at. The
 * factor follows it slowly (20 s), which nobody hears, and by a part that remembers: in the end it
 * is the clocks' true ratio and the fill stays at its target.
 */
#ifndef AUDIO_DRIFT_H
#define AUDIO_DRIFT_H

#include <stdint.h>

#define DRIFT_MAX 0.005 /* more than that is no clock; it could be heard */

struct drift {
	double rate;   /* frames a second */
	double mean;   /* of the fill's distance from the target, in seconds */
	double memory; /* what is known of the clocks' ratio */
	double factor; /* of the last update */
};

void drift_init(struct drift *drift, uint32_t rate);

/*
 * The ring holds fill frames beside those that it is meant to hold, after so many frames (of the
 * taking side) since the last time. The factor is above 1 when more has to be taken.
 */
double drift_update(struct drift *drift, double surplus, double frames);

/* The fill was set by force; what is known of the clocks stays. */
void drift_restart(struct drift *drift);

#endif
