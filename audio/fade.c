// SPDX-License-Identifier: MIT
/* Gains that move without a step; see fade.h. */
#include "audio/fade.h"

#include <math.h>

static float angle_of(float gain)
{
	return asinf(gain < 0.0f ? 0.0f : gain > 1.0f ? 1.0f : gain);
}

/* One step from value towards target, and not beyond. */
static float approach(float value, float target, float step)
{
	if (fabsf(target - value) <= fabsf(step)) {
		return target;
	}
	return value + step;
}

void fade_init(struct fade *fade, float gain)
{
	*fade = (struct fade){ .angle = angle_of(gain), .target = angle_of(gain) };
	fade->gain = sinf(fade->angle);
}

void fade_aim(struct fade *fade, float gain, uint32_t frames)
{
	fade->target = angle_of(gain);
	fade->step = (fade->target - fade->angle) / (float)(frames ? frames : 1);
}

float fade_next(struct fade *fade)
{
	if (fade->angle != fade->target) {
		fade->angle = approach(fade->angle, fade->target, fade->step);
		fade->gain = sinf(fade->angle);
	}
	return fade->gain;
}

void ramp_init(struct ramp *ramp, float gain)
{
	*ramp = (struct ramp){ .gain = gain, .target = gain };
}

void ramp_aim(struct ramp *ramp, float gain, uint32_t frames)
{
	ramp->target = gain;
	ramp->step = (gain - ramp->gain) / (float)(frames ? frames : 1);
}

float ramp_next(struct ramp *ramp)
{
	if (ramp->gain != ramp->target) {
		ramp->gain = approach(ramp->gain, ramp->target, ramp->step);
	}
	return ramp->gain;
}

#define DECLICK_MS 5

void declick_init(struct declick *declick, unsigned int channels, uint32_t rate)
{
	*declick = (struct declick){ .channels = channels, .total = rate * DECLICK_MS / 1000 };
}

void declick_jump(struct declick *declick, const float *frame)
{
	for (unsigned int c = 0; c < declick->channels; c++) {
		declick->offset[c] = declick->last[c] - frame[c];
	}
	declick->left = declick->total;
}

void declick_apply(struct declick *declick, float *frame)
{
	float share = (float)declick->left / (float)declick->total;

	for (unsigned int c = 0; c < declick->channels; c++) {
		frame[c] += declick->offset[c] * share;
		declick->last[c] = frame[c];
	}
	if (declick->left) {
		declick->left--;
	}
}
