/* SPDX-License-Identifier: MIT */
/*
 * The guest's sound device: a tone, clicks, and what it hears. Its modules are loaded by the first
 * command, since most guests need none. Two threads move samples; everything here is called by the
 * program's one.
 */
#ifndef TESTCARD_SOUND_H
#define TESTCARD_SOUND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct sound {
	bool opened, recording;
	int clicked; /* eventfd: counts clicks that the device has got; -1 before sound_open() */
	_Atomic uint32_t hz;      /* 0: silence */
	atomic_uint clicks;       /* to be played */
	atomic_uint late;         /* the device ran out of samples */
	_Atomic uint32_t loudest; /* heard since it was asked for, 0 to 32768 */
	_Atomic uint32_t frames;  /* heard */
};

void sound_init(struct sound *sound);

/* Plays silence from now on. A second call does nothing. Waits for modules and device. 0 or -errno.
 */
int sound_open(struct sound *sound);

/* Records from now on; after sound_open(). 0 or -errno. */
int sound_record(struct sound *sound);

/* Sets every volume of the device, in percent, and opens its switches; 0 closes them. 0 or -errno.
 */
int sound_set_mixer(unsigned int percent);

#endif
