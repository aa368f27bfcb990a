/* SPDX-License-Identifier: MIT */
/*
 * How loud, frame by frame, without a step: a step in what is heard is a click.
 *
 * A fade is one of equal power: the gain is the sine of an angle that moves evenly, so a guest that
 * goes and one that comes together are as loud in the middle as before and after (sin² + cos² = 1).
 * It may be turned round at any moment and goes on from where it is.
 */
#ifndef AUDIO_FADE_H
#define AUDIO_FADE_H

#include <stdint.h>

#include "audio/sample.h"

#define FADE_MS 30

struct fade {
	float angle, target, step; /* radians, 0 to pi/2; step is that of a frame */
	float gain;                /* of angle */
};

/* At rest at this gain, 0 to 1. */
void fade_init(struct fade *fade, float gain);
/* To another gain over so many frames. */
void fade_aim(struct fade *fade, float gain, uint32_t frames);
/* The gain of the next frame. */
float fade_next(struct fade *fade);

/* A volume: moves straight. */
struct ramp {
	float gain, target, step;
};

void ramp_init(struct ramp *ramp, float gain);
void ramp_aim(struct ramp *ramp, float gain, uint32_t frames);
float ramp_next(struct ramp *ramp);

/*
 * For where samples do not go on as they were: there are none any more, they come again, some were
 * left out. What is heard begins with the last sample that was, and comes to the new ones in 5 ms.
 */
struct declick {
	float last[SAMPLE_CHANNELS_MAX], offset[SAMPLE_CHANNELS_MAX];
	unsigned int channels;
	uint32_t left, total; /* frames */
};

void declick_init(struct declick *declick, unsigned int channels, uint32_t rate);
/* frame does not go on where the last one was. */
void declick_jump(struct declick *declick, const float *frame);
/* Makes frame, in place, what is heard. */
void declick_apply(struct declick *declick, float *frame);

#endif
