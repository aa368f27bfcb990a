// SPDX-License-Identifier: MIT
/* The rate controller; see drift.h. */
#include "audio/drift.h"

#define MEAN_SECONDS 1.0
#define GAIN 0.05                    /* 1/s: an error is gone after some 20 s */
#define MEMORY_GAIN (GAIN * GAIN / 4) /* as fast as it can be without swinging */

void drift_init(struct drift *drift, uint32_t rate)
{
	*drift = (struct drift){ .rate = rate, .factor = 1.0 };
}

void drift_restart(struct drift *drift)
{
	drift->mean = 0;
	drift->factor = 1.0 + drift->memory;
}

static double clamp(double value)
{
	return value > DRIFT_MAX ? DRIFT_MAX : value < -DRIFT_MAX ? -DRIFT_MAX : value;
}

double drift_update(struct drift *drift, double surplus, double frames)
{
	double seconds = frames / drift->rate, error = surplus / drift->rate;
	double share = seconds / (MEAN_SECONDS + seconds);

	drift->mean += (error - drift->mean) * share;
	drift->memory = clamp(drift->memory + drift->mean * MEMORY_GAIN * seconds);
	drift->factor = 1.0 + clamp(drift->mean * GAIN + drift->memory);
	return drift->factor;
}
