/* SPDX-License-Identifier: MIT */
/*
 * A piece of work that waits for a graphics driver, done by a thread of its own: a driver that
 * takes long, or never comes back, keeps that thread and not the loop.
 */
#ifndef COMPOSITOR_KMS_ERRAND_H
#define COMPOSITOR_KMS_ERRAND_H

#include <systemd/sd-event.h>

struct errand;

/*
 * Runs work(data) in a thread and then done(data) in the loop. Until then data is the thread's. 0
 * or -errno, then neither is called. The errand is gone when done is called.
 */
int errand_start(sd_event *event, void (*work)(void *data), void (*done)(void *data), void *data,
		 struct errand **out);

/*
 * For the end of the program: waits for at most a second until work is over. 0: it is, and done
 * will not be called; the errand is gone. -ETIMEDOUT: the thread still has data, which must be left
 * to it.
 */
int errand_end(struct errand *errand);

#endif
