/* SPDX-License-Identifier: MIT */
/*
 * The vblanks of a headless output: the multiples of the refresh interval on CLOCK_MONOTONIC. The
 * timer is the kernel's own with absolute times, so it waits for nobody.
 */
#ifndef BENCH_VBLANK_H
#define BENCH_VBLANK_H

#include <stdint.h>

uint64_t vblank_interval_ns(uint32_t refresh_mhz);

/* The first vblank after the given time. */
uint64_t vblank_after(uint64_t ns, uint64_t interval_ns);

/* Sleeps until the absolute time; returns how late the caller runs, in nanoseconds. */
uint64_t sleep_until(uint64_t ns);

#endif
